"""What every cleaner owes, and what each removes."""

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from stimloop_dsp import MISSING, BetaDetector, Quality
from stimloop_dsp._artefact import Blanking, MarkedCleaner, PeriodicTemplate, Template
from stimloop_dsp._cleaner import Cleaner
from stimloop_dsp._montage import Montage
from stimloop_dsp._notch import Notch

FS_HZ = 1000
RAIL = 2**31 - 1
Block = npt.NDArray[np.int32]
Kind = Callable[..., Cleaner]

KINDS: dict[str, Kind] = {
    "blanking, interpolated": lambda **k: Blanking(FS_HZ, 0.3, 2.0, **k),
    "blanking, held": lambda **k: Blanking(FS_HZ, 0.3, 2.0, "hold", **k),
    "template": lambda **k: Template(FS_HZ, 1, 6, 8, **k),
    "late template": lambda **k: Template(FS_HZ, 20, 40, 4, delay_ms=30, **k),
    "periodic template": lambda **k: PeriodicTemplate(FS_HZ, 1000 / 130, 300, 10, 0.1, **k),
    "notch": lambda **k: Notch(FS_HZ, harmonics=3, **k),
    "montage": lambda **k: Montage(FS_HZ, [(0, None)], **{"channels": 1} | k),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def noise_nv(rows: int, channels: int = 1, seed: int = 0) -> Block:
    rng = np.random.default_rng(seed)
    return (2e4 * rng.standard_normal((rows, channels))).astype(np.int32)


def cleaned(cleaner: Cleaner, block: Block, events: npt.ArrayLike = ()) -> Block:
    if isinstance(cleaner, MarkedCleaner):
        cleaner.mark(events)
    return cleaner.push(block, 0).copy()


@every_kind
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(1, 999), max_size=20),
    events=st.lists(st.floats(0, 999), max_size=60, unique=True).map(sorted),
)
def test_the_output_is_the_same_however_the_signal_was_divided(
    make: Kind, seed: int, cuts: list[int], events: list[float]
) -> None:
    rng = np.random.default_rng(seed)
    bad = rng.choice(np.array([MISSING, RAIL, -RAIL], np.int32), (1000, 1))
    block = np.where(rng.random((1000, 1)) < 1 / 16, bad, noise_nv(1000, seed=seed))
    whole = cleaned(make(), block, events)
    divided = make()
    begin, waiting = 0, np.array(events)
    for end in sorted({*cuts, 1000}):
        if isinstance(divided, MarkedCleaner):  # as late as is allowed
            due = waiting < end + 21
            divided.mark(waiting[due])
            waiting = waiting[~due]
        out = divided.push(np.ascontiguousarray(block[begin:end]), begin)
        np.testing.assert_array_equal(out, whole[begin:end])
        begin = end


@every_kind
def test_channels_do_not_know_each_other(make: Kind) -> None:
    if make is KINDS["montage"]:
        pytest.skip("to combine channels is its purpose")
    block = noise_nv(500, 3)
    events = np.arange(20, 500, 7.69)
    together = cleaned(make(channels=3), block, events)
    for c in range(3):
        alone = cleaned(make(), np.ascontiguousarray(block[:, c : c + 1]), events)
        np.testing.assert_array_equal(together[:, c : c + 1], alone)


@every_kind
def test_missing_and_railed_samples_are_told_as_they_are(make: Kind) -> None:
    cleaner = make()
    lag = round(cleaner.delay_ms * FS_HZ / 1000)
    block = noise_nv(900)
    block[400], block[500] = MISSING, RAIL
    out = cleaned(cleaner, block, [])[:, 0]
    assert np.flatnonzero(out == MISSING).tolist() == [400 + lag]
    assert np.flatnonzero(np.abs(out.astype(np.int64)) == RAIL).tolist() == [500 + lag]


@every_kind
def test_after_a_gap_it_begins_anew(make: Kind) -> None:
    cleaner, fresh = make(), make()
    cleaned(cleaner, noise_nv(700), np.arange(20, 690, 7.69))
    block = noise_nv(300, seed=1)
    np.testing.assert_array_equal(cleaner.push(block, 5000), fresh.push(block, 5000))


