"""Bytes in, bytes out: sessions, sequence, deadlines, Stop, status; and any bytes at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.peer import DBS, LEASE_MS, NONCE, PROGRAM, Hand, power_on
from tests.strategies import messages_of, programs

from stimloop_hw.framing import PANIC, Flag, encode
from stimloop_hw.messages import (
    MESSAGES,
    TABLE_CRC,
    Abort,
    Arm,
    ArmChallenge,
    ArmRequest,
    Auth,
    AuthAck,
    Commit,
    Committed,
    Event,
    GetLimits,
    Heartbeat,
    Hello,
    Impedance,
    Limits,
    Message,
    Peer,
    Ping,
    Pong,
    Refused,
    Sensed,
    Setpoint,
    Stage,
    Staged,
    Start,
    Status,
    Stop,
    Stopped,
    StreamConfig,
    Trigger,
)
from stimloop_hw.program import ENTRY, Parameter
from stimloop_hw.vocabulary import Build, EventCode, Refusal, Role, State, StopMode
from stimloop_sim.bench import Bench
from stimloop_sim.states import DELIVERING
from stimloop_sim.tissue import Condition

if TYPE_CHECKING:
    from pathlib import Path

    from stimloop_hw.program import Program

OTHER_CRC = TABLE_CRC ^ 1
STREAM = StreamConfig(1, 250, 5)


# Sessions ---------------------------------------------


def test_the_device_introduces_itself_with_its_limits_and_its_table() -> None:
    hand = Hand(power_on())
    identity = hand.hello()
    assert identity.model == b"SIM-DBS".ljust(16, b"\0")
    assert identity.build == Build.DEVKEY | Build.SIMULATED
    assert identity.table_crc == TABLE_CRC
    limits = hand.ask(GetLimits(0), Limits)
    assert identity.limits_crc == limits.crc
    assert limits.charge_max_nc == DBS.contacts[0].charge_max_nc
    assert hand.ask(GetLimits(1), Refused).reason == Refusal.UNKNOWN


def test_the_device_says_nothing_unasked_before_its_first_session() -> None:
    hand = Hand(power_on())
    hand.advance_ms(1000)
    assert hand.receive() == []


def test_every_session_has_another_number() -> None:
    hand = Hand(power_on())
    sessions: set[int] = set()
    for _ in range(20):
        hand.seq += 1
        hand.hello(bytes([len(sessions)]) * 16)
        sessions.add(hand.session)
    assert len(sessions) == 20


def test_another_protocol_version_is_refused_by_its_number() -> None:
    hand = Hand(power_on())
    refused = hand.ask(Hello(2, 9, NONCE, b"tomorrow"), Refused)
    assert (refused.reason, refused.detail) == (Refusal.VERSION, 1)


def test_a_host_of_another_version_ends_nobodys_session() -> None:
    hand = Hand.delivering(1000)
    hand.exchange(hand.framed(Hello(2, 9, NONCE, b"tomorrow"), session=0))
    hand.exchange(hand.framed(Heartbeat(2000, 0, 0)))
    hand.firmware.advance(30)
    assert hand.firmware.therapy.state is State.STIMULATING
    assert hand.firmware.telemetry.foreign == 0


def test_a_repeated_hello_is_answered_again_and_its_session_lives_on() -> None:
    hand = Hand(power_on())
    first = hand.greet()
    wire = hand.framed(Hello(1, 1, NONCE, b"by hand."), session=0, seq=hand.seq)
    hand.firmware.advance(20)
    assert hand.exchange(wire) == [first]
    hand.ask(Auth(Role.CONTROLLER), AuthAck)
    hand.ask(Ping(1, 2), Pong)
    assert hand.exchange(wire) == [first]
    hand.ask(Ping(3, 4), Pong)


@pytest.mark.parametrize("session", [0, 1, 2**32 - 1])
def test_a_frame_of_a_foreign_session_is_dropped_and_counted(session: int) -> None:
    hand = Hand.delivering(1000)
    wire = hand.framed(Setpoint(99, 0, 0, 10_000, 0), session=session)
    assert hand.exchange(wire) == []
    hand.keep_alive_ms(200)
    assert hand.amplitude_ua == 1000
    assert hand.firmware.telemetry.foreign == 1


def test_a_new_hello_cannot_keep_an_old_lease_alive() -> None:
    hand = Hand.delivering(1000)
    hand.advance_ms(160)
    hand.hello(b"another host....")
    begun_us = hand.firmware.now_us
    while hand.state is not State.IDLE:
        refused = hand.heartbeat()
        if hand.state in DELIVERING - {State.RAMPING_DOWN}:
            assert refused is not None
            assert refused.reason == Refusal.WRONG_STATE
        hand.advance_ms(20)
        assert hand.firmware.now_us - begun_us <= 2_300_000
    assert hand.amplitude_ua == 0
    hand.begin()
    hand.keep_alive_ms(3000)
    assert (hand.state, hand.amplitude_ua) == (State.STIMULATING, 0)


def test_a_new_host_cannot_steer_a_therapy_that_it_did_not_start_but_can_stop_it() -> None:
    hand = Hand.delivering(1000)
    hand.advance_ms(160)
    hand.hello(b"another host....")
    refused = hand.setpoint(1500)
    assert refused is not None
    assert refused.reason == Refusal.WRONG_STATE
    assert hand.stop().state == State.IDLE


# Sequence ---------------------------------------------


def test_a_repeated_order_is_answered_again_and_executed_once() -> None:
    hand = Hand.linked()
    hand.configure()
    hand.arm()
    wire = hand.framed(Start(PROGRAM.crc(), LEASE_MS))
    first = hand.exchange(wire)
    hand.advance_ms(100)
    lease_left_ms = hand.firmware.status().lease_left_ms
    assert hand.exchange(wire) == first
    assert hand.firmware.status().lease_left_ms == lease_left_ms
    assert hand.firmware.telemetry.repeated == 1


def test_a_repeated_trigger_delivers_its_pulses_once() -> None:
    hand = Hand.delivering(1000, replace(PROGRAM, mode=1))
    wire = hand.framed(Trigger(0, 3, 0))
    for _ in range(4):
        hand.exchange(wire)
        hand.keep_alive_ms(100)
    assert hand.pulses == 3


def test_a_repeated_refusal_is_the_same_refusal_and_counts_once() -> None:
    hand = Hand.linked()
    wire = hand.framed(ArmRequest(1))
    first = hand.exchange(wire)
    assert [type(m) for m in first] == [Refused]
    assert hand.exchange(wire) == first
    assert hand.firmware.telemetry.refused == 1


def test_a_repeated_order_that_had_no_answer_has_none_again() -> None:
    hand = Hand.delivering(1000)
    hand.ask(Ping(1, 1), Pong)
    wire = hand.framed(Heartbeat(LEASE_MS, 0, 0))
    assert hand.exchange(wire) == []
    hand.advance_ms(100)
    assert hand.exchange(wire) == []
    assert hand.firmware.telemetry.repeated == 1
    hand.advance_ms(60)
    assert hand.state is State.HOLD


def test_an_order_that_was_overtaken_is_dropped() -> None:
    hand = Hand.delivering(1000)
    old = hand.framed(Setpoint(1, 0, 500, 10_000, 0))
    assert hand.setpoint(1500) is None
    assert hand.exchange(old) == []
    hand.keep_alive_ms(200)
    assert hand.amplitude_ua == 1500


def test_a_sequence_that_has_wrapped_is_no_repetition() -> None:
    hand = Hand.linked()
    hand.ask(STREAM, Status)
    stamp = hand.seq
    for step in (0x5000, 0x5000, 0x5000):
        hand.seq += step
        assert hand.heartbeat() is None
    hand.seq = stamp + 0x10000 - 1
    assert isinstance(hand.ask(Ping(7, 8), Pong), Pong)
    assert hand.seq & 0xFFFF == stamp
    assert hand.firmware.telemetry.repeated == 0


# Deadlines ---------------------------------------------


@pytest.mark.parametrize("late_us", [1, 4000, 10_000_000])
def test_a_stale_order_is_refused_with_its_lateness(late_us: int) -> None:
    hand = Hand.delivering(1000)
    expires_us = hand.firmware.now_us - late_us
    wire = hand.framed(Setpoint(99, 0, 1500, 10_000, 0), expires_us=expires_us)
    (refused,) = hand.exchange(wire)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail) == (Refusal.EXPIRED, late_us)
    assert hand.firmware.telemetry.stale == 1
    hand.keep_alive_ms(100)
    assert hand.amplitude_ua == 1000


def test_an_order_on_its_deadline_is_obeyed() -> None:
    hand = Hand.delivering(1000)
    wire = hand.framed(Setpoint(99, 0, 1500, 10_000, 0), expires_us=hand.firmware.now_us)
    assert hand.exchange(wire) == []
    assert hand.firmware.therapy.last_sp == 99


def test_a_deadline_in_the_far_future_is_none() -> None:
    hand = Hand.delivering(1000)
    far_us = hand.firmware.now_us + 2_000_001
    wire = hand.framed(Setpoint(99, 0, 1500, 10_000, 0), expires_us=far_us)
    (refused,) = hand.exchange(wire)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.detail) == (Refusal.OUTSIDE_ENVELOPE, 2_000_000)
    assert hand.firmware.therapy.last_sp != 99


@pytest.mark.parametrize(
    "order",
    [
        Commit(1, 0),
        Arm(0, 0),
        Start(0, 2000),
        Setpoint(1, 0, 0, 10_000, 0),
        Trigger(0, 1, 0),
        Impedance(0),
    ],
    ids=lambda order: type(order).__name__,
)
def test_an_order_that_raises_the_output_needs_a_deadline(order: Message) -> None:
    hand = Hand.linked()
    (refused,) = hand.exchange(hand.raw(order.number, order.encode()))
    assert isinstance(refused, Refused)
    assert refused.reason == Refusal.EXPIRED


def test_deadlines_hold_across_the_wrap_of_the_devices_32_bits() -> None:
    hand = Hand.linked()
    hand.firmware.now_us = 2**32 - 40_000
    hand.firmware._status_us = 2**32
    hand.begin()
    hand.keep_alive_ms(100)
    assert hand.firmware.now_us > 2**32
    assert hand.setpoint(1000, at_us=hand.firmware.now_us + 10_000) is None
    hand.keep_alive_ms(200)
    assert hand.amplitude_ua == 1000
    assert hand.told(Status)[-1].t_us > 2**32


# Orders it cannot read ---------------------------------------------


def test_unknown_device_side_and_malformed_messages_are_refused() -> None:
    hand = Hand.linked()
    for number, payload, reason in (
        (0x55, b"", Refusal.UNKNOWN),
        (Status.number, bytes(Status.layout.size), Refusal.UNKNOWN),
        (Abort.number, b"123", Refusal.MALFORMED),
    ):
        (refused,) = hand.exchange(hand.raw(number, payload))
        assert isinstance(refused, Refused)
        assert (refused.order, refused.seq, refused.reason) == (number, hand.seq, reason)


def test_every_parameter_of_a_program_is_needed() -> None:
    hand = Hand.linked()
    entries = PROGRAM.entries()
    for k, parameter in enumerate(Parameter):
        rest = entries[: k * ENTRY.size] + entries[(k + 1) * ENTRY.size :]
        refused = hand.ask(Stage(1, 0, 1, rest), Refused)
        assert (refused.reason, refused.detail) == (Refusal.MISSING, parameter)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (b"\1", Refusal.MALFORMED),
        (ENTRY.pack(99, 0, 1), Refusal.UNKNOWN),
        (ENTRY.pack(1, 0, 1), Refusal.MISSING),
        (ENTRY.pack(1, 1, 1), Refusal.NO_PROGRAM),
        (ENTRY.pack(1, 16, 1), Refusal.NO_PROGRAM),
        (b"", Refusal.MISSING),
    ],
)
def test_a_program_that_is_none_is_refused(entries: bytes, reason: Refusal) -> None:
    assert Hand.linked().ask(Stage(1, 0, 1, entries), Refused).reason == reason


def test_a_stage_is_read_back_in_full() -> None:
    hand = Hand.linked()
    staged = hand.ask(Stage(7, 0, 1, PROGRAM.entries()), Staged)
    assert staged == Staged(7, 0, 1, PROGRAM.crc(), PROGRAM.entries())


@pytest.mark.parametrize(
    "order", [Commit(2, PROGRAM.crc()), Commit(1, PROGRAM.crc() ^ 1)], ids=["txn", "crc"]
)
def test_only_what_was_staged_is_committed(order: Commit) -> None:
    hand = Hand.linked()
    hand.ask(Stage(1, 0, 1, PROGRAM.entries()), Staged)
    assert hand.ask(order, Refused).reason == Refusal.CRC_MISMATCH
    assert hand.state is State.IDLE


def test_a_program_beyond_the_limits_is_not_even_staged() -> None:
    hand = Hand.linked()
    program = replace(PROGRAM, amplitude_max_ua=25_500, width_us=450)
    assert (
        hand.ask(Stage(1, 0, 1, program.entries()), Refused).reason == Refusal.CHARGE_PER_PHASE
    )
    assert hand.ask(Commit(1, program.crc()), Refused).reason == Refusal.CRC_MISMATCH


# Stop ---------------------------------------------


@pytest.mark.parametrize("table_crc", [TABLE_CRC, OTHER_CRC, 0])
@pytest.mark.parametrize("session", [None, 0, 12345])
@pytest.mark.parametrize("seq", [0, 1, 40_000, 65_535])
def test_stop_is_obeyed_from_any_session_sequence_and_table(
    seq: int, session: int | None, table_crc: int
) -> None:
    hand = Hand.delivering(1000)
    wire = hand.framed(Stop(0), seq=seq, session=session, table_crc=table_crc)
    (stopped,) = hand.exchange(wire)
    assert isinstance(stopped, Stopped)
    assert (stopped.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_stop_is_obeyed_without_any_session() -> None:
    hand = Hand(power_on())
    assert hand.stop() == Stopped(State.IDLE, 0)


@pytest.mark.parametrize("payload", [b"", b"\x00extra", b"\xff"])
def test_stop_is_obeyed_whatever_it_carries(payload: bytes) -> None:
    hand = Hand.delivering(1000)
    hand.exchange(encode(Stop.number, Flag.SIGNED, 1, 2, 3, payload, OTHER_CRC))
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_stop_is_obeyed_within_one_sample_and_the_device_tells_so_first() -> None:
    hand = Hand.delivering(1000)
    hand.ask(STREAM, Status)
    hand.advance_ms(100)
    before = hand.pulses
    hand.firmware.telemetry.receive(hand.framed(Stop(0)))
    first = hand.receive()[0]
    assert first.number == Stopped.number
    hand.advance_ms(1000)
    assert hand.pulses == before


def test_three_panics_within_50_ms_stop() -> None:
    hand = Hand.delivering(1000)
    for _ in range(3):
        assert hand.state is State.STIMULATING
        hand.firmware.telemetry.receive(PANIC)
        hand.firmware.advance(6)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_two_panics_or_three_spread_out_do_not_stop() -> None:
    hand = Hand.delivering(1000)
    for _ in range(6):
        hand.firmware.telemetry.receive(PANIC)
        hand.advance_ms(28)
        hand.heartbeat()
    assert hand.state is State.STIMULATING


def test_a_panic_wins_over_orders_that_arrive_with_it() -> None:
    hand = Hand.linked()
    hand.configure()
    hand.arm()
    wire = hand.framed(Start(PROGRAM.crc(), LEASE_MS))
    hand.exchange(3 * PANIC + wire + 3 * PANIC)
    assert hand.state is State.IDLE


def test_a_stop_does_not_disturb_the_session() -> None:
    hand = Hand.delivering(1000)
    hand.stop()
    hand.begin()
    assert hand.state is State.STIMULATING


# What it tells ---------------------------------------------


def test_status_comes_every_100_ms_and_on_every_change_of_state() -> None:
    hand = Hand.linked()
    hand.advance_ms(100)
    hand.told(Status)
    hand.advance_ms(1000)
    assert [s.t_us for s in hand.told(Status)] == [100_000 * k for k in range(2, 12)]
    hand.begin()
    hand.told(Status)
    hand.advance_ms(2300)
    first: dict[int, int] = {}
    for status in hand.told(Status):
        first.setdefault(status.state, status.t_us - 1_100_000)
    assert first == {
        State.STIMULATING: 100_000,
        State.HOLD: 152_000,
        State.FALLBACK: 400_000,
        State.RAMPING_DOWN: 2_000_000,
        State.IDLE: 2_252_000,
    }


def test_status_is_the_truth() -> None:
    hand = Hand.delivering(1000)
    assert hand.setpoint(1500, period_us=8000) is None
    hand.keep_alive_ms(400)
    status = hand.told(Status)[-1]
    train = hand.firmware.therapy.pulses
    log = train.recent()
    assert status.state == State.STIMULATING
    assert status.program_crc == PROGRAM.crc()
    assert (status.last_sp, status.amplitude_ua, status.period_us) == (hand.sp, 1500, 8000)
    log = [(t_us, ua) for t_us, ua in log if t_us < status.t_us]
    assert status.pulses == len(log)
    assert status.delivered_nc == sum(ua * PROGRAM.width_us for _, ua in log) // 1000
    assert status.i2t_ua2_us == sum(ua * ua * PROGRAM.width_us for _, ua in log)
    assert status.net_fc == 0
    assert 0 < status.lease_left_ms <= LEASE_MS
    assert (status.damaged, status.foreign, status.repeated) == (0, 0, 0)


def test_status_counts_what_arrived_damaged_foreign_repeated_stale_and_refused() -> None:
    hand = Hand.linked()
    before = hand.firmware.status()
    wire = hand.framed(Ping(1, 1))
    hand.exchange(wire)
    hand.exchange(wire)
    hand.exchange(b"\0noise\0")
    hand.exchange(hand.framed(Ping(1, 1), session=3))
    hand.exchange(hand.framed(Commit(1, 1), expires_us=-1))
    after = hand.firmware.status()
    assert after.received - before.received == 4
    assert (after.damaged, after.foreign, after.repeated) == (1, 1, 1)
    assert (after.stale, after.refused) == (1, 1)


def ending(tmp_path: Path, samples: int = 103) -> Hand:
    """A host that streams from a recording with so many samples."""
    path = tmp_path / "short.npy"
    np.save(path, np.arange(samples, dtype=np.float64))
    bench = Bench.of_url(f"sim://dbs?recording={path}&rate=250")
    hand = Hand.linked(bench.firmware)
    hand.ask(STREAM, Status)
    return hand


def test_at_a_recordings_end_every_sample_was_sent_and_the_end_is_told(tmp_path: Path) -> None:
    hand = ending(tmp_path)
    hand.advance_ms(1000)
    blocks = hand.told(Sensed)
    samples = np.concatenate([np.frombuffer(b.samples_nv, "<i4") for b in blocks])
    assert np.array_equal(samples, np.arange(103) * 1000)
    assert [b.first_index for b in blocks] == list(range(0, 103, 5))
    assert blocks[-1].n == 3
    (event, *repeats) = hand.told(Event)
    assert (event.code, event.arg) == (EventCode.SENSING_ENDED, 103)
    assert set(repeats) == {event}


def test_an_event_is_repeated_with_each_status_until_acknowledged(tmp_path: Path) -> None:
    hand = ending(tmp_path)
    hand.advance_ms(500)
    hand.told(Event)
    hand.told(Status)
    hand.advance_ms(1000)
    events = hand.told(Event)
    assert len(events) == len(hand.told(Status)) == 10
    assert set(events) == {events[0]}
    hand.heartbeat(event_ack=events[0].event)
    hand.advance_ms(1000)
    assert hand.told(Event) == []


def test_the_therapy_goes_on_when_the_recording_has_ended(tmp_path: Path) -> None:
    hand = ending(tmp_path)
    hand.begin()
    hand.keep_alive_ms(3000)
    assert hand.state is State.STIMULATING


def test_dropped_samples_are_told() -> None:
    hand = Hand.linked()
    hand.ask(STREAM, Status)
    hand.firmware.advance(5 * 70)
    told = hand.told(Event)
    assert {e.code for e in told} == {EventCode.SAMPLES_DROPPED}
    assert told[-1].arg == hand.firmware.telemetry.outbox.samples_dropped > 0


def test_samples_dropped_are_told_with_each_status_and_not_more_often() -> None:
    hand = Hand.linked()
    hand.ask(STREAM, Status)
    hand.firmware.advance(5 * 65)
    hand.firmware._journal.acknowledge(99)
    hand.told(Event)
    hand.firmware.advance(250)
    assert len({event.event for event in hand.told(Event)}) <= 10


# Whatever bytes arrive ---------------------------------------------


HOST_KINDS = [k for k in MESSAGES.values() if k.sender is Peer.HOST]
AMPLITUDES = st.integers(0, 260).map(lambda k: k * 100)


class WhateverArrives(RuleBasedStateMachine):
    """The firmware never ends a pulse with net charge or exceeds a limit."""

    def __init__(self) -> None:
        super().__init__()
        self.hand = Hand.linked()
        self.program: Program = PROGRAM
        self.seen = 0
        self.stopped_at: int | None = None

    @initialize(running=st.booleans())
    def begins(self, *, running: bool) -> None:
        if running:
            self.hand = Hand.delivering(1000)
            self.checks_new_pulses()

    def send(self, wire: bytes) -> None:
        self.hand.exchange(wire)

    @rule(program=programs(DBS))
    def whole_start_sequence(self, program: Program) -> None:
        crc, nonce = program.crc(), 0
        for order in (Stage(1, 0, 1, program.entries()), Commit(1, crc), ArmRequest(crc)):
            for answer in self.hand.exchange(self.hand.framed(order)):
                if isinstance(answer, Committed):
                    self.program = program
                if isinstance(answer, ArmChallenge):
                    nonce = answer.nonce
        self.hand.exchange(self.hand.framed(Arm(crc, nonce)))
        self.hand.exchange(self.hand.framed(Start(crc, 1000)))
        if self.hand.state is State.STIMULATING:
            self.stopped_at = None

    @precondition(lambda self: self.hand.state in DELIVERING)
    @rule(
        share=st.integers(0, 100),
        period=st.integers(0, 100),
        ahead_us=st.just(0) | st.integers(1, 300_000),
    )
    def setpoint_towards(self, share: int, period: int, ahead_us: int) -> None:
        p = self.program
        wanted = p.amplitude_min_ua + (p.amplitude_max_ua - p.amplitude_min_ua) * share // 100
        present = self.hand.firmware.therapy.pulses.target_ua
        step = max(p.slew_ua_s // 10, p.amplitude_min_ua, 100)
        wanted = min(max(wanted, present - step), present + step) // 100 * 100
        period_us = p.period_min_us + (p.period_max_us - p.period_min_us) * period // 100
        at_us = self.hand.firmware.now_us + ahead_us if ahead_us else 0
        self.hand.setpoint(wanted, period_us // 10 * 10, at_us)

    @rule(
        amplitude_ua=AMPLITUDES,
        period_us=st.integers(0, 600_000),
        at_us=st.integers(0, 2**32 - 1),
    )
    def setpoint(self, amplitude_ua: int, period_us: int, at_us: int) -> None:
        self.hand.setpoint(amplitude_ua, period_us, at_us)

    @rule(lease_ms=st.sampled_from([0, 400, 1000, 10_000, 2**32 - 1]))
    def heartbeat(self, lease_ms: int) -> None:
        self.hand.heartbeat(lease_ms)

    @rule(samples=st.integers(1, 200), alive=st.booleans())
    def time_passes(self, samples: int, *, alive: bool) -> None:
        for _ in range(0, samples, 5):
            if alive:
                self.hand.heartbeat(1000)
            self.hand.firmware.advance(5)
            self.checks_new_pulses()

    @rule(order=st.sampled_from(HOST_KINDS).flatmap(messages_of), expires=st.booleans())
    def any_order(self, order: Message, *, expires: bool) -> None:
        if isinstance(order, Hello):
            order = replace(order, version_min=1, version_max=1)
            if not self.hand.firmware.therapy.leads:
                self.hand.hello(order.nonce)
            return
        expires_us = self.hand.firmware.now_us + 1000 if expires else None
        self.send(self.hand.framed(order, expires_us=expires_us))
        if isinstance(order, Stop) and order.mode != StopMode.RAMP:
            self.stopped_at = self.hand.pulses

    @rule(count=st.integers(0, 50))
    def trigger(self, count: int) -> None:
        self.send(self.hand.framed(Trigger(0, count, 0)))

    @rule(number=st.integers(0x11, 0xFF), payload=st.binary(max_size=30), session=st.booleans())
    def any_intact_frame(self, number: int, payload: bytes, *, session: bool) -> None:
        signed = self.hand.raw(number, payload)
        self.send(
            signed
            if session
            else encode(number, 0, self.hand.seq & 0xFFFF, 1, 0, payload, TABLE_CRC)
        )

    @rule(noise=st.binary(max_size=300))
    def garbage(self, noise: bytes) -> None:
        self.send(noise)

    @rule(order=st.sampled_from(HOST_KINDS).flatmap(messages_of), cut=st.integers(0, 300))
    def broken_order(self, order: Message, cut: int) -> None:
        wire = bytearray(self.hand.framed(order, seq=self.hand.seq))
        wire[cut % len(wire)] ^= 0x41
        self.send(bytes(wire))

    @rule(broken=st.sampled_from([None, 0, 1, 4]), touching=st.sampled_from([None, 2, 4]))
    def lead(self, broken: int | None, touching: int | None) -> None:
        firmware = self.hand.firmware
        firmware.tissue.repair(firmware.now_us)
        if broken is not None:
            firmware.tissue.apply(firmware.now_us, Condition.OPEN, broken)
        if touching is not None:
            firmware.tissue.apply(firmware.now_us, Condition.SHORT, 1, touching)

    @rule(panic=st.booleans())
    def stop(self, *, panic: bool) -> None:
        self.send(3 * PANIC if panic else self.hand.framed(Stop(0)))
        assert self.hand.state in (State.IDLE, State.FAULT)
        self.stopped_at = self.hand.pulses

    def checks_new_pulses(self) -> None:
        train = self.hand.firmware.therapy.pulses
        new = train.pulses - self.seen
        self.seen = train.pulses
        fresh = train.recent()[-new:] if new else []
        programs = self.hand.firmware.therapy.programs
        for _, ua in fresh:
            (program,) = programs
            assert 0 < ua <= program.amplitude_max_ua <= DBS.amplitude_ua[-1].high
            assert ua * program.width_us <= DBS.contacts[0].charge_max_nc * 1000

    @invariant()
    def no_charge_stays(self) -> None:
        assert self.hand.firmware.therapy.pulses.net_fc == 0
        assert self.hand.firmware.therapy.faults == 0

    @invariant()
    def output_is_zero_where_nothing_is_delivered(self) -> None:
        self.checks_new_pulses()
        if self.hand.state in DELIVERING:
            return
        before = self.hand.pulses
        assert self.hand.amplitude_ua == 0
        self.hand.firmware.advance(3)
        assert (self.hand.pulses, self.hand.amplitude_ua) == (before, 0)

    @invariant()
    def a_stop_lasts_until_the_next_start(self) -> None:
        if self.stopped_at is not None:
            assert self.hand.pulses == self.stopped_at

    @invariant()
    def the_amplitude_is_inside_the_committed_program(self) -> None:
        programs = self.hand.firmware.therapy.programs
        ceiling_ua = programs[0].amplitude_max_ua if programs else 0
        assert 0 <= self.hand.amplitude_ua <= ceiling_ua
        assert 0 <= self.hand.firmware.therapy.pulses.target_ua <= ceiling_ua


TestWhateverArrives = WhateverArrives.TestCase
TestWhateverArrives.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
