"""The survey of a montage: the spectrum of every channel and of every pair of channels.

What is common to two contacts, such as far activity and movement, is gone from their
difference; so the pair with the clearest peak is where the source lies between.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from stimloop_dsp import MISSING, Spectrum, spectrum

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HALF_BAND_HZ = 3.0
"""Half the width of the band that is proposed around a peak, a design choice: the published
ones of personalised bands are 5 to 8 Hz wide."""


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """One channel, or the difference of two.

    Attributes
    ----------
    plus : int
        Channel.
    minus : int or None
        The channel that is subtracted; None for one against the device's reference.
    spectrum : Spectrum
    """

    plus: int
    minus: int | None
    spectrum: Spectrum

    @property
    def name(self) -> str:
        """``0`` or ``0-2``."""
        return f"{self.plus}" if self.minus is None else f"{self.plus}-{self.minus}"

    @property
    def height_db(self) -> float:
        """Height of the peak over the aperiodic part, dB; 0 without a clear one."""
        return 0.0 if self.spectrum.peak is None else self.spectrum.peak.height_db

    @property
    def band_hz(self) -> tuple[float, float] | None:
        """The proposed band around the peak, Hz, to 0.5 Hz; None without a clear one."""
        peak = self.spectrum.peak
        if peak is None:
            return None
        centre_hz = round(2 * peak.frequency_hz) / 2
        return centre_hz - HALF_BAND_HZ, centre_hz + HALF_BAND_HZ


def survey(
    nv: npt.NDArray[np.int32], fs_hz: float, search_hz: tuple[float, float] = (13.0, 35.0)
) -> tuple[Derivation, ...]:
    """Tell the spectra of a montage, the clearest peak first.

    Parameters
    ----------
    nv : ndarray of int32, shape (n, channels)
        Samples of all channels, nV. A row with a missing sample is left out, which a power
        spectrum forgives.
    fs_hz : float
        Sampling rate, Hz, > 90.
    search_hz : tuple of float
        Band in which a peak is looked for, Hz, within 4 to 43 Hz.

    Raises
    ------
    ValueError
        If there are fewer than 3 s of whole rows, or a parameter is outside its range.
    """
    uv = nv[(nv != MISSING).all(axis=1)] / 1000
    channels = range(nv.shape[1])
    derivations = [
        *(Derivation(c, None, spectrum(uv[:, c], fs_hz, search_hz)) for c in channels),
        *(
            Derivation(a, b, spectrum(uv[:, a] - uv[:, b], fs_hz, search_hz))
            for a, b in combinations(channels, 2)
        ),
    ]
    return tuple(sorted(derivations, key=lambda d: -d.height_db))
