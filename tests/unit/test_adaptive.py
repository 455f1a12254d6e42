"""The loop on the device: it decides what a host would, inside what the device allows."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.device import ON_OFF
from tests.peer import ADAPTIVE, DBS, PROGRAM, Hand, Silence
from tests.strategies import programs

from stimloop.governor import Governor
from stimloop_dsp import (
    BetaDetector,
    Continuous,
    DualThreshold,
    NineStates,
    OnOff,
    PerceptDetector,
    PerceptDual,
    Proportional,
    ProportionalIntegral,
    Quality,
    RcsDetector,
    Setting,
)
from stimloop_dsp.percept import PerceptConfig
from stimloop_dsp.rcs import DetectorConfig, FftConfig, PowerBand
from stimloop_hw.groups import ProgramSet
from stimloop_hw.loop import (
    CONTROLLERS,
    DECIDED_BY,
    DETECTORS,
    STATES_UA,
    EmbeddedController,
    EmbeddedDetector,
    Loop,
    LoopParameter,
)
from stimloop_hw.messages import (
    AloneRequest,
    Arm,
    ArmAlone,
    ArmChallenge,
    ArmRequest,
    Decided,
    Refused,
    Sensed,
    Setpoint,
    Stage,
    Staged,
    Start,
    StartAlone,
    Status,
    StreamConfig,
)
from stimloop_hw.program import ENTRY, Program
from stimloop_hw.staging import stages_of
from stimloop_hw.vocabulary import (
    Bound,
    EventCode,
    Fault,
    Refusal,
    SensedFlag,
    State,
    StopMode,
    Supply,
)
from stimloop_sim.adaptive import Approach
from stimloop_sim.datasheet import describe_limits
from stimloop_sim.firmware import Firmware
from stimloop_sim.loop_limits import Sensing
from stimloop_sim.patient import DbsPatient
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.staging import LARGEST

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop_dsp import Controller, Detector
    from stimloop_sim.profile import Profile

P, TICK_US, TICKS = LoopParameter, 20_000, 2_500
SENSING = Sensing(250, 1, 5, DBS.sense_range_uv)
ENVELOPE = {
    "tick_us": TICK_US,
    "amplitude_min_ua": ADAPTIVE.amplitude_min_ua,
    "amplitude_max_ua": ADAPTIVE.amplitude_max_ua,
    "period_us": ADAPTIVE.period_min_us,
}
BETA = {P(k): v for k, v in ON_OFF.items() if k in DETECTORS[EmbeddedDetector.BETA]}
PERCEPT = {
    P.SENSE_CHANNEL: 0,
    P.SATURATION_UV: 4999,
    P.BAND_LOW_MHZ: 15_500,
    P.BAND_HIGH_MHZ: 20_500,
    P.SMOOTH_MS: 1200,
    P.THRESHOLD_NV: 2_500,
    P.LOWER_NV: 1_700,
    P.ONSET_MS: 400,
    P.TERMINATION_MS: 600,
    P.BLANKING_MS: 1000,
}
RCS = {
    P.SENSE_CHANNEL: 0,
    P.SATURATION_UV: 4999,
    P.FFT_SIZE: 256,
    P.FFT_INTERVAL_MS: 100,
    P.FFT_WINDOW: 2,
    P.FFT_SHIFT: 8,
    P.BIN_FIRST: 16,
    P.BIN_LAST: 20,
    P.BIAS_LOW: 300,
    P.BIAS_HIGH: 900,
    P.THRESHOLDS: 2,
    P.UPDATE_POWERS: 2,
    P.ONSET_UPDATES: 2,
    P.TERMINATION_UPDATES: 3,
    P.HOLDOFF_UPDATES: 1,
    P.BLANKING_POWERS: 4,
}
RCS_PAIR = RCS | {
    P.BIN_FIRST_1: 18,
    P.BIN_LAST_1: 22,
    P.BIAS_LOW_1: 500,
    P.BIAS_HIGH_1: 2500,
    P.UPDATE_POWERS_1: 20,
    P.ONSET_UPDATES_1: 0,
    P.TERMINATION_UPDATES_1: 1,
    P.BLANKING_POWERS_1: 6,
}
STATES_MA = (0.5, 25.5, 2.0, 1.0, 25.5, 2.5, 1.5, 25.5, 3.0)
RAMPS = {P.RAMP_UP_MS: 250, P.RAMP_DOWN_MS: 400}


def beta() -> Detector:
    return BetaDetector(
        250,
        3.0,
        3.0,
        band_hz=(15.0, 21.0),
        order=2,
        smoothing="moving_average",
        smooth_ms=400.0,
        saturation_uv=4999.0,
    )


CONFIG = PerceptConfig(
    18.0,
    1.7,
    2.5,
    0.0,
    0.0,
    0.0,
    AveragingDurationInMilliSeconds=1200,
    UpperThresholdOnsetInMilliSeconds=400,
    LowerThresholdOnsetInMilliSeconds=600,
    DetectionBlankingDurationInMilliSeconds=1000,
)


def percept() -> Detector:
    return PerceptDetector(CONFIG, saturation_uv=4999.0)


LINEAR = (
    DetectorConfig(
        (300.0, 900.0),
        updateRate=2,
        onsetDuration=2,
        terminationDuration=3,
        holdoffTime=1,
        blankingDurationUponStateChange=4,
    ),
    DetectorConfig(
        (500.0, 2500.0),
        inputs=(1,),
        updateRate=20,
        terminationDuration=1,
        holdoffTime=1,
        blankingDurationUponStateChange=6,
    ),
)
BANDS = (PowerBand(16, 20), PowerBand(18, 22))


def rcs(count: int = 1) -> Detector:
    fft = FftConfig(256, 100, 2, 8)
    return RcsDetector(250, fft, BANDS[:count], LINEAR[:count], saturation_uv=4999.0)


DETECTOR_OF = {
    EmbeddedDetector.BETA: (BETA, beta),
    EmbeddedDetector.PERCEPT: (PERCEPT, percept),
    EmbeddedDetector.RCS: (RCS, rcs),
    EmbeddedDetector.RCS_PAIR: (RCS_PAIR, lambda: rcs(2)),
}
PAIRS = [
    (detector, controller)
    for controller, understood in DECIDED_BY.items()
    for detector in sorted(understood)
]


def of_controller(kind: EmbeddedController) -> dict[LoopParameter, int]:
    """Values of a controller's own parameters."""
    values = {
        **RAMPS,
        P.THRESHOLD_NV: 3_000,
        P.LOWER_NV: 1_900,
        P.GAIN_UA: 2_300,
        P.INTEGRAL_MS: 200,
        P.SUSPEND_UA: 1_000,
        P.STARTUP_MS: 1_500,
        P.STEP_UA: 50,
        **{p: round(1000 * ma) for p, ma in zip(STATES_UA, STATES_MA, strict=True)},
        P.RISE: 65_536,
        P.FALL: 32_768,
    }
    if kind is EmbeddedController.PERCEPT:
        values |= {P.RAMP_UP_MS: 2_000, P.RAMP_DOWN_MS: 3_000}
    return {p: values[p] for p in CONTROLLERS[kind] if p in values}


