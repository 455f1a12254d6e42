/* Intake: samples to microvolt, and the last good value in place of a bad one.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  our own; the rule is one comparison, !(|x| <= limit), which is true for NaN, for
 *         infinity and for a converter at its rail, so that none of them reaches a filter.
 */

/* Reads `rows` rows, a constant where this is called, of a block of one kind into a tile; not
 * zero if a sample is bad. */
INLINE INTEGER NAME(read_rows)(const void *block, const int kind, ptrdiff_t at,
                               ptrdiff_t stride, const int rows, int lanes, REAL limit,
                               REAL *restrict tile)
{
    const int32_t *nanovolt = (const int32_t *)block + at;
    const float *single = (const float *)block + at;
    const double *microvolt = (const double *)block + at;
    INTEGER bad = 0;
    ROLLED
    for (int c = 0; c < lanes; c++)
        for (int r = 0; r < rows; r++) {
            REAL uv;
            if (kind == NANOVOLT_INT32) {
                /* A sum, not a choice: gcc vectorises no choice of a product. */
                const REAL missing = nanovolt[r * stride + c] == INT32_MIN ? (REAL)NAN : 0;
                uv = (REAL)nanovolt[r * stride + c] * (REAL)1e-3 + missing;
            } else if (kind == MICROVOLT_FLOAT32)
                uv = (REAL)single[r * stride + c];
            else
                uv = (REAL)microvolt[r * stride + c];
            tile[r * WIDTH + c] = uv;
            bad |= !(MAGNITUDE(uv) <= limit);
        }
    return bad;
}

INLINE INTEGER NAME(read_kind)(const void *block, const int kind, ptrdiff_t at,
                               ptrdiff_t stride, int rows, int lanes, REAL limit,
                               REAL *restrict tile)
{
    INTEGER bad = 0;
    int r = 0;
    for (; r + 4 <= rows; r += 4)
        bad |= NAME(read_rows)(block, kind, at + r * stride, stride, 4, lanes, limit,
                               tile + r * WIDTH);
    for (; r < rows; r++)
        bad |= NAME(read_rows)(block, kind, at + r * stride, stride, 1, lanes, limit,
                               tile + r * WIDTH);
    return bad;
}

/* Reads rows of `lanes` samples, `stride` values apart, into a tile; not zero if one is bad. */
INLINE INTEGER NAME(read_tile)(const void *block, int kind, ptrdiff_t at, ptrdiff_t stride,
                               int rows, int lanes, REAL limit, REAL *restrict tile)
{
    switch (kind) {
    case NANOVOLT_INT32:
        return NAME(read_kind)(block, NANOVOLT_INT32, at, stride, rows, lanes, limit, tile);
    case MICROVOLT_FLOAT32:
        return NAME(read_kind)(block, MICROVOLT_FLOAT32, at, stride, rows, lanes, limit, tile);
    default:
        return NAME(read_kind)(block, MICROVOLT_FLOAT64, at, stride, rows, lanes, limit, tile);
    }
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
