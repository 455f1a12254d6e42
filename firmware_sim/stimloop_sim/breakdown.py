"""Parts of a device that have broken: a converter that sticks, an output stage that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop_sim._pulses import PulseTrain
    from stimloop_sim.source import Source


class StickyConverter:
    """A source whose samples can freeze at the last one; what is behind it goes on.

    Parameters
    ----------
    source : Source

    Attributes
    ----------
    stuck : bool
    """

    def __init__(self, source: Source) -> None:
        self.stuck = False
        self._source = source
        self._last_uv = np.zeros(len(source.channels))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the sensing channels."""
        return self._source.channels

    @property
    def fs_hz(self) -> int:
        """Sampling rate in Hz."""
        return self._source.fs_hz

    @property
    def remaining(self) -> int | None:
        """Samples left; None is an endless source."""
        return self._source.remaining

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], width_us: int, period_us: int
    ) -> npt.NDArray[np.float64]:
        """Sense one block; see `Source.sense`."""
        sensed_uv = self._source.sense(amplitude_ua, width_us, period_us)
        if self.stuck:
            return np.tile(self._last_uv, (len(amplitude_ua), 1))
        self._last_uv = sensed_uv[-1].copy()
        return sensed_uv


class StuckStage:
    """An output stage that goes on with its latest order, whatever it is told.

    Only the output-disable, which is not part of it, can silence it.

    Parameters
    ----------
    stage : PulseTrain
        What it was while it worked.

    Attributes
    ----------
    stage : PulseTrain
    grounded : bool
    """

    _READ = ("felt", "recent", "traced")

    def __init__(self, stage: PulseTrain) -> None:
        self.stage = stage
        self.grounded = False

    @property
    def acting(self) -> bool:
        """Whether pulses were in effect during the latest `advance`."""
        return self.stage.acting and not self.grounded

    @property
    def amplitude_ua(self) -> int:
        """Amplitude a pulse would have now, µA."""
        return 0 if self.grounded else self.stage.amplitude_ua

    @property
    def delivered_ua(self) -> int:
        """Amplitude of the latest pulse, µA; 0 once it is grounded."""
        return 0 if self.grounded else self.stage.delivered_ua

    @property
    def outputs(self) -> list[tuple[int, int, int]]:
        """Of each program: setpoint, amplitude, delivered, µA; both of these 0 if grounded."""
        outputs = self.stage.outputs
        return [(target, 0, 0) for target, _, _ in outputs] if self.grounded else outputs

    def advance(self, start_us: int, sample_us: int, samples: int) -> npt.NDArray[np.int32]:
        """Deliver the pulses of the next sample intervals, or ground them."""
        if self.grounded:
            return np.zeros(samples, np.int32)
        return self.stage.advance(start_us, sample_us, samples)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the stage has
        value = getattr(self.stage, name)
        return _ignore if callable(value) and name not in self._READ else value


def _ignore(*_order: object) -> None:
    """An order that is not obeyed."""
