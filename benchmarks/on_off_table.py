"""On/off stimulation on the default patient: ten calibrated seeds, then fresh ones predicted.

    python benchmarks/on_off_table.py            prints the page
    python benchmarks/on_off_table.py --write    and writes it to docs/on_off.md

Every number comes from the records of whole sessions over sim://: firmware, wire, detector,
controller, governor.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import stimloop
from stimloop import prescription as prescriptions
from stimloop.demo import (
    BURST_PERCENTILE,
    ON_PERCENTILE,
    level_percentile_uv,
    prescription_text,
)

CALIBRATED = range(10)
FRESH = range(100, 120)
SECONDS = 600.0
SCRATCH = tempfile.TemporaryDirectory(prefix="stimloop-")
PAGE = Path(__file__).parent.parent / "docs" / "on_off.md"


@dataclass(frozen=True)
class Row:
    """One seed: the adaptive arm beside its off and continuous arms."""

    seed: int
    threshold_uv: float
    time_on: float
    long_off: float
    long_on: float
    teed: float

    @property
    def fewer(self) -> float:
        """Fraction of the long bursts that are gone."""
        return 1.0 - self.long_on / self.long_off


def session(arm: str, seed: int, threshold_uv: float | None = None) -> stimloop.Record:
    """Run an arm and open its record."""
    directory = Path(tempfile.mkdtemp(prefix="stimloop-", dir=SCRATCH.name))
    prescription = prescriptions.loads(prescription_text(arm, threshold_uv))
    url = f"sim://dbs?patient=default&seed={seed}"
    stimloop.run_session(prescription, url, seconds=SECONDS, directory=directory)
    return stimloop.Record.open(directory)


def row(seed: int, threshold_uv: float | None, continuous_uw: float) -> Row:
    """Compare a seed's adaptive arm with its off arm; None captures the threshold there."""
    off = session("off", seed)
    if threshold_uv is None:
        threshold_uv = level_percentile_uv(off, ON_PERCENTILE)
    burst_uv = level_percentile_uv(off, BURST_PERCENTILE)
    adaptive = session("adaptive", seed, threshold_uv)
    before = stimloop.summarize(off, burst_threshold_uv=burst_uv)
    after = stimloop.summarize(adaptive, burst_threshold_uv=burst_uv)
    assert after.time_on_fraction is not None
    assert after.teed_uw is not None
    assert before.long_bursts_per_min is not None
    assert after.long_bursts_per_min is not None
    return Row(
        seed,
        threshold_uv,
        after.time_on_fraction,
        before.long_bursts_per_min,
        after.long_bursts_per_min,
        after.teed_uw / continuous_uw,
    )


def lines_of(rows: list[Row]) -> list[str]:
    """A table with a line for each seed, and median and range below."""
    lines = [
        (
            "| seed | threshold [µV] | time on | long bursts, off [1/min] | adaptive [1/min] "
            "| fewer by | TEED / continuous |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.seed} | {r.threshold_uv:.2f} | {r.time_on:.3f} | {r.long_off:.1f} "
        f"| {r.long_on:.1f} | {r.fewer:.0%} | {r.teed:.3f} |"
        for r in rows
    ]
    columns = (
        ([r.threshold_uv for r in rows], ".2f"),
        ([r.time_on for r in rows], ".3f"),
        ([r.long_off for r in rows], ".1f"),
        ([r.long_on for r in rows], ".1f"),
        ([r.fewer for r in rows], ".0%"),
        ([r.teed for r in rows], ".3f"),
    )
    for name, of in (("median", statistics.median), ("lowest", min), ("highest", max)):
        cells = " | ".join(f"**{of(values):{form}}**" for values, form in columns)
        lines.append(f"| **{name}** | {cells} |")
    return lines


TEXT = """\
# On/off stimulation on the simulated patient

Made by `python benchmarks/on_off_table.py --write`: sessions of {seconds:.0f} s each on
`sim://dbs?patient=default` (off medication, kappa 10), 250 Hz, 3 mA, 60 µs, 130 Hz; detector
17-23 Hz of order 2 with a moving average of 400 ms, ramps of 250 ms. Long bursts are those
above 600 ms, counted in both arms above the off arm's {burst:.0f}th percentile. TEED is
relative to 3 mA continuously, {continuous_uw:.1f} µW at 500 Ω. Python {python}, NumPy
{numpy}, {machine}; the values do not depend on the machine's speed. Virtual patients: no
clinical claim.

## Calibrated: threshold captured on the same seed's off arm

The threshold is the median of the level that the same seed shows without stimulation, so each
session knows its own future: a calibration, and the reason why time on is so even.

{calibrated}

## Predicted: one fixed threshold, fresh seeds

The threshold is {fixed_uv:.2f} µV, the median of the ten above; the seeds were not used before.

{fresh}
"""


def page() -> str:
    """The documentation page."""
    continuous_uw = stimloop.summarize(session("continuous", 0)).teed_uw
    assert continuous_uw
    calibrated = [row(seed, None, continuous_uw) for seed in CALIBRATED]
    fixed_uv = round(statistics.median(r.threshold_uv for r in calibrated), 2)
    fresh = [row(seed, fixed_uv, continuous_uw) for seed in FRESH]
    return TEXT.format(
        seconds=SECONDS,
        burst=BURST_PERCENTILE,
        continuous_uw=continuous_uw,
        python=platform.python_version(),
        numpy=np.__version__,
        machine=platform.machine(),
        calibrated="\n".join(lines_of(calibrated)),
        fixed_uv=fixed_uv,
        fresh="\n".join(lines_of(fresh)),
    )


def main() -> None:
    """Print the page, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    text = page()
    if parser.parse_args().write:
        PAGE.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
