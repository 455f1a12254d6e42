/* Moving average of one row.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  a running sum. It alone would keep the rounding error of every sample it ever saw,
 *         so a second sum, begun at zero each time the ring wraps, takes its place at the
 *         next wrap: an error goes at most one window after its sample, at the cost of one
 *         addition, and at sample numbers that no chunking can move.
 *
 * row     samples in, averages out
 * oldest  the ring's row that is one window old; receives the samples
 * sum     sum over the window, and the sum since the ring last wrapped WIDTH after it
 * wraps   this is the last row of the ring, so that the second sum spans exactly one window
 */
INLINE void NAME(average_row)(REAL *restrict row, REAL *restrict oldest, REAL *restrict sum,
                              int wraps, REAL scale, int lanes)
{
    /* Arithmetic first, choices after: gcc vectorises a choice, not a conditional sum. */
    for (int c = 0; c < lanes; c++) {
        const REAL x = row[c];
        const REAL since = sum[WIDTH + c] + x;
        const REAL moved = sum[c] + (x - oldest[c]);
        const REAL total = wraps ? since : moved;
        const REAL mean = total * scale;
        sum[WIDTH + c] = wraps ? 0 : since;
        sum[c] = total;
        oldest[c] = x;
        row[c] = mean > 0 ? mean : 0; /* rounding may leave -1e-9 of nothing */
    }
}
