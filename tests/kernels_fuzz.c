/* Feeds the kernels seeded random configurations and blocks, in memory of exactly the size that
 * they may touch, and prints a hash of all they wrote: for a build with sanitizers, which stops
 * at the first fault, and for builds for different processors, which have to agree.
 *
 * usage: kernels_fuzz ROUNDS
 */
#ifdef REAL /* one precision; the rest of this file includes it twice */

static void NAME(fuzz)(void)
{
    const int channels = between(0, 2) ? between(1, 40) : 1, sections = between(1, 4);
    const int stride = channels + (between(0, 3) ? 0 : between(1, 5));
    const ptrdiff_t padded = (channels + WIDTH - 1) / WIDTH * WIDTH;
    NAME(envelope) e = {.channels = channels, .sections = sections};
    e.window = between(0, 1) ? between(1, 70) : 0;
    e.alpha = (REAL)(between(0, 5) ? unit() : 1);
    e.gain = (REAL)unit();
    e.limit = (REAL)(between(0, 3) ? 1000 : 1e9);
    REAL *a = zeros(2 * sections, sizeof *a);
    for (int s = 0; s < sections; s++) { /* stable: poles within the unit circle */
        a[2 * s + 1] = (REAL)(0.99 * unit());
        a[2 * s] = (REAL)((2 * unit() - 1) * (1 + (double)a[2 * s + 1]));
    }
    REAL *memory = zeros(NAME(envelope_memory)(&e), sizeof *memory);
    int64_t *counts = zeros(2 * channels, sizeof *counts);
    NAME(envelope_bind)(&e, a, memory, counts);

    NAME(bank) b = {.onset = 1, .termination = 1, .settling = between(0, 50)};
    if (between(0, 1)) {
        b.onset = between(1, 9);
        b.termination = between(1, 9);
        b.blanking = between(0, 9);
    }
    REAL *thresholds = zeros(2 * padded, sizeof *thresholds);
    for (int i = 0; i < 2 * padded; i++)
        thresholds[i] = (REAL)(20 * unit());
    b.thresholds = thresholds;
    b.state = zeros(3 * padded, sizeof *b.state);
    b.levels = zeros(channels, sizeof *b.levels);
    b.told = zeros(channels, sizeof *b.told);
    b.lasted = zeros(channels, sizeof *b.lasted);

    for (int i = between(1, 6); i > 0; i--) {
        const int rows = between(1, 40), kind = between(0, 2);
        const ptrdiff_t count = (ptrdiff_t)(rows - 1) * stride + channels;
        void *block = random_block(kind, count, between(0, 1) ? 20 : 100000);
        if (between(0, 1)) {
            REAL *out = zeros((ptrdiff_t)rows * channels, sizeof *out);
            NAME(envelope_push)(&e, block, kind, stride, rows, out);
            add(out, (ptrdiff_t)rows * channels, sizeof *out);
            free(out);
        } else {
            const int active = NAME(bank_push)(&b, &e, block, kind, stride, rows);
            add(&active, 1, sizeof active);
            add(b.levels, channels, sizeof *b.levels);
            add(b.told, channels, sizeof *b.told);
            add(b.lasted, channels, sizeof *b.lasted);
        }
        add(counts, 2 * channels, sizeof *counts);
        free(block);
    }

    const int size = between(2, 4);
    uint8_t *packed = zeros(size * channels, 1);
    for (int i = 0; i < size * channels; i++)
        packed[i] = (uint8_t)between(0, 255);
    NAME(unpack)(packed, size, between(0, 1), (REAL)unit(), b.levels, channels);
    add(b.levels, channels, sizeof *b.levels);

    NAME(hysteresis) h = {.on = 10, .off = 5, .onset = 2, .termination = 3, .blanking = 4};
    for (int i = 0; i < 50; i++)
        NAME(hysteresis_push)(&h, (REAL)(15 * unit()));
    add(&h.lasted, 1, sizeof h.lasted);

    free(packed);
    free(a);
    free(memory);
    free(counts);
    free(thresholds);
    free(b.state);
    free(b.levels);
    free(b.told);
    free(b.lasted);
}

#else

#include "instances.h"
#include "sliding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 88172645463325252u, hash = 14695981039346656037u;

/* xorshift64: G. Marsaglia, Journal of Statistical Software 8(14), 2003 */
static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int between(int low, int high)
{
    return low + (int)(random_bits() % (uint64_t)(high - low + 1));
}

static double unit(void)
{
    return (double)(random_bits() >> 11) / 9007199254740992.0;
}

static void *zeros(ptrdiff_t count, size_t size)
{
    void *memory = calloc(count > 0 ? (size_t)count : 1, size);
    if (!memory)
        exit(2);
    return memory;
}

static void add(const void *memory, ptrdiff_t count, size_t size)
{
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < (size_t)count * size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
}

/* A block in memory of its own; one sample in `rarity` is bad or extreme. */
static void *random_block(int kind, ptrdiff_t count, int rarity)
{
    const double extreme[] = {NAN, INFINITY, -INFINITY, 1e30, -1e30, 1e-45, -0.0, 1e4, -1e4};
    const int32_t rail[] = {INT32_MIN, INT32_MAX, INT32_MIN + 1, 0, 10000000, -10000001};
    const int silent = between(0, 9) == 0;
    void *block = zeros(count, kind == MICROVOLT_FLOAT64 ? 8 : 4);
    for (ptrdiff_t i = 0; i < count; i++) {
        const int bad = between(1, rarity) == 1;
        const double sample = bad ? extreme[between(0, 8)] : silent ? 0 : 200 * unit() - 100;
        if (kind == MICROVOLT_FLOAT64)
            ((double *)block)[i] = sample;
        else if (kind == MICROVOLT_FLOAT32)
            ((float *)block)[i] = (float)sample;
        else
            ((int32_t *)block)[i] = bad ? rail[between(0, 5)] : (int32_t)(1000 * sample);
    }
    return block;
}

