/* Sliding DFT: the bins of the last `window` samples of one channel.
 *
 * tier    core: float64, + - * /, no libm, no malloc
 * source  Jacobsen and Lyons 2003, doi 10.1109/MSP.2003.1184347, with the twiddle on the sample
 *         instead of on the sum: a bin k of a window of N samples has exp(-2 pi i k n / N), which
 *         repeats after N samples, so the sample that leaves takes the same factor as the one
 *         that comes, and no sum is ever multiplied. It alone would keep the rounding error of
 *         every sample it ever saw. So STEP bins at a time are summed anew from n = 0, and take
 *         their place when n wraps, as in average.h: an error goes after as many windows as
 *         there are groups of STEP bins, and one.
 *
 * Bins come in groups of STEP; those beyond the band have twiddles of zero.
 */
#ifndef STIMLOOP_SLIDING_H
#define STIMLOOP_SLIDING_H

#include <stddef.h>

#include "clones.h"

enum { STEP = 4 };

/* Adds rows of values, a constant where this is called, to the sums of so many lanes; c and s are
 * the twiddles of the first row, `bins` apart from row to row. */
INLINE void sliding_rows(const double *restrict values, const int rows,
                         const double *restrict c, const double *restrict s, ptrdiff_t bins,
                         double *restrict re, double *restrict im, int lanes)
{
    for (int k = 0; k < lanes; k++) {
        double a = re[k], b = im[k];
        for (int r = 0; r < rows; r++) {
            a += values[r] * c[r * bins + k];
            b -= values[r] * s[r * bins + k];
        }
        re[k] = a;
        im[k] = b;
    }
}

INLINE void sliding_sums(const double *restrict values, int rows, const double *restrict c,
                         const double *restrict s, ptrdiff_t bins, double *restrict re,
                         double *restrict im, int lanes)
{
    int r = 0;
    for (; r + 8 <= rows; r += 8)
        sliding_rows(values + r, 8, c + r * bins, s + r * bins, bins, re, im, lanes);
    for (; r < rows; r++)
        sliding_rows(values + r, 1, c + r * bins, s + r * bins, bins, re, im, lanes);
}

/* changes  of each row, the sample that comes minus the one that leaves
 * samples  of each row, the one that comes
 * c, s     rows x bins, cos and sin of 2 pi k n / N, n = index mod N
 * re, im   bins, and from `bins` on the STEP that are summed anew, which are those from `anew` on
 */
CLONED void sliding_add(const double *restrict changes, const double *restrict samples, int rows,
                        const double *restrict c, const double *restrict s, int bins, int anew,
                        double *restrict re, double *restrict im)
{
    sliding_sums(changes, rows, c, s, bins, re, im, bins & ~(STEP - 1));
    sliding_sums(samples, rows, c + anew, s + anew, bins, re + bins, im + bins, STEP);
}

/* Sum of the powers of the bins from the second on behind a Hann window that begins at sample n:
 * each bin is half of itself minus a quarter of its neighbours, turned by one bin's phase (c, s)
 * of the window's first sample.
 *
 * weights  1 for a bin of the band and 0 for one beyond it, `bins` less STEP in number
 */
CLONED double sliding_hann_power(const double *restrict re, const double *restrict im, double c,
                                 double s, const double *restrict weights, int bins)
{
    double sum[STEP] = {0};
    for (int k = 0; k < bins - STEP; k += STEP)
        ROLLED
        for (int j = 0; j < STEP; j++) {
            const double *x = re + k + j, *y = im + k + j;
            const double beside_re = (x[0] + x[2]) * c + (y[0] - y[2]) * s;
            const double beside_im = (y[0] + y[2]) * c - (x[0] - x[2]) * s;
            const double hann_re = 0.5 * x[1] - 0.25 * beside_re;
            const double hann_im = 0.5 * y[1] - 0.25 * beside_im;
            sum[j] += weights[k + j] * (hann_re * hann_re + hann_im * hann_im);
        }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

#endif
