"""Which phase of the oscillation suppresses: a sweep of the target, and how well it was hit.

Phases are those of the recorded signal, forwards and backwards through a band-pass around the
peak, so that the truth knows the future and the controller did not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import signal

from stimloop import prescription as prescriptions
from stimloop.errors import PrescriptionError, Violation
from stimloop.record import Record
from stimloop.run import run_session
from stimloop.summary import therapy_start
from stimloop_dsp import MISSING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

BINS = 12
"""Targets of a sweep, evenly over the cycle."""
_TURN = 2 * math.pi


@dataclass(frozen=True, slots=True)
class PhaseScore:
    """How well one target was hit, and what became of the oscillation.

    Attributes
    ----------
    target_rad : float
        What was asked for.
    triggers : int
    locking : float
        Length of the mean of the unit vectors at the triggers (PLV), 0 to 1.
    error_rad : float
        Mean phase at the triggers minus the target, in (-pi, pi].
    spread_rad : float
        Circular standard deviation, ``sqrt(-2 ln locking)``.
    missed : float
        Share of the cycles without a trigger, of those before which the detector's level was
        above the threshold throughout, 0 to 1: what controller, wire or device failed at.
    withheld : float
        Share of the cycles without a trigger, of those in which the true amplitude was above
        the threshold, where the detector's level was not throughout, 0 to 1: a better estimate
        of the amplitude would have let the controller trigger there.
    amplitude_uv : float
        Mean amplitude of the oscillation during therapy, µV.
    """

    target_rad: float
    triggers: int
    locking: float
    error_rad: float
    spread_rad: float
    missed: float
    withheld: float
    amplitude_uv: float


def score(
    triggers_us: npt.NDArray[np.int64],
    samples_uv: npt.NDArray[np.float64],
    t_us: npt.NDArray[np.int64],
    *,
    decided_us: npt.NDArray[np.int64],
    levels_uv: npt.NDArray[np.float64],
    peak_hz: float,
    target_rad: float,
    threshold_uv: float,
) -> PhaseScore:
    """Compare the triggers of a therapy with the signal around them.

    Parameters
    ----------
    triggers_us : ndarray of int64, shape (k,)
        Times of the first pulse of each trigger, µs.
    samples_uv, t_us : ndarray, shape (n,)
        Signal, µV, and its times, µs, ascending and evenly spaced, of 1 s or more.
    decided_us, levels_uv : ndarray, shape (m,)
        Times of the decisions, µs, ascending, and the detector's level at each, µV.
    peak_hz : float
        Centre of the band, which is half of it wide.
    target_rad : float
        Phase asked for, rad; 0 is the maximum.
    threshold_uv : float
        The controller's: no trigger while the level is at or below it, µV.
    """
    fs_hz = 1e6 / float(np.median(np.diff(t_us)))
    band_hz = (0.75 * peak_hz, 1.25 * peak_hz)
    sections = signal.butter(2, band_hz, "bandpass", fs=fs_hz, output="sos")
    analytic = signal.hilbert(signal.sosfiltfilt(sections, samples_uv))
    phase_rad, amplitude_uv = np.unwrap(np.angle(analytic)), np.abs(analytic)
    inside = triggers_us[(triggers_us >= t_us[0]) & (triggers_us <= t_us[-1])]
    mean = np.mean(np.exp(1j * np.interp(inside, t_us, phase_rad))) if inside.size else 0j
    locking = float(min(abs(mean), 1.0))
    error_rad = math.remainder(float(np.angle(mean)) - target_rad, _TURN)
    # One crossing of the target in each cycle.
    crossings = np.flatnonzero(np.diff(np.floor((phase_rad - target_rad) / _TURN)) > 0)
    crossings = crossings[t_us[crossings] >= decided_us[0] + 1e6 / peak_hz]
    strong = amplitude_uv[crossings] > threshold_uv
    open_, hit = _met(t_us[crossings], inside, decided_us, levels_uv > threshold_uv, peak_hz)
    return PhaseScore(
        target_rad,
        int(inside.size),
        locking,
        error_rad if inside.size else math.nan,
        math.sqrt(-2 * math.log(locking)) if locking > 0 else math.inf,
        _share(~hit, open_),
        _share(~open_ & ~hit, strong),
        float(amplitude_uv.mean()),
    )


def _met(
    due_us: npt.NDArray[np.int64],
    triggers_us: npt.NDArray[np.int64],
    decided_us: npt.NDArray[np.int64],
    above: npt.NDArray[np.bool_],
    peak_hz: float,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each crossing: was the level above in the cycle before, and is a trigger near."""
    cycle_us = 1e6 / peak_hz
    first = np.searchsorted(decided_us, due_us - cycle_us)
    last = np.searchsorted(decided_us, due_us)
    below = np.concatenate([[0], np.cumsum(~above)])
    place = np.searchsorted(triggers_us, due_us)
    padded = np.concatenate([[-math.inf], triggers_us, [math.inf]])
    nearest_us = np.minimum(due_us - padded[place], padded[place + 1] - due_us)
    return below[first] == below[last], nearest_us <= cycle_us / 2


