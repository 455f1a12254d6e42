import os
from pathlib import Path

import pytest
from benchmarks.validation import artefacts, bursts, fleming

from stimloop_dsp import find_peak

FOLDER = os.environ.get("STIMLOOP_RECORDINGS")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="STIMLOOP_RECORDINGS, the folder of recordings, is not set"
)
RECORDINGS = Path(str(FOLDER))


def test_the_average_rectified_value_is_that_of_the_published_model() -> None:
    for found in fleming.agreements(RECORDINGS, every=7):
        assert found.r >= 0.99999
        assert found.greatest_error <= 0.002


def test_the_burst_table_is_the_published_one() -> None:
    summary, cdf = bursts.ecog_bursts(RECORDINGS)
    assert summary.bursts_per_s == pytest.approx(0.89, rel=0.05)
    assert summary.median_ms == pytest.approx(167, rel=0.05)
    assert cdf == sorted(cdf)


def test_the_cortical_peak_is_at_18_hz() -> None:
    peak = find_peak(bursts.ecog_uv(RECORDINGS), bursts.FS_HZ)
    assert peak is not None
    assert peak.frequency_hz == pytest.approx(18, abs=1)


def test_every_channel_has_its_peak_and_falls_silent_in_movement() -> None:
    found = {channel.name: channel for channel in bursts.channels(RECORDINGS)}
    for channel in found.values():
        assert channel.peak_hz is not None
        assert 17 <= channel.peak_hz <= 20.5  # 18 to 19.5 Hz, within 1 Hz
        assert channel.desynchronisation < 0.9
    assert found["LFP_RIGHT_1"].desynchronisation == pytest.approx(0.56, abs=0.03)
    for name in ("ECOG_RIGHT_0", "ECOG_RIGHT_3"):
        assert found[name].desynchronisation == pytest.approx(0.34, abs=0.05)


def test_a_template_removes_most_of_a_leaked_heart() -> None:
    none, template = artefacts.after_heart(RECORDINGS)
    assert template.beta < 0.5 * none.beta
    assert template.r > 0.95 > none.r
