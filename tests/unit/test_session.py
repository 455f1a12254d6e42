"""One step of a session: what goes out, when, and what the device's word changes."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.device import LIMITS

from stimloop import prescription as prescriptions
from stimloop.errors import CaptureError, ReadBackDiffers, TherapyEnded
from stimloop.governor import Order
from stimloop.programming import program_device
from stimloop.session import Session
from stimloop_dsp import Quality
from stimloop_hw import Block
from stimloop_hw.groups import Output, pack_others
from stimloop_hw.messages import (
    Commit,
    Committed,
    Heartbeat,
    Message,
    Refused,
    Setpoint,
    Stage,
    Staged,
    Status,
    Trigger,
)
from stimloop_hw.program import Mode
from stimloop_hw.ranges import Room, pack_rows
from stimloop_hw.vocabulary import Bound, Refusal, SensedFlag, State

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop.step import Latency, Step
    from stimloop.streams import EventKind
    from stimloop_hw.program import Program

TICK_US = 20_000
CONTINUOUS = """\
schema = 1
[stimulation]
amplitude_ma = 3.0
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 12.0
cathodes = ["1"]
anodes = ["case"]
[controller]
kind = "continuous"
"""
ROOMY = replace(LIMITS, rows=LIMITS.rows + pack_rows({}, (), room=Room(4, 4)))
GROUP = (
    CONTINUOUS.replace("[stimulation]", 'group = "C"\n[stimulation]')
    + """
[[interleaved]]
amplitude_ma = 1.0
pulse_width_us = 90
fallback_ma = 0.5
cathodes = ["2"]
anodes = ["case"]
"""
)
CAPTURING = (
    CONTINUOUS.replace('"continuous"', '"on_off"') + "[capture]\nseconds = 1\npercentile = 50\n"
)
STATUS = Status(
    t_us=0,
    state=State.STIMULATING,
    faults=0,
    program_crc=0,
    group=0,
    last_sp=0,
    setpoint_ua=0,
    amplitude_ua=0,
    delivered_ua=0,
    period_us=7_690,
    pulses=0,
    lead=0,
    programmed_nc=0,
    delivered_nc=0,
    net_fc=0,
    i2t_ua2_us=0,
    lease_left_ms=2_000,
    received=0,
    damaged=0,
    foreign=0,
    bad_tags=0,
    repeated=0,
    stale=0,
    refused=0,
    samples_dropped=0,
)


class Bench:
    """A wire and a log in one, which keep the order in which things happen."""

    def __init__(self) -> None:
        self.notices: deque[Message] = deque()
        self.event_ack = 0
        self.t_us = 0
        self.read_ns = 0
        self.arrived_ns = 0
        self.happened: list[str] = []
        self.sent: list[tuple[Message, int | None]] = []
        self.rows: list[Step] = []
        self.events: list[tuple[str, int, int]] = []
        self.samples_nv = np.zeros(5, np.int32)
        self.start_lag_us = 0
        self.flags = 0

    def sensed(self) -> Block:
        self.t_us += TICK_US
        first = (self.t_us // TICK_US - 1) * 5
        noise = np.random.default_rng(first).normal(0, 5_000, 5).astype(np.int32)
        return Block(first, self.t_us, 1, 5, self.flags, (self.samples_nv + noise).tobytes(), 0)

    def send(self, order: Message, expires_us: int | None = None) -> None:
        self.happened.append(type(order).__name__)
        self.sent.append((order, expires_us))

    def start_alone(self, program_crc: int) -> int:
        raise AssertionError(program_crc)

    def start(self, program_crc: int, lease_ms: int, group: int) -> int:
        self.happened.append("start")
        return self.t_us + self.start_lag_us

    def step(self, step: Step) -> None:
        self.happened.append("record")
        self.rows.append(step)

    def event(
        self,
        step_number: int,
        t_us: int,
        kind: EventKind,
        *,
        order: int = 0,
        code: int = 0,
        detail: int = 0,
        text: str = "",
    ) -> None:
        self.events.append((kind, code, detail))

    def recorded(self, block: Block) -> None:
        """Blocks are not looked at here."""

    def latency(self, step_number: int, latency: Latency) -> None:
        """Latency is not looked at here."""

    def status(self, step_number: int, status: Status) -> None:
        """Statuses are not looked at here."""

    def orders(self) -> list[Setpoint]:
        return [order for order, _ in self.sent if isinstance(order, Setpoint)]


class Log:
    """The log's face of a bench, whose `sensed` takes instead of giving."""

    def __init__(self, bench: Bench) -> None:
        self.sensed = bench.recorded
        self.step = bench.step
        self.event = bench.event
        self.latency = bench.latency
        self.status = bench.status


def session_on(bench: Bench, text: str = CONTINUOUS) -> Session:
    prescription = prescriptions.loads(text)
    group = prescription.programs(ROOMY)
    return Session(bench, prescription, ROOMY, group, Log(bench))


