/* Intake: one row of samples to microvolt, and the last good value in place of a bad one.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  our own; the rule is one comparison, !(|x| <= limit), which is true for NaN, for
 *         infinity and for a converter at its rail, so that none of them reaches a filter.
 */
static inline void NAME(read_row)(const void *block, int kind, ptrdiff_t at,
                                  REAL *restrict row, int channels)
{
    if (kind == NANOVOLT_INT32) {
        const int32_t *raw = (const int32_t *)block + at;
        for (int c = 0; c < channels; c++)
            row[c] = raw[c] == INT32_MIN ? (REAL)NAN : (REAL)raw[c] * (REAL)1e-3;
    } else if (kind == MICROVOLT_FLOAT32) {
        const float *raw = (const float *)block + at;
        for (int c = 0; c < channels; c++)
            row[c] = (REAL)raw[c];
    } else {
        const double *raw = (const double *)block + at;
        for (int c = 0; c < channels; c++)
            row[c] = (REAL)raw[c];
    }
}

/* last: the last good sample of each channel, uV; held and saturated count the bad ones. */
static inline void NAME(hold_row)(const REAL *restrict row, REAL limit, REAL *restrict last,
                                  int channels, int64_t *held, int64_t *saturated)
{
    int bad = 0, over = 0;
    for (int c = 0; c < channels; c++) {
        const REAL x = row[c];
        const REAL size = x < 0 ? -x : x;
        const int good = size <= limit;
        bad += !good;
        over += size > limit; /* false for NaN: missing, not saturated */
        last[c] = good ? x : last[c];
    }
    *held += bad;
    *saturated += over;
}
