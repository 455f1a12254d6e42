"""The demonstration: one simulated patient, three arms, one table, one report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop import prescription as prescriptions
from stimloop.errors import CaptureError
from stimloop.record import Record
from stimloop.report import write_report
from stimloop.run import run_session
from stimloop.summary import summarize
from stimloop_dsp import Quality

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ARMS = ("off", "continuous", "adaptive")

ON_PERCENTILE = 50.0
"""Of the off arm's level: where the adaptive arm switches on."""
BURST_PERCENTILE = 75.0
"""Of the off arm's level: where bursts begin, in all arms (Tinkhauser 2017)."""

_TEMPLATE = """\
schema = 1
name = "demonstration, {arm}"

[stimulation]
amplitude_ma = {amplitude_ma}
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 12.0
cathodes = ["1"]
anodes = ["case"]

[detector]
band_hz = [17.0, 23.0]
order = 2
smoothing = "moving_average"
smooth_ms = 400
{threshold}
[controller]
kind = "{kind}"
"""


def prescription_text(arm: str, threshold_uv: float | None = None) -> str:
    """Prescription of an arm, as the file that a user could have written.

    Parameters
    ----------
    arm : {'off', 'continuous', 'adaptive'}
    threshold_uv : float, optional
        Where the adaptive arm switches on, µV.
    """
    return _TEMPLATE.format(
        arm=arm,
        amplitude_ma=0.0 if arm == "off" else 3.0,
        kind="on_off" if arm == "adaptive" else "continuous",
        threshold="" if threshold_uv is None else f"threshold_uv = {threshold_uv:.4f}\n",
    )


def level_percentile_uv(record: Record, percentile: float) -> float:
    """Percentile of a session's settled level, µV.

    Raises
    ------
    CaptureError
        If the session was too short for its filters to settle.
    """
    settled = (record.column("steps", "quality") & Quality.WARMUP.value) == 0
    if not settled.any():
        raise CaptureError(
            "the session ended before the detector's filters had settled; ask for longer, "
            "some seconds at least"
        )
    return float(np.percentile(record.column("steps", "level")[settled], percentile))


def demonstrate(
    directory: Path,
    *,
    seconds: float = 600.0,
    seed: int = 1,
    on_progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Run the three arms on the same patient and seed, and write records and report.

    Parameters
    ----------
    directory : Path
        Where ``off/``, ``continuous/``, ``adaptive/`` and ``report.html`` go.
    seconds : float
        Patient time of each arm, s.
    seed : int
        Of the patient's noise, the same in all arms.
    on_progress : callable, optional
        Called with an arm and the seconds of it that are done.

    Returns
    -------
    dict
        ``seconds, seed, threshold_uv, burst_threshold_uv, arms, report, directory``; each arm
        has the keys of `stimloop.summary.Summary` and those of the demonstration's table.

    Raises
    ------
    StimloopError
        As `stimloop.run.run_session`.
    """
    url = f"sim://dbs?patient=default&seed={seed}"
    records: dict[str, Record] = {}
    threshold_uv = None
    for arm in ARMS:
        if arm == "adaptive":
            threshold_uv = level_percentile_uv(records["off"], ON_PERCENTILE)
        prescription = prescriptions.loads(prescription_text(arm, threshold_uv))

        path = run_session(
            prescription,
            url,
            seconds=seconds,
            directory=directory / arm,
            on_progress=None if on_progress is None else partial(on_progress, arm),
        )
        records[arm] = Record.open(path)
    burst_threshold_uv = level_percentile_uv(records["off"], BURST_PERCENTILE)
    arms = {
        arm: summarize(record, burst_threshold_uv=burst_threshold_uv).as_dict()
        for arm, record in records.items()
    }
    continuous_uw = arms["continuous"]["teed_uw"]
    for values in arms.values():
        values["bursts_per_s"] = values["burst_rate_hz"]
        values["teed_relative"] = values["teed_uw"] / continuous_uw if continuous_uw else None
    report = directory / "report.html"
    write_report(
        report,
        records,
        title=f"Three arms of one simulated patient, seed {seed}",
        notes=(
            (
                f"The adaptive arm's threshold, {threshold_uv:.2f} µV, is the "
                f"{ON_PERCENTILE:.0f}th percentile of the off arm of the same seed: a "
                "calibration, not a prediction."
            ),
            (
                f"Bursts are counted in all arms above {burst_threshold_uv:.2f} µV, the off "
                f"arm's {BURST_PERCENTILE:.0f}th percentile."
            ),
        ),
        burst_threshold_uv=burst_threshold_uv,
    )
    return {
        "seconds": seconds,
        "seed": seed,
        "threshold_uv": threshold_uv,
        "burst_threshold_uv": burst_threshold_uv,
        "arms": arms,
        "report": str(report),
        "directory": str(directory),
    }