def _run(session: Session, steps: int) -> None:
    for _ in range(steps):
        session.step()


def test_a_heartbeat_is_sent_after_a_fresh_sample_only() -> None:
    bench = Bench()
    session = session_on(bench)
    for _ in range(50):
        session.step()
    beats = [expires for order, expires in bench.sent if isinstance(order, Heartbeat)]
    assert len(beats) == 17  # a second of blocks of 20 ms, at least 50 ms apart
    bench.sent.clear()
    bench.sensed = lambda: None  # type: ignore[assignment,method-assign,return-value]
    session.step()
    assert bench.sent == []


def test_every_order_is_void_a_tenth_of_a_second_after_its_sample() -> None:
    bench = Bench()
    session = session_on(bench)
    session.step()
    assert [expires for _, expires in bench.sent] == [TICK_US + 100_000] * len(bench.sent)


def test_an_order_goes_to_the_wire_before_it_goes_to_the_record() -> None:
    bench = Bench()
    session_on(bench).step()
    assert bench.happened == ["start", "Heartbeat", "Setpoint", "record"]


def test_an_order_is_sent_when_it_changes_and_not_again() -> None:
    bench = Bench()
    session = session_on(bench)
    for _ in range(30):
        session.step()
    assert [order.amplitude_ua for order in bench.orders()][-1] == 3_000
    assert [order.sp for order in bench.orders()] == list(range(1, 14))


TRIGGERING = CONTINUOUS.replace('"continuous"', '"phase_targeted"\npeak_hz = 20') + (
    '[detector]\nkind = "resonator"\nthreshold_uv = 0.01\n'
)


def test_pulses_are_triggered_one_crossing_at_a_time_and_recorded_with_their_step() -> None:
    bench = Bench()
    session = session_on(bench, TRIGGERING)
    assert prescriptions.loads(TRIGGERING).program(LIMITS).mode == Mode.TRIGGERED
    for _ in range(100):
        session.step()
    sent = [order for order, _ in bench.sent if isinstance(order, Trigger)]
    recorded = [(row.pulses, row.at_us) for row in bench.rows if row.pulses]
    assert [(order.count, order.at_us) for order in sent] == recorded
    assert len(recorded) > 10
    for row in bench.rows:
        assert not row.pulses or row.at_us > row.t_us
    # The amplitude stands ready, and is not ordered again for each pulse.
    assert len(bench.orders()) < 20


def test_a_trigger_time_goes_to_the_wire_as_its_low_32_bits_and_never_as_now() -> None:
    bench = Bench()
    session = session_on(bench)
    session.step()
    for at_us, on_wire in ((2**32 + 7, 7), (3 * 2**32, 1)):
        session._send(Order(0, 7_690, Bound.NONE, 4, at_us), [], bench.t_us)
        assert bench.sent[-1][0] == Trigger(0, 4, on_wire)


def test_an_order_that_the_device_did_not_get_is_sent_again() -> None:
    bench = Bench()
    session = session_on(bench)
    for _ in range(30):
        session.step()
    bench.notices.append(replace(STATUS, t_us=bench.t_us + 1, last_sp=12, amplitude_ua=2_800))
    session.step()
    assert (bench.orders()[-1].sp, bench.orders()[-1].amplitude_ua) == (14, 3_000)


def test_an_order_to_a_further_program_that_the_device_did_not_get_is_sent_again() -> None:
    bench = Bench()
    session = session_on(bench, GROUP)
    for _ in range(30):
        session.step()
    sent = bench.orders()
    assert {order.channel for order in sent} == {8, 9}
    assert [order.sp for order in sent] == list(range(1, len(sent) + 1))
    stands = replace(STATUS, t_us=bench.t_us + 1, last_sp=len(sent), amplitude_ua=3_000)
    for told_ua, again in ((1_000, 0), (900, 2)):
        bench.notices.append(replace(stands, others=pack_others([Output(*[told_ua] * 3)])))
        before = len(bench.orders())
        session.step()
        assert len(bench.orders()) - before == again
    assert (bench.orders()[-1].channel, bench.orders()[-1].amplitude_ua) == (9, 1_000)


def test_without_a_signal_a_whole_group_falls_back() -> None:
    bench = Bench()
    session = session_on(bench, GROUP)
    for _ in range(30):
        session.step()
    bench.flags = SensedFlag.SATURATED
    for _ in range(160):
        session.step()
    assert bench.rows[-1].admitted_ua == 0
    assert bench.rows[-1].others_ua == (500,)


