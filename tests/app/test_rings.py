"""What the plots know: rings, columns of a screen, spectra, a freeze. No Qt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from stimloop.app.memory import BACK_S, Memory, Shown
from stimloop.app.rings import MinMax, Samples, Steps, min_max
from stimloop.app.waterfall import Waterfall
from stimloop.station.ring import STEPS
from stimloop_dsp import MISSING

RATE_HZ = 250


def ramp(begin: int, count: int, channels: int = 1) -> npt.NDArray[np.int32]:
    """Samples whose value in µV is their index."""
    column = 1000 * np.arange(begin, begin + count, dtype=np.int32)
    return np.repeat(column[:, None], channels, axis=1)


def steps(*times_us: int, level: float = 1.0) -> npt.NDArray[np.void]:
    rows = np.zeros(len(times_us), STEPS)
    rows["t_us"], rows["level"] = times_us, level
    return rows


def test_the_ring_keeps_the_last_samples_and_knows_what_it_has_forgotten() -> None:
    ring = Samples(100, 2)
    for begin in range(0, 250, 10):
        ring.push(begin, ramp(begin, 10, 2))
    assert np.array_equal(ring.window(200, 250)[:, 1], np.arange(200, 250))
    assert np.isnan(ring.window(140, 150)).all()
    assert np.isnan(ring.window(250, 260)).all()


def test_lost_and_missing_samples_are_nothing_and_not_old_ones() -> None:
    ring = Samples(100, 1)
    ring.push(0, ramp(0, 100))
    ring.push(120, ramp(120, 10))
    assert np.isnan(ring.window(100, 120)).all()
    assert np.array_equal(ring.window(120, 130)[:, 0], np.arange(120, 130))
    gap = ramp(130, 3)
    gap[1] = MISSING
    ring.push(130, gap)
    assert np.isnan(ring.window(131, 132)).all()


def test_another_stream_starts_anew() -> None:
    ring = Samples(100, 1)
    ring.push(5000, ramp(5000, 100))
    ring.push(0, ramp(0, 20))
    assert ring.end == 20
    assert np.array_equal(ring.window(0, 20)[:, 0], np.arange(20))


@pytest.mark.parametrize("block", [1, 3, 7, 64])
def test_columns_do_not_depend_on_how_the_samples_came(block: int) -> None:
    uv = np.random.default_rng(3).normal(size=(1000, 2)).astype(np.float32)
    parts = MinMax(9, 50, 2)
    for begin in range(0, 1000, block):
        parts.push(begin, uv[begin : begin + block])
    whole = MinMax(9, 50, 2)
    whole.push(0, uv)
    (index, uv_told), (wanted_index, wanted) = parts.drawn(), whole.drawn()
    assert np.array_equal(index, wanted_index)
    assert np.array_equal(uv_told, wanted, equal_nan=True)


def test_every_column_has_its_least_and_its_greatest_sample() -> None:
    uv = np.random.default_rng(3).normal(size=(100, 1)).astype(np.float32)
    index, drawn = min_max(uv, 0, 10)
    known = np.isfinite(drawn[:, 0])
    assert np.array_equal(drawn[known, 0][::2], uv.reshape(10, 10).min(axis=1))
    assert np.array_equal(drawn[known, 0][1::2], uv.reshape(10, 10).max(axis=1))
    assert np.array_equal(index[known][::2], np.arange(10) * 10 + 5)


def test_a_spike_of_one_sample_is_never_decimated_away() -> None:
    uv = np.zeros((10_000, 1), np.float32)
    uv[7777] = 50
    assert np.nanmax(min_max(uv, 0, 33)[1]) == 50


def test_columns_of_a_gap_are_empty() -> None:
    columns = MinMax(10, 20, 1)
    columns.push(0, np.ones((50, 1), np.float32))
    columns.push(100, np.ones((50, 1), np.float32))
    index, uv = columns.drawn()
    in_gap = (index > 50) & (index < 100)
    assert np.isnan(uv[in_gap]).all()
    assert np.isfinite(uv[(index > 100) & (index < 150)]).all()


def test_steps_are_kept_in_order_and_a_window_has_the_one_before() -> None:
    ring = Steps(10)
    for t_us in range(0, 5_000_000, 200_000):
        ring.push(steps(t_us))
    assert ring.newest_us == 4_800_000
    assert len(ring.all) == 10
    assert ring.window(4_000_000, 4_400_000)["t_us"].tolist() == [
        3_800_000,
        4_000_000,
        4_200_000,
        4_400_000,
    ]
    ring.push(steps(1000))
    assert ring.all["t_us"].tolist() == [1000]


def test_a_rhythm_stands_at_its_frequency_with_its_power() -> None:
    fall = Waterfall(RATE_HZ, 20, 100)
    t_s = np.arange(5 * RATE_HZ) / RATE_HZ
    fall.push(0, (10 * np.sin(2 * np.pi * 20 * t_s)).astype(np.float32))
    centre, db = fall.drawn(0, 5 * RATE_HZ)
    assert fall.hz[db[3].argmax()] == 20
    assert centre == fall.window // 2
    # The power of a sine, A² / 2, is the integral over the bins of the window's main lobe.
    power = 10 ** (db[3].astype(float) / 10)
    assert power.sum() * (fall.hz[1] - fall.hz[0]) == pytest.approx(50, rel=0.01)


def test_spectra_do_not_depend_on_how_the_samples_came() -> None:
    uv = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    parts, whole = Waterfall(RATE_HZ, 20, 100), Waterfall(RATE_HZ, 20, 100)
    for begin in range(0, 1000, 13):
        parts.push(begin, uv[begin : begin + 13])
    whole.push(0, uv)
    assert np.array_equal(parts.drawn(0, 1000)[1], whole.drawn(0, 1000)[1])


def test_a_window_that_reaches_into_a_gap_has_no_spectrum() -> None:
    fall = Waterfall(RATE_HZ, 20, 100)
    fall.push(0, np.ones(500, np.float32))
    fall.push(755, np.ones(500, np.float32))
    centre, db = fall.drawn(0, 1300)
    begins = centre - fall.window // 2 + fall.hop * np.arange(len(db))
    known = np.asarray(np.isfinite(db).all(axis=1))
    assert known[begins + fall.window <= 500].all()
    assert not known[(begins + fall.window > 500) & (begins < 755)].any()
    assert known[begins >= 755].all()


def filled(seconds: float) -> Memory:
    memory = Memory(Shown("lfp", ("ch 0",), RATE_HZ, 3.0))
    flow(memory, 0, seconds)
    return memory


def flow(memory: Memory, begin_s: float, end_s: float) -> None:
    for tick in range(round(begin_s * 50), round(end_s * 50)):
        t_us = (tick + 1) * 20_000
        memory.push_samples(5 * tick, t_us, ramp(5 * tick, 5))
        memory.push_steps(steps(t_us))


def test_time_zero_is_the_newest_sample() -> None:
    memory = filled(30)
    x, uv = memory.signal()
    assert -0.1 <= x[-1] <= 0.1
    assert np.nanmax(uv) == 30 * RATE_HZ - 1
    assert memory.seen_steps()[0][-1] == 0


def test_a_freeze_keeps_what_was_known_while_the_stream_goes_on() -> None:
    memory = filled(30)
    memory.freeze(frozen=True)
    flow(memory, 30, 60)
    assert np.nanmax(memory.signal()[1]) == 30 * RATE_HZ - 1
    assert memory.seen_steps()[1]["t_us"][-1] == 30_000_000
    memory.freeze(frozen=False)
    assert np.nanmax(memory.signal()[1]) == 60 * RATE_HZ - 1


def test_a_frozen_picture_scrolls_a_minute_back() -> None:
    memory = filled(90)
    memory.freeze(frozen=True)
    flow(memory, 90, 100)
    memory.scroll_back(BACK_S)
    x, uv = memory.signal()
    seen = np.isfinite(uv[:, 0])
    assert np.nanmin(uv) == 20 * RATE_HZ
    assert np.nanmax(uv) == 30 * RATE_HZ - 1
    assert x[seen].min() == pytest.approx(-70, abs=0.1)
    assert memory.seen_steps()[1]["t_us"][-1] == 30_000_000
    memory.scroll_back(1000)
    assert memory.back_s == BACK_S


def test_a_running_picture_does_not_scroll_back() -> None:
    memory = filled(30)
    memory.scroll_back(10)
    assert memory.back_s == 0


def test_another_span_shows_what_is_remembered_at_once() -> None:
    memory = filled(40)
    memory.set_span(30)
    x, uv = memory.signal()
    assert np.nanmin(uv) <= 10 * RATE_HZ
    assert x[np.isfinite(uv[:, 0])].min() == pytest.approx(-30, abs=0.3)


def test_spectra_of_another_channel_are_those_of_what_is_remembered() -> None:
    memory = Memory(Shown("lfp", ("ch 0", "ch 1"), RATE_HZ, 3.0))
    t_s = np.arange(10 * RATE_HZ) / RATE_HZ
    nv = np.zeros((t_s.size, 2), np.int32)
    nv[:, 1] = 20_000 * np.sin(2 * np.pi * 30 * t_s)
    memory.push_samples(0, 10_000_000, nv)
    memory.set_spectrum_channel(1)
    _, db = memory.waterfall.drawn(0, t_s.size)
    assert memory.waterfall.hz[db[5].argmax()] == 30
