import cmath
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import signal

from stimloop_dsp._echt import EndpointHilbert
from stimloop_dsp._resonator import Resonator
from stimloop_dsp._sliding import SlidingDft, SpectralDetector
from stimloop_dsp.design import endpoint_weights

FloatArray = npt.NDArray[np.float64]


def noise_uv(rows: int, channels: int = 1, seed: int = 0) -> FloatArray:
    """White noise upon a drift, hard on sums that never forget."""
    noise = np.random.default_rng(seed).standard_normal((rows, channels))
    return 30 * noise + 1000 + np.arange(rows)[:, None]


@pytest.mark.parametrize(("fs_hz", "window_ms"), [(250, 1000), (250, 256), (1000, 1000)])
def test_the_sliding_dft_is_that_of_the_window_at_every_sample(
    fs_hz: int, window_ms: int
) -> None:
    x = noise_uv(5 * fs_hz, 2)
    dft = SlidingDft(fs_hz, (13, 35), window_ms, channels=2)
    n = dft.window
    hann = signal.windows.hann(n, sym=False)[:, None]
    bins = np.round(dft.bins_hz * n / fs_hz).astype(int)
    for i in range(len(x)):
        dft.push(x[i : i + 1])
        if i >= n - 1 and i % 7 == 0:
            spectrum = np.fft.rfft(hann * x[i - n + 1 : i + 1], axis=0)[bins]
            wanted = np.sqrt(16 / 3 * np.sum(np.abs(spectrum) ** 2, axis=0)) / n
            np.testing.assert_allclose(dft.amplitudes, wanted, rtol=1e-9)


@pytest.mark.parametrize(("window_ms", "hop_ms"), [(256, 32), (1000, 40), (1000, 100)])
def test_at_a_hop_the_sliding_dft_is_that_of_the_window(window_ms: int, hop_ms: int) -> None:
    x = noise_uv(1250, 2)
    dft = SlidingDft(250, (13, 35), window_ms, hop_ms, channels=2)
    n, hop = dft.window, dft.hop
    hann = signal.windows.hann(n, sym=False)[:, None]
    bins = np.round(dft.bins_hz * n / 250).astype(int)
    for end in range(hop, len(x) + 1, hop):
        dft.push(x[end - hop : end])
        if end >= n:
            spectrum = np.fft.rfft(hann * x[end - n : end], axis=0)[bins]
            wanted = np.sqrt(16 / 3 * np.sum(np.abs(spectrum) ** 2, axis=0)) / n
            np.testing.assert_allclose(dft.amplitudes, wanted, rtol=1e-9)


@pytest.mark.parametrize("hop_ms", [0, 12, 32, 60, 100])
def test_the_sliding_dft_has_the_same_bits_however_the_signal_is_divided(hop_ms: int) -> None:
    x = noise_uv(1003, 3)
    x[17, 1] = np.nan
    whole, divided = (SlidingDft(250, (13, 35), 300, hop_ms, channels=3) for _ in range(2))
    rng = np.random.default_rng(1)
    start = 0
    while start < len(x):
        end = start + int(rng.integers(1, 30))
        whole.reset()
        whole.push(x[:end])
        divided.push(x[start:end])
        np.testing.assert_array_equal(divided.amplitudes, whole.amplitudes)
        start = end


def test_rounding_outlives_no_more_windows_than_there_are_groups_of_four_bins() -> None:
    dft, fresh = SlidingDft(250, window_ms=256), SlidingDft(250, window_ms=256)
    huge, small = 1e9 * noise_uv(64 * 500), noise_uv(64)
    dft.push(huge)
    groups = math.ceil(len(dft.bins_hz) / 4) + 2
    for _ in range(groups):
        dft.push(small)
    fresh.push(small)
    np.testing.assert_array_equal(dft.amplitudes, fresh.amplitudes)


def test_a_sine_in_the_band_is_told_as_its_root_mean_square() -> None:
    dft = SlidingDft(250)
    dft.push(10 * np.sin(2 * np.pi * 20 * np.arange(500) / 250)[:, None].copy())
    assert dft.amplitudes[0] == pytest.approx(10 / math.sqrt(2), rel=1e-12)


def test_channels_are_independent_and_a_missing_sample_is_held() -> None:
    x = noise_uv(900, 3)
    x[100:140, 1] = np.nan
    x[300, 2] = np.inf
    together = SlidingDft(250, channels=3)
    together.push(x)
    for c in range(3):
        alone = SlidingDft(250)
        held = x[:, c : c + 1].copy()
        for i in range(1, len(held)):
            if not np.isfinite(held[i, 0]):
                held[i, 0] = held[i - 1, 0]
        alone.push(held)
        assert together.amplitudes[c] == alone.amplitudes[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"fs_hz": 0},
        {"fs_hz": math.nan},
        {"band_hz": (35, 13)},
        {"band_hz": (13, 200)},
        {"band_hz": (0, 13)},
        {"band_hz": (20.2, 20.4)},
        {"window_ms": 0},
        {"window_ms": math.inf},
        {"window_ms": 20},
        {"hop_ms": -1},
        {"channels": 0},
    ],
)
def test_a_sliding_dft_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="asked for"):
        SlidingDft(**({"fs_hz": 250} | wrong))


