"""The driver of an OpenBCI Cyton: true samples, explicit gaps, a clock with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.cyton import GAINS, SAMPLE_US, Cyton
from stimloop_hw.cyton_packets import SIZE, Packet, Packets, Sequence
from stimloop_hw.errors import LinkError, LinkLost, WrongPeer
from stimloop_hw.sample_grid import MISSING_NV
from stimloop_hw.vocabulary import SensedFlag
from stimloop_sim import cyton as simulated
from stimloop_sim.bath import Effect

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from stimloop_hw.blocks import Block
    from stimloop_sim.stand import Stand

URL = "cyton+sim://cyton"
NOISE_NV = 1_000
"""Seven times the standard deviation of the converter's noise."""


def stand_of(board: Cyton) -> Stand:
    stand: Stand = board._port.bench  # type: ignore[attr-defined]
    return stand


def first_uv(board: Cyton) -> int:
    """Place in the recording of the stream's first sample."""
    instrument = stand_of(board).instrument
    assert isinstance(instrument, simulated.Cyton)
    return instrument.began_us // SAMPLE_US - 1


def blocks_of(board: Cyton, count: int) -> list[Block]:
    blocks = []
    for _ in range(count):
        block = board.sensed()
        assert block is not None
        blocks.append(block)
    return blocks


@pytest.fixture
def ramp(tmp_path: Path) -> str:
    """URL of a Cyton that senses a ramp: 1 µV more with every sample, from 0."""
    np.save(tmp_path / "ramp.npy", np.arange(30_000.0))
    return f"{URL}?recording={tmp_path / 'ramp.npy'}&rate=250"


def nv(block: Block) -> npt.NDArray[np.int32]:
    return np.frombuffer(block.samples_nv, "<i4").reshape(block.count, block.channels)


def scenario(path: Path, *lines: str) -> str:
    """Option for a file with one fault."""
    file = path / "faults.toml"
    file.write_text("\n".join(("schema = 1", "seed = 5", "[[fault]]", *lines)), "utf-8")
    return f"&faults={file}"


def check_against_ramp(board: Cyton, blocks: list[Block]) -> None:
    """Every sample that is there is the true one, and every other one is accounted for."""
    start = first_uv(board)
    there = 0
    behind = 0
    for block in blocks:
        assert block.first_index == behind + block.lost
        behind = block.first_index + block.count
        assert block.t_us == (behind - 1) * SAMPLE_US
        samples = nv(block)[:, 0]
        place = start + block.first_index + np.arange(block.count)
        came = samples != MISSING_NV
        assert np.abs(samples - 1000 * place)[came].max(initial=0) < NOISE_NV
        assert bool(block.flags & SensedFlag.GAP) == (block.lost > 0 or not came.all())
        there += int(came.sum())
    assert there + board.lost_samples == behind


def test_samples_come_in_nanovolts_in_whole_blocks_with_their_index(ramp: str) -> None:
    with Cyton.open(ramp) as board:
        board.stream(1, 5)
        check_against_ramp(board, blocks_of(board, 300))
        assert board.lost_samples == board.sequence.damaged == 0
        assert (board.firmware, board.range_uv) == ("v3.1.2", 187_500)


@pytest.mark.parametrize("gain", GAINS)
def test_every_gain_has_its_scale_and_range(gain: int) -> None:
    with Cyton.open(f"{URL}?patient=default", gain=gain) as board:
        assert board.range_uv == 4_500_000 // gain
        full = gain * (2**23 - 1)
        for counts in (1, -1, 1000, 2**23 - 1, -(2**23)):
            assert abs(board._nv(counts) - counts * 4.5e9 / full) <= 0.5


def test_a_gain_whose_range_does_not_fit_is_refused_in_a_sentence() -> None:
    with pytest.raises(
        ValueError, match="gain 1 was asked for; this driver has 4, 6, 8, 12, 24"
    ):
        Cyton.open(f"{URL}?patient=default", gain=1)


def test_only_the_channels_asked_for_come_in_their_order() -> None:
    with Cyton.open(f"{URL}?patient=bilateral&seed=1") as board:
        board.stream(0b1000_0011, 4)
        samples = np.concatenate([nv(block) for block in blocks_of(board, 100)])
        assert samples.shape == (400, 3)
        assert samples.std(axis=0)[2] < 200 < samples.std(axis=0)[:2].min()
    for mask, block in ((0, 5), (0x100, 5), (1, 0)):
        with Cyton.open(URL) as board, pytest.raises(ValueError, match="choose some of these"):
            board.stream(mask, block)


def test_a_clipped_sample_is_flagged() -> None:
    with Cyton.open(URL, gain=4) as board:
        stand_of(board).instrument.inputs[0].gain = 4  # type: ignore[attr-defined]
        board.stream(1, 5)
        instrument = stand_of(board).instrument
        assert isinstance(instrument, simulated.Cyton)
        assert not blocks_of(board, 1)[0].flags & SensedFlag.SATURATED
        instrument._test = (2e6, 0.0)
        assert blocks_of(board, 20)[-1].flags & SensedFlag.SATURATED


