"""The 1/f background of a field potential, from one normal deviate per sample.

A chain of poles and zeros evenly spaced in log frequency, each zero half way between two poles,
falls as 1/f between the outermost (Keshner 1982, Proceedings of the IEEE 70:212). It is kept as
a sum of relaxation processes with one drive, whose samples have no order of computation.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Two poles per decade: within 0.25 dB of 1/f from 1 to 32 Hz.
_POLES_HZ = 10.0 ** np.arange(-1.0, 2.01, 0.5)
_ZEROS_HZ = _POLES_HZ[:-1] * 10.0**0.25
_LOW_HZ, _HIGH_HZ = 0.1, 100.0


@dataclass(frozen=True, slots=True)
class Background:
    """A 1/f process of unit standard deviation between 0.1 and 100 Hz, sampled.

    Attributes
    ----------
    keep : ndarray of float64, (7,)
        Correlation of each relaxation process from one sample to the next.
    weight : ndarray of float64, (7,)
        Each one's share in the sum, when every process gets the same normal deviate.
    start : ndarray of float64, (7, 7)
        Makes their stationary states out of 7 independent normal deviates.
    """

    keep: NDArray[np.float64]
    weight: NDArray[np.float64]
    start: NDArray[np.float64]

    @classmethod
    def at(cls, fs_hz: int) -> "Background":
        """The process sampled at `fs_hz`, Hz."""
        keep = np.exp(-2.0 * math.pi * _POLES_HZ / fs_hz)
        zeros = np.exp(-2.0 * math.pi * _ZEROS_HZ / fs_hz)
        weight = np.array(
            [
                np.prod(1.0 - zeros / pole) / np.prod(1.0 - np.delete(keep, k) / pole)
                for k, pole in enumerate(keep)
            ]
        )
        # The level is set in the middle of the band: one-sided density 1 / (f ln(high / low)).
        middle_hz = math.sqrt(_LOW_HZ * _HIGH_HZ)
        turn = np.exp(-2j * math.pi * middle_hz / fs_hz)
        density = 2.0 / fs_hz * abs(np.sum(weight / (1.0 - keep * turn))) ** 2
        weight /= math.sqrt(density * middle_hz * math.log(_HIGH_HZ / _LOW_HZ))
        shared: NDArray[np.float64] = 1.0 / (1.0 - np.outer(keep, keep))
        return cls(keep, weight, np.asarray(np.linalg.cholesky(shared), np.float64))
