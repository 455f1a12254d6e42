"""Faults of the device itself: hang, brown-out, drift, what sticks or flips; the watchdog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.peer import DBS, PROGRAM, Hand, Silence

from stimloop_hw.messages import ClearFault, Event, Sensed, Start, Status, StreamConfig
from stimloop_hw.vocabulary import EventCode, Fault, Lead, Refusal, ResetCause, State
from stimloop_sim.bench import Bench
from stimloop_sim.firmware import Firmware
from stimloop_sim.implant import Implant
from stimloop_sim.lead import SensingLead
from stimloop_sim.scenario import KINDS, NEVER_US, Entry, Scenario
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.tissue import Tissue, TissueModel
from stimloop_sim.watchdog import GROUND_US, RESET_US, OutputMonitor, Watchdog

if TYPE_CHECKING:
    from stimloop_sim.board import Board

EXAMPLES = Path(__file__).parents[2] / "examples" / "faults"


class Counting(Silence):
    """Every sample is one microvolt more than the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def sense(self, amplitude_ua, _width_us, _period_us):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        first, self.count = self.count, self.count + len(amplitude_ua)
        return np.arange(first, self.count, dtype=np.float64).reshape(-1, 1)


def entry(kind: str, at_ms: int, until_ms: int = 0, **values: int) -> Entry:
    defaults = {key: p.default for key, p in KINDS[kind].parameters.items()}
    until_us = until_ms * 1000 if until_ms else NEVER_US
    return Entry(kind, at_ms * 1000, until_us, values=MappingProxyType(defaults | values))


