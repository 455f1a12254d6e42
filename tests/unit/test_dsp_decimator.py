import math
import re
import sys
import tracemalloc
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import MISSING
from stimloop_dsp._bank import BetaBank
from stimloop_dsp._decimator import Decimator

Block = npt.NDArray[Any]
Sample = Literal["int16", "int32"]


def decimated(block: Block, decimator: Decimator, cuts: list[int]) -> Block:
    parts = []
    for part in np.split(block, cuts):
        out = np.full((-(-len(part) // decimator.factor), decimator.channels), 7, np.int32)
        parts.append(out[: decimator.push(np.ascontiguousarray(part), out)])
    return np.concatenate(parts)


def exact(block: Block, factor: int, lsb_nv: float) -> Block:
    """Return three moving sums in Python's integers, every factor-th kept, in nV."""
    kernel = np.ones(factor, dtype=object)
    weights = np.convolve(np.convolve(kernel, kernel), kernel)
    out = []
    for column in block.T:
        sums = np.convolve(column.astype(object), weights)[factor - 1 : len(column) : factor]
        out.append([float(total) * (lsb_nv / factor**3) for total in sums])
    return np.array(out).T


@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 500), max_size=20).map(sorted),
    channels=st.sampled_from([1, 2, 63, 64, 65, 130]),
    factor=st.integers(2, 40),
    sample=st.sampled_from(["int16", "int32"]),
)
@settings(max_examples=40)
def test_any_chunking_gives_the_same_bits(
    *, seed: int, cuts: list[int], channels: int, factor: int, sample: Sample
) -> None:
    info = np.iinfo(sample)
    rng = np.random.default_rng(seed)
    block = rng.integers(info.min, info.max, (500, channels), dtype=sample, endpoint=True)
    block[rng.random(block.shape) < 0.01] = info.max
    whole = Decimator(24_000, factor, 0.5, channels, sample)
    parts = Decimator(24_000, factor, 0.5, channels, sample)
    wanted = decimated(block, whole, [])
    got = decimated(block, parts, cuts)
    assert len(wanted) == 500 // factor
    assert got.tobytes() == wanted.tobytes()
    assert parts.held.tolist() == whole.held.tolist()


@pytest.mark.parametrize(
    ("sample", "factor", "lsb_nv"),
    [
        ("int16", 2, 195.0),
        ("int16", 24, 195.0),
        ("int16", 40, 0.1),
        ("int32", 24, 0.7),
        ("int32", 1024, 0.01),
    ],
)
def test_it_is_three_moving_averages_rounded_once(
    sample: Sample, factor: int, lsb_nv: float
) -> None:
    info = np.iinfo(sample)
    rows = 4 * factor + 3
    block = np.random.default_rng(0).integers(info.min + 1, info.max, (rows, 3), dtype=sample)
    block[:, 1], block[:, 2] = info.min + 1, info.max - 1  # the largest sums
    decimator = Decimator(24_000, factor, lsb_nv, 3, sample)
    got = decimated(block, decimator, [])
    np.testing.assert_allclose(got, exact(block, factor, lsb_nv), rtol=0, atol=0.5 + 1e-6)
    assert not decimator.held.any()


@pytest.mark.parametrize("frequency_hz", [20.0, 35.0, 400.0, 965.0, 1035.0, 1980.0])
def test_a_sine_is_weakened_by_what_is_told(frequency_hz: float) -> None:
    fs_hz = 24_000
    sine = 1e9 * np.sin(2 * np.pi * frequency_hz * np.arange(2 * fs_hz) / fs_hz)
    decimator = Decimator(fs_hz, 24, channels=1, sample="int32")
    out = decimated(np.round(sine).astype(np.int32)[:, None], decimator, [])[1000:, 0]
    told_db = -20 * math.log10(np.abs(np.fft.rfft(out)).max() / (1e9 * len(out) / 2))
    assert decimator.attenuation_db(frequency_hz) == pytest.approx(told_db, abs=0.01)


def test_from_24_to_1_khz_the_beta_band_stays_and_its_aliases_go() -> None:
    decimator = Decimator(24_000, 24)
    assert decimator.fs_out_hz == 1000
    assert decimator.attenuation_db(0) == 0
    assert decimator.attenuation_db(13) == pytest.approx(0.007, abs=0.001)
    assert decimator.attenuation_db(35) == pytest.approx(0.053, abs=0.001)
    aliases = [k * 1000 + f for k in range(1, 12) for f in (-35, -13, 13, 35)]
    assert min(decimator.attenuation_db(f) for f in aliases) > 86
    assert decimator.attenuation_db(1000) > 200


def test_the_delay_is_that_of_an_impulse() -> None:
    ramp = np.arange(24_000, dtype=np.int32)[:, None]
    decimator = Decimator(24_000, 24, sample="int32")
    out = decimated(ramp, decimator, [])[:, 0]
    lag_samples = np.arange(23, 24_000, 24)[10:] - out[10:]
    np.testing.assert_allclose(lag_samples / 24, decimator.delay_ms, atol=0.05)
    step = Decimator(24_000, 24, sample="int32")
    settled = decimated(np.full((240, 1), 1000, np.int32), step, [])[:, 0]
    assert settled[round(step.settling_ms) - 1] == 1000
    assert settled[round(step.settling_ms) - 2] < 1000


