/* Envelope: intake, band-pass, rectification and smoothing, row by row.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  the chain of Little et al. 2013, doi 10.1002/ana.23951 (filter, rectify, smooth)
 *
 * The caller owns the memory: `a` and one stretch of envelope_memory() zeros, which
 * envelope_bind() divides. To forget the past, zero that stretch, slot, held and saturated.
 */
typedef struct {
    int channels;
    int sections;
    int window;     /* rows of the moving average; 0: one pole */
    REAL alpha;     /* one pole */
    REAL gain;      /* band-pass */
    REAL limit;     /* uV; beyond it a sample is held */
    const REAL *a;  /* sections x 2 */
    REAL *z;        /* sections x 2 x channels */
    REAL *last;     /* channels, and so the next three */
    REAL *row;
    REAL *sum;      /* of the moving average, or the state of the one pole */
    REAL *fresh;
    REAL *ring;     /* window x channels */
    int slot;       /* the ring's next row */
    int64_t held;
    int64_t saturated;
} NAME(envelope);

static inline ptrdiff_t NAME(envelope_memory)(const NAME(envelope) *e)
{
    return (ptrdiff_t)e->channels * (2 * e->sections + 4 + e->window);
}

static inline void NAME(envelope_bind)(NAME(envelope) *e, const REAL *a, REAL *memory)
{
    e->a = a;
    e->z = memory;
    e->last = e->z + 2 * e->sections * e->channels;
    e->row = e->last + e->channels;
    e->sum = e->row + e->channels;
    e->fresh = e->sum + e->channels;
    e->ring = e->fresh + e->channels;
}

/* block   rows of at least `channels` values, `stride` values apart
 * out     rows x channels, uV */
static inline void NAME(envelope_push)(NAME(envelope) *e, const void *block, int kind,
                                       ptrdiff_t stride, ptrdiff_t rows, REAL *out)
{
    const int channels = e->channels;
    const REAL scale = 1 / (REAL)(e->window ? e->window : 1);
    for (ptrdiff_t i = 0; i < rows; i++, out += channels) {
        NAME(read_row)(block, kind, i * stride, e->row, channels);
        NAME(hold_row)(e->row, e->limit, e->last, channels, &e->held, &e->saturated);
        NAME(bandpass_row)(e->a, e->sections, e->gain, e->z, e->last, e->row, channels);
        NAME(rectify_row)(e->row, channels);
        if (e->window) {
            const int wraps = e->slot + 1 == e->window;
            NAME(moving_average_row)(e->row, e->ring + (ptrdiff_t)e->slot * channels, e->sum,
                                     e->fresh, wraps, scale, out, channels);
            e->slot = wraps ? 0 : e->slot + 1;
        } else {
            NAME(one_pole_row)(e->row, e->alpha, e->sum, out, channels);
        }
    }
}
