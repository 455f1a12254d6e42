/* Sliding DFT: the power of a band, behind a Hann window of the last samples of many channels.
 *
 * tier    core: float64, + - * /, no libm, no malloc
 * source  Jacobsen and Lyons 2003, doi 10.1109/MSP.2003.1184347, with the twiddle on the sample
 *         instead of on the sum: a bin k of a window of N samples has exp(-2 pi i k n / N), which
 *         repeats after N samples, so the sample that leaves takes the same factor as the one
 *         that comes, and no sum is ever multiplied. It alone would keep the rounding error of
 *         every sample it ever saw. So LANES bins at a time are summed anew from n = 0, and take
 *         their place when n wraps, as in average.h: an error goes after as many windows as
 *         there are groups of LANES bins, and one.
 *
 * Sums are wanted at hops only. Until then samples gather, to be added FOLD at a time: those that
 * lie as far before the middle of a fold as others lie behind it share a cosine and a sine, which
 * halves the arithmetic, and one twiddle for each fold instead of each sample keeps the tables
 * near. Folds end at numbers of samples that no chunking can move: multiples of FOLD, hops, and
 * the window's end; a shorter one is added sample by sample.
 *
 * The band is divided into LANES stretches, one for each lane, and each stretch keeps the bin
 * before and the bin behind it: the Hann window takes a bin's neighbors from the groups before
 * and behind, and no lane from another.
 */
#ifndef STIMLOOP_SLIDING_H
#define STIMLOOP_SLIDING_H

#include <stddef.h>

#include "clones.h"

enum { LANES = 4, FOLD = 8, PAIRS = FOLD / 2 };

typedef struct {
    int channels;
    int window;            /* N, samples */
    int hop;               /* samples */
    int bins;              /* LANES x (bins of a stretch and two) */
    int slot;              /* n, 0 to window - 1 */
    int gathered;          /* samples that wait, 0 to FOLD - 1 */
    int anew;              /* the first of the bins that are summed anew */
    int due;               /* samples until the next hop */
    const double *twiddles; /* window x cos, sin x bins, of 2 pi k n / N */
    const double *middles; /* window / FOLD x cos, sin x bins, n in the middle of each fold */
    const double *halves;  /* PAIRS x cos, sin x bins, n = 0.5, 1.5, ... */
    const double *turns;   /* window x cos, sin of 2 pi n / N, halved */
    const double *weights; /* bins, 1 within the band and 0 beyond */
    double *ring;          /* channels x window */
    double *changes;       /* channels x FOLD: what comes minus what leaves */
    double *sums;          /* channels x re, im x bins and the LANES that are summed anew */
    double *powers;        /* channels, of the latest hop: of the sums, 4 times too large */
} sliding;

/* Adds one sample to the sums of so many bins; c and s are its twiddles. */
INLINE void sliding_one(double value, const double *restrict c, const double *restrict s,
                        double *restrict re, double *restrict im, int bins)
{
    ROLLED
    for (int k = 0; k < bins; k++) {
        re[k] += value * c[k];
        im[k] -= value * s[k];
    }
}

/* Adds a whole fold. */
INLINE void sliding_fold(const double *restrict values, const double *restrict halves,
                         const double *restrict c, const double *restrict s, ptrdiff_t apart,
                         double *restrict re, double *restrict im, int bins)
{
    double even[PAIRS], odd[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        even[i] = values[PAIRS + i] + values[PAIRS - 1 - i];
        odd[i] = values[PAIRS + i] - values[PAIRS - 1 - i];
    }
    ROLLED
    for (int k = 0; k < bins; k++) {
        double a = 0, b = 0;
        for (int i = 0; i < PAIRS; i++) {
            a += even[i] * halves[2 * i * apart + k];
            b += odd[i] * halves[(2 * i + 1) * apart + k];
        }
        re[k] += a * c[k] - b * s[k];
        im[k] -= a * s[k] + b * c[k];
    }
}