def _share(part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> float:
    """Share of the whole that is in the part too; 0 where there is no whole."""
    return float(np.mean(part[whole])) if whole.any() else 0.0


def score_record(record: Record) -> PhaseScore:
    """Score the therapy of a record of a phase-targeted prescription."""
    asked = prescriptions.loads(record.session["prescription"])
    values = asked.controller.values()
    started, start_us = therapy_start(record)
    counts = record.column("sensed", "count").astype(np.int64)
    first = int(counts[:started].sum())
    nv = record.samples().nv[first:, 0].astype(np.float64)
    known = nv != MISSING
    uv = np.interp(np.arange(nv.size), np.flatnonzero(known), nv[known]) / 1000
    step_us = 1e6 / record.session["rate_hz"]
    last_us = int(record.column("steps", "t_us")[record.whole_steps - 1])
    t_us = np.round(last_us - step_us * np.arange(uv.size)[::-1]).astype(np.int64)
    pulses = record.column("steps", "pulses")[started:]
    at_us = record.column("steps", "at_us")[started:][pulses > 0].astype(np.int64)
    found_uv = [event.detail / 1000 for event in record.events() if event.kind == "captured"]
    return score(
        at_us[at_us >= start_us],
        uv,
        t_us,
        decided_us=record.column("steps", "t_us")[started:].astype(np.int64),
        levels_uv=record.column("steps", "level")[started:],
        peak_hz=float(values["peak_hz"]),
        target_rad=float(values["target_rad"]),
        threshold_uv=found_uv[0] if found_uv else asked.detector.threshold_uv or 0.0,
    )


def phase_sweep(
    text: str, url: str, directory: Path, *, seconds: float = 60.0, bins: int = BINS
) -> list[PhaseScore]:
    """Run one session for each target phase, and score it.

    Parameters
    ----------
    text : str
        A phase-targeted prescription with a line ``target_rad = …``, which is replaced.
    url : str
        Of the device; the same patient, with the same noise, in every session of a simulator.
    directory : Path
        For the records.
    seconds : float
        Of each session's therapy.
    bins : int
        Targets, in the middle of as many equal parts of the cycle, >= 1.

    Raises
    ------
    PrescriptionError
        If the text is no phase-targeted prescription with such a line.
    """
    lines = [line for line in text.splitlines() if line.startswith("target_rad")]
    if len(lines) != 1:
        violation = Violation(
            "controller.target_rad",
            f"{len(lines)} lines of it",
            "one, which the sweep replaces",
            'take a prescription of kind "phase_targeted" and write target_rad = 0.0',
        )
        raise PrescriptionError((violation,))
    rows = []
    for number in range(bins):
        target_rad = round(-math.pi + _TURN * (number + 0.5) / bins, 6)
        asked = prescriptions.loads(text.replace(lines[0], f"target_rad = {target_rad}"))
        place = run_session(asked, url, seconds=seconds, directory=directory / f"{number:02}")
        rows.append(score_record(Record.open(place)))
    return rows


def table(rows: list[PhaseScore]) -> str:
    """A sweep as a Markdown table.

    Parameters
    ----------
    rows : list of PhaseScore
    """
    heads = ("target [rad]", "triggers", "PLV", "mean error [rad]", "circular SD [rad]")
    return "\n".join(
        [
            f"| {' | '.join(heads)} | missed | withheld | amplitude [µV] |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(
                f"| {r.target_rad:.2f} | {r.triggers} | {r.locking:.2f} | {r.error_rad:.2f} "
                f"| {r.spread_rad:.2f} | {r.missed:.3f} | {r.withheld:.2f} "
                f"| {r.amplitude_uv:.2f} |"
                for r in rows
            ),
        ]
    )
