"""Hypothesis strategies of the wire, derived from the message table itself."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, get_type_hints

from hypothesis import strategies as st

from stimloop_hw.groups import GROUPS, ProgramSet
from stimloop_hw.loop import Loop, LoopParameter
from stimloop_hw.messages import MESSAGES, Message
from stimloop_hw.program import CASE, PASSIVE, Mode, Program
from stimloop_hw.seal import MAX_SIGNED_PAYLOAD

if TYPE_CHECKING:
    from stimloop_hw.ranges import Run
    from stimloop_sim.profile import Profile

_INTEGERS = {
    "u8": (0, 2**8 - 1),
    "u16": (0, 2**16 - 1),
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "i64": (-(2**63), 2**63 - 1),
}


def fields_of(kind: type[Message]) -> dict[str, str]:
    """Field names of a message and their codes in the table."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name].__metadata__[1] for name in kind.__dataclass_fields__}


def _values(code: str, room: int) -> st.SearchStrategy[int] | st.SearchStrategy[bytes]:
    if code == "bytes":
        return st.binary(max_size=room)
    if code.startswith("bytes"):
        size = int(code.removeprefix("bytes"))
        return st.binary(min_size=size, max_size=size)
    return st.integers(*_INTEGERS[code])


def messages_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Any message of a kind."""
    room = MAX_SIGNED_PAYLOAD - kind.layout.size
    return st.builds(
        kind, **{name: _values(code, room) for name, code in fields_of(kind).items()}
    )


def messages() -> st.SearchStrategy[Message]:
    """Any message of the table."""
    return st.sampled_from(sorted(MESSAGES)).flatmap(lambda n: messages_of(MESSAGES[n]))


def chunks_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes, cut at these places (modulo their number)."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


def values_of(runs: tuple[Run, ...], highest: int | None = None) -> st.SearchStrategy[int]:
    """Any value of these runs, up to the highest."""
    parts = []
    for run in runs:
        high = run.high if highest is None else min(run.high, highest)
        if high >= run.low:
            parts.append(st.sampled_from(range(run.low, high + 1, run.step)))
    return st.one_of(parts)


def _shares(draw: st.DrawFn, contacts: list[int], step: int) -> dict[int, int]:
    """100 % in whole steps over some contacts."""
    left = 100 // step - len(contacts)
    shares = {}
    for number in contacts[:-1]:
        extra = draw(st.integers(0, left))
        shares[number], left = (1 + extra) * step, left - extra
    shares[contacts[-1]] = (1 + left) * step
    return shares


def _poles(draw: st.DrawFn, profile: Profile, program: Program) -> Program:
    lead = len(profile.contacts)
    mask = draw(st.integers(1, (1 << lead) - (1 if profile.case else 2)))
    cathodes = [k for k in range(lead) if mask >> k & 1]
    anodes = [k for k in range(lead) if not mask >> k & 1 and draw(st.booleans())]
    if profile.case and (not anodes or draw(st.booleans())):
        anodes.append(15)
    if not anodes:
        anodes = [next(k for k in range(lead) if not mask >> k & 1)]
    program = replace(
        program,
        cathodes=sum(1 << k for k in cathodes),
        anodes=sum(1 << k for k in anodes),
    )
    step = profile.share_step_percent
    shared = draw(st.booleans()) and max(len(cathodes), len(anodes)) * step <= 100
    if not shared:
        return program
    return program.with_shares(_shares(draw, cathodes, step) | _shares(draw, anodes, step))


def _largest_ua(profile: Profile, program: Program) -> int:
    """Largest amplitude that contacts and compliance allow, µA, in another way than it does."""
    shares = program.shares_percent
    bounds = [Fraction(profile.amplitude_ua[-1].high)]
    worst: dict[int, Fraction] = {}
    for pole in (program.cathodes, program.anodes & ~CASE):
        for number in range(15):
            if pole >> number & 1:
                contact = profile.contacts[number]
                part = Fraction(shares[number] or 100, 100)
                worst[pole] = max(worst.get(pole, Fraction(0)), part)
                bounds.append(contact.amplitude_max_ua / part)
                bounds.append(Fraction(contact.charge_max_nc * 1000, program.width_us) / part)
    ohm = profile.impedance_ohm + Fraction(1000 * program.width_us, profile.capacitance_nf)
    if cathodic := sum(worst.values()):
        bounds.append(1000 * profile.compliance_mv / (ohm * cathodic))
    return math.floor(min(bounds))


def _course(draw: st.DrawFn, profile: Profile, program: Program) -> Program:
    """Pauses, or none where the device can do without."""
    top_ua = program.amplitude_max_ua
    paused = draw(st.booleans())
    if program.mode == Mode.TRIGGERED or not paused:
        return replace(program, soft_start_ms=draw(st.sampled_from([0, 300, 2000])))
    start_ms = draw(st.integers(0, 500)) + -(-top_ua * 1000 // program.slew_ua_s)
    down_ua_s = program.slew_down_ua_s or program.slew_ua_s
    stop_ms = draw(st.integers(1, 500)) + -(-top_ua * 1000 // down_ua_s)
    on_ms = draw(values_of(profile.cycle_on_ms, 21_000).filter(bool))
    active_ms = on_ms + start_ms + stop_ms
    whole_ms = -(-active_ms * 1000 // profile.duty_max_permille)
    off_ms = max(whole_ms - on_ms, start_ms + stop_ms) + draw(st.integers(0, 5000))
    return replace(
        program,
        soft_start_ms=start_ms,
        soft_stop_ms=stop_ms,
        cycle_on_ms=on_ms,
        cycle_off_ms=off_ms,
    )


@st.composite
def programs(draw: st.DrawFn, profile: Profile) -> Program:
    """Programs that the profile allows."""
    p = profile
    runs = p.amplitude_ua
    ratio = draw(st.sampled_from([1, 1, PASSIVE, 2, 5]))
    slowest_us = 30_000 if p.period_us[0].low < 30_000 else 100_000
    rooms_us = slowest_us // (1 + (ratio or 8)) - 100
    program = Program(
        mode=draw(st.sampled_from(Mode)),
        amplitude_min_ua=0,
        amplitude_max_ua=0,
        width_us=draw(values_of(p.width_us, rooms_us)),
        period_min_us=0,
        period_max_us=0,
        slew_ua_s=draw(st.integers(max(1, p.slew_max_ua_s // 3), p.slew_max_ua_s)),
        fallback_ua=0,
        cathodes=1,
        anodes=CASE,
        interphase_us=draw(st.integers(0, p.interphase_max_us)),
        recharge_ratio=ratio,
        slew_down_ua_s=draw(st.sampled_from([0, p.slew_max_ua_s // 2, p.slew_max_ua_s])),
    )
    program = _poles(draw, p, program)
    sources = [share for share in program.shares_percent if share] or [100]
    if any(run.step * share * 10 % (ratio or 1) for run in runs for share in sources):
        program = replace(program, recharge_ratio=1)
    max_ua = draw(values_of(runs, _largest_ua(p, program)))
    min_ua, fallback_ua = (draw(values_of(runs, max_ua)) for _ in "ab")
    shortest_us = program.width_us * (1 + (program.recharge_ratio or 8)) + 100
    periods = values_of(p.period_us, slowest_us).filter(lambda us: us >= shortest_us)
    period_min_us, period_max_us = sorted((draw(periods), draw(periods)))
    program = replace(
        program,
        amplitude_min_ua=min_ua,
        amplitude_max_ua=max_ua,
        fallback_ua=0 if fallback_ua < min_ua else fallback_ua,
        period_min_us=period_min_us,
        period_max_us=period_max_us,
    )
    return _magnet(draw, p, _course(draw, p, program))


def _magnet(draw: st.DrawFn, profile: Profile, program: Program) -> Program:
    """A magnet's train no stronger than the others, inhibition alone, or neither."""
    if not profile.magnet_swipe_max_ms or draw(st.booleans()):
        return program
    heeding = replace(program, magnet_swipe_ms=draw(st.integers(1, 10_000)))
    trains = program.mode == Mode.TRAIN and program.amplitude_max_ua > 0
    if not trains or not program.cycle_on_ms or draw(st.booleans()):
        return heeding
    weaker = values_of(profile.amplitude_ua, program.amplitude_max_ua).filter(bool)
    return replace(
        heeding,
        magnet_amplitude_ua=draw(weaker),
        magnet_width_us=program.width_us,
        magnet_on_ms=draw(values_of(profile.cycle_on_ms, 21_000).filter(bool)),
    )