def embedded(detector: EmbeddedDetector, controller: EmbeddedController) -> Loop:
    own = {**of_controller(controller), **DETECTOR_OF[detector][0]}
    kinds = {P.DETECTOR: detector.value, P.CONTROLLER: controller.value}
    return Loop.of({number.value: value for number, value in {**own, **kinds}.items()})


def on_host(kind: EmbeddedController) -> Controller:
    """The same controller as a host makes it, of decimals."""
    ramps: dict[str, Any] = {"ramp_up_ms": 250.0, "ramp_down_ms": 400.0}
    match kind:
        case EmbeddedController.CONTINUOUS:
            return Continuous(**ENVELOPE)
        case EmbeddedController.ON_OFF:
            return OnOff(**ENVELOPE, **ramps)
        case EmbeddedController.DUAL_THRESHOLD:
            return DualThreshold(**ENVELOPE, threshold_uv=3.0, lower_uv=1.9, **ramps)
        case EmbeddedController.PROPORTIONAL:
            return Proportional(**ENVELOPE, threshold_uv=3.0, kp_ua=2300.0)
        case EmbeddedController.PROPORTIONAL_INTEGRAL:
            return ProportionalIntegral(**ENVELOPE, threshold_uv=3.0, kp_ua=2300.0, ti_s=0.2)
        case EmbeddedController.NINE_STATES:
            return NineStates(
                **ENVELOPE, states_ma=STATES_MA, rise_ma_per_s=1.0, fall_ma_per_s=0.5
            )
        case _:
            return PerceptDual(
                **ENVELOPE,
                suspend_ua=1000,
                transition_up_ms=2000,
                transition_down_ms=3000,
                startup_delay_ms=1500,
                step_ua=50,
            )


