"""The device's look at its own lead: impedance of every pair, and what the pulses meet.

A pair is measured with a balanced pulse of `TEST_UA` for `TEST_US` and back: the voltage at the
end of the first `ONSET_US` is the resistance's, its slope from there on the capacitance's. The
pulse leaves nothing behind, and the time it takes is not simulated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stimloop_hw.impedance import CASE_CONTACT, Pair, pack
from stimloop_hw.messages import ImpedanceResult
from stimloop_hw.vocabulary import Lead, Refusal
from stimloop_sim.limits import Breach

if TYPE_CHECKING:
    from stimloop_sim._electrode import Path
    from stimloop_sim.tissue import Tissue

TEST_UA = 400
TEST_US = 200
"""Implants test with 0.25 to 0.7 mA for 100 to 500 µs."""
ONSET_US = 20
OPEN_OHM = 10_000
SHORT_OHM = 250
"""Outside of these a pair, or the load of a pulse, is no lead in tissue."""
STEP_UV = 100
"""Resolution of the measurement, µV."""

_SOUND = Lead(0)


def judge(ohm: float) -> Lead:
    """What a resistance says of the lead; NaN says nothing."""
    if ohm > OPEN_OHM:
        return Lead.OPEN
    return Lead.SHORT if ohm < SHORT_OHM else _SOUND


def condition(path: Path) -> Lead:
    """What the latest pulse of a path says of the lead."""
    lead = judge(path.load_ohm)
    return lead | Lead.COMPLIANCE if path.delivered_ua < path.asked_ua else lead


class Meter:
    """Measures the lead of a device.

    Parameters
    ----------
    tissue : Tissue
    charge_max_nc : int
        Largest charge per phase on any contact, nC.
    """

    def __init__(self, tissue: Tissue, charge_max_nc: int) -> None:
        self._tissue = tissue
        self._charge_max_nc = charge_max_nc

    def measure(self, contact: int, now_us: int) -> ImpedanceResult | Breach:
        """Measure every pair of a contact with those behind it, and with the case.

        Parameters
        ----------
        contact : int
            Of the lead, from 0.
        now_us : int
            Device time, µs.

        Returns
        -------
        ImpedanceResult or Breach
        """
        case = self._tissue.case
        if contact >= case:
            return Breach(Refusal.UNKNOWN, contact)
        charge_nc = TEST_UA * TEST_US // 1000
        if charge_nc > self._charge_max_nc:
            return Breach(Refusal.CHARGE_PER_PHASE, charge_nc)
        layers_v = [layer_v for layer_v, _ in self._tissue.interface.settled(now_us)]
        pairs = [self._pair(contact, other, layers_v) for other in range(contact + 1, case + 1)]
        return ImpedanceResult(now_us, contact, TEST_UA, TEST_US, pack(pairs))

    def _pair(self, cathode: int, anode: int, layers_v: list[float]) -> Pair:
        other = CASE_CONTACT if anode == self._tissue.case else anode
        source = {cathode: -1.0, anode: 1.0}
        most_uv = self._tissue.output.compliance_mv * 1000
        if self._tissue.blocks(source):
            ohm = most_uv // TEST_UA
            return Pair(other, judge(math.inf), ohm, 0)
        shares = self._tissue.shares(source)
        onset_uv, end_uv = (
            min(self._voltage_uv(shares, cathode, anode, layers_v, t_us), most_uv)
            for t_us in (ONSET_US, TEST_US)
        )
        ohm = onset_uv // TEST_UA
        rise_uv = end_uv - onset_uv
        # µA µs / µV is µF.
        capacitance_nf = 1000 * TEST_UA * (TEST_US - ONSET_US) // rise_uv if rise_uv > 0 else 0
        return Pair(other, judge(ohm), ohm, capacitance_nf)

    def _voltage_uv(
        self,
        shares: dict[int, float],
        cathode: int,
        anode: int,
        layers_v: list[float],
        t_us: int,
    ) -> int:
        """Voltage that the pulse has built up after so long, from before it on, µV."""
        coupling_f = self._tissue.output.coupling_f
        t_s, volts = 1e-6 * t_us, 0.0
        for contact, sign in ((anode, 1.0), (cathode, -1.0)):
            cell = self._tissue.cells[contact]
            amps = 1e-6 * TEST_UA * shares[contact]
            moved = -math.expm1(-t_s / (cell.leak_ohm * cell.capacitance_f))
            volts += sign * (
                amps * cell.series_ohm
                + (amps * cell.leak_ohm - layers_v[contact]) * moved
                + (amps * t_s / coupling_f if coupling_f else 0.0)
            )
        return round(volts * 1e6 / STEP_UV) * STEP_UV
