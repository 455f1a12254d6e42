"""The C99 kernels of ``dsp/kernels``, as Cython sees them."""

from libc.stdint cimport int64_t


cdef extern from "instances.h" nogil:
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
        int slot
        int64_t held
        int64_t saturated

    ctypedef struct envelope_f64:
        int channels
        int sections
        int window
        double alpha
        double gain
        double limit
        int slot
        int64_t held
        int64_t saturated

    Py_ssize_t envelope_memory_f32(const envelope_f32 *e)
    Py_ssize_t envelope_memory_f64(const envelope_f64 *e)
    void envelope_bind_f32(envelope_f32 *e, const float *a, float *memory)
    void envelope_bind_f64(envelope_f64 *e, const double *a, double *memory)
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

    ctypedef struct burst_run:
        int64_t minimum
        int64_t index
        int64_t onset
        int64_t duration
        double peak
        int above

    int burst_push(burst_run *run, double level, double threshold)
