/* The body of decimator.h, for one type of SAMPLE and the WORD its sums fit.
 *
 * The caller owns the memory, channels rounded up to whole groups of BAND. To forget the past,
 * zero it, and phase.
 */
typedef struct {
    int channels;
    int factor;
    int phase;           /* rows of the present period */
    double nv_per_count; /* over factor^3 */
    WORD *state;         /* for each group: 3 integrators and 3 combs */
    SAMPLE *last;        /* the last good sample of each channel */
    uint8_t *spoilt;     /* whether the present period has a bad sample */
    int64_t *held;       /* samples, of each channel */
} NAME(decimator);

/* Adds `rows` rows to the integrators, a constant where this is called. */
INLINE void NAME(integrate)(WORD *restrict state, const SAMPLE *restrict samples,
                            ptrdiff_t stride, const int rows, int lanes)
{
    for (int c = 0; c < lanes; c++) {
        WORD one = state[c], two = state[BAND + c], three = state[2 * BAND + c];
        for (int r = 0; r < rows; r++) {
            one += (WORD)(SIGNED)samples[r * stride + c];
            two += one;
            three += two;
        }
        state[c] = one;
        state[BAND + c] = two;
        state[2 * BAND + c] = three;
    }
}

/* Writes a sample as it is, or the last good one in place of a bad one. */
INLINE void NAME(hold)(const SAMPLE *samples, ptrdiff_t stride, int rows, int lanes,
                       SAMPLE *last, uint8_t *spoilt, int64_t *held, SAMPLE *good)
{
    for (int c = 0; c < lanes; c++)
        for (int r = 0; r < rows; r++) {
            const SAMPLE sample = samples[r * stride + c];
            if (sample == LEAST || sample == GREATEST) {
                spoilt[c] = 1;
                held[c]++;
            } else {
                last[c] = sample;
            }
            good[r * BAND + c] = last[c];
        }
}

/* Whether one of `rows` rows, a constant where this is called, has a bad sample. */
INLINE int NAME(spoils)(const SAMPLE *restrict samples, ptrdiff_t stride, const int rows,
                        int lanes)
{
    SAMPLE bad = 0;
    ROLLED
    for (int c = 0; c < lanes; c++)
        for (int r = 0; r < rows; r++) {
            const SAMPLE sample = samples[r * stride + c];
            bad |= (SAMPLE)((sample == LEAST) | (sample == GREATEST));
        }
    return bad;
}

/* At most SLICE rows of one group. */
INLINE void NAME(slice)(const NAME(decimator) *d, int first, int lanes,
                        const SAMPLE *samples, int rows)
{
    WORD *restrict state = d->state + 6 * (ptrdiff_t)first;
    SAMPLE good[SLICE * BAND];
    ptrdiff_t stride = d->channels;
    int bad = 0;
    if (rows == SLICE)
        bad = NAME(spoils)(samples, stride, SLICE, lanes);
    else
        for (int r = 0; r < rows; r++)
            bad |= NAME(spoils)(samples + r * stride, stride, 1, lanes);
    if (bad) {
        NAME(hold)(samples, stride, rows, lanes, d->last + first, d->spoilt + first,
                   d->held + first, good);
        samples = good;
        stride = BAND;
    } else {
        ROLLED
        for (int c = 0; c < lanes; c++)
            d->last[first + c] = samples[(rows - 1) * stride + c];
    }
    if (rows == SLICE)
        NAME(integrate)(state, samples, stride, SLICE, lanes);
    else
        for (int r = 0; r < rows; r++)
            NAME(integrate)(state, samples + r * stride, stride, 1, lanes);
}

/* The sample that a full period leaves, nV, to the nearest. */
INLINE void NAME(comb)(const NAME(decimator) *d, int first, int lanes, int32_t *restrict out)
{
    WORD *restrict state = d->state + 6 * (ptrdiff_t)first;
    uint8_t *restrict spoilt = d->spoilt + first;
    const double nv_per_count = d->nv_per_count;
    ROLLED
    for (int c = 0; c < lanes; c++) {
        WORD sum = state[2 * BAND + c];
        for (int i = 3; i < 6; i++) {
            const WORD difference = sum - state[i * BAND + c];
            state[i * BAND + c] = sum;
            sum = difference;
        }
        const double nv = (double)(SIGNED)sum * nv_per_count;
        const double rounded = nv + (nv < 0 ? -0.5 : 0.5);
        const double least = -2147483647.0, greatest = 2147483647.0;
        const double above = rounded < least ? least : rounded;
        out[c] = (int32_t)(above > greatest ? greatest : above);
    }
    /* By itself: a loop over bytes as well would not be vectorised. */
    uint8_t any = 0;
    ROLLED
    for (int c = 0; c < lanes; c++)
        any |= spoilt[c];
    if (any)
        for (int c = 0; c < lanes; c++)
            if (spoilt[c]) {
                out[c] = INT32_MIN;
                spoilt[c] = 0;
            }
}

INLINE void NAME(decimator_group)(const NAME(decimator) *d, int first, int lanes,
                                  const SAMPLE *samples, ptrdiff_t rows, int32_t *out)
{
    int phase = d->phase;
    samples += first;
    out += first;
    while (rows > 0) {
        int n = d->factor - phase;
        n = n < SLICE ? n : SLICE;
        n = n < rows ? n : (int)rows;
        NAME(slice)(d, first, lanes, samples, n);
        samples += n * (ptrdiff_t)d->channels;
        rows -= n;
        phase += n;
        if (phase == d->factor) {
            NAME(comb)(d, first, lanes, out);
            out += d->channels;
            phase = 0;
        }
    }
}

/* samples  rows x channels
 * out      (phase + rows) / factor x channels, nV */
CLONED void NAME(decimator_push)(NAME(decimator) *d, const SAMPLE *samples, ptrdiff_t rows,
                                 int32_t *out)
{
    int first = 0;
    for (; first + BAND <= d->channels; first += BAND) /* of constant length: no remainder */
        NAME(decimator_group)(d, first, BAND, samples, rows, out);
    if (first < d->channels)
        NAME(decimator_group)(d, first, d->channels - first, samples, rows, out);
    d->phase = (int)((d->phase + rows) % d->factor);
}
