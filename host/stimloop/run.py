"""Run one session on a device, from opening the port to the closed record."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stimloop import assembly
from stimloop import prescription as prescriptions
from stimloop.errors import CaptureError, PrescriptionError, Violation
from stimloop.governor import FALLBACK
from stimloop.interrupt import Interrupt
from stimloop.programming import program_device
from stimloop.recorder import Recorder
from stimloop.session import Session
from stimloop.watch import Watch
from stimloop_hw import Link, StimloopError
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import Status
from stimloop_hw.ranges import evoked_of
from stimloop_hw.vocabulary import Build, State, StopMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.prescription import Prescription
    from stimloop.seams import Log
    from stimloop_hw.messages import Limits

LEFT_ALONE = "left running, alone"
SIMULATED_S = 60.0
"""How long a session on a simulated patient lasts if nobody says."""


_CHANGED = Violation(
    "the prescription",
    "one that was changed or made in Python",
    "what load or loads gave, since its text is what the record keeps",
    "change the text and read it with stimloop.prescription.loads",
)


_NOBODY = Violation(
    "controller.where",
    '"host" for a therapy that is to run alone',
    '"device": without a host nobody else would steer it',
    'write where = "device", or start it under a lease',
)


def fresh_directory(stem: str = "stimloop") -> Path:
    """Name a directory for a record by the UTC time of day."""
    return Path(f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")


def run_session(
    prescription: Prescription,
    url: str,
    *,
    key: bytes = DEVELOPMENT_KEY,
    seconds: float | None = None,
    alone: bool = False,
    directory: Path | str | None = None,
    on_progress: Callable[[float], None] | None = None,
    on_alarm: Callable[[str], None] | None = None,
) -> Path:
    """Program a device, close the loop on it, stop it, and leave a record.

    Parameters
    ----------
    prescription : Prescription
    url : str
        ``[DRIVER+]URL`` of the device.
    key : bytes
        The device's pre-shared key, 32 bytes (see `stimloop_hw.keys`). The default is public
        and opens simulators only.
    seconds : float, optional
        Length of the therapy, threshold capture not counted, > 0. If not given: until a
        recording ends, `SIMULATED_S` on a simulated patient, without end on hardware.
    alone : bool
        Start a therapy whose loop closes on the device to run without this host: there is no
        lease, and after `seconds` of watching it is left running. An interrupt stops it.
    directory : Path or str, optional
        Where the record goes; empty or not there. If not given, a fresh one.
    on_progress : callable, optional
        Called about once per second of the device's time with the seconds of therapy done.
    on_alarm : callable, optional
        Called with a sentence when the governor orders the fallback, and when no longer.

    Returns
    -------
    Path
        Directory of the record.

    Raises
    ------
    LinkError
        If the device cannot be reached, does not accept the key, is another one, or is lost
        on the way.
    PrescriptionError
        If the prescription is for another device, or this one's limits do not allow it;
        nothing was sent then.
    OrderRefused
        If the device refuses it.
    CaptureError, TherapyEnded, RecordError
        As they say.

    Notes
    -----
    However it ends, the device was told to stop, unless it was left alone; where it could not
    be told, its lease runs out. SIGINT and SIGTERM are looked at between two steps and are an
    ordinary end.
    """
    if not prescription.source or prescriptions.loads(prescription.source) != prescription:
        raise PrescriptionError((_CHANGED,))
    if alone and prescription.controller.where == "host":
        raise PrescriptionError((_NOBODY,))
    directory = fresh_directory() if directory is None else Path(directory)
    with Link.open(url, key=key) as link:
        identity = link.hello()
        prescription.check_device(identity)
        limits = link.limits()
        prescription.check(limits)
        utc, device_us = datetime.now(UTC), link.t_us
        tick_us = assembly.tick_us(prescription, limits)
        description = {
            "url": url,
            "identity": identity,
            "limits": limits,
            "prescription": prescription.source,
            "utc": utc.isoformat(),
            "device_us": device_us,
            "tick_us": tick_us,
            "rate_hz": _rate_hz(prescription, limits),
            "channels": 1,
            # How "utc" may be laid on the device's time; no decision knows it.
            "clock": asdict(link.clock.estimate),
        }
        build = Build(identity.build)
        if seconds is None and Build.SIMULATED in build and Build.RECORDING not in build:
            seconds = SIMULATED_S
        with Recorder.create(directory, description) as recorder, Interrupt() as interrupt:
            session = close_loop(link, prescription, limits, recorder, alone=alone)
            try:
                _drive(session, interrupt, seconds, on_progress, on_alarm)
                if alone and not interrupt.requested:
                    recorder.event(session.steps, link.t_us, "operator", text=LEFT_ALONE)
                    return directory
                link.stop(StopMode.GROUND if interrupt.requested else StopMode.RAMP)
                request = "interrupt" if interrupt.requested else "stop"
                recorder.event(session.steps, link.t_us, "operator", text=request)
                record_rest(link, recorder, session.steps)
            except BaseException as problem:
                _try_to_stop(link)
                recorder.event(session.steps, link.t_us, "note", text=str(problem))
                raise
    return directory


def _rate_hz(prescription: Prescription, limits: Limits) -> int:
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
    link: Link,
    prescription: Prescription,
    limits: Limits,
    log: Log,
    *,
    maker: assembly.ControllerMaker = assembly.controller,
    alone: bool = False,
) -> Session | Watch:
    """Program a device, start its stream, and put the loop on it; nothing is stimulated yet.

    Parameters
    ----------
    link : Link
        After `hello`.
    prescription : Prescription
    limits : Limits
        What the device said of itself.
    log : Log
    maker : callable
        Makes the controller, as `stimloop.assembly.controller` does, where the host decides.
    alone : bool
        Whether a therapy whose loop closes on the device is to run without a lease.

    Raises
    ------
    PrescriptionError
        If the device's limits do not allow the prescription; nothing was sent then.
    OrderRefused
        If the device refuses it.
    """
    group = program_device(link, prescription, limits)
    _start_stream(link, prescription, limits)
    if group.first.loop:
        return Watch(link, prescription, limits, group, log, alone=alone)
    return Session(link, prescription, limits, group, log, maker=maker)


def _drive(
    session: Session | Watch,
    interrupt: Interrupt,
    seconds: float | None,
    on_progress: Callable[[float], None] | None,
    on_alarm: Callable[[str], None] | None,
) -> None:
    """Step until the time is over, sensing ends, or somebody asks to end."""
    tick_us = session.tick_us
    wanted = None if seconds is None else max(1, round(seconds * 1e6 / tick_us))
    ticks_per_s = max(1, 1_000_000 // tick_us)
    done = 0
    fallback = session.fallback
    while not interrupt.requested and (wanted is None or done < wanted):
        if session.step() is None:
            if not session.stimulating:
                raise CaptureError(
                    f"sensing ended after {session.steps * tick_us / 1e6:g} s, before the "
                    "threshold was captured; capture for a shorter time, or use a longer "
                    "recording"
                )
            return
        done += session.stimulating
        if on_alarm is not None and session.fallback is not fallback:
            fallback = session.fallback
            on_alarm(FALLBACK[fallback])
        if on_progress is not None and session.steps % ticks_per_s == 0:
            on_progress(done * tick_us / 1e6)


def _try_to_stop(link: Link) -> None:
    """Tell a device that may be gone already; what it does then is the lease's affair."""
    try:
        link.stop(StopMode.GROUND)
    except StimloopError:
        return


def record_rest(link: Link, log: Log, steps: int) -> None:
    """Keep the device's last words, up to the status that says its output is off.

    Parameters
    ----------
    link : Link
        After `stop`.
    log : Log
    steps : int
        Ticks decided before.
    """
    while True:
        while link.notices:
            notice = link.notices.popleft()
            if isinstance(notice, Status):
                log.status(steps, notice)
        status = link.status()
        log.status(steps, status)
        if status.state in (State.IDLE, State.FAULT):
            return
