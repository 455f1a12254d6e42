"""The two gates together: what the governor admits, the firmware accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.peer import power_on
from tests.strategies import groups, programs

from stimloop.errors import PrescriptionError
from stimloop.governor import Governor
from stimloop.prescription import Prescription
from stimloop_dsp import Quality, Setting
from stimloop_hw import Link
from stimloop_hw.groups import PROGRAMS, ProgramSet
from stimloop_hw.messages import (
    Commit,
    Committed,
    Heartbeat,
    Refused,
    Setpoint,
    Stage,
    Staged,
)
from stimloop_hw.program import CASE, PASSIVE, Mode, Program
from stimloop_sim.datasheet import describe_limits
from stimloop_sim.interleave import check_set
from stimloop_sim.limits import check_program
from stimloop_sim.profile import Profile, names

if TYPE_CHECKING:
    from stimloop_hw.messages import Limits

WANTED = st.lists(
    st.tuples(
        st.integers(-1_000, 40_000) | st.integers(0, 7_000),
        st.integers(0, 20_000) | st.integers(0, 120_000),
        st.sampled_from([Quality.OK, Quality.SATURATED]),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("name", names())
@settings(max_examples=20)
@given(data=st.data(), wanted=WANTED, block_ms=st.sampled_from([4, 20, 48]))
def test_whatever_the_governor_admits_the_firmware_accepts(
    name: str, data: st.DataObject, wanted: list[tuple[int, int, Quality]], block_ms: int
) -> None:
    program = replace(data.draw(programs(Profile.named(name))), mode=Mode.TRAIN)
    if not program.cycle_on_ms:
        program = data.draw(st.just(program) | st.just(replace(program, slew_ua_s=1)))
    assume(check_program(Profile.named(name), program, 0) is None)
    with Link.open(f"sim://{name}?seed=1&block_ms={block_ms}") as link:
        link.hello()
        limits = link.limits()
        link.request(Stage(1, 0, 1, program.entries()), Staged)
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


def limits_of(name: str) -> Limits:
    """What the host learns from a device."""
    profile = Profile.named(name)
    return describe_limits(profile, power_on(profile).front_end)


def names_of(mask: int) -> list[str]:
    return [str(k) for k in range(15) if mask >> k & 1] + ["case"] * bool(mask & CASE)


def written(program: Program) -> dict[str, Any]:
    """A program as a person would write it."""
    shares = enumerate(program.shares_percent)
    passive = program.recharge_ratio == PASSIVE
    return {
        "amplitude_ma": program.amplitude_max_ua / 1000,
        "amplitude_min_ma": program.amplitude_min_ua / 1000,
        "pulse_width_us": program.width_us,
        "rate_hz": 1e6 / program.period_min_us,
        "slew_ma_per_s": program.slew_ua_s / 1000,
        "slew_down_ma_per_s": program.slew_down_ua_s / 1000 or None,
        "fallback_ma": program.fallback_ua / 1000,
        "cathodes": names_of(program.cathodes),
        "anodes": names_of(program.anodes),
        "shares_percent": {"case" if k == 15 else str(k): part for k, part in shares if part},
        "recharge": "passive" if passive else f"1:{program.recharge_ratio}",
        "interphase_us": program.interphase_us,
        "soft_start_ms": program.soft_start_ms,
        "soft_stop_ms": program.soft_stop_ms,
        "cycle_on_ms": program.cycle_on_ms,
        "cycle_off_ms": program.cycle_off_ms,
    }


def heeding(program: Program) -> dict[str, Any] | None:
    """What it says of a magnet, as a person would write it."""
    if not program.magnet_swipe_ms:
        return None
    return {
        "swipe_ms": program.magnet_swipe_ms,
        "amplitude_ma": program.magnet_amplitude_ua / 1000,
        "pulse_width_us": program.magnet_width_us,
        "on_ms": program.magnet_on_ms,
    }


def prescribed(
    stimulation: dict[str, Any], magnet: dict[str, Any] | None = None
) -> Prescription:
    return Prescription.model_validate(
        {"stimulation": stimulation, "magnet": magnet, "controller": {"kind": "continuous"}}
    )


def one_rate(program: Program) -> Program:
    return replace(program, mode=Mode.TRAIN, period_max_us=program.period_min_us)


@pytest.mark.parametrize("name", names())
@settings(max_examples=40)
@given(data=st.data())
def test_what_a_device_can_do_can_be_prescribed_and_becomes_that_program(
    name: str, data: st.DataObject
) -> None:
    profile = Profile.named(name)
    program = one_rate(data.draw(programs(profile)))
    assume(check_program(profile, program, profile.impedance_ohm) is None)
    asked = prescribed(written(program), heeding(program))
    assert asked.program(limits_of(name)) == program


CHANGES = st.one_of(
    st.tuples(
        st.sampled_from(["amplitude_ma", "amplitude_min_ma", "fallback_ma"]),
        st.integers(0, 30_000).map(lambda ua: ua / 1000),
    ),
    st.tuples(
        st.sampled_from(["slew_ma_per_s", "slew_down_ma_per_s"]),
        st.integers(1, 30_000).map(lambda ua: ua / 1000),
    ),
    st.tuples(st.just("pulse_width_us"), st.integers(1, 1100)),
    st.tuples(st.just("rate_hz"), st.integers(1, 1300) | st.floats(0.9, 1300)),
    st.tuples(st.just("recharge"), st.sampled_from(["passive", "1:3", "1:5", "1:8", None])),
    st.tuples(st.just("interphase_us"), st.integers(0, 120) | st.none()),
    st.tuples(st.sampled_from(["soft_start_ms", "soft_stop_ms"]), st.integers(1, 11_000)),
    st.tuples(st.sampled_from(["cycle_on_ms", "cycle_off_ms"]), st.integers(0, 12_000_000)),
    st.tuples(st.just("shares_percent"), st.just({})),
    st.tuples(
        st.sampled_from(["cathodes", "anodes"]),
        st.lists(st.sampled_from(["0", "1", "2", "7", "case"]), min_size=1, max_size=3),
    ),
)


@pytest.mark.parametrize("name", names())
@settings(max_examples=100)
@given(data=st.data(), changes=st.lists(CHANGES, min_size=1, max_size=2))
def test_what_the_hosts_gate_lets_through_the_devices_gate_does_too(
    name: str, data: st.DataObject, changes: list[tuple[str, Any]]
) -> None:
    profile = Profile.named(name)
    drawn = one_rate(data.draw(programs(profile)))
    stimulation, magnet = written(drawn) | dict(changes), heeding(drawn)
    if magnet is not None and data.draw(st.booleans()):
        magnet[data.draw(st.sampled_from(sorted(magnet)))] = data.draw(st.integers(0, 70_000))
    try:
        program = prescribed(stimulation, magnet).program(limits_of(name))
    except (ValidationError, PrescriptionError):
        return
    assert check_program(profile, program, profile.impedance_ohm) is None


OWN = (
    *("amplitude_ma", "pulse_width_us", "fallback_ma", "cathodes", "anodes"),
    *("shares_percent", "recharge", "interphase_us"),
)
"""Keys of a further program; it takes the others from the first."""


def written_group(members: tuple[Program, ...]) -> dict[str, Any]:
    """A group as a person would write it."""
    first, *further = members
    return {
        "stimulation": written(first),
        "interleaved": [
            {key: written(program)[key] for key in OWN} | {"offset_us": program.offset_us}
            for program in further
        ],
        "magnet": heeding(first),
        "controller": {"kind": "continuous"},
    }


SHARED = (
    *("slew_ua_s", "slew_down_ua_s", "soft_start_ms", "soft_stop_ms"),
    *("cycle_on_ms", "cycle_off_ms", "period_min_us", "period_max_us"),
)


def writable(members: tuple[Program, ...]) -> tuple[Program, ...]:
    """What a prescription can say: the slews and ramps of a group are those of its first."""
    first, *further = map(one_rate, members)
    shared = {name: getattr(first, name) for name in SHARED}
    return (first, *(replace(p, amplitude_min_ua=0, **shared) for p in further))


def refused_by_the_device(name: str, asked: Prescription, limits: Limits) -> object:
    sensing = power_on(Profile.named(name)).therapy._sensing
    return check_set(
        Profile.named(name), asked.programs(limits).set, limits.impedance_ohm, sensing
    )


@pytest.mark.parametrize("name", names())
@settings(max_examples=40)
@given(data=st.data(), group=st.sampled_from("ABCD"))
def test_a_group_that_a_device_can_do_can_be_prescribed_and_becomes_those_programs(
    name: str, data: st.DataObject, group: str
) -> None:
    profile, limits = Profile.named(name), limits_of(name)
    members = writable(data.draw(groups(profile)))
    number = "ABCD".index(group)
    assume(number < profile.groups)
    programs_of_set = ProgramSet.of(dict(enumerate(members, number * PROGRAMS)))
    sensing = power_on(profile).therapy._sensing
    assume(check_set(profile, programs_of_set, limits.impedance_ohm, sensing) is None)
    asked = Prescription.model_validate({**written_group(members), "group": group})
    assert asked.programs(limits).set == programs_of_set


GROUP_CHANGES = st.one_of(
    st.tuples(st.sampled_from(["amplitude_ma", "fallback_ma"]), st.integers(0, 8000)).map(
        lambda change: (change[0], change[1] / 1000)
    ),
    st.tuples(st.just("pulse_width_us"), st.integers(1, 1100)),
    st.tuples(st.just("recharge"), st.sampled_from(["passive", "1:1", "1:3", None])),
    st.tuples(st.just("offset_us"), st.integers(0, 9000) | st.none()),
    st.tuples(st.just("cathodes"), st.sampled_from([["0"], ["1"], ["2"], ["7"]])),
    st.tuples(st.just("shares_percent"), st.just({})),
)


@pytest.mark.parametrize("name", names())
@settings(max_examples=60)
@given(data=st.data(), changes=st.lists(GROUP_CHANGES, max_size=3), hz=st.integers(1, 300))
def test_what_the_hosts_gate_lets_through_of_a_group_the_devices_gate_does_too(
    name: str, data: st.DataObject, changes: list[tuple[str, Any]], hz: int
) -> None:
    limits = limits_of(name)
    tables = written_group(writable(data.draw(groups(Profile.named(name)))))
    if data.draw(st.booleans()):
        tables["stimulation"]["rate_hz"] = hz
    for further in tables["interleaved"]:
        further |= dict(changes)
    try:
        asked = Prescription.model_validate(tables)
        asked.check(limits)
    except (ValidationError, PrescriptionError):
        return
    assert refused_by_the_device(name, asked, limits) is None
