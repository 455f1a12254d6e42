"""Device profiles: what a simulated implant is and what it must never do.

Profiles live on the device's side only; a host learns them over the wire (GetLimits).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

from stimloop_hw.ranges import Bounding, Contact, Run, Shape
from stimloop_sim.battery import Cell
from stimloop_sim.electrode import Output

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class Electrode:
    """Contacts of one kind that follow one another on the lead.

    Attributes
    ----------
    count : int
    shape : Shape
    area_um2 : int
        Geometric area of each, µm².
    amplitude_max_ua : int
        Largest current on each, µA.
    shannon_nc : int
        Largest charge per phase by Shannon's limit at k = 1.75, rounded down, nC
        (doi 10.1109/10.126616).
    """

    count: int
    shape: Shape
    area_um2: int
    amplitude_max_ua: int
    shannon_nc: int

    def charge_max_nc(self, density_max_nc_cm2: int) -> int:
        """Largest charge per phase: the smaller of density and Shannon, rounded down, nC."""
        return min(self.shannon_nc, density_max_nc_cm2 * self.area_um2 // 100_000_000)


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of implant, in integers.

    Attributes
    ----------
    model : str
        At most 16 ASCII characters.
    firmware : int
        Version number.
    device_id : int
        64 bits.
    lead : tuple of Electrode
        From contact 0.
    case : bool
        Whether the case can be a pole.
    share_step_percent : int
        Resolution of a contact's share of the current; 100: whole poles only.
    amplitude_ua : tuple of Run
        Amplitudes, µA, ascending; neighbouring runs meet.
    width_us : tuple of Run
        Widths of the cathodic phase, µs, ascending.
    period_us : tuple of Run
        Periods, µs, ascending.
    interphase_us, recharge_ratio : int
        Gap and recharge of a program that asks for nothing else.
    interphase_max_us : int
        Longest gap between cathodic phase and recharge, µs.
    recharge_max_ratio : int
        Weakest active recharge.
    soft_max_ms : int
        Longest soft start or stop, ms.
    cycle_max_ms : int
        Longest time on or off, ms.
    cycle_on_ms : tuple of Run
        Times on of a cycle, ms, ascending; 0 allows programs without pauses.
    duty_max_permille : int
        Largest part of the time with stimulation, of a cycle and in the long run, ‰.
    train_max_ms : int
        What may be stimulated in one go, ms, ramps included: then the output rests by itself,
        as long as the duty asks. 0 where that is all the time.
    magnet_swipe_max_ms : int
        Longest time that a magnet may be there and still ask for a train, ms; 0 for a device
        that heeds none.
    density_max_nc_cm2 : int
        Largest charge density per phase, nC/cm².
    compliance_mv, headroom_mv : int
        What the output stage can put across a load, and how much of it the current source needs
        for itself, mV.
    discharge_ohm : int
        In series with each contact, joins them between pulses, Ω.
    coupling_nf : int
        Capacitor in series with each contact, nF; 0 for none.
    impedance_ohm, capacitance_nf : int
        Of one contact and its tissue until they are measured, Ω and nF.
    slew_max_ua_s : int
        Fastest change of amplitude, µA/s.
    lease_max_ms : int
        Longest lease, ms.
    groups, programs : int
        Groups of programs that it holds, and programs that one group may have: at most 4 each.
    sense_range_uv : int
        The front end clips beyond ± this, µV.
    patients : str
        Whom it is implanted in on the bench: ``dbs``, ``scs`` or ``vns``.
    battery : Cell
    """

    model: str
    firmware: int
    device_id: int
    lead: tuple[Electrode, ...]
    case: bool
    share_step_percent: int
    amplitude_ua: tuple[Run, ...]
    width_us: tuple[Run, ...]
    period_us: tuple[Run, ...]
    interphase_us: int
    interphase_max_us: int
    recharge_ratio: int
    recharge_max_ratio: int
    soft_max_ms: int
    cycle_max_ms: int
    cycle_on_ms: tuple[Run, ...]
    duty_max_permille: int
    train_max_ms: int
    magnet_swipe_max_ms: int
    density_max_nc_cm2: int
    compliance_mv: int
    headroom_mv: int
    discharge_ohm: int
    coupling_nf: int
    impedance_ohm: int
    capacitance_nf: int
    slew_max_ua_s: int
    lease_max_ms: int
    groups: int
    programs: int
    sense_range_uv: int
    patients: str
    battery: Cell

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Every contact of the lead, with its largest charge and where that comes from."""
        return tuple(
            self.contact(electrode) for electrode in self.lead for _ in range(electrode.count)
        )

    @property
    def output(self) -> Output:
        """The device as its tissue knows it."""
        return Output(
            tuple(contact.area_um2 for contact in self.contacts),
            self.compliance_mv,
            self.headroom_mv,
            self.discharge_ohm,
            self.coupling_nf,
        )

    def contact(self, electrode: Electrode) -> Contact:
        """One contact of a kind, with its largest charge and where that comes from."""
        charge_nc = electrode.charge_max_nc(self.density_max_nc_cm2)
        bounding = Bounding.SHANNON if charge_nc == electrode.shannon_nc else Bounding.DENSITY
        if electrode.amplitude_max_ua * self.width_us[-1].high <= charge_nc * 1000:
            bounding = Bounding.RANGE
        return Contact(
            electrode.shape,
            electrode.area_um2,
            electrode.amplitude_max_ua,
            charge_nc,
            bounding,
        )

    @classmethod
    def named(cls, name: str) -> Self:
        """Load a profile by the name of its file.

        Raises
        ------
        ValueError
            If there is none of this name; says which there are.
        """
        known = names()
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"device profile {name!r} is unknown; {hint}known are: {', '.join(known)}"
            )
        table: dict[str, Any] = tomllib.loads(
            _folder().joinpath(f"{name}.toml").read_text("utf-8")
        )
        for key in ("amplitude_ua", "width_us", "period_us", "cycle_on_ms"):
            table[key] = tuple(Run(*row) for row in table[key])
        table["lead"] = tuple(
            Electrode(**{**row, "shape": Shape[row["shape"].upper()]}) for row in table["lead"]
        )
        battery = table["battery"]
        table["battery"] = Cell(
            **{**battery, "stages_permille": tuple(battery["stages_permille"])}
        )
        return cls(**{field.name: table[field.name] for field in fields(cls)})


def names() -> tuple[str, ...]:
    """Names of all profiles."""
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in _folder().iterdir()
            if entry.name.endswith(".toml")
        )
    )


def _folder() -> Traversable:
    return files("stimloop_sim") / "profiles"
