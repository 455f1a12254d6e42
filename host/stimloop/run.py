"""Run one session on a device, from opening the port to the closed record."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stimloop import assembly
from stimloop.programming import program_device
from stimloop.recorder import Recorder
from stimloop.session import Session
from stimloop_hw import Link, StimloopError
from stimloop_hw.messages import Status
from stimloop_hw.vocabulary import Build, State, StopMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.prescription import Prescription

SIMULATED_S = 60.0
"""How long a session on a simulated patient lasts if nobody says."""


def fresh_directory(stem: str = "stimloop") -> Path:
    """Name a directory for a record by the UTC time of day."""
    return Path(f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")


def run_session(
    prescription: Prescription,
    url: str,
    *,
    seconds: float | None = None,
    directory: Path | str | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Path:
    """Program a device, close the loop on it, stop it, and leave a record.

    Parameters
    ----------
    prescription : Prescription
    url : str
        ``[DRIVER+]URL`` of the device.
    seconds : float, optional
        Length of the therapy, threshold capture not counted, > 0. If not given: until a
        recording ends, `SIMULATED_S` on a simulated patient, without end on hardware.
    directory : Path or str, optional
        Where the record goes; empty or not there. If not given, a fresh one.
    on_progress : callable, optional
        Called about once per second of the device's time with the seconds of therapy done.

    Returns
    -------
    Path
        Directory of the record.

    Raises
    ------
    LinkError
        If the device cannot be reached, is another one, or is lost on the way.
    PrescriptionError
        If the device's limits do not allow the prescription; nothing was sent then.
    OrderRefused
        If the device refuses it.
    CaptureError, TherapyEnded, RecordError
        As they say.

    Notes
    -----
    However it ends, the device was told to stop; where it could not be told, its lease runs
    out. A keyboard interrupt is an ordinary end.
    """
    directory = fresh_directory() if directory is None else Path(directory)
    with Link.open(url) as link:
        identity = link.hello()
        limits = link.limits()
        prescription.check(limits)
        utc, device_us = datetime.now(UTC), link.t_us
        tick_us = assembly.tick_us(limits)
        description = {
            "url": url,
            "identity": identity,
            "limits": limits,
            "prescription": prescription.source,
            "utc": utc.isoformat(),
            "device_us": device_us,
            "tick_us": tick_us,
            "rate_hz": limits.sense_rate_hz,
            "channels": 1,
        }
        if seconds is None and identity.build & Build.SIMULATED and "recording=" not in url:
            seconds = SIMULATED_S
        with Recorder.create(directory, description) as recorder:
            program = program_device(link, prescription, limits)
            mask = 1 << prescription.detector.channel
            link.stream(mask, limits.sense_rate_hz, limits.sense_block)
            session = Session(link, prescription, limits, program, recorder)
            try:
                _drive(session, seconds, tick_us, on_progress)
            except KeyboardInterrupt:
                link.stop(StopMode.GROUND)
                recorder.event(session.steps, link.t_us, "operator", text="interrupt")
            except BaseException as problem:
                _try_to_stop(link)
                recorder.event(session.steps, link.t_us, "note", text=str(problem))
                raise
            else:
                link.stop(StopMode.RAMP)
            recorder.event(session.steps, link.t_us, "operator", text="stop")
            _record_rest(link, recorder, session.steps)
    return directory


def _drive(
    session: Session,
    seconds: float | None,
    tick_us: int,
    on_progress: Callable[[float], None] | None,
) -> None:
    """Step until the time is over or sensing ends."""
    wanted = None if seconds is None else max(1, round(seconds * 1e6 / tick_us))
    ticks_per_s = max(1, 1_000_000 // tick_us)
    done = 0
    while wanted is None or done < wanted:
        if session.step() is None:
            return
        done += session.stimulating
        if on_progress is not None and session.steps % ticks_per_s == 0:
            on_progress(done * tick_us / 1e6)


def _try_to_stop(link: Link) -> None:
    """Tell a device that may be gone already; what it does then is the lease's affair."""
    try:
        link.stop(StopMode.GROUND)
    except StimloopError:
        return


def _record_rest(link: Link, recorder: Recorder, steps: int) -> None:
    """Keep the device's last words, up to the status that says its output is off."""
    while True:
        while link.notices:
            notice = link.notices.popleft()
            if isinstance(notice, Status):
                recorder.status(steps, notice)
        status = link.status()
        recorder.status(steps, status)
        if status.state in (State.IDLE, State.FAULT):
            return
