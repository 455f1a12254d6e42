"""Where a simulated implant's samples come from."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Source(Protocol):
    """A source of sensed samples: a simulated patient, or a recording.

    The firmware asks for blocks of any length; their lengths never change the samples.
    """

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the sensing channels."""

    @property
    def fs_hz(self) -> int:
        """Sampling rate in Hz."""

    @property
    def remaining(self) -> int | None:
        """Samples left; None is an endless source."""

    def sense(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]:
        """Sense one block while these pulses are delivered.

        Parameters
        ----------
        amplitude_ua : ndarray of int32, (n,)
            Amplitude in µA of the pulses in effect during each of the n sample intervals;
            0 is no stimulation.
        width_us : int
            Pulse width in µs, throughout the block.
        period_us : int
            Pulse period in µs, throughout the block; 0 means no train.

        Returns
        -------
        ndarray of float64, (n, channels)
            Potential at the end of each interval in µV. NaN is a sample that is missing.

        Raises
        ------
        ValueError
            If the amplitudes are not a contiguous vector of int32, a quantity is negative, or
            more samples are asked for than remain.
        """