#define REAL float
#define INTEGER int32_t
#define NAME(noun) noun##_f32
#include "kernels_fuzz.c"
#undef NAME
#undef INTEGER
#undef REAL

#define REAL double
#define INTEGER int64_t
#define NAME(noun) noun##_f64
#include "kernels_fuzz.c"
#undef NAME
#undef INTEGER
#undef REAL

#define DECIMATOR(sample, word, end, least, greatest, most)                                    \
    static void fuzz_decimator_##end(void)                                                     \
    {                                                                                          \
        const int channels = between(0, 1) ? between(1, 150) : between(1, 3);                  \
        const ptrdiff_t padded = (channels + BAND - 1) / BAND * BAND;                          \
        decimator_##end d = {.channels = channels, .factor = between(2, most)};                \
        d.nv_per_count = 1000 * unit() / d.factor;                                             \
        d.state = zeros(6 * padded, sizeof(word));                                             \
        d.last = zeros(channels, sizeof(sample));                                              \
        d.spoilt = zeros(channels, 1);                                                         \
        d.held = zeros(channels, sizeof(int64_t));                                             \
        for (int i = between(1, 4); i > 0; i--) {                                              \
            const int rows = between(0, 60), ready = (d.phase + rows) / d.factor;              \
            const int bad = between(0, 1) ? 20 : 100000;                                       \
            sample *block = zeros((ptrdiff_t)rows * channels, sizeof *block);                  \
            int32_t *out = zeros((ptrdiff_t)ready * channels, sizeof *out);                    \
            for (int j = 0; j < rows * channels; j++)                                          \
                block[j] = between(1, bad) == 1 ? (between(0, 1) ? least : greatest)           \
                                                : (sample)random_bits();                       \
            decimator_push_##end(&d, block, rows, out);                                        \
            add(out, (ptrdiff_t)ready * channels, sizeof *out);                                \
            add(d.held, channels, sizeof *d.held);                                             \
            free(block);                                                                       \
            free(out);                                                                         \
        }                                                                                      \
        free(d.state);                                                                         \
        free(d.last);                                                                          \
        free(d.spoilt);                                                                        \
        free(d.held);                                                                          \
    }
DECIMATOR(int16_t, uint32_t, i16, INT16_MIN, INT16_MAX, 40)
DECIMATOR(int32_t, uint64_t, i32, INT32_MIN, INT32_MAX, 100)

static void fuzz_sliding(void)
{
    const int channels = between(1, 5), bins = LANES * between(3, 9), window = between(8, 70);
    sliding d = {.channels = channels, .window = window, .hop = between(1, 40), .bins = bins};
    d.due = d.hop;
    const ptrdiff_t sizes[] = {2 * bins * window, 2 * bins * (window / FOLD), 2 * bins * PAIRS,
                               2 * window, bins};
    double *tables[5];
    for (int i = 0; i < 5; i++) {
        tables[i] = zeros(sizes[i], sizeof *tables[i]);
        for (ptrdiff_t j = 0; j < sizes[i]; j++)
            tables[i][j] = 2 * unit() - 1;
    }
    d.twiddles = tables[0];
    d.middles = tables[1];
    d.halves = tables[2];
    d.turns = tables[3];
    d.weights = tables[4];
    d.ring = zeros(channels * window, sizeof *d.ring);
    d.changes = zeros(channels * FOLD, sizeof *d.changes);
    d.sums = zeros(channels * 2 * (bins + LANES), sizeof *d.sums);
    d.powers = zeros(channels, sizeof *d.powers);
    for (int i = between(1, 6); i > 0; i--) {
        const int rows = between(0, 60);
        double *block = random_block(MICROVOLT_FLOAT64, rows * channels, 20);
        sliding_push(&d, block, rows);
        add(d.powers, channels, sizeof *d.powers);
        free(block);
    }
    for (int i = 0; i < 5; i++)
        free(tables[i]);
    free(d.ring);
    free(d.changes);
    free(d.sums);
    free(d.powers);
}

static void fuzz_bursts(void)
{
    burst_run run = {.minimum = between(0, 3)};
    for (int i = between(1, 40); i > 0; i--) {
        const int ended = burst_push(&run, unit(), 0.5);
        add(&ended, 1, sizeof ended);
        add(&run.onset, 1, sizeof run.onset);
        add(&run.duration, 1, sizeof run.duration);
        add(&run.peak, 1, sizeof run.peak);
    }
}

int main(int count, char **arguments)
{
    const int rounds = count == 2 ? atoi(arguments[1]) : 0;
    if (rounds < 1)
        return 2;
    for (int i = 0; i < rounds; i++) {
        fuzz_f32();
        fuzz_f64();
        fuzz_decimator_i16();
        fuzz_decimator_i32();
        fuzz_sliding();
        fuzz_bursts();
    }
    printf("%016llx\n", (unsigned long long)hash);
    return 0;
}

#endif
