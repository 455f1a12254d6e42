"""Hypothesis strategies of the wire, derived from the message table itself."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, get_type_hints

from hypothesis import strategies as st

from stimloop_hw.framing import MAX_PAYLOAD
from stimloop_hw.messages import MESSAGES, Message
from stimloop_hw.program import CASE, Mode, Program

if TYPE_CHECKING:
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
    room = MAX_PAYLOAD - kind.layout.size
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


@st.composite
def programs(draw: st.DrawFn, profile: Profile) -> Program:
    """Programs that the profile allows."""
    p = profile
    width_us = draw(
        st.integers(p.width_min_us // p.width_step_us, p.width_max_us // p.width_step_us)
    )
    width_us *= p.width_step_us
    top_ua = min(p.amplitude_max_ua, p.charge_max_nc * 1000 // width_us)
    step_ua = p.amplitude_step_ua
    max_ua = draw(st.integers(0, top_ua // step_ua)) * step_ua
    min_ua, fallback_ua = (draw(st.integers(0, max_ua // step_ua)) * step_ua for _ in "ab")
    fallback_ua = 0 if fallback_ua < min_ua else fallback_ua
    periods = st.integers(p.period_min_us // p.period_step_us, 30_000 // p.period_step_us).map(
        lambda k: k * p.period_step_us
    )
    period_min_us, period_max_us = sorted((draw(periods), draw(periods)))
    return Program(
        mode=draw(st.sampled_from(Mode)),
        amplitude_min_ua=min_ua,
        amplitude_max_ua=max_ua,
        width_us=width_us,
        period_min_us=period_min_us,
        period_max_us=period_max_us,
        slew_ua_s=draw(st.integers(1, p.slew_max_ua_s)),
        fallback_ua=fallback_ua,
        cathodes=draw(st.integers(1, (1 << p.contacts) - 1)),
        anodes=CASE,
    )
