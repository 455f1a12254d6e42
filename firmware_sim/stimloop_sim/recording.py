"""A recording in the place of a patient: sensed, and deaf to stimulation."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from stimloop_dsp.recordings import Recording, RecordingError
from stimloop_sim.patient import RATES_HZ


class ImplantedRecording:
    """One channel of a recording as a `Source` of sensed samples that ends.

    A recording at 250, 500 or 1000 Hz is sensed as it is. A faster one is decimated to the
    highest of those rates that divides its own, behind a linear-phase anti-alias filter whose
    delay is taken out; a sample within the reach of a missing one is then missing too.

    Parameters
    ----------
    recording : Recording
        The channel, in µV.
    range_uv : float, optional
        Largest magnitude that the front end senses, µV, positive.

    Raises
    ------
    RecordingError
        If the rate is neither one of those nor a whole multiple of one, or the samples exceed
        the range; the message names the gain that would fit.
    """

    def __init__(self, recording: Recording, *, range_uv: float = 5000.0) -> None:
        self.channels: tuple[str, ...] = (recording.channel,)
        self.fs_hz, factor = _sensing_rate(recording)
        samples = recording.samples_uv
        if factor > 1:
            # The first and last samples are held beyond the ends: no step there from an offset.
            samples = resample_poly(samples, 1, factor, padtype="edge")
        peak_uv = float(np.nanmax(np.abs(samples)))
        if peak_uv > range_uv:
            fitting = _rounded_down(abs(recording.gain) * range_uv / peak_uv)
            raise RecordingError(
                f"{recording.name} reaches {peak_uv:.6g} µV on {recording.channel} and the "
                f"front end senses ±{range_uv:g} µV; use gain={fitting:g} or less"
            )
        self._samples = samples
        self._next = 0

    @property
    def remaining(self) -> int:
        """Samples left."""
        return len(self._samples) - self._next

    def sense(
        self,
        amplitude_ua: NDArray[np.int32],
        width_us: int,  # noqa: ARG002  # a recording is deaf to stimulation
        period_us: int,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """Play the next block, as many samples as there are amplitudes; see `Source.sense`."""
        n = len(amplitude_ua)
        if n > self.remaining:
            raise ValueError(f"{n} samples asked for and {self.remaining} remain")
        block = self._samples[self._next : self._next + n, np.newaxis].copy()
        self._next += n
        return block


def _sensing_rate(recording: Recording) -> tuple[int, int]:
    """Rate in Hz at which the implant senses, and the factor of decimation to it."""
    for rate_hz in sorted(RATES_HZ, reverse=True):
        factor = round(recording.fs_hz / rate_hz)
        if factor >= 1 and math.isclose(recording.fs_hz, factor * rate_hz, rel_tol=1e-6):
            return rate_hz, factor
    raise RecordingError(
        f"{recording.name} was recorded at {recording.fs_hz:g} Hz; the implant senses at "
        f"{', '.join(map(str, RATES_HZ))} Hz, so resample it to one of them or a whole multiple"
    )


def _rounded_down(value: float) -> float:
    """The largest number of one significant digit that is not above a positive value."""
    unit = 10.0 ** math.floor(math.log10(value))
    return math.floor(value / unit) * unit
