"""Identity, streaming, orders, limits, lease and stop, as every device has to keep them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from tests.device import ON_OFF

from stimloop_hw.errors import OrderRefused
from stimloop_hw.framing import PANIC
from stimloop_hw.groups import ProgramSet
from stimloop_hw.impedance import CASE_CONTACT, unpack
from stimloop_hw.link import Link
from stimloop_hw.loop import CONTROLLERS, EmbeddedController, Loop, LoopParameter
from stimloop_hw.messages import (
    TABLE_CRC,
    Arm,
    ArmChallenge,
    ArmRequest,
    Commit,
    Committed,
    Decided,
    GetLimits,
    Heartbeat,
    Impedance,
    ImpedanceResult,
    Limits,
    Ping,
    Pong,
    Refused,
    Setpoint,
    Stage,
    Staged,
    Start,
    StartAlone,
    Status,
)
from stimloop_hw.ranges import evoked_of
from stimloop_hw.staging import stages_of
from stimloop_hw.vocabulary import Refusal, Role, SensedFlag, State, StopMode

if TYPE_CHECKING:
    from stimloop_hw.program import Program

LEASE_MS = 1000
MARGIN_MS = 120
"""A status every 100 ms tells of a change, and a device rounds up to its tick."""


def commit(link: Link, program: Program) -> None:
    stages = stages_of(ProgramSet.single(program), 1)
    for stage in stages:
        staged = link.request(stage, Staged)
        assert staged.entries == stage.entries
    assert staged.staged_crc == program.crc()
    committed = link.request(Commit(1, staged.staged_crc), Committed, link.t_us + 1_000_000)
    assert committed.program_crc == program.crc()


def deliver(link: Link, program: Program) -> Status:
    """Start, and go to the program's maximum under heartbeats."""
    commit(link, program)
    link.start(program.crc(), LEASE_MS)
    alive(link)
    status = alive(link)
    assert (status.state, status.amplitude_ua) == (State.STIMULATING, 0)
    order = Setpoint(1, 0, program.amplitude_max_ua, program.period_min_us, 0)
    link.send(order, link.t_us + 100_000)
    for _ in range(4):
        status = alive(link)
    assert (status.state, status.amplitude_ua) == (
        State.STIMULATING,
        program.amplitude_max_ua,
    )
    return status


def alive(link: Link) -> Status:
    link.send(Heartbeat(LEASE_MS, 0, link.event_ack))
    return link.status()


def silent_until(link: Link, state: State, latest_us: int) -> Status:
    """Say nothing until the device tells that it entered a state."""
    while (status := link.status()).state != state:
        assert status.t_us <= latest_us, f"{State(status.state).name}, not {state.name}"
    return status


# Identity and limits ---------------------------------------------


def test_it_says_who_it_is(link: Link) -> None:
    identity = link.identity
    assert identity.version == 1
    assert identity.table_crc == TABLE_CRC
    assert identity.model.rstrip(b"\0").decode("ascii")


def test_two_sessions_meet_the_same_device(link: Link) -> None:
    first = link.identity
    again = link.hello()
    assert (again.device_id, again.boot, again.limits_crc) == (
        first.device_id,
        first.boot,
        first.limits_crc,
    )
    assert again.nonce != first.nonce


def test_its_limits_are_sane(limits: Limits) -> None:
    assert limits.channels >= 1
    assert 0 < limits.amplitude_step_ua <= limits.amplitude_max_ua
    assert 0 < limits.width_min_us <= limits.width_max_us
    assert 0 < limits.period_min_us <= limits.period_max_us
    by_density_nc = limits.density_max_nc_cm2 * limits.contact_area_um2 / 1e8
    assert 0 < limits.charge_max_nc <= by_density_nc
    assert limits.lease_max_ms >= LEASE_MS


def test_a_channel_that_it_has_not_is_refused(link: Link, limits: Limits) -> None:
    with pytest.raises(OrderRefused) as no:
        link.request(GetLimits(limits.channels), Limits)
    assert no.value.reason == Refusal.UNKNOWN


def test_its_clock_goes_forward(link: Link) -> None:
    earlier = link.request(Ping(1, 1), Pong)
    status = link.status()
    later = link.request(Ping(2, 2), Pong)
    assert (earlier.token, later.token) == (1, 2)
    assert earlier.received_us <= earlier.sent_us <= status.t_us <= later.received_us


