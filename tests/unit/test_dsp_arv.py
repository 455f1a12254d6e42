import math

import numpy as np
import pytest

from stimloop_dsp.arv import average_rectified_value


def test_a_sine_in_the_band_has_almost_two_over_pi_of_its_amplitude() -> None:
    t_s = np.arange(8000) / 2000
    value = average_rectified_value(5 * np.sin(2 * np.pi * 25 * t_s), 2000)
    # Two passes of up to 0.5 dB, and the end of the buffer, where the way back begins at rest.
    assert 0.7 < value / (5 * 2 / math.pi) < 1
    tenfold = average_rectified_value(50 * np.sin(2 * np.pi * 25 * t_s), 2000)
    assert tenfold == pytest.approx(10 * value, rel=1e-4)  # the filter rounds much
    outside = average_rectified_value(5 * np.sin(2 * np.pi * 50 * t_s), 2000)
    assert outside < 0.01 * value


def test_only_the_last_two_seconds_count() -> None:
    samples = np.random.default_rng(0).standard_normal(9000)
    assert average_rectified_value(samples, 2000) == average_rectified_value(
        samples[-4000:], 2000
    )


@pytest.mark.parametrize(
    ("samples", "fs_hz", "band_hz"),
    [
        (np.zeros(3999), 2000, (21.0, 29.0)),
        (np.full(4000, np.nan), 2000, (21.0, 29.0)),
        (np.zeros((4000, 2)), 2000, (21.0, 29.0)),
        (np.zeros(4000), 2000, (29.0, 21.0)),
        (np.zeros(4000), 50, (21.0, 29.0)),
        (np.zeros(4000), math.nan, (21.0, 29.0)),
    ],
)
def test_what_has_no_value_is_refused(
    samples: np.ndarray, fs_hz: float, band_hz: tuple[float, float]
) -> None:
    with pytest.raises(ValueError, match=r"asked for|given"):
        average_rectified_value(samples, fs_hz, band_hz)