def test_a_refused_order_is_recorded_and_sent_again() -> None:
    bench = Bench()
    session = session_on(bench)
    for _ in range(30):
        session.step()
    bench.notices.append(Refused(Setpoint.number, 7, Refusal.EXPIRED, 20))
    session.step()
    assert ("refused", Refusal.EXPIRED, 20) in bench.events
    assert bench.orders()[-1].sp == 13  # first the device has to say what it delivers
    bench.notices.append(replace(STATUS, t_us=bench.t_us + 1, last_sp=13, amplitude_ua=2_800))
    session.step()
    assert (bench.orders()[-1].sp, bench.orders()[-1].amplitude_ua) == (14, 3_000)


def test_after_a_hold_orders_rise_again_from_what_the_device_delivers() -> None:
    bench = Bench()
    session = session_on(bench)
    for _ in range(30):
        session.step()
    bench.notices.append(
        replace(STATUS, t_us=bench.t_us + 1, state=State.FALLBACK, amplitude_ua=0, last_sp=13)
    )
    session.step()
    assert bench.orders()[-1].amplitude_ua == 200


@pytest.mark.parametrize("state", [State.IDLE, State.RAMPING_DOWN, State.FAULT])
def test_a_therapy_that_the_device_ended_ends_the_session(state: State) -> None:
    bench = Bench()
    session = session_on(bench)
    session.step()
    bench.notices.append(replace(STATUS, t_us=bench.t_us + 1, state=state))
    with pytest.raises(TherapyEnded, match=state.name):
        session.step()


def test_a_status_from_before_the_start_ends_nothing() -> None:
    bench = Bench()
    session = session_on(bench)
    bench.start_lag_us = 7_000  # arming and starting took the device into the next block
    session.step()
    bench.notices.append(replace(STATUS, t_us=bench.t_us + 4_000, state=State.ARMED))
    session.step()


def test_a_status_that_is_older_than_the_orders_deadline_proves_no_loss() -> None:
    bench = Bench()
    session = session_on(bench)
    session.step()
    bench.notices.append(replace(STATUS, t_us=bench.t_us + 15_000, last_sp=0))
    session.step()
    assert [order.amplitude_ua for order in bench.orders()] == [200, 400]


def test_a_block_that_the_device_calls_saturated_is_not_believed() -> None:
    bench = Bench()
    session = session_on(bench)
    for _ in range(50):
        session.step()
    bench.flags = SensedFlag.SATURATED
    step = session.step()
    assert step is not None
    assert step.quality & Quality.SATURATED
    assert step.bound == Bound.HELD


def test_while_a_threshold_is_captured_nothing_is_ordered() -> None:
    bench = Bench()
    session = session_on(bench, CAPTURING)
    while not bench.events:
        session.step()
        assert "start" not in bench.happened
    assert bench.orders() == []
    assert {row.bound for row in bench.rows} == {Bound.CAPTURE}
    settled = [row.level * 1000 for row in bench.rows if not row.quality & Quality.WARMUP]
    assert len(settled) == 50
    assert bench.events == [("captured", 0, round(float(np.median(settled))))]
    session.step()
    assert "start" in bench.happened


def test_a_capture_that_can_trust_too_little_starts_no_therapy() -> None:
    bench = Bench()
    bench.samples_nv[:] = 2_000_000_000
    session = session_on(bench, CAPTURING)
    with pytest.raises(CaptureError, match="of 50 readings"):
        _run(session, 100)
    assert "start" not in bench.happened


class ReadBack:
    """A link that reads back what it is told to."""

    def __init__(self, staged: Staged) -> None:
        self.t_us = 0
        self.staged = staged
        self.committed = False

    def request(
        self, order: Message, answer: type[Message], expires_us: int | None = None
    ) -> Message:
        if isinstance(order, Stage):
            return self.staged
        assert isinstance(order, Commit)
        self.committed = True
        return Committed(1, order.staged_crc, 0)


def _programmed(prescription: Prescription, program: Program, staged: Staged) -> ReadBack:
    link = ReadBack(staged)
    assert program_device(link, prescription, LIMITS).first == program  # type: ignore[arg-type]
    return link


def test_a_program_is_committed_only_if_its_read_back_is_the_same() -> None:
    prescription = prescriptions.loads(CONTINUOUS)
    program = prescription.program(LIMITS)
    good = Staged(1, 0, 1, program.crc(), program.entries())
    assert _programmed(prescription, program, good).committed
    other = replace(program, cathodes=4)
    link = ReadBack(Staged(1, 0, 1, program.crc(), other.entries()))
    with pytest.raises(
        ReadBackDiffers, match="cathodes of program A1 was sent as 2, is held as 4"
    ):
        program_device(link, prescription, LIMITS)  # type: ignore[arg-type]
    assert not link.committed
    for held, crc in ((program.entries()[:-7], program.crc()), (program.entries(), 1)):
        link = ReadBack(Staged(1, 0, 1, crc, held))
        with pytest.raises(ReadBackDiffers, match=r"held as nothing|checksum"):
            program_device(link, prescription, LIMITS)  # type: ignore[arg-type]
        assert not link.committed
