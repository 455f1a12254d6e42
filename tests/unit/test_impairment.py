"""The impairment layer: deterministic, counted, driven by nothing but the time handed in."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import chunks_of

from stimloop_hw.framing import Deframer, encode
from stimloop_hw.messages import TABLE_CRC
from stimloop_sim.attack import LONGEST, Cutter
from stimloop_sim.damage import DAMAGE
from stimloop_sim.impairment import Impairment, Wire
from stimloop_sim.scenario import KINDS, NEVER_US, Direction, Entry, Scenario

BOTH = frozenset(Direction)
FRAMES = [encode(0x0E, 0, k, 7, 0, bytes(12), TABLE_CRC) for k in range(200)]
RATED = [*DAMAGE, "reorder", "replay"]


def entry(kind: str, at_us: int = 0, until_us: int = NEVER_US, **values: int) -> Entry:
    defaults = {key: p.default for key, p in KINDS[kind].parameters.items() if p.default >= 0}
    return Entry(kind, at_us, until_us, BOTH, MappingProxyType(defaults | values))


def line(*entries: Entry, seed: int = 1) -> Impairment:
    return Impairment(Scenario(seed, entries))


def through(wire: Wire, pieces: list[bytes], now_us: int = 0) -> bytes:
    for piece in pieces:
        wire.push(now_us, piece)
    return wire.take(now_us)


def sequence(data: bytes) -> list[int]:
    return [frame.seq for frame in Deframer(TABLE_CRC).feed(data)]


@given(st.lists(st.binary(max_size=40)))
def test_a_line_without_faults_passes_every_byte(pieces: list[bytes]) -> None:
    wire = line().to_host
    assert through(wire, pieces) == b"".join(pieces)
    assert not wire.counts
    assert (wire.altered, wire.swallowed) == (0, 0)


@pytest.mark.parametrize("kind", RATED)
def test_the_same_bytes_suffer_the_same_however_they_are_cut(kind: str) -> None:
    data = b"".join(FRAMES)
    whole = through(line(entry(kind, rate_ppm=30_000)).to_device, [data])
    random = Random(5)
    cuts = [random.randrange(len(data)) for _ in range(300)]
    wire = line(entry(kind, rate_ppm=30_000)).to_device
    assert through(wire, chunks_of(data, cuts)) == whole
    assert whole != data
    assert wire.counts[kind] > 0
    assert through(line(entry(kind, rate_ppm=30_000), seed=2).to_device, [data]) != whole


@pytest.mark.parametrize("kind", RATED)
def test_a_fault_strikes_at_its_rate_and_only_in_its_time(kind: str) -> None:
    wire = line(entry(kind, 1000, 2000, rate_ppm=50_000)).to_host
    for now_us in (0, 999, 2000, 5000):
        assert through(wire, FRAMES, now_us) == b"".join(FRAMES)
    assert wire.counts[kind] == 0
    for _ in range(20):
        through(wire, FRAMES, 1000)
    chances = 20 * (len(FRAMES) if kind in ("reorder", "replay") else len(b"".join(FRAMES)))
    assert 0.7 < wire.counts[kind] / (chances * 0.05) < 1.3


@pytest.mark.parametrize("kind", RATED)
def test_a_rate_of_a_million_strikes_everything(kind: str) -> None:
    wire = line(entry(kind, rate_ppm=1_000_000)).to_host
    data = through(wire, FRAMES[:2])
    size = len(FRAMES[0])
    match kind:
        case "flip":
            assert all(
                (a ^ b).bit_count() == 1
                for a, b in zip(data, b"".join(FRAMES[:2]), strict=True)
            )
        case "drop":
            assert data == b""
        case "duplicate":
            assert data[::2] == data[1::2] == b"".join(FRAMES[:2])
        case "insert":
            assert data[::2] == b"".join(FRAMES[:2])
        case "burst":
            assert len(data) == 2 * size
        case "reorder":
            assert sequence(data) == [1, 0]
        case _:
            assert len(sequence(data)) == 4


def test_a_burst_spoils_a_run_and_no_more() -> None:
    wire = line(entry("burst", rate_ppm=1000, length_bytes=10)).to_host
    before = bytes(20_000)
    after = through(wire, [before])
    spoiled = [k for k in range(len(after)) if after[k]]
    runs = wire.counts["burst"]
    assert len(after) == len(before)
    assert 5 * runs < len(spoiled) <= 10 * runs
    assert sum(b - a > 10 for a, b in pairwise(spoiled)) <= runs


def test_a_replay_repeats_only_what_was_sent_also_before_the_attack() -> None:
    wire = line(entry("replay", 1000, rate_ppm=1_000_000, kept_frames=10)).to_device
    through(wire, FRAMES[:5], 0)
    heard = sequence(through(wire, FRAMES[5:6], 1000))
    assert heard[0] == 5
    assert heard[1] in range(6)


def test_a_frame_that_waits_to_be_overtaken_is_given_up_when_the_fault_ends() -> None:
    wire = line(entry("reorder", 0, 1000, rate_ppm=1_000_000)).to_device
    assert through(wire, [FRAMES[0], FRAMES[1][:5]], 0) == b""
    assert sequence(through(wire, [FRAMES[1][5:]], 1000)) == [0, 1]


def test_noise_without_a_delimiter_fills_no_memory() -> None:
    cutter = Cutter()
    pieces = [piece for _ in range(100) for piece, _ in cutter.feed(b"\1" * 100)]
    assert max(map(len, pieces)) <= LONGEST + 100
    assert len(b"".join(pieces)) + len(cutter.release()) == 10_000


def test_a_delay_is_kept_within_its_jitter_and_nothing_overtakes() -> None:
    wire = line(entry("delay", delay_us=1000, jitter_us=500)).to_host
    for k, frame in enumerate(FRAMES):
        wire.push(k * 100, frame)
    assert wire.take(999) == b""
    assert 1000 <= wire.due_us <= 1500
    arrived = []
    for now_us in range(0, 30_000, 100):
        arrived += [(now_us, seq) for seq in sequence(wire.take(now_us))]
    assert [seq for _, seq in arrived] == list(range(200))
    assert all(1000 <= now_us - seq * 100 <= 1600 for now_us, seq in arrived)
    assert wire.due_us == NEVER_US


def test_a_slow_line_takes_ten_bit_times_for_a_byte() -> None:
    wire = line(entry("baud", bits_per_s=10_000)).to_host
    assert wire.is_free(0)
    wire.push(0, bytes(50))
    assert not wire.is_free(0)
    assert wire.due_us == 50_000
    assert wire.take(49_999) == b""
    wire.push(49_999, b"x")
    assert wire.take(50_000) == bytes(50)
    assert wire.due_us == 51_000
    assert wire.counts["baud"] == 51


def test_chunks_are_small_and_apart() -> None:
    wire = line(entry("chunk", longest_bytes=4, gap_us=100)).to_host
    wire.push(0, bytes(range(1, 101)))
    pieces = []
    while wire.due_us < NEVER_US:
        pieces.append((wire.due_us, wire.take(wire.due_us)))
    assert b"".join(piece for _, piece in pieces) == bytes(range(1, 101))
    assert {len(piece) for _, piece in pieces} == {1, 2, 3, 4}
    assert [due_us for due_us, _ in pieces] == [100 * k for k in range(len(pieces))]


def test_a_stall_keeps_bytes_back_and_gives_them_all_at_once() -> None:
    wire = line(entry("stall", 1000, 5000)).to_host
    assert through(wire, [b"before"], 999) == b"before"
    for now_us in (1000, 2000, 4999):
        assert through(wire, [b"x"], now_us) == b""
    assert wire.due_us == 5000
    assert wire.take(5000) == b"xxx"
    assert wire.counts["stall"] == 3


def test_a_half_open_line_swallows_one_direction_and_counts_it() -> None:
    dead = Entry("half_open", 0, NEVER_US, frozenset({Direction.TO_DEVICE}))
    impairment = line(dead)
    assert through(impairment.to_device, FRAMES[:3]) == b""
    assert through(impairment.to_host, FRAMES[:3]) == b"".join(FRAMES[:3])
    assert impairment.to_device.counts["half_open"] == len(b"".join(FRAMES[:3]))
    assert impairment.to_device.swallowed == 3


def test_the_plug_comes_out_in_the_midst_of_a_frame_and_goes_back_in() -> None:
    impairment = line(entry("unplug", 1000, 2000, after_bytes=7))
    device, host = impairment.to_device, impairment.to_host
    assert not impairment.is_unplugged(1000)
    assert through(device, [FRAMES[0]], 1000) == FRAMES[0][:7]
    assert impairment.is_unplugged(1000)
    assert through(device, [FRAMES[1]], 1100) == b""
    assert through(host, [FRAMES[2]], 1100) == b""
    assert device.counts["unplug"] == 2 * len(FRAMES[0]) - 7
    assert not impairment.is_unplugged(2000)
    assert through(device, [FRAMES[3]], 2000) == FRAMES[3]


def test_what_is_on_the_way_is_lost_with_the_plug_and_with_a_reset() -> None:
    for kind in ("unplug", "reset"):
        impairment = line(entry("delay", delay_us=500), entry(kind, 1000))
        wire = impairment.to_host
        wire.push(0, b"early")
        wire.push(800, b"late")
        assert wire.take(900) == b"early"
        assert wire.take(2000) == b""
        assert wire.counts[kind] == 4


def test_a_reset_is_told_once() -> None:
    impairment = line(entry("reset", 1000), entry("reset", 1500))
    assert impairment.due_us == 1000
    assert [impairment.resets(t) for t in (999, 1000, 1000, 3000)] == [0, 1, 0, 1]
    assert impairment.due_us == NEVER_US


def test_faults_of_one_direction_leave_the_other_alone() -> None:
    one = Entry(
        "drop",
        0,
        NEVER_US,
        frozenset({Direction.TO_HOST}),
        MappingProxyType({"rate_ppm": 1_000_000}),
    )
    impairment = line(one)
    assert through(impairment.to_host, FRAMES) == b""
    assert through(impairment.to_device, FRAMES) == b"".join(FRAMES)


def test_a_fault_beside_another_changes_nothing_about_it() -> None:
    flips = through(line(entry("flip", rate_ppm=10_000)).to_host, FRAMES)
    both = line(entry("flip", rate_ppm=10_000), entry("delay", delay_us=0)).to_host
    assert through(both, FRAMES) == flips


def test_where_nothing_damages_every_frame_arrives() -> None:
    wire = line(
        entry("reorder", 0, 2_000_000, rate_ppm=200_000),
        entry("replay", rate_ppm=200_000),
        entry("chunk", longest_bytes=9),
        entry("delay", delay_us=100, jitter_us=3000),
        entry("stall", 5000, 90_000),
    ).to_device
    for k, frame in enumerate(FRAMES):
        wire.push(k * 500, frame)
    wire.push(2_000_000, b"")
    heard = sequence(wire.take(10_000_000))
    assert set(heard) == set(range(200))
    assert len(heard) == 200 + wire.counts["replay"]
    assert (wire.altered, wire.swallowed) == (0, 0)
