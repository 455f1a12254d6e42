/* Flush: a state that has decayed below 1e-30 becomes zero.
 *
 * tier    kernel: C99, comparisons, no libm, no malloc
 * why     a recursive filter fed with zeros decays into denormal numbers and stays there; on
 *         many processors each such operation costs a hundred cycles. The flush is in the
 *         arithmetic, not in a processor mode, so that the bits are the same everywhere.
 *         1e-30 is far above the denormals of float32 (1e-38) and far below any signal, so
 *         that it suffices to look after every TILE samples, counted from the first: at
 *         sample numbers that no chunking can move.
 *
 * Both numbers of a second-order state must be small before both are flushed. To flush one
 * alone would push the other off its spiral to zero, and the filter would ring at 1e-30 for
 * ever.
 */
INLINE int NAME(alive)(REAL state)
{
    return MAGNITUDE(state) > (REAL)1e-30;
}

/* z       sections x 2 x WIDTH, of the band-pass
 * mean    WIDTH, of the one pole */
INLINE void NAME(flush)(REAL *restrict z, int sections, REAL *restrict mean, int lanes)
{
    for (int s = 0; s < sections; s++, z += 2 * WIDTH)
        for (int c = 0; c < lanes; c++) {
            const int alive = NAME(alive)(z[c]) | NAME(alive)(z[WIDTH + c]);
            z[c] = alive ? z[c] : 0;
            z[WIDTH + c] = alive ? z[WIDTH + c] : 0;
        }
    for (int c = 0; c < lanes; c++)
        mean[c] = NAME(alive)(mean[c]) ? mean[c] : 0;
}
