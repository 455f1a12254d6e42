import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_dsp import Detector, PerceptDual, PerceptSingle, Quality, Reading
from stimloop_dsp._percept import PerceptDetector
from stimloop_dsp.percept import (
    DUAL_MS,
    RANGES_MS,
    SINGLE_MS,
    PerceptConfig,
    capture_level,
    captured_thresholds,
)

FS_HZ = 250
DUAL = PerceptConfig(20.0, 5.0, 10.0, 1.0, 3.0, 2.0)
SINGLE = PerceptConfig.single(20.0, 8.0, (1.0, 3.0), 2.0)
Block = npt.NDArray[np.int32]


def tone_nv(rms_uv: npt.ArrayLike, seconds: float, *, hz: float = 20.0) -> Block:
    """A tone in the band whose root mean square is given second by second, or once."""
    rows = round(seconds * FS_HZ)
    t_s = np.arange(rows) / FS_HZ
    rms = np.repeat(np.atleast_1d(np.asarray(rms_uv, float)), FS_HZ)
    rms = np.resize(rms, rows)
    return np.round(1000 * math.sqrt(2) * rms * np.sin(2 * np.pi * hz * t_s)).astype(np.int32)[
        :, None
    ]


def states(detector: PerceptDetector, block: Block) -> list[int]:
    told = []
    for i in range(len(block)):
        detector.push(block[i : i + 1], i, 4000 * i)
        told.append(detector.state)
    return told


def changes(told: list[int]) -> list[tuple[float, int]]:
    """Time, s, and new state of each change."""
    return [(i / FS_HZ, told[i]) for i in range(1, len(told)) if told[i] != told[i - 1]]


