"""Limits that let too much pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop_hw.program import Parameter
from stimloop_hw.vocabulary import Refusal
from stimloop_lab.mutants.table import mutant, put

if TYPE_CHECKING:
    from stimloop_hw.groups import ProgramSet
    from stimloop_sim.firmware import Firmware
    from stimloop_sim.limits import Breach


def _lowered(programs: ProgramSet, step_ua: int) -> ProgramSet:
    return replace(
        programs,
        groups=tuple(
            tuple(replace(p, amplitude_max_ua=p.amplitude_max_ua - step_ua) for p in group)
            for group in programs.groups
        ),
    )


@mutant("a_program_beyond_any_limit_is_refused")
def limit_off_by_one(firmware: Firmware) -> None:
    """Its largest amplitude is compared with one step less than was asked for."""
    step_ua = firmware.profile.amplitude_ua[0].step

    def check(programs: ProgramSet) -> Breach | None:
        breach: Breach | None = checked(programs)
        return breach and checked(_lowered(programs, step_ua))

    checked = put(firmware.therapy, "check_set", check)


@mutant("a_setpoint_beyond_the_program_is_refused_and_changes_nothing")
def envelope_off_by_one(firmware: Firmware) -> None:
    """A setpoint may exceed the committed program by one step."""
    therapy, step_ua = firmware.therapy, firmware.profile.amplitude_ua[0].step

    def move(*order: int, number: int) -> Breach | None:
        committed = therapy.programs
        therapy.programs = tuple(
            replace(p, amplitude_max_ua=p.amplitude_max_ua + step_ua) for p in committed
        )
        breach: Breach | None = moved(*order, number=number)
        therapy.programs = committed
        return breach

    moved = put(therapy, "_move_to", move)


def _forgiving(firmware: Firmware, parameter: Parameter) -> None:
    """Let values pass that the hardware has not."""

    def check(programs: ProgramSet) -> Breach | None:
        breach: Breach | None = checked(programs)
        found = breach and (breach.reason, breach.detail)
        return None if found == (Refusal.NOT_REPRESENTABLE, parameter) else breach

    checked = put(firmware.therapy, "check_set", check)


@mutant("a_value_between_its_steps_is_refused")
def values_rounded(firmware: Firmware) -> None:
    """Amplitudes that the hardware has not are taken, and rounded."""
    _forgiving(firmware, Parameter.AMPLITUDE_MAX_UA)


@mutant("a_recharge_that_cannot_balance_is_refused")
def recharge_not_checked(firmware: Firmware) -> None:
    """A recharge that cannot balance is taken."""
    _forgiving(firmware, Parameter.RECHARGE_RATIO)
