"""The two gates together: what the governor admits, the firmware accepts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop.governor import Governor
from stimloop_dsp import Quality, Setting
from stimloop_hw import Link
from stimloop_hw.messages import (
    Commit,
    Committed,
    Heartbeat,
    Refused,
    Setpoint,
    Stage,
    Staged,
)
from stimloop_hw.program import CASE, Mode, Program

PROGRAMS = st.builds(
    lambda minimum, span, slew, width, period, longer: Program(
        mode=Mode.TRAIN,
        amplitude_min_ua=minimum * 100,
        amplitude_max_ua=min((minimum + span) * 100, 1_795_000 // width // 100 * 100),
        width_us=width,
        period_min_us=period * 10,
        period_max_us=(period + longer) * 10,
        slew_ua_s=slew,
        fallback_ua=0,
        cathodes=2,
        anodes=CASE,
    ),
    st.integers(0, 20),
    st.integers(0, 90),
    st.integers(1, 25_000),
    st.integers(2, 45).map(lambda n: n * 10),
    st.integers(400, 1_000),
    st.integers(0, 500),
)
WANTED = st.lists(
    st.tuples(
        st.integers(-1_000, 40_000),
        st.integers(0, 20_000),
        st.sampled_from([Quality.OK, Quality.SATURATED]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(PROGRAMS, WANTED, st.sampled_from([4, 20, 48]))
def test_whatever_the_governor_admits_the_firmware_accepts(
    program: Program, wanted: list[tuple[int, int, Quality]], block_ms: int
) -> None:
    with Link.open(f"sim://dbs?seed=1&block_ms={block_ms}") as link:
        link.hello()
        limits = link.limits()
        link.request(Stage(1, program.entries()), Staged)
        link.request(Commit(1, program.crc()), Committed, link.t_us + 1_000_000)
        link.stream(1, limits.sense_rate_hz, limits.sense_block)
        link.start(program.crc(), 2_000)
        governor = Governor(program, limits, block_ms * 1000)
        for sp, (amplitude_ua, period_us, quality) in enumerate(wanted, 1):
            block = link.sensed()
            assert block is not None
            order = governor.admit(Setting(amplitude_ua, period_us), quality)
            link.send(Heartbeat(2_000, 0, 0))
            setpoint = Setpoint(sp, 0, order.amplitude_ua, order.period_us, 0)
            link.send(setpoint, block.t_us + 100_000)
        status = link.status()
        assert not [notice for notice in link.notices if isinstance(notice, Refused)]
        assert status.refused == 0
        assert status.last_sp == len(wanted)
        assert status.net_fc == 0
