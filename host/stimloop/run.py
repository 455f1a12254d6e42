"""Run one session on a device, from opening the port to the closed record."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stimloop import prescription as prescriptions
from stimloop.errors import CaptureError, PrescriptionError, Violation
from stimloop.governor import FALLBACK
from stimloop.interrupt import Interrupt
from stimloop.leading import close_loop, describe_session, end, give_up, record_rest
from stimloop.pair import Pair
from stimloop.pair_setup import open_pair
from stimloop.recorder import Recorder
from stimloop_hw import Link
from stimloop_hw.drivers import GENERATORS, is_amplifier, is_generator
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.vocabulary import Build, StopMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from stimloop.prescription import Prescription
    from stimloop.session import Session
    from stimloop.step import Step
    from stimloop.watch import Watch

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
    sense: str | None = None,
    load_ohm: int | None = None,
    stop_key: int | None = None,
    seconds: float | None = None,
    alone: bool = False,
    until: Callable[[Step], bool] | None = None,
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
    sense : str, optional
        ``[DRIVER+]URL`` of what senses, where `url` is that of a generator, which does not.
    load_ohm : int, optional
        Resistance that a generator of voltages drives, Ω, > 0: currents go through it.
    stop_key : int, optional
        Digital input of what senses, high while a key is closed: when it opens, or its wire
        breaks, the output ends and with it the session.
    seconds : float, optional
        Length of the therapy, threshold capture not counted, > 0. If not given: until a
        recording ends, `SIMULATED_S` on a simulated patient, without end on hardware.
    alone : bool
        Start a therapy whose loop closes on the device to run without this host: there is no
        lease, and after `seconds` of watching it is left running. An interrupt stops it.
    until : callable, optional
        Called with each step; once it is true the output ends at once, and with it the session.
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
    CaptureError, TherapyEnded, StoppedByKey, RecordError
        As they say.
    ValueError
        If `sense`, `load_ohm` and `stop_key` do not fit the device.

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
    with _opened(url, sense, load_ohm, stop_key, key) as link:
        identity = link.hello()
        prescription.check_device(identity)
        limits = link.limits()
        prescription.check(limits)
        description = describe_session(link, url, prescription, limits)
        if isinstance(link, Pair):
            link.check(prescription, limits)
            description |= {"sense": sense, "load_ohm": load_ohm or 0, "stop_key": stop_key}
        build = Build(identity.build)
        if seconds is None and Build.SIMULATED in build and Build.RECORDING not in build:
            seconds = SIMULATED_S
        with Recorder.create(directory, description) as recorder, Interrupt() as interrupt:
            session = close_loop(link, prescription, limits, recorder, alone=alone)
            try:
                enough = _drive(
                    session,
                    interrupt,
                    seconds,
                    until=until,
                    on_progress=on_progress,
                    on_alarm=on_alarm,
                )
                if alone and not interrupt.requested:
                    recorder.event(session.steps, link.t_us, "operator", text=LEFT_ALONE)
                    return directory
                if interrupt.requested:
                    end(link, recorder, session.steps, StopMode.GROUND, "interrupt")
                else:
                    mode = StopMode.GROUND if enough else StopMode.RAMP
                    end(link, recorder, session.steps, mode, "stop")
                record_rest(link, recorder, session.steps)
            except BaseException as problem:
                give_up(link, recorder, session.steps, problem)
                raise
    return directory


def _opened(
    url: str, sense: str | None, load_ohm: int | None, stop_key: int | None, key: bytes
) -> AbstractContextManager[Link | Pair]:
    """The device; or a generator, and beside it what senses."""
    if is_generator(url):
        return open_pair(url, sense, load_ohm, key, stop_key)
    if is_amplifier(url):
        raise ValueError(
            f"{url} senses and stimulates nothing; name it with --sense URL, and what "
            f"stimulates with --device ({', '.join(GENERATORS)}+URL)"
        )
    if any(given is not None for given in (sense, load_ohm, stop_key)):
        raise ValueError(
            f"sense, load_ohm or stop_key was given with {url}, which senses and regulates "
            "current by itself; leave them out, or name a generator "
            f"({', '.join(GENERATORS)}+URL)"
        )
    return Link.open(url, key=key)


def _drive(
    session: Session | Watch,
    interrupt: Interrupt,
    seconds: float | None,
    *,
    until: Callable[[Step], bool] | None,
    on_progress: Callable[[float], None] | None,
    on_alarm: Callable[[str], None] | None,
) -> bool:
    """Step until it is enough (then True), time is over, sensing ends, or somebody asks."""
    tick_us = session.tick_us
    wanted = None if seconds is None else max(1, round(seconds * 1e6 / tick_us))
    ticks_per_s = max(1, 1_000_000 // tick_us)
    done = 0
    fallback = session.fallback
    while not interrupt.requested and (wanted is None or done < wanted):
        step = session.step()
        if step is None:
            if not session.stimulating:
                raise CaptureError(
                    f"sensing ended after {session.steps * tick_us / 1e6:g} s, before the "
                    "threshold was captured; capture for a shorter time, or use a longer "
                    "recording"
                )
            return False
        if until is not None and until(step):
            return True
        done += session.stimulating
        if on_alarm is not None and session.fallback is not fallback:
            fallback = session.fallback
            on_alarm(FALLBACK[fallback])
        if on_progress is not None and session.steps % ticks_per_s == 0:
            on_progress(done * tick_us / 1e6)
    return False