# Streaming ---------------------------------------------


def test_samples_come_without_a_gap_on_the_devices_clock(link: Link, limits: Limits) -> None:
    link.stream(1, limits.sense_rate_hz, limits.sense_block)
    block_us = limits.sense_block * 1_000_000 // limits.sense_rate_hz
    before = link.sensed()
    assert before is not None
    for _ in range(50):
        block = link.sensed()
        assert block is not None
        assert (block.channels, block.count) == (1, limits.sense_block)
        assert block.first_index == before.first_index + before.count
        assert block.t_us - before.t_us == block_us
        before = block
    assert link.blocks.lost_samples == 0


def test_after_a_pulse_comes_a_sweep_if_it_says_that_it_senses_them(
    link: Link, limits: Limits, program: Program
) -> None:
    channels = evoked_of(limits)
    if not channels:
        pytest.skip("this device senses after no pulse")
    deliver(link, program)
    link.stream_evoked(limits.sense_channels, channels[0])
    blocks = []
    for _ in range(20):
        block = link.sensed()
        assert block is not None
        link.send(Heartbeat(LEASE_MS, 0, link.event_ack))
        blocks.append(block)
    assert {block.count for block in blocks} == {channels[0].samples}
    assert [b.first_index - a.first_index for a, b in pairwise(blocks)] == [1] * 19
    assert all(block.flags & SensedFlag.STIM for block in blocks[2:])
    assert [block.lost for block in blocks] == [0] * 20
    apart_us = (blocks[-1].t_us - blocks[2].t_us) / 17
    assert apart_us == pytest.approx(program.period_min_us, abs=1000)


def test_a_rate_that_it_has_not_is_refused(link: Link, limits: Limits) -> None:
    with pytest.raises(OrderRefused):
        link.stream(1, limits.sense_rate_hz + 1, limits.sense_block)


# Orders ---------------------------------------------


def test_a_setpoint_is_delivered_as_ordered_and_its_charge_is_counted(
    link: Link, program: Program
) -> None:
    before = deliver(link, program)
    after = before
    for _ in range(5):
        after = alive(link)
    pulses = after.pulses - before.pulses
    expected = (after.t_us - before.t_us) / program.period_min_us
    assert abs(pulses - expected) <= 1
    charge_nc = after.delivered_nc - before.delivered_nc
    assert abs(charge_nc - pulses * program.amplitude_max_ua * program.width_us / 1000) <= 1
    assert after.net_fc == 0
    assert after.last_sp == 1


def test_it_measures_its_lead_while_it_is_idle_and_only_then(
    link: Link, limits: Limits, program: Program
) -> None:
    for contact in range(limits.contacts):
        result = link.request(Impedance(contact), ImpedanceResult, link.t_us + 500_000)
        others = [pair.other for pair in unpack(result.pairs)]
        assert others == [*range(contact + 1, limits.contacts), CASE_CONTACT]
        assert result.current_ua * result.width_us <= limits.charge_max_nc * 1000
    deliver(link, program)
    with pytest.raises(OrderRefused, match="STIMULATING"):
        link.request(Impedance(0), ImpedanceResult, link.t_us + 500_000)


def test_nothing_starts_without_the_whole_sequence(link: Link, program: Program) -> None:
    crc = program.crc()
    for order in (ArmRequest(crc), Arm(crc, 0), Start(crc, LEASE_MS)):
        with pytest.raises(OrderRefused):
            link.request(order, Status, link.t_us + 1_000_000)
    commit(link, program)
    with pytest.raises(OrderRefused) as no:
        link.request(Start(crc, LEASE_MS), Status, link.t_us + 1_000_000)
    assert no.value.reason == Refusal.WRONG_STATE
    with pytest.raises(OrderRefused) as no:
        link.request(ArmRequest(crc ^ 1), ArmChallenge)
    assert no.value.reason == Refusal.CRC_MISMATCH
    challenge = link.request(ArmRequest(crc), ArmChallenge)
    with pytest.raises(OrderRefused) as no:
        link.request(Arm(crc, challenge.nonce ^ 1), Status, link.t_us + 1_000_000)
    assert no.value.reason == Refusal.CHALLENGE


