import numpy as np
import pytest
from benchmarks.validation import artefacts

from stimloop_dsp import Reading
from stimloop_dsp.artefact import SelfTrigger, find_period, folded_harmonics


def test_harmonics_that_sampling_folds_into_the_band_are_told() -> None:
    assert [number for number, _ in folded_harmonics(130, 250)][:2] == [4, 6]
    assert (4, 20.0) in folded_harmonics(130, 250)
    assert (2, 10.0) not in folded_harmonics(130, 250)
    assert (2, 10.0) in folded_harmonics(130, 250, (12, 35))
    assert folded_harmonics(130, 24_000) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0.0, 250.0), "above 0 Hz"),
        ((130.0, 250.0, (35.0, 13.0)), "must hold"),
        ((130.0, 250.0, (13.0, 35.0), -1.0), "must hold"),
        ((130.0, float("nan")), "rate"),
    ],
)
def test_bad_rates_and_bands_are_refused(arguments: tuple[float, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        folded_harmonics(*arguments)


@pytest.mark.parametrize("fs_hz", [250.0, 422.0, 1000.0])
@pytest.mark.parametrize("off", [0.0, 3.1e-4, -2.4e-3])
def test_the_period_is_found_to_a_few_parts_in_a_million(fs_hz: float, off: float) -> None:
    rng = np.random.default_rng(1)
    n = np.arange(round(20 * fs_hz))
    true = fs_hz / (130 * (1 + off))
    t_ms = 1000 * (n % true) / fs_hz
    samples = 30 * np.exp(-t_ms / 1.0) + np.cumsum(rng.standard_normal(n.size))
    assert find_period(samples, fs_hz, 130.0) == pytest.approx(true, rel=5e-6)


def test_without_a_period_to_find_a_sentence_says_so() -> None:
    with pytest.raises(ValueError, match="at least 1 s"):
        find_period(np.zeros(10), 250, 130)
    with pytest.raises(ValueError, match="below 250"):
        find_period(np.zeros(1000), 250, 300)
    with pytest.raises(ValueError, match="harmonics"):
        find_period(np.zeros(1000), 250, 130, harmonics=0)
    with pytest.raises(ValueError, match="at least 1 s"):
        find_period(np.full(1000, np.nan), 250, 130)


def test_a_periodic_template_restores_a_beta_band_into_which_stimulation_folds() -> None:
    left = {x.cleaner: x for x in artefacts.after_pulses(250, artefacts.PEAK_UV, 1)}
    assert left["none"].beta > 0.5
    assert left["periodic template"].beta < 0.15
    assert left["periodic template"].r > 0.98


def test_behind_a_filter_no_cleaner_is_needed_and_blanking_harms() -> None:
    left = {x.cleaner: x for x in artefacts.after_pulses(1000, artefacts.PEAK_UV, 4)}
    assert left["none"].beta < 0.01
    assert left["periodic template"].beta < 0.05
    assert left["blanking, interpolated"].beta > 0.2


def watched(*, echo: float, seed: int, changes: int = 60) -> SelfTrigger:
    """Bursts at random, changes at random; `echo` is the chance that a change makes a burst."""
    rng = np.random.default_rng(seed)
    watch = SelfTrigger(300)
    amplitude_ua, active_left, echo_in = 1000, 0, -1
    for tick in range(changes * 100):
        echo_in -= 1
        if active_left:
            active_left -= 1
        elif rng.random() < 0.01 or echo_in == 0:
            active_left = 10
        reading = Reading(5 * tick, 20_000 * tick, 1.0, active=active_left > 0, active_ms=0)
        if tick % 100 == 50:
            amplitude_ua = 3000 - amplitude_ua
            if rng.random() < echo:
                echo_in = 5
        watch.update(reading, amplitude_ua)
    return watch


def test_a_detector_that_answers_stimulation_is_suspected() -> None:
    assert all(watched(echo=0.6, seed=seed).suspected for seed in range(10))


def test_a_detector_that_knows_nothing_of_stimulation_is_not() -> None:
    probabilities = [watched(echo=0.0, seed=seed).probability for seed in range(100)]
    assert not any(p < 1e-3 for p in probabilities)
    assert np.mean(np.array(probabilities) < 0.1) < 0.2


def test_without_changes_or_onsets_nothing_is_suspected() -> None:
    watch = SelfTrigger()
    assert watch.probability == 1.0
    for tick in range(100):
        watch.update(
            Reading(tick, 20_000 * tick, 1.0, active=tick % 20 > 10, active_ms=0), 1000
        )
    assert watch.onsets[0] > 0
    assert watch.probability == 1.0
    watch.reset()
    assert watch.onsets == [0, 0]


def test_a_bad_window_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0 ms"):
        SelfTrigger(0)
