"""Leases that are no leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_lab.mutants.table import mutant, put
from stimloop_sim.states import Event

if TYPE_CHECKING:
    from stimloop_sim.firmware import Firmware

LATE_US = 200_000


@mutant("silence_holds_falls_back_and_ends_the_therapy")
def lease_ignored(firmware: Firmware) -> None:
    """No timer of the therapy ever acts: silence ends nothing."""
    put(firmware.therapy, "expire", lambda _: None)


@mutant("silence_holds_falls_back_and_ends_the_therapy")
def hold_comes_late(firmware: Firmware) -> None:
    """HOLD comes 200 ms later than promised."""
    therapy = firmware.therapy

    def renew(now_us: int, lease_ms: int) -> None:
        renewed(now_us, lease_ms)
        therapy._timers[Event.HEARTBEAT_LATE] += LATE_US

    renewed = put(therapy, "_renew", renew)


@mutant("silence_leads_to_the_committed_fallback")
def fallback_ignored(firmware: Firmware) -> None:
    """In FALLBACK the output stays where it was."""

    def ramp(*order: int, last: bool = False) -> None:
        if last:
            ramped(*order, last=last)

    ramped = put(firmware.therapy, "_ramp", ramp)


@mutant("nothing_rises_in_hold")
def hold_raises(firmware: Firmware) -> None:
    """In HOLD setpoints raise the output as ever."""
    put(firmware.therapy, "rises", lambda *_: False)


@mutant("a_lease_longer_than_it_allows_is_refused")
def any_lease_allowed(firmware: Firmware) -> None:
    """Any lease is taken, however long."""
    put(firmware.therapy, "_check_lease", lambda _: None)


@mutant("a_new_host_cannot_keep_an_old_lease_alive")
def second_controller_admitted(firmware: Firmware) -> None:
    """A second controller takes the lead of a therapy that another one leads."""
    put(firmware, "admit", lambda _: None)
