/* Rectification and smoothing of one row: moving average, or one pole.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  one pole: y += alpha (|x| - y), alpha = 1 - exp(-1 / (fs tau)) from design time.
 *         Moving average: a running sum. It alone would keep the rounding error of every
 *         sample it ever saw, so a second sum, begun at zero each time the ring wraps, takes
 *         its place at the next wrap: an error goes at most one window after its sample, at
 *         the cost of one addition, and at sample numbers that no chunking can move.
 */
static inline void NAME(rectify_row)(REAL *restrict row, int channels)
{
    for (int c = 0; c < channels; c++)
        row[c] = row[c] < 0 ? -row[c] : row[c];
}

/* oldest  the ring's row that is one window old; receives x
 * sum     sum over the window
 * fresh   sum since the ring last wrapped
 * wraps   x is the last row of the ring, so that fresh + x spans exactly one window */
static inline void NAME(moving_average_row)(const REAL *restrict x, REAL *restrict oldest,
                                            REAL *restrict sum, REAL *restrict fresh,
                                            int wraps, REAL scale, REAL *restrict out,
                                            int channels)
{
    /* Arithmetic first, choices after: gcc vectorises a choice, not a conditional sum. */
    for (int c = 0; c < channels; c++) {
        const REAL since = fresh[c] + x[c];
        const REAL moved = sum[c] + (x[c] - oldest[c]);
        const REAL total = wraps ? since : moved;
        const REAL mean = total * scale;
        fresh[c] = wraps ? 0 : since;
        sum[c] = total;
        oldest[c] = x[c];
        out[c] = mean > 0 ? mean : 0; /* rounding may leave -1e-9 of nothing */
    }
}

static inline void NAME(one_pole_row)(const REAL *restrict x, REAL alpha, REAL *restrict y,
                                      REAL *restrict out, int channels)
{
    for (int c = 0; c < channels; c++) {
        const REAL next = y[c] + alpha * (x[c] - y[c]);
        y[c] = NAME(alive)(next) ? next : 0;
        out[c] = y[c];
    }
}