@pytest.mark.parametrize(
    ("block", "error"),
    [
        (np.zeros((5, 1), np.float32), TypeError),
        (np.zeros((10, 1))[::2], TypeError),
        (np.zeros((5, 2)), ValueError),
        (np.zeros(5), ValueError),
    ],
)
def test_a_wrong_block_is_refused(block: Any, error: type[Exception]) -> None:  # noqa: ANN401
    with pytest.raises(error):
        SlidingDft(250).push(block)


def test_with_a_hop_the_level_is_held_between() -> None:
    block = (1000 * noise_uv(500)).astype(np.int32)
    every, hopping = SpectralDetector(250, 1), SpectralDetector(250, 1, hop_ms=40)
    every.push(block, 0, 0)
    hopping.push(block, 0, 0)
    held = np.repeat(every.levels[9::10], 10)
    # Not to the bit: between hops samples are added eight at a time.
    np.testing.assert_allclose(hopping.levels[9:], held[: 500 - 9], rtol=1e-12)
    assert hopping.delay_ms == every.delay_ms + 18


def test_the_resonator_is_least_mean_squares() -> None:
    block = np.round(1000 * (noise_uv(1000) - 1000)).astype(np.int32)
    detector = Resonator(250, 1, peak_hz=19.3, bandwidth_hz=2)
    detector.push(block, 0, 0)
    x = block * 1e-3
    mu, a, b, wanted = 2 * math.pi * 2 / 250, 0.0, 0.0, []
    for i in range(1000):
        reference = cmath.exp(2j * math.pi * 19.3 / 250 * (i + 1))
        error = x[i, 0] - (a * reference.real + b * reference.imag)
        a += mu * error * reference.real
        b += mu * error * reference.imag
        wanted.append(math.hypot(a, b))
    np.testing.assert_allclose(detector.levels, wanted, rtol=1e-9)


def cosine_nv(hz: float, rows: int, fs_hz: int = 250) -> npt.NDArray[np.int32]:
    """Return a cosine of 50 µV."""
    return np.round(50_000 * np.cos(2 * np.pi * hz * np.arange(rows)[:, None] / fs_hz)).astype(
        np.int32
    )


@pytest.mark.parametrize("hz", [18.0, 20.0, 23.0])
@pytest.mark.parametrize("kind", [Resonator, EndpointHilbert])
def test_amplitude_and_phase_of_a_cosine_are_told(
    kind: type[Resonator | EndpointHilbert], hz: float
) -> None:
    detector = kind(250, 1, peak_hz=hz)
    block = cosine_nv(hz, 1000)
    for i in range(1000):
        reading = detector.push(block[i : i + 1], i, 0)
        if i > 800:
            phase = cmath.phase(cmath.exp(2j * math.pi * hz * i / 250))
            turned = cmath.phase(cmath.exp(1j * (reading.phase_rad - phase)))
            assert abs(turned) < 0.1
            assert reading.level == pytest.approx(50, rel=0.06)


def test_the_endpoint_is_the_last_sample_of_the_filtered_analytic_signal() -> None:
    block = (1000 * (noise_uv(400) - 1000)).astype(np.int32)
    detector = EndpointHilbert(250, 1, peak_hz=21, window_ms=500)
    detector.push(block, 0, 0)
    sections = signal.butter(2, (0.75 * 21, 1.25 * 21), "bandpass", fs=250, output="sos")
    hz = np.fft.fftfreq(125, 1 / 250)
    _, response = signal.freqz_sos(sections, np.abs(hz), fs=250)

    def last(window_uv: npt.NDArray[Any]) -> complex:
        spectrum = np.fft.fft(window_uv)
        spectrum[hz <= 0] = 0
        return complex(np.fft.ifft(2 * spectrum * response)[-1])

    gain = last(np.exp(2j * np.pi * 21 / 250 * np.arange(-124, 1))) / 2
    for i in range(124, 400, 9):
        wanted = last(block[i - 124 : i + 1, 0] * 1e-3) / gain
        assert detector.levels[i] == pytest.approx(abs(wanted), rel=1e-9)


def test_what_an_estimator_cannot_do_is_refused() -> None:
    wrong: Any
    for wrong in ({"peak_hz": 125.0}, {"peak_hz": math.nan}, {"bandwidth_hz": 50.0}):
        with pytest.raises(ValueError, match="asked for"):
            Resonator(250, 1, **wrong)
    for wrong in ({"peak_hz": 110.0}, {"window_ms": 50.0}, {"hop_ms": math.nan}):
        with pytest.raises(ValueError, match="asked for"):
            EndpointHilbert(250, 1, **wrong)
    with pytest.raises(ValueError, match="asked for"):
        endpoint_weights(math.inf, 20, 1000)
