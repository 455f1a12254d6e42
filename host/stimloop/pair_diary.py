"""What a pair notes in the record beside the session: trains, doubts, edges, UTC.

A train's time is that of its first pulse on the amplifier's clock, which is the session's
device time, with a bound: half of the exchange that started it, what is not known of the clock,
and what the samples themselves contradict.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stimloop.seams import Log
    from stimloop_hw.amplifier import Amplifier, Edge
    from stimloop_hw.generator import Measured, Played, PulseGenerator

UTC_US = 60_000_000
"""Device time between two notes of how it stands to UTC."""
FAR_US = 1_000_000
"""Clocks that are further apart are none of the same time."""
UNKNOWN_US = -1
"""The bound of a time that nobody knows."""


class Diary:
    """Notes for a record.

    Parameters
    ----------
    amplifier : Amplifier
    generator : PulseGenerator
    one_clock : bool
        Whether both ports go by the same clock, so that their times can be compared.
    simulated : bool
        Whether that is the clock of a simulation, which no UTC belongs to.

    Attributes
    ----------
    log : Log or None
        Where the notes go, once there is one.
    steps : int
        Blocks taken so far.
    """

    def __init__(
        self,
        amplifier: Amplifier,
        generator: PulseGenerator,
        *,
        one_clock: bool,
        simulated: bool,
    ) -> None:
        self.log: Log | None = None
        self.steps = 0
        self._amplifier = amplifier
        self._generator = generator
        self._one_clock = one_clock
        self._simulated = simulated
        self._utc_due_us = 0

    def note_train(self, played: Played) -> None:
        """A train was started: `code` is its pulses, `detail` the bound of its time, µs."""
        begun_us, bound_us = self._aligned(played)
        within = "± unknown" if bound_us < 0 else f"± {bound_us / 1000:.3g} ms"
        train, unit = played.train, self._generator.capability.unit
        self._note(
            begun_us,
            train.pulses,
            bound_us,
            f"train of {train.pulses} pulses of {train.amplitude} {unit} from "
            f"{begun_us / 1e6:.6f} s {within}",
        )

    def note_blindness(self) -> None:
        """The generator cannot be read back: a doubt of the whole session."""
        name = self._generator.capability.name
        self._note(
            self._amplifier.t_us,
            0,
            0,
            f"doubt: a {name} cannot be read back; what it plays is what it was sent only if "
            "no byte was damaged on the way",
        )

    def note_doubt(self, problem: Exception) -> None:
        """Nobody knows what the generator does."""
        self._note(self._amplifier.t_us, 0, 0, f"doubt: {problem}")

    def note_measured(self, measured: Measured) -> None:
        """A train has ended, and was measured: `code` is its pulses, `detail` its amplitude."""
        unit = self._generator.capability.unit
        text = f"measured: {measured.pulses} pulses of {measured.amplitude} {unit}"
        if measured.difference:
            text += f"; {measured.difference}"
        self._note(self._amplifier.t_us, measured.pulses, measured.amplitude, text)

    def note_utc(self) -> None:
        """How device time stands to UTC, now and then: `detail` is the bound, µs."""
        known, t_us = self._amplifier.clock.estimate, self._amplifier.t_us
        if not self._one_clock or self._simulated or t_us < self._utc_due_us:
            return
        if known.exchanges:
            self._utc_due_us = t_us + UTC_US
            self._note(
                t_us,
                0,
                math.ceil(known.bound_us),
                f"device time {t_us / 1e6:.6f} s is {known.utc(t_us).isoformat()} "
                f"± {known.bound_us / 1000:.3g} ms",
            )

    def note_edges(self) -> list[Edge]:
        """Digital inputs have changed: `code` is their number, `detail` their level."""
        edges = list(self._amplifier.edges)
        self._amplifier.edges.clear()
        for edge in edges:
            level = "high" if edge.high else "low"
            self._note(edge.t_us, edge.line, edge.high, f"digital input {edge.line} {level}")
        return edges

    def _note(self, t_us: int, code: int, detail: int, text: str) -> None:
        if self.log is not None:
            self.log.event(self.steps, t_us, "note", code=code, detail=detail, text=text)

    def _aligned(self, played: Played) -> tuple[int, int]:
        """Device time of a train's first pulse, and its bound, µs."""
        middle_us = (played.first_ns + played.last_ns) / 2000
        half_us = (played.last_ns - played.first_ns) / 2000
        known, now_us = self._amplifier.clock.estimate, self._amplifier.t_us
        # A sample of this time had been taken: a clock that says otherwise is off by so much.
        early_us = now_us - (self._generator.now_ns / 1000 + known.offset_us)
        bound_us = half_us + known.bound_us + max(0.0, early_us)
        if not self._one_clock or abs(early_us) > FAR_US or math.isinf(bound_us):
            return now_us, UNKNOWN_US
        return round(middle_us + known.offset_us), math.ceil(bound_us)
