"""What every detector of one channel owes, whatever it measures."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import MISSING, Detector, Quality, Reading
from stimloop_dsp._echt import EndpointHilbert
from stimloop_dsp._resonator import Resonator
from stimloop_dsp._rns import Area, HalfWaves, LineLength
from stimloop_dsp._sliding import SpectralDetector
from stimloop_dsp._threshold import ThresholdDetector

FS_HZ = 250
Block = npt.NDArray[np.int32]
Kind = Callable[..., ThresholdDetector]

KINDS: dict[str, Kind] = {
    "spectral": lambda **k: SpectralDetector(FS_HZ, 8, **{"window_ms": 256.0} | k),
    "spectral with a hop": lambda **k: SpectralDetector(
        FS_HZ, 8, **{"window_ms": 256.0, "hop_ms": 40.0} | k
    ),
    "resonator": lambda **k: Resonator(FS_HZ, 10, **k),
    "endpoint": lambda **k: EndpointHilbert(FS_HZ, 10, **{"window_ms": 300.0} | k),
    "line length": lambda **k: LineLength(FS_HZ, 10, **{"short_ms": 200.0, "long_s": None} | k),
    "line length beside its trend": lambda **k: LineLength(
        FS_HZ, 1.2, **{"short_ms": 200.0, "long_s": 3.0} | k
    ),
    "area": lambda **k: Area(FS_HZ, 14, **{"short_ms": 200.0, "long_s": None} | k),
    "area beside its trend": lambda **k: Area(
        FS_HZ, 1.2, **{"short_ms": 200.0, "long_s": 3.0} | k
    ),
    "half-waves": lambda **k: HalfWaves(
        FS_HZ, 4.5, amplitude_uv=(50, 200), **{"window_ms": 250.0} | k
    ),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


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


def same(one: Reading, other: Reading) -> bool:
    """Tell whether two readings are equal to the bit but for flags of whole blocks."""
    return (
        (one.index, one.level, one.active, one.active_ms)
        == (other.index, other.level, other.active, other.active_ms)
        and (one.phase_rad == other.phase_rad or math.isnan(one.phase_rad))
        and one.quality & Quality.WARMUP == other.quality & Quality.WARMUP
    )


@every_kind
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(1, 799), max_size=30),
    onset_ms=st.floats(0, 200),
    blanking_ms=st.floats(0, 300),
)
def test_a_reading_is_the_same_however_the_signal_was_divided(
    make: Kind, seed: int, cuts: list[int], onset_ms: float, blanking_ms: float
) -> None:
    block = with_bad_samples(beta_nv(800, seed=seed), seed)
    one_by_one = make(onset_ms=onset_ms, blanking_ms=blanking_ms)
    alone = [one_by_one.push(block[i : i + 1], i, 0) for i in range(800)]
    divided = make(onset_ms=onset_ms, blanking_ms=blanking_ms)
    begin = 0
    for end in sorted({*cuts, 800}):
        reading = divided.push(block[begin:end], begin, 0)
        assert same(alone[end - 1], reading)
        np.testing.assert_array_equal(divided.levels, [r.level for r in alone[begin:end]])
        begin = end


@every_kind
def test_it_finds_the_bursts_and_nothing_between_them(make: Kind) -> None:
    detector: Detector = make()
    block = beta_nv(2000)
    active = [detector.push(block[i : i + 1], i, 0).active for i in range(2000)]
    lag = round(detector.delay_ms * FS_HZ / 1000)
    truth = np.arange(2000) % FS_HZ < FS_HZ / 2
    hits = np.mean([active[i + lag] == truth[i] for i in range(500, 1900)])
    assert hits > 0.75


@every_kind
def test_nothing_is_decided_before_it_has_settled(make: Kind) -> None:
    detector = make(termination_ms=3_600_000.0)
    block = beta_nv(1500)
    warm = math.ceil(FS_HZ * detector.settling_ms / 1000)
    readings = [detector.push(block[i : i + 1], i, 0) for i in range(1500)]
    assert all(r.quality & Quality.WARMUP and not r.active for r in readings[:warm])
    assert not any(r.quality & Quality.WARMUP for r in readings[warm:])
    assert readings[-1].active


@every_kind
def test_a_gap_is_told_and_counts_as_unsettled(make: Kind) -> None:
    detector = make()
    detector.push(beta_nv(1500), 0, 0)
    warm = math.ceil(FS_HZ * detector.settling_ms / 1000)
    reading = detector.push(beta_nv(1), 2000, 0)
    assert reading.quality & Quality.GAP
    assert reading.active_ms in {0, 4}
    quiet = [detector.push(beta_nv(1), 2001 + i, 0).quality for i in range(warm)]
    assert not any(q & Quality.GAP for q in quiet)
    assert [bool(q & Quality.WARMUP) for q in quiet[-2:]] == [True, False]


@every_kind
@pytest.mark.parametrize("bad", [MISSING, 2**31 - 1])
def test_bad_samples_are_held_and_told(make: Kind, bad: int) -> None:
    detector = make()
    block = beta_nv(1500)
    block[700:760] = bad
    qualities = [detector.push(block[i : i + 1], i, 0).quality for i in range(1500)]
    held = [i for i, q in enumerate(qualities) if q & Quality.HELD]
    assert held == list(range(700, 760))
    saturated = [i for i, q in enumerate(qualities) if q & Quality.SATURATED]
    assert saturated == ([] if bad == MISSING else held)
    assert np.isfinite(detector.levels).all()


@every_kind
def test_after_silence_the_level_is_exactly_zero_or_rounding(make: Kind) -> None:
    detector = make()
    detector.push(beta_nv(1500), 0, 0)
    for i in range(20):
        detector.push(np.zeros((1000, 1), np.int32), 1500 + 1000 * i, 0)
    assert detector.levels[-1] < 1e-12
    assert detector.levels[-1] == 0 or detector.levels[-1] > 1e-300


@every_kind
def test_reset_forgets_every_sample_and_keeps_the_thresholds(make: Kind) -> None:
    detector, fresh = make(), make()
    detector.push(beta_nv(1500), 0, 0)
    detector.reset()
    detector.thresholds = fresh.thresholds = (9.0, 4.0)
    block = beta_nv(900, seed=3)
    assert same(detector.push(block, 77, 0), fresh.push(block, 77, 0))
    np.testing.assert_array_equal(detector.levels, fresh.levels)
    assert detector.thresholds == (9.0, 4.0)


@every_kind
def test_other_columns_do_not_matter(make: Kind) -> None:
    block = beta_nv(900, 3)
    alone, among = make(), make(channel=2)
    assert same(alone.push(block[:, 2:].copy(), 0, 0), among.push(block, 0, 0))


@every_kind
@pytest.mark.parametrize(
    ("block", "error"),
    [
        (np.zeros((5, 1)), TypeError),
        (np.zeros((5, 1), np.int64), TypeError),
        (np.zeros((5, 1), ">i4"), TypeError),
        (np.zeros((10, 1), np.int32)[::2], TypeError),
        (np.zeros((5, 2), np.int32, order="F"), TypeError),
        (np.zeros(5, np.int32), ValueError),
        (np.zeros((0, 1), np.int32), ValueError),
        (np.zeros((5, 0), np.int32), ValueError),
        (np.zeros((5, 1, 1), np.int32), ValueError),
        (np.zeros((5, 2), np.int32), ValueError),
        (None, TypeError),
        ([[0]], TypeError),
    ],
)
def test_a_wrong_block_is_refused_and_nothing_is_lost(
    make: Kind,
    block: Any,  # noqa: ANN401
    error: type[Exception],
) -> None:
    detector, untouched = make(), make()
    for d in (detector, untouched):
        d.push(beta_nv(400), 0, 0)
    with pytest.raises(error):
        detector.push(block, 400, 0)
    following = beta_nv(50, seed=5)
    assert same(detector.push(following, 400, 0), untouched.push(following, 400, 0))


@every_kind
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"onset_ms": -1.0}, "onset_ms"),
        ({"termination_ms": math.nan}, "termination_ms"),
        ({"blanking_ms": 1e9}, "blanking_ms"),
        ({"channel": -1}, "Channel"),
        ({"saturation_uv": 0.0}, "Saturation"),
        ({"off": 1e9}, "off <= on"),
    ],
)
def test_a_wrong_parameter_is_refused_in_a_sentence(
    make: Kind, changed: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(**changed)


@every_kind
def test_a_refused_threshold_leaves_the_old_ones(make: Kind) -> None:
    detector = make()
    before = detector.thresholds
    for wrong in [(math.nan, 1.0), (1.0, 2.0), (0.0, 0.0), (math.inf, 1.0), (1.0, -1.0)]:
        with pytest.raises(ValueError, match="off <= on"):
            detector.thresholds = wrong
    assert detector.thresholds == before


@every_kind
def test_levels_are_read_only(make: Kind) -> None:
    detector = make()
    detector.push(beta_nv(5), 0, 0)
    with pytest.raises(ValueError, match="read-only"):
        detector.levels[0] = 1


@every_kind
@pytest.mark.parametrize("number", [0, 12_345, MISSING])
def test_a_channel_that_repeats_one_number_for_a_second_is_told(
    make: Kind, number: int
) -> None:
    detector = make()
    block = beta_nv(1500)
    block[700:1000] = number
    qualities = [detector.push(block[i : i + 1], i, 0).quality for i in range(1500)]
    flat = [i for i, q in enumerate(qualities) if q & Quality.ARTEFACT]
    assert flat == list(range(700 + FS_HZ - 1, 1000))
    assert make().push(block, 0, 0).quality & Quality.ARTEFACT
