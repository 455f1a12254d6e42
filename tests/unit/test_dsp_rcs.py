import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import MISSING, Detector, Quality, Reading
from stimloop_dsp._rcs import LinearDetector, RcsDetector
from stimloop_dsp.rcs import (
    HOLD_MA,
    AdaptiveConfig,
    DetectorConfig,
    Feature,
    FftConfig,
    PowerBand,
    StateRamp,
    counts_per_mv,
    decode_output,
)

Block = npt.NDArray[np.int32]
FAST = FftConfig(64, 50, 2, 8)


def published_rules(  # noqa: C901  # as many branches as the rules have
    configs: list[DetectorConfig], powers: list[list[int]]
) -> list[tuple[list[float], list[int]]]:
    """Outputs and states after each power, by the published rules; histories whole."""
    outputs, states = [0.0] * len(configs), [0] * len(configs)
    history: list[list[int]] = [[0] * 70_000 for _ in configs]  # newest first
    blanked = [0] * len(configs)
    told = []
    for now in range(len(powers)):
        changed = []
        for d, config in enumerate(configs):
            frozen = blanked[d] > 0
            blanked[d] = max(0, blanked[d] - 1)
            if (now + 1) % config.updateRate or frozen:
                continue
            means = np.mean(powers[now + 1 - config.updateRate : now + 1], axis=0)
            outputs[d] = sum(
                f.weightVector
                * f.normalizationMultiplyVector
                * (means[i] - f.normalizationSubtractVector)
                for f, i in zip(config.features, config.inputs, strict=True)
            )
            if (now + 1) // config.updateRate <= config.holdoffTime:
                continue
            low, high = config.biasTerm
            top = 2 if config.dual else 1
            history[d].insert(0, int(outputs[d] > low) + int(config.dual and outputs[d] > high))
            onset = history[d][: max(1, config.onsetDuration)]
            termination = history[d][: max(1, config.terminationDuration)]
            was = states[d]
            if all(h == top for h in onset):
                states[d] = top
            elif all(h == 0 for h in termination):
                states[d] = 0
            elif config.dual and (
                (was == 2 and all(h < 2 for h in termination))
                or (was == 0 and all(h > 0 for h in onset))
            ):
                states[d] = 1
            if states[d] != was:
                changed.append(d)
        for d in changed:
            blanked[d] = configs[d].blankingDurationUponStateChange
            if configs[d].blank_both and len(configs) == 2:
                blanked[1 - d] = configs[1 - d].blankingDurationUponStateChange
        told.append((list(outputs), list(states)))
    return told


configs = st.builds(
    lambda low, gap, features, update, onset, termination, holdoff, blanking, dual, both: (
        DetectorConfig(
            biasTerm=(low, low + gap),
            features=tuple(features),
            inputs=tuple(range(len(features))),
            updateRate=update,
            onsetDuration=onset,
            terminationDuration=termination,
            holdoffTime=holdoff,
            blankingDurationUponStateChange=blanking,
            dual=dual,
            blank_both=both,
        )
    ),
    st.integers(0, 60),
    st.integers(0, 40),
    st.lists(
        st.builds(Feature, st.sampled_from([0.5, 1.0, 2.0, -1.0]), st.just(1.0), st.just(4.0)),
        min_size=1,
        max_size=2,
    ),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
)


@given(config=configs, powers=st.lists(st.lists(st.integers(0, 100), min_size=2, max_size=2)))
def test_a_linear_detector_follows_the_published_rules(
    config: DetectorConfig, powers: list[list[int]]
) -> None:
    detector = LinearDetector(config)
    for power, (outputs, states) in zip(powers, published_rules([config], powers), strict=True):
        detector.push(power)
        assert detector.output == pytest.approx(outputs[0], abs=1e-9)
        assert detector.state == states[0]


