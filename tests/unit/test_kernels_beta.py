import itertools
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import MISSING, BetaDetector, Detector, Envelope, Quality, Reading, reference

FS_HZ = 250
Block = npt.NDArray[np.int32]


def averaging(
    on_uv: float,
    off_uv: float | None = None,
    **parameters: Any,  # noqa: ANN401  # those of the detector
) -> BetaDetector:
    """Return a detector of order 2 with a moving average of 200 ms, or what is given."""
    usual: dict[str, Any] = {"order": 2, "smoothing": "moving_average", "smooth_ms": 200}
    return BetaDetector(FS_HZ, on_uv, off_uv, **(usual | parameters))


def beta_nv(rows: int, channels: int = 1, seed: int = 0) -> Block:
    """Return noise with half a second of 20 Hz in every second."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(rows)[:, None] / FS_HZ
    beta = 40 * np.sin(2 * np.pi * 20 * t_s) * (t_s % 1 < 0.5)
    return (1000 * (beta + 5 * rng.standard_normal((rows, channels)))).astype(np.int32)


def with_bad_samples(block: Block, seed: int) -> Block:
    rng = np.random.default_rng(seed)
    bad = rng.choice(np.array([MISSING, 2**31 - 1, -(2**31) + 1], np.int32), block.shape)
    return np.where(rng.random(block.shape) < 1 / 16, bad, block)


def readings(detector: Detector, block: Block, cuts: list[int]) -> dict[int, Reading]:
    """Push the block in parts; the readings by index of their last sample."""
    told = {}
    for first, last in zip([0, *cuts], [*cuts, len(block)], strict=True):
        if last > first:
            told[last - 1] = detector.push(block[first:last], first, 4000 * (last - 1))
    return told


@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 800), max_size=30).map(sorted),
    onset_ms=st.floats(0, 200),
    blanking_ms=st.floats(0, 300),
)
def test_the_reading_at_a_sample_is_the_same_however_it_was_reached(
    seed: int, cuts: list[int], onset_ms: float, blanking_ms: float
) -> None:
    block = with_bad_samples(beta_nv(800, seed=seed), seed)

    def fresh() -> BetaDetector:
        return averaging(12, 8, onset_ms=onset_ms, blanking_ms=blanking_ms)

    one_by_one = readings(fresh(), block, list(range(1, 800)))
    first = 0
    for last, reading in readings(fresh(), block, cuts).items():
        union = Quality.OK
        for i in range(first, last + 1):
            union |= one_by_one[i].quality & ~Quality.WARMUP
        quality = union | one_by_one[last].quality & Quality.WARMUP
        single = one_by_one[last]
        assert reading == Reading(
            index=last,
            t_us=single.t_us,
            level=single.level,
            active=single.active,
            active_ms=single.active_ms,
            quality=quality,
        )
        first = last + 1


@given(
    seed=st.integers(0, 2**32 - 1),
    on_uv=st.floats(1, 30),
    off=st.floats(0, 1),
    onset=st.integers(0, 60),
    termination=st.integers(0, 60),
    blanking=st.integers(0, 200),
)
def test_the_decision_is_that_of_the_reference(
    *, seed: int, on_uv: float, off: float, onset: int, termination: int, blanking: int
) -> None:
    ms = 1000 / FS_HZ
    detector = averaging(
        on_uv,
        off * on_uv,
        smooth_ms=100,
        onset_ms=onset * ms,
        termination_ms=termination * ms,
        blanking_ms=blanking * ms,
    )
    told, levels = [], []
    for i, row in enumerate(beta_nv(1500, seed=seed)):
        told.append(detector.push(row[None], i, 0))
        levels.append(detector.levels[0])
    warmup = sum(Quality.WARMUP in reading.quality for reading in told)
    wanted = [False] * warmup + reference.decisions(
        np.array(levels[warmup:]),
        on=float(np.float32(on_uv)),
        off=float(np.float32(off * on_uv)),
        onset=max(1, onset),
        termination=max(1, termination),
        blanking=blanking,
    )
    assert [reading.active for reading in told] == wanted
    lasted = 0
    for reading in told:
        lasted = lasted + 1 if reading.active else 0
        assert reading.active_ms == lasted * 4


def test_it_follows_bursts_of_beta() -> None:
    told = readings(averaging(10, smooth_ms=100), beta_nv(2500), [*range(5, 2500, 5)])
    late = [reading.active for reading in told.values() if reading.index >= 500]
    assert 0.4 < np.mean(late) < 0.6
    assert sum(a != b for a, b in itertools.pairwise(late)) == 16


@pytest.mark.parametrize("level_uv", [10.0, 20.0])
def test_a_single_threshold_is_active_above_and_inactive_at_it(level_uv: float) -> None:
    block = beta_nv(1000)
    levels = averaging(level_uv)
    levels.push(block, 0, 0)
    envelope = levels.levels.copy()
    threshold = float(envelope[900])
    detector = averaging(threshold)
    told = [detector.push(row[None], i, 0).active for i, row in enumerate(block)]
    assert told[900] is False
    assert told[200:] == [bool(level > threshold) for level in envelope[200:]]


def test_it_stays_inactive_until_its_filters_have_settled() -> None:
    detector = averaging(0.001, smooth_ms=200)
    told = [detector.push(row[None], i, 0) for i, row in enumerate(beta_nv(500))]
    warm = [Quality.WARMUP not in reading.quality for reading in told]
    settling = Envelope(FS_HZ, smooth_ms=200).settling_ms / 4
    assert warm == [i >= math.ceil(settling) for i in range(500)]
    assert [reading.active for reading in told] == warm


def test_a_gap_is_flagged_and_the_filters_keep_their_state() -> None:
    block = beta_nv(500)
    whole, gapped = averaging(10), averaging(10)
    whole.push(block[:250], 0, 0)
    gapped.push(block[:250], 0, 0)
    wanted = whole.push(block[250:], 250, 0)
    got = gapped.push(block[250:], 251, 0)
    assert (wanted.quality, got.quality) == (Quality.OK, Quality.GAP)
    assert (got.level, got.active, got.index) == (wanted.level, wanted.active, 500)


def test_after_a_gap_the_filters_have_to_settle_again() -> None:
    block = beta_nv(1000)
    detector = averaging(10)
    settling = 0
    while detector.push(block[:1], settling, 0).quality & Quality.WARMUP:
        settling += 1
    detector.push(block[:500], settling + 1, 0)
    index = settling + 600
    assert detector.push(block[:settling], index, 0).quality == Quality.GAP | Quality.WARMUP
    assert detector.push(block[:1], index + settling, 0).quality == Quality.OK


@pytest.mark.parametrize("first_index", [0, 249, 251, 10_000])
def test_anything_but_the_next_sample_is_a_gap(first_index: int) -> None:
    detector = averaging(10)
    assert Quality.GAP not in detector.push(beta_nv(250), 0, 0).quality
    assert Quality.GAP in detector.push(beta_nv(5), first_index, 0).quality


def test_the_first_block_is_no_gap_wherever_it_begins() -> None:
    detector = averaging(10)
    for first_index in (12_345, 7):
        assert Quality.GAP not in detector.push(beta_nv(5), first_index, 0).quality
        detector.reset()


def test_counts_begin_anew_over_a_gap() -> None:
    loud = np.tile(beta_nv(125), (8, 1))
    detector = averaging(10, smooth_ms=500)
    assert detector.push(loud, 0, 0).active_ms > 200
    after = detector.push(loud[:1], 2000, 0)
    assert (after.active, after.active_ms) == (True, 4)

    slow = averaging(10, smooth_ms=500, onset_ms=4000)
    slow.push(loud, 0, 0)
    without_gap = averaging(10, smooth_ms=500, onset_ms=4000)
    without_gap.push(loud, 0, 0)
    assert slow.push(loud[:500], 1001, 0).active is False
    assert without_gap.push(loud[:500], 1000, 0).active is True


@pytest.mark.parametrize(
    ("sample_nv", "quality"),
    [
        (MISSING, Quality.HELD),
        (10_000_001, Quality.HELD | Quality.SATURATED),
        (-(2**31) + 1, Quality.HELD | Quality.SATURATED),
        (10_000_000, Quality.OK),
    ],
)
def test_a_bad_sample_is_told_in_its_own_block_and_no_other(
    sample_nv: int, quality: Quality
) -> None:
    detector = averaging(10)
    detector.push(beta_nv(250), 0, 0)
    block = beta_nv(5)
    block[2] = sample_nv
    assert detector.push(block, 250, 0).quality == quality
    assert detector.push(beta_nv(5), 255, 0).quality == Quality.OK


def test_it_detects_in_the_chosen_channel() -> None:
    block = beta_nv(500, 3, seed=1)
    block[:, [0, 2]] = MISSING
    chosen = averaging(10, channel=1).push(block, 0, 0)
    alone = averaging(10).push(np.ascontiguousarray(block[:, 1:2]), 0, 0)
    assert chosen == alone


def test_the_envelope_is_told_sample_by_sample_and_read_only() -> None:
    block = beta_nv(3000)
    wanted = np.empty((3000, 1), np.float32)
    Envelope(FS_HZ).push(block, wanted)
    detector = averaging(10)
    assert detector.levels.shape == (0,)
    for first, last in ((0, 5), (5, 2500), (2500, 3000)):  # 2495 rows outgrow the first buffer
        reading = detector.push(block[first:last], first, 0)
        assert detector.levels.tobytes() == wanted[first:last, 0].tobytes()
        assert reading.level == detector.levels[-1]
    with pytest.raises(ValueError, match="read-only"):
        detector.levels[0] = 0


def test_thresholds_may_be_set_while_it_runs() -> None:
    block = beta_nv(500)
    detector = averaging(1000)
    assert detector.push(block, 0, 0).active is False
    detector.thresholds = 0.5, 0.25
    assert detector.thresholds == (0.5, 0.25)
    assert detector.push(block[:1], 500, 0).active is True
    detector.reset()
    assert detector.thresholds == (0.5, 0.25)


def test_a_refused_threshold_leaves_the_old_ones() -> None:
    detector = averaging(10, 5)
    with pytest.raises(ValueError, match="Raise on or lower off"):
        detector.thresholds = 4, 5
    assert detector.thresholds == (10, 5)


def test_reset_forgets_everything() -> None:
    block = with_bad_samples(beta_nv(800), 0)
    detector = averaging(10, onset_ms=50, blanking_ms=100)
    first = readings(detector, block, [100, 105, 600])
    detector.reset()
    assert readings(detector, block, [100, 105, 600]) == first


def test_it_is_a_detector_with_unit_and_delay() -> None:
    detector: Detector = averaging(10, band_hz=(17, 23), smooth_ms=400)
    assert detector.unit == "µV"
    assert detector.delay_ms == pytest.approx(273, abs=1)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"on_uv": 0}, "Raise on or lower off"),
        ({"on_uv": math.nan}, "Raise on or lower off"),
        ({"off_uv": 11}, "Raise on or lower off"),
        ({"off_uv": -1}, "Raise on or lower off"),
        ({"onset_ms": -1}, "onset_ms of -1.0 ms was asked for; 0 ms to an hour is allowed"),
        ({"termination_ms": math.nan}, "termination_ms of nan ms"),
        ({"blanking_ms": math.inf}, "blanking_ms of inf ms"),
        ({"channel": -1}, "channels count from 0"),
        ({"band_hz": (13, 130)}, "0 < lower < upper < 125.0 Hz"),
        ({"saturation_uv": -1}, "just below the converter's rail"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        BetaDetector(**{"fs_hz": FS_HZ, "on_uv": 10, **parameters})


@pytest.mark.parametrize(
    ("block", "error", "sentence"),
    [
        (np.zeros((5, 2)), TypeError, "A block of float64 was pushed; give int32 in nV"),
        (np.zeros((5, 2), ">i4"), TypeError, "native byte order"),
        (np.zeros((5, 4), np.int32)[:, ::2], TypeError, "C-contiguous"),
        (np.zeros(5, np.int32), ValueError, "shape (5,) was pushed"),
        (np.zeros((0, 2), np.int32), ValueError, "n >= 1"),
        (np.zeros((5, 1), np.int32), ValueError, "channels > 1"),
    ],
)
def test_a_bad_block_is_refused_in_a_sentence(
    block: npt.NDArray[Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        averaging(10, channel=1).push(block, 0, 0)


@pytest.mark.parametrize("number", [0, -7, MISSING])
def test_a_channel_that_repeats_one_number_for_a_second_is_told(number: int) -> None:
    detector = BetaDetector(250, 10)
    block = beta_nv(1000)
    block[500:800] = number
    told = [
        bool(detector.push(block[i : i + 1], i, 0).quality & Quality.ARTEFACT)
        for i in range(1000)
    ]
    assert told == [500 + 249 <= i < 800 for i in range(1000)]
