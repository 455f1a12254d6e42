# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The evoked compound action potential, sweep by sweep (tier: core, float64)."""

import math

cimport cython
cimport numpy as cnp
from libc.math cimport atan2, sqrt
from libc.stdint cimport int64_t

import numpy as np

from stimloop_dsp import ecap
from stimloop_dsp._intake cimport ARTEFACT, HELD, SATURATED, Intake, reading

cnp.import_array()


@cython.final
cdef class EcapDetector:
    """Amplitude of the evoked compound action potential after every pulse.

    A block is a sweep: the samples after one pulse. A four-lobe template and its quadrature are
    correlated with the sweep where the response is expected; the in-phase product, calibrated
    on the model's wave, reads N1 to P2. Neither product sees an offset or a linear drift. Once
    in `search` sweeps the place is moved to where the in-phase product of their mean is
    greatest, within 100 µs of the middle; between, it stands.

    The phase says how early or late the response is. A response is present where the magnitude
    is above `on`, twice the noise (a running estimate from the end of the sweeps), and the
    phase is within a quarter turn; where it is not, the sweep is still read, and not believed
    to be one. Sweeps with bad samples are told and read, but move nothing.

    Template detection and feedback on its reading are the subject of patents, US 11337658 among
    them.

    Parameters
    ----------
    fs_hz : float
        Sampling rate within a sweep, Hz.
    on : float
        Least amplitude of a response, µV, > 0.
    n1_ms : float
        Where N1 is expected after the sweep's first sample, ms.
    samples : int
        Length of a sweep.
    lobe_hz : float
        Frequency of the template's lobes, Hz.
    search : int
        Sweeps from one search for the place to the next; 0 is never.
    channel : int
        The block's column.
    saturation_uv : float
        As in `Envelope`.

    Attributes
    ----------
    unit : str
        ``"µV"``, of the level: N1 to P2.
    delay_ms : float
        From N1 to the end of the sweep, ms.
    offset : int
        First sample under the template.
    noise_uv : float
        Standard deviation of one reading by noise, µV.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or the template does not fit into the sweep.

    References
    ----------
    K. Chakravarthy et al., Neuromodulation 25, 2022 (a triangularly weighted sinusoid).
    """

    cdef readonly str unit
    cdef readonly double fs_hz
    cdef readonly double delay_ms
    cdef readonly int offset
    cdef readonly double noise_uv
    cdef Intake _intake
    cdef cnp.ndarray _template   # 2 x width
    cdef cnp.ndarray _uv
    cdef cnp.ndarray _mean
    cdef cnp.ndarray _levels
    cdef int _width, _samples, _middle, _reach, _search
    cdef int64_t _averaged, _clean
    cdef double _on, _gain, _turn, _variance

    def __cinit__(
        self,
        double fs_hz,
        double on,
        double n1_ms=1.0,
        int samples=80,
        double lobe_hz=1000.0,
        int search=50,
        int channel=0,
        double saturation_uv=10_000.0,
    ):
        self._template = ecap.templates(fs_hz, lobe_hz)
        self._width = self._template.shape[1]
        if not 0 < on < math.inf:
            raise ValueError(
                f"A response of {on} µV was asked for; give a finite amplitude above 0 µV."
            )
        if not 1 <= samples <= 100_000:
            raise ValueError(
                f"Sweeps of {samples} samples were asked for; 1 to 100000 are allowed."
            )
        if not 0 <= search <= 1_000_000:
            raise ValueError(
                f"A search every {search} sweeps was asked for; 0 to 1000000 are allowed."
            )
        self._reach = round(1e-4 * fs_hz)
        # The template lies where its product with the model's wave is greatest.
        t_ms = np.arange(-3000, 3001) * 1000 / fs_hz
        wave = ecap.ecap_uv(t_ms, 1.0, 0.0)
        products = np.correlate(wave, self._template[0], "valid")
        place = int(np.argmax(products))
        self._gain = 1 / float(products[place])
        quadrature = float(np.correlate(wave, self._template[1], "valid")[place])
        self._turn = math.atan2(quadrature, float(products[place]))
        self._middle = -1
        if math.isfinite(n1_ms):
            self._middle = round(n1_ms * fs_hz / 1000) + place - 3000
        if not (
            self._reach <= self._middle
            and self._middle + self._reach + 2 * self._width <= samples
        ):
            raise ValueError(
                f"N1 at {n1_ms} ms in sweeps of {samples} samples was asked for; the template "
                f"of {self._width} samples must fit around it, and once more after it for the "
                "noise. Record for longer, or from earlier on."
            )
        self.fs_hz = fs_hz
        self.unit = "µV"
        self.delay_ms = 1000 * samples / fs_hz - n1_ms
        self._on = on
        self._samples = samples
        self._search = search
        self._intake = Intake(fs_hz, channel, saturation_uv, 0)
        self._uv = np.empty(samples)
        self._mean = np.zeros(samples)
        self._levels = np.zeros(1)
        self.reset()

    @property
    def levels(self):
        """Level of the last sweep, µV, (1,), valid until the next."""
        view = self._levels[:]
        view.flags.writeable = False
        return view

    def push(self, cnp.ndarray block not None, int64_t first_index, int64_t t_us):
        """Take the next sweep.

        Parameters
        ----------
        block : ndarray of int32, shape (samples, channels), C-contiguous
            Samples, nV, with ``MISSING`` for none.
        first_index : int
            Number of the pulse; ``GAP`` where it does not follow the one before.
        t_us : int
            Device time of the sweep's last sample, µs.

        Returns
        -------
        Reading
            Level, N1 to P2 in µV, at least 0; active if a response is present; `phase_rad` is
            how far it is behind its place, rad of the lobes; ``ARTEFACT`` where the sweep could
            not be trusted.

        Raises
        ------
        TypeError
            If the block's number type, byte order or memory layout is another.
        ValueError
            If the block's shape is another.
        """
        cdef double re, im, tail, level, phase
        cdef bint present
        if cnp.PyArray_NDIM(block) == 2 and cnp.PyArray_DIM(block, 0) != self._samples:
            raise ValueError(
                f"A sweep of {cnp.PyArray_DIM(block, 0)} samples was pushed; give "
                f"{self._samples}, as the detector was made for."
            )
        # A sweep counts as one, whatever its length.
        self._intake.admit(block, first_index)
        self._intake.next_index = first_index + 1
        self._intake.read(<double *> cnp.PyArray_DATA(self._uv))
        re = self._product(0, self.offset)
        im = self._product(1, self.offset)
        level = re * self._gain if re > 0 else 0.0
        phase = atan2(im, re) - self._turn
        if phase > math.pi:
            phase -= 2 * math.pi
        elif phase <= -math.pi:
            phase += 2 * math.pi
        if self._intake.flags & (HELD | SATURATED):
            self._intake.flags |= ARTEFACT
        else:
            tail = self._product(0, self._samples - self._width) * self._gain
            self._clean += 1
            self._variance += (tail * tail - self._variance) / min(self._clean, 64)
            self._learn()
        self.noise_uv = sqrt(self._variance)
        present = (
            not self._intake.flags & ARTEFACT
            and sqrt(re * re + im * im) * self._gain > max(self._on, 2 * self.noise_uv)
            and -math.pi / 2 < phase < math.pi / 2
        )
        (<double *> cnp.PyArray_DATA(self._levels))[0] = level
        self._intake.settle()
        return reading(self._intake, t_us, level, present, 0, phase)

    cdef double _product(self, int row, int offset) noexcept nogil:
        cdef const double *h = <const double *> cnp.PyArray_DATA(self._template)
        cdef const double *x = <const double *> cnp.PyArray_DATA(self._uv)
        cdef double sum = 0.0
        cdef int n
        for n in range(self._width):
            sum += h[row * self._width + n] * x[offset + n]
        return sum

    cdef void _learn(self) noexcept:
        """Add the sweep to the mean, and once in a while move to where it responds most."""
        cdef const double *h = <const double *> cnp.PyArray_DATA(self._template)
        cdef double *mean = <double *> cnp.PyArray_DATA(self._mean)
        cdef const double *x = <const double *> cnp.PyArray_DATA(self._uv)
        cdef double sum, best
        cdef int n, place
        if not self._search:
            return
        for n in range(self._samples):
            mean[n] += x[n]
        self._averaged += 1
        if self._averaged < self._search:
            return
        best = 0.0
        for place in range(self._middle - self._reach, self._middle + self._reach + 1):
            sum = 0.0
            for n in range(self._width):
                sum += h[n] * mean[place + n]
            if sum > best:
                best = sum
                # Only a response that stands out of the mean's noise moves the place.
                if sum * self._gain / self._averaged > self._on:
                    self.offset = place
        for n in range(self._samples):
            mean[n] = 0.0
        self._averaged = 0

    def reset(self):
        """Forget every sweep; parameters stay."""
        self._intake.forget()
        self._mean.fill(0)
        self._levels.fill(0)
        self.offset = self._middle
        self.noise_uv = 0.0
        self._variance = 0.0
        self._averaged = self._clean = 0
