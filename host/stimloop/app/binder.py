"""The drafts of a device's leads and groups, kept on disk as they are typed."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from stimloop.app.draft import Draft, copied
from stimloop.app.geometry import Picture, pictures
from stimloop.quantities import neighbours
from stimloop_hw.groups import NAMES
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import room_of, runs_of

if TYPE_CHECKING:
    from pathlib import Path

    from stimloop_hw.messages import Limits

SIDES = ("left", "right")
_USUAL: dict[Picture, tuple[int, float]] = {
    Picture.BRAIN: (60, 130.0),
    Picture.PERCUTANEOUS: (200, 40.0),
    Picture.PADDLE: (200, 40.0),
    Picture.CUFF: (250, 20.0),
}
"""Width in µs and rate in Hz that a blank draft begins with: those of `examples/`."""


class Binder:
    """Every draft by side and group.

    Parameters
    ----------
    limits : Limits
        Of the device that they are for.
    directory : Path
        Where they are kept; made when something is.
    """

    def __init__(self, limits: Limits, directory: Path) -> None:
        self._limits = limits
        self._directory = directory
        self.sides = SIDES if pictures(limits)[0] is Picture.BRAIN else SIDES[:1]
        self.groups = tuple(NAMES[: room_of(limits).groups])
        self._drafts = {
            (side, group): self._opened(side, group)
            for side in self.sides
            for group in self.groups
        }

    def draft(self, side: str, group: str) -> Draft:
        """The draft of a lead's group."""
        return self._drafts[side, group]

    def keep(self, side: str, group: str) -> None:
        """Write a draft to its file: after every edit, so that nothing has to be saved."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(side, group)
        fresh = path.with_suffix(".new")
        fresh.write_text(self._drafts[side, group].text, "utf-8")
        fresh.replace(path)

    def copy(self, source: str, target: str, group: str) -> None:
        """Copy a group from one lead to the other; its amplitudes are 0 mA there."""
        tables = copied(self._drafts[source, group].tables)
        self._drafts[target, group].replace(tables)
        self.keep(target, group)

    def _path(self, side: str, group: str) -> Path:
        return self._directory / f"{side}-{group}.toml"

    def _opened(self, side: str, group: str) -> Draft:
        try:
            tables = tomllib.loads(self._path(side, group).read_text("utf-8"))
            del tables["schema"]
            draft = Draft(tables)
            _ = draft.locked(), draft.programs[0]["pulse_width_us"], draft.text
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # What is not there, or no draft any more, is a blank one.
            return Draft({**blank(self._limits), "group": group})
        return draft


def blank(limits: Limits) -> dict[str, Any]:
    """Tables of a draft without contacts: 0 mA, a usual width and rate that the device has."""
    width_us, rate_hz = _USUAL[pictures(limits)[0]]
    width_us = min(neighbours(runs_of(limits, Parameter.WIDTH_US), Fraction(width_us)))
    fastest_hz = 1e6 / runs_of(limits, Parameter.PERIOD_MIN_US)[0].low
    return {
        "name": "",
        "group": "A",
        "stimulation": {
            "amplitude_ma": 0.0,
            "pulse_width_us": width_us,
            "rate_hz": min(rate_hz, fastest_hz),
            "slew_ma_per_s": min(1.0, limits.slew_max_ua_s / 1000),
            "fallback_ma": 0.0,
            "cathodes": [],
            "anodes": [],
        },
        "controller": {"kind": "continuous"},
    }