def test_a_stale_start_is_refused(link: Link, program: Program) -> None:
    commit(link, program)
    challenge = link.request(ArmRequest(program.crc()), ArmChallenge)
    link.request(Arm(program.crc(), challenge.nonce), Status, link.t_us + 1_000_000)
    with pytest.raises(OrderRefused) as no:
        link.request(Start(program.crc(), LEASE_MS), Status, link.t_us - 1)
    assert no.value.reason == Refusal.EXPIRED


def test_a_setpoint_beyond_the_program_is_refused_and_changes_nothing(
    link: Link, limits: Limits, program: Program
) -> None:
    deliver(link, program)
    beyond_ua = program.amplitude_max_ua + limits.amplitude_step_ua
    link.send(Setpoint(2, 0, beyond_ua, program.period_min_us, 0), link.t_us + 100_000)
    status = alive(link)
    refused = [n for n in link.notices if isinstance(n, Refused)]
    assert [(r.reason, r.detail) for r in refused] == [
        (Refusal.OUTSIDE_ENVELOPE, program.amplitude_max_ua)
    ]
    assert (status.last_sp, status.amplitude_ua) == (1, program.amplitude_max_ua)


# A loop of its own ---------------------------------------------


def with_loop(program: Program, limits: Limits) -> Program:
    """The same program, delivered by the device itself as long as it can trust its samples."""
    values: dict[int, int] = {
        **ON_OFF,
        LoopParameter.CONTROLLER: EmbeddedController.CONTINUOUS,
        LoopParameter.SATURATION_UV: limits.sense_range_uv - 1,
    }
    for number in CONTROLLERS[EmbeddedController.ON_OFF]:
        del values[number]
    period_us = program.period_min_us
    return replace(program, period_max_us=period_us, loop=Loop.of(values))


def test_a_loop_on_the_device_tells_each_decision_ahead_of_its_block(
    link: Link, limits: Limits, program: Program
) -> None:
    program = with_loop(program, limits)
    link.stream(1, limits.sense_rate_hz, limits.sense_block)
    commit(link, program)
    started_us = link.start(program.crc(), LEASE_MS)
    checked = 0
    while checked < 50:
        block = link.sensed()
        assert block is not None
        link.send(Heartbeat(LEASE_MS, 0, link.event_ack))
        told = {n.index for n in link.notices if isinstance(n, Decided)}
        link.notices.clear()
        if block.t_us > started_us:
            assert (block.first_index + block.count - 1) & 0xFFFFFFFF in told
            checked += 1
    setpoint = Setpoint(1, 0, 0, program.period_min_us, 0)
    with pytest.raises(OrderRefused) as no:
        link.request(setpoint, Status, link.t_us + 100_000)
    assert no.value.reason == Refusal.LOOP_OWN
    assert link.stop().state == State.IDLE


def test_what_runs_alone_needs_its_own_arming_outlives_silence_and_ends_by_stop(
    link: Link, limits: Limits, program: Program
) -> None:
    program = with_loop(program, limits)
    commit(link, program)
    with pytest.raises(OrderRefused) as no:
        link.request(StartAlone(program.crc()), Status, link.t_us + 1_000_000)
    assert no.value.reason == Refusal.WRONG_STATE
    link.start_alone(program.crc())
    begun_us = link.t_us
    while link.t_us < begun_us + (LEASE_MS + 500) * 1000:
        assert link.status().state == State.ALONE
    assert link.stop().state == State.IDLE
    assert link.status().amplitude_ua == 0


# Limits ---------------------------------------------


