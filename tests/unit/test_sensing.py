"""The front end between a source in microvolts and blocks of nanovolts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.peer import Silence

from stimloop_hw.messages import Sensed, StreamConfig
from stimloop_hw.vocabulary import Refusal, SensedFlag
from stimloop_sim.sensing import FrontEnd

if TYPE_CHECKING:
    import numpy.typing as npt

RANGE_UV = 5000


class Played:
    """Plays an array, (n, channels), µV."""

    def __init__(self, samples_uv: npt.NDArray[np.float64]) -> None:
        self.samples_uv = np.ascontiguousarray(samples_uv)
        self.channels: tuple[str, ...] = tuple(map(str, range(samples_uv.shape[1])))
        self.fs_hz = 250
        self.played = 0

    @property
    def remaining(self) -> int | None:
        return len(self.samples_uv) - self.played

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], _width_us: int, _period_us: int
    ) -> npt.NDArray[np.float64]:
        block = self.samples_uv[self.played : self.played + len(amplitude_ua)]
        assert len(block) == len(amplitude_ua), "more was asked for than remains"
        self.played += len(block)
        return block


def take(front_end: FrontEnd, count: int, *, stimulated: bool = False) -> list[Sensed]:
    """Convert so many samples, in blocks as the firmware does."""
    blocks = []
    while count:
        part = min(count, front_end.samples_to_block())
        pulses = np.full(part, 1000 if stimulated else 0, np.int32)
        whole = front_end.convert(pulses, 60, 7000, stimulated=stimulated)
        if whole and front_end.streaming:
            blocks.append(front_end.streamed())
        count -= part
    return blocks


def streaming(samples_uv: npt.NDArray[np.float64], mask: int, block: int = 5) -> FrontEnd:
    front_end = FrontEnd(Played(samples_uv), RANGE_UV, block)
    assert front_end.configure(StreamConfig(mask, 250, block)) is None
    return front_end


def values(blocks: list[Sensed]) -> npt.NDArray[np.int32]:
    return np.concatenate(
        [np.frombuffer(b.samples_nv, "<i4").reshape(b.n, b.n_ch) for b in blocks]
    )


RAMP = np.add.outer(np.arange(50.0), np.array([0.0, 100.0, 200.0]))


@pytest.mark.parametrize("mask", range(1, 8))
def test_the_channels_of_the_mask_are_sent_in_nanovolts_time_major(mask: int) -> None:
    front_end = streaming(RAMP, mask)
    columns = [k for k in range(3) if mask >> k & 1]
    assert np.array_equal(values(take(front_end, 50)), (RAMP[:, columns] * 1000).astype(int))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_samples_and_indices_do_not_depend_on_how_they_were_taken(parts: list[int]) -> None:
    front_end = streaming(RAMP, 7)
    blocks = []
    for part in parts:
        if front_end.index + part <= len(RAMP):
            blocks += take(front_end, part)
    assert all(b.n == 5 for b in blocks)
    assert [b.first_index for b in blocks] == list(range(0, 5 * len(blocks), 5))
    if blocks:
        assert np.array_equal(values(blocks), (RAMP[: 5 * len(blocks)] * 1000).astype(int))


def test_what_the_range_cannot_hold_is_clipped_and_flagged() -> None:
    samples = np.zeros((15, 1))
    samples[6], samples[7] = 9999.0, -9999.0
    blocks = take(streaming(samples, 1), 15)
    assert [b.flags & SensedFlag.SATURATED for b in blocks] == [0, SensedFlag.SATURATED, 0]
    flat = values(blocks).ravel()
    assert (flat[6], flat[7]) == (5_000_000, -5_000_000)


def test_a_missing_sample_is_told_from_every_value() -> None:
    samples = np.zeros((5, 1))
    samples[2] = np.nan
    (block,) = take(streaming(samples, 1), 5)
    assert values([block]).ravel().tolist() == [0, 0, -(2**31), 0, 0]


def test_a_block_under_pulses_says_so() -> None:
    front_end = streaming(RAMP, 1)
    flags = []
    for stimulated in (False, True, False):
        flags += [b.flags for b in take(front_end, 5, stimulated=stimulated)]
    assert flags == [0, SensedFlag.STIM, 0]


def test_the_last_block_is_as_short_as_the_recordings_rest() -> None:
    front_end = streaming(RAMP[:13], 1)
    blocks = take(front_end, 15)
    assert [b.n for b in blocks] == [5, 5, 3]
    assert front_end.ended
    assert front_end.index == 13
    assert take(front_end, 10) == []


def test_the_index_goes_on_without_a_stream_and_never_resets() -> None:
    front_end = FrontEnd(Played(RAMP), RANGE_UV, 5)
    assert take(front_end, 17) == []
    assert front_end.configure(StreamConfig(1, 250, 5)) is None
    (block,) = take(front_end, 5)
    assert block.first_index == 15
    assert front_end.configure(StreamConfig(0, 0, 0)) is None
    assert take(front_end, 5) == []
    assert front_end.index == 27


@pytest.mark.parametrize(
    ("config", "allowed"),
    [
        (StreamConfig(0, 250, 5), 1),
        (StreamConfig(2, 250, 5), 1),
        (StreamConfig(1, 500, 5), 250),
        (StreamConfig(1, 250, 4), 5),
    ],
)
def test_a_stream_the_device_has_not_is_refused_with_the_one_it_has(
    config: StreamConfig, allowed: int
) -> None:
    breach = FrontEnd(Silence(), RANGE_UV, 5).configure(config)
    assert breach is not None
    assert (breach.reason, breach.detail) == (Refusal.OUTSIDE_ENVELOPE, allowed)


def test_blocks_lie_on_one_grid_from_whenever_somebody_listens() -> None:
    front_end = streaming(RAMP, 1)
    take(front_end, 3, stimulated=True)
    assert front_end.configure(StreamConfig(2, 250, 5)) is None
    first, second = take(front_end, 7)
    assert (first.first_index, first.flags) == (0, SensedFlag.STIM)
    assert (second.first_index, second.flags) == (5, 0)
    assert np.array_equal(values([first, second]), (RAMP[:10, [1]] * 1000).astype(int))


def test_a_loop_on_the_device_gets_the_very_samples_that_are_streamed() -> None:
    front_end = streaming(RAMP, 5)
    for _ in range(4):
        (block,) = take(front_end, 5)
        for column, channel in enumerate((0, 2)):
            tapped = front_end.tapped(channel)
            assert replace(tapped, n_ch=2, samples_nv=block.samples_nv) == block
            assert np.array_equal(values([tapped])[:, 0], values([block])[:, column])


@pytest.mark.parametrize(("channels", "longest"), [(1, 57), (3, 19)])
def test_a_block_too_long_for_a_frame_is_refused(channels: int, longest: int) -> None:
    source = Played(np.zeros((100, channels)))
    FrontEnd(source, RANGE_UV, longest)
    for block in (0, longest + 1):
        with pytest.raises(ValueError, match=f"1 to {longest} samples do"):
            FrontEnd(source, RANGE_UV, block)
