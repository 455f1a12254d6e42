import math
import re
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import MISSING, Envelope, reference

Precision = Literal["float32", "float64"]
Smoothing = Literal["moving_average", "one_pole"]
Block = np.ndarray[tuple[int, int], np.dtype[Any]]

both_precisions = pytest.mark.parametrize("precision", ["float32", "float64"])
both_smoothings = pytest.mark.parametrize("smoothing", ["moving_average", "one_pole"])


def envelope_of(block: Block, envelope: Envelope) -> Block:
    out = np.empty(block.shape, dtype=envelope.precision)
    envelope.push(block, out)
    return out


def noise_uv(rows: int, channels: int = 1, seed: int = 0) -> Block:
    return 30 * np.random.default_rng(seed).standard_normal((rows, channels))


def with_bad_samples(block: Block, seed: int) -> Block:
    """Return the block with one sample in eight missing, infinite or out of range."""
    rng = np.random.default_rng(seed)
    bad = rng.choice([np.nan, np.inf, -np.inf, 1e5, -1e5], block.shape)
    return np.where(rng.random(block.shape) < 1 / 8, bad, block)


def in_nanovolt(block_uv: Block) -> Block:
    in_range = np.clip(block_uv, -2e6, 2e6)
    return np.where(np.isnan(block_uv), MISSING, 1000 * in_range).astype(np.int32)


@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 400), max_size=20).map(sorted),
    channels=st.integers(1, 9),
    order=st.integers(1, 4),
    smooth_ms=st.floats(0, 500),
    smoothing=st.sampled_from(["moving_average", "one_pole"]),
    precision=st.sampled_from(["float32", "float64"]),
    number=st.sampled_from(["int32", "float32", "float64"]),
)
def test_any_chunking_gives_the_same_bits(
    *,
    seed: int,
    cuts: list[int],
    channels: int,
    order: int,
    smooth_ms: float,
    smoothing: Smoothing,
    precision: Precision,
    number: str,
) -> None:
    block = with_bad_samples(noise_uv(400, channels, seed), seed)
    block = in_nanovolt(block) if number == "int32" else block.astype(number)

    def fresh() -> Envelope:
        return Envelope(250, (13, 35), order, smoothing, smooth_ms, channels, precision)

    whole, parts = fresh(), fresh()
    wanted = envelope_of(block, whole)
    got = np.concatenate([envelope_of(part, parts) for part in np.split(block, cuts)])
    assert got.tobytes() == wanted.tobytes()
    assert (parts.held, parts.saturated) == (whole.held, whole.saturated)


@given(seed=st.integers(0, 2**32 - 1), channels=st.integers(2, 20))
def test_a_channel_does_not_know_its_neighbours(seed: int, channels: int) -> None:
    block = with_bad_samples(noise_uv(100, channels, seed), seed)
    together = envelope_of(block, Envelope(250, channels=channels))
    for c in range(channels):
        alone = envelope_of(np.ascontiguousarray(block[:, c : c + 1]), Envelope(250))
        assert together[:, c].tobytes() == alone.tobytes()


@both_smoothings
@pytest.mark.parametrize("fs_hz", [250.0, 1000.0])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
def test_the_envelope_is_that_of_the_reference(
    precision: Precision, tolerance: float, order: int, fs_hz: float, smoothing: Smoothing
) -> None:
    block = noise_uv(8000)
    got = envelope_of(
        block, Envelope(fs_hz, (13, 35), order, smoothing, 200, precision=precision)
    )
    wanted = reference.envelope(
        block[:, 0],
        fs_hz=fs_hz,
        band_hz=(13, 35),
        order=order,
        smoothing=smoothing,
        smooth_ms=200,
    )
    np.testing.assert_allclose(got[:, 0], wanted, rtol=0, atol=tolerance * wanted.max())


