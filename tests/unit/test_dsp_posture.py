import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import MISSING, Quality, Reading
from stimloop_dsp.posture import Lie, PostureDetector, PostureScheduled

FS_HZ = 250
GRAVITY_G = {
    Lie.UPRIGHT: (1.0, 0.0, 0.0),
    Lie.SUPINE: (0.0, 0.0, 1.0),
    Lie.PRONE: (0.0, 0.0, -1.0),
    Lie.RIGHT: (0.0, 1.0, 0.0),
    Lie.LEFT: (0.0, -1.0, 0.0),
}
AMPLITUDES_UA = {
    Lie.UPRIGHT: 5500,
    Lie.SUPINE: 2500,
    Lie.PRONE: 6500,
    Lie.RIGHT: 4000,
    Lie.LEFT: 4100,
}


def block(gravity_g: tuple[float, float, float], count: int = 5) -> npt.NDArray[np.int32]:
    return np.tile(np.round(np.array(gravity_g) * 1e6).astype(np.int32), (count, 1))


def last(detector: PostureDetector, gravity_g: tuple[float, float, float], s: float) -> Reading:
    for _ in range(round(s * FS_HZ / 5)):
        reading = detector.push(block(gravity_g), max(0, detector._next), 0)
    return reading


@pytest.mark.parametrize("lie", Lie)
def test_each_posture_is_told_by_gravity(lie: Lie) -> None:
    detector = PostureDetector(FS_HZ)
    reading = last(detector, GRAVITY_G[lie], 5)
    assert (reading.level, reading.active) == (lie, lie is not Lie.UPRIGHT)
    assert reading.quality == Quality.OK


def test_leaning_back_in_a_chair_is_upright() -> None:
    assert last(PostureDetector(FS_HZ), (0.97, 0.0, 0.26), 5).level == Lie.UPRIGHT


def test_a_posture_has_to_stay_before_it_counts() -> None:
    detector = PostureDetector(FS_HZ, smooth_ms=100, stay_ms=2000)
    last(detector, GRAVITY_G[Lie.UPRIGHT], 3)
    assert last(detector, GRAVITY_G[Lie.SUPINE], 1.5).level == Lie.UPRIGHT
    assert last(detector, GRAVITY_G[Lie.SUPINE], 1.0).level == Lie.SUPINE


def test_missing_samples_and_gaps_are_told() -> None:
    detector = PostureDetector(FS_HZ)
    hole = block(GRAVITY_G[Lie.SUPINE])
    hole[2, 1] = MISSING
    assert detector.push(hole, 0, 0).quality == Quality.HELD
    assert detector.push(block(GRAVITY_G[Lie.SUPINE]), 50, 0).quality == Quality.GAP


def scheduled(**changed: object) -> PostureScheduled:
    parameters: dict[str, object] = {
        "tick_us": 20_000,
        "period_us": 25_000,
        "amplitudes_ua": AMPLITUDES_UA,
        "rise_ua_s": 1000,
        "fall_ua_s": 5000,
    }
    return PostureScheduled(**{**parameters, **changed})  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from(Lie), st.sampled_from([Quality.OK, Quality.GAP]))))
def test_the_amplitude_moves_by_its_ramps_and_holds_when_in_doubt(
    told: list[tuple[Lie, Quality]],
) -> None:
    made = scheduled()
    before = 0
    for lie, quality in told:
        after = made.update(Reading(0, 0, float(lie), True, 0, quality=quality)).amplitude_ua
        assert -100 <= after - before <= 20
        assert after == before or quality == Quality.OK
        assert after <= max(AMPLITUDES_UA.values())
        before = after


def test_each_posture_gets_its_amplitude() -> None:
    for lie, amplitude_ua in AMPLITUDES_UA.items():
        made = scheduled()
        for _ in range(500):
            setting = made.update(Reading(0, 0, float(lie), True, 0))
        assert setting.amplitude_ua == amplitude_ua
        made.reset()
        assert made.update(Reading(0, 0, float(lie), True, 0)).amplitude_ua == 20


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rise_ua_s": 0}, "rise_ua_s of 0"),
        ({"amplitudes_ua": {Lie.UPRIGHT: 5000}}, "No amplitude was given for supine, prone"),
        ({"amplitudes_ua": {**AMPLITUDES_UA, Lie.LEFT: -1}}, "below 0"),
    ],
)
def test_an_impossible_schedule_is_refused(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        scheduled(**changed)


def test_an_impossible_detector_is_refused() -> None:
    with pytest.raises(ValueError, match="smooth_ms of 0"):
        PostureDetector(FS_HZ, smooth_ms=0)