class Bad:
    """A simulated patient whose signal is missing, at the rails, and flat now and then."""

    def __init__(self, seed: int) -> None:
        self._patient = DbsPatient(seed=seed, fs_hz=250)
        self._rng = np.random.default_rng(seed)
        self.channels, self.fs_hz, self.remaining = self._patient.channels, 250, None
        self._bad: list[float] = []

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], width_us: int, period_us: int
    ) -> npt.NDArray[np.float64]:
        sensed = self._patient.sense(amplitude_ua, width_us, period_us)
        for row in sensed:
            if not self._bad and self._rng.random() < 1 / 1500:
                value = self._rng.choice([np.nan, 9e9, -9e9, 0.0])
                self._bad = [value] * int(self._rng.choice([1, 3, 20, 300, 700]))
            if self._bad:
                row[:] = self._bad.pop()
        return sensed


def run(program: Program, ticks: int = TICKS, seed: int = 7) -> tuple[Firmware, Hand]:
    front_end = FrontEnd(Bad(seed), DBS.sense_range_uv, 5)
    hand = Hand.linked(Firmware(DBS, front_end))
    hand.ask(StreamConfig(1, 250, 5), Status)
    hand.begin_alone(program)
    for _ in range(ticks // 25):
        hand.firmware.advance(125)
        hand.receive()
    return hand.firmware, hand


@pytest.mark.parametrize(("detector", "controller"), PAIRS)
def test_the_device_decides_what_a_host_does_on_the_same_samples_bit_for_bit(
    detector: EmbeddedDetector, controller: EmbeddedController
) -> None:
    program = replace(ADAPTIVE, loop=embedded(detector, controller))
    firmware, hand = run(program)
    theirs, blocks = hand.told(Decided), hand.told(Sensed)
    assert len(theirs) == len(blocks) == TICKS
    limits = describe_limits(DBS, firmware.front_end)
    sensing = DETECTOR_OF[detector][1]()
    steering = on_host(controller)
    governor = Governor(program, limits, TICK_US)
    sent, sp = (0, program.period_min_us), 0
    flags, bounds = Quality.OK, Counter[int]()
    for decided, block in zip(theirs, blocks, strict=True):
        samples = np.frombuffer(block.samples_nv, np.int32).reshape(-1, 1)
        reading = sensing.push(samples, block.first_index, 0)
        if block.flags & SensedFlag.SATURATED:
            reading = replace(reading, quality=reading.quality | Quality.SATURATED)
        wanted = steering.update(reading)
        order = governor.admit(wanted, reading.quality)
        moved = (order.amplitude_ua, order.period_us) != sent
        sent, sp = (order.amplitude_ua, order.period_us), sp + moved
        flags |= reading.quality
        bounds[order.bound] += 1
        assert decided == Decided(
            reading.index & 0xFFFFFFFF,
            struct.unpack("<Q", struct.pack("<d", reading.level))[0],
            reading.active,
            reading.active_ms,
            reading.quality,
            wanted.amplitude_ua,
            wanted.period_us,
            *sent,
            order.bound,
            sp * moved,
        )
    bad = Quality.WARMUP | Quality.HELD | Quality.SATURATED | Quality.ARTEFACT
    assert flags & bad == bad
    assert bounds[Bound.HELD]
    assert bounds[Bound.SIGNAL_LOST]
    assert sp > 10


@settings(max_examples=25)
@given(data=st.data())
def test_the_devices_way_to_an_order_is_the_governors(data: st.DataObject) -> None:
    program = data.draw(programs(DBS))
    governor = Governor(program, describe_limits(DBS, FrontEnd(Silence(), 5_000, 5)), TICK_US)
    approach = Approach(program, TICK_US, DBS.amplitude_ua)
    flags = st.sampled_from([0, 0, 0, Quality.WARMUP, Quality.HELD, Quality.GAP, Quality.STIM])
    for _ in range(30):
        wanted = Setting(
            data.draw(st.integers(-100, 26_000)),
            data.draw(st.sampled_from([program.period_min_us, program.period_max_us])),
        )
        quality = Quality(data.draw(flags))
        for _ in range(data.draw(st.sampled_from([1, 1, 5, 110]))):
            order = governor.admit(wanted, quality)
            moved = approach.move(wanted, quality)
            assert moved == (order.amplitude_ua, order.period_us, order.bound)
        if data.draw(st.booleans()):
            at_ua = data.draw(st.integers(0, 255)) * 100
            governor.rebase(at_ua)
            approach.rebase(at_ua)


# A loop in Stage, and in memory ---------------------------------------------


def test_a_loop_is_staged_in_parts_read_back_kept_and_part_of_the_programs_name() -> None:
    hand = Hand.linked()
    stages = stages_of(ProgramSet.single(ADAPTIVE), 9)
    assert len(stages) == 2
    for part, stage in enumerate(stages):
        staged = hand.ask(stage, Staged)
        assert (staged.txn, staged.part, staged.entries) == (9, part, stage.entries)
    assert staged.staged_crc == ADAPTIVE.crc() != replace(ADAPTIVE, loop=PROGRAM.loop).crc()
    hand.configure(ADAPTIVE)
    kept = ProgramSet.parse(hand.firmware.therapy.store.payload[1:])
    assert kept == ProgramSet.single(ADAPTIVE)


@pytest.mark.parametrize(
    "stages",
    [
        [(1, 1, 2)],
        [(1, 0, 2), (1, 0, 2), (1, 2, 2)],
        [(1, 0, 2), (2, 1, 2)],
        [(1, 0, 2), (1, 1, 3)],
        [(1, 0, 0)],
    ],
)
def test_parts_out_of_order_are_refused_and_forgotten(
    stages: list[tuple[int, int, int]],
) -> None:
    hand = Hand.linked()
    first, second = (stage.entries for stage in stages_of(ProgramSet.single(ADAPTIVE), 1))
    *before, last = stages
    for stage in before:
        hand.ask(Stage(*stage, first), Staged)
    refused = hand.ask(Stage(*last, second), Refused)
    assert refused.reason == Refusal.PART
    assert f"part {refused.detail}" in Refusal.PART.sentence(refused.detail)
    assert hand.ask(Stage(1, 1, 2, second), Refused).reason == Refusal.PART


def test_a_program_longer_than_any_memory_is_refused() -> None:
    hand = Hand.linked()
    entries = ADAPTIVE.entries()[: 30 * ENTRY.size]
    fitting = LARGEST // len(entries)
    for part in range(fitting):
        hand.ask(Stage(1, part, 255, entries), Staged)
    refused = hand.ask(Stage(1, fitting, 255, entries), Refused)
    assert refused.reason == Refusal.MALFORMED


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({P.DETECTOR: None}, Refusal.MISSING, P.DETECTOR),
        ({P.SMOOTH_MS: None}, Refusal.MISSING, P.SMOOTH_MS),
        ({P.GAIN_UA: 5}, Refusal.UNKNOWN, P.GAIN_UA),
        ({P.DETECTOR: 99}, Refusal.UNKNOWN, P.DETECTOR),
        ({P.CONTROLLER: 0}, Refusal.UNKNOWN, P.CONTROLLER),
        ({P.THRESHOLD_NV: 0}, Refusal.LOOP_RANGE, P.THRESHOLD_NV << 24 | 1),
    ],
)
def test_a_loop_that_is_none_is_not_staged(
    changes: dict[LoopParameter, int | None], reason: Refusal, detail: int
) -> None:
    values = {**ON_OFF, **{number.value: value for number, value in changes.items()}}
    entries = PROGRAM.entries() + b"".join(
        ENTRY.pack(number, 0, value) for number, value in values.items() if value is not None
    )
    hand = Hand.linked()
    size = 30 * ENTRY.size
    hand.ask(Stage(1, 0, 2, entries[:size]), Staged)
    refused = hand.ask(Stage(1, 1, 2, entries[size:]), Refused)
    assert (refused.reason, refused.detail) == (reason, detail)


