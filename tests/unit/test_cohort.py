import numpy as np
import pytest

from stimloop_sim.bench import Bench
from stimloop_sim.cohort import KINDS, cohort
from stimloop_sim.parameter import PatientError, declared
from stimloop_sim.patients import patient_model


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_depends_on_its_number_and_the_seed_and_not_on_the_cohort_s_size(
    kind: str,
) -> None:
    small, large = cohort(kind, 3, 7), cohort(kind, 40, 7)
    assert list(small) == [f"{kind}-7-0", f"{kind}-7-1", f"{kind}-7-2"]
    assert all(large[name] == model for name, model in small.items())
    assert len(set(map(repr, large.values()))) == 40
    assert cohort(kind, 3, 8)[f"{kind}-8-0"] != small[f"{kind}-7-0"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_spread_is_drawn_around_its_middle_and_within_its_bounds(kind: str) -> None:
    members = list(cohort(kind, 400, 1).values())
    for path, spread in KINDS[kind].spreads.items():
        part, dot, name = path.partition(".")
        values = [getattr(getattr(m, part), name) if dot else getattr(m, part) for m in members]
        assert spread.low <= min(values) < max(values) <= spread.high
        scale = spread.width * (spread.middle if spread.ratio else 1.0)
        # A quarter: bounds that cut one side shift the median.
        assert float(np.median(values)) == pytest.approx(spread.middle, abs=0.25 * scale)
        assert np.std(values) > 0.5 * scale


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_spread_is_that_of_the_base(kind: str) -> None:
    base = KINDS[kind].base
    drawn = cohort(kind, 1, 2)[f"{kind}-2-0"]
    for name, value, _ in declared(base):
        assert (getattr(drawn, name) == value) is (name not in KINDS[kind].spreads)


def test_a_member_is_known_by_its_name_alone() -> None:
    assert patient_model("dbs-7-12") == cohort("dbs", 13, 7)["dbs-7-12"]
    Bench.of_url("sim://dbs?patient=dbs-day-7-12&seed=3")


@pytest.mark.parametrize(
    ("kind", "n", "seed", "told"),
    [
        ("dsb", 3, 1, "no kind 'dsb' of patients; choose dbs"),
        ("dbs", 0, 1, "0 patients of seed 1"),
        ("dbs", 100_001, 1, "choose 1 to 100000"),
        ("dbs", 3, -1, "a seed of 0 or more"),
    ],
)
def test_an_impossible_cohort_is_refused(kind: str, n: int, seed: int, told: str) -> None:
    with pytest.raises(PatientError, match=told):
        cohort(kind, n, seed)


@pytest.mark.parametrize("name", ["dbs-7", "dbs-7-100000", "dsb-7-1", "dbs--1-1", "dbs-7-1 "])
def test_a_name_that_no_cohort_gives_is_refused(name: str) -> None:
    with pytest.raises(PatientError, match="there is no patient"):
        patient_model(name)
