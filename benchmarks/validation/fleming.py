"""The average rectified value beside what a published model's controller computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.io import loadmat

from stimloop_dsp.arv import average_rectified_value

if TYPE_CHECKING:
    from pathlib import Path

FS_HZ = 2000
LEAD = 20_000
"""Samples before the controller starts."""
PER_CALL = 41
"""Samples from call to call: 20 ms and the one that the recorder writes twice."""


@dataclass(frozen=True)
class Agreement:
    """One simulation."""

    name: str
    calls: int
    r: float
    greatest_error: float
    """Relative."""


def agreements(recordings: Path, every: int = 1) -> list[Agreement]:
    """Compare every simulation, at every `every`-th call."""
    found = []
    for folder in sorted((recordings / "lfp_fleming_model").glob("*/*/")):
        block = loadmat(folder / "STN_LFP.mat", simplify_cells=True)["block"]
        samples = block["segments"]["analogsignals"]["signal"]
        theirs = np.loadtxt(folder / "controller_beta_values.csv")[::every]
        ends = LEAD + PER_CALL * (every * np.arange(len(theirs)) + 1)
        ours = np.array([average_rectified_value(samples[:end], FS_HZ) for end in ends])
        found.append(
            Agreement(
                f"{folder.parent.name}, {folder.name}",
                len(theirs),
                float(np.corrcoef(ours, theirs)[0, 1]),
                float(np.max(np.abs(ours - theirs) / theirs)),
            )
        )
    return found


def section(recordings: Path) -> str:
    """Return the Markdown section."""
    rows = "\n".join(
        f"| {a.name} | {a.calls} | {a.r:.7f} | {100 * a.greatest_error:.3f} % |"
        for a in agreements(recordings)
    )
    return f"""\
## Average rectified value of a published model

LFPs simulated by the network model of Fleming et al. 2020 (PESD, CC0) at {FS_HZ} Hz, with the
biomarker that its controller computed as it ran, here computed again from the LFP.

| simulation | calls | r | greatest relative error |
|---|---|---|---|
{rows}
"""