def test_a_flipped_bit_of_the_loop_latches_a_fault_and_the_output_is_off() -> None:
    hand = Hand.linked(Firmware(DBS, FrontEnd(Bad(3), DBS.sense_range_uv, 5)))
    hand.begin_alone(ADAPTIVE)
    store = hand.firmware.therapy.store
    store.flip(8 * (6 + len(ADAPTIVE.entries()) - 2))
    hand.advance_ms(20)
    assert hand.state is State.FAULT
    assert hand.firmware.therapy.faults == Fault.PROGRAM_MEMORY
    assert hand.firmware.status().program_crc == 0
    assert hand.firmware.therapy.loop is None


# Alone ---------------------------------------------


CONTINUOUS = replace(
    ADAPTIVE, loop=embedded(EmbeddedDetector.BETA, EmbeddedController.CONTINUOUS)
)


def alone(program: Program = CONTINUOUS, ms: int = 2_000, profile: Profile = DBS) -> Hand:
    """A therapy that no host leads, at its amplitude."""
    hand = Hand.linked(Firmware(profile, FrontEnd(Quiet(), profile.sense_range_uv, 5)))
    hand.begin_alone(program)
    hand.advance_ms(ms)
    return hand


class Quiet(Silence):
    """Noise of a microvolt: nothing to detect, and nothing to distrust."""

    def __init__(self) -> None:
        super().__init__()
        self._rng = np.random.default_rng(1)

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], _width_us: int, _period_us: int
    ) -> npt.NDArray[np.float64]:
        return self._rng.normal(0, 1, (len(amplitude_ua), 1))