@pytest.mark.parametrize("block", [1, 5, 13])
def test_what_the_radio_loses_is_missing_in_its_place_and_counted(
    block: int, ramp: str
) -> None:
    with Cyton.open(f"{ramp}&hazards=radio_loss&seed=2") as board:
        board.stream(1, block)
        blocks = blocks_of(board, 4000 // block)
        check_against_ramp(board, blocks)
        assert board.lost_samples > 50


def test_a_stream_that_an_earlier_program_left_is_ended_first(ramp: str) -> None:
    with Cyton.open(f"{ramp}&hazards=left_streaming") as board:
        board.stream(1, 5)
        check_against_ramp(board, blocks_of(board, 50))


@pytest.mark.parametrize(
    "fault",
    [
        ("drop", "rate_ppm = 1000"),
        ("duplicate", "rate_ppm = 1000"),
        ("insert", "rate_ppm = 1000"),
        ("chunk", "longest_bytes = 7"),
        ("delay", "delay_us = 20000", "jitter_us = 30000"),
        ("stall", "until_ms = 5500"),
    ],
)
def test_on_a_line_that_loses_or_doubles_bytes_no_sample_is_wrong(
    fault: tuple[str, ...], ramp: str, tmp_path: Path
) -> None:
    kind, *parameters = fault
    option = scenario(
        tmp_path, f'kind = "{kind}"', "at_ms = 5000", 'direction = "to_host"', *parameters
    )
    with Cyton.open(ramp + option) as board:
        board.stream(1, 5)
        check_against_ramp(board, blocks_of(board, 1500))
        lossy = kind in ("drop", "duplicate", "insert")
        assert (board.lost_samples > 0) == lossy


@pytest.mark.parametrize("ppm", [0, 4_000, -4_000])
@pytest.mark.parametrize("latency_ms", [1, 16, 60])
def test_the_sample_clock_is_within_its_bound_of_the_truth(ppm: int, latency_ms: int) -> None:
    url = f"{URL}?patient=default&fs=1000&clock_ppm={ppm}&latency_ms={latency_ms}"
    with Cyton.open(url) as board:
        board.stream(1, 5)
        assert board.clock.estimate.bound_us == float("inf")
        instrument = stand_of(board).instrument
        assert isinstance(instrument, simulated.Cyton)
        bounds = []
        for _ in range(1000):
            known = board.clock.estimate.exchanges
            board.sensed()
            estimate = board.clock.estimate
            if estimate.exchanges > known:
                now_us = board._clock_ns() / 1000
                true_us = (now_us - instrument.began_us) * (1 + ppm * 1e-6)
                # The bath is sampled each millisecond.
                assert abs(now_us + estimate.offset_us - true_us) <= estimate.bound_us + 1000
                bounds.append(estimate.bound_us)
        assert len(bounds) >= 18
        assert max(bounds[1:]) < 15_000 + 1_000 * latency_ms
        assert board.clock.estimate.jumps == 0
        drift_ppm = board.clock.estimate.drift_ppm  # 0 where it cannot be told yet
        assert drift_ppm == 0 or drift_ppm == pytest.approx(ppm, abs=500)


class Ticking:
    """A generator whose line is high for 100 ms of each 500 ms."""

    model = "ticking"

    def deliver(self, start_us: int, sample_us: int, samples: int) -> Effect:
        times_us = start_us + sample_us * np.arange(1, samples + 1)
        return Effect(np.zeros(samples, np.int32), 0, 0, times_us % 500_000 < 100_000)


def test_a_digital_input_tells_its_edges_to_the_sample() -> None:
    with Cyton.open(f"{URL}?patient=default") as board:
        bath = stand_of(board).bath
        bath.generator = Ticking()  # type: ignore[assignment]
        board.stream(1, 5)
        for _ in range(250):
            board.sensed()
        instrument = stand_of(board).instrument
        assert isinstance(instrument, simulated.Cyton)
        edges = list(board.edges)
        assert len(edges) in (19, 20, 21)
        for edge in edges:
            assert edge.line == 0
            bath_us = instrument.began_us + edge.t_us
            assert bath_us % 500_000 == (0 if edge.high else 100_000)


class TestOneSentenceEach:
    def test_of_a_port_on_which_nothing_answers(self) -> None:
        with serial.serial_for_url("loop://", timeout=0.01) as port:
            port.write = lambda _data: 0  # type: ignore[method-assign]
            board = Cyton(port, "the port", clock_ns=iter(range(0, 10**12, 10**8)).__next__)
            with pytest.raises(WrongPeer, match="no OpenBCI Cyton answers on the port") as told:
                board.hello()
        assert "switched to PC" in str(told.value)

    def test_of_an_implant_in_its_place(self) -> None:
        with pytest.raises(WrongPeer, match="no OpenBCI Cyton answers on cyton"):
            Cyton.open("cyton+sim://dbs?seed=1")

    def test_of_a_board_that_is_off(self) -> None:
        with pytest.raises(WrongPeer, match=r"the dongle on .* answers, but no board does"):
            Cyton.open(f"{URL}?hazards=board_off")

    @pytest.mark.parametrize(
        ("fault", "sentence"),
        [
            (("reset", "at_ms = 5000"), "has started anew in the midst of its stream"),
            (("unplug", "at_ms = 5000"), "is gone: the scenario of faults has pulled the plug"),
            (("half_open", "at_ms = 5000", 'direction = "to_host"'), "no samples from"),
        ],
    )
    def test_of_a_board_that_is_lost(
        self, fault: tuple[str, ...], sentence: str, ramp: str, tmp_path: Path
    ) -> None:
        kind, *parameters = fault
        option = scenario(tmp_path, f'kind = "{kind}"', *parameters)
        with Cyton.open(ramp + option) as board:
            board.stream(1, 5)
            with pytest.raises(LinkLost, match=sentence):
                blocks_of(board, 1000)
            board.halt = lambda: None  # type: ignore[method-assign]

    def test_of_a_radio_that_falls_silent(self, ramp: str) -> None:
        with Cyton.open(f"{ramp}&hazards=long_loss") as board:
            board.stream(1, 5)
            with pytest.raises(LinkLost, match=r"no samples from .* for 1000 ms; check the"):
                blocks_of(board, 1000)

    def test_of_a_driver_that_nobody_knows(self) -> None:
        with pytest.raises(LinkError, match="driver 'ganglion' is unknown; known are"):
            Cyton.open("ganglion+sim://cyton")


def packet(counter: int, stamp_ms: int, value: int = 0, kind: int = 6) -> bytes:
    body = bytes([0xA0, counter & 0xFF]) + value.to_bytes(3, "big", signed=True) * 8
    return body + bytes([0, 0]) + stamp_ms.to_bytes(4, "big") + bytes([0xC0 | kind])


# Noise that cannot be mistaken: no packet's head in it.
noise = st.binary(max_size=80).map(lambda data: data.replace(b"\xa0", b"\x11"))


@given(st.lists(st.tuples(noise, st.integers(2, 6)), min_size=1, max_size=6), st.data())
def test_behind_any_noise_packets_are_found_however_the_bytes_are_cut(
    runs: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    wire, number = b"", 0
    for junk, count in runs:
        wire += junk
        for _ in range(count):
            wire += packet(number, 4 * number)
            number += 1
    parser = Packets()
    found = []
    while wire:
        size = data.draw(st.integers(1, 100))
        found += parser.feed(wire[:size])
        wire = wire[size:]
    assert [one.counter for one in found] == list(range(number))


@given(st.binary(max_size=3 * SIZE))
def test_one_packet_alone_is_not_believed_after_noise(junk: bytes) -> None:
    parser = Packets()
    assert (
        parser.feed(b"\x00" + junk.replace(b"\xa0", b"") + packet(1, 4) + b"\x00" * SIZE) == []
    )


def placed(counter: int, stamp_ms: int) -> Packet:
    return Packet(counter & 0xFF, (0,) * 8, (0, 0), stamp_ms, answers=False)


FIRST_MS = (1 << 32) - 500


@pytest.mark.parametrize("lost", [0, 1, 200, 254, 255, 256, 300, 1000, 3900])
def test_the_time_stamp_tells_how_often_the_counter_ran_round(lost: int) -> None:
    sequence = Sequence()
    assert sequence.place(placed(250, FIRST_MS)) == 0
    places = [
        sequence.place(placed(250 + index, (FIRST_MS + 4 * index) % (1 << 32)))
        for index in range(1 + lost, 4 + lost)
    ]
    known = [1 + lost, 2 + lost, 3 + lost]
    # Behind a gap that the counter alone does not tell, two packets have to agree.
    assert places == known if lost < 255 else [None, *known[1:]]


def test_a_packet_whose_counter_and_stamp_contradict_each_other_is_dropped() -> None:
    sequence = Sequence()
    assert [sequence.place(placed(k, 4 * k)) for k in range(3)] == [0, 1, 2]
    assert sequence.place(placed(67, 12)) is None  # a flipped bit of the counter
    assert sequence.place(placed(3, 12 + 8192)) is None  # of the stamp
    assert sequence.place(placed(2, 8)) is None  # once more
    assert sequence.place(placed(4, 16)) == 4
    assert (sequence.damaged, sequence.strangers) == (3, 0)


def test_a_board_that_starts_anew_is_a_stranger_for_good() -> None:
    sequence = Sequence()
    assert [sequence.place(placed(k, 100_000 + 4 * k)) for k in range(3)] == [0, 1, 2]
    assert [sequence.place(placed(k, 4 * k)) for k in range(8)] == [None] * 8
    assert sequence.strangers == 8
