# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Envelope of a frequency band, streaming (tier: kernel)."""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._kernels cimport (
    MICROVOLT_FLOAT32,
    MICROVOLT_FLOAT64,
    NANOVOLT_INT32,
    envelope_bind_f32,
    envelope_bind_f64,
    envelope_memory_f32,
    envelope_memory_f64,
    envelope_push_f32,
    envelope_push_f64,
)

cnp.import_array()

# Below about 10 µs of work, releasing the GIL costs more than it gives others.
cdef enum:
    WORTH_RELEASING = 8192  # samples of all channels


@cython.final
cdef class Envelope:
    """Amplitude of a band: hold bad samples, band-pass, rectify, smooth.

    Chunk-invariant to the bit: however a signal is divided into blocks, its envelope is the
    same. One instance belongs to one thread.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz; up to 4000 Hz in float32, whose rounding would matter above.
    band_hz : tuple of float
        Lower and upper -3 dB frequency, Hz, below ``fs_hz / 2``.
    order : int
        Order of the Butterworth prototype, 1 to 4: selectivity against delay.
    smoothing : {'moving_average', 'one_pole'}
        Kind of smoother.
    smooth_ms : float
        Length of the moving average, or time constant of the one pole, ms.
    channels : int
        Columns of a block, 1 to 4096.
    precision : {'float32', 'float64'}
        Number type of the arithmetic and of the envelope.
    saturation_uv : float
        A sample of greater magnitude is held, µV, (0, 1e9]. Set it just below the converter's
        rail; the default of 10 mV is beyond any field potential.

    Attributes
    ----------
    delay_ms : float
        Group delay of band-pass (at its centre) and smoother, ms.
    settling_ms : float
        Time until the first sample's transient has passed, ms.
    held, saturated : int
        Samples held since the last reset; how many of them were beyond the limit.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Little et al., "Adaptive deep brain stimulation in advanced Parkinson disease",
    Annals of Neurology 74, 2013, doi 10.1002/ana.23951.
    """

    def __cinit__(
        self,
        double fs_hz,
        band_hz=(13.0, 35.0),
        order=2,
        smoothing="moving_average",
        double smooth_ms=200.0,
        channels=1,
        precision="float32",
        double saturation_uv=10_000.0,
    ):
        band_pass = design.band_pass(fs_hz, band_hz, order)
        smoother = design.smoother(fs_hz, smoothing, smooth_ms)
        if precision not in ("float32", "float64"):
            raise ValueError(
                f"A precision of {precision!r} was asked for; choose 'float32' or 'float64'."
            )
        if precision == "float32" and fs_hz > 4000:
            raise ValueError(
                f"float32 was asked for at {fs_hz} Hz; it is allowed up to 4000 Hz. "
                "Choose float64, or decimate first."
            )
        if not 1 <= channels <= 4096:
            raise ValueError(
                f"{channels} channels were asked for; 1 to 4096 are allowed. "
                "Give the number of columns of a block."
            )
        if not 0 < saturation_uv <= 1e9:
            raise ValueError(
                f"Saturation at {saturation_uv} µV was asked for; it must be above 0 and at "
                "most 1e9 µV. Give the magnitude just below the converter's rail."
            )
        self.fs_hz = fs_hz
        self.delay_ms = band_pass.delay_ms + smoother.delay_ms
        self.settling_ms = band_pass.settling_ms + smoother.settling_ms
        self.channels = channels
        self.precision = precision
        self._is_double = precision == "float64"
        self._a = np.ascontiguousarray(band_pass.sections, dtype=precision)
        self._counts = np.zeros((2, channels), dtype=np.int64)
        if self._is_double:
            self._double.channels = channels
            self._double.sections = order
            self._double.window = smoother.window
            self._double.alpha = smoother.alpha
            self._double.gain = band_pass.gain
            self._double.limit = saturation_uv
            self._memory = np.zeros(envelope_memory_f64(&self._double), dtype=precision)
            envelope_bind_f64(
                &self._double,
                <const double *> cnp.PyArray_DATA(self._a),
                <double *> cnp.PyArray_DATA(self._memory),
                <int64_t *> cnp.PyArray_DATA(self._counts),
            )
        else:
            self._single.channels = channels
            self._single.sections = order
            self._single.window = smoother.window
            self._single.alpha = smoother.alpha
            self._single.gain = band_pass.gain
            self._single.limit = saturation_uv
            self._memory = np.zeros(envelope_memory_f32(&self._single), dtype=precision)
            envelope_bind_f32(
                &self._single,
                <const float *> cnp.PyArray_DATA(self._a),
                <float *> cnp.PyArray_DATA(self._memory),
                <int64_t *> cnp.PyArray_DATA(self._counts),
            )

    @property
    def held(self):
        """Samples held since the last reset."""
        return int(self._counts[0].sum())

    @property
    def saturated(self):
        """Held samples that were beyond the saturation limit, since the last reset."""
        return int(self._counts[1].sum())

    def push(self, cnp.ndarray block not None, cnp.ndarray out not None):
        """Write the envelope of the next block.

        Parameters
        ----------
        block : ndarray, shape (n, channels), C-contiguous
            Samples: int32 in nV with ``MISSING`` for none, or float32 or float64 in µV.
        out : ndarray of ``precision``, shape (n, channels), C-contiguous, writable
            Receives the envelope, µV: the mean of the rectified band, 2 / pi of a sine's
            amplitude.

        Raises
        ------
        TypeError
            If a number type, byte order or memory layout is another.
        ValueError
            If a shape is another.
        """
        cdef int kind, number = cnp.PyArray_TYPE(block)
        cdef Py_ssize_t rows
        cdef const void *samples = cnp.PyArray_DATA(block)
        cdef void *envelope = cnp.PyArray_DATA(out)
        if number == cnp.NPY_INT32:
            kind = NANOVOLT_INT32
        elif number == cnp.NPY_FLOAT32:
            kind = MICROVOLT_FLOAT32
        elif number == cnp.NPY_FLOAT64:
            kind = MICROVOLT_FLOAT64
        else:
            raise TypeError(
                f"A block of {block.dtype} was pushed; give int32 in nV, or float32 or "
                "float64 in µV."
            )
        if not cnp.PyArray_ISCARRAY_RO(block):
            raise TypeError("The block must be C-contiguous, aligned and in native byte order.")
        if cnp.PyArray_TYPE(out) != (cnp.NPY_FLOAT64 if self._is_double else cnp.NPY_FLOAT32):
            raise TypeError(f"out is {out.dtype}; it must be {self.precision}.")
        if not cnp.PyArray_ISCARRAY(out):
            raise TypeError(
                "out must be writable, C-contiguous, aligned and in native byte order."
            )
        if cnp.PyArray_NDIM(block) != 2 or cnp.PyArray_DIM(block, 1) != self.channels:
            raise ValueError(
                f"A block of shape {np.shape(block)} was pushed; give (n, {self.channels})."
            )
        rows = cnp.PyArray_DIM(block, 0)
        if (
            cnp.PyArray_NDIM(out) != 2
            or cnp.PyArray_DIM(out, 0) != rows
            or cnp.PyArray_DIM(out, 1) != self.channels
        ):
            raise ValueError(
                f"out has shape {np.shape(out)}; give the block's, {np.shape(block)}."
            )
        if rows * self.channels < WORTH_RELEASING:
            self._run(samples, kind, rows, envelope)
        else:
            with nogil:
                self._run(samples, kind, rows, envelope)

    cdef void _run(
        self, const void *samples, int kind, Py_ssize_t rows, void *envelope
    ) noexcept nogil:
        if self._is_double:
            envelope_push_f64(
                &self._double, samples, kind, self.channels, rows, <double *> envelope
            )
        else:
            envelope_push_f32(
                &self._single, samples, kind, self.channels, rows, <float *> envelope
            )

    def reset(self):
        """Forget every sample and count; parameters stay."""
        self._memory.fill(0)
        self._counts.fill(0)
        self._single.slot = self._double.slot = 0
        self._single.phase = self._double.phase = 0
