"""The fate of every frame that goes to a device: one for each, from the host's write on.

The book follows each copy of a frame (those that an attacker sends again besides) through the
impaired line byte by byte, and looks over the shoulder of the device that takes it. It shares
nothing with the firmware's own counters, which are compared with it afterwards.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol
from unittest.mock import patch

from stimloop_hw.framing import Deframer
from stimloop_hw.messages import TABLE_CRC
from stimloop_sim.attack import Reorder, Replay
from stimloop_sim.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_hw.framing import Frame
    from stimloop_hw.vocabulary import Refusal
    from stimloop_sim.bench import Bench
    from stimloop_sim.damage import Damage
    from stimloop_sim.impairment import Wire
    from stimloop_sim.limits import Breach
    from stimloop_sim.sessions import HostSession

_FRAME = re.compile(rb"\0*[^\0]+\0", re.DOTALL)


class Fate(Enum):
    """What became of a copy of a frame; in words."""

    SWALLOWED = "not let in: the plug was out, or the line half open"
    HELD = "held back to be overtaken, by a frame that never came"
    DAMAGED = "damaged"
    LOST = "lost on the way, with the plug or a reset"
    CUT = "half received when the device was reset"
    EXECUTED = "carried out"
    GREETED = "a greeting, answered"
    ADMITTED = "a host, admitted"
    STOPPED = "a stop, obeyed"
    FOREIGN = "dropped: of no session"
    LOCKED_OUT = "dropped: signed, in a lockout"
    BAD_TAG = "dropped: bad tag"
    REPEATED = "dropped or answered again: repeated, overtaken"
    STALE = "refused: after its deadline"
    REFUSED = "refused: for another reason"


ARRIVED = tuple(Fate)[5:]
"""Of the frames that reached the device intact."""


class Witness(Protocol):
    """Counts what the firmware does."""

    executed: int
    greeted: int
    admitted: int
    stops: int


@dataclass(eq=False, slots=True)
class Copy:
    """A copy of a frame: its bytes as they are now, and what has happened to it."""

    wire: bytes
    damaged: bool = False
    lost: bool = False
    cut: bool = False
    arrived: bool = False
    fates: int = 0


class Book:
    """Follows one bench's line from the host to the device.

    Parameters
    ----------
    bench : Bench
    witness : Witness

    Attributes
    ----------
    sent, replayed : int
        Copies put on the line by the host and by the attacker.
    fates : Counter of Fate
    refusals : Counter of Refusal
        Of the frames refused, stale ones among them, by reason.
    broken : int
        Pieces that arrived and are no frame.
    problems : list of str
        What should not be: a frame with no fate or two, or that nobody can account for.
    """

    def __init__(self, bench: Bench, witness: Witness) -> None:
        self.sent = self.replayed = self.broken = 0
        self.fates: Counter[Fate] = Counter()
        self.refusals: Counter[Refusal] = Counter()
        self.problems: list[str] = []
        self._bench = bench
        self._witness = witness
        self._copies: list[Copy] = []
        self._flow: list[Copy] = []  # in the midst of a push: the copies in its bytes
        self._waiting: dict[int, list[Copy]] = {}  # in each stage that lets others overtake
        self._on_way: deque[tuple[Copy, int]] = deque()  # and how many bytes of each
        self._begun = b""
        self._begun_by: list[Copy] = []  # of each byte
        self._intact: deque[Copy] = deque()
        self._device = bench.firmware
        self._follow()

    # The line ------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Put ourselves between the line's stages; the bytes that pass stay the same."""
        wire = self._bench.line.to_device
        self._follow_ends(wire)
        for _, stage in wire._stages:
            if isinstance(stage, Reorder):
                self._follow_reorder(stage)
            elif isinstance(stage, Replay):
                self._follow_replay(stage)
            else:
                self._follow_damage(stage)

    def _follow_ends(self, wire: Wire) -> None:
        push, take, lose = wire.push, wire.take, wire._lose

        def pushes(now_us: int, data: bytes) -> None:
            swallowed = wire.swallowed
            self._flow = [Copy(frame) for frame in _FRAME.findall(data)]
            self._copies += self._flow
            self.sent += len(self._flow)
            push(now_us, data)
            for copy in self._flow:
                if wire.swallowed > swallowed:
                    self._settle(copy, Fate.SWALLOWED)
                elif copy.wire:
                    self._on_way.append((copy, len(copy.wire)))

        def loses(kind: str) -> None:
            count = -wire.counts[kind]
            lose(kind)
            for copy in self._leave(count + wire.counts[kind]):
                copy.lost = True

        def takes(now_us: int) -> bytes:
            waiting = sum(size for _, size in self._on_way)
            unplugged = wire.counts["unplug"]
            data = take(now_us)
            still = sum(size for _, size in self._on_way)
            owners = self._leave(len(data))
            cut = wire.counts["unplug"] - unplugged if still == waiting else 0
            for copy in self._leave(cut):
                copy.lost = True
            if data:
                self._deliver(data, owners)
            return data

        wire.push, wire.take, wire._lose = pushes, takes, loses  # type: ignore[method-assign]

    def _follow_reorder(self, stage: Reorder) -> None:
        apply = stage.apply

        def applies(data: bytes) -> tuple[bytes, int]:
            out, count = apply(data)
            pool = self._waiting.get(id(stage), []) + self._flow
            self._flow = []
            for frame in _FRAME.findall(out):
                self._flow.append(next(copy for copy in pool if copy.wire == frame))
                pool.remove(self._flow[-1])
            self._waiting[id(stage)] = pool
            return out, count

        stage.apply = applies  # type: ignore[method-assign]

    def _follow_replay(self, stage: Replay) -> None:
        apply = stage.apply

        def applies(data: bytes) -> tuple[bytes, int]:
            out, count = apply(data)
            here, self._flow = deque(self._flow), []
            for frame in _FRAME.findall(out):
                if here and here[0].wire == frame:
                    self._flow.append(here.popleft())
                else:
                    self._flow.append(Copy(frame))
                    self._copies.append(self._flow[-1])
                    self.replayed += 1
            return out, count

        stage.apply = applies  # type: ignore[method-assign]

    def _follow_damage(self, stage: Damage) -> None:
        apply = stage.apply

        def applies(data: bytes) -> tuple[bytes, int]:  # noqa: ARG001  # those of the flow
            struck = 0
            for copy in self._flow:  # the same bytes suffer the same however they are cut
                out, count = apply(copy.wire)
                copy.damaged |= out != copy.wire
                copy.wire = out
                struck += count
            return b"".join(copy.wire for copy in self._flow), struck

        stage.apply = applies  # type: ignore[method-assign]

    def _leave(self, count: int) -> list[Copy]:
        """So many bytes leave the line: whose each of them is."""
        owners: list[Copy] = []
        while len(owners) < count:
            copy, size = self._on_way.popleft()
            gone = min(size, count - len(owners))
            owners += [copy] * gone
            if gone < size:
                self._on_way.appendleft((copy, size - gone))
        return owners

    # The device ----------------------------------------------------------------------------

    def _deliver(self, data: bytes, owners: list[Copy]) -> None:
        """Bytes reach the device; one that was reset has forgotten half a frame."""
        if self._bench.firmware is not self._device:
            self._device = self._bench.firmware
            for copy in self._begun_by:
                copy.cut = True
            self._begun, self._begun_by = b"", []
        data, owners = self._begun + data, self._begun_by + owners
        begin = 0
        while (end := data.find(0, begin)) >= 0:
            if piece := data[begin:end]:
                if Deframer(TABLE_CRC).feed(piece + b"\0"):
                    self._intact.append(owners[begin])
                    owners[begin].arrived = True
                else:
                    self.broken += 1
            begin = end + 1
        self._begun, self._begun_by = data[begin:], owners[begin:]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look over the shoulder of the device that takes the frames."""
        take, refuse = Telemetry._take, Telemetry._refuse

        def takes(telemetry: Telemetry, frame: Frame) -> None:
            locked = telemetry._lockout.left_us(self._bench.firmware.now_us) > 0
            before = self._counted(telemetry)
            take(telemetry, frame)
            after = self._counted(telemetry)
            happened = [fate for fate in before if after[fate] > before[fate]]
            if Fate.STALE in happened:
                happened = [fate for fate in happened if fate is not Fate.REFUSED]
            if happened == [Fate.FOREIGN] and locked:
                happened = [Fate.LOCKED_OUT]
            if not self._intact:
                self.problems.append(f"frame {frame.number:02X} was taken, but never arrived")
                return
            copy = self._intact.popleft()
            for fate in happened:
                self._settle(copy, fate)

        def refuses(
            telemetry: Telemetry, session: HostSession, frame: Frame, breach: Breach
        ) -> None:
            self.refusals[breach.reason] += 1
            refuse(telemetry, session, frame, breach)

        with (
            patch.object(Telemetry, "_take", takes),
            patch.object(Telemetry, "_refuse", refuses),
        ):
            yield

    def _counted(self, telemetry: Telemetry) -> dict[Fate, int]:
        return {
            Fate.EXECUTED: self._witness.executed,
            Fate.GREETED: self._witness.greeted,
            Fate.ADMITTED: self._witness.admitted,
            Fate.STOPPED: self._witness.stops,
            Fate.FOREIGN: telemetry.foreign,
            Fate.BAD_TAG: telemetry.bad_tags,
            Fate.REPEATED: telemetry.repeated,
            Fate.STALE: telemetry.stale,
            Fate.REFUSED: telemetry.refused,
        }

    def _settle(self, copy: Copy, fate: Fate) -> None:
        copy.fates += 1
        self.fates[fate] += 1

    # The end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Settle what the line did, once nothing is on the way any more."""
        held = {copy for waiting in self._waiting.values() for copy in waiting}
        for copy in self._copies:
            if copy.arrived or copy.fates:
                continue
            if copy in held:
                self._settle(copy, Fate.HELD)
            elif copy.damaged:
                self._settle(copy, Fate.DAMAGED)
            elif copy.lost:
                self._settle(copy, Fate.LOST)
            elif copy.cut:
                self._settle(copy, Fate.CUT)
        for fates in (copy.fates for copy in self._copies):
            if fates != 1:
                self.problems.append(f"a frame has {fates} fates")
        if self._on_way:
            self.problems.append(f"{len(self._on_way)} frames are still on the way")
