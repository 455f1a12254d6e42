"""Pulses that are not those that were ordered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop_hw.program import PASSIVE
from stimloop_lab.mutants.stage import BrokenStage
from stimloop_lab.mutants.table import mutant, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_hw.program import Program
    from stimloop_sim.firmware import Firmware


@mutant("every_pulse_begins_cathodic_at_its_cathodes")
def wrong_polarity(firmware: Firmware) -> None:
    """Anodes and cathodes are joined to the output stage the wrong way round."""
    tissue = firmware.tissue

    def connect(path: object, cathodes: int, anodes: int, shares: object = ()) -> None:
        connected(path, anodes, cathodes, shares)

    connected = put(tissue, "connect", connect)


@mutant("every_pulse_begins_cathodic_at_its_cathodes")
def wrong_contact(firmware: Firmware) -> None:
    """Current flows through the neighbour of the contact that was committed."""
    tissue = firmware.tissue

    def connect(path: object, cathodes: int, anodes: int, shares: object = ()) -> None:
        connected(path, cathodes << 1, anodes, shares)

    connected = put(tissue, "connect", connect)


def _programmed(firmware: Firmware, change: Callable[[Program], Program]) -> None:
    """Let the output stage have another program than the one committed, and tell no fault."""
    BrokenStage.of(firmware, change=change)
    put(firmware.therapy, "watch", lambda _: None)


@mutant("every_pulse_is_balanced_on_each_contact")
def unbalanced_recharge(firmware: Firmware) -> None:
    """The recharge takes a third of the amplitude, cut to whole nanoamperes."""
    _programmed(firmware, lambda program: replace(program, recharge_ratio=3))


@mutant("every_pulse_is_balanced_on_each_contact")
def recharge_forgotten(firmware: Firmware) -> None:
    """Pulses have no active recharge."""
    _programmed(firmware, lambda program: replace(program, recharge_ratio=PASSIVE))


@mutant("every_pulse_has_the_width_and_charge_that_were_programmed")
def wrong_width(firmware: Firmware) -> None:
    """Pulses are 10 µs wider than programmed."""
    _programmed(firmware, lambda program: replace(program, width_us=program.width_us + 10))


@mutant("the_amplitude_rises_no_faster_than_the_slew")
def slew_ignored(firmware: Firmware) -> None:
    """The output rises fifty times as fast as committed."""
    _programmed(firmware, lambda program: replace(program, slew_ua_s=50 * program.slew_ua_s))


@mutant("every_pulse_has_the_amplitude_that_was_ordered")
def wrong_amplitude(firmware: Firmware) -> None:
    """Pulses have one step less than ordered, and it tells what was ordered."""
    BrokenStage.of(firmware, less_ua=firmware.profile.amplitude_ua[0].step)


@mutant("pulses_come_at_the_period_ordered")
def wrong_period(firmware: Firmware) -> None:
    """Pulses come 10 µs later than ordered."""
    BrokenStage.of(firmware, later_us=10)


@mutant("a_setpoint_is_delivered_as_ordered_and_its_charge_is_counted")
def charge_not_counted(firmware: Firmware) -> None:
    """The charge that it tells stands still."""
    _tell(firmware, delivered_nc=0)


@mutant("what_it_tells_is_what_was_delivered")
def delivered_is_ordered(firmware: Firmware) -> None:
    """What it tells to have delivered is what was ordered, whatever left it."""
    BrokenStage.of(firmware, less_ua=firmware.profile.amplitude_ua[0].step)


def _tell(firmware: Firmware, **lies: int) -> None:
    status = put(firmware, "_status", lambda lead: replace(status(lead), **lies))
