"""A spectrogram that grows with the stream: NumPy alone, no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

WINDOW_S = 1.0
"""Length of the Hann window, s: bins of 1 Hz; a moment's spectrum lags by half of it."""
HOP_S = 0.1
SILENCE = 1e-6
"""µV²/Hz that stand for none where a logarithm is taken: the quantum of a sample is above."""


class Waterfall:
    """Columns of power of one channel, dB re 1 µV²/Hz.

    Parameters
    ----------
    rate_hz : int
        Of the samples, Hz.
    seconds : float
        How much is remembered, s.
    top_hz : float
        Highest frequency that is kept, Hz.

    Attributes
    ----------
    hz : ndarray of float64, shape (bins,)
        Frequencies, Hz.
    hop : int
        Samples from one column to the next.
    """

    def __init__(self, rate_hz: int, seconds: float, top_hz: float) -> None:
        self.window = round(rate_hz * WINDOW_S)
        self.hop = max(1, round(rate_hz * HOP_S))
        hz = np.fft.rfftfreq(self.window, 1 / rate_hz)
        self.hz = hz[hz <= min(top_hz, rate_hz / 2)]
        self.columns = max(1, round(seconds / HOP_S))
        hann = np.hanning(self.window + 1)[:-1]
        self._hann = hann.astype(np.float32)
        self._scale = 2 / (rate_hz * float((hann**2).sum()))
        self._db = np.full((self.columns, self.hz.size), np.nan, np.float32)
        self._tail = np.empty(0, np.float32)
        self._begin = 0
        self.newest = -1
        """Number of the newest column; column k begins at sample ``k * hop``."""

    def push(self, first_index: int, uv: Floats) -> int:
        """Take samples of one channel that follow; how many columns that completed.

        Parameters
        ----------
        first_index : int
        uv : ndarray of float32, shape (n,)
            µV. A window with a sample that is none has no spectrum.
        """
        if first_index != self._begin + len(self._tail):
            self._restart(first_index)
        self._tail = np.concatenate([self._tail, uv])
        done = 0
        while len(self._tail) >= self.window:
            piece = self._tail[: self.window]
            spectrum = np.fft.rfft((piece - piece.mean()) * self._hann)[: self.hz.size]
            power = self._scale * np.abs(spectrum) ** 2
            self.newest = self._begin // self.hop
            self._db[self.newest % self.columns] = 10 * np.log10(power + SILENCE)
            self._tail = self._tail[self.hop :]
            self._begin += self.hop
            done += 1
        return done

    def _restart(self, first_index: int) -> None:
        """Go on after a gap, on the grid: windows that reach into the gap have no spectrum."""
        if first_index < self._begin:
            self._db[:] = np.nan
            self.newest = -1
        self._begin = first_index // self.hop * self.hop
        self._tail = np.full(first_index - self._begin, np.nan, np.float32)
        unknown = np.arange(self.newest + 1, self._begin // self.hop)[-self.columns :]
        self._db[unknown % self.columns] = np.nan

    def drawn(self, begin: int, end: int) -> tuple[int, Floats]:
        """Columns whose windows are centred between two indices.

        Parameters
        ----------
        begin, end : int
            Indices of samples.

        Returns
        -------
        centre : int
            Index at the middle of the first column's window.
        db : ndarray of float32, shape (columns, bins)
        """
        first = max(-(-(begin - self.window // 2) // self.hop), 0)
        last = min((end - self.window // 2) // self.hop, self.newest)
        first = max(first, self.newest - self.columns + 1)
        number = np.arange(first, last + 1)
        return first * self.hop + self.window // 2, self._db[number % self.columns]
