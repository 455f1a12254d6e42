"""A rehearsal: what a prescription would decide on samples that were sensed before.

The samples are as they were. What another amplitude would have done to them nobody knows, so a
rehearsal tells what the loop decides, not what comes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from stimloop import prescription as prescriptions
from stimloop.replay import RecordedWire, limits_of
from stimloop.session import Session
from stimloop_hw import Block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from stimloop.prescription import Prescription
    from stimloop.record import Record
    from stimloop.step import Latency, Step
    from stimloop.streams import EventKind
    from stimloop_hw.messages import Limits, Status

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What was decided tick by tick; all of shape (ticks,).

    Attributes
    ----------
    t_us : ndarray of int64
        Device time of each tick's last sample, µs.
    level : ndarray of float64
        The biomarker, in the detector's unit.
    active : ndarray of bool
        The detector's decision.
    quality : ndarray of int64
        `stimloop_dsp.Quality`.
    admitted_ua : ndarray of int64
        Ordered amplitude, µA.
    period_us : ndarray of int64
        Ordered pulse period, µs.
    thresholds_uv : tuple of float
        Those that were captured on the way, the upper one first, µV.
    """

    t_us: npt.NDArray[np.int64]
    level: Floats
    active: npt.NDArray[np.bool_]
    quality: npt.NDArray[np.int64]
    admitted_ua: npt.NDArray[np.int64]
    period_us: npt.NDArray[np.int64]
    thresholds_uv: tuple[float, ...] = ()

    @classmethod
    def of(cls, steps: Iterable[Step], thresholds_uv: tuple[float, ...] = ()) -> Self:
        """Gather steps."""
        told = list(steps)
        return cls(
            np.array([step.t_us for step in told], np.int64),
            np.array([step.level for step in told], np.float64),
            np.array([step.active for step in told], np.bool_),
            np.array([step.quality for step in told], np.int64),
            np.array([step.admitted_ua for step in told], np.int64),
            np.array([step.admitted_period_us for step in told], np.int64),
            thresholds_uv,
        )

    @property
    def mean_ma(self) -> float:
        """Mean of the ordered amplitude, mA; nan without a tick."""
        return float(self.admitted_ua.mean()) / 1000 if self.t_us.size else float("nan")

    @property
    def on_fraction(self) -> float:
        """Share of the ticks whose ordered amplitude is above 0, 0 to 1; nan without one."""
        return float((self.admitted_ua > 0).mean()) if self.t_us.size else float("nan")

    @property
    def switches_per_min(self) -> float:
        """How often the detector's decision begins, per minute; nan without two ticks."""
        if self.t_us.size < 2:
            return float("nan")
        begins = np.count_nonzero(np.diff(self.active.astype(np.int8)) > 0)
        return float(begins / ((self.t_us[-1] - self.t_us[0]) / 60e6))


class _Gathered:
    """Log of a rehearsal: its steps, and the thresholds that it captured."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.thresholds_uv: list[float] = []

    def sensed(self, block: Block) -> None:
        """Samples are given."""

    def step(self, step: Step) -> None:
        self.steps.append(step)

    def latency(self, step_number: int, latency: Latency) -> None:
        """Nothing was in a hurry."""

    def status(self, step_number: int, status: Status) -> None:
        """No device speaks."""

    def event(
        self,
        step_number: int,  # noqa: ARG002  # of Log
        t_us: int,  # noqa: ARG002
        kind: EventKind,
        *,
        order: int = 0,  # noqa: ARG002
        code: int = 0,  # noqa: ARG002
        detail: int = 0,
        text: str = "",  # noqa: ARG002
    ) -> None:
        if kind == "captured":
            self.thresholds_uv.append(detail / 1000)


def rehearse(blocks: Iterable[Block], asked: Prescription, limits: Limits) -> Decisions:
    """Put samples through the loop of a prescription; nothing is sent to any device.

    Parameters
    ----------
    blocks : iterable of Block
        Of the channel that the prescription senses, one control tick each.
    asked : Prescription
    limits : Limits
        Of the device that it is meant for, or that sensed the samples.

    Returns
    -------
    Decisions
        With a device that follows every order.

    Raises
    ------
    PrescriptionError
        If the device does not allow the prescription.
    CaptureError
        If the samples do not suffice for the capture of thresholds that it asks for.
    """
    gathered = _Gathered()
    group = asked.programs(limits)
    session = Session(RecordedWire(blocks), asked, limits, group, gathered)
    while session.step() is not None:
        pass
    return Decisions.of(gathered.steps, tuple(gathered.thresholds_uv))


def rehearse_record(record: Record, asked: Prescription | None = None) -> Decisions:
    """Put a record's samples through another prescription, or its own.

    Parameters
    ----------
    record : Record
    asked : Prescription, optional

    Raises
    ------
    PrescriptionError, CaptureError
        As `rehearse`.
    RecordError
        If another release wrote the record.
    """
    if asked is None:
        asked = prescriptions.loads(record.session["prescription"])
    return rehearse(record.blocks(), asked, limits_of(record))


def recorded(record: Record) -> Decisions:
    """What was decided at the time."""
    return Decisions.of(record.steps())


def blocks_of(nv: npt.NDArray[np.int32], size: int, rate_hz: int) -> Iterator[Block]:
    """Cut one channel of samples into blocks, as a device would send them.

    Parameters
    ----------
    nv : ndarray of int32, shape (n,)
        Samples, nV; what does not fill a last block is left out.
    size : int
        Samples per block.
    rate_hz : int
        Sampling rate, Hz.
    """
    for first in range(0, nv.size - size + 1, size):
        t_us = (first + size - 1) * 1_000_000 // rate_hz
        values = np.ascontiguousarray(nv[first : first + size], "<i4").tobytes()
        yield Block(first, t_us, 1, size, 0, values, 0)
