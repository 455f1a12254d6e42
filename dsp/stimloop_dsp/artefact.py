"""What stimulation leaves in a recording: its period, its aliases, its echo (tier: offline)."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from stimloop_dsp.design import check_rate
from stimloop_dsp.values import Reading

FOLD_MARGIN_HZ: Final = 2.0
"""How near to the band a folded harmonic is still told, Hz."""

HARMONICS: Final = 20
"""Harmonics of a pulse train that are looked at for aliases; a pulse is short."""


def folded_harmonics(
    stimulation_hz: float,
    fs_hz: float,
    band_hz: tuple[float, float] = (13.0, 35.0),
    margin_hz: float = FOLD_MARGIN_HZ,
) -> list[tuple[int, float]]:
    """Find the harmonics of stimulation that sampling folds into a band.

    A pulse train has every harmonic. What the anti-alias filter leaves of those above half the
    sampling rate appears below it, and in the beta band looks like the biomarker.

    Parameters
    ----------
    stimulation_hz : float
        Pulses per second, Hz, > 0.
    fs_hz : float
        Sampling rate, Hz.
    band_hz : tuple of float
        Lower and upper end of the band, Hz, 0 <= lower < upper.
    margin_hz : float
        How far beside the band one still counts, Hz, >= 0.

    Returns
    -------
    list of (int, float)
        Number of each harmonic, 1 to `HARMONICS`, and where it appears, Hz; empty if all is
        well.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Examples
    --------
    >>> folded_harmonics(130.0, 250.0)
    [(4, 20.0), (6, 30.0), (19, 30.0)]
    """
    check_rate(fs_hz)
    low, high = band_hz
    if not 0 < stimulation_hz < math.inf:
        raise ValueError(f"Stimulation at {stimulation_hz} Hz was asked for; give above 0 Hz.")
    if not (0 <= low < high < math.inf and 0 <= margin_hz < math.inf):
        raise ValueError(
            f"A band of {low} to {high} Hz with {margin_hz} Hz beside it was asked for; "
            "0 <= low < high and 0 <= margin must hold."
        )
    folded = []
    for number in range(1, HARMONICS + 1):
        turned = number * stimulation_hz % fs_hz
        appears_hz = min(turned, fs_hz - turned)
        if low - margin_hz <= appears_hz <= high + margin_hz:
            folded.append((number, appears_hz))
    return folded


def find_period(
    samples_uv: npt.NDArray[np.floating],
    fs_hz: float,
    stimulation_hz: float,
    *,
    within: float = 0.005,
    harmonics: int = 5,
) -> float:
    """Find the period of stimulation as the samples' own clock sees it.

    The clocks of pulse generator and recorder differ. The period is the one whose harmonics
    explain most of the difference from sample to sample, which weighs the artefact over the
    brain.

    Parameters
    ----------
    samples_uv : ndarray of float, shape (n,)
        Samples of one channel during stimulation, µV, all finite, at least 1 s.
    fs_hz : float
        Sampling rate, Hz.
    stimulation_hz : float
        What the generator says, Hz, below the sampling rate.
    within : float
        Greatest relative distance of the two, above 0 and up to 0.05.
    harmonics : int
        How many are summed, 1 to 20; those that fold onto 0 Hz are left out.

    Returns
    -------
    float
        Period, samples.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    E. Dastin-van Rijn et al., Cell Reports Methods 1, 2021, doi 10.1016/j.crmeth.2021.100010
    (search of the period around the nominal one).
    """
    check_rate(fs_hz)
    samples = np.asarray(samples_uv, dtype=np.float64)
    if samples.ndim != 1 or samples.size < fs_hz or not np.isfinite(samples).all():
        raise ValueError(
            f"A signal of shape {samples.shape} was given; give (n,) of at least 1 s, all "
            "finite."
        )
    if not 0 < stimulation_hz < fs_hz or not 0 < within <= 0.05:
        raise ValueError(
            f"A period near {stimulation_hz} Hz, within {within} of it, was asked for; above 0 "
            f"and below {fs_hz} Hz, and above 0 and up to 0.05 are allowed."
        )
    if not 1 <= harmonics <= HARMONICS:
        raise ValueError(f"{harmonics} harmonics were asked for; give 1 to {HARMONICS}.")
    steps = np.diff(samples)
    n = np.arange(steps.size)
    # From one frequency to the next, the highest harmonic turns by a quarter over the signal.
    nominal = stimulation_hz / fs_hz
    used = [h for h in range(1, harmonics + 1) if abs(h * nominal - round(h * nominal)) > 0.01]
    if not used:
        raise ValueError(
            f"Every harmonic of {stimulation_hz} Hz folds onto 0 Hz at {fs_hz} Hz; the "
            "artefact is an offset, and has no period to be found."
        )

    def unexplained(frequency: float) -> float:
        turns = np.exp(-2j * np.pi * frequency * n)
        turned = np.ones_like(turns)
        power = 0.0
        for h in range(1, max(used) + 1):
            turned *= turns
            if h in used:
                power += abs(np.dot(steps, turned)) ** 2
        return -power

    grid_step = 0.25 / (max(used) * steps.size)
    half = math.ceil(within * nominal / grid_step)
    grid = nominal + grid_step * np.arange(-half, half + 1)
    best = grid[np.argmin([unexplained(frequency) for frequency in grid])]
    refined = optimize.minimize_scalar(
        unexplained,
        bounds=(best - grid_step, best + grid_step),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(1 / refined.x)


class SelfTrigger:
    """Watches whether changes of stimulation make the detector become active.

    A loop that answers its own artefact looks like therapy. Bursts that begin by themselves
    know nothing of the stimulation, so they begin at the same rate shortly after a change of
    amplitude as at other times. Onsets are counted in both; the conditional test of two Poisson
    rates says how likely so many would have followed the changes by chance. Only time in which
    the detector is inactive counts: it is when an onset can happen.

    A sustained artefact that keeps an active detector active makes no onsets; for that, step
    the amplitude at random times in open loop, with the detector watching.

    Parameters
    ----------
    window_ms : float
        How long after a change an onset counts as following it, ms, > 0: the detector's delay
        and a little more.

    Attributes
    ----------
    time_us : list of int
        Inactive time at other times, and following a change, µs.
    onsets : list of int
        Onsets at other times, and following a change.

    Raises
    ------
    ValueError
        If the window is outside its range.

    References
    ----------
    J. Przyborowski, H. Wilenski, Biometrika 31, 1940, doi 10.1093/biomet/31.3-4.313.
    """

    def __init__(self, window_ms: float = 300.0) -> None:
        if not 0 < window_ms < math.inf:
            raise ValueError(f"A window of {window_ms} ms was asked for; give above 0 ms.")
        self._window_us = 1000 * window_ms
        self.time_us = [0, 0]
        self.onsets = [0, 0]
        self._last: Reading | None = None
        self._amplitude_ua: int | None = None
        self._changed_us = -math.inf

    def update(self, reading: Reading, amplitude_ua: int) -> None:
        """Take the next reading, and the amplitude that is delivered from it on.

        Parameters
        ----------
        reading : Reading
        amplitude_ua : int
            µA.
        """
        last, self._last = self._last, reading
        if last is not None and not last.active:
            following = last.t_us - self._changed_us < self._window_us
            self.time_us[following] += reading.t_us - last.t_us
            self.onsets[following] += reading.active
        if self._amplitude_ua not in (None, amplitude_ua):
            self._changed_us = float(reading.t_us)
        self._amplitude_ua = amplitude_ua

    @property
    def probability(self) -> float:
        """Chance of at least so many onsets after changes, if changes cause none."""
        total = sum(self.onsets)
        if not total or not all(self.time_us):
            return 1.0
        share = self.time_us[True] / sum(self.time_us)
        return float(stats.binom.sf(self.onsets[True] - 1, total, share))

    @property
    def suspected(self) -> bool:
        """Whether that chance is below one in a thousand."""
        return self.probability < 1e-3

    def reset(self) -> None:
        """Forget every reading."""
        self.time_us = [0, 0]
        self.onsets = [0, 0]
        self._last = None
        self._amplitude_ua = None
        self._changed_us = -math.inf
