"""What a program puts on each contact, and takes from the battery: numbers for people.

Nothing is judged here: `stimloop.electrode` and the device do that. Shannon's k is
``log10(D Q)`` with D in µC/cm² and Q in µC per phase [1]_. TEED is A² * width * rate * R [2]_.

References
----------
.. [1] R. V. Shannon, IEEE Trans. Biomed. Eng. 39, 1992, doi 10.1109/10.126616.
.. [2] A. M. Koss et al., Annals of Neurology 58, 2005, doi 10.1002/ana.20525.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

from stimloop_hw.ranges import contacts_of

if TYPE_CHECKING:
    from stimloop.tables import Stimulation
    from stimloop_hw.messages import Limits

SHANNON_K = 1.75
"""Where lesions were not seen in the data that Shannon's line was fitted to, 1.5 to 2."""
_UM2_PER_CM2 = 1e8
_HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class Burden:
    """What one contact carries at the upper limit of the amplitude.

    Attributes
    ----------
    contact : str
    current_ma, current_max_ma : float
        mA, and what the device allows on it.
    charge_uc, charge_max_uc : float
        Per phase, µC.
    density_uc_cm2, density_max_uc_cm2 : float
        Per phase, µC/cm².
    """

    contact: str
    current_ma: float
    current_max_ma: float
    charge_uc: float
    charge_max_uc: float
    density_uc_cm2: float
    density_max_uc_cm2: float

    @property
    def shannon_k(self) -> float:
        """Shannon's k; minus infinity without charge."""
        product = self.density_uc_cm2 * self.charge_uc
        return log10(product) if product > 0 else float("-inf")

    @property
    def fraction(self) -> float:
        """The nearest of its limits, as a part of it: above 1 it is refused."""
        return max(
            self.current_ma / self.current_max_ma,
            self.charge_uc / self.charge_max_uc,
            self.density_uc_cm2 / self.density_max_uc_cm2,
        )


def burdens(asked: Stimulation, limits: Limits) -> list[Burden]:
    """What each contact of the lead carries, the heaviest burden first; the case is no contact.

    Parameters
    ----------
    asked : Stimulation
        Contacts that the lead has not are left out.
    limits : Limits

    Returns
    -------
    list of Burden
    """
    contacts = contacts_of(limits)
    found = []
    for name, part in asked.parts.items():
        if name == "case" or int(name) >= len(contacts):
            continue
        contact = contacts[int(name)]
        current_ma = asked.amplitude_ma * float(part)
        charge_uc = current_ma * asked.pulse_width_us / 1000
        found.append(
            Burden(
                name,
                current_ma,
                contact.amplitude_max_ua / 1000,
                charge_uc,
                contact.charge_max_nc / 1000,
                charge_uc * _UM2_PER_CM2 / contact.area_um2,
                limits.density_max_nc_cm2 / 1000,
            )
        )
    return sorted(found, key=lambda burden: -burden.fraction)


def teed_uw(asked: Stimulation, resistance_ohm: float) -> float:
    """Total electrical energy delivered at the upper limit of the amplitude, as power, µW."""
    # mA² · µs · Hz · Ω = 1e-12 W
    square = asked.amplitude_ma**2 * asked.pulse_width_us * asked.rate_hz
    return square * resistance_ohm / 1e6


def mean_current_ua(asked: Stimulation) -> float:
    """Current of the cathodic phases averaged over time, at the upper limit, µA."""
    # mA · µs · Hz = 1e-9 A
    fraction = 1.0
    if asked.cycle_on_ms:
        fraction = asked.cycle_on_ms / (asked.cycle_on_ms + asked.cycle_off_ms)
    return asked.amplitude_ma * asked.pulse_width_us * asked.rate_hz * fraction / 1000


def most_days(current_ua: float, left_uah: int) -> float:
    """How long a battery lasts at most, if nothing but these pulses took from it, days."""
    return left_uah / current_ua / _HOURS_PER_DAY if current_ua > 0 else float("inf")