def _loop_values(draw: st.DrawFn, loop: dict[int, int]) -> dict[int, int]:
    """Each value as it is, at an edge of 32 bits, or near what it was."""
    wild = st.sampled_from([-(2**31), -1, 0, 1, 2**31 - 1])
    near = {number: st.integers(value - 3, value + 3) for number, value in loop.items()}
    return {n: draw(st.just(value) | near[n] | wild) for n, value in loop.items()}


@st.composite
def loops(draw: st.DrawFn, loop: Loop) -> Loop:
    """Loops of the same kinds as this one, allowed or not."""
    kinds = {LoopParameter.DETECTOR, LoopParameter.CONTROLLER}
    values = {number.value: value for number, value in loop.values}
    rest = {number: value for number, value in values.items() if number not in kinds}
    return Loop.of({**values, **_loop_values(draw, rest)})


@st.composite
def groups(draw: st.DrawFn, profile: Profile) -> tuple[Program, ...]:
    """Groups that the profile allows, of one to four programs."""
    first, *others = draw(st.lists(programs(profile), min_size=1, max_size=profile.programs))
    if not others:
        return (first,)
    paused = first.mode == Mode.TRAIN and draw(st.booleans())
    members: list[Program] = []
    end_us = 0
    for program in (first, *others):
        gap_us = draw(st.integers(0, 300)) if members else 0
        member = replace(program, mode=first.mode, offset_us=end_us + gap_us)
        end_us = member.offset_us + _pulse_us(member)
        members.append(_with_edges(member) if paused else _without_pauses(member))
    slowest = max(profile.period_us[-1].high // 4, end_us)
    periods = values_of(profile.period_us, slowest).filter(lambda us: us >= end_us)
    period_min_us, period_max_us = sorted((draw(periods), draw(periods)))
    edges_ms = max(p.soft_start_ms + p.soft_stop_ms for p in members)
    on_ms = draw(st.integers(1, 5000)) if paused else 0
    off_ms = edges_ms + draw(st.integers(0, 5000)) if paused else 0
    members = [
        replace(
            member,
            period_min_us=period_min_us,
            period_max_us=period_max_us,
            cycle_on_ms=on_ms,
            cycle_off_ms=off_ms,
        )
        for member in members
    ]
    return tuple(members)


def sets(profile: Profile) -> st.SearchStrategy[ProgramSet]:
    """Sets of up to four groups; what their passive pulses leave may be too much."""
    room = profile.groups - 1
    others = st.lists(groups(profile) | st.just(()), min_size=room, max_size=room)
    missing = [()] * (GROUPS - profile.groups)
    return st.builds(
        lambda first, rest: ProgramSet((first, *rest, *missing)), groups(profile), others
    )


def _pulse_us(program: Program) -> int:
    return program.width_us * (1 + (program.recharge_ratio or 8)) + program.interphase_us


def _without_pauses(program: Program) -> Program:
    return replace(program, soft_start_ms=min(program.soft_start_ms, 2000))


def _with_edges(program: Program) -> Program:
    """With soft start and stop no faster than the slew."""
    top_ua, up_ua_s = program.amplitude_max_ua, program.slew_ua_s
    down_ua_s = program.slew_down_ua_s or up_ua_s
    return replace(
        program,
        soft_start_ms=-(-top_ua * 1000 // up_ua_s),
        soft_stop_ms=max(1, -(-top_ua * 1000 // down_ua_s)),
    )
