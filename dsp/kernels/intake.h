/* Intake: samples to microvolt, and the last good value in place of a bad one.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  our own; the rule is one comparison, !(|x| <= limit), which is true for NaN, for
 *         infinity and for a converter at its rail, so that none of them reaches a filter.
 */

/* Reads rows of `lanes` samples, `stride` values apart, into a tile; the number of bad ones. */
INLINE int NAME(read_tile)(const void *block, int kind, ptrdiff_t at, ptrdiff_t stride,
                           int rows, int lanes, REAL limit, REAL *restrict tile)
{
    INTEGER bad = 0;
    for (int r = 0; r < rows; r++, at += stride, tile += WIDTH)
        if (kind == NANOVOLT_INT32) {
            const int32_t *raw = (const int32_t *)block + at;
            ROLLED
            for (int c = 0; c < lanes; c++) {
                /* A sum, not a choice: gcc vectorises no choice of a product. */
                const REAL missing = raw[c] == INT32_MIN ? (REAL)NAN : 0;
                tile[c] = (REAL)raw[c] * (REAL)1e-3 + missing;
                bad += !(MAGNITUDE(tile[c]) <= limit);
            }
        } else if (kind == MICROVOLT_FLOAT32) {
            const float *raw = (const float *)block + at;
            ROLLED
            for (int c = 0; c < lanes; c++) {
                tile[c] = (REAL)raw[c];
                bad += !(MAGNITUDE(tile[c]) <= limit);
            }
        } else {
            const double *raw = (const double *)block + at;
            ROLLED
            for (int c = 0; c < lanes; c++) {
                tile[c] = (REAL)raw[c];
                bad += !(MAGNITUDE(tile[c]) <= limit);
            }
        }
    return (int)bad;
}

/* last: the last good sample of each lane, uV; held and saturated count the bad ones. */
INLINE void NAME(hold_tile)(REAL *restrict tile, int rows, int lanes, REAL limit,
                            REAL *restrict last, int64_t *held, int64_t *saturated)
{
    for (int c = 0; c < lanes; c++)
        for (int r = 0; r < rows; r++) {
            const REAL size = MAGNITUDE(tile[r * WIDTH + c]);
            if (size <= limit) {
                last[c] = tile[r * WIDTH + c];
            } else {
                tile[r * WIDTH + c] = last[c];
                held[c]++;
                saturated[c] += size > limit; /* false for NaN: missing, not saturated */
            }
        }
}