def test_a_therapy_alone_lives_without_any_host_for_as_long_as_nobody_stops_it() -> None:
    hand = alone(ms=600_000)
    assert (hand.state, hand.amplitude_ua) == (State.ALONE, 3000)
    assert hand.firmware.status().lease_left_ms == 0
    assert hand.stop().state == State.IDLE
    before = hand.pulses
    hand.advance_ms(1_000)
    assert (hand.pulses, hand.firmware.therapy.loop) == (before, None)


def test_a_plain_start_never_starts_a_therapy_alone_nor_the_other_way_round() -> None:
    hand = Hand.linked()
    hand.configure(CONTINUOUS)
    crc = CONTINUOUS.crc()
    assert hand.ask(StartAlone(crc), Refused).reason == Refusal.WRONG_STATE
    hand.arm(crc)
    assert hand.ask(StartAlone(crc), Refused).reason == Refusal.WRONG_STATE
    hand.advance_ms(2_100)
    hand.arm_alone(crc)
    assert hand.ask(Start(crc, 2000), Refused).reason == Refusal.WRONG_STATE
    hand.advance_ms(2_100)
    assert hand.state is State.CONFIGURED


def test_a_challenge_of_the_one_arms_nothing_of_the_other() -> None:
    hand = Hand.linked()
    hand.configure(CONTINUOUS)
    crc = CONTINUOUS.crc()
    nonce = hand.ask(ArmRequest(crc), ArmChallenge).nonce
    assert hand.ask(ArmAlone(crc, nonce), Refused).reason == Refusal.CHALLENGE
    nonce = hand.ask(AloneRequest(crc), ArmChallenge).nonce
    assert hand.ask(Arm(crc, nonce), Refused).reason == Refusal.CHALLENGE
    assert hand.state is State.CONFIGURED


def test_a_program_that_nobody_would_steer_is_not_armed_to_run_alone() -> None:
    hand = Hand.linked()
    hand.configure()
    refused = hand.ask(AloneRequest(PROGRAM.crc()), Refused)
    assert refused.reason == Refusal.LOOP_NONE
    assert hand.ask(AloneRequest(7), Refused).reason == Refusal.CRC_MISMATCH


def test_a_host_that_comes_later_watches_or_stops_and_steers_nothing() -> None:
    hand = alone()
    later = Hand.linked(hand.firmware, b"a later host....")
    assert hand.firmware.therapy.state is State.ALONE
    later.ask(StreamConfig(1, 250, 5), Status)
    later.advance_ms(200)
    assert later.told(Decided)
    refused = later.setpoint(0, period_us=7690)
    assert refused is not None
    assert refused.reason == Refusal.WRONG_STATE
    assert later.heartbeat() is None
    later.advance_ms(100)
    assert (later.state, later.amplitude_ua) == (State.ALONE, 3000)
    assert later.stop(StopMode.RAMP).state == State.RAMPING_DOWN
    later.advance_ms(300)
    assert (later.state, later.amplitude_ua) == (State.IDLE, 0)


def test_after_a_reset_nothing_runs_alone() -> None:
    hand = alone()
    front_end = hand.firmware.front_end
    front_end.reset()
    again = Firmware(DBS, front_end, board=hand.firmware._board)
    assert again.therapy.state is State.CONFIGURED
    assert again.therapy.programs == (CONTINUOUS,)
    again.advance(1000)
    assert again.therapy.pulses.pulses == 0


# Led by a host ---------------------------------------------


