"""The log of a station: to the record, if a session is recorded, and to the rings."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from stimloop.station import directory as places
from stimloop.station.requests import UNKNOWN
from stimloop.station.ring import CHANNELS, RINGS, SAMPLES, SWEEP, BoardWriter, RingWriter
from stimloop_hw.messages import MESSAGES
from stimloop_hw.vocabulary import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from stimloop.recorder import Recorder
    from stimloop.step import Latency, Step
    from stimloop.streams import EventKind
    from stimloop_hw import Block
    from stimloop_hw.messages import Status


class Showing:
    """Everything that a session tells goes through here, the record first.

    Parameters
    ----------
    directory : Path
        The run directory, where the rings are made.

    Attributes
    ----------
    recorder : Recorder or None
        Set while a session is recorded.
    board : BoardWriter
    told : Status
        The device's latest; `UNKNOWN` before the first.
    told_s : float
        When it was heard, on the monotonic clock, s.
    stream : int
        Number of the stream that the indices belong to.
    """

    def __init__(self, directory: Path) -> None:
        made = {name: RingWriter(directory / name, *of) for name, of in RINGS.items()}
        self.recorder: Recorder | None = None
        self.board = BoardWriter(directory / places.BOARD)
        self.told = UNKNOWN
        self.told_s = 0.0
        self.stream = 0
        self._samples, self._steps = made["samples"], made["steps"]
        self._events, self._sweeps = made["events"], made["sweeps"]
        self._sample_us = 0.0
        self._places: list[int] = []
        self._step: Step | None = None

    def begin_stream(self, rate_hz: int, channels: list[int]) -> None:
        """Indices begin anew.

        Parameters
        ----------
        rate_hz : int
        channels : list of int
            Which sensing channels a block holds, in their order; none: sweeps.
        """
        self.stream += 1
        self._sample_us = 1e6 / rate_hz
        self._places = channels

    # stimloop.seams.Log --------------------------------------------------------------------

    def sensed(self, block: Block) -> None:
        """A block came in."""
        if self.recorder is not None:
            self.recorder.sensed(block)
        samples = np.frombuffer(block.samples_nv, np.int32).reshape(-1, block.channels)
        if not self._places:
            nv = np.zeros(SWEEP, np.int32)
            count = min(block.count, SWEEP)
            nv[:count] = samples[:count, 0]
            self._sweeps.put((block.first_index, block.t_us, self.stream, count, nv))
            return
        rows = np.zeros(block.count, SAMPLES)
        behind = np.arange(block.count - 1, -1, -1)
        rows["index"] = block.first_index + block.count - 1 - behind
        rows["t_us"] = block.t_us - behind * self._sample_us
        rows["stream"] = self.stream
        for place, column in zip(self._places, samples.T, strict=False):
            rows["nv"][:, min(place, CHANNELS - 1)] = column
        self._samples.append(rows)

    def step(self, step: Step) -> None:
        """A tick was decided; its row is shown with its latency, which comes next."""
        if self.recorder is not None:
            self.recorder.step(step)
        self._step = step

    def latency(self, step_number: int, latency: Latency) -> None:
        """Where the time of a tick went."""
        if self.recorder is not None:
            self.recorder.latency(step_number, latency)
        step, status = self._step, self.told
        if step is None:
            return
        self._steps.put(
            (
                *(step.index, step.t_us, self.stream, step.level),
                *(step.active, int(step.quality), int(step.bound), status.state),
                *(step.wanted_ua, step.wanted_period_us),
                *(step.admitted_ua, step.admitted_period_us),
                *(status.setpoint_ua, status.amplitude_ua, status.delivered_ua),
                *(latency.read, latency.decode, latency.detect, latency.control),
                *(latency.govern, latency.write, latency.total),
            )
        )

    def status(self, step_number: int, status: Status) -> None:
        """The device reported."""
        if self.recorder is not None:
            self.recorder.status(step_number, status)
        self.told, self.told_s = status, monotonic()

    def event(
        self,
        step_number: int,
        t_us: int,
        kind: EventKind,
        *,
        order: int = 0,
        code: int = 0,
        detail: int = 0,
        text: str = "",
    ) -> None:
        """Something happened."""
        if self.recorder is not None:
            self.recorder.event(
                step_number, t_us, kind, order=order, code=code, detail=detail, text=text
            )
        if kind == "refused":
            sentence = Refusal(code).sentence(detail)
            text = f"the device refused {MESSAGES[order].__name__}: {sentence}"
        row = (t_us, self.stream, step_number, kind.encode(), int(code), detail, text.encode())
        self._events.put(row)