class DeviceHand(Hand):
    """A host driven by hand whose device can break; it goes on with whatever boots."""

    def __init__(self, *entries: Entry, tissue: Tissue | None = None) -> None:
        around = tissue or Tissue(TissueModel.named("default"), DBS.output)
        self.source = Counting()
        lead = SensingLead(self.source, around.pickup(250, 1, 0))
        front_end = FrontEnd(lead, DBS.sense_range_uv, 5)

        def power_on(board: Board, cause: ResetCause) -> Firmware:
            return Firmware(DBS, front_end, around, board=board, cause=cause)

        self.implant = Implant(power_on, Scenario(1, entries))
        super().__init__(self.implant.firmware)

    def advance_ms(self, ms: int) -> None:
        self.implant.advance(ms // 4)
        self.firmware = self.implant.firmware

    def until_ms(self, ms: int) -> None:
        """Heartbeats until this time of the bench."""
        while self.implant.now_us < ms * 1000:
            self.heartbeat()
            self.advance_ms(20)

    def therapy(self, amplitude_ua: int = 1000) -> None:
        """A therapy that runs from the beginning on."""
        self.hello()
        self.ask(StreamConfig(1, 250, 5), Status)
        self.begin()
        assert self.setpoint(amplitude_ua) is None
        self.heartbeat()


# The independent output-disable ---------------------------------------------


def test_the_watchdog_grounds_first_and_then_resets_within_100_ms() -> None:
    watchdog = Watchdog(5000)
    assert not watchdog.must_ground(5000 + GROUND_US - 1)
    assert watchdog.must_ground(5000 + GROUND_US)
    assert not watchdog.must_reset(5000 + RESET_US - 1)
    assert watchdog.must_reset(5000 + RESET_US)
    watchdog.kick(50_000)
    assert not watchdog.must_ground(50_000 + GROUND_US - 1)
    assert GROUND_US < RESET_US <= 100_000


def test_the_monitor_trips_once_on_a_pulse_that_nobody_allowed() -> None:
    monitor = OutputMonitor()
    assert not monitor.check(10, allowed=True)
    assert not monitor.check(10, allowed=False)
    assert monitor.check(11, allowed=False)
    assert not monitor.check(12, allowed=False)
    assert monitor.tripped


# Hang ---------------------------------------------


def test_the_output_of_a_hung_device_ends_within_100_ms_and_the_device_boots_again() -> None:
    hand = DeviceHand(entry("hang", 1000))
    hand.therapy()
    hand.until_ms(1000)
    hung = hand.firmware
    before = hung.therapy.pulses.pulses
    hand.advance_ms(40)
    assert hung.therapy.pulses.pulses > before, "a hung processor does not stop its timers"
    hand.firmware.telemetry.receive(b"")
    hand.advance_ms(60)
    last_us = hung.therapy.pulses.recent()[-1][0]
    assert last_us <= 1_000_000 + GROUND_US
    assert hand.implant.now_us == 1_100_000
    assert hand.firmware is not hung
    assert (hand.state, hand.amplitude_ua, hand.pulses) == (State.CONFIGURED, 0, 0)
    identity = hand.hello()
    assert (identity.reset_cause, identity.boot) == (ResetCause.WATCHDOG, 2)


def test_a_hung_device_neither_hears_nor_speaks() -> None:
    hand = DeviceHand(entry("hang", 100))
    hand.therapy()
    hand.advance_ms(100)
    hand.implant.receive(b"12345")
    hand.firmware.telemetry.outbox.put(0, b"x")  # type: ignore[arg-type]
    assert hand.implant.counts["unheard"] == 5
    assert (hand.implant.take(), hand.implant.take_frame()) == (b"", b"")
    hand.advance_ms(100)
    assert hand.implant.runs


def test_a_device_that_works_is_never_reset() -> None:
    hand = DeviceHand()
    hand.therapy()
    hand.implant.advance(250 * 60)
    assert hand.implant.boot == 1
    assert not hand.implant.counts


# Brown-out ---------------------------------------------


def test_a_brown_out_ends_output_and_session_and_the_identity_tells_why() -> None:
    hand = DeviceHand(entry("brown_out", 1000, 1500))
    hand.therapy()
    hand.until_ms(1000)
    dark = hand.firmware
    before = dark.therapy.pulses.pulses
    hand.implant.receive(hand.framed(Start(PROGRAM.crc(), 2000)))
    hand.advance_ms(400)
    assert hand.implant.take() == b""
    hand.advance_ms(100)
    assert dark.therapy.pulses.pulses == before
    assert (hand.implant.now_us, hand.firmware.now_us) == (1_500_000, 0)
    hand.exchange(hand.framed(Start(PROGRAM.crc(), 2000)))
    assert hand.firmware.telemetry.foreign == 1
    assert (hand.state, hand.firmware.therapy.program_crc) == (State.CONFIGURED, PROGRAM.crc())
    identity = hand.hello()
    assert (identity.reset_cause, identity.boot) == (ResetCause.BROWN_OUT, 2)


def test_samples_are_numbered_anew_after_a_reset_and_the_patient_lives_on() -> None:
    hand = DeviceHand(entry("brown_out", 200, 400))
    hand.hello()
    hand.advance_ms(400)
    hand.hello()
    hand.ask(StreamConfig(1, 250, 5), Status)
    hand.advance_ms(20)
    (block,) = hand.told(Sensed)
    assert block.first_index == 0
    assert np.frombuffer(block.samples_nv, "<i4")[0] == 100_000


def test_a_device_that_is_off_outlasts_its_recording() -> None:
    hand = DeviceHand(entry("brown_out", 100, 300))
    hand.source.remaining = 30
    hand.advance_ms(120)
    hand.source.remaining = 0
    hand.advance_ms(200)
    assert (hand.implant.now_us, hand.implant.boot) == (320_000, 2)


# Clock drift ---------------------------------------------


@pytest.mark.parametrize("ppm", [-100_000, -300, 300, 100_000])
def test_a_clock_that_is_wrong_by_so_much_is_wrong_by_so_much(ppm: int) -> None:
    hand = DeviceHand(entry("clock_drift", 0, 100_000, ppm=ppm))
    hand.advance_ms(50_000)
    assert hand.firmware.now_us == 50_000_000
    true_us = 50_000_000 * 1_000_000 / (1_000_000 + ppm)
    assert hand.implant.now_us == pytest.approx(true_us, abs=1)
    assert hand.implant.samples_until(hand.implant.now_us + 4_000_000) == pytest.approx(
        1000 * (1 + ppm / 1e6), abs=1
    )
    begun_us = hand.implant.now_us, hand.firmware.now_us
    hand.implant.advance(hand.implant.samples_until(101_000_000))
    hand.implant.advance(1000)
    assert hand.implant.samples_until(hand.implant.now_us + 4_000_000) == 1000
    assert hand.firmware.now_us > begun_us[1]


# A stuck output stage ---------------------------------------------


def test_a_stuck_output_is_grounded_one_sample_after_its_first_forbidden_pulse() -> None:
    hand = DeviceHand(entry("output_stuck", 1000))
    hand.therapy()
    hand.until_ms(1000)
    assert hand.stop().state == State.IDLE
    before = hand.pulses
    hand.advance_ms(100)
    assert before < hand.pulses <= before + 1
    assert (hand.state, hand.amplitude_ua) == (State.FAULT, 0)
    assert hand.firmware.status().delivered_ua == 0
    assert hand.firmware.therapy.faults == Fault.OUTPUT_STUCK
    assert next(e.arg for e in hand.told(Event) if e.code == EventCode.FAULT) == 8
    hand.advance_ms(1000)
    assert hand.pulses <= before + 1
    refused = hand.setpoint(1000)
    assert refused is not None
    assert refused.reason == Refusal.WRONG_STATE


def test_the_silence_of_the_host_ends_even_a_stuck_output() -> None:
    hand = DeviceHand(entry("output_stuck", 1000))
    hand.therapy()
    hand.until_ms(1000)
    hand.advance_ms(2400)
    assert hand.firmware.therapy.faults == Fault.OUTPUT_STUCK
    before = hand.pulses
    hand.advance_ms(1000)
    assert hand.pulses == before


def test_an_output_that_comes_loose_is_silent_until_the_next_start() -> None:
    hand = DeviceHand(entry("output_stuck", 1000, 1200))
    hand.therapy()
    hand.until_ms(1000)
    assert hand.setpoint(1500) is None
    hand.until_ms(1200)
    assert (hand.state, hand.amplitude_ua) == (State.IDLE, 0)
    before = hand.pulses
    hand.advance_ms(1000)
    assert hand.pulses == before


def test_a_latched_fault_outlives_every_reset_until_somebody_names_it() -> None:
    hand = DeviceHand(entry("output_stuck", 1000, 1200), entry("hang", 2000))
    hand.therapy()
    hand.until_ms(1000)
    hand.stop()
    hand.until_ms(1900)
    assert hand.firmware.therapy.faults == Fault.OUTPUT_STUCK
    hand.until_ms(2500)
    assert (hand.implant.boot, hand.state) == (2, State.FAULT)
    assert hand.firmware.therapy.faults == Fault.OUTPUT_STUCK
    hand.hello()
    assert hand.ask(ClearFault(Fault.OUTPUT_STUCK), Status).state == State.IDLE
    hand.advance_ms(100)
    assert hand.firmware._board.faults == 0


def test_the_monitor_grounds_the_output_of_firmware_that_has_gone_astray() -> None:
    hand = DeviceHand()
    hand.therapy()
    hand.until_ms(500)
    hand.firmware.therapy.state = State.IDLE
    hand.advance_ms(20)
    assert (hand.state, hand.amplitude_ua) == (State.FAULT, 0)
    before = hand.pulses
    hand.advance_ms(1000)
    assert hand.pulses == before


def test_two_faults_of_a_kind_that_overlap_end_with_the_later_one() -> None:
    hand = DeviceHand(
        entry("output_stuck", 200, 900),
        entry("output_stuck", 200, 750),
        entry("brown_out", 1000, 1200),
        entry("brown_out", 1100, 1300),
    )
    hand.therapy()
    hand.until_ms(800)
    assert hand.stop().state == State.IDLE
    before = hand.pulses
    hand.until_ms(860)
    assert before < hand.pulses <= before + 1, "it still sticks, and is grounded"
    hand.until_ms(1280)
    assert not hand.implant.runs
    hand.until_ms(1300)
    assert hand.implant.runs
    assert hand.implant.boot == 2


def test_a_stage_that_sticks_still_sticks_after_a_reset() -> None:
    hand = DeviceHand(entry("output_stuck", 1000), entry("hang", 1100))
    hand.therapy()
    hand.until_ms(1400)
    assert hand.implant.boot == 2
    hand.hello()
    hand.begin()
    hand.setpoint(1000)
    hand.until_ms(2000)
    assert hand.amplitude_ua == 0


# Memory ---------------------------------------------


@pytest.mark.parametrize("bit", [0, 77, 12_345])
def test_a_flipped_bit_of_the_program_is_found_by_the_next_tick(bit: int) -> None:
    hand = DeviceHand(entry("memory_flip", 1000, bit=bit))
    hand.therapy()
    hand.until_ms(1000)
    hand.advance_ms(20)
    assert (hand.state, hand.amplitude_ua) == (State.FAULT, 0)
    assert hand.firmware.therapy.faults == Fault.PROGRAM_MEMORY
    assert hand.firmware.therapy.program_crc == 0
    before = hand.pulses
    hand.advance_ms(1000)
    assert hand.pulses == before


def test_a_bit_flips_in_vain_where_no_program_is_committed() -> None:
    hand = DeviceHand(entry("memory_flip", 0))
    hand.hello()
    hand.advance_ms(100)
    assert hand.state is State.IDLE


# The lead ---------------------------------------------


def told_lead(hand: DeviceHand) -> Lead:
    return Lead(hand.firmware.status().lead)


def test_a_broken_lead_outlives_a_reset_of_the_device() -> None:
    hand = DeviceHand(entry("lead_open", 500, contact=1), entry("hang", 1000))
    hand.therapy()
    hand.until_ms(1000)
    assert told_lead(hand) & Lead.OPEN
    hand.until_ms(1200)
    assert hand.implant.boot == 2
    assert told_lead(hand) == 0, "it knows nothing yet"
    hand.therapy()
    hand.until_ms(1500)
    assert told_lead(hand) & Lead.OPEN
    assert hand.pulses == 0


def test_two_faults_of_the_lead_end_each_for_itself() -> None:
    hand = DeviceHand(
        entry("lead_open", 200, 1000, contact=1),
        entry("lead_open", 400, 600, contact=2),
        entry("lead_short", 400, 800, contact=0, other=3),
        entry("reference_lost", 300, 500),
    )
    tissue = hand.implant.firmware.tissue
    hand.therapy()
    seen = []
    for ms in (200, 300, 400, 500, 600, 800, 1000):
        hand.until_ms(ms)
        seen.append((sorted(tissue.open), sorted(tissue.shorts)))
    touching = [(0, 3)]
    assert seen == [
        ([1], []),
        ([1, 4], []),
        ([1, 2, 4], touching),
        ([1, 2], touching),
        ([1], touching),
        ([1], []),
        ([], []),
    ]


@pytest.mark.parametrize("contact", [5, 16])
def test_a_fault_of_a_contact_that_the_device_does_not_have_is_refused(contact: int) -> None:
    DeviceHand(entry("lead_open", 0, contact=4))
    sentence = f"lead_open strikes contact {contact}; this device has contacts 0 to 3, and 4"
    with pytest.raises(ValueError, match=sentence):
        DeviceHand(entry("lead_open", 0, contact=contact))


def test_a_contact_cannot_touch_itself() -> None:
    with pytest.raises(ValueError, match="joins contact 2 with itself; name two contacts"):
        DeviceHand(entry("lead_short", 0, contact=2, other=2))


def test_the_tissue_goes_on_while_the_device_is_off_and_starts_anew() -> None:
    hand = DeviceHand(entry("brown_out", 1000, 3000))
    tissue = hand.implant.firmware.tissue
    hand.therapy()
    hand.until_ms(1000)
    left_v = tissue.interface.settled(1_000_000)[1][0]
    assert left_v != 0.0
    hand.advance_ms(2000)
    assert hand.implant.boot == 2
    assert hand.firmware.tissue is tissue
    assert hand.firmware.now_us == 0
    assert tissue.interface.epoch_us == 3_000_000
    resting_v = tissue.interface.settled(0)[1][0]
    assert abs(resting_v) < abs(left_v)
    hand.advance_ms(2000)
    leaked_v = tissue.interface.settled(hand.firmware.now_us)[1][0]
    assert abs(leaked_v) < abs(resting_v), "the new clock counts for it from the first moment"


def test_encapsulation_keeps_its_age_over_a_reset() -> None:
    model = replace(TissueModel.named("default"), rise_permille=500, rise_s=60)
    ohm = []
    for schedule in ((), (entry("brown_out", 50_000, 50_100), entry("hang", 200_000))):
        tissue = Tissue(model, DBS.output)
        hand = DeviceHand(*schedule, tissue=tissue)
        hand.advance_ms(300_100)
        assert hand.implant.boot == 1 + len(schedule)
        ohm.append(tissue.cells[0].series_ohm)
    assert ohm[0] == ohm[1] > DBS.impedance_ohm


def test_after_a_reset_pulses_are_picked_up_as_before() -> None:
    blocks = []
    for schedule in ((), (entry("hang", 1000),)):
        tissue = Tissue(TissueModel.named("artefact"), DBS.output)
        hand = DeviceHand(*schedule, tissue=tissue)
        if schedule:
            hand.advance_ms(2000)
            assert hand.implant.boot == 2
        hand.therapy()
        start_us = hand.implant.now_us
        while hand.implant.now_us < start_us + 1_000_000:
            hand.heartbeat()
            hand.advance_ms(20)
        sensed = [np.frombuffer(block.samples_nv, "<i4") for block in hand.told(Sensed)]
        blocks.append(np.diff(np.concatenate(sensed)).std())
    assert blocks[1] == pytest.approx(blocks[0], rel=0.05)
    assert blocks[0] > 500, "the source alone is a straight line"


# A stuck converter ---------------------------------------------


def test_a_stuck_converter_repeats_its_last_sample_and_its_source_goes_on() -> None:
    hand = DeviceHand(entry("adc_stuck", 100, 200))
    hand.hello()
    hand.ask(StreamConfig(1, 250, 5), Status)
    hand.advance_ms(300)
    blocks = hand.told(Sensed)
    samples = np.concatenate([np.frombuffer(b.samples_nv, "<i4") for b in blocks]) // 1000
    assert samples.tolist() == [*range(25), *[24] * 25, *range(50, 75)]
    assert hand.implant.counts["adc_stuck"] == 1


# On the bench ---------------------------------------------


def test_a_reset_on_the_bench_is_one_of_the_device() -> None:
    bench = Bench.of_url(f"sim://dbs?faults={EXAMPLES / 'reset.toml'}")
    first = bench.firmware
    bench.advance_to(2_000_000)
    assert bench.firmware is not first
    hand = Hand(bench.firmware)
    assert hand.hello().reset_cause == ResetCause.EXTERNAL


def test_faults_of_a_file_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"none\.toml cannot be read"):
        Bench.of_url("sim://dbs?faults=none.toml")


