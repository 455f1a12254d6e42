"""Leading a session: from a device that was programmed to the last word that it says.

`stimloop.run` leads one from its beginning to its end; the station leads one step at a time,
with an operator's requests between them. Both take these steps and no others.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stimloop import assembly
from stimloop.pair import Pair
from stimloop.programming import program_device
from stimloop.session import Session
from stimloop.watch import Watch
from stimloop_hw import StimloopError
from stimloop_hw.messages import Status
from stimloop_hw.ranges import evoked_of
from stimloop_hw.vocabulary import State, StopMode

if TYPE_CHECKING:
    from stimloop.group import Group
    from stimloop.prescription import Prescription
    from stimloop.seams import Log
    from stimloop_hw import Link
    from stimloop_hw.messages import Limits

_OFF = frozenset({State.IDLE, State.FAULT})


def describe_session(
    link: Link | Pair, url: str, prescription: Prescription, limits: Limits
) -> dict[str, object]:
    """What the record of a session says of it, see `stimloop.recorder.Recorder.create`.

    Parameters
    ----------
    link : Link or Pair
        After `hello`.
    url : str
    prescription : Prescription
    limits : Limits
        What the device said of itself.
    """
    clock = asdict(link.clock.estimate)
    if math.isinf(clock["bound_us"]):
        clock["bound_us"] = None  # an amplifier that is asked only while it streams
    return {
        "url": url,
        "identity": link.identity,
        "limits": limits,
        "prescription": prescription.source,
        "utc": datetime.now(UTC).isoformat(),
        "device_us": link.t_us,
        "tick_us": assembly.tick_us(prescription, limits),
        "rate_hz": rate_hz(prescription, limits),
        "channels": 1,
        # How "utc" may be laid on the device's time; no decision knows it.
        "clock": clock,
    }


def rate_hz(prescription: Prescription, limits: Limits) -> int:
    """Samples per second: of blocks, or within a sweep."""
    if prescription.evoked is None:
        return limits.sense_rate_hz
    return evoked_of(limits)[prescription.evoked.channel].rate_hz


def _start_stream(link: Link, prescription: Prescription, limits: Limits) -> None:
    asked = prescription.evoked
    if asked is None:
        mask = 1 << prescription.detector.channel
        link.stream(mask, limits.sense_rate_hz, limits.sense_block)
    else:
        bit = limits.sense_channels + asked.channel
        link.stream_evoked(bit, evoked_of(limits)[asked.channel])


def close_loop(
    link: Link | Pair,
    prescription: Prescription,
    limits: Limits,
    log: Log,
    *,
    maker: assembly.ControllerMaker = assembly.controller,
    alone: bool = False,
) -> Session | Watch:
    """Program a device, and put the loop on it; nothing is stimulated yet.

    Parameters
    ----------
    link, prescription, limits, log, maker, alone
        As those of `lead`.

    Raises
    ------
    PrescriptionError
        If the device's limits do not allow the prescription; nothing was sent then.
    OrderRefused
        If the device refuses it.
    """
    if isinstance(link, Pair):
        link.keep_diary(log)
        group = link.commit(prescription, limits)
        link.stream(prescription.detector.channel)
        return Session(link, prescription, limits, group, log, maker=maker)
    group = program_device(link, prescription, limits)
    return lead(link, prescription, limits, group, log, maker=maker, alone=alone)


def lead(
    link: Link,
    prescription: Prescription,
    limits: Limits,
    group: Group,
    log: Log,
    *,
    maker: assembly.ControllerMaker = assembly.controller,
    alone: bool = False,
) -> Session | Watch:
    """Start the stream of a device that was programmed, and put the loop on it.

    Nothing is stimulated yet: the first step does that, or the one after a capture.

    Parameters
    ----------
    link : Link
        After `hello`.
    prescription : Prescription
    limits : Limits
        What the device said of itself.
    group : Group
        What it has committed.
    log : Log
    maker : callable
        Makes the controller, as `stimloop.assembly.controller` does, where the host decides.
    alone : bool
        Whether a therapy whose loop closes on the device is to run without a lease.

    Raises
    ------
    OrderRefused
        If the device refuses to stream.
    """
    _start_stream(link, prescription, limits)
    if group.first.loop:
        return Watch(link, prescription, limits, group, log, alone=alone)
    return Session(link, prescription, limits, group, log, maker=maker)


def end(link: Link | Pair, log: Log, steps: int, mode: StopMode, request: str) -> None:
    """Tell the device to stop, then the record; what the device says then is `rest`.

    Parameters
    ----------
    link : Link or Pair
    log : Log
    steps : int
        Ticks decided before.
    mode : StopMode
    request : str
        Whose it is, for the record.

    Raises
    ------
    LinkLost
        If no acknowledgement comes.
    """
    link.stop(mode)
    log.event(steps, link.t_us, "operator", text=request)


def give_up(link: Link | Pair, log: Log, steps: int, problem: BaseException) -> None:
    """Tell a device that may be gone already to stop, and the record why.

    What a device that is gone does is the lease's affair.

    Parameters
    ----------
    link : Link or Pair
    log : Log
    steps : int
        Ticks decided before.
    problem : BaseException
        What happened.
    """
    with contextlib.suppress(StimloopError):
        link.stop(StopMode.GROUND)
    log.event(steps, link.t_us, "note", text=str(problem))


def record_rest(link: Link | Pair, log: Log, steps: int) -> None:
    """Keep the device's last words, up to the status that says its output is off.

    Parameters
    ----------
    link : Link or Pair
        After `stop`.
    log : Log
    steps : int
        Ticks decided before.
    """
    while not rest(link, log, steps):
        pass


def rest(link: Link | Pair, log: Log, steps: int) -> bool:
    """Keep the device's next words; whether they say that its output is off.

    Parameters
    ----------
    link, log, steps
        As those of `record_rest`.
    """
    while link.notices:
        notice = link.notices.popleft()
        if isinstance(notice, Status):
            log.status(steps, notice)
    status = link.status()
    log.status(steps, status)
    return status.state in _OFF
