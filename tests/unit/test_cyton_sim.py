"""The simulated Cyton: what its host sees, byte for byte, and what its radio does to it."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stimloop_sim.ads1299 import BOTTOM, GAINS, TOP, Input
from stimloop_sim.cable import Cable
from stimloop_sim.cyton import BANNER
from stimloop_sim.instruments import device_of_url
from stimloop_sim.stand import Stand

if TYPE_CHECKING:
    from pathlib import Path

PACKET = 33


def plugged(options: str = "") -> Cable[Stand]:
    device = device_of_url(f"sim://cyton{options}")
    assert isinstance(device, Stand)
    return Cable(device)


def hear(cable: Cable[Stand], ms: int = 200) -> bytes:
    """All bytes of so much time."""
    cable.bench.advance_to(cable.bench.now_us + 1000 * ms)
    return cable.read(cable.in_waiting)


def ask(cable: Cable[Stand], order: bytes) -> bytes:
    cable.write(order)
    return hear(cable)


def packets(cable: Cable[Stand], seconds: float) -> list[bytes]:
    """Packets of so much time, from where a stream begins."""
    cable.write(b"b")
    data = hear(cable, round(1000 * seconds))
    return [data[i : i + PACKET] for i in range(0, len(data) - PACKET + 1, PACKET)]


def counts(packet: bytes, channel: int) -> int:
    return int.from_bytes(packet[2 + 3 * channel : 5 + 3 * channel], "big", signed=True)


@pytest.mark.parametrize(
    ("order", "answer"),
    [
        (b"v", BANNER.encode()),
        (b"V", b"v3.1.2"),
        (b"d", b"updating channel settings to default"),
        (b"D", b"060110"),
        (b"C", b"no daisy to attach!8"),
        (b"~~", b"Success: Sample rate is 250Hz"),
        (b"~5", b"Success: Sample rate is 500Hz"),
        (b"//", b"Success: default"),
        (b"/3", b"Success: digital"),
        (b"x3020000X", b"Success: Channel set for 3"),
        (b"x1020000V", b"Failure: 9th char not X"),
        (b"x9020000X", b"Failure: Err: too many chars"),
        (b"z410Z", b"Success: Lead off set for 4"),
        (b"-", b"Success: Configured internal test signal."),
        (b"<", b",Time stamp ON"),
        (b">", b"Time stamp OFF"),
        (b"\xf0\x07", b"Success: System is up"),
        (b"\xf0\x00", b"Success: Channel Number \x07"),
    ],
)
def test_every_command_has_the_answer_of_the_documentation(order: bytes, answer: bytes) -> None:
    assert ask(plugged(), order) == answer + b"$$$"


@pytest.mark.parametrize("order", [b"1", b"!", b"s", b"c", b"9", b"`A"])
def test_some_commands_have_no_answer(order: bytes) -> None:
    assert ask(plugged(), order) == b""


def test_a_command_that_is_not_complete_within_a_second_is_dropped_and_told() -> None:
    cable = plugged()
    cable.write(b"x102")
    assert b"Timeout processing multi byte message" in hear(cable, 1300)
    assert ask(cable, b"V") == b"v3.1.2$$$"


def test_a_stream_is_33_bytes_every_4_ms_with_a_counter_that_runs_round() -> None:
    stream = packets(plugged(), 4.0)
    assert len(stream) in (978, 979, 980)  # the first order waits for 80 ms
    assert all(p[0] == 0xA0 and p[-1] == 0xC0 for p in stream)
    assert [p[1] for p in stream] == [k & 0xFF for k in range(len(stream))]


def test_while_it_streams_commands_take_effect_without_an_answer() -> None:
    cable = plugged()
    packets(cable, 0.1)
    cable.write(b"1Vx2160110X")
    hear(cable, 100)
    data = hear(cable, 100)
    assert b"$$$" not in data
    start = data.index(b"\xc0\xa0") + 1
    assert counts(data[start : start + PACKET], 0) == counts(data[start:], 1) == 0


@pytest.mark.parametrize(("code", "gain"), [*enumerate(GAINS)])
def test_a_test_signal_is_its_volts_at_every_gain(code: int, gain: int) -> None:
    cable = plugged()
    ask(cable, f"x10{code}5110X".encode())
    level = {abs(counts(p, 0)) for p in packets(cable, 1.0)}
    volts = np.mean(sorted(level)) * 4.5 / gain / (2**23 - 1)
    assert volts == pytest.approx(1.875e-3, rel=1e-3)


def test_a_recording_comes_out_with_the_noise_of_the_converter(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ramp.npy"
    ramp_uv = np.arange(2000.0) - 1000.0
    np.save(path, ramp_uv)
    cable = plugged(f"?recording={path}&rate=250")
    cable.bench.advance_to(80_000)
    sensed = [counts(p, 0) for p in packets(cable, 2.0)]
    first = round(sensed[0] * 4.5e6 / 24 / TOP) + 1000
    errors_uv = np.array(sensed) * 4.5e6 / 24 / TOP - ramp_uv[first : first + len(sensed)]
    assert np.abs(errors_uv).max() < 1.0
    assert np.std(errors_uv) == pytest.approx(0.14, rel=0.1)


@pytest.mark.parametrize(("microvolts", "rail"), [(190_000.0, TOP), (-190_000.0, BOTTOM)])
def test_the_converter_clips_at_its_rails(microvolts: float, rail: int) -> None:
    assert Input().counts(microvolts, 0.0, 0.0, None, Random(1)) == rail
    assert abs(Input(gain=12).counts(microvolts, 0.0, 0.0, None, Random(1))) < TOP


def test_a_recording_beyond_the_range_is_refused_with_the_gain_that_fits(
    tmp_path: Path,
) -> None:
    path = tmp_path / "high.npy"
    np.save(path, np.full(500, 2e5))
    with pytest.raises(ValueError, match=r"use gain=0\.9 or less"):
        plugged(f"?recording={path}&rate=250")


def test_time_stamps_are_the_boards_milliseconds_and_an_order_marks_its_packet() -> None:
    cable = plugged()
    packets(cable, 0.5)
    cable.write(b"<")
    data = hear(cable, 500)
    assert data.count(b",") >= 1
    marked = data.index(b"\xc3\xa0")
    stamps = [
        int.from_bytes(data[k - 4 : k], "big") for k in range(marked, marked + 330, PACKET)
    ]
    assert [b - a for a, b in pairwise(stamps)] == [4] * 9
    assert data[marked + PACKET] == 0xC4


def test_the_chip_hands_bytes_on_in_pieces_of_62_or_when_its_timer_ends() -> None:
    cable = plugged("?latency_ms=40")
    packets(cable, 0.5)
    sizes = []
    for _ in range(100):
        cable.bench.advance_block()
        sizes.append(len(cable.read(cable.in_waiting)))
    assert set(sizes) - {0} == {62}
    cable.write(b"s")
    assert ask(cable, b"V").endswith(b"v3.1.2$$$")


def test_an_order_waits_for_the_boards_next_call() -> None:
    cable = plugged("?latency_ms=1")
    cable.write(b"V")
    waited = 0
    while not cable.in_waiting:
        cable.bench.advance_block()
        waited += 4
    assert waited == 80


def test_the_radio_carries_no_more_than_250_hz() -> None:
    cable = plugged()
    ask(cable, b"~4")
    assert packets(cable, 1.0) == []


def test_the_same_seed_gives_the_same_bytes_however_time_is_cut() -> None:
    one, other = plugged("?seed=4&fs=1000"), plugged("?seed=4&fs=1000")
    for cable in (one, other):
        cable.write(b"b")
    whole = hear(one, 1000)
    pieces = b""
    for _ in range(1000):
        other.bench.advance_to(other.bench.now_us + 1000)
        pieces += other.read(other.in_waiting)
    assert whole == pieces


@pytest.mark.parametrize("ppm", [-20_000, 3_000])
def test_a_clock_that_is_off_gives_so_many_samples_more_or_fewer(ppm: int) -> None:
    stream = packets(plugged(f"?clock_ppm={ppm}"), 20.0)
    assert len(stream) == pytest.approx(19.9 * 250 * (1 + ppm * 1e-6), abs=10)


class TestDocumentedHazards:
    def test_a_stream_that_was_left_on_is_there_before_anybody_asks(self) -> None:
        assert hear(plugged("?hazards=left_streaming")).count(b"\xc0\xa0") > 40

    def test_the_radio_loses_whole_packets_and_the_counter_tells(self) -> None:
        stream = packets(plugged("?hazards=radio_loss&seed=1"), 20.0)
        steps = [(b[1] - a[1]) & 0xFF for a, b in pairwise(stream)]
        assert 1 < max(steps) <= 17
        assert 100 < sum(steps) - len(steps) < 400

    def test_a_long_loss_runs_the_counter_round(self) -> None:
        stream = packets(plugged("?hazards=long_loss"), 10.2)
        steps = [(b[1] - a[1]) & 0xFF for a, b in pairwise(stream)]
        assert max(steps) == 376 - 256

    def test_a_board_that_is_off_is_told_by_the_dongle(self) -> None:
        cable = plugged("?hazards=board_off")
        assert ask(cable, b"v").endswith(b"Device failed to poll host$$$")
        assert ask(cable, b"\xf0\x07") == b"Failure: System is down$$$"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("?hazards=gremlins", "known are: left_streaming, radio_loss"),
        ("?latency_ms=0", "latency_ms has to be a whole number from 1 to 255"),
        ("?clock_ppm=60000", "a whole number from -50000 to 50000"),
        ("?block_ms=20", "sim:// has no option 'block_ms'"),
        ("?pace=slow", "use pace=free or pace=real"),
    ],
)
def test_what_the_url_cannot_mean_is_refused_in_a_sentence(options: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"is unknown|not possible|has no option") as refused:
        plugged(options)
    assert sentence in str(refused.value)


def test_a_bath_is_described_where_it_is_named_first() -> None:
    first = plugged("?bath=tub&seed=3")
    second = plugged("?bath=tub")
    assert first.bench.bath is second.bench.bath
    with pytest.raises(ValueError, match="describes the bath 'tub', which is there already"):
        plugged("?bath=tub&patient=day")
    assert first.bench.now_us == 0
    second.bench.advance_to(100_000)
    assert first.bench.now_us == 100_000


def test_a_fault_that_only_an_implant_has_is_refused_by_its_name(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hang.toml"
    path.write_text('schema = 1\n[[fault]]\nkind = "hang"\nat_ms = 1\n', "utf-8")
    with pytest.raises(ValueError, match="'hang' strikes an implant"):
        plugged(f"?faults={path}")


def test_a_reset_ends_the_stream_with_the_banner(
    tmp_path: Path,
) -> None:
    path = tmp_path / "reset.toml"
    path.write_text('schema = 1\n[[fault]]\nkind = "reset"\nat_ms = 500\n', "utf-8")
    cable = plugged(f"?faults={path}")
    cable.write(b"b")
    data = hear(cable, 1000)
    assert data.endswith(BANNER.encode() + b"$$$")
