"""One session at the station and its record: who leads, what alarms, how it closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop import leading
from stimloop.errors import RecordError
from stimloop.governor import FALLBACK
from stimloop.recorder import Recorder
from stimloop.run import fresh_directory
from stimloop.steering import CLOSE, LEAD
from stimloop_hw.vocabulary import Bound

if TYPE_CHECKING:
    from pathlib import Path

    from stimloop.station.device import HeldDevice, Plan
    from stimloop.station.showing import Showing
    from stimloop.steering import Steering
    from stimloop.step import Step


class Sitting:
    """A session that is recorded; nothing is stimulated before its first step.

    Parameters
    ----------
    device : HeldDevice
        On which the plan is committed.
    plan : Plan
    steering : Steering
        Who leads at first.
    showing : Showing
        Shows it, and writes the record.
    records : Path
        The record is made below it.
    notes : dict
        What else the record shall say of the session.

    Attributes
    ----------
    plan : Plan
    steering : Steering
    session : Session or Watch
    record : str
        Directory of the record.

    Raises
    ------
    OrderRefused
        If the device refuses to stream.
    RecordError
        If there can be no record.
    """

    def __init__(
        self,
        device: HeldDevice,
        plan: Plan,
        steering: Steering,
        showing: Showing,
        *,
        records: Path,
        notes: dict[str, object],
    ) -> None:
        self.plan = plan
        self.steering = steering
        self._link = link = device.link
        self._showing = showing
        self._fallback = Bound.NONE
        asked, limits = plan.prescription, device.limits
        described = leading.describe_session(link, device.url, asked, limits) | notes
        recorder = Recorder.create(fresh_directory(str(records / "session")), described)
        self.record = str(recorder.directory)
        showing.recorder = recorder
        try:
            self.session = leading.lead(
                link, asked, limits, plan.group, showing, maker=steering.control
            )
        except BaseException:
            self.close()
            raise

    def step(self) -> Step | None:
        """Take the session's next step; before the first one it is recorded who leads.

        Raises
        ------
        Exception
            Whatever `Session.step` raises, and whatever a controller of somebody else's does.
        """
        if not self.session.steps and not self.steering.adaptive:
            self._write_down(adaptive=False, amplitude_ua=self.steering.amplitude_ua)
        return self.session.step()

    def steer(self, *, adaptive: bool, amplitude_ua: int) -> None:
        """From the next step on somebody else leads, or to another amplitude.

        Raises
        ------
        RecordError
            If that cannot be recorded; nothing changes then.
        """
        self._write_down(adaptive=adaptive, amplitude_ua=amplitude_ua)
        self.steering.adaptive, self.steering.amplitude_ua = adaptive, amplitude_ua

    def _write_down(self, *, adaptive: bool, amplitude_ua: int) -> None:
        self._showing.event(
            self.session.steps,
            self._link.t_us,
            "operator",
            detail=amplitude_ua,
            text=CLOSE if adaptive else LEAD,
        )

    def alarm(self) -> str:
        """What the governor has begun or ended since this was last asked; empty if nothing."""
        if self.session.fallback is self._fallback:
            return ""
        self._fallback = self.session.fallback
        return FALLBACK[self._fallback]

    def close(self) -> str:
        """Close the record; what went wrong with it, or nothing."""
        recorder, self._showing.recorder = self._showing.recorder, None
        try:
            if recorder is not None:
                recorder.close()
        except RecordError as problem:
            return str(problem)
        return ""
