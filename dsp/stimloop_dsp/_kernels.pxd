"""The C99 kernels of ``dsp/kernels``, as Cython sees them."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "instances.h" nogil:
    int WIDTH
    int BAND

    int NANOVOLT_INT32
    int MICROVOLT_FLOAT32
    int MICROVOLT_FLOAT64

    ctypedef struct envelope_f32:
        int channels
        int sections
        int window
        float alpha
        float gain
        float limit
        int phase
        int slot
        int64_t *held
        int64_t *saturated

    ctypedef struct envelope_f64:
        int channels
        int sections
        int window
        double alpha
        double gain
        double limit
        int phase
        int slot
        int64_t *held
        int64_t *saturated

    Py_ssize_t envelope_memory_f32(const envelope_f32 *e)
    Py_ssize_t envelope_memory_f64(const envelope_f64 *e)
    void envelope_bind_f32(envelope_f32 *e, const float *a, float *memory, int64_t *counts)
    void envelope_bind_f64(envelope_f64 *e, const double *a, double *memory, int64_t *counts)
    void envelope_push_f32(
        envelope_f32 *e, const void *block, int kind, Py_ssize_t stride, Py_ssize_t rows,
        float *out
    )
    void envelope_push_f64(
        envelope_f64 *e, const void *block, int kind, Py_ssize_t stride, Py_ssize_t rows,
        double *out
    )

    ctypedef struct hysteresis_f32:
        float on
        float off
        int64_t onset
        int64_t termination
        int64_t blanking
        int64_t run
        int64_t blanked
        int64_t lasted
        int active

    void hysteresis_push_f32(hysteresis_f32 *h, float level)

    ctypedef struct hysteresis_f64:
        double on
        double off
        int64_t onset
        int64_t termination
        int64_t blanking
        int64_t run
        int64_t blanked
        int64_t lasted
        int active

    void hysteresis_push_f64(hysteresis_f64 *h, double level)

    ctypedef struct bank_f32:
        int32_t onset
        int32_t termination
        int32_t blanking
        int64_t settling
        const float *thresholds
        int32_t *state
        float *levels
        uint8_t *told
        int64_t *lasted

    ctypedef struct bank_f64:
        int64_t onset
        int64_t termination
        int64_t blanking
        int64_t settling
        const double *thresholds
        int64_t *state
        double *levels
        uint8_t *told
        int64_t *lasted

    int bank_push_f32(
        bank_f32 *b, envelope_f32 *e, const void *block, int kind, Py_ssize_t stride,
        Py_ssize_t rows
    )
    int bank_push_f64(
        bank_f64 *b, envelope_f64 *e, const void *block, int kind, Py_ssize_t stride,
        Py_ssize_t rows
    )
    void unpack_f32(
        const uint8_t *data, int size, int big_endian, float uv_per_count, float *row,
        int channels
    )
    void unpack_f64(
        const uint8_t *data, int size, int big_endian, double uv_per_count, double *row,
        int channels
    )

    ctypedef struct decimator_i16:
        int channels
        int factor
        int phase
        double nv_per_count
        uint32_t *state
        int16_t *last
        uint8_t *spoilt
        int64_t *held

    ctypedef struct decimator_i32:
        int channels
        int factor
        int phase
        double nv_per_count
        uint64_t *state
        int32_t *last
        uint8_t *spoilt
        int64_t *held

    void decimator_push_i16(
        decimator_i16 *d, const int16_t *samples, Py_ssize_t rows, int32_t *out
    )
    void decimator_push_i32(
        decimator_i32 *d, const int32_t *samples, Py_ssize_t rows, int32_t *out
    )

    ctypedef struct burst_run:
        int64_t minimum
        int64_t index
        int64_t onset
        int64_t duration
        double peak
        int above

    int burst_push(burst_run *run, double level, double threshold)


cdef extern from "sliding.h" nogil:
    int LANES
    int FOLD
    int PAIRS

    ctypedef struct sliding:
        int channels
        int window
        int hop
        int bins
        int slot
        int gathered
        int anew
        int due
        const double *twiddles
        const double *middles
        const double *halves
        const double *turns
        const double *weights
        double *ring
        double *changes
        double *sums
        double *powers

    void sliding_push(sliding *d, const double *samples, Py_ssize_t rows)
