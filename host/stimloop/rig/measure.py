"""A second of pulses beside what was ordered: programmed, quantised, delivered."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from stimloop.rig.comparison import Compared, compare
from stimloop.rig.session import open_session
from stimloop_hw.ports import DRIVERS, driver_of

if TYPE_CHECKING:
    from collections.abc import Callable

STATUSES = 10
SL1 = DRIVERS[0]

_COLUMNS: dict[str, tuple[str, Callable[[Compared], tuple[float, float]]]] = {
    "amplitude": ("µA", lambda pulse: (pulse.ordered_ua, pulse.amplitude_ua)),
    "charge per phase": ("pC", lambda pulse: (pulse.ordered_pc, pulse.charge_pc)),
    "net charge": ("fC", lambda pulse: (0, max(map(abs, pulse.net_fc.values()), default=0))),
    "lateness": ("µs", lambda pulse: (0, pulse.late_us)),
}
"""What is compared: unit, and (ordered, seen) of a pulse."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Pulses that a witness saw, beside what was ordered.

    Attributes
    ----------
    quantised_ua : int
        Amplitude that the device told for the setpoint, µA.
    width_us, gap_us, period_us : int
        As programmed.
    pulses : tuple of Compared
    """

    quantised_ua: int
    width_us: int
    gap_us: int
    period_us: int
    pulses: tuple[Compared, ...]

    def summary(self) -> dict[str, float]:
        """Number of pulses, and the largest deviation of each quantity."""
        worst = {
            f"worst {name} [{unit}]": max(
                (abs(seen - ordered) for ordered, seen in map(pair, self.pulses)), default=0
            )
            for name, (unit, pair) in _COLUMNS.items()
        }
        widths = [abs(pulse.width_us - self.width_us) for pulse in self.pulses]
        return {
            "pulses": len(self.pulses),
            **worst,
            "worst width [µs]": max(widths, default=0),
        }

    def table(self) -> list[tuple[str, str, str, str, str]]:
        """For people: quantity, unit, programmed, quantised, delivered."""
        first = self.pulses[0] if self.pulses else None
        programmed = "–" if first is None else str(first.ordered_ua)
        charge = "–" if first is None else str(first.ordered_pc)
        quantised_pc = self.quantised_ua * self.width_us
        return [
            ("amplitude", "µA", programmed, str(self.quantised_ua), self._seen("amplitude_ua")),
            ("width", "µs", str(self.width_us), str(self.width_us), self._seen("width_us")),
            ("gap", "µs", str(self.gap_us), str(self.gap_us), self._seen("gap_us")),
            ("charge per phase", "pC", charge, str(quantised_pc), self._seen("charge_pc")),
            ("lateness", "µs", "0", "0", self._seen("late_us")),
        ]

    def _seen(self, name: str) -> str:
        values = [getattr(pulse, name) for pulse in self.pulses]
        if not values:
            return "–"
        low, high = min(values), max(values)
        return str(low) if low == high else f"{low} to {high}"

    def csv(self) -> str:
        """Every pulse as a line."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            [
                *("t_us", "ordered_ua", "quantised_ua", "delivered_ua", "ordered_width_us"),
                *("width_us", "ordered_pc", "delivered_pc", "worst_net_fc", "late_us"),
            ]
        )
        for pulse in self.pulses:
            net_fc = max(map(abs, pulse.net_fc.values()), default=0)
            writer.writerow(
                [
                    *(pulse.t_us, pulse.ordered_ua, self.quantised_ua, pulse.amplitude_ua),
                    *(self.width_us, pulse.width_us, pulse.ordered_pc, pulse.charge_pc),
                    *(net_fc, pulse.late_us),
                ]
            )
        return text.getvalue()


def measure(url: str, *, key: bytes, witness: str | None = None) -> Measured | None:
    """Deliver the gentle program of an SL1 device for a second.

    Returns
    -------
    Measured or None
        None where nobody sees the pulses, and of other devices.

    Raises
    ------
    LinkError, Broken
        If the device is lost, or does not deliver.
    """
    if driver_of(url)[0] != SL1:
        return None
    with open_session(url, key=key, witness=witness) as session:
        if session.witness is None:
            return None
        program = session.program
        status = session.deliver()
        since_us = status.t_us
        for _ in range(STATUSES):
            status = session.alive()
        pulses = session.pulses(since_us, status.t_us)
        seen = compare(program, program.amplitude_max_ua, program.period_min_us, pulses)
    return Measured(
        status.amplitude_ua,
        program.width_us,
        program.interphase_us,
        program.period_min_us,
        tuple(seen),
    )
