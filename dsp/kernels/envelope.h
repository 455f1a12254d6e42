/* Envelope: intake, band-pass, rectification and smoothing, tile by tile; and decisions.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  the chain of Little et al. 2013, doi 10.1002/ana.23951 (filter, rectify, smooth)
 *
 * The caller owns the memory: `a`, one stretch of envelope_memory() zeros, which
 * envelope_bind() divides, and two counts for each channel. To forget the past, zero all of
 * it but `a`, and phase and slot.
 */
typedef struct {
    int channels;
    int sections;   /* 1 to 4 */
    int window;     /* rows of the moving average; 0: one pole */
    REAL alpha;     /* one pole */
    REAL gain;      /* band-pass */
    REAL limit;     /* uV; beyond it a sample is held */
    int phase;      /* rows since the last flush */
    int slot;       /* the ring's next row */
    const REAL *a;  /* sections x 2 */
    REAL *state;    /* for each group of WIDTH channels: z, mean, last, sum, fresh sum */
    REAL *ring;     /* window x channels */
    int64_t *held;      /* channels, samples */
    int64_t *saturated; /* channels, those beyond the limit */
} NAME(envelope);

INLINE ptrdiff_t NAME(envelope_memory)(const NAME(envelope) *e)
{
    const ptrdiff_t groups = (e->channels + WIDTH - 1) / WIDTH;
    return groups * (2 * e->sections + 4) * WIDTH + (ptrdiff_t)e->window * e->channels;
}

INLINE void NAME(envelope_bind)(NAME(envelope) *e, const REAL *a, REAL *memory,
                                int64_t *counts)
{
    e->a = a;
    e->ring = memory;
    e->state = memory + (ptrdiff_t)e->window * e->channels;
    e->held = counts;
    e->saturated = counts + e->channels;
}

/* One tile of the group that begins at channel `first`: at the block's value `at` and after,
 * `rows` rows that end at the latest where a flush is due; the envelope is left in `tile`. */
INLINE void NAME(envelope_tile)(const NAME(envelope) *e, int first, int lanes,
                                const void *block, int kind, ptrdiff_t at, ptrdiff_t stride,
                                int rows, int phase, int slot, REAL *restrict tile)
{
    REAL *restrict z = e->state + (ptrdiff_t)first * (2 * e->sections + 4);
    REAL *restrict mean = z + 2 * e->sections * WIDTH;
    REAL *restrict last = mean + WIDTH;
    REAL *restrict sum = last + WIDTH;
    const REAL decay = e->window ? 0 : 1 - e->alpha;
    const REAL gain = e->window ? e->gain : e->gain * (1 - decay);
    if (NAME(read_tile)(block, kind, at + first, stride, rows, lanes, e->limit, tile))
        NAME(hold_tile)(tile, rows, lanes, e->limit, last, e->held + first,
                        e->saturated + first);
    else
        ROLLED
        for (int c = 0; c < lanes; c++)
            last[c] = tile[(rows - 1) * WIDTH + c];
    NAME(bandpass_tile)(e->a, e->sections, gain, decay, z, mean, tile, rows, lanes);
    if (phase + rows == TILE)
        NAME(flush)(z, e->sections, mean, lanes);
    if (e->window)
        for (int r = 0; r < rows; r++) {
            const int wraps = slot + 1 == e->window;
            NAME(average_row)(tile + r * WIDTH, e->ring + (ptrdiff_t)slot * e->channels + first,
                              sum, wraps, 1 / (REAL)e->window, lanes);
            slot = wraps ? 0 : slot + 1;
        }
}

/* Every row of the group; what `out` or `b` is NULL for is not done. The active lanes. */
INLINE int NAME(chain_group)(const NAME(envelope) *e, const NAME(bank) *b, int first, int lanes,
                             const void *block, int kind, ptrdiff_t stride, ptrdiff_t rows,
                             REAL *restrict out)
{
    REAL tile[TILE * WIDTH];
    INTEGER changed[WIDTH];
    int phase = e->phase, slot = e->slot, n = 0;
    ROLLED
    for (int c = 0; c < lanes; c++)
        changed[c] = -1;
    for (ptrdiff_t i = 0; i < rows; i += n) {
        n = rows - i < TILE - phase ? (int)(rows - i) : TILE - phase;
        NAME(envelope_tile)(e, first, lanes, block, kind, i * stride, stride, n, phase, slot,
                            tile);
        phase = (phase + n) % TILE;
        if (e->window)
            slot = (slot + n) % e->window;
        if (b)
            NAME(decide_tile)(b, first, lanes, i, n, tile, changed);
        if (out)
            for (int r = 0; r < n; r++) {
                ROLLED
                for (int c = 0; c < lanes; c++)
                    out[(i + r) * e->channels + first + c] = tile[r * WIDTH + c];
            }
    }
    return b ? NAME(tell)(b, first, lanes, rows, tile + (n - 1) * WIDTH, changed) : 0;
}

CLONED int NAME(chain)(NAME(envelope) *e, const NAME(bank) *b, const void *block, int kind,
                       ptrdiff_t stride, ptrdiff_t rows, REAL *restrict out)
{
    int first = 0, active = 0;
    for (; first + WIDTH <= e->channels; first += WIDTH) /* of constant length: no remainder */
        active += NAME(chain_group)(e, b, first, WIDTH, block, kind, stride, rows, out);
    const int lanes = e->channels - first;
    if (lanes == 1) /* no vector, no loop */
        active += NAME(chain_group)(e, b, first, 1, block, kind, stride, rows, out);
    else if (lanes)
        active += NAME(chain_group)(e, b, first, lanes, block, kind, stride, rows, out);
    e->phase = (int)((e->phase + rows) % TILE);
    if (e->window)
        e->slot = (int)((e->slot + rows) % e->window);
    return active;
}

/* block   rows of at least `channels` values, `stride` values apart
 * out     rows x channels, uV */
static inline void NAME(envelope_push)(NAME(envelope) *e, const void *block, int kind,
                                       ptrdiff_t stride, ptrdiff_t rows, REAL *out)
{
    NAME(chain)(e, NULL, block, kind, stride, rows, out);
}

/* The same, at least one row and at most INT32_MAX, for decisions; the number of channels that
 * are active after the last. */
static inline int NAME(bank_push)(NAME(bank) *b, NAME(envelope) *e, const void *block, int kind,
                                  ptrdiff_t stride, ptrdiff_t rows)
{
    const int active = NAME(chain)(e, b, block, kind, stride, rows, NULL);
    b->settling = b->settling > rows ? b->settling - rows : 0;
    return active;
}
