"""An output stage that does something else than it is told, and says that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from stimloop_hw.program import Program
    from stimloop_sim._pulses import PulseTrain
    from stimloop_sim.firmware import Firmware


def _as_committed(program: Program) -> Program:
    return program


class BrokenStage:
    """What stands between the firmware and its output stage.

    Parameters
    ----------
    stage : PulseTrain
    change : callable (Program) -> Program
        The program that it takes instead of the one committed.
    less_ua : int
        It delivers so much less than ordered, and tells what was ordered.
    later_us : int
        So much longer is the period.
    stops_after_us : int
        It goes on for so long after it was stopped, and tells zero.
    """

    def __init__(
        self,
        stage: PulseTrain,
        change: Callable[[Program], Program],
        less_ua: int,
        later_us: int,
        stops_after_us: int,
    ) -> None:
        self._stage = stage
        self._change = change
        self._less_ua = less_ua
        self._later_us = later_us
        self._stops_after_us = stops_after_us
        self._stopped_us = -1

    @classmethod
    def of(
        cls,
        firmware: Firmware,
        *,
        change: Callable[[Program], Program] = _as_committed,
        less_ua: int = 0,
        later_us: int = 0,
        stops_after_us: int = 0,
    ) -> None:
        """Put it before the output stage of an implant; see the class."""
        therapy = firmware.therapy
        broken = cls(therapy.pulses, change, less_ua, later_us, stops_after_us)
        therapy.pulses = cast("PulseTrain", broken)

    def configure(self, *programs: Program) -> None:
        """Take the changed programs."""
        self._stage.configure(*map(self._change, programs))

    def setpoint(
        self, now_us: int, amplitude_ua: int, period_us: int, at_us: int, program: int = 0
    ) -> None:
        """Take a setpoint, less of it and later."""
        less_ua = max(0, amplitude_ua - self._less_ua)
        self._stage.setpoint(now_us, less_ua, period_us + self._later_us, at_us, program)

    def stop(self, now_us: int) -> None:
        """Stop, or only say so."""
        if self._stops_after_us and self._stage.delivered_ua:
            self._stopped_us = now_us
        else:
            self._stage.stop(now_us)

    @property
    def outputs(self) -> list[tuple[int, int, int]]:
        """What was ordered, as if it were what is delivered."""
        if self._stopped_us >= 0:
            return [(0, 0, 0) for _ in self._stage.outputs]
        less_ua = self._less_ua
        return [
            tuple(value and value + less_ua for value in output)  # type: ignore[misc]
            for output in self._stage.outputs
        ]

    def advance(self, start_us: int, sample_us: int, samples: int) -> npt.NDArray[np.int32]:
        """Deliver the pulses of the next sample intervals."""
        if self._stopped_us >= 0 and start_us - self._stopped_us >= self._stops_after_us:
            self._stopped_us = -1
            self._stage.stop(start_us)
        return self._stage.advance(start_us, sample_us, samples)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the stage has
        return getattr(self._stage, name)
