"""Deliberately broken implants: a rig that does not find them all is worth nothing.

``mutant://NAME?seed=7`` is ``sim://dbs?seed=7`` with one thing wrong with it, until its next
reset. Each names the obligation of `stimloop.rig` that has to find it. The firmware knows
nothing of them: they are put over an implant that is there, from outside.
"""

from stimloop_lab.mutants import authority, lease, limits, orders, pulses, stop, telling
from stimloop_lab.mutants.table import MUTANTS, Mutant, catalogue, named

__all__ = [
    "MUTANTS",
    "Mutant",
    "authority",
    "catalogue",
    "lease",
    "limits",
    "named",
    "orders",
    "pulses",
    "stop",
    "telling",
]