def test_a_program_beyond_any_limit_is_refused(
    link: Link, limits: Limits, program: Program
) -> None:
    step_ua, period_us = limits.amplitude_step_ua, limits.period_step_us
    wide_ua = limits.charge_max_nc * 1000 // limits.width_max_us // step_ua * step_ua + step_ua
    beyond = [
        replace(program, amplitude_max_ua=limits.amplitude_max_ua + step_ua),
        replace(program, amplitude_max_ua=-step_ua),
        replace(program, width_us=limits.width_min_us - 1),
        replace(program, width_us=limits.width_max_us + limits.width_step_us),
        replace(program, period_min_us=limits.period_min_us - period_us),
        replace(program, period_max_us=limits.period_max_us + period_us),
        replace(program, slew_ua_s=limits.slew_max_ua_s + 1),
        replace(program, fallback_ua=program.amplitude_max_ua + step_ua),
        replace(program, amplitude_max_ua=wide_ua, width_us=limits.width_max_us),
        replace(program, anodes=program.cathodes),
        replace(program, mode=99),
    ]
    for wrong in beyond:
        with pytest.raises(OrderRefused):
            link.request(Stage(1, 0, 1, wrong.entries()), Staged)
    commit(link, program)


# Lease ---------------------------------------------


def test_heartbeats_keep_the_therapy(link: Link, program: Program) -> None:
    deliver(link, program)
    for _ in range(2 * LEASE_MS // 100):
        assert alive(link).state == State.STIMULATING


def test_silence_holds_falls_back_and_ends_the_therapy(link: Link, program: Program) -> None:
    deliver(link, program)
    link.send(Heartbeat(LEASE_MS, 0, 0))
    begun_us = link.request(Ping(1, 1), Pong).sent_us
    for state, after_ms in (
        (State.HOLD, 150),
        (State.FALLBACK, 400),
        (State.RAMPING_DOWN, LEASE_MS),
        (State.IDLE, LEASE_MS + 250),
    ):
        latest_us = begun_us + (after_ms + MARGIN_MS) * 1000
        status = silent_until(link, state, latest_us)
        assert status.t_us <= latest_us
    assert (status.amplitude_ua, status.lease_left_ms) == (0, 0)
    later = link.status()
    assert (later.pulses, later.net_fc) == (status.pulses, 0)


def test_a_heartbeat_recovers_hold(link: Link, program: Program) -> None:
    deliver(link, program)
    silent_until(link, State.HOLD, link.t_us + 400_000)
    alive(link)
    assert alive(link).state == State.STIMULATING


def test_a_new_host_cannot_keep_an_old_lease_alive(
    link: Link, program: Program, key: bytes
) -> None:
    deliver(link, program)
    with pytest.raises(OrderRefused) as no:
        link.hello()
    assert no.value.reason == Refusal.BUSY
    stranger = Link(link.port, "the same wire", key=key)
    stranger.hello(Role.OBSERVER)
    silent_until(stranger, State.HOLD, stranger.t_us + 400_000)
    link.hello()
    latest_us = link.t_us + (LEASE_MS + 250 + MARGIN_MS) * 1000
    while (status := alive(link)).state != State.IDLE:
        assert status.t_us <= latest_us
    assert status.amplitude_ua == 0


# Stop ---------------------------------------------


def test_stop_ends_the_output_at_once(link: Link, program: Program) -> None:
    deliver(link, program)
    stopped = link.stop(StopMode.GROUND)
    assert stopped.state == State.IDLE
    status = link.status()
    later = link.status()
    assert status.amplitude_ua == 0
    assert (later.pulses, later.net_fc) == (status.pulses, 0)


def test_a_ramped_stop_ends_the_output_soon(link: Link, program: Program) -> None:
    deliver(link, program)
    stopped = link.stop(StopMode.RAMP)
    assert stopped.state == State.RAMPING_DOWN
    status = silent_until(link, State.IDLE, stopped.t_us + (250 + MARGIN_MS) * 1000)
    assert status.amplitude_ua == 0


def test_a_stranger_may_stop(link: Link, program: Program) -> None:
    deliver(link, program)
    stranger = Link(link.port, "the same wire")
    assert stranger.stop().state == State.IDLE


def test_the_panic_sequence_stops_without_framing(link: Link, program: Program) -> None:
    deliver(link, program)
    link.port.write(b"noise" + 3 * PANIC)
    status = silent_until(link, State.IDLE, link.t_us + 2 * MARGIN_MS * 1000)
    assert status.amplitude_ua == 0


def test_after_a_stop_the_whole_sequence_is_needed_again(link: Link, program: Program) -> None:
    deliver(link, program)
    link.stop()
    with pytest.raises(OrderRefused):
        link.start(program.crc(), LEASE_MS)
    deliver(link, program)
