"""STOP that does not win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.vocabulary import State, StopMode
from stimloop_lab.mutants.stage import BrokenStage
from stimloop_lab.mutants.table import mutant, put

if TYPE_CHECKING:
    from stimloop_hw.framing import Frame
    from stimloop_sim.firmware import Firmware

LONG_US = 300_000
FRAME_ENDS = 2
"""A frame on the wire begins and ends with a zero."""


@mutant("stop_ends_the_output_at_once")
def stop_ignored(firmware: Firmware) -> None:
    """A STOP is acknowledged, and nothing else happens."""
    put(firmware.therapy, "stop", lambda *_: None)


@mutant("no_pulse_begins_after_a_stop")
def stop_told_but_late(firmware: Firmware) -> None:
    """After a STOP it tells that its output is off, and goes on for 300 ms."""
    BrokenStage.of(firmware, stops_after_us=LONG_US)


@mutant("a_ramped_stop_ends_the_output_soon")
def ramped_stop_ignored(firmware: Firmware) -> None:
    """A ramped STOP tells that it ramps, and does not."""
    stop = put(
        firmware.therapy,
        "stop",
        lambda now_us, mode: (
            setattr(firmware.therapy, "state", State.RAMPING_DOWN)
            if mode == StopMode.RAMP
            else stop(now_us, mode)
        ),
    )


@mutant("a_stranger_may_stop")
def stop_needs_a_session(firmware: Firmware) -> None:
    """A STOP is heard from the hosts that it knows alone."""
    telemetry = firmware.telemetry

    def heed(frame: Frame) -> None:
        if telemetry._sessions.find(frame.session):
            stop(frame)

    stop = put(telemetry, "_stop", heed)


@mutant("the_panic_sequence_stops_without_framing")
def panic_ignored(firmware: Firmware) -> None:
    """The panic sequence is taken for noise."""
    put(firmware.telemetry, "_count_panics", lambda _: None)


@mutant("a_stop_wins_over_what_comes_with_it")
def stop_lost_in_a_crowd(firmware: Firmware) -> None:
    """A STOP that comes with other frames in one read is overlooked."""
    telemetry = firmware.telemetry
    crowded = {"is": False}

    def receive(data: bytes) -> None:
        crowded["is"] = data.count(0) > FRAME_ENDS
        received(data)

    received = put(telemetry, "receive", receive)
    stop = put(telemetry, "_stop", lambda frame: None if crowded["is"] else stop(frame))
