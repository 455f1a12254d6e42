import os
from pathlib import Path

import pytest
from benchmarks.validation import rcs

FOLDER = os.environ.get("STIMLOOP_RECORDINGS")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="STIMLOOP_RECORDINGS, the folder of recordings, is not set"
)


@pytest.fixture(scope="module")
def bench() -> rcs.Bench:
    return rcs.read(Path(str(FOLDER)))


def test_output_state_and_amplitude_are_the_devices_from_its_power(bench: rcs.Bench) -> None:
    assert rcs.decided(bench) == (547, 547, 547, 547)


def test_power_and_state_are_the_devices_from_its_samples(bench: rcs.Bench) -> None:
    found = rcs.agreement(bench)
    assert found.packets >= 542
    assert found.states == found.packets
    assert found.r2 >= 0.9999
    assert found.median_ratio == pytest.approx(1, abs=0.005)
