/* Bank: for each of many channels a decision by hysteresis.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  as hysteresis.h, whose rules these are, without branches
 *
 * The caller owns the memory. To forget the past, zero state and lasted, and set settling.
 */
typedef struct {
    INTEGER onset;          /* as in hysteresis.h, and so the next two */
    INTEGER termination;
    INTEGER blanking;
    int64_t settling;       /* samples until the first decision */
    const REAL *thresholds; /* for each group of WIDTH channels: on, off */
    INTEGER *state;         /* for each group: active (0 or 1), run, blanked */
    REAL *levels;           /* channels: of the last sample, uV */
    uint8_t *told;          /* channels: active */
    int64_t *lasted;        /* channels: samples since active, the last one included */
} NAME(bank);

/* Decides `rows` rows, a constant where this is called; `changed` receives the number, counted
 * from `at`, of the row in which a lane changed last. */
INLINE void NAME(decide_at_once)(const REAL *restrict thresholds, const REAL *restrict tile,
                                 INTEGER at, INTEGER *restrict state,
                                 INTEGER *restrict changed, const int rows, int lanes)
{
    for (int c = 0; c < lanes; c++) {
        INTEGER active = state[c], when = changed[c];
        const REAL on = thresholds[c], off = thresholds[WIDTH + c]; /* both, without a choice */
        for (int r = 0; r < rows; r++) {
            const REAL threshold = active ? off : on;
            const INTEGER above = tile[r * WIDTH + c] > threshold;
            when = above != active ? at + r : when;
            active = above;
        }
        state[c] = active;
        changed[c] = when;
    }
}

/* The same with onset, termination and blanking; masks, where gcc would make a branch. */
INLINE void NAME(decide)(const NAME(bank) *b, const REAL *restrict thresholds,
                         const REAL *restrict tile, INTEGER at, INTEGER *restrict state,
                         INTEGER *restrict changed, const int rows, int lanes)
{
    const INTEGER onset = b->onset, termination = b->termination, blanking = b->blanking;
    for (int c = 0; c < lanes; c++) {
        INTEGER active = state[c], run = state[WIDTH + c], blanked = state[2 * WIDTH + c];
        INTEGER when = changed[c];
        const REAL on = thresholds[c], off = thresholds[WIDTH + c];
        for (int r = 0; r < rows; r++) {
            const REAL threshold = active ? off : on;
            const INTEGER needed = active ? termination : onset; /* 1 at least */
            const INTEGER above = tile[r * WIDTH + c] > threshold;
            const INTEGER busy = blanked > 0;
            run = (run + 1) & -((above ^ active) & (busy ^ 1));
            const INTEGER flips = run >= needed; /* only while not busy */
            run &= flips - 1;
            blanked = blanked - busy + (blanking & -flips);
            when = flips ? at + r : when;
            active ^= flips;
        }
        state[c] = active;
        state[WIDTH + c] = run;
        state[2 * WIDTH + c] = blanked;
        changed[c] = when;
    }
}

/* Decides a tile of the group that begins at channel `first`; `i` is its first row's number. */
INLINE void NAME(decide_tile)(const NAME(bank) *b, int first, int lanes, ptrdiff_t i, int rows,
                              const REAL *restrict tile, INTEGER *restrict changed)
{
    const int at_once = b->onset == 1 && b->termination == 1 && b->blanking == 0;
    const REAL *restrict thresholds = b->thresholds + 2 * (ptrdiff_t)first;
    INTEGER *restrict state = b->state + 3 * (ptrdiff_t)first;
    const int64_t unsettled = b->settling - i;
    int r = unsettled <= 0 ? 0 : unsettled < rows ? (int)unsettled : rows;
    if (at_once) {
        for (; r + 4 <= rows; r += 4)
            NAME(decide_at_once)(thresholds, tile + r * WIDTH, (INTEGER)(i + r), state, changed,
                                 4, lanes);
        for (; r < rows; r++)
            NAME(decide_at_once)(thresholds, tile + r * WIDTH, (INTEGER)(i + r), state, changed,
                                 1, lanes);
    } else {
        for (; r + 2 <= rows; r += 2)
            NAME(decide)(b, thresholds, tile + r * WIDTH, (INTEGER)(i + r), state, changed, 2,
                         lanes);
        if (r < rows)
            NAME(decide)(b, thresholds, tile + r * WIDTH, (INTEGER)(i + r), state, changed, 1,
                         lanes);
    }
}

/* After `rows` rows, the last of them `row`: tells the group's levels and decisions; returns
 * how many lanes are active. */
INLINE int NAME(tell)(const NAME(bank) *b, int first, int lanes, ptrdiff_t rows,
                      const REAL *restrict row, const INTEGER *restrict changed)
{
    const INTEGER *restrict state = b->state + 3 * (ptrdiff_t)first;
    REAL *restrict levels = b->levels + first;
    uint8_t *restrict told = b->told + first;
    int64_t *restrict lasted = b->lasted + first;
    INTEGER count = 0;
    ROLLED
    for (int c = 0; c < lanes; c++) {
        levels[c] = row[c];
        told[c] = (uint8_t)state[c];
        count += state[c];
    }
    ROLLED
    for (int c = 0; c < lanes; c++) {
        const int64_t since = changed[c], before = lasted[c];
        const int64_t after = rows + (since < 0 ? before : -since);
        lasted[c] = after & -(int64_t)state[c];
    }
    return (int)count;
}
