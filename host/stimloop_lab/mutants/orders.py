"""Orders that do too much, or too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.messages import Setpoint, Start, StartAlone
from stimloop_hw.vocabulary import State
from stimloop_lab.mutants.table import mutant, put
from stimloop_sim.states import Event

if TYPE_CHECKING:
    from stimloop_hw.framing import Frame
    from stimloop_hw.messages import Message
    from stimloop_sim.firmware import Firmware
    from stimloop_sim.limits import Breach


@mutant("nothing_starts_without_the_whole_sequence")
def start_needs_no_arming(firmware: Firmware) -> None:
    """A committed program starts without being armed."""
    therapy = firmware.therapy

    def start(now_us: int, *order: int) -> Breach | None:
        if therapy.state is State.CONFIGURED:
            therapy.state = State.ARMED
            therapy._timers[Event.ARM_EXPIRED] = now_us
        breach: Breach | None = started(now_us, *order)
        return breach

    started = put(therapy, "start", start)


@mutant("a_therapy_begins_at_zero")
def therapy_begins_where_it_ended(firmware: Firmware) -> None:
    """A therapy begins at the latest amplitude of the one before."""
    therapy = firmware.therapy
    ordered = {"ua": 0, "us": 0}

    def move(now_us: int, sp: int, ua: int, us: int, at_us: int, **which: int) -> object:
        ordered.update(ua=ua, us=us)
        return moved(now_us, sp, ua, us, at_us, **which)

    def begin(now_us: int) -> None:
        begun(now_us)
        if ordered["ua"]:
            therapy.pulses.setpoint(now_us, ordered["ua"], ordered["us"], 0)

    moved = put(therapy, "_move_to", move)
    begun = put(therapy, "_begin", begin)


@mutant("it_measures_its_lead_while_it_is_idle_and_only_then")
def measures_in_therapy(firmware: Firmware) -> None:
    """It measures its lead while a therapy runs."""
    therapy = firmware.therapy

    def check(event: Event) -> Breach | None:
        breach: Breach | None = checked(event)
        return None if event is Event.MEASURE else breach

    checked = put(therapy, "check", check)


@mutant("what_runs_alone_needs_its_own_arming_and_ends_by_stop")
def alone_needs_no_arming(firmware: Firmware) -> None:
    """What runs alone needs no arming of its own."""
    therapy = firmware.therapy

    def start(now_us: int, program_crc: int) -> Breach | None:
        if therapy.state is State.CONFIGURED:
            therapy.state = State.ARMED_ALONE
            therapy._timers[Event.ARM_EXPIRED] = now_us
        breach: Breach | None = started(now_us, program_crc)
        return breach

    started = put(therapy, "start_alone", start)


@mutant("a_timed_setpoint_waits_for_its_time")
def timed_setpoint_at_once(firmware: Firmware) -> None:
    """A setpoint that was timed ahead is in force at once."""

    def move(now_us: int, sp: int, ua: int, us: int, _: int, *, number: int) -> object:
        return moved(now_us, sp, ua, us, 0, number=number)

    moved = put(firmware.therapy, "_move_to", move)


def _timeless(firmware: Firmware, *kinds: type[Message]) -> None:
    """Let orders of these kinds pass whenever they come."""
    numbers = {kind.number for kind in kinds}

    def check(frame: Frame, *, needed: bool) -> Breach | None:
        breach: Breach | None = checked(frame, needed=needed)
        return None if frame.number in numbers else breach

    checked = put(firmware.telemetry, "_check_deadline", check)


@mutant("a_stale_setpoint_is_refused_and_changes_nothing")
def stale_setpoint_executed(firmware: Firmware) -> None:
    """A setpoint is executed whenever it comes."""
    _timeless(firmware, Setpoint)


@mutant("a_stale_start_is_refused")
def stale_start_executed(firmware: Firmware) -> None:
    """A start is executed whenever it comes."""
    _timeless(firmware, Start, StartAlone)
