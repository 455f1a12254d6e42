import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from stimloop_dsp.design import BandPass, band_pass, sample_count, smoother


def as_scipy(design: BandPass) -> np.ndarray:
    sections = [[1.0, 0.0, -1.0, 1.0, a1, a2] for a1, a2 in design.sections]
    sections[0][:3] = [design.gain, 0.0, -design.gain]
    return np.array(sections)


@given(
    order=st.integers(1, 4),
    low_hz=st.floats(0.5, 60),
    width=st.floats(1.05, 20),
    fs_hz=st.sampled_from([250.0, 500.0, 1000.0]),
)
def test_the_band_pass_has_the_response_of_scipys(
    order: int, low_hz: float, width: float, fs_hz: float
) -> None:
    band_hz = (low_hz, min(low_hz * width, 0.49 * fs_hz))
    hz = np.linspace(0.01, 0.99, 200) * fs_hz / 2
    wanted = signal.butter(order, band_hz, "bandpass", fs=fs_hz, output="sos")
    ours = as_scipy(band_pass(fs_hz, band_hz, order))
    np.testing.assert_allclose(
        signal.freqz_sos(ours, hz, fs=fs_hz)[1],
        signal.freqz_sos(wanted, hz, fs=fs_hz)[1],
        rtol=1e-6,
        atol=1e-9,
    )


@pytest.mark.parametrize(
    ("order", "band_hz", "delay_ms"),
    [(1, (17.0, 23.0), 52), (2, (17.0, 23.0), 75), (3, (17.0, 23.0), 105), (2, (13, 35), 21)],
)
def test_the_group_delay_is_the_published_one(
    order: int, band_hz: tuple[float, float], delay_ms: float
) -> None:
    assert band_pass(250, band_hz, order).delay_ms == pytest.approx(delay_ms, abs=2)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_group_delay_is_the_slope_of_the_phase(order: int) -> None:
    design = band_pass(1000, (13, 35), order)
    hz = math.sqrt(13 * 35) + np.array([-1e-3, 1e-3])
    phase = np.angle(signal.freqz_sos(as_scipy(design), hz, fs=1000)[1])
    slope_s = -np.diff(np.unwrap(phase))[0] / (2 * np.pi * 2e-3)
    assert design.delay_ms == pytest.approx(1000 * slope_s, rel=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_settled_band_pass_has_forgotten_its_first_sample(order: int) -> None:
    design = band_pass(1000, (13, 35), order)
    response = np.abs(signal.sosfilt(as_scipy(design), np.eye(1, 5000)[0]))
    settled = math.ceil(design.settling_ms)
    assert response[settled:].max() < 0.01 * response.max()
    assert response[settled // 4 :].max() > 0.01 * response.max()


def test_a_moving_average_is_as_long_as_asked() -> None:
    design = smoother(250, "moving_average", 400)
    assert (design.window, design.delay_ms, design.settling_ms) == (100, 198, 400)


def test_one_pole_reaches_63_percent_after_its_time_constant() -> None:
    design = smoother(1000, "one_pole", 50)
    left = (1 - design.alpha) ** 50
    assert left == pytest.approx(math.exp(-1))
    assert design.delay_ms == pytest.approx(50, abs=0.6)
    assert (1 - design.alpha) ** design.settling_ms == pytest.approx(1e-3)


@pytest.mark.parametrize("smoothing", ["moving_average", "one_pole"])
def test_no_smoothing_delays_nothing(smoothing: str) -> None:
    design = smoother(250, smoothing, 0)  # type: ignore[arg-type]
    assert design.delay_ms == 0
    assert (design.window, design.alpha) in {(1, 0), (0, 1)}


def test_a_duration_is_at_least_one_sample() -> None:
    assert [sample_count(250, ms) for ms in (0, 1, 4, 100, 1000)] == [1, 1, 1, 25, 250]


@pytest.mark.parametrize(
    ("fs_hz", "band_hz", "order", "sentence"),
    [
        (0, (13, 35), 2, "finite rate above 0 Hz"),
        (math.nan, (13, 35), 2, "finite rate above 0 Hz"),
        (250, (0, 35), 2, "0 < lower < upper < 125.0 Hz"),
        (250, (35, 13), 2, "0 < lower < upper < 125.0 Hz"),
        (250, (13, 125), 2, "0 < lower < upper < 125.0 Hz"),
        (250, (math.nan, 35), 2, "0 < lower < upper < 125.0 Hz"),
        (250, (13, 35), 0, "1, 2, 3 and 4 are allowed"),
        (250, (13, 35), 5, "1, 2, 3 and 4 are allowed"),
    ],
)
def test_an_impossible_band_is_refused_in_a_sentence(
    fs_hz: float, band_hz: tuple[float, float], order: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        band_pass(fs_hz, band_hz, order)


@pytest.mark.parametrize(
    ("smoothing", "smooth_ms", "sentence"),
    [
        ("hann", 100, "choose 'moving_average' or 'one_pole'"),
        ("one_pole", -1, "0 ms or more"),
        ("one_pole", math.nan, "0 ms or more"),
        ("moving_average", math.inf, "finite time"),
    ],
)
def test_impossible_smoothing_is_refused_in_a_sentence(
    smoothing: str, smooth_ms: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        smoother(250, smoothing, smooth_ms)  # type: ignore[arg-type]
