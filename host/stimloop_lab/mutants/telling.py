"""Devices that tell what is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop_lab.mutants.table import mutant, put

if TYPE_CHECKING:
    from stimloop_hw.messages import Sensed
    from stimloop_hw.vocabulary import EventCode
    from stimloop_sim.firmware import Firmware

AHEAD_US = 2_000_000


@mutant("its_clock_goes_forward")
def wrong_clock(firmware: Firmware) -> None:
    """Its Status runs on another clock than its answers, two seconds ahead."""
    status = put(
        firmware, "_status", lambda lead: replace(status(lead), t_us=firmware.now_us + AHEAD_US)
    )


@mutant("its_status_comes_ten_times_a_second")
def status_dropped(firmware: Firmware) -> None:
    """Every second regular Status is lost."""
    heard = {"count": 0}

    def report() -> None:
        heard["count"] += 1
        if heard["count"] % 2:
            reported()
        else:
            firmware._status_us += 100_000

    reported = put(firmware, "_report_regularly", report)


@mutant("an_event_is_told_until_it_is_acknowledged")
def events_dropped(firmware: Firmware) -> None:
    """No event is ever told."""
    put(firmware, "raise_event", lambda *_: None)


@mutant("an_event_is_told_until_it_is_acknowledged")
def event_told_once(firmware: Firmware) -> None:
    """An event is told once, and forgotten, whether anybody heard it or not."""

    def tell(code: EventCode, arg: int) -> None:
        told(code, arg)
        firmware._journal.acknowledge(1 << 31)

    told = put(firmware, "raise_event", tell)


@mutant("samples_come_without_a_gap_on_the_devices_clock")
def samples_lost_in_silence(firmware: Firmware) -> None:
    """Every tenth block's samples are numbered as if there were one more."""
    front_end = firmware.front_end
    lost = {"blocks": 0}

    def streamed() -> Sensed:
        lost["blocks"] += 1
        block: Sensed = complete()
        return replace(block, first_index=block.first_index + lost["blocks"] // 10)

    complete = put(front_end, "streamed", streamed)
