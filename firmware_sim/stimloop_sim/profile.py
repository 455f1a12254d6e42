"""Device profiles: what a simulated implant is and what it must never do.

Profiles live on the device's side only; a host learns them over the wire (GetLimits).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


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
    contacts : int
        Contacts on the lead.
    amplitude_max_ua, amplitude_step_ua : int
        µA.
    width_min_us, width_max_us, width_step_us : int
        Width of the cathodic phase, µs.
    period_min_us, period_max_us, period_step_us : int
        µs.
    interphase_us : int
        Gap between cathodic phase and recharge, µs.
    recharge_ratio : int
        Recharge at 1/ratio of the amplitude for ratio times the width.
    contact_area_um2 : int
        Geometric area of the smallest contact, µm².
    charge_max_nc : int
        Largest charge per phase on a contact, nC.
    density_max_nc_cm2 : int
        Largest charge density per phase, nC/cm².
    slew_max_ua_s : int
        Fastest change of amplitude, µA/s.
    lease_max_ms : int
        Longest lease, ms.
    sense_range_uv : int
        The front end clips beyond ± this, µV.
    """

    model: str
    firmware: int
    device_id: int
    contacts: int
    amplitude_max_ua: int
    amplitude_step_ua: int
    width_min_us: int
    width_max_us: int
    width_step_us: int
    period_min_us: int
    period_max_us: int
    period_step_us: int
    interphase_us: int
    recharge_ratio: int
    contact_area_um2: int
    charge_max_nc: int
    density_max_nc_cm2: int
    slew_max_ua_s: int
    lease_max_ms: int
    sense_range_uv: int

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
        table = tomllib.loads(_folder().joinpath(f"{name}.toml").read_text("utf-8"))
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