def test_nanovolt_and_microvolt_are_the_same_signal() -> None:
    block_uv = np.round(noise_uv(1000), 3)
    microvolt = envelope_of(block_uv, Envelope(250, precision="float64"))
    nanovolt = envelope_of(in_nanovolt(block_uv), Envelope(250, precision="float64"))
    np.testing.assert_allclose(nanovolt, microvolt, atol=2e-3)


def test_a_sine_in_the_band_has_two_thirds_of_its_amplitude() -> None:
    sine = 50 * np.sin(2 * np.pi * 20 * np.arange(2000) / 1000)[:, None]
    envelope = Envelope(1000, smooth_ms=500)
    settled = envelope_of(sine, envelope)[math.ceil(envelope.settling_ms) :]
    np.testing.assert_allclose(settled, 50 * 2 / np.pi, rtol=0.01)


@both_precisions
@pytest.mark.parametrize("seed", range(5))
def test_a_bad_sample_counts_as_the_last_good_one(precision: Precision, seed: int) -> None:
    block = with_bad_samples(noise_uv(500, seed=seed), seed)
    envelope = Envelope(250, precision=precision, saturation_uv=1000)
    good = reference.held(block[:, 0], 1000)[:, None]
    assert (
        envelope_of(block, envelope).tobytes()
        == envelope_of(good, Envelope(250, precision=precision)).tobytes()
    )
    assert envelope.held == np.sum(~(np.abs(block) <= 1000))
    assert envelope.saturated == np.sum(np.abs(block) > 1000)


@pytest.mark.parametrize(
    ("bad", "saturated"),
    [(np.nan, False), (np.inf, True), (-np.inf, True), (1000.1, True), (-1000.1, True)],
)
def test_each_kind_of_bad_sample_is_held(bad: float, saturated: bool) -> None:
    block = np.array([[5.0], [bad], [1000.0], [-1000.0]])
    envelope = Envelope(250, saturation_uv=1000)
    envelope_of(block, envelope)
    assert (envelope.held, envelope.saturated) == (1, int(saturated))


@both_precisions
@both_smoothings
def test_bad_samples_poison_nothing(precision: Precision, smoothing: Smoothing) -> None:
    signal = noise_uv(4000)
    spoilt = signal.copy()
    spoilt[100:400] = np.resize([np.nan, np.inf, -np.inf, 1e300, -1e300], (300, 1))
    got, wanted = (
        envelope_of(block, Envelope(250, smoothing=smoothing, precision=precision))
        for block in (spoilt, signal)
    )
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[2500:], wanted[2500:], rtol=1e-4)


@both_precisions
@both_smoothings
@pytest.mark.parametrize("order", [1, 4])
def test_zeros_after_an_impulse_reach_exact_zero_and_no_denormal_on_the_way(
    precision: Precision, smoothing: Smoothing, order: int
) -> None:
    impulse = np.zeros((60_000, 1))
    impulse[0] = 1000
    envelope = Envelope(500, (17, 23), order, smoothing, 200, precision=precision)
    out = envelope_of(impulse, envelope)
    assert out.max() > 0.1
    assert not out[-1000:].any()
    assert out[out > 0].min() > np.finfo(out.dtype).tiny
    assert out.min() == 0


@both_precisions
def test_the_moving_sum_keeps_no_residue_of_what_has_left_the_window(
    precision: Precision,
) -> None:
    loud_then_silent = np.zeros((50_000, 1))  # whole windows of 50 samples
    loud_then_silent[:1000] = 1e4 * noise_uv(1000)
    envelope = Envelope(250, smooth_ms=200, precision=precision, saturation_uv=1e9)
    fresh = Envelope(250, smooth_ms=200, precision=precision, saturation_uv=1e9)
    envelope_of(loud_then_silent, envelope)
    # The last good sample is 0 in both, so only a residue could tell them apart.
    quiet = 1e-3 * noise_uv(1000, seed=1)
    assert envelope_of(quiet, envelope).tobytes() == envelope_of(quiet, fresh).tobytes()