@pytest.mark.parametrize("config", [DUAL, SINGLE], ids=["dual", "single"])
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 3999), max_size=20), seed=st.integers(0, 99))
def test_it_tells_the_same_however_the_signal_was_divided(
    config: PerceptConfig, cuts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    block = tone_nv(rng.uniform(0, 15, 16), 16) + rng.integers(-999, 999, (4000, 1), np.int32)
    whole, divided = PerceptDetector(config), PerceptDetector(config)
    told = states(whole, block)
    begin = 0
    for end in sorted({*cuts, 4000}):
        reading = divided.push(block[begin:end], begin, 0)
        assert divided.state == reading.state == told[end - 1]
        assert reading.active == (divided.state == 1)
        begin = end
    assert divided.push(block[-1:], 4000, 0) == whole.push(block[-1:], 4000, 0)


def test_the_level_is_the_root_mean_square_of_a_tone_in_the_band() -> None:
    detector: Detector = PerceptDetector(DUAL)
    assert detector.push(tone_nv(7.0, 20), 0, 0).level == pytest.approx(7.0, rel=0.01)
    detector = PerceptDetector(DUAL)
    assert detector.push(tone_nv(7.0, 20, hz=26.0), 0, 0).level < 0.05


def test_two_thresholds_make_three_states_and_onset_and_blanking_delay_them() -> None:
    level = [7] * 6 + [14] * 10 + [7] * 10 + [2] * 10
    told = changes(states(PerceptDetector(DUAL), tone_nv(level, 36)))
    assert [state for _, state in told] == [1, 0, -1]
    for (at_s, _), begun_s in zip(told, (6, 16, 26), strict=True):
        # half a window, about half the averaging, and the onset of six updates
        assert begun_s + 1.5 < at_s < begun_s + 3.2


def test_a_single_threshold_has_two_states_and_is_fast() -> None:
    told = changes(states(PerceptDetector(SINGLE), tone_nv([2] * 3 + [14] * 3 + [2] * 3, 9)))
    assert [state for _, state in told] == [1, -1]
    assert all(at_s < begun_s + 0.6 for (at_s, _), begun_s in zip(told, (3, 6), strict=True))


def test_nothing_changes_during_blanking() -> None:
    blanked = PerceptConfig(
        20.0, 5.0, 10.0, 1.0, 3.0, 2.0, DetectionBlankingDurationInMilliSeconds=30_000
    )
    told = changes(states(PerceptDetector(blanked), tone_nv([7] * 6 + [14] * 4 + [2] * 50, 60)))
    assert [state for _, state in told] == [1, -1]
    assert told[1][0] - told[0][0] >= 30


def test_until_it_has_settled_it_warns_and_decides_nothing() -> None:
    detector = PerceptDetector(DUAL)
    block = tone_nv(14.0, 10)
    readings = [detector.push(block[i : i + 1], i, 0) for i in range(len(block))]
    warm = math.ceil(detector.settling_ms * FS_HZ / 1000)
    assert all(r.quality & Quality.WARMUP and not r.active for r in readings[:warm])
    assert not any(r.quality & Quality.WARMUP for r in readings[warm:])
    assert readings[-1].active


def test_over_a_gap_the_state_stands_and_everything_settles_anew() -> None:
    detector = PerceptDetector(DUAL)
    detector.push(tone_nv(14.0, 10), 0, 0)
    assert detector.state == 1
    reading = detector.push(tone_nv(2.0, 1), 9999, 0)
    assert reading.quality & (Quality.GAP | Quality.WARMUP) == Quality.GAP | Quality.WARMUP
    assert detector.state == 1
    detector.push(tone_nv(2.0, 10), 9999 + FS_HZ, 0)
    assert detector.state == -1


def test_more_stimulation_less_beta_gives_both_thresholds() -> None:
    assert captured_thresholds(10.0, 4.0) == (4.0, 10.0)
    assert captured_thresholds(10.0, 4.0, dual=False) == (8.5, 8.5)


@pytest.mark.parametrize(
    ("at_lower", "at_upper", "sentence"),
    [
        (4.0, 10.0, "must be 1.1 times"),
        (10.0, 9.5, "must be 1.1 times"),
        (10.0, 0.0, "must be 1.1 times"),
        (math.nan, 4.0, "must be 1.1 times"),
        (1.0, 0.5, "Sense with other contacts"),
        (401.0, 4.0, "Sense with other contacts"),
    ],
)
def test_a_capture_without_suppression_is_refused(
    at_lower: float, at_upper: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        captured_thresholds(at_lower, at_upper)


def captured(levels: list[float], quality: Quality = Quality.OK) -> list[Reading]:
    return [
        Reading(i, 200_000 * i, level, active=False, active_ms=0, quality=quality)
        for i, level in enumerate(levels)
    ]


def test_a_capture_is_the_mean_of_thirty_seconds_without_what_is_flagged() -> None:
    levels = [3.0] * 75 + [5.0] * 75
    assert capture_level(captured(levels)) == 4.0
    spoilt = captured(levels)
    spoilt[3:13] = captured([99.0] * 10, Quality.HELD)
    assert capture_level(spoilt) == pytest.approx(4.0714, abs=1e-4)


@pytest.mark.parametrize(
    ("readings", "sentence"),
    [
        ([], "A capture of 0 s was given"),
        (captured([3.0] * 100), "30 s are needed"),
        (captured([3.0] * 151, Quality.ARTEFACT), "151 of 151 readings"),
    ],
)
def test_a_short_or_spoilt_capture_is_refused(readings: list[Reading], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        capture_level(readings)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"FrequencyInHertz": 30.0}, "10.5 to 27.5"),
        ({"FrequencyInHertz": math.nan}, "10.5 to 27.5"),
        ({"LowerLfpThreshold": 0.5}, "Capture them again"),
        ({"LowerLfpThreshold": 11.0}, "Capture them again"),
        ({"UpperLimitInMilliAmps": 26.0}, "Choose other limits"),
        ({"SuspendAmplitudeInMilliAmps": 3.1}, "the limits, are allowed"),
        ({"TransitionUpInMilliSeconds": 200}, "250 to 1800000"),
        ({"AveragingDurationInMilliSeconds": 30_001}, "0 to 30000"),
        ({"UpperThresholdOnsetInMilliSeconds": -1}, "0 to 360000"),
    ],
)
def test_a_setting_outside_its_range_is_refused(
    fields: dict[str, float], sentence: str
) -> None:
    usual = {
        "FrequencyInHertz": 20.0,
        "LowerLfpThreshold": 5.0,
        "UpperLfpThreshold": 10.0,
        "LowerLimitInMilliAmps": 1.0,
        "UpperLimitInMilliAmps": 3.0,
        "SuspendAmplitudeInMilliAmps": 2.0,
    }
    with pytest.raises(ValueError, match=sentence):
        PerceptConfig(**usual | fields)  # type: ignore[arg-type]  # some are whole numbers