def led() -> Hand:
    """A device that steers itself under a host's lease."""
    hand = Hand.linked(Firmware(DBS, FrontEnd(Quiet(), DBS.sense_range_uv, 5)))
    hand.begin(CONTINUOUS)
    hand.keep_alive_ms(1_500)
    return hand


def test_a_host_that_leads_cannot_steer_what_steers_itself() -> None:
    hand = led()
    assert hand.amplitude_ua == 3000
    refused = hand.ask(Setpoint(1, 0, 1000, 7690, 0), Refused)
    assert (refused.reason, refused.detail) == (Refusal.LOOP_OWN, 0)


def test_silence_holds_then_falls_back_then_ends_what_the_device_steers_by_itself() -> None:
    hand = Hand.linked(Firmware(DBS, FrontEnd(Quiet(), DBS.sense_range_uv, 5)))
    hand.begin(CONTINUOUS)
    hand.keep_alive_ms(100)
    hand.advance_ms(200)
    held_ua = hand.amplitude_ua
    assert (hand.state, held_ua < 3000) == (State.HOLD, True)
    hand.advance_ms(100)
    assert hand.amplitude_ua == held_ua
    hand.advance_ms(400)
    assert (hand.state, hand.amplitude_ua) == (State.FALLBACK, 500)
    hand.heartbeat()
    hand.keep_alive_ms(1_500)
    assert (hand.state, hand.amplitude_ua) == (State.STIMULATING, 3000)
    hand.advance_ms(2_500)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_what_the_device_held_back_is_told_with_what_it_delivers() -> None:
    hand = Hand.linked(Firmware(DBS, FrontEnd(Quiet(), DBS.sense_range_uv, 5)))
    hand.ask(StreamConfig(1, 250, 5), Status)
    hand.begin(CONTINUOUS)
    hand.keep_alive_ms(100)
    hand.told(Decided)
    hand.advance_ms(300)
    held = [d for d in hand.told(Decided) if d.bound == Bound.WITHHELD]
    assert held
    assert held[-1].ordered_ua == hand.amplitude_ua
    assert held[-1].wanted_ua == 3000
    assert held[-1].sp == 0


# Battery ---------------------------------------------


def test_a_loop_is_given_up_for_the_fallback_when_the_battery_asks_for_it() -> None:
    hand = alone()
    edge = DBS.battery.stages_permille
    hand.firmware.battery.collapse(edge[Supply.NO_SENSING - 1])
    hand.advance_ms(2_000)
    assert hand.firmware.battery.stage == Supply.NO_SENSING
    assert (hand.state, hand.amplitude_ua) == (State.ALONE, 3000)
    hand.firmware.battery.collapse(edge[Supply.NO_ADAPTIVE - 1])
    hand.advance_ms(500)
    assert (hand.state, hand.amplitude_ua) == (State.ALONE, CONTINUOUS.fallback_ua)
    events = [(e.code, e.arg) for e in hand.firmware._journal.events]
    assert (EventCode.SUPPLY, Supply.NO_ADAPTIVE) in events
    assert hand.firmware.therapy.loop is None
    hand.firmware.battery.collapse(edge[Supply.EOS - 1])
    hand.advance_ms(500)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)


def test_a_battery_too_low_to_adapt_starts_no_loop() -> None:
    hand = Hand.linked()
    hand.configure(CONTINUOUS)
    hand.firmware.battery.collapse(DBS.battery.stages_permille[Supply.NO_ADAPTIVE - 1])
    hand.advance_ms(1_000)
    hand.arm_alone(CONTINUOUS.crc())
    assert hand.ask(StartAlone(CONTINUOUS.crc()), Refused).reason == Refusal.BATTERY
    assert hand.state is State.ARMED_ALONE


# Magnet ---------------------------------------------


def test_a_magnet_silences_what_runs_alone_for_as_long_as_it_is_there() -> None:
    profile = replace(DBS, magnet_swipe_max_ms=1_000)
    hand = alone(replace(CONTINUOUS, magnet_swipe_ms=500), profile=profile)
    before = hand.pulses
    hand.firmware.sense_magnet(present=True)
    hand.advance_ms(2_000)
    assert (hand.state, hand.pulses) == (State.ALONE, before)
    hand.firmware.sense_magnet(present=False)
    hand.advance_ms(2_000)
    assert (hand.state, hand.amplitude_ua) == (State.ALONE, 3000)
    assert hand.pulses > before