@both_precisions
@both_smoothings
def test_reset_forgets_everything(precision: Precision, smoothing: Smoothing) -> None:
    block = with_bad_samples(noise_uv(333, 3), 0)
    envelope = Envelope(250, smoothing=smoothing, channels=3, precision=precision)
    first = envelope_of(block, envelope)
    counts = envelope.held, envelope.saturated
    envelope.reset()
    assert (envelope.held, envelope.saturated) == (0, 0)
    assert envelope_of(block, envelope).tobytes() == first.tobytes()
    assert (envelope.held, envelope.saturated) == counts


def test_an_empty_block_changes_nothing() -> None:
    envelope = Envelope(250)
    assert envelope_of(np.empty((0, 1)), envelope).size == 0
    block = noise_uv(10)
    assert envelope_of(block, envelope).tobytes() == envelope_of(block, Envelope(250)).tobytes()


def test_a_read_only_block_is_welcome() -> None:
    block = noise_uv(10)
    block.flags.writeable = False
    envelope_of(block, Envelope(250))


def test_the_delay_is_that_of_filter_and_smoother() -> None:
    assert Envelope(250, (17, 23), 2, "moving_average", 400).delay_ms == pytest.approx(
        75 + 198, abs=1
    )


@settings(max_examples=20)
@given(fs_hz=st.floats(100, 4000), order=st.integers(1, 4))
def test_any_float32_design_is_stable(fs_hz: float, order: int) -> None:
    impulse = np.zeros((4000, 1))
    impulse[0] = 1000
    out = envelope_of(impulse, Envelope(fs_hz, (13, 35), order, "one_pole", 0))
    assert np.isfinite(out).all()
    assert out[-100:].max() <= out.max() / 2


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"fs_hz": 24_000}, "Choose float64, or decimate first"),
        ({"channels": 0}, "1 to 4096 are allowed"),
        ({"channels": 5000}, "1 to 4096 are allowed"),
        ({"precision": "float16"}, "choose 'float32' or 'float64'"),
        ({"saturation_uv": 0}, "just below the converter's rail"),
        ({"saturation_uv": math.inf}, "just below the converter's rail"),
        ({"saturation_uv": math.nan}, "just below the converter's rail"),
        ({"order": 9}, "1, 2, 3 and 4 are allowed"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Envelope(**{"fs_hz": 250, **parameters})


GOOD = np.zeros((4, 2))
GOOD_OUT = np.zeros((4, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("block", "out", "error", "sentence"),
    [
        (GOOD.astype(np.int16), GOOD_OUT, TypeError, "A block of int16 was pushed"),
        (GOOD.astype(">f8"), GOOD_OUT, TypeError, "native byte order"),
        (np.asfortranarray(GOOD), GOOD_OUT, TypeError, "C-contiguous"),
        (GOOD, GOOD_OUT.astype(np.float64), TypeError, "it must be float32"),
        (GOOD, np.asfortranarray(GOOD_OUT), TypeError, "C-contiguous"),
        (GOOD, np.frombuffer(bytes(32), np.float32).reshape(4, 2), TypeError, "writable"),
        (GOOD[:, 0].copy(), GOOD_OUT, ValueError, "shape (4,) was pushed; give (n, 2)"),
        (np.zeros((4, 3)), GOOD_OUT, ValueError, "shape (4, 3) was pushed; give (n, 2)"),
        (GOOD, GOOD_OUT[:3], ValueError, "out has shape (3, 2); give the block's, (4, 2)"),
        (GOOD, GOOD_OUT.ravel(), ValueError, "out has shape (8,)"),
        (GOOD, np.zeros((4, 1), np.float32), ValueError, "out has shape (4, 1)"),
    ],
)
def test_a_bad_array_is_refused_in_a_sentence(
    block: Block, out: Block, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        Envelope(250, channels=2).push(block, out)