/* Adds what has gathered, up to sample `end` of the window, to a channel's sums. */
INLINE void sliding_add(const sliding *d, int channel, int end)
{
    const int bins = d->bins, anew = d->anew, gathered = d->gathered;
    const double *changes = d->changes + (ptrdiff_t)channel * FOLD;
    const double *samples = d->ring + (ptrdiff_t)channel * d->window + end - gathered;
    double *re = d->sums + (ptrdiff_t)channel * 2 * (bins + LANES), *im = re + bins + LANES;
    if (gathered == FOLD) {
        const double *c = d->middles + (ptrdiff_t)(end / FOLD - 1) * 2 * bins, *s = c + bins;
        sliding_fold(changes, d->halves, c, s, bins, re, im, bins);
        sliding_fold(samples, d->halves + anew, c + anew, s + anew, bins, re + bins, im + bins,
                     LANES);
        return;
    }
    for (int r = 0; r < gathered; r++) {
        const double *c = d->twiddles + (ptrdiff_t)(end - gathered + r) * 2 * bins;
        sliding_one(changes[r], c, c + bins, re, im, bins);
        sliding_one(samples[r], c + anew, c + bins + anew, re + bins, im + bins, LANES);
    }
}

/* Power behind a Hann window that begins at sample n: each bin is half of itself minus a quarter
 * of its neighbors, turned by one bin's phase of the window's first sample; the half is left to
 * the caller. */
INLINE double sliding_power(const sliding *d, int channel)
{
    const double *re = d->sums + (ptrdiff_t)channel * 2 * (d->bins + LANES);
    const double *im = re + d->bins + LANES;
    const double c = d->turns[2 * d->slot], s = d->turns[2 * d->slot + 1];
    double sum[LANES] = {0};
    for (int k = 0; k < d->bins - 2 * LANES; k += LANES, re += LANES, im += LANES)
        ROLLED
        for (int j = 0; j < LANES; j++) {
            const double x_0 = re[j], x_1 = re[LANES + j], x_2 = re[2 * LANES + j];
            const double y_0 = im[j], y_1 = im[LANES + j], y_2 = im[2 * LANES + j];
            const double x = x_1 - (x_0 + x_2) * c - (y_0 - y_2) * s;
            const double y = y_1 - (y_0 + y_2) * c + (x_0 - x_2) * s;
            sum[j] += d->weights[LANES + k + j] * (x * x + y * y);
        }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Puts the bins that were summed anew in their places, and begins the next ones. */
INLINE void sliding_renew(sliding *d)
{
    for (int i = 0; i < 2 * d->channels; i++) {
        double *sums = d->sums + (ptrdiff_t)i * (d->bins + LANES);
        for (int k = 0; k < LANES; k++) {
            sums[d->anew + k] = sums[d->bins + k];
            sums[d->bins + k] = 0;
        }
    }
    d->anew = d->anew + LANES < d->bins ? d->anew + LANES : 0;
}

/* Takes rows of samples of every channel; one that is not finite is the one before it again. */
CLONED void sliding_push(sliding *d, const double *samples, ptrdiff_t rows)
{
    for (int n; rows > 0; rows -= n, samples += (ptrdiff_t)n * d->channels) {
        n = FOLD - d->slot % FOLD;
        n = d->window - d->slot < n ? d->window - d->slot : n;
        n = d->due < n ? d->due : n;
        n = rows < n ? (int)rows : n;
        for (int c = 0; c < d->channels; c++) {
            double *ring = d->ring + (ptrdiff_t)c * d->window;
            double *changes = d->changes + (ptrdiff_t)c * FOLD + d->gathered;
            double before = ring[(d->slot ? d->slot : d->window) - 1];
            ROLLED
            for (int r = 0; r < n; r++) {
                const double sample = samples[(ptrdiff_t)r * d->channels + c];
                before = sample - sample == 0 ? sample : before;
                changes[r] = before - ring[d->slot + r];
                ring[d->slot + r] = before;
            }
        }
        d->gathered += n;
        d->due -= n;
        d->slot += n;
        if (d->slot % FOLD && d->slot != d->window && d->due)
            continue;
        for (int c = 0; c < d->channels; c++)
            sliding_add(d, c, d->slot);
        d->gathered = 0;
        if (d->slot == d->window) {
            d->slot = 0;
            sliding_renew(d);
        }
        if (!d->due) {
            d->due = d->hop;
            for (int c = 0; c < d->channels; c++)
                d->powers[c] = sliding_power(d, c);
        }
    }
}

#endif
