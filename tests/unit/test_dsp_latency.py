import pytest
from benchmarks.validation import latency


@pytest.mark.parametrize("name", latency.ESTIMATORS)
def test_an_estimator_is_as_late_as_it_states(name: str) -> None:
    found = latency.measured(name)
    assert found.group == pytest.approx(found.stated, abs=0.05 * found.stated + 6)
    assert 0 < found.t50 < found.t90
    if found.prototype is not None:
        assert found.t50 == pytest.approx(found.prototype[0], rel=0.06, abs=8)
        assert found.t90 == pytest.approx(found.prototype[1], rel=0.06, abs=8)
