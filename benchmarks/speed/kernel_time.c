/* Times the kernels by themselves, without Python: a bank of order 4 in blocks of 32 rows.
 *
 * usage: kernel_time CHANNELS MILLISECONDS, prints ns per channel-sample in float64 and float32
 */
#define _POSIX_C_SOURCE 199309L

#ifdef REAL

static double NAME(time_bank)(int channels, double milliseconds)
{
    enum { ROWS = 32 };
    const int groups = (channels + WIDTH - 1) / WIDTH;
    const REAL a[8] = {-1.94, 0.965, -1.91, 0.93, -1.96, 0.98, -1.9, 0.91};
    NAME(envelope) e = {.channels = channels, .sections = 4, .alpha = 0.02, .limit = 1e4};
    e.gain = (REAL)1e-5;
    REAL *memory = calloc((size_t)NAME(envelope_memory)(&e), sizeof *memory);
    int64_t *counts = calloc(2 * (size_t)channels, sizeof *counts);
    REAL *thresholds = calloc(2 * WIDTH * (size_t)groups, sizeof *thresholds);
    REAL *block = calloc(ROWS * (size_t)channels, sizeof *block);
    NAME(bank) b = {.onset = 1, .termination = 1, .thresholds = thresholds};
    b.state = calloc(3 * WIDTH * (size_t)groups, sizeof *b.state);
    b.levels = calloc((size_t)channels, sizeof *b.levels);
    b.told = calloc((size_t)channels, 1);
    b.lasted = calloc((size_t)channels, sizeof *b.lasted);
    NAME(envelope_bind)(&e, a, memory, counts);
    for (int i = 0; i < ROWS * channels; i++)
        block[i] = (REAL)(i * 2654435761u % 201) - 100;
    long blocks = 0;
    const double begin = seconds();
    double end = begin;
    while (end - begin < 1e-3 * milliseconds) {
        for (int i = 0; i < 16; i++)
            NAME(bank_push)(&b, &e, block, MICROVOLT_REAL, channels, ROWS);
        blocks += 16;
        end = seconds();
    }
    return 1e9 * (end - begin) / ((double)blocks * ROWS * channels);
}

#else

#include "instances.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#define REAL double
#define MICROVOLT_REAL MICROVOLT_FLOAT64
#define NAME(noun) noun##_f64
#include "kernel_time.c"
#undef NAME
#undef MICROVOLT_REAL
#undef REAL

#define REAL float
#define MICROVOLT_REAL MICROVOLT_FLOAT32
#define NAME(noun) noun##_f32
#include "kernel_time.c"
#undef NAME
#undef MICROVOLT_REAL
#undef REAL

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    const int channels = atoi(arguments[1]);
    const double milliseconds = atof(arguments[2]);
    const double single = time_bank_f64(channels, milliseconds);
    printf("%f %f\n", single, time_bank_f32(channels, milliseconds));
    return 0;
}

#endif