# What outlasts a reset ---------------------------------------------


def test_an_empty_battery_does_not_come_back_with_the_supply() -> None:
    hand = DeviceHand(
        entry("brown_out", 1000, 1500), entry("battery_collapse", 1200, left_permille=0)
    )
    hand.advance_ms(3000)
    assert not hand.implant.runs
    assert hand.implant.boot == 1


def test_after_a_flipped_bit_its_clear_and_a_reset_the_former_program_is_taken_up() -> None:
    hand = DeviceHand(entry("memory_flip", 1000), entry("hang", 1100), entry("hang", 2000))
    hand.hello()
    hand.configure(replace(PROGRAM, width_us=90))
    hand.therapy()
    hand.until_ms(1300)
    assert (hand.implant.boot, hand.state) == (2, State.FAULT)
    hand.hello()
    hand.advance_ms(100)
    told = {e.event: (e.code, e.arg) for e in hand.told(Event)}
    assert list(told.values())[-3:] == [
        (EventCode.RESET, ResetCause.WATCHDOG),
        (EventCode.BANKS_BAD, 0b10),
        (EventCode.FAULT, Fault.PROGRAM_MEMORY),
    ]
    assert hand.ask(ClearFault(Fault.PROGRAM_MEMORY), Status).state == State.IDLE
    hand.advance_ms(100)
    hand.until_ms(2300)
    assert (hand.implant.boot, hand.state) == (3, State.CONFIGURED)
    assert hand.firmware.therapy.programs == (replace(PROGRAM, width_us=90),)


def test_a_check_that_fails_while_it_is_broken_and_passes_once_it_is_repaired() -> None:
    hand = DeviceHand(
        entry("self_test", 0, 1500, check=4), entry("hang", 1000), entry("hang", 2000)
    )
    assert hand.state is State.FAULT
    hand.advance_ms(1200)
    assert (hand.implant.boot, hand.state) == (2, State.FAULT)
    hand.advance_ms(1200)
    assert (hand.implant.boot, hand.state) == (3, State.IDLE)


def test_what_a_hung_device_delivers_comes_out_of_its_battery() -> None:
    hand = DeviceHand(entry("hang", 1000))
    hand.therapy()
    hand.until_ms(1000)
    hung, before = hand.firmware, hand.implant.board.delivered_pc
    hand.advance_ms(100)
    assert hung.therapy.pulses.delivered_pc == hand.implant.board.delivered_pc > before
