"""What the plots know: the last minutes of a stream, running or frozen. No Qt."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stimloop.app.rings import MinMax, Samples, Steps, min_max
from stimloop.app.waterfall import Waterfall

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

COLUMNS = 300
"""Of a plot's width: 3 to 4 pixels each, two points drawn in each."""
SPANS_S = (5, 10, 20, 30, 60)
BACK_S = 60
"""How far a frozen picture scrolls back, s."""
TOP_HZ = 100.0
TICKS_HZ = 250
"""Steps per second that are remembered for the whole of the time, at most."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show.

    Attributes
    ----------
    kind : {'lfp', 'heart', 'evoked'}
        What is sensed: brain, heart, or the responses that pulses evoke.
    channels : tuple of str
        Names of the raw channels, none where responses are sensed.
    rate_hz : int
        Of their samples.
    most_ma : float
        Upper end of the amplitude axis, mA.
    pulse_width_us : int
        For the charge of a pulse, µs.
    thresholds : tuple of float
        Of the level, the upper one first; none where there are none yet.
    """

    kind: Literal["lfp", "heart", "evoked"]
    channels: tuple[str, ...]
    rate_hz: int
    most_ma: float
    pulse_width_us: int = 60
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment with words.

    Attributes
    ----------
    t_us : int
        Device time, µs.
    text : str
    """

    t_us: int
    text: str


class Memory:
    """The last `SPANS_S` and `BACK_S` of samples, steps and spectra, and all marks.

    Time 0 is the newest sample, or the moment of the freeze, which keeps what was known then
    while the stream goes on behind it.

    Parameters
    ----------
    shown : Shown

    Attributes
    ----------
    samples, steps, waterfall
        What is looked at: the running ones, or the frozen.
    marks : list of Mark
    span_s : int
        Seconds from the left to the right edge.
    back_s : float
        Seconds from the right edge to time 0.
    spectrum_channel : int
        Place of the channel whose spectra are kept.
    """

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self.marks: list[Mark] = []
        self.span_s = SPANS_S[1]
        self.back_s = 0.0
        self.spectrum_channel = 0
        self._samples_us = 0
        self._still_us: int | None = None
        self._still_samples_us = 0
        memory_s = SPANS_S[-1] + BACK_S
        rows = memory_s * shown.rate_hz if shown.channels else 1
        self._samples = self.samples = Samples(rows, max(1, len(shown.channels)))
        self._steps = self.steps = Steps(memory_s * TICKS_HZ)
        self._waterfall = self.waterfall = Waterfall(max(10, shown.rate_hz), memory_s, TOP_HZ)
        self.set_span(self.span_s)

    def push_samples(self, first_index: int, t_us: int, nv: npt.NDArray[np.int32]) -> None:
        """Take samples that follow.

        Parameters
        ----------
        first_index : int
        t_us : int
            Device time of the last one, µs.
        nv : ndarray of int32, shape (n, channels)
            nV.
        """
        uv = self._samples.push(first_index, nv)
        self._min_max.push(first_index, uv)
        if self.shown.kind == "lfp":
            self._waterfall.push(first_index, uv[:, self.spectrum_channel])
        self._samples_us = t_us

    def push_steps(self, steps: npt.NDArray[np.void]) -> None:
        """Take steps that follow, rows of `stimloop.station.ring.STEPS`."""
        self._steps.push(steps)

    def set_span(self, span_s: int) -> None:
        """Look at so many seconds."""
        self.span_s = span_s
        width = max(1, span_s * self.shown.rate_hz // COLUMNS)
        # One column more than is seen: the oldest goes out of sight, not away.
        count = span_s * self.shown.rate_hz // width + 2
        self._min_max = MinMax(width, count, self._samples.channels)
        begin = max(0, self._samples.end - count * width)
        self._min_max.push(begin, self._samples.window(begin, self._samples.end))

    def set_spectrum_channel(self, place: int) -> None:
        """Keep spectra of another channel; those of what is remembered are made anew."""
        self.spectrum_channel = place
        samples = self._samples
        begin = max(0, samples.end - samples.rows)
        self._waterfall = Waterfall(self.shown.rate_hz, SPANS_S[-1] + BACK_S, TOP_HZ)
        self._waterfall.push(begin, samples.window(begin, samples.end)[:, place])
        if not self.is_frozen:
            self.waterfall = self._waterfall

    @property
    def is_frozen(self) -> bool:
        """Whether the picture stands."""
        return self._still_us is not None

    def freeze(self, *, frozen: bool) -> None:
        """Let the picture stand, or run again."""
        self.back_s = 0.0
        running = (self._samples, self._steps, self._waterfall)
        self._still_us = None
        if frozen:
            self._still_us, self._still_samples_us = self.now_us, self._samples_us
            running = copy.deepcopy(running)
        self.samples, self.steps, self.waterfall = running

    def scroll_back(self, seconds: float) -> None:
        """Look at so many seconds before the freeze, 0 to `BACK_S`."""
        self.back_s = min(max(seconds, 0.0), float(BACK_S)) if self.is_frozen else 0.0

    @property
    def now_us(self) -> int:
        """Device time of time 0, µs."""
        if self._still_us is not None:
            return self._still_us
        return max(self._samples_us, self._steps.newest_us)

    @property
    def newest_s(self) -> float:
        """Where the newest sample stands, s: at 0, or before it where sensing has ended."""
        samples_us = self._still_samples_us if self.is_frozen else self._samples_us
        return (samples_us - self.now_us) / 1e6 if samples_us else 0.0

    @property
    def window_us(self) -> tuple[int, int]:
        """Device time of the edges, µs."""
        end = self.now_us - round(self.back_s * 1e6)
        return end - self.span_s * 1_000_000, end

    @property
    def window(self) -> tuple[int, int]:
        """Indices of the samples at the edges."""
        end = self.samples.end - round((self.back_s - self.newest_s) * self.shown.rate_hz)
        return end - self.span_s * self.shown.rate_hz, end

    def signal(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """Points of the curves: time, s, shape (n,), and µV, shape (n, channels)."""
        if self.is_frozen:
            begin, end = self.window
            index, uv = min_max(self.samples.window(begin, end), begin, self._min_max.width)
        else:
            index, uv = self._min_max.drawn()
        return self.newest_s + (index - self.samples.end) / self.shown.rate_hz, uv

    def seen_steps(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.void]]:
        """Steps between the edges: time, s, and rows."""
        rows = self.steps.window(*self.window_us)
        return (rows["t_us"] - self.now_us) / 1e6, rows
