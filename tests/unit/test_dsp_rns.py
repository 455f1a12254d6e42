import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import Area, HalfWaves, LineLength

FS_HZ = 250


def nanovolt(uv: npt.ArrayLike) -> npt.NDArray[np.int32]:
    return np.round(1000 * np.asarray(uv, float)).astype(np.int32)[:, None]


@pytest.mark.parametrize("kind", [LineLength, Area])
def test_the_level_is_the_short_mean_over_the_long_one(
    kind: type[LineLength | Area],
) -> None:
    uv = np.round(np.random.default_rng(0).normal(0, 30, 3000), 3)
    detector = kind(FS_HZ, short_ms=200, long_s=4)
    detector.push(nanovolt(uv), 0, 0)
    values = np.abs(uv if kind is Area else np.diff(uv, prepend=uv[0]))
    for end in (1000, 1001, 2500, 3000):
        wanted = values[end - 50 : end].mean() / values[max(0, end - 1000) : end].mean()
        assert detector.levels[end - 1] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("kind", [LineLength, Area])
def test_without_a_long_window_the_level_is_in_microvolt(
    kind: type[LineLength | Area],
) -> None:
    uv = np.round(np.random.default_rng(0).normal(0, 30, 300), 3)
    detector = kind(FS_HZ, 5.0, short_ms=200, long_s=None)
    assert detector.unit == "µV"
    level = detector.push(nanovolt(uv), 0, 0).level
    values = np.abs(uv if kind is Area else np.diff(uv))
    assert level == pytest.approx(values[-50:].mean(), rel=1e-12)


def test_the_sums_are_exact_after_a_large_artefact() -> None:
    detector = Area(FS_HZ, 5.0, short_ms=200, long_s=None, saturation_uv=1e6)
    detector.push(nanovolt(np.full(100, 9e5)), 0, 0)
    assert detector.push(nanovolt(np.full(50, 0.001)), 100, 0).level == 1e-3


def halves(uv: list[float], turn_uv: float) -> list[tuple[int, float, int]]:
    """Where each half-wave was recognised, its amplitude and duration: the rule, in words."""
    found, start, extreme, direction = [], (0, uv[0]), (0, uv[0]), 0
    for i, x in enumerate(uv):
        if direction == 0:
            if abs(x - start[1]) >= turn_uv:
                direction, extreme = (1 if x > start[1] else -1), (i, x)
        elif (x - extreme[1]) * direction >= 0:
            extreme = (i, x)
        elif abs(x - extreme[1]) >= turn_uv:
            found.append((i, abs(extreme[1] - start[1]), extreme[0] - start[0]))
            start, extreme, direction = extreme, (i, x), -direction
    return found


@given(
    uv=st.lists(st.integers(-60, 60).map(float), min_size=1, max_size=200),
    window=st.integers(1, 60),
)
def test_half_waves_are_counted_as_the_rule_says(uv: list[float], window: int) -> None:
    detector = HalfWaves(
        FS_HZ,
        4.5,
        amplitude_uv=(10, 50),
        duration_ms=(8, 40),
        window_ms=1000 * window / FS_HZ,
        turn_uv=5,
    )
    detector.push(nanovolt(uv), 0, 0)
    good = [at for at, size, lasted in halves(uv, 5) if 10 <= size <= 50 and 2 <= lasted <= 10]
    wanted = [sum(n - window < at <= n for at in good) for n in range(len(uv))]
    assert detector.levels.tolist() == wanted


@pytest.mark.parametrize(("hz", "counted"), [(10, 0), (15, 15), (20, 20), (30, 30), (45, 0)])
def test_only_half_waves_of_the_band_are_counted(hz: float, counted: int) -> None:
    fs_hz = 2000
    t_s = np.arange(2 * fs_hz) / fs_hz
    detector = HalfWaves(fs_hz, 7.5)
    level = detector.push(nanovolt(40 * np.sin(2 * np.pi * hz * t_s)), 0, 0).level
    assert level == pytest.approx(counted, abs=1)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"short_ms": 0.0}, "short window of 0.0 ms"),
        ({"short_ms": math.nan}, "short window of nan ms"),
        ({"long_s": 1.0}, "long window of 1.0 s"),
        ({"long_s": math.nan}, "long window of nan s"),
        ({"on": 0.0}, "Raise on or lower off"),
    ],
)
def test_bad_windows_and_thresholds_are_refused(
    parameters: dict[str, float], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        LineLength(FS_HZ, **parameters)  # type: ignore[arg-type]  # none is a channel


@pytest.mark.parametrize(
    "parameters",
    [
        {"amplitude_uv": (100.0, 10.0)},
        {"amplitude_uv": (1.0, 10.0)},
        {"duration_ms": (40.0, 10.0)},
        {"duration_ms": (-1.0, 10.0)},
        {"window_ms": 0.0},
        {"turn_uv": 0.0},
    ],
)
def test_half_waves_that_cannot_be_are_refused(
    parameters: dict[str, tuple[float, float]],
) -> None:
    with pytest.raises(ValueError, match="asked for"):
        HalfWaves(FS_HZ, 7.5, **parameters)  # type: ignore[arg-type]  # two are numbers