@every_kind
def test_reset_forgets_samples_and_events(make: Kind) -> None:
    cleaner, fresh = make(), make()
    cleaned(cleaner, noise_nv(700), np.arange(20, 690, 7.69))
    cleaner.reset()
    block, events = noise_nv(300, seed=1), [50.0, 150.0]
    np.testing.assert_array_equal(
        cleaned(cleaner, block, events), cleaned(fresh, block, events)
    )


@every_kind
@pytest.mark.parametrize(
    ("block", "error", "sentence"),
    [
        (np.zeros((5, 1)), TypeError, "A block of float64 was pushed"),
        (np.zeros((5, 1), np.dtype(">i4")), TypeError, "A block of >i4 was pushed"),
        (np.zeros((5, 2), np.int32)[:, ::2], TypeError, "C-contiguous"),
        (np.zeros((5, 3), np.int32), ValueError, "A block of shape (5, 3) was pushed"),
        (np.zeros(5, np.int32), ValueError, "A block of shape (5,) was pushed"),
    ],
)
def test_a_bad_block_is_refused_in_a_sentence(
    make: Kind, block: Block, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        make().push(block, 0)


@every_kind
def test_an_empty_block_is_no_news(make: Kind) -> None:
    assert make().push(np.zeros((0, 1), np.int32), 0).shape == (0, 1)


@pytest.mark.parametrize("events", [[3.0, 3.0], [4.0, 3.0], [np.nan], [[1.0]], [2.0]])
def test_events_out_of_order_are_refused(events: npt.ArrayLike) -> None:
    cleaner = Blanking(FS_HZ)
    cleaner.mark([1.0, 2.0])
    with pytest.raises(ValueError, match="in order"):
        cleaner.mark(events)


def test_too_many_waiting_events_are_refused_and_passed_ones_make_room() -> None:
    cleaner = Blanking(FS_HZ)
    cleaner.mark(np.arange(4096.0))
    with pytest.raises(ValueError, match="4096 may"):
        cleaner.mark([5000.0])
    cleaner.push(noise_nv(3000), 0)
    cleaner.mark(np.arange(4096.0, 6000))


def test_a_line_closes_the_gap_of_a_pulse() -> None:
    line = (1000 * np.arange(200)).astype(np.int32)[:, None]
    spoilt = line.copy()
    pulses = np.arange(10.2, 190, 7.69)
    for pulse in pulses:
        spoilt[np.ceil(pulse).astype(int) : np.floor(pulse + 2).astype(int) + 1] = 10**8
    cleaner = Blanking(FS_HZ, 0.3, 2.0)
    lag = round(cleaner.delay_ms)
    out = cleaned(cleaner, spoilt, pulses)
    np.testing.assert_array_equal(out[lag:], line[:-lag])


def test_held_blanking_has_no_delay_and_repeats_the_last_sample() -> None:
    block = noise_nv(30)
    cleaner = Blanking(FS_HZ, 0.3, 2.0, "hold")
    assert cleaner.delay_ms == 0
    out = cleaned(cleaner, block, [10.0])
    wanted = block.copy()
    wanted[10:13] = block[9]
    np.testing.assert_array_equal(out, wanted)


def test_pulses_without_pause_are_held() -> None:
    out = cleaned(Blanking(FS_HZ, 0.3, 2.0), noise_nv(60), np.arange(20.0, 60.0))
    assert len(set(out[30:, 0])) == 1


def reference_template(x: npt.NDArray[np.int64], events: list[int], epochs: int) -> list[float]:
    """One channel of a template of 2 samples before and 6 after, by its words."""
    out: list[float] = x.astype(float).tolist()
    seen: list[list[int]] = [[] for _ in range(8)]
    for k, event in enumerate(events):
        end = min(event + 6, events[k + 1] - 2 if k + 1 < len(events) else len(x))
        before = [s for j in range(2) for s in seen[j][-epochs:]]
        base = np.mean(before) if before else 0.0
        for n in range(event - 2, end):
            j = n - event + 2
            if 4 * len(seen[j][-epochs:]) >= epochs:
                out[n] = x[n] - np.mean(seen[j][-epochs:]) + base
            seen[j].append(int(x[n]))
    return out


@given(seed=st.integers(0, 2**32 - 1), gaps=st.lists(st.integers(3, 30), max_size=40))
def test_a_template_is_the_mean_of_the_last_epochs(seed: int, gaps: list[int]) -> None:
    events = (5 + np.cumsum(gaps, dtype=int)).tolist()
    block = noise_nv(5 + sum(gaps) + 10, seed=seed)
    out = cleaned(Template(FS_HZ, 2, 6, 5), block, events)[:, 0]
    wanted = reference_template(block[:, 0].astype(np.int64), events, 5)
    np.testing.assert_allclose(out, wanted, rtol=0, atol=1.01)  # mean and base are rounded


def test_a_pulse_locked_artefact_disappears_and_a_clipped_epoch_is_not_learned() -> None:
    pulses = np.arange(10, 5000, 8)
    artefact = np.zeros(5000, np.int64)
    for j, nv in enumerate([90_000_000, -40_000_000, 9_000_000, 1_000_000]):
        artefact[pulses + j] = nv
    brain = noise_nv(5000)[:, 0]
    block = (brain + artefact)[:, None].astype(np.int32)
    out = cleaned(Template(FS_HZ, 1, 6, 32, saturation_uv=1e5), block, pulses)[:, 0]
    assert np.std(out[1000:] - brain[1000:]) < 0.3 * np.std(brain)
    unlearned = cleaned(Template(FS_HZ, 1, 6, 32, saturation_uv=1e4), block, pulses)[:, 0]
    np.testing.assert_array_equal(unlearned[1000:], block[1000:, 0])


def test_what_is_delayed_may_be_marked_late() -> None:
    block = noise_nv(400)
    late, early = (Template(FS_HZ, 20, 40, 4, delay_ms=50) for _ in range(2))
    events = [60.0, 160.0, 260.0, 360.0]
    wanted = cleaned(early, block, events)
    got = []
    for i in range(400):
        if i - 30.0 in events:
            late.mark([i - 30.0])
        got.append(late.push(block[i : i + 1], i)[0, 0])
    np.testing.assert_array_equal(got, wanted[:, 0])


@pytest.mark.parametrize("period", [1000 / 130, 1000 / 185, 1000 / 130.0417, 8.0])
def test_a_periodic_artefact_disappears_whatever_its_phase(period: float) -> None:
    n = np.arange(8000)
    artefact = sum(1e6 / h * np.cos(2 * np.pi * h * n / period + h) for h in (1, 2, 3))
    brain = noise_nv(8000)[:, 0]
    block = (brain + artefact).astype(np.int32)[:, None]
    cleaner = PeriodicTemplate(FS_HZ, period, 3000, 50, 0.02)
    out = cleaned(cleaner, block)[:, 0]
    settled = round(cleaner.settling_ms)
    residue = out[settled:] - brain[settled:]
    assert np.std(residue) < 0.04 * np.std(artefact)


def test_a_periodic_template_is_a_filter_of_fixed_taps() -> None:
    block = noise_nv(1000)
    period, window, skip, tolerance = 7.7, 300, 20, 0.1
    cleaner = PeriodicTemplate(FS_HZ, period, window, skip, tolerance)
    lags = [
        k
        for k in range(skip + 1, window + 1)
        if abs(k / period - round(k / period)) <= tolerance
    ]
    assert cleaner.taps == len(lags)
    out = cleaned(cleaner, block)[:, 0]
    for n in (500, 999):
        wanted = block[n, 0] - np.mean([block[n - k, 0] for k in lags])
        assert out[n] == pytest.approx(wanted, abs=0.51)


def test_a_notch_removes_the_mains_and_leaves_the_rest() -> None:
    t_s = np.arange(8 * FS_HZ) / FS_HZ
    for hz, left in ((50, 0.0), (100, 0.0), (150, 0.0), (20, 1.0), (40, 1.0), (200, 1.0)):
        tone = np.round(1e6 * np.sin(2 * np.pi * hz * t_s)).astype(np.int32)[:, None]
        out = cleaned(Notch(FS_HZ, harmonics=3), tone)[-2 * FS_HZ :]
        assert np.std(out) / np.std(tone) == pytest.approx(left, abs=0.02)


def test_a_notch_is_scipys() -> None:
    block = noise_nv(2000)
    b, a = signal.iirnotch(60, 30, fs=FS_HZ)
    wanted = signal.lfilter(b, a, block[:, 0].astype(float))
    np.testing.assert_allclose(cleaned(Notch(FS_HZ, 60), block)[:, 0], wanted, atol=0.51)


def test_a_montage_subtracts_columns_and_keeps_what_is_bad_apart() -> None:
    block = np.array(
        [[5, 3, 1], [MISSING, 3, 1], [5, 3, 20_000_000], [5, 3, MISSING]], np.int32
    )
    montage = Montage(FS_HZ, [(0, 1), (2, None), (1, 2)], channels=3)
    assert montage.push(block, 0).tolist() == [
        [2, 1, 2],
        [MISSING, 1, 2],
        [2, RAIL, RAIL],
        [2, MISSING, MISSING],
    ]


def test_a_detector_behind_a_cleaner_flags_what_is_bad() -> None:
    montage, detector = Montage(FS_HZ, [(0, 1)], channels=2), BetaDetector(FS_HZ, 10)
    block = noise_nv(50, 2)
    block[20], block[30] = MISSING, RAIL
    reading = detector.push(montage.push(block, 0), 0, 0)
    assert reading.quality & (Quality.HELD | Quality.SATURATED) == 6


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Blanking(0), "rate"),
        (lambda: Blanking(FS_HZ, -1), "0 to 100 ms are allowed"),
        (lambda: Blanking(FS_HZ, fill="zero"), "choose 'interpolate' or 'hold'"),  # type: ignore[arg-type]
        (lambda: Blanking(FS_HZ, channels=0), "1 to 4096"),
        (lambda: Template(FS_HZ, 0, 0), "together above 0"),
        (lambda: Template(FS_HZ, epochs=0), "1 to 1024"),
        (lambda: Template(FS_HZ, delay_ms=5001), "0 to 5000 ms"),
        (lambda: Template(FS_HZ, saturation_uv=0), "above 0"),
        (lambda: PeriodicTemplate(FS_HZ, 1.0), "Sample faster"),
        (lambda: PeriodicTemplate(FS_HZ, 7.7, 50, 50), "must hold"),
        (lambda: PeriodicTemplate(FS_HZ, 7.7, tolerance=0.5), "below 0.5"),
        (lambda: PeriodicTemplate(FS_HZ, 7.7, 60), "Choose a longer window"),
        (lambda: Notch(80), "Sample faster"),
        (lambda: Notch(FS_HZ, width_hz=26), "up to 25.0 Hz"),
        (lambda: Notch(FS_HZ, harmonics=0), "1 to 20"),
        (lambda: Montage(FS_HZ, [], channels=2), "0 derivations"),
        (lambda: Montage(FS_HZ, [(0, 2)], channels=2), "columns are 0 to 1"),
        (lambda: Montage(FS_HZ, [(-1, None)], channels=2), "columns are 0 to 1"),
        (lambda: Montage(FS_HZ, [(0, 1)], 2, 1e7), "at most 1e6"),
    ],
)
def test_a_bad_parameter_is_refused_in_a_sentence(
    make: Callable[[], Cleaner], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_what_swings_beyond_the_rails_is_at_the_rail_and_not_missing() -> None:
    signs = np.random.default_rng(1).choice([-1, 1], (2000, 1))
    told = Notch(FS_HZ, harmonics=3).push(((RAIL - 1) * signs).astype(np.int32), 0)
    assert (told.min(), told.max()) == (-RAIL, RAIL)
