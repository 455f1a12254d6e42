"""The therapies that trials know, by what a device's profile calls its patients."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stimloop_lab.dbs import Dbs
from stimloop_lab.scs import Scs
from stimloop_lab.vns import Vns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop_lab.therapy import Therapy

THERAPIES: Mapping[str, Therapy[Any, Any, Any]] = MappingProxyType(
    {"dbs": Dbs(), "scs": Scs(), "vns": Vns()}
)
"""Keys are those of `stimloop_sim.patients.FAMILIES`."""
