"""What each request does, and how it is replied to."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from stimloop.quantities import neighbours
from stimloop.station.desk import LEADING
from stimloop.station.device import HeldDevice, check_alone
from stimloop.station.errors import StationError
from stimloop.station.requests import (
    LONGEST_TEXT,
    MARK,
    Adapt,
    Arm,
    Attend,
    Change,
    Check,
    ClearFault,
    Commit,
    Connect,
    Continuous,
    Describe,
    Description,
    Disconnect,
    Done,
    Mark,
    Phase,
    Records,
    Reply,
    Request,
    Sense,
    Shutdown,
    Stage,
    Start,
    Survey,
    Surveyed,
)
from stimloop.steering import Steering
from stimloop_hw.groups import group_name
from stimloop_hw.keys import find_key
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import runs_of
from stimloop_hw.vocabulary import Refusal, State

if TYPE_CHECKING:
    from stimloop.station.audit import Audit
    from stimloop.station.desk import Desk
    from stimloop.station.device import Plan

ARMED_S = 20.0
"""How long an Arm is good for one Start. The device itself is armed by the start, and not
before: it would forget after two seconds."""


def obey(desk: Desk, audit: Audit, request: Request) -> Reply:
    """Do what was asked.

    Parameters
    ----------
    desk : Desk
    audit : Audit
        Named in descriptions and records.
    request : Request

    Raises
    ------
    StimloopError, ValueError, OSError
        Why not, in a sentence; nothing has changed then.
    """
    match request:
        case Attend() | Shutdown():
            if isinstance(request, Shutdown):
                _require_idle(desk, "the station ends")
            return Done()
        case Describe():
            return _describe(desk, audit)
        case Check():
            free = desk.device is None or desk.phase is Phase.LOST
            return (check_alone if free else desk.held().check)(request.prescription)
        case Connect() | Disconnect() | Records():
            return _settle(desk, request)
        case Stage() | Commit() | Arm():
            return _program(desk, request)
        case Start():
            return _start(desk, audit, request)
        case Adapt() | Continuous() | Change():
            return _steer(desk, request)
    return _serve(desk, request)


def _describe(desk: Desk, audit: Audit) -> Description:
    device, records = desk.device, str(desk.records)
    if device is None:
        return Description("", [], [], [], "", str(audit.path), records)
    if desk.phase in (Phase.WATCHING, Phase.SENSING):
        device.battery = device.ask_battery()
    plan = device.committed or device.staged
    return Description(
        device.url,
        [device.link.identity],
        [device.limits],
        [device.battery],
        "" if plan is None else plan.prescription.source,
        str(audit.path),
        records,
    )


def _require_idle(desk: Desk, what: str) -> None:
    if desk.phase in LEADING:
        raise StationError(f"a session runs; stop it first, then {what}")


def _settle(desk: Desk, request: Connect | Disconnect | Records) -> Done:
    match request:
        case Connect():
            _require_idle(desk, "connect to another device")
            if len(request.url) > LONGEST_TEXT:
                raise StationError(
                    f"a URL of {len(request.url)} characters was asked for; it has at most "
                    f"{LONGEST_TEXT}: shorten it"
                )
            key = find_key(Path(request.key_file) if request.key_file else None)
            if desk.device is not None and desk.device.url == request.url:
                desk.disconnect()  # a port opens once
            found = HeldDevice.open(request.url, key, desk.callers)
            desk.disconnect()
            desk.connect(found)
        case Disconnect():
            _require_idle(desk, "disconnect")
            desk.disconnect()
        case Records():
            Path(request.directory).mkdir(parents=True, exist_ok=True)
            desk.records = Path(request.directory).absolute()
            desk.revision += 1
    return Done()


def _program(desk: Desk, request: Stage | Commit | Arm) -> Reply:
    device = desk.held()
    desk.armed_until_s = 0.0
    match request:
        case Stage():
            read_back = device.stage(request.prescription)
            desk.revision += 1
            return read_back
        case Commit():
            plan = device.commit()
            desk.revision += 1
            return Done(f"group {group_name(plan.group.number)} is committed and active")
        case Arm():
            device.check_arm()
            desk.armed_until_s = monotonic() + ARMED_S
            return Done(f"armed for {ARMED_S:g} s")


def _start(desk: Desk, audit: Audit, request: Start) -> Done:
    _require_idle(desk, "start another one")
    plan = desk.held().committed
    if monotonic() > desk.armed_until_s or plan is None:
        raise StationError(
            f"a start was asked for and nothing is armed; arm first, a start is good for "
            f"{ARMED_S:g} s then"
        )
    desk.armed_until_s = 0.0
    if not request.adaptive:
        _check_steerable(plan)
        _check_amplitude(desk, plan, request.amplitude_ua)
    number, digest = audit.head
    notes: dict[str, object] = {"audit": {"number": number, "hash": digest}}
    desk.begin(plan, Steering(request.adaptive, request.amplitude_ua), notes)
    assert desk.sitting is not None
    return Done(desk.sitting.record)


def _steer(desk: Desk, request: Adapt | Continuous | Change) -> Done:
    desk.held()
    sitting = desk.sitting
    if desk.phase is not Phase.THERAPY or sitting is None:
        raise StationError(
            "nothing runs that could be steered; stage, commit, arm and start a session first"
        )
    steering = sitting.steering
    _check_steerable(sitting.plan)
    match request:
        case Adapt():
            adaptive, amplitude_ua = True, 0
        case Continuous():
            adaptive, amplitude_ua = False, request.amplitude_ua
        case Change():
            if steering.adaptive:
                raise StationError(
                    "a change of the amplitude was asked for while the controller leads; open "
                    "the loop at an amplitude first"
                )
            adaptive, amplitude_ua = False, steering.amplitude_ua + request.by_ua
    _check_amplitude(desk, sitting.plan, amplitude_ua)
    sitting.steer(adaptive=adaptive, amplitude_ua=amplitude_ua)
    return Done()


def _check_steerable(plan: Plan) -> None:
    if plan.group.first.loop:
        raise StationError(Refusal.LOOP_OWN.sentence(0))
    if plan.prescription.triggers:
        raise StationError(
            "an amplitude was asked for and this therapy triggers its pulses one by one; its "
            "controller alone can lead it"
        )


def _check_amplitude(desk: Desk, plan: Plan, amplitude_ua: int) -> None:
    """Inside the committed envelope and on the device's steps, or refused."""
    program = plan.group.first
    least_ua, most_ua = program.amplitude_min_ua, program.amplitude_max_ua
    if amplitude_ua and not max(least_ua, 1) <= amplitude_ua <= most_ua:
        raise StationError(
            f"{amplitude_ua / 1000:g} mA were asked for; the committed program allows 0 and "
            f"{least_ua / 1000:g} to {most_ua / 1000:g} mA: stay inside, or commit a wider one"
        )
    runs = runs_of(desk.held().limits, Parameter.AMPLITUDE_MAX_UA)
    below_ua, above_ua = neighbours(runs, Fraction(amplitude_ua))
    if below_ua != above_ua:
        raise StationError(
            f"{amplitude_ua / 1000:g} mA were asked for, between two steps of the device; "
            f"ask for {below_ua / 1000:g} or {above_ua / 1000:g} mA"
        )


def _serve(desk: Desk, request: Request) -> Reply:
    match request:
        case Mark():
            now_us = 0 if desk.device is None else desk.device.link.t_us
            if not 0 <= request.t_us <= now_us:
                raise StationError(
                    f"a mark at {request.t_us} µs was asked for, and the device is at {now_us} "
                    "µs; mark a moment that has passed, or 0 for now"
                )
            words = f"{MARK}{request.text[:200]}"
            desk.showing.event(desk.steps, request.t_us or now_us, "operator", text=words)
            return Done()
        case Sense():
            _require_idle(desk, "choose what streams")
            device = desk.held()
            rate_hz = device.stream(request.channels)
            if request.channels:
                desk.begin_stream(request.channels, rate_hz)
                desk.phase = Phase.SENSING
            else:
                desk.end_stream()
            return Done()
        case Survey():
            _require_idle(desk, "measure the lead")
            return Surveyed(desk.held().survey())
        case ClearFault():
            status = desk.held().clear_fault(request.faults)
            desk.showing.status(0, status)
            return Done(f"the device is {State(status.state).name} now")
    raise StationError(f"{type(request).__name__} is not for this station")
