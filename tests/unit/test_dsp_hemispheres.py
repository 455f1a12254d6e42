import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_dsp import Ganging, Hemispheres, OnOff, PerceptSingle, Quality, Reading

TICK = {"tick_us": 250_000, "period_us": 7690}


def reading(state: int, quality: Quality = Quality.OK) -> Reading:
    return Reading(0, 0, 1.0, state > 0, 0, quality=quality, state=state)


def pair(ganging: Ganging) -> Hemispheres:
    """Two sides with their own limits, which they reach in one tick."""
    return Hemispheres(
        PerceptSingle(**TICK, amplitude_min_ua=1000, amplitude_max_ua=2000, suspend_ua=1500),
        PerceptSingle(**TICK, amplitude_min_ua=500, amplitude_max_ua=3000, suspend_ua=600),
        ganging,
    )


HIGH, LOW = (2000, 3000), (1000, 500)


@pytest.mark.parametrize(
    ("ganging", "left", "right", "expected"),
    [
        (Ganging.OWN, 1, -1, (HIGH[0], LOW[1])),
        (Ganging.OWN, -1, 1, (LOW[0], HIGH[1])),
        (Ganging.LEFT, 1, -1, HIGH),
        (Ganging.LEFT, -1, 1, LOW),
        (Ganging.RIGHT, 1, -1, LOW),
        (Ganging.RIGHT, -1, 1, HIGH),
        (Ganging.EITHER, 1, -1, HIGH),
        (Ganging.EITHER, -1, 1, HIGH),
        (Ganging.EITHER, -1, -1, LOW),
    ],
)
def test_ganging_decides_whose_crossing_moves_whom_to_its_own_limits(
    ganging: Ganging, left: int, right: int, expected: tuple[int, int]
) -> None:
    made = pair(ganging)
    for _ in range(12):
        settings = made.update(reading(left), reading(right))
    assert tuple(setting.amplitude_ua for setting in settings) == expected


def test_a_side_that_cannot_be_trusted_does_not_move_the_other() -> None:
    made = pair(Ganging.EITHER)
    for _ in range(12):
        settings = made.update(reading(1, Quality.ARTEFACT), reading(-1))
    assert tuple(setting.amplitude_ua for setting in settings) == LOW


@given(
    ganging=st.sampled_from(Ganging),
    states=st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1]))),
)
def test_each_side_stays_within_its_own_limits_and_reset_begins_anew(
    ganging: Ganging, states: list[tuple[int, int]]
) -> None:
    made = pair(ganging)
    told = [made.update(reading(left), reading(right)) for left, right in states]
    for left, right in told:
        assert 1000 <= left.amplitude_ua <= 2000
        assert 500 <= right.amplitude_ua <= 3000
    made.reset()
    assert told == [made.update(reading(left), reading(right)) for left, right in states]


def test_one_controller_cannot_be_both_sides() -> None:
    one = OnOff(**TICK, amplitude_min_ua=0, amplitude_max_ua=1)
    with pytest.raises(ValueError, match="Make one for each side"):
        Hemispheres(one, one, Ganging.OWN)
