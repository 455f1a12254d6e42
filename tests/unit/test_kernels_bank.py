import math
import re
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import MISSING, Envelope, reference
from stimloop_dsp._bank import BetaBank, PackedLayout

FS_HZ = 250
Block = npt.NDArray[Any]
Precision = Literal["float32", "float64"]

both_precisions = pytest.mark.parametrize("precision", ["float32", "float64"])


def beta_uv(rows: int, channels: int, seed: int = 0) -> Block:
    """Return noise with half a second of 20 Hz in every second, later in each channel."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(rows)[:, None] / FS_HZ + np.arange(channels) / 7
    beta = 40 * np.sin(2 * np.pi * 20 * t_s) * (t_s % 1 < 0.5)
    return np.asarray(beta + 5 * rng.standard_normal((rows, channels)))


def with_bad_samples(block: Block, seed: int) -> Block:
    rng = np.random.default_rng(seed)
    bad = rng.choice([np.nan, np.inf, -np.inf, 1e5, -1e5], block.shape)
    return np.where(rng.random(block.shape) < 1 / 50, bad, block)


def state(bank: BetaBank) -> tuple[bytes, ...]:
    """Return all that a bank tells, as bytes."""
    told = (bank.levels, bank.active, bank.active_samples, bank.held, bank.saturated)
    return tuple(array.tobytes() for array in told)


def history(bank: BetaBank, block: Block) -> tuple[Block, Block, Block]:
    """Return levels, decisions and durations after each row, pushed one by one."""
    levels, active, lasted = [], [], []
    for i in range(len(block)):
        count = bank.push(block[i : i + 1])
        assert count == bank.active.sum()
        levels.append(bank.levels.copy())
        active.append(bank.active.copy())
        lasted.append(bank.active_samples.copy())
    return np.array(levels), np.array(active), np.array(lasted)


@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 600), max_size=20).map(sorted),
    channels=st.integers(1, 40),
    order=st.integers(1, 4),
    smoothing=st.sampled_from(["moving_average", "one_pole"]),
    precision=st.sampled_from(["float32", "float64"]),
    times_ms=st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 100)),
)
@settings(max_examples=60)
def test_any_chunking_gives_the_same_bits(
    *,
    seed: int,
    cuts: list[int],
    channels: int,
    order: int,
    smoothing: Literal["moving_average", "one_pole"],
    precision: Precision,
    times_ms: tuple[int, int, int],
) -> None:
    block = with_bad_samples(beta_uv(600, channels, seed), seed)

    def fresh() -> BetaBank:
        return BetaBank(
            FS_HZ,
            10,
            7,
            (13, 35),
            order,
            smoothing,
            50,
            *times_ms,
            channels=channels,
            precision=precision,
        )

    whole, parts, single = fresh(), fresh(), fresh()
    whole.push(block)
    for part in np.split(block, cuts):
        if len(part):
            parts.push(part)
    for i in range(600):
        single.push(block[i : i + 1])
    assert state(parts) == state(whole)
    assert state(single) == state(whole)


@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(1, 35),
    onset=st.integers(0, 30),
    termination=st.integers(0, 30),
    blanking=st.integers(0, 60),
    precision=st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=30)
def test_each_channel_decides_as_the_reference_does(
    *,
    seed: int,
    channels: int,
    onset: int,
    termination: int,
    blanking: int,
    precision: Precision,
) -> None:
    rng = np.random.default_rng(seed)
    on_uv = rng.uniform(1, 25, channels).astype(precision)
    off_uv = (on_uv * rng.uniform(0, 1, channels)).astype(precision)
    ms = 1000 / FS_HZ
    bank = BetaBank(
        FS_HZ,
        on_uv,
        off_uv,
        onset_ms=onset * ms,
        termination_ms=termination * ms,
        blanking_ms=blanking * ms,
        channels=channels,
        precision=precision,
    )
    block = beta_uv(800, channels, seed)
    levels, active, lasted = history(bank, block)
    warmup = math.ceil(FS_HZ * bank.settling_ms / 1000)
    for c in range(channels):
        wanted = [False] * warmup + reference.decisions(
            levels[warmup:, c],
            on=float(on_uv[c]),
            off=float(off_uv[c]),
            onset=max(1, onset),
            termination=max(1, termination),
            blanking=blanking,
        )
        assert active[:, c].tolist() == wanted
        run = 0
        for i, is_active in enumerate(wanted):
            run = run + 1 if is_active else 0
            assert lasted[i, c] == run


@both_precisions
@pytest.mark.parametrize("number", ["int32", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 5, 16, 33])
def test_the_levels_are_the_envelope_to_the_bit(
    precision: Precision, number: str, channels: int
) -> None:
    block = with_bad_samples(beta_uv(300, channels), 0)
    if number == "int32":
        bad = ~(np.abs(block) < 2e6)
        block = np.where(bad, MISSING, 1000 * np.where(bad, 0, block))
    block = block.astype(number)
    envelope = Envelope(FS_HZ, (13, 35), 4, "one_pole", 50, channels, precision)
    wanted = np.empty((300, channels), precision)
    envelope.push(block, wanted)
    bank = BetaBank(FS_HZ, 10, order=4, channels=channels, precision=precision)
    levels, _, _ = history(bank, block)
    assert levels.tobytes() == wanted.tobytes()
    assert bank.held.sum() == envelope.held > 0
    assert bank.saturated.sum() == envelope.saturated


def test_the_level_is_that_of_the_reference() -> None:
    block = beta_uv(1000, 3)
    levels, _, _ = history(BetaBank(FS_HZ, 10, channels=3, precision="float64"), block)
    for c in range(3):
        wanted = reference.envelope(
            block[:, c],
            fs_hz=FS_HZ,
            band_hz=(13, 35),
            order=1,
            smoothing="one_pole",
            smooth_ms=50,
        )
        np.testing.assert_allclose(levels[:, c], wanted, rtol=0, atol=1e-9 * wanted.max())


def test_bad_samples_are_counted_in_their_own_channel() -> None:
    block = np.zeros((20, 18))
    block[3, 1] = np.nan
    block[5:7, 17] = 1e5
    bank = BetaBank(FS_HZ, 10, channels=18)
    bank.push(block)
    assert bank.held.tolist() == [0, 1] + [0] * 15 + [2]
    assert bank.saturated.tolist() == [0] * 17 + [2]


def test_no_channel_is_active_before_the_filters_have_settled() -> None:
    bank = BetaBank(FS_HZ, 1e-3, channels=3)
    _, active, _ = history(bank, beta_uv(200, 3))
    warmup = math.ceil(FS_HZ * bank.settling_ms / 1000)
    assert 10 < warmup < 190
    assert not active[:warmup].any()
    assert active[warmup:].all()


def test_thresholds_of_each_channel_may_be_set_while_it_runs() -> None:
    bank = BetaBank(FS_HZ, 1000, channels=20)
    assert bank.push(beta_uv(500, 20)) == 0
    on_uv = np.full(20, 1000.0)
    on_uv[[2, 19]] = 0.5
    bank.thresholds = on_uv, 0.25
    assert bank.push(beta_uv(1, 20)) == 2
    assert np.flatnonzero(bank.active).tolist() == [2, 19]
    bank.reset()
    assert bank.thresholds[0].tolist() == on_uv.tolist()
    assert bank.thresholds[1].tolist() == [0.25] * 20


def test_a_refused_threshold_leaves_the_old_ones() -> None:
    bank = BetaBank(FS_HZ, 10, 5, channels=2)
    for refused in ((4, 5), ([10, 10, 10], 5), ([10, math.nan], 5)):
        with pytest.raises(ValueError, match=r"Raise on or lower off|one for each channel"):
            bank.thresholds = refused
    assert [row.tolist() for row in bank.thresholds] == [[10, 10], [5, 5]]


def test_reset_forgets_everything() -> None:
    block = with_bad_samples(beta_uv(333, 21), 0)
    bank = BetaBank(FS_HZ, 10, onset_ms=20, blanking_ms=50, channels=21)
    fresh = state(bank)
    bank.push(block)
    first = state(bank)
    bank.reset()
    assert state(bank) == fresh
    bank.push(block)
    assert state(bank) == first


def test_its_arrays_are_updated_in_place_and_read_only() -> None:
    bank = BetaBank(FS_HZ, 10, channels=2)
    arrays = [bank.levels, bank.active, bank.active_samples, bank.held, bank.saturated]
    before = bank.levels.copy()
    bank.push(beta_uv(10, 2))
    assert not np.array_equal(arrays[0], before)
    assert bank.levels is arrays[0]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


SAMPLES = {"i16": 2, "i24": 3, "i32": 4}


@both_precisions
@pytest.mark.parametrize("sample", ["i16le", "i16be", "i24le", "i24be", "i32le"])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_the_bytes_of_a_frame_are_its_samples(
    precision: Precision,
    sample: Literal["i16le", "i16be", "i24le", "i24be", "i32le"],
    kind: Callable[[bytes], bytes | bytearray],
) -> None:
    size = SAMPLES[sample[:3]]
    order: Literal["little", "big"] = "big" if sample.endswith("be") else "little"
    top = 2 ** (8 * size - 1)
    rng = np.random.default_rng(0)
    counts = rng.integers(-top, top, (300, 8))
    counts[0, :4] = [-top, top - 1, -1, 0]
    layout = PackedLayout(2, sample, 1000 / top)
    packed, plain = (
        BetaBank(FS_HZ, 100, channels=8, precision=precision, saturation_uv=900)
        for _ in range(2)
    )
    scale = np.dtype(precision).type(1000 / top)
    for row in counts:
        samples = b"".join(int(count).to_bytes(size, order, signed=True) for count in row)
        count = packed.push_bytes(kind(b"\xa0\x01" + samples + b"\xc0"), layout)
        assert count == plain.push((row.astype(precision) * scale)[None])
        assert state(packed) == state(plain)
    assert plain.saturated.sum() > 0
    assert plain.active.any()


@pytest.mark.parametrize(
    ("frame", "error", "sentence"),
    [
        (bytes(25), ValueError, "A frame of 25 bytes was pushed"),
        (bytearray(2), ValueError, "8 channels of i24be at byte 2 need 26"),
        (memoryview(bytes(33)), TypeError, "give bytes or bytearray"),
        (np.zeros(33, np.uint8), TypeError, "A frame of ndarray was pushed"),
    ],
)
def test_a_bad_frame_is_refused_in_a_sentence(
    frame: object, error: type[Exception], sentence: str
) -> None:
    bank = BetaBank(FS_HZ, 10, channels=8)
    with pytest.raises(error, match=re.escape(sentence)):
        bank.push_bytes(cast("bytes", frame), PackedLayout(2, "i24be", 1.0))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ((-1, "i24be", 1.0), "An offset of -1 bytes"),
        ((0, "u8", 1.0), "choose one of i16le, i16be"),
        ((0, "i24be", 0.0), "give a finite number, not 0"),
        ((0, "i24be", math.inf), "give a finite number, not 0"),
    ],
)
def test_a_bad_layout_is_refused_in_a_sentence(
    parameters: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        PackedLayout(*parameters)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"on_uv": 0}, "Raise on or lower off"),
        ({"on_uv": [10, math.inf]}, "Raise on or lower off"),
        ({"off_uv": [5, 11]}, "Raise on or lower off"),
        ({"on_uv": [1, 2, 3]}, "one for each channel, (2,)"),
        ({"onset_ms": -1}, "onset_ms of -1.0 ms was asked for"),
        ({"blanking_ms": math.inf}, "blanking_ms of inf ms"),
        ({"channels": 0}, "1 to 4096 are allowed"),
        ({"fs_hz": 24_000}, "Choose float64, or decimate first"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        BetaBank(**{"fs_hz": FS_HZ, "on_uv": 10, "channels": 2, **parameters})


@pytest.mark.parametrize(
    ("block", "error", "sentence"),
    [
        (np.zeros((5, 2), np.int16), TypeError, "A block of int16 was pushed"),
        (np.zeros((5, 2), ">f8"), TypeError, "native byte order"),
        (np.zeros((5, 4))[:, ::2], TypeError, "C-contiguous"),
        (np.zeros(2), ValueError, "shape (2,) was pushed; give (n, 2) with n >= 1"),
        (np.zeros((0, 2)), ValueError, "n >= 1"),
        (np.zeros((5, 3)), ValueError, "shape (5, 3)"),
    ],
)
def test_a_bad_block_is_refused_in_a_sentence(
    block: Block, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        BetaBank(FS_HZ, 10, channels=2).push(block)


@pytest.mark.skipif(sys.gettrace() is not None, reason="to measure coverage allocates")
def test_a_push_allocates_nothing() -> None:
    block = beta_uv(32, 5)
    frame = bytes(33)
    layout = PackedLayout(2, "i24be", 0.02)
    bank = BetaBank(FS_HZ, 10, 8, channels=5)
    envelope, out = Envelope(FS_HZ, channels=5), np.empty((32, 5), np.float32)
    rounds = list(range(5000))

    def work() -> None:
        for _ in rounds:
            bank.push(block)
            bank.push_bytes(frame, layout)
            envelope.push(block, out)

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


def test_a_bank_tells_its_rate_delay_channels_and_precision() -> None:
    bank = BetaBank(FS_HZ, 10, order=4, channels=3, precision="float64")
    assert (bank.fs_hz, bank.channels, bank.precision) == (FS_HZ, 3, "float64")
    assert bank.delay_ms == Envelope(FS_HZ, (13, 35), 4, "one_pole", 50).delay_ms
