import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import titrate

AMPLITUDES_UA = np.arange(500, 8000, 250)
SAID = {"perception_ua": 4600.0, "comfort_ua": 5850.0, "discomfort_ua": 7400.0}


@given(
    threshold_ua=st.floats(3000, 5000),
    slope_uv_ma=st.floats(20, 90),
    floor_uv=st.floats(0, 5),
)
def test_a_titration_finds_the_growth_curve_and_the_comfortable_response(
    threshold_ua: float, slope_uv_ma: float, floor_uv: float
) -> None:
    beyond_ma = np.maximum(0, AMPLITUDES_UA - threshold_ua) / 1000
    found = titrate(AMPLITUDES_UA, floor_uv + slope_uv_ma * beyond_ma, **SAID)
    assert found.threshold_ua == pytest.approx(threshold_ua, abs=40)
    assert found.slope_uv_ma == pytest.approx(slope_uv_ma, rel=0.03)
    expected_uv = floor_uv + slope_uv_ma * (SAID["comfort_ua"] - threshold_ua) / 1000
    assert found.setpoint_uv == pytest.approx(expected_uv, rel=0.03)
    assert found.level_uv(1000) == pytest.approx(floor_uv, abs=0.5)


def test_a_titration_bears_noise() -> None:
    rng = np.random.default_rng(1)
    levels_uv = 2 + 50 * np.maximum(0, AMPLITUDES_UA - 4500) / 1000 + rng.normal(0, 1, 30)
    found = titrate(AMPLITUDES_UA, levels_uv, **SAID)
    assert found.threshold_ua == pytest.approx(4500, abs=120)
    assert found.setpoint_uv == pytest.approx(2 + 50 * 1.35, rel=0.05)


@pytest.mark.parametrize(
    ("levels_uv", "said", "words"),
    [
        (np.full(30, 3.0), SAID, "no response stands out"),
        (np.linspace(50, 0, 30), SAID, "no response stands out"),
        (np.zeros(29), SAID, "as many readings as amplitudes"),
        (np.zeros(30), {**SAID, "comfort_ua": 8000.0}, "they must ascend"),
        (np.zeros(30), {**SAID, "perception_ua": math.nan}, "they must ascend"),
    ],
)
def test_a_titration_that_tells_nothing_is_refused(
    levels_uv: Any,  # noqa: ANN401
    said: dict[str, float],
    words: str,
) -> None:
    with pytest.raises(ValueError, match=words):
        titrate(AMPLITUDES_UA, levels_uv, **said)
