import os
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import signal

from stimloop_dsp import (
    BetaDetector,
    BurstTracker,
    Envelope,
    Quality,
    find_bursts,
    find_peak,
    reference,
    summarise,
)

FS_HZ = 1000
FOLDER = os.environ.get("STIMLOOP_RECORDINGS")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="STIMLOOP_RECORDINGS, the folder of recordings, is not set"
)


@pytest.fixture(scope="module")
def ecog_uv() -> npt.NDArray[np.float64]:
    """Motor cortex of a person with Parkinson's disease, µV, 1000 Hz, 89 s."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Reading `.npy` or `.npz` file required")
        recorded = np.load(Path(str(FOLDER)) / "ecog_pd_m1" / "exampledata.npy")
    return np.asarray(recorded.ravel(), dtype=np.float64)


def test_the_beta_peak_is_at_18_hz(ecog_uv: npt.NDArray[np.float64]) -> None:
    peak = find_peak(ecog_uv, FS_HZ)
    assert peak is not None
    assert peak.frequency_hz == pytest.approx(18, abs=1)
    assert peak.height_db > 10


def test_the_bursts_are_the_published_ones(ecog_uv: npt.NDArray[np.float64]) -> None:
    sections = signal.butter(4, (13, 30), "bandpass", fs=FS_HZ, output="sos")
    envelope = np.abs(signal.hilbert(signal.sosfiltfilt(sections, ecog_uv)))
    bursts = find_bursts(envelope, float(np.percentile(envelope, 75)), FS_HZ)
    summary = summarise(bursts, envelope.size, FS_HZ)
    assert len(bursts) == 79
    assert summary.bursts_per_s == pytest.approx(0.89, abs=0.005)
    assert summary.median_ms == 167


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
def test_the_envelope_is_that_of_the_reference(
    ecog_uv: npt.NDArray[np.float64], precision: str, tolerance: float
) -> None:
    out = np.empty((ecog_uv.size, 1), precision)
    envelope = Envelope(FS_HZ, (15, 21), 2, "moving_average", 400, precision=precision)  # type: ignore[arg-type]
    envelope.push(ecog_uv[:, None], out)
    wanted = reference.envelope(
        ecog_uv,
        fs_hz=FS_HZ,
        band_hz=(15, 21),
        order=2,
        smoothing="moving_average",
        smooth_ms=400,
    )
    np.testing.assert_allclose(out[:, 0], wanted, rtol=0, atol=tolerance * wanted.max())
    assert envelope.held == 0


def test_a_median_threshold_is_exceeded_half_of_the_time(
    ecog_uv: npt.NDArray[np.float64],
) -> None:
    block = np.round(1000 * ecog_uv).astype(np.int32)[:, None]
    detector = BetaDetector(
        FS_HZ, 1000, band_hz=(15, 21), order=2, smoothing="moving_average", smooth_ms=400
    )
    detector.push(block, 0, 0)
    median_uv = float(np.median(detector.levels))
    detector.thresholds = median_uv, median_uv
    detector.reset()
    tracker = BurstTracker(FS_HZ, median_uv)
    readings = []
    for first in range(0, len(block) - 20, 20):
        readings.append(detector.push(block[first : first + 20], first, 1000 * first))
        tracker.push(detector.levels)
    settled = [reading for reading in readings if reading.quality == Quality.OK]
    assert len(settled) > 0.98 * len(readings)
    assert np.mean([reading.active for reading in settled]) == pytest.approx(0.5, abs=0.02)
    changes = np.diff([reading.active for reading in settled]).sum()
    assert tracker.count == pytest.approx(changes / 2, abs=tracker.count / 4)