def noise_nv(rows: int, channels: int = 1, seed: int = 0) -> Block:
    """White noise with bursts of 20 Hz, strong enough for powers of many counts."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)[:, None] / 250
    strength = 40 * (1 + np.sin(2 * np.pi * 0.7 * t + np.arange(channels)))
    beta = strength * np.sin(2 * np.pi * 20 * t)
    return (1000 * (beta + 5 * rng.standard_normal((rows, channels)))).astype(np.int32)


def band_power(block: Block, fs_hz: int, fft: FftConfig, band: PowerBand) -> list[int]:
    """Power of every window by `numpy.fft`, from the definition."""
    counts = block[:, band.channel] * 1e-6 * counts_per_mv()
    powers = []
    for k in range(10_000):
        end = math.floor(fft.samples + k * fft.interval * fs_hz / 1000)
        if end > len(counts):
            break
        padded = np.zeros(fft.size)
        padded[: fft.samples] = fft.window() * counts[end - fft.samples : end]
        bins = 64 * np.abs(np.fft.fft(padded)) ** 2 / fft.size**2
        powers.append(
            sum(math.floor(bins[b] / fft.divisor) for b in range(band.start, band.stop + 1))
        )
    return powers


def pushed(detector: RcsDetector, block: Block, step: int = 1) -> list[Reading]:
    return [
        detector.push(block[first : first + step], first, 4000 * first)
        for first in range(0, len(block), step)
    ]


@pytest.mark.parametrize("fs_hz", [250, 500, 1000])
@pytest.mark.parametrize("size", [64, 256, 1024])
@pytest.mark.parametrize("load", [2, 22, 42])
def test_band_power_is_that_of_the_fft(fs_hz: int, size: int, load: int) -> None:
    fft = FftConfig(size, 50, load, 9)
    band = PowerBand(4, 7)
    block = noise_nv(1500)
    detector = RcsDetector(fs_hz, fft, [band], [DetectorConfig((1.0, 2.0))])
    wanted = band_power(block, fs_hz, fft, band)
    shift = [math.floor(fft.samples + k * 50 * fs_hz / 1000) for k in range(len(wanted))]
    begin = 0
    for end, power in zip(shift, wanted, strict=True):
        detector.push(block[begin:end], begin, 0)
        begin = end
        # Rounding may carry a bin over an edge of its floor.
        assert abs(detector.powers[0] - power) <= band.stop - band.start + 1


@given(cuts=st.lists(st.integers(1, 799), max_size=30), both=st.booleans())
def test_every_reading_is_the_same_however_the_signal_was_divided(
    cuts: list[int], both: bool
) -> None:
    block = noise_nv(800, 2)
    block[300:320, 0] = MISSING

    def fresh() -> RcsDetector:
        low = DetectorConfig((4e5, 8e5), blankingDurationUponStateChange=3, blank_both=both)
        high = DetectorConfig((4e5, 8e5), inputs=(1,), onsetDuration=2)
        return RcsDetector(250, FAST, [PowerBand(4, 6), PowerBand(4, 6, 1)], [low, high])

    one_by_one = fresh()
    alone = {}
    for i in range(800):
        reading = one_by_one.push(block[i : i + 1], i, 4000 * i)
        alone[i] = (reading.level, reading.active, reading.active_ms, one_by_one.state)
    divided = fresh()
    begin = 0
    for end in sorted({*cuts, 800}):
        reading = divided.push(block[begin:end], begin, 4000 * (end - 1))
        assert (reading.level, reading.active, reading.active_ms, divided.state) == alone[
            end - 1
        ]
        np.testing.assert_array_equal(divided.levels, [alone[i][0] for i in range(begin, end)])
        begin = end
    assert len({state for *_, state in alone.values()}) > 3


@pytest.mark.parametrize("blanking", [0, 1])
def test_two_detectors_make_the_nine_states_by_the_published_rules(blanking: int) -> None:
    block = noise_nv(4000, 2)
    bands = [PowerBand(4, 6), PowerBand(4, 6, 1)]
    settings = [
        DetectorConfig((2e5, 8e5), blankingDurationUponStateChange=5, blank_both=blanking == 0),
        DetectorConfig(
            (3e5, 9e5),
            inputs=(1,),
            onsetDuration=2,
            terminationDuration=3,
            blank_both=blanking == 1,
        ),
    ]
    detector = RcsDetector(250, FAST, bands, settings)
    powers, states = [], []
    ends = [math.floor(62 + k * 12.5) for k in range(300)]
    for begin, end in zip([0, *ends], ends, strict=False):
        detector.push(block[begin:end], begin, 0)
        powers.append(list(detector.powers))
        states.append(detector.state)
    wanted = [s[0] + 3 * s[1] for _, s in published_rules(settings, powers)]
    assert states == wanted
    assert len(set(states)) >= 6


def test_nothing_is_told_before_the_window_is_full_nor_after_a_gap() -> None:
    block = noise_nv(200)
    detector = RcsDetector(250, FAST, [PowerBand(4, 6)], [DetectorConfig((1.0, 2.0))])
    settled = [not r.quality & Quality.WARMUP for r in pushed(detector, block)]
    assert settled.index(True) == 61
    assert detector.levels[-1] > 0
    level = detector.levels[-1]
    reading = detector.push(block[:61], 5000, 0)
    assert reading.quality & Quality.GAP
    assert reading.quality & Quality.WARMUP
    assert reading.level == level
    assert not detector.push(block[61:62], 5061, 0).quality & Quality.WARMUP


def test_a_power_over_range_holds_the_output_and_is_told() -> None:
    block = noise_nv(400)
    block[200:] *= 200
    detector = RcsDetector(
        250,
        FAST,
        [PowerBand(4, 6)],
        [DetectorConfig((1.0, 2.0))],
        saturation_uv=100_000.0,
    )
    readings = pushed(detector, block)
    over = [bool(r.quality & Quality.ARTEFACT) for r in readings]
    assert sum(over) > 5
    for i in range(1, 400):
        assert not over[i] or readings[i].level == readings[i - 1].level


def test_a_ramp_begins_at_the_change_and_shows_one_packet_later() -> None:
    states = (0.0, HOLD_MA, 2.0, *[HOLD_MA] * 6)
    ramp = StateRamp(AdaptiveConfig(states, rise=65536, fall=2 * 65536), 500)
    told = [ramp.update(state) for state in (0, 2, 2, 2, 0, 0, 1, 1, 2, 2, 2)]
    assert told == [0.0, 0.0, 0.5, 1.0, 1.5, 0.5, 0.0, 0.0, 0.0, 0.5, 1.0]


def test_hold_keeps_the_amplitude_of_an_interrupted_ramp() -> None:
    states = (0.0, HOLD_MA, 2.0, *[HOLD_MA] * 6)
    ramp = StateRamp(AdaptiveConfig(states, rise=65536, fall=65536), 500)
    assert [ramp.update(s) for s in (2, 2, 1, 1, 1)] == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_logged_outputs_are_signed_and_fixed_point() -> None:
    assert decode_output(2**32 - 1024, 10) == -1
    assert decode_output(1536, 10) == 1.5
    with pytest.raises(ValueError, match="32 bits"):
        decode_output(2**32, 0)


def test_it_is_a_detector() -> None:
    detector: Detector = RcsDetector(
        500, FftConfig(), [PowerBand(10, 11)], [DetectorConfig((1.0, 2.0), updateRate=3)]
    )
    assert detector.unit == "1"
    assert detector.delay_ms == 250 + 100
    detector.push(noise_nv(300), 0, 0)
    detector.reset()
    assert detector.push(noise_nv(1), 0, 0).level == 0


GOOD: dict[str, Any] = {
    "fs_hz": 250,
    "fft": FAST,
    "bands": [PowerBand(4, 6)],
    "detectors": [DetectorConfig((1.0, 2.0))],
}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"fs_hz": 200}, "250, 500 and 1000"),
        ({"bands": []}, "one\\s+to eight"),
        ({"bands": [PowerBand(4, 40)]}, "bins 0 to 31"),
        ({"detectors": [DetectorConfig((1.0, 2.0), inputs=(1,))]}, "not among"),
        ({"bands": [PowerBand(4, 6, 2)], "trims": [255]}, "channel 2"),
        ({"trims": [0]}, "1 to 255"),
        ({"saturation_uv": 0.0}, "Saturation"),
    ],
)
def test_a_pipeline_that_the_device_has_not_is_refused(
    changed: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        RcsDetector(**(GOOD | changed))


@pytest.mark.parametrize(
    "make",
    [
        lambda: FftConfig(128),
        lambda: FftConfig(interval=20),
        lambda: FftConfig(windowLoad=3),
        lambda: FftConfig(bandFormationConfig=7),
        lambda: PowerBand(5, 4),
        lambda: PowerBand(5, 6, -1),
        lambda: Feature(math.nan),
        lambda: DetectorConfig((2.0, 1.0)),
        lambda: DetectorConfig((1.0, math.inf)),
        lambda: DetectorConfig((1.0, 2.0), features=()),
        lambda: DetectorConfig((1.0, 2.0), inputs=(9,)),
        lambda: DetectorConfig((1.0, 2.0), updateRate=0),
        lambda: DetectorConfig((1.0, 2.0), onsetDuration=-1),
        lambda: AdaptiveConfig((1.0,) * 8, 1, 1),
        lambda: AdaptiveConfig((26.0,) * 9, 1, 1),
        lambda: AdaptiveConfig((1.0,) * 9, 0, 1),
        lambda: StateRamp(AdaptiveConfig((1.0,) * 9, 1, 1), 0),
        lambda: StateRamp(AdaptiveConfig((1.0,) * 9, 1, 1), 100, 30.0),
        lambda: StateRamp(AdaptiveConfig((1.0,) * 9, 1, 1), 100).update(9),
        lambda: counts_per_mv(256),
        lambda: LinearDetector(DetectorConfig((1.0, 2.0))).push([]),
    ],
)
def test_a_setting_that_the_device_has_not_is_refused(make: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=r"asked for|allowed|pushed"):
        make()


def test_wrong_blocks_are_refused_and_change_nothing() -> None:
    bands = [PowerBand(4, 6), PowerBand(4, 6, 1)]
    detector = RcsDetector(250, FAST, bands, [DetectorConfig((1.0, 2.0))])
    with pytest.raises(ValueError, match="channels > 1"):
        detector.push(noise_nv(5), 0, 0)
    with pytest.raises(TypeError, match="int32"):
        detector.push(np.zeros((5, 2)), 0, 0)  # type: ignore[arg-type]
    assert detector.push(noise_nv(5, 2), 7, 0).quality == Quality.WARMUP


def test_what_is_no_setting_of_a_detector_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="is no DetectorConfig; give one"):
        LinearDetector("beta")  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2])
def test_outputs_are_those_of_every_detector(count: int) -> None:
    settings = [DetectorConfig((1.0, 2.0))] * count
    detector = RcsDetector(250, FAST, [PowerBand(4, 6)], settings)
    assert detector.outputs == (0.0,) * count


def test_a_power_over_its_range_freezes_the_output_and_the_state() -> None:
    detector = LinearDetector(DetectorConfig((1.0, 2.0)))
    detector.push([9])
    told = detector.output, detector.state
    assert not detector.push([0], [0])
    assert (detector.output, detector.state) == told
    detector.push([0])
    assert detector.output == 0.0
