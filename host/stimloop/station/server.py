"""The station's loop: one thread; STOP before all else, then one request, then one step."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import asdict
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING

from stimloop.errors import Refused as RefusedFile
from stimloop.interrupt import Interrupt
from stimloop.station import directory as places
from stimloop.station.attention import Abandoned
from stimloop.station.audit import Audit
from stimloop.station.callers import Callers
from stimloop.station.desk import LEADING, Desk
from stimloop.station.orders import obey
from stimloop.station.requests import (
    LONGEST_TEXT,
    Attend,
    Check,
    Describe,
    Done,
    Phase,
    Refused,
    Reply,
    Request,
    Shutdown,
    Snapshot,
)
from stimloop.station.showing import Showing
from stimloop_hw import LinkLost, StimloopError
from stimloop_hw.vocabulary import Bound, Role, StopMode

if TYPE_CHECKING:
    from pathlib import Path

    from stimloop.station.callers import Caller, StopAsked

SHOW_S = 1 / 30
"""The board is renewed so often at most."""
_UNAUDITED = (Attend, Describe, Check)
"""What is asked again and again and changes nothing."""
_STATION = "station"


class Server:
    """A station.

    Parameters
    ----------
    directory : Path
        Its run directory.
    records : Path
        Below it sessions are recorded, and the audit log is kept.
    unattended_s : float
        A session is ended by its ramp so long after the last caller was heard, s; infinite: it
        goes on.

    Raises
    ------
    StationError
        If the directory is open to others, or another station is there.
    """

    def __init__(self, directory: Path, records: Path, unattended_s: float) -> None:
        places.prepare(directory)
        self._lock = places.lock(directory)
        self._audit = Audit.open(records)
        self._showing = Showing(directory)
        self._callers = Callers(directory)
        self._desk = Desk(self._showing, self._callers, records, self._say)
        self._unattended_s = unattended_s
        self._said, self._said_number = "", 0
        self._shown_s = 0.0
        self._number = 0
        self._over = False
        if self._audit.broken:
            self._say(self._audit.broken)

    def serve(self) -> None:
        """Until Shutdown, SIGINT or SIGTERM; a session is stopped by them."""
        try:
            with Interrupt() as interrupt:
                while not (self._over or interrupt.requested):
                    self.turn()
        finally:
            self.close()

    def close(self) -> None:
        """Stop what is led, let go of the device, and of everybody."""
        self._desk.leave()
        self._show()
        self._callers.close()
        self._audit.close()
        os.close(self._lock)

    def turn(self) -> None:
        """Heed STOP, then one request, then do one step; show what came of it."""
        with contextlib.suppress(Abandoned):
            self._turn()

    def _turn(self) -> None:
        asked = self._callers.stops()
        if asked:
            self._stop(asked)
        heard = self._callers.next()
        if heard is not None:
            self._answer(*heard)
        self._look_after()
        self._desk.advance()
        if monotonic() - self._shown_s >= SHOW_S:
            self._show()

    def _stop(self, asked: list[StopAsked]) -> None:
        """All that wait are one STOP, the hardest of them."""
        mode = min(one.stop.mode for one in asked)
        reply: Reply
        try:
            reply = Done(self._desk.end(mode))
        except StimloopError as problem:
            reply = Refused(str(problem))
        for one in asked:
            self._callers.answer_stop(one, reply)
            self._write_down(one.who, "Stop", {"mode": one.stop.mode.name}, _outcome(reply))

    def _answer(self, caller: Caller, number: int, request: Request) -> None:
        name = type(request).__name__
        reply: Reply
        try:
            reply = obey(self._desk, self._audit, request)
        except Abandoned:
            reply = Refused(f"{name} was given up, because STOP came; ask again if it is meant")
        except RefusedFile as problem:
            reply = Refused(str(problem), list(problem.violations))
        except (StimloopError, ValueError, OSError) as problem:
            reply = Refused(str(problem))
            if isinstance(problem, LinkLost) and self._desk.phase not in _GONE:
                self._desk.lose(problem)
        self._callers.tell(caller, number, reply)
        if not isinstance(request, _UNAUDITED):
            self._write_down(caller.who, name, asdict(request), _outcome(reply))
        self._over = isinstance(request, Shutdown) and isinstance(reply, Done)

    def _look_after(self) -> None:
        """End a session that nobody attends, if that was wished."""
        silent_s = monotonic() - self._callers.heard_s
        if self._desk.phase is Phase.THERAPY and silent_s > self._unattended_s:
            with contextlib.suppress(LinkLost):
                self._desk.end(
                    StopMode.RAMP,
                    f"nobody has attended the session for {self._unattended_s:g} s, so it was "
                    "ended as configured; attach, and start a new one",
                )

    def _say(self, sentence: str) -> None:
        self._said, self._said_number = sentence[:LONGEST_TEXT], self._said_number + 1
        self._write_down(_STATION, "said", {}, sentence)

    def _write_down(self, who: str, what: str, detail: dict[str, object], outcome: str) -> None:
        device = self._desk.device
        t_us = 0 if device is None else device.link.t_us
        try:
            self._audit.append(who, what, detail, outcome, t_us)
            if self._desk.phase not in LEADING:
                self._audit.settle()
        except sqlite3.Error as problem:
            self._said_number += 1
            self._said = f"the audit log cannot be written ({problem}); stop, and make room"

    def _show(self) -> None:
        self._shown_s = monotonic()
        self._number += 1
        desk, showing = self._desk, self._showing
        device, now_s = desk.device, self._shown_s
        sitting = desk.sitting
        session = sitting.session if sitting and desk.phase in LEADING else None
        staged = None if device is None else device.staged
        committed = None if device is None else device.committed
        showing.board.show(
            Snapshot(
                number=self._number,
                made_ns=monotonic_ns(),
                phase=desk.phase,
                role=Role.STRANGER if device is None else device.role,
                url="" if device is None else device.url,
                revision=desk.revision,
                status=showing.told,
                status_age_ms=round(1000 * (now_s - showing.told_s)) if showing.told_s else 0,
                lost_samples=0 if device is None else device.link.blocks.lost_samples,
                stream=showing.stream,
                channels=desk.streams,
                rate_hz=desk.rate_hz,
                battery_percent=0.0 if device is None else device.battery.charge_permille / 10,
                staged_crc=0 if staged is None else staged.group.set.crc(),
                committed_crc=0 if committed is None else committed.group.set.crc(),
                armed_left_ms=max(0, round(1000 * (desk.armed_until_s - now_s))),
                adaptive=sitting is not None and sitting.steering.adaptive,
                target_ua=0 if sitting is None else sitting.steering.amplitude_ua,
                capturing=session is not None and not session.stimulating,
                steps=desk.steps,
                fallback=Bound.NONE if session is None else session.fallback,
                record="" if sitting is None else sitting.record,
                said=self._said,
                said_number=self._said_number,
                audit_broken=self._audit.broken[:LONGEST_TEXT],
            )
        )


_GONE = frozenset({Phase.EMPTY, Phase.LOST})


def _outcome(reply: Reply) -> str:
    match reply:
        case Refused():
            return f"refused: {reply.sentence}"
        case Done():
            return f"done{f': {reply.text}' * bool(reply.text)}"
    return f"done: {type(reply).__name__}"
