import numpy as np
import numpy.typing as npt
import pytest

from stimloop_dsp import BetaDetector
from stimloop_lab import frontier, score, signals
from stimloop_lab.contenders import BASELINE, DEFAULT, Contender, WindowedFft, contenders

FS_HZ = 250
Mask = npt.NDArray[np.bool_]


def truth() -> Mask:
    mask = np.zeros(60 * FS_HZ, bool)
    for onset in range(500, 14_000, 1000):
        mask[onset : onset + 100] = True
    return mask


def test_a_perfect_detector_has_a_perfect_score() -> None:
    found = score.score(truth(), truth().astype(float), truth(), FS_HZ)
    assert found == score.Score(1, 0, 0, 0, 1, 1, 1, 0)


def test_a_silent_detector_finds_nothing_and_alarms_never() -> None:
    found = score.score(np.zeros_like(truth()), np.zeros(truth().size), truth(), FS_HZ)
    assert (found.sensitivity, found.false_per_min, found.f1) == (0, 0, 0)
    assert np.isnan(found.latency_ms)
    assert found.auc == 0.5  # a level that never changes tells nothing


def test_an_inverted_level_has_no_area() -> None:
    assert score.score(~truth(), -truth().astype(float), truth(), FS_HZ).auc == 0


def test_a_late_detection_is_found_with_its_latency() -> None:
    late = np.roll(truth(), 25)
    found = score.score(late, late.astype(float), truth(), FS_HZ)
    assert found.sensitivity == 1
    assert found.latency_ms == found.latency_p95_ms == 100
    assert found.false_per_min == 0


def test_a_detection_too_short_and_too_late_finds_nothing() -> None:
    late = np.zeros_like(truth())
    late[560:590] = True
    found = score.score(late, late.astype(float), truth(), FS_HZ)
    assert found.sensitivity == 0
    assert found.false_per_min == 0  # it touches a burst


def test_detections_outside_of_bursts_are_false_and_pieces_are_counted() -> None:
    detected = truth()
    detected[550] = False
    for onset in (700, 800, 900):
        detected[onset : onset + 10] = True
    found = score.score(detected, detected.astype(float), truth(), FS_HZ)
    assert found.false_per_min == 3
    assert found.fragments == 15 / 14


def test_the_truth_of_the_patient_is_its_own_amplitude() -> None:
    signal = signals.patient(3, 60.0)
    lengths = np.diff(signals.runs(signal.truth))
    assert lengths.min() >= 25
    assert 0.02 < signal.truth.mean() < 0.25
    assert signal.block.shape == (60 * FS_HZ, 1)


def test_synthetic_bursts_have_the_strength_that_was_asked_for() -> None:
    weak, strong = signals.synthetic(1, 60.0, 1.0), signals.synthetic(1, 60.0, 4.0)
    quiet = signals.synthetic(1, 60.0, 0.0)
    assert not quiet.truth.any()
    for signal, snr in ((weak, 1), (strong, 4)):
        burst_uv = (signal.block - quiet.block)[signal.truth, 0] / 1000
        assert np.sqrt(np.mean(burst_uv**2)) == pytest.approx(snr * 5, rel=0.02)
    np.testing.assert_array_equal(weak.block[~weak.truth], strong.block[~strong.truth])


def test_levels_do_not_depend_on_the_ticks_they_were_pushed_in() -> None:
    signal = signals.patient(3, 30.0)
    for contender in contenders(20.0):
        if contender.family.startswith("FFT"):
            continue
        whole = contender.make(FS_HZ)
        whole.push(signal.block, 0, 0)
        levels, _ = contender.levels(signal)
        np.testing.assert_array_equal(levels, np.asarray(whole.levels, float))


def test_the_baseline_is_the_fft_of_its_window() -> None:
    signal = signals.synthetic(2, 10.0, 2.0)
    baseline = WindowedFft(1000, (13, 35), 1000, 100)
    for first in range(0, 5000, 20):
        baseline.push(signal.block[first : first + 20], first, 0)
    window = signal.block[4000:5000, 0] * 1e-3 * np.hanning(1001)[:-1]
    power = np.sum(np.abs(np.fft.rfft(window)[13:36]) ** 2)
    assert baseline.levels[-1] == pytest.approx(np.sqrt(power) / 1000)


def test_the_default_is_the_detector_without_parameters() -> None:
    (default,) = (c for c in contenders(20.0) if c.name == DEFAULT)
    signal = signals.patient(3, 30.0)
    plain = BetaDetector(FS_HZ, 1e9)
    plain.push(signal.block, 0, 0)
    np.testing.assert_array_equal(default.levels(signal)[0], plain.levels)


def test_the_default_detector_is_six_times_as_fast_as_a_window_of_a_second() -> None:
    quiet = signals.synthetic(2, 120.0, 0.0)
    bursts = signals.synthetic(1, 120.0, 2.0)
    by_name = {c.name: c for c in contenders(20.0)}
    default, baseline = (
        frontier.prices(by_name[name], bursts, quiet, [frontier.EQUAL])[0]
        for name in (DEFAULT, BASELINE)
    )
    assert default.missed == 0
    assert baseline.median_ms / default.median_ms >= 6


def test_missed_bursts_have_no_delay_rather_than_none_of_the_delays() -> None:
    signal = signals.synthetic(1, 60.0, 2.0)

    class Deaf:
        delay_ms = 0.0

        def __init__(self) -> None:
            self.levels: npt.NDArray[np.floating] = np.zeros(0)
            self._inner = BetaDetector(1000, 1e9)

        def push(self, block: npt.NDArray[np.int32], first_index: int, t_us: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
            self.levels = np.zeros(len(block))
            return self._inner.push(block, first_index, t_us)

    (price,) = frontier.prices(Contender("deaf", "", lambda _: Deaf()), signal, None, [0.01])
    assert price.missed == 1
    assert np.isnan(price.median_ms)


def test_the_card_is_the_same_twice_and_brackets_its_means() -> None:
    chosen = [c for c in contenders(20.0) if c.name in {DEFAULT, BASELINE}]
    one, two = (score.card(chosen, range(3), 20.0) for _ in range(2))
    assert repr(one) == repr(two)
    for line in one:
        assert line.low.auc <= line.mean.auc <= line.high.auc


@pytest.mark.parametrize(
    ("seeds", "seconds"), [([], 60.0), ([1000], 60.0), ([0], 10.0), ([0], float("nan"))]
)
def test_a_card_of_nothing_is_refused(seeds: list[int], seconds: float) -> None:
    with pytest.raises(ValueError, match="asked for"):
        score.card([], seeds, seconds)