@pytest.mark.parametrize("thresholds", [(5.0, 5.0), (5.0, 10.0), (9.0, 0.1), (math.nan, 5.0)])
def test_a_detector_of_two_thresholds_refuses_what_are_not_two(
    thresholds: tuple[float, float],
) -> None:
    with pytest.raises(ValueError, match="must hold"):
        PerceptDetector(DUAL).thresholds = thresholds


def told(state: int, quality: Quality = Quality.OK) -> Reading:
    return Reading(0, 0, 1.0, active=False, active_ms=0, quality=quality, state=state)


LIMITS = {"tick_us": 100_000, "period_us": 7692, "amplitude_min_ua": 1000}


def test_the_amplitude_ramps_between_its_limits_holds_between_and_suspends() -> None:
    controller = PerceptDual(**LIMITS, amplitude_max_ua=3000, suspend_ua=2000)

    def after(seconds: float, reading: Reading) -> int:
        for _ in range(round(10 * seconds)):
            setting = controller.update(reading)
        return setting.amplitude_ua

    assert after(10, told(1)) == 2000  # the startup delay
    assert after(75, told(1)) == 3000  # half of the way, in half of 150 s
    assert after(10, told(1)) == 3000
    assert after(1000, told(0)) == 3000
    assert after(150, told(-1)) == 2000
    assert after(150, told(-1)) == 1000
    controller.reset()
    assert after(1, told(1)) == 2000


def test_without_a_signal_the_amplitude_holds_for_two_seconds_and_is_then_suspended() -> None:
    controller = PerceptSingle(**LIMITS, amplitude_max_ua=3000, suspend_ua=2000)
    for _ in range(20):
        controller.update(told(1))
    lost = [controller.update(told(1, Quality.SATURATED)).amplitude_ua for _ in range(30)]
    assert lost[:20] == [3000] * 20
    assert lost[20] < 3000
    assert lost[21:] == [2000] * 9
    assert controller.update(told(1)).amplitude_ua > 2000


def test_the_amplitude_is_told_in_steps_and_never_beyond_a_limit() -> None:
    fine = LIMITS | {"tick_us": 10_000}
    controller = PerceptSingle(**fine, amplitude_max_ua=2950, suspend_ua=1000)
    amplitudes = {controller.update(told(1)).amplitude_ua for _ in range(100)}
    assert amplitudes == {*range(1100, 3000, 100), 2950}


def test_every_default_lies_within_its_published_range() -> None:
    for defaults in (DUAL_MS, SINGLE_MS):
        assert set(defaults) == set(RANGES_MS)
        for name, (low, high) in RANGES_MS.items():
            assert low <= defaults[name] <= high


def test_thresholds_are_told_as_they_were_set() -> None:
    detector = PerceptDetector(DUAL)
    assert detector.thresholds == (DUAL.UpperLfpThreshold, DUAL.LowerLfpThreshold)
    detector.thresholds = 9.0, 4.0
    assert detector.thresholds == (9.0, 4.0)
