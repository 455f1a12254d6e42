import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from benchmarks.validation import ecap as validation

from stimloop_dsp import MISSING, Detector, EcapDetector, Quality
from stimloop_dsp.ecap import artefact_uv, ecap_uv, n1_p2_uv, templates, without_artefact

FS_HZ = validation.FS_HZ
Sweep = npt.NDArray[np.int32]


def sweep_nv(amplitude_uv: float, n1_ms: float = 1.2, other: Any = 0.0) -> Sweep:  # noqa: ANN401
    wave = ecap_uv(validation.T_MS, amplitude_uv, n1_ms) + np.asarray(other, np.float64)
    return np.round(1000 * wave).astype(np.int32)[:, None]


@pytest.mark.parametrize("fs_hz", [16_000, 20_000, 22_050, 30_000])
def test_offset_and_drift_are_not_seen_at_all(fs_hz: int) -> None:
    pair = templates(fs_hz)
    ramp = np.arange(pair.shape[1]) - 7.0
    assert np.abs(pair @ np.ones_like(ramp)).max() < 1e-14
    assert np.abs(pair @ ramp).max() < 1e-12 * np.abs(ramp).max()
    assert np.linalg.norm(pair, axis=1) == pytest.approx(1)


def test_the_template_is_four_half_cycles_under_a_triangle() -> None:
    inner = templates(FS_HZ)[0]
    assert inner.size == 40
    assert np.flatnonzero(np.diff(np.sign(inner))).tolist() == [9, 19, 29]
    assert np.argmax(np.abs(inner)) in range(12, 28)


def test_a_triangle_leaks_less_of_slow_artefacts_than_other_windows() -> None:
    triangular = validation.leakage("triangular")
    hann, flat = validation.leakage("hann"), validation.leakage("rectangular")
    # The values of a prototype with its own wave: .087 .055 .017 .003 .000 per unit.
    assert triangular == pytest.approx([0.087, 0.055, 0.017, 0.003, 0.0], abs=0.03)
    assert all(t < r for t, r in zip(triangular, flat, strict=True))
    assert triangular[2] < hann[2]
    assert triangular[3] < hann[3]


@pytest.mark.parametrize("amplitude_uv", [5.0, 50.0, 200.0])
def test_without_noise_the_reading_is_n1_to_p2(amplitude_uv: float) -> None:
    wave = ecap_uv(validation.T_MS, amplitude_uv, 1.2)
    assert wave.max() - wave.min() == pytest.approx(amplitude_uv, rel=0.01)
    reading = validation.detector().push(sweep_nv(amplitude_uv), 0, 0)
    assert reading.level == pytest.approx(amplitude_uv, rel=0.01)
    assert reading.phase_rad == pytest.approx(0, abs=0.05)
    drift = 300 - 40 * validation.T_MS
    drifting = validation.detector().push(sweep_nv(amplitude_uv, other=drift), 0, 0)
    assert drifting.level == pytest.approx(reading.level, abs=0.01)


def test_the_phase_tells_a_late_response() -> None:
    late = validation.detector().push(sweep_nv(50, 1.3), 0, 0)
    early = validation.detector().push(sweep_nv(50, 1.1), 0, 0)
    assert late.phase_rad * early.phase_rad < 0
    assert abs(late.phase_rad) == pytest.approx(2 * math.pi * 0.1, rel=0.3)


def test_the_place_is_found_within_a_tenth_of_a_millisecond_and_then_stands() -> None:
    ecap = validation.detector(search=20)
    middle = ecap.offset
    for i in range(20):
        ecap.push(sweep_nv(50, 1.3), i, 0)
    assert ecap.offset == middle + 2
    for i in range(19):
        ecap.push(sweep_nv(50, 1.2), 20 + i, 0)
    assert ecap.offset == middle + 2
    ecap.push(sweep_nv(50, 1.2), 39, 0)
    assert ecap.offset == middle
    for i in range(40):
        ecap.push(sweep_nv(0), 40 + i, 0)  # nothing to find: the place stays
    assert ecap.offset == middle
    ecap.reset()
    assert ecap.offset == middle


