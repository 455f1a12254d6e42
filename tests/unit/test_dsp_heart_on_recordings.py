import os
from itertools import pairwise
from pathlib import Path

import pytest
from benchmarks.validation import heart

FOLDER = os.environ.get("STIMLOOP_RECORDINGS")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="STIMLOOP_RECORDINGS, the folder of recordings, is not set"
)


def test_the_annotated_beats_are_found() -> None:
    samples_mv, fs_hz, beats = heart.read_wfdb(Path(str(FOLDER)) / "ecg_mitbih_100")
    assert len(beats) == 2273
    found = heart.score(heart.beats_of(1000 * samples_mv, fs_hz), beats, fs_hz)
    assert found.sensitivity >= 0.999
    assert found.ppv >= 0.999


def test_the_recorded_seizure_is_detected_within_a_minute() -> None:
    found = [heart.alarms(Path(str(FOLDER)), theta) for theta in heart.THETAS]
    latencies = [a.latency_s for a in found if a.latency_s is not None]
    assert min(latencies) < 60
    assert all(later.false <= earlier.false for earlier, later in pairwise(found))
