"""The converter of an OpenBCI Cyton: an ADS1299's inputs, gains, test signals and noise.

Figures are those of its data sheet (Texas Instruments SBAS499): 4.5 V over the gain is 2²³ - 1
counts, clipped at both ends; test signals of 1/2400 of the reference at 2⁻²¹ and 2⁻²⁰ of the
2.048 MHz clock; lead-off currents of 6 nA at 31.25 Hz, a quarter of the lowest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sin
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

INPUTS = 8
GAINS = (1, 2, 4, 6, 8, 12, 24)
FULL_SCALE_UV = 4.5e6
"""Input range at gain 1, ± µV."""
TOP, BOTTOM = 0x7FFFFF, -0x800000
NOISE_UV = 0.14
"""Input-referred, rms at gain 24 and 250 Hz, µV."""
LEAD_OFF_A, LEAD_OFF_HZ = 6e-9, 31.25
SHORTED, TEST_SIGNAL = 1, 5
TESTS = {
    "0": (0.0, 0.0),
    "p": (1_875.0, 0.0),
    "-": (1_875.0, 0.977),
    "=": (1_875.0, 1.953),
    "[": (3_750.0, 0.977),
    "]": (3_750.0, 1.953),
}
"""Internal test signals by their command: amplitude in µV, frequency in Hz."""


@dataclass(slots=True)
class Input:
    """One input; the defaults are those of the board.

    Attributes
    ----------
    on : bool
        Off it reads zero.
    gain : int
        One of `GAINS`.
    kind : int
        What it is connected to: 0 its electrode, `SHORTED`, `TEST_SIGNAL`, others.
    lead_off : bool
        Whether a test current flows through its electrode.
    """

    on: bool = True
    gain: int = 24
    kind: int = 0
    lead_off: bool = False

    def counts(
        self,
        electrode_uv: float,
        series_ohm: float,
        t_s: float,
        test: tuple[float, float] | None,
        random: Random,
    ) -> int:
        """Convert one sample.

        Parameters
        ----------
        electrode_uv : float
            Potential of its electrode, µV.
        series_ohm : float
            Of the electrode, Ω.
        t_s : float
            Time, s.
        test : tuple of float or None
            The test signal to which all inputs are connected, as in `TESTS`, if any.
        random : Random
            Of its noise.

        Returns
        -------
        int
            `BOTTOM` to `TOP`.
        """
        if not self.on:
            return 0
        input_uv = 0.0 if self.kind else electrode_uv
        if test is not None or self.kind == TEST_SIGNAL:
            level_uv, hz = test or TESTS["-"]
            input_uv = -level_uv if hz and int(2.0 * hz * t_s) & 1 else level_uv
        if self.lead_off:
            input_uv += 1e6 * LEAD_OFF_A * series_ohm * sin(2.0 * pi * LEAD_OFF_HZ * t_s)
        input_uv += random.gauss(0.0, NOISE_UV)
        return min(max(round(input_uv * self.gain * TOP / FULL_SCALE_UV), BOTTOM), TOP)
