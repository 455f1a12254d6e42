/* Sliding DFT: the bins of the last `window` samples, one sample at a time.
 *
 * tier    core: float64, + - * /, no libm, no malloc
 * source  Jacobsen and Lyons 2003, doi 10.1109/MSP.2003.1184347, with the twiddle on the sample
 *         instead of on the sum: a bin k of a window of N samples has exp(-2 pi i k n / N), which
 *         repeats after N samples, so the sample that leaves takes the same factor as the one
 *         that comes, and no sum is ever multiplied. It alone would keep the rounding error of
 *         every sample it ever saw: a second sum, begun at zero each time n wraps, takes its
 *         place at the next wrap, as in average.h.
 *
 * change  sample that comes minus sample that leaves
 * c, s    cos and sin of 2 pi k n / N for each bin, n = index mod N
 */
#ifndef STIMLOOP_SLIDING_H
#define STIMLOOP_SLIDING_H

#include "clones.h"

CLONED void sliding_add(double change, double sample, const double *restrict c,
                        const double *restrict s, double *restrict re, double *restrict im,
                        double *restrict fresh_re, double *restrict fresh_im, int bins)
{
    for (int k = 0; k < bins; k++) {
        re[k] += change * c[k];
        im[k] -= change * s[k];
        fresh_re[k] += sample * c[k];
        fresh_im[k] -= sample * s[k];
    }
}

/* Sum of the powers of the bins 1 to bins - 2 behind a Hann window that begins at sample n: each
 * bin is half of itself minus a quarter of its neighbours, turned by one bin's phase (c, s) of
 * the window's first sample. */
CLONED double sliding_hann_power(const double *restrict re, const double *restrict im, double c,
                                 double s, double *restrict power, int bins)
{
    for (int k = 1; k < bins - 1; k++) {
        const double below_re = re[k - 1] * c + im[k - 1] * s;
        const double below_im = im[k - 1] * c - re[k - 1] * s;
        const double above_re = re[k + 1] * c - im[k + 1] * s;
        const double above_im = im[k + 1] * c + re[k + 1] * s;
        const double hann_re = 0.5 * re[k] - 0.25 * (below_re + above_re);
        const double hann_im = 0.5 * im[k] - 0.25 * (below_im + above_im);
        power[k] = hann_re * hann_re + hann_im * hann_im;
    }
    double sum = 0;
    for (int k = 1; k < bins - 1; k++)
        sum += power[k];
    return sum;
}

#endif