def test_a_response_is_told_where_there_is_one() -> None:
    assert validation.present(0.0) < 0.05
    assert validation.present(40.0) > 0.99


def test_the_correlator_scatters_less_than_reading_two_points() -> None:
    found = validation.readings(50.0, 0.0)
    assert found["correlator"][1] < found["N1-P2"][1]
    assert abs(found["correlator"][0]) < 1
    assert abs(found["N1-P2"][0]) > abs(found["correlator"][0])  # noise adds to extremes


def test_the_model_takes_its_own_artefact_away() -> None:
    artefact = artefact_uv(validation.T_MS, 3000.0) + 20 - 3 * validation.T_MS
    assert np.abs(without_artefact(artefact, FS_HZ)).max() < 1e-6


def test_missed_pulses_and_bad_samples_are_told_and_move_nothing() -> None:
    detector = validation.detector(search=1)
    as_detector: Detector = detector
    as_detector.push(sweep_nv(50), 0, 0)
    middle, noise = detector.offset, detector.noise_uv
    assert as_detector.push(sweep_nv(50), 2, 0).quality == Quality.GAP
    broken = sweep_nv(50, 1.3)
    broken[60] = MISSING
    reading = as_detector.push(broken, 3, 0)
    assert reading.quality == Quality.HELD | Quality.ARTEFACT
    assert not reading.active
    assert (detector.offset, detector.noise_uv) == (middle, noise)
    broken[60] = 2**31 - 1
    assert as_detector.push(broken, 4, 0).quality & Quality.SATURATED


def test_an_inverted_wave_is_no_response() -> None:
    reading = validation.detector().push(sweep_nv(-80), 0, 0)
    assert reading.level == 0
    assert not reading.active


@pytest.mark.parametrize(
    "wrong",
    [
        {"fs_hz": 4000},
        {"on": 0.0},
        {"n1_ms": math.nan},
        {"n1_ms": 5.0},
        {"samples": 50},
        {"search": -1},
        {"lobe_hz": 0.0},
        {"channel": -1},
    ],
)
def test_what_cannot_be_read_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="asked for"):
        EcapDetector(**({"fs_hz": FS_HZ, "on": 10.0, "samples": 120} | wrong))


def test_a_sweep_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="119 samples"):
        validation.detector().push(sweep_nv(50)[:119], 0, 0)
    with pytest.raises(ValueError, match="Record for longer"):
        n1_p2_uv(np.zeros(20), FS_HZ, 1.2)
    with pytest.raises(ValueError, match="choose one of"):
        templates(FS_HZ, window="flat")  # type: ignore[arg-type]


def test_an_impossible_length_of_sweep_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="Sweeps of 0 samples were asked for; 1 to 100000"):
        EcapDetector(FS_HZ, 20.0, samples=0)


def test_the_level_of_the_last_sweep_is_read_only() -> None:
    detector = validation.detector()
    level = detector.push(sweep_nv(60.0), 0, 0).level
    assert detector.levels.tolist() == [level]
    with pytest.raises(ValueError, match="read-only"):
        detector.levels[0] = 0


def test_without_a_search_the_template_stays_where_n1_was_said_to_be() -> None:
    detector = validation.detector(search=0)
    place = detector.offset
    for i in range(60):
        detector.push(sweep_nv(60, 1.3), i, 0)
    assert detector.offset == place


def test_the_phase_of_a_response_is_within_half_a_turn() -> None:
    detector = EcapDetector(25_000.0, 10.0, samples=150)  # a rate that turns the phase forward
    rng = np.random.default_rng(3)
    phases = np.array(
        [
            detector.push(rng.integers(-50_000, 50_000, (150, 1), np.int32), i, 0).phase_rad
            for i in range(400)
        ]
    )
    assert -math.pi < phases.min() < -3
    assert 3 < phases.max() <= math.pi
