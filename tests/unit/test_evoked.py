"""What the device senses after its pulses, and what a host hears of it."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.peer import PROGRAM, Hand

from stimloop_dsp import EcapDetector
from stimloop_hw.blocks import BlockQueue
from stimloop_hw.link import Link
from stimloop_hw.messages import (
    Evoked,
    GetLimits,
    Limits,
    Refused,
    Sensed,
    Status,
    StreamConfig,
)
from stimloop_hw.ranges import EvokedChannel, evoked_of
from stimloop_hw.vocabulary import Refusal, SensedFlag, StopMode
from stimloop_sim.bench import Bench
from stimloop_sim.evoked import LSB_NV, WINDOW, WITHOUT_PULSE_US
from stimloop_sim.outbox import LONGEST
from stimloop_sim.tissue import Condition

PERIOD_US = 25_000
SCS = replace(
    PROGRAM,
    amplitude_min_ua=0,
    amplitude_max_ua=8000,
    width_us=200,
    period_min_us=5_000,
    period_max_us=PERIOD_US,
    slew_ua_s=25_000,
    fallback_ua=0,
    cathodes=0b001,
    anodes=0b100,
)
EVOKED = StreamConfig(0b1000, WINDOW.fs_hz, WINDOW.samples)


def implanted(options: str = "patient=sitting&seed=1") -> Hand:
    return Hand.linked(Bench.of_url(f"sim://scs?{options}").firmware)


def stimulating(
    amplitude_ua: int = 5500, period_us: int = PERIOD_US, hand: Hand | None = None
) -> Hand:
    """Evoked sweeps stream, and the amplitude has been reached."""
    hand = hand or implanted()
    hand.ask(EVOKED, Status)
    hand.begin(SCS)
    for ua in (*range(1000, amplitude_ua, 1000), amplitude_ua):
        assert hand.setpoint(ua, period_us) is None
        hand.keep_alive_ms(100)
    hand.told(Evoked)
    return hand


def samples_uv(sweep: Evoked) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(sweep.samples, "<i2") * (sweep.lsb_nv / 1000)


def test_a_host_learns_the_evoked_channel_and_other_devices_have_none() -> None:
    limits = implanted().ask(GetLimits(0), Limits)
    assert evoked_of(limits) == (EvokedChannel(20_000, 100, 100),)
    assert limits.sense_channels == 3
    assert evoked_of(Hand.linked().ask(GetLimits(0), Limits)) == ()


def test_every_pulse_is_followed_by_its_sweep_in_order() -> None:
    hand = stimulating()
    hand.keep_alive_ms(1000)
    sweeps = hand.told(Evoked)
    assert np.diff([s.pulse for s in sweeps]).tolist() == [1] * (len(sweeps) - 1)
    assert 0 <= hand.pulses - sweeps[-1].pulse <= 1  # one may be under way
    assert np.diff([s.index for s in sweeps]).tolist() == [1] * (len(sweeps) - 1)
    recent = dict.fromkeys(t_us for t_us, _ in hand.firmware.therapy.pulses.recent())
    assert all(s.t_us in recent for s in sweeps)
    assert all(s.flags == SensedFlag.STIM and s.channel == 0 for s in sweeps)
    assert np.diff([s.t_us for s in sweeps]).tolist() == [PERIOD_US] * (len(sweeps) - 1)


def test_the_sweep_shows_the_patients_response() -> None:
    hand = stimulating(5500)
    hand.keep_alive_ms(2000)
    detector = EcapDetector(WINDOW.fs_hz, 8.0, n1_ms=1.04, samples=WINDOW.samples)
    levels_uv = [
        detector.push(
            np.round(1000 * samples_uv(s)).astype(np.int32)[:, None], s.index, 0
        ).level
        for s in hand.told(Evoked)
    ]
    # Sitting, 1.1 µC: 250 µV/µC times 0.2 µC above the threshold, and some artefact.
    assert np.mean(levels_uv) == pytest.approx(53, abs=4)


def test_a_sweep_arrives_when_its_last_sample_is_there() -> None:
    hand = stimulating()
    pulse_us = hand.firmware.therapy.pulses.pulse_us
    before_us = hand.firmware.now_us
    for _ in range(500):
        hand.firmware.advance(1)
        now_us = hand.firmware.now_us
        for sweep in hand.told(Evoked):
            complete_us = sweep.t_us + pulse_us + WINDOW.end_us
            assert complete_us <= now_us < complete_us + 2 * hand.firmware.front_end.sample_us
        hand.heartbeat()
    assert now_us > before_us


def test_without_pulses_a_sweep_of_noise_comes_now_and_then() -> None:
    hand = implanted()
    hand.ask(EVOKED, Status)
    hand.advance_ms(1000)
    sweeps = hand.told(Evoked)
    gaps_us = np.diff([s.t_us for s in sweeps])
    assert (gaps_us <= WITHOUT_PULSE_US + WINDOW.end_us + 4000).all()
    assert len(sweeps) >= 1_000_000 // (WITHOUT_PULSE_US + WINDOW.end_us + 4000)
    assert all(s.flags == 0 and s.pulse == 0 for s in sweeps)
    assert np.std([samples_uv(s) for s in sweeps]) == pytest.approx(3.6, rel=0.1)


def test_a_pulse_within_a_window_opens_none_of_its_own() -> None:
    hand = stimulating(period_us=5_000)
    hand.keep_alive_ms(200)
    sweeps = hand.told(Evoked)
    assert min(np.diff([s.t_us for s in sweeps])) == 10_000
    assert min(np.diff([s.pulse for s in sweeps])) == 2


@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_how_time_is_cut_up_changes_no_sweep(cuts: list[int]) -> None:
    whole, split = stimulating(), stimulating()
    for hand, parts in ((whole, [sum(cuts)]), (split, cuts)):
        for part in parts:
            hand.firmware.advance(part)
    ends_us = min(h.firmware.now_us for h in (whole, split))
    assert ends_us == whole.firmware.now_us
    kept = [[s for s in hand.told(Evoked) if s.t_us < ends_us] for hand in (whole, split)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("config", "detail"),
    [
        (replace(EVOKED, rate_hz=10_000), WINDOW.fs_hz),
        (replace(EVOKED, block=50), WINDOW.samples),
        (replace(EVOKED, mask=0b1001), 0b111),
        (replace(EVOKED, mask=0b10000), 0b111),
    ],
)
def test_a_stream_that_the_device_does_not_have_is_refused(
    config: StreamConfig, detail: int
) -> None:
    refused = implanted().ask(config, Refused)
    assert (refused.reason, refused.detail) == (Refusal.OUTSIDE_ENVELOPE, detail)


def test_samples_and_sweeps_stream_side_by_side_and_rate_0_ends_both() -> None:
    hand = stimulating()
    hand.ask(StreamConfig(0b111, 250, 5), Status)
    hand.keep_alive_ms(200)
    assert len(hand.told(Sensed)) == 10
    assert len(hand.told(Evoked)) == 8
    hand.ask(StreamConfig(0, 0, 0), Status)
    hand.keep_alive_ms(200)
    assert not hand.told(Sensed)
    assert not hand.told(Evoked)


def test_a_new_controller_hears_no_stream_of_the_old_one() -> None:
    hand = stimulating()
    hand.stop(StopMode.GROUND)
    hand.hello(bytes(range(50, 66)))
    hand.advance_ms(200)
    assert hand.told(Evoked) == []


def test_after_a_stop_no_further_pulse_is_sensed() -> None:
    hand = stimulating()
    hand.stop(StopMode.GROUND)
    stopped_us = hand.firmware.now_us
    hand.advance_ms(500)
    late = [s for s in hand.told(Evoked) if s.t_us > stopped_us]
    assert late
    assert not any(s.flags & SensedFlag.STIM for s in late)


@pytest.mark.parametrize("contact", [6, 7, 8])
def test_a_broken_sensing_lead_drives_the_channel_to_its_rail(contact: int) -> None:
    hand = stimulating()
    tissue = hand.firmware.tissue
    tissue.apply(hand.firmware.now_us, Condition.OPEN, contact)
    hand.keep_alive_ms(200)
    sweeps = hand.told(Evoked)[1:]
    assert sweeps
    assert all(s.flags & SensedFlag.SATURATED for s in sweeps)
    assert all((samples_uv(s) == 5000).all() for s in sweeps)
    tissue.repair(hand.firmware.now_us)
    hand.told(Evoked)
    hand.keep_alive_ms(200)
    assert not any(s.flags & SensedFlag.SATURATED for s in hand.told(Evoked)[1:])


def test_a_broken_stimulating_lead_evokes_nothing() -> None:
    hand = stimulating(6500)
    hand.firmware.tissue.apply(hand.firmware.now_us, Condition.OPEN, 0)
    hand.told(Evoked)
    hand.keep_alive_ms(300)
    quiet = [samples_uv(s) for s in hand.told(Evoked)[1:]]
    assert np.ptp(np.mean(quiet, axis=0)) < 15


def test_joined_sensing_contacts_sense_nothing() -> None:
    hand = stimulating()
    hand.firmware.tissue.apply(hand.firmware.now_us, Condition.SHORT, 6, 7)
    hand.told(Evoked)
    hand.keep_alive_ms(200)
    assert all(not samples_uv(s).any() for s in hand.told(Evoked)[1:])


def test_sweeps_that_had_to_give_way_are_counted_and_flagged() -> None:
    hand = stimulating()
    for _ in range(4):  # nobody reads while 2 s of pulses go by
        hand.firmware.therapy.heartbeat(hand.firmware.now_us, 10_000)
        for _ in range(25):
            hand.firmware.therapy.heartbeat(hand.firmware.now_us, 10_000)
            hand.advance_ms(20)
    dropped = hand.firmware.telemetry.outbox.samples_dropped
    assert dropped > 0
    assert dropped % WINDOW.samples == 0
    kept = hand.told(Evoked)
    assert len(kept) == LONGEST
    hand.keep_alive_ms(100)
    assert any(s.flags & SensedFlag.GAP for s in [*kept, *hand.told(Evoked)])
    assert hand.told(Status)[-1].samples_dropped == dropped


def sweep(index: int, samples: bytes = b"", n: int = 2) -> Evoked:
    samples = samples or struct.pack("<2h", -3, 32767)
    return Evoked(index, 1, 1000, 0, SensedFlag.STIM, 20_000, LSB_NV, n, samples)


def test_a_sweep_becomes_a_block_in_nanovolts() -> None:
    queue = BlockQueue()
    queue.put_sweep(sweep(7), 123)
    block = queue.waiting.popleft()
    assert struct.unpack("<2i", block.samples_nv) == (-600, 6_553_400)
    assert (block.first_index, block.t_us, block.channels, block.count) == (7, 123, 1, 2)
    assert (block.flags, block.lost) == (SensedFlag.STIM, 0)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_missing_sweeps_are_counted_across_the_end_of_the_index(
    steps: list[int], first: int
) -> None:
    queue = BlockQueue()
    index = first
    queue.put_sweep(sweep(index & 0xFFFFFFFF), 0)
    for step in steps:
        index += step
        queue.put_sweep(sweep(index & 0xFFFFFFFF), 0)
    assert queue.lost_samples == sum(step - 1 for step in steps)
    assert [b.lost for b in queue.waiting][1:] == [step - 1 for step in steps]
    assert queue.waiting[-1].first_index == first + sum(steps)


def test_old_and_malformed_sweeps_are_dropped() -> None:
    queue = BlockQueue()
    queue.put_sweep(sweep(5), 0)
    queue.put_sweep(sweep(5), 0)
    queue.put_sweep(sweep(4), 0)
    queue.put_sweep(sweep(6, b"abc"), 0)
    queue.put_sweep(sweep(6, n=0), 0)
    assert [b.first_index for b in queue.waiting] == [5]


def test_a_link_gives_sweeps_as_it_gives_blocks() -> None:
    with Link.open("sim://scs?patient=sitting&seed=3") as link:
        link.hello()
        limits = link.limits()
        (channel,) = evoked_of(limits)
        link.stream_evoked(limits.sense_channels, channel)
        blocks = [link.sensed() for _ in range(20)]
    assert all(block is not None and block.count == channel.samples for block in blocks)
    indices = [block.first_index for block in blocks if block is not None]
    assert np.diff(indices).tolist() == [1] * 19


def test_the_course_of_postures_can_be_given() -> None:
    firmware = Bench.of_url("sim://scs?postures=supine:60").firmware
    firmware.advance(250)
    felt_uv = firmware.front_end.source.sense(np.zeros(1, np.int32), 0, 0)
    assert felt_uv[0] == pytest.approx([0, 0, 1000], abs=1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sim://scs?patient=tremor", "no patient 'tremor' of spinal cord"),
        ("sim://scs?postures=lying:30", "posture 'lying' is unknown"),
        ("sim://dbs?postures=sitting:30", "postures= belongs to spinal cord"),
        ("sim://scs?recording=x.npy&postures=sitting:30", "exclude each other"),
    ],
)
def test_a_url_that_asks_for_no_patient_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Bench.of_url(url)