@pytest.mark.parametrize("sample", ["int16", "int32"])
@pytest.mark.parametrize("end", ["min", "max"])
def test_a_bad_sample_is_held_counted_and_told_in_its_own_period(
    sample: Sample, end: str
) -> None:
    rng = np.random.default_rng(0)
    block = rng.integers(-1000, 1000, (200, 70), dtype=sample)
    spoilt = block.copy()
    spoilt[55, 66] = getattr(np.iinfo(sample), end)
    block[55, 66] = block[54, 66]
    decimator = Decimator(24_000, 10, 1.0, 70, sample)
    got = decimated(spoilt, decimator, [])
    wanted = decimated(block, Decimator(24_000, 10, 1.0, 70, sample), [])
    wanted[5, 66] = MISSING
    np.testing.assert_array_equal(got, wanted)
    assert decimator.held[66] == decimator.held.sum() == 1


def test_what_does_not_fit_is_as_large_as_fits_and_not_missing() -> None:
    for sign in (-1, 1):
        block = np.full((10, 1), sign * 30_000, np.int16)
        out = decimated(block, Decimator(24_000, 2, 1e6), [])
        assert out[-1, 0] == sign * (2**31 - 1)


def test_its_output_feeds_a_bank() -> None:
    t_s = np.arange(24_000) / 24_000
    counts = np.round(500 * np.sin(2 * np.pi * 20 * t_s)).astype(np.int16)
    decimator = Decimator(24_000, 24, lsb_nv=195)
    bank = BetaBank(1000, 10)
    assert bank.push(decimated(counts[:, None], decimator, [])) == 1
    assert bank.levels[0] == pytest.approx(97.5 * 2 / math.pi, rel=0.2)


def test_reset_forgets_everything() -> None:
    block = np.random.default_rng(0).integers(-(2**15), 2**15, (105, 3), dtype=np.int16)
    block[7] = -(2**15)
    decimator = Decimator(24_000, 10, 1.0, 3)
    first = decimated(block, decimator, [])
    held = decimator.held.tolist()
    decimator.reset()
    assert not decimator.held.any()
    assert decimated(block, decimator, []).tobytes() == first.tobytes()
    assert decimator.held.tolist() == held


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"fs_hz": 0}, "finite rate above 0 Hz"),
        ({"factor": 1}, "2 to 40 are allowed for int16"),
        ({"factor": 41}, "2 to 40 are allowed for int16"),
        ({"factor": 1025, "sample": "int32"}, "2 to 1024 are allowed for int32"),
        ({"lsb_nv": 0}, "give a finite number, not 0"),
        ({"lsb_nv": math.nan}, "give a finite number, not 0"),
        ({"channels": 0}, "1 to 4096 are allowed"),
        ({"sample": "int8"}, "choose 'int16' or 'int32'"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Decimator(**{"fs_hz": 24_000, "factor": 24, **parameters})


@pytest.mark.parametrize("frequency_hz", [-1, 12_001, math.nan])
def test_an_attenuation_beyond_the_spectrum_is_refused(frequency_hz: float) -> None:
    with pytest.raises(ValueError, match="give 0 to"):
        Decimator(24_000, 24).attenuation_db(frequency_hz)


GOOD = np.zeros((48, 2), np.int16)
GOOD_OUT = np.zeros((2, 2), np.int32)


@pytest.mark.parametrize(
    ("block", "out", "error", "sentence"),
    [
        (GOOD.astype(np.int32), GOOD_OUT, TypeError, "give int16"),
        (GOOD.astype(">i2"), GOOD_OUT, TypeError, "native byte order"),
        (np.asfortranarray(GOOD), GOOD_OUT, TypeError, "C-contiguous"),
        (GOOD, GOOD_OUT.astype(np.int64), TypeError, "it must be int32"),
        (GOOD, np.frombuffer(bytes(16), np.int32).reshape(2, 2), TypeError, "writable"),
        (GOOD[0], GOOD_OUT, ValueError, "give (n, 2)"),
        (GOOD[:, :1].copy(), GOOD_OUT, ValueError, "give (n, 2)"),
        (GOOD, GOOD_OUT[:1], ValueError, "give (2, 2) or more rows"),
        (GOOD, GOOD_OUT.ravel(), ValueError, "out has shape (4,)"),
    ],
)
def test_a_bad_array_is_refused_in_a_sentence(
    block: Block, out: Block, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        Decimator(24_000, 24, channels=2).push(block, out)


@pytest.mark.skipif(sys.gettrace() is not None, reason="to measure coverage allocates")
def test_a_push_allocates_nothing() -> None:
    decimator = Decimator(24_000, 24, channels=5)
    block, out = np.ones((50, 5), np.int16), np.empty((3, 5), np.int32)
    rounds = list(range(5000))

    def work() -> None:
        for _ in rounds:
            decimator.push(block, out)

    tracemalloc.start()
    try:
        work()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        work()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The frame of `work` itself is all that comes and goes.
    assert peak - before < 600
    assert after - before < 100


def test_a_block_large_enough_to_free_other_threads_gives_the_same_bits() -> None:
    block = np.random.default_rng(5).integers(-9000, 9000, (30_000, 3)).astype(np.int16)
    whole = decimated(block, Decimator(24_000, 24, channels=3), [])
    assert (whole == decimated(block, Decimator(24_000, 24, channels=3), [9_000, 20_000])).all()
