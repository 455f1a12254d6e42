# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Decimation of fast recordings to the rate of the detectors (tier: kernel, integers)."""

import math

cimport cython
cimport numpy as cnp
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

from stimloop_dsp import design
from stimloop_dsp._kernels cimport (
    BAND,
    decimator_i16,
    decimator_i32,
    decimator_push_i16,
    decimator_push_i32,
)

cnp.import_array()

cdef enum:
    # Below about 10 µs of work, releasing the GIL costs more than it gives others.
    WORTH_RELEASING = 65_536  # samples of all channels


@cython.final
cdef class Decimator:
    """Cascaded integrator-comb filter of order 3: every `factor`-th sample of a smooth signal.

    The response is that of three moving averages over `factor` samples,
    ``|H(f)| = |sin(pi f R / fs) / (R sin(pi f / fs))|**3``, with a zero at every multiple of
    the new rate, where low frequencies would be folded onto. From 24 kHz to 1 kHz, 35 Hz is
    weakened by 0.053 dB, 13 Hz by 0.007 dB, and what folds onto them by 86 dB or more; see
    `attenuation_db`.

    The sums are integers and exact; each output is rounded once, to the nearest nanovolt. So
    the output is bit-identical however the signal was divided into blocks. One instance
    belongs to one thread.

    A sample that is the least or the greatest of its type is bad: missing (``MISSING``), or a
    converter at its rail. The last good one, 0 at first, stands for it, and the output of its
    period is ``MISSING``, which a detector holds and flags.

    Parameters
    ----------
    fs_hz : float
        Sampling rate of the input, Hz.
    factor : int
        Input samples per output sample: 2 to 40 of int16, 2 to 1024 of int32.
    lsb_nv : float
        Nanovolt of one count of the input, finite, not 0.
    channels : int
        Columns of a block, 1 to 4096.
    sample : {'int16', 'int32'}
        Number type of the input.

    Attributes
    ----------
    fs_out_hz : float
        Rate of the output, Hz.
    delay_ms : float
        Group delay, the same at every frequency, ms.
    settling_ms : float
        Time until the first sample's step has passed, ms.
    held : ndarray of int64, shape (channels,), read-only
        Bad samples since the last reset.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    E. B. Hogenauer, "An economical class of digital filters for decimation and interpolation",
    IEEE Trans. ASSP 29(2), 1981, doi 10.1109/TASSP.1981.1163535.
    """

    cdef decimator_i16 _short
    cdef decimator_i32 _long
    cdef bint _is_long
    cdef int _phase
    cdef cnp.ndarray _state
    cdef cnp.ndarray _last
    cdef cnp.ndarray _spoilt
    cdef cnp.ndarray _held
    cdef readonly double fs_hz
    cdef readonly double fs_out_hz
    cdef readonly double delay_ms
    cdef readonly double settling_ms
    cdef readonly double lsb_nv
    cdef readonly int factor
    cdef readonly int channels
    cdef readonly str sample
    cdef readonly cnp.ndarray held

    def __cinit__(
        self, double fs_hz, int factor, double lsb_nv=1.0, channels=1, sample="int16"
    ):
        design.check_rate(fs_hz)
        if sample not in ("int16", "int32"):
            raise ValueError(
                f"Samples of {sample!r} were asked for; choose 'int16' or 'int32'."
            )
        most = 40 if sample == "int16" else 1024
        if not 2 <= factor <= most:
            raise ValueError(
                f"A factor of {factor} was asked for; 2 to {most} are allowed for {sample}."
            )
        if lsb_nv == 0 or not math.isfinite(lsb_nv):
            raise ValueError(
                f"{lsb_nv} nV per count were asked for; give a finite number, not 0."
            )
        if not 1 <= channels <= 4096:
            raise ValueError(
                f"{channels} channels were asked for; 1 to 4096 are allowed. "
                "Give the number of columns of a block."
            )
        self.fs_hz = fs_hz
        self.fs_out_hz = fs_hz / factor
        self.delay_ms = 1500 * (factor - 1) / fs_hz
        self.settling_ms = 3000 * factor / fs_hz
        self.lsb_nv = lsb_nv
        self.factor = factor
        self.channels = channels
        self.sample = sample
        self._is_long = sample == "int32"
        self._state = np.zeros(
            (-(-channels // BAND), 6, BAND), dtype=np.uint64 if self._is_long else np.uint32
        )
        self._last = np.zeros(channels, dtype=sample)
        self._spoilt = np.zeros(channels, dtype=np.uint8)
        self._held = np.zeros(channels, dtype=np.int64)
        self.held = self._held.view()
        self.held.flags.writeable = False
        self._short.channels = self._long.channels = channels
        self._short.factor = self._long.factor = factor
        self._short.nv_per_count = self._long.nv_per_count = lsb_nv / factor**3
        self._short.state = <uint32_t *> cnp.PyArray_DATA(self._state)
        self._long.state = <uint64_t *> cnp.PyArray_DATA(self._state)
        self._short.last = <int16_t *> cnp.PyArray_DATA(self._last)
        self._long.last = <int32_t *> cnp.PyArray_DATA(self._last)
        self._short.spoilt = self._long.spoilt = <uint8_t *> cnp.PyArray_DATA(self._spoilt)
        self._short.held = self._long.held = <int64_t *> cnp.PyArray_DATA(self._held)

    def attenuation_db(self, double frequency_hz):
        """How much weaker a sine of the input leaves, dB; at an alias, how much of it folds.

        Parameters
        ----------
        frequency_hz : float
            Frequency before decimation, Hz, 0 to half of ``fs_hz``. Onto a frequency f of the
            output fold ``fs_out_hz - f``, ``fs_out_hz + f``, ``2 * fs_out_hz - f`` and so on.

        Raises
        ------
        ValueError
            If the frequency is outside its range.
        """
        if not 0 <= frequency_hz <= self.fs_hz / 2:
            raise ValueError(
                f"The attenuation at {frequency_hz} Hz was asked for; give 0 to "
                f"{self.fs_hz / 2} Hz."
            )
        w = math.pi * frequency_hz / self.fs_hz
        if w == 0:
            return 0.0
        gain = abs(math.sin(self.factor * w) / (self.factor * math.sin(w)))
        return -60 * math.log10(gain) if gain > 0 else math.inf

    def push(self, cnp.ndarray block not None, cnp.ndarray out not None):
        """Take the next block and write the samples that it completes.

        Parameters
        ----------
        block : ndarray of `sample`, shape (n, channels), C-contiguous
            Samples, counts.
        out : ndarray of int32, shape (m, channels), C-contiguous, writable
            Receives nV, ``MISSING`` for none. n / factor rows, rounded up, are always enough.

        Returns
        -------
        int
            Rows written: ``detector.push(out[:rows], ...)`` takes them. Every `factor` input
            rows since the last reset make one, whatever the division into blocks.

        Raises
        ------
        TypeError
            If a number type, byte order or memory layout is another.
        ValueError
            If a shape is another.
        """
        cdef Py_ssize_t rows, ready
        cdef const void *samples = cnp.PyArray_DATA(block)
        cdef int32_t *nanovolt = <int32_t *> cnp.PyArray_DATA(out)
        if (
            cnp.PyArray_TYPE(block) != (cnp.NPY_INT32 if self._is_long else cnp.NPY_INT16)
            or not cnp.PyArray_ISCARRAY_RO(block)
        ):
            raise TypeError(
                f"A block of {block.dtype} was pushed; give {self.sample}, C-contiguous, "
                "aligned and in native byte order."
            )
        if cnp.PyArray_TYPE(out) != cnp.NPY_INT32 or not cnp.PyArray_ISCARRAY(out):
            raise TypeError(
                f"out is {out.dtype}; it must be int32, writable, C-contiguous, aligned and in "
                "native byte order."
            )
        if cnp.PyArray_NDIM(block) != 2 or cnp.PyArray_DIM(block, 1) != self.channels:
            raise ValueError(
                f"A block of shape {np.shape(block)} was pushed; give (n, {self.channels})."
            )
        rows = cnp.PyArray_DIM(block, 0)
        ready = (self._phase + rows) // self.factor
        if (
            cnp.PyArray_NDIM(out) != 2
            or cnp.PyArray_DIM(out, 1) != self.channels
            or cnp.PyArray_DIM(out, 0) < ready
        ):
            raise ValueError(
                f"out has shape {np.shape(out)}; give ({ready}, {self.channels}) or more rows."
            )
        if rows * self.channels < WORTH_RELEASING:
            self._run(samples, rows, nanovolt)
        else:
            with nogil:
                self._run(samples, rows, nanovolt)
        self._phase = self._long.phase if self._is_long else self._short.phase
        return ready

    cdef void _run(
        self, const void *samples, Py_ssize_t rows, int32_t *nanovolt
    ) noexcept nogil:
        if self._is_long:
            decimator_push_i32(&self._long, <const int32_t *> samples, rows, nanovolt)
        else:
            decimator_push_i16(&self._short, <const int16_t *> samples, rows, nanovolt)

    def reset(self):
        """Forget every sample and count; parameters stay."""
        self._state.fill(0)
        self._last.fill(0)
        self._spoilt.fill(0)
        self._held.fill(0)
        self._short.phase = self._long.phase = self._phase = 0
