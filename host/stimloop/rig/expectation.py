"""Whether what was seen is what was expected, each in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stimloop_hw.vocabulary import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stimloop.rig.scenario import Expectation, Scenario
    from stimloop.rig.timeline import Moment, Timeline

    Judge = Callable[[Expectation, Timeline], str]

_BALANCE = Fault.CHARGE_BALANCE.name or ""


def judge(scenario: Scenario, seen: Timeline) -> list[str]:
    """What is not as expected; empty if everything is.

    Whatever a scenario expects, no net charge may be left at any moment, unless a fault of
    balance is what it is about.
    """
    found = [_JUDGES[e.about](e, seen) for e in scenario.expect]
    if not any(expected.fault == _BALANCE for expected in scenario.expect):
        left = [moment for moment in seen.moments if moment.net_fc]
        if left:
            found.append(f"at {left[0].t_ms:.0f} ms a charge of {left[0].net_fc} fC is left")
    return [text for text in found if text]


def _window(expected: Expectation) -> str:
    return f"from {expected.from_ms} to {expected.until_ms} ms"


def _moments(expected: Expectation, seen: Timeline) -> list[Moment]:
    return [m for m in seen.moments if expected.from_ms <= m.t_ms <= expected.until_ms]


def _occurs(what: str, expected: Expectation, times_ms: list[float]) -> str:
    inside = [t for t in times_ms if expected.from_ms <= t <= expected.until_ms]
    if expected.never and inside:
        return f"{what} at {inside[0]:.0f} ms, and never may {_window(expected)}"
    if not expected.never and not inside:
        others = ", ".join(f"{t:.0f}" for t in times_ms[:5])
        when = f"at {others} ms" if others else "at no time"
        return f"{what} {when}, and has to {_window(expected)}"
    return ""


def _entered(seen: Timeline, state: str) -> Iterator[float]:
    before = ""
    for moment in seen.moments:
        if moment.state == state != before:
            yield moment.t_ms
        before = moment.state


def _state(expected: Expectation, seen: Timeline) -> str:
    times = list(_entered(seen, expected.state))
    return _occurs(f"the state {expected.state} is entered", expected, times)


def _amplitude(expected: Expectation, seen: Timeline) -> str:
    moments = _moments(expected, seen)
    if not moments:
        return f"no Status came {_window(expected)}"
    assert expected.amplitude_steps is not None
    wanted_ua = expected.amplitude_steps * seen.step_ua
    allowed_ua = expected.within_steps * seen.step_ua
    for moment in moments:
        if abs(moment.amplitude_ua - wanted_ua) > allowed_ua:
            return (
                f"at {moment.t_ms:.0f} ms the amplitude is {moment.amplitude_ua} µA, and has "
                f"to be {wanted_ua} ± {allowed_ua} µA {_window(expected)}"
            )
    return ""


def _fault(expected: Expectation, seen: Timeline) -> str:
    times = [moment.t_ms for moment in seen.moments if expected.fault in moment.faults]
    return _occurs(f"the fault {expected.fault} is latched", expected, times)


def _lead(expected: Expectation, seen: Timeline) -> str:
    times = [moment.t_ms for moment in seen.moments if expected.lead in moment.leads]
    return _occurs(f"a lead that is {expected.lead} is told", expected, times)


def _told(kind: str) -> Judge:
    def look(expected: Expectation, seen: Timeline) -> str:
        name = getattr(expected, kind)
        times = [t.t_ms for t in seen.told if (t.kind, t.name) == (kind, name)]
        return _occurs(f"the {kind} {name} is told", expected, times)

    return look


def _pulses(expected: Expectation, seen: Timeline) -> str:
    assert expected.pulses is not None
    if seen.pulses is None:
        return "nobody saw the pulses; give a witness"
    since_us = seen.begun_us + expected.from_ms * 1000
    until_us = seen.begun_us + expected.until_ms * 1000
    count = sum(since_us <= pulse.t_us < until_us for pulse in seen.pulses)
    least, most = expected.pulses
    if least <= count <= most:
        return ""
    return f"{count} pulses were seen {_window(expected)}, and {least} to {most} have to be"


def _ended(expected: Expectation, seen: Timeline) -> str:
    if (expected.ended in seen.ended) is expected.never:
        what = "must not say" if expected.never else "has to say"
        return f"it ended {seen.ended!r}, and {what} {expected.ended!r}"
    return ""


def _quiet(expected: Expectation, seen: Timeline) -> str:
    if seen.quiet is None:
        return "nobody could see whether pulses end; give a witness"
    if seen.quiet is not expected.quiet:
        return f"pulses have {'ended' if seen.quiet else 'not ended'} two seconds later"
    return ""


def _summary(expected: Expectation, seen: Timeline) -> str:
    value: Any = seen.summary
    for key in expected.summary.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, int | float):
        return f"the summary has no {expected.summary}"
    if expected.low <= value <= expected.high:
        return ""
    allowed = f"{expected.low:g} to {expected.high:g}"
    return f"{expected.summary} is {value:g}, and has to be {allowed}"


_JUDGES: dict[str, Judge] = {
    "state": _state,
    "amplitude_steps": _amplitude,
    "fault": _fault,
    "lead": _lead,
    "event": _told("event"),
    "refusal": _told("refusal"),
    "governor": _told("governor"),
    "pulses": _pulses,
    "ended": _ended,
    "quiet": _quiet,
    "summary": _summary,
}
