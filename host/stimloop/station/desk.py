"""What a station does between two looks at its callers: one step of what is under way."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING

from stimloop import leading
from stimloop.devices import stop_output
from stimloop.errors import RecordError
from stimloop.notices import heed
from stimloop.station.attention import Abandoned
from stimloop.station.device import HeldDevice
from stimloop.station.errors import StationError
from stimloop.station.requests import UNKNOWN, Phase
from stimloop.station.sitting import Sitting
from stimloop_hw import LinkError, LinkLost
from stimloop_hw.vocabulary import State, StopMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stimloop.station.callers import Callers
    from stimloop.station.device import Plan
    from stimloop.station.showing import Showing
    from stimloop.steering import Steering

RECONNECT_S = 1.0
"""A device that is gone is looked for so often."""
IDLE_S = 0.1
"""Without a device the station sleeps for so long at most."""
LEADING = frozenset({Phase.THERAPY, Phase.ENDING})
"""Phases in which a session is recorded."""
STOPPED = {StopMode.GROUND: "emergency stop", StopMode.RAMP: "stop"}
"""How a record calls them."""


class Desk:
    """The device, the session on it, and what a person must be told.

    Parameters
    ----------
    showing : Showing
    callers : Callers
    records : Path
        Sessions are recorded below it.
    on_said : callable
        Called with each sentence that a person must read.

    Attributes
    ----------
    phase : Phase
    device : HeldDevice or None
        Kept, and closed, while the phase is LOST.
    sitting : Sitting or None
        The session that runs, or the latest one.
    streams : list of int
        Channels that stream.
    rate_hz : int
    armed_until_s : float
        On the monotonic clock, s.
    revision : int
        Changes with what a description tells.
    """

    def __init__(
        self,
        showing: Showing,
        callers: Callers,
        records: Path,
        on_said: Callable[[str], None],
    ) -> None:
        self.showing = showing
        self.callers = callers
        self.records = records
        self.say = on_said
        self.phase = Phase.EMPTY
        self.device: HeldDevice | None = None
        self.sitting: Sitting | None = None
        self.streams: list[int] = []
        self.rate_hz = 0
        self.armed_until_s = 0.0
        self.revision = 0
        self._look_s = 0.0

    @property
    def steps(self) -> int:
        """Of the session that runs; 0 without one."""
        return self.sitting.session.steps if self.sitting and self.phase in LEADING else 0

    def held(self) -> HeldDevice:
        """The device.

        Raises
        ------
        StationError
            If none is connected, or it is gone.
        """
        if self.device is None or self.phase is Phase.LOST:
            raise StationError(
                "no device is connected; connect to one first"
                if self.device is None
                else f"{self.device.url} is gone; plug it in again, the station looks for it"
            )
        return self.device

    # One step ------------------------------------------------------------------------------

    def advance(self) -> None:
        """Do one step of what is under way; waits for the device's next word, or a little.

        Raises
        ------
        Abandoned
            If a STOP waits.
        """
        try:
            match self.phase:
                case Phase.EMPTY:
                    self.callers.wait(IDLE_S)
                case Phase.LOST:
                    self._look_for_it()
                case Phase.WATCHING | Phase.SENSING:
                    self._watch()
                case Phase.THERAPY:
                    self._step()
                case Phase.ENDING:
                    self._hear_rest()
        except LinkLost as problem:
            if self.phase is not Phase.LOST:
                self.lose(problem)

    def _watch(self) -> None:
        link = self.held().link
        if self.phase is Phase.WATCHING:
            self.showing.status(0, link.status())
            link.blocks.waiting.clear()  # of a stream that nobody has asked for
        else:
            block = link.sensed()
            if block is None:
                self.end_stream()
                self.say("the device's sensing has ended; a recording has no more samples")
            else:
                self.showing.sensed(block)
        heed(link, self.showing, 0)

    def _step(self) -> None:
        sitting = self.sitting
        assert sitting is not None
        try:
            step = sitting.step()
        except Abandoned:
            raise
        except Exception as problem:  # noqa: BLE001  # a controller may be anybody's: stop first
            self.give_up(problem)
            return
        if step is None:
            self.end(StopMode.RAMP, "the device's sensing has ended, and the session with it")
            self.streams = []
        elif alarm := sitting.alarm():
            self.say(alarm)

    def _hear_rest(self) -> None:
        if leading.rest(self.held().link, self.showing, self.steps):
            self._close_record()

    def end_stream(self) -> None:
        """Nothing streams any more."""
        self.streams, self.rate_hz = [], 0
        self.phase = Phase.WATCHING

    # Connecting ----------------------------------------------------------------------------

    def connect(self, device: HeldDevice) -> None:
        """Take a device that was opened."""
        self.device = device
        self.showing.told = UNKNOWN
        self.streams, self.rate_hz = [], 0
        self.phase = Phase.WATCHING
        self.revision += 1

    def disconnect(self) -> None:
        """Let go of the device, if there is one."""
        if self.device is not None:
            self.device.close()
        self.device = None
        self.showing.told = UNKNOWN
        self.streams, self.rate_hz = [], 0
        self.phase = Phase.EMPTY
        self.armed_until_s = 0.0
        self.revision += 1

    def lose(self, problem: BaseException) -> None:
        """The device is gone: say so, close the record, look for it."""
        assert self.device is not None
        if self.phase in LEADING:
            with contextlib.suppress(RecordError):
                self.showing.event(self.steps, self.device.link.t_us, "note", text=str(problem))
            self._close_record()
        self.device.close()
        self.phase = Phase.LOST
        self.streams, self.rate_hz = [], 0
        self.armed_until_s = 0.0
        self._look_s = monotonic() + RECONNECT_S
        self.say(str(problem))

    def _look_for_it(self) -> None:
        self.callers.wait(IDLE_S)
        former = self.device
        assert former is not None
        if monotonic() < self._look_s:
            return
        self._look_s = monotonic() + RECONNECT_S
        try:
            found = HeldDevice.open(former.url, former.key, self.callers)
        except LinkError:
            return
        if found.link.identity.serial != former.link.identity.serial:
            found.close()
            self.disconnect()
            self.say(
                f"device {found.link.identity.serial} answers on {former.url} where "
                f"{former.link.identity.serial} was; connect to it if it is meant"
            )
            return
        self.connect(found)
        self.say(
            f"{former.url} is back, and is only watched: nothing was sent to it. A session is "
            "never taken up again; stage, commit, arm and start a new one"
        )

    # A session -----------------------------------------------------------------------------

    def begin(self, plan: Plan, steering: Steering, notes: dict[str, object]) -> None:
        """Open a record, and take the first step: the device is armed and started by it.

        Parameters
        ----------
        plan : Plan
            That is committed.
        steering : Steering
            Who leads.
        notes : dict
            What else the record shall say of the session.

        Raises
        ------
        OrderRefused, RecordError
            As they say; nothing runs then.
        """
        device = self.held()
        self.sitting = Sitting(
            device, plan, steering, self.showing, records=self.records, notes=notes
        )
        rate_hz = leading.rate_hz(plan.prescription, device.limits)
        self.begin_stream([device.channel_of(plan)], rate_hz)
        self.phase = Phase.THERAPY
        try:
            self.sitting.step()
        except Abandoned:
            raise
        except Exception as problem:
            self.give_up(problem)
            raise

    def end(self, mode: StopMode, why: str = "") -> str:
        """Stop, and hear the device out until its output is off.

        Returns
        -------
        str
            The device's acknowledgement in words.

        Raises
        ------
        LinkLost
            If it does not acknowledge; it is taken for lost then.
        """
        device = self.device
        if device is None:
            raise StationError(
                "STOP was asked for and no device is connected here; switch the output off at "
                "the device, or run stimloop stop --device URL"
            )
        if self.phase is Phase.LOST:
            return stop_output(device.url)
        self.armed_until_s = 0.0
        with device.undisturbed() as link:
            try:
                stopped = link.stop(mode)
            except LinkLost as problem:
                self.lose(problem)
                raise
        with contextlib.suppress(RecordError):  # which `_close_record` will say
            self.showing.event(self.steps, link.t_us, "operator", text=STOPPED[mode])
        if self.phase is Phase.THERAPY:
            self.phase = Phase.ENDING
        if why:
            self.say(why)
        state = State(stopped.state).name
        return f"stopped: {state} at {stopped.t_us / 1e6:.3f} s of device time"

    def begin_stream(self, channels: list[int], rate_hz: int) -> None:
        """The device has begun another stream."""
        self.streams, self.rate_hz = channels, rate_hz
        evoked = any(self.held().is_evoked(channel) for channel in channels)
        self.showing.begin_stream(rate_hz, [] if evoked else channels)

    def give_up(self, problem: BaseException) -> None:
        """A session cannot go on: stop the device, say and record why."""
        device = self.held()
        with device.undisturbed() as link, contextlib.suppress(RecordError):
            leading.give_up(link, self.showing, self.steps, problem)
        if isinstance(problem, LinkLost):
            self._close_record()
            self.lose(problem)
            return
        self.phase = Phase.ENDING
        self.say(str(problem) or type(problem).__name__)

    def _close_record(self) -> None:
        assert self.sitting is not None
        self.phase = Phase.SENSING if self.streams else Phase.WATCHING
        self.revision += 1
        if problem := self.sitting.close():
            self.say(problem)

    def leave(self) -> None:
        """The station ends: stop what it leads, and close everything."""
        if self.phase in LEADING:
            with contextlib.suppress(LinkError):
                self.end(StopMode.GROUND)
                with self.held().undisturbed():
                    while self.phase is Phase.ENDING:
                        self.advance()
        self.disconnect()
