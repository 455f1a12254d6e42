"""The front end that listens after every pulse: a window of samples behind a blanking time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np

from stimloop_hw.messages import Evoked
from stimloop_hw.vocabulary import Refusal, SensedFlag
from stimloop_sim.limits import Breach

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop_hw.messages import StreamConfig
    from stimloop_sim._pulses import PulseTrain
    from stimloop_sim.tissue import Tissue

LSB_NV: Final = 200
"""Step of the converter, nV."""
WITHOUT_PULSE_US: Final = 50_000
"""So long after the latest sweep one is taken without a pulse: the host's clock goes on."""
FAR_US: Final = 1 << 62

_STIM, _SATURATED = SensedFlag.STIM.value, SensedFlag.SATURATED.value


@dataclass(frozen=True, slots=True)
class Window:
    """What a front end samples after a pulse.

    Attributes
    ----------
    fs_hz : int
        Sampling rate, Hz.
    blank_us : int
        From the end of the pulse to the first sample, µs.
    samples : int
    """

    fs_hz: int = 20_000
    blank_us: int = 100
    samples: int = 100

    @property
    def t_ms(self) -> npt.NDArray[np.float64]:
        """Times of the samples after the end of the pulse, (samples,), ms."""
        return self.blank_us / 1000 + np.arange(self.samples) * 1000 / self.fs_hz

    @property
    def end_us(self) -> int:
        """From the end of the pulse to the end of the last sample, µs."""
        return self.blank_us + self.samples * 1_000_000 // self.fs_hz


WINDOW: Final = Window()
"""5 ms at 20 kHz."""


@runtime_checkable
class Answering(Protocol):
    """A patient who answers pulses.

    Attributes
    ----------
    window : Window
        What is sampled after each.
    """

    window: Window

    def evoke(self, after_us: int, amplitude_ua: int, width_us: int) -> npt.NDArray[np.float64]:
        """Let one pulse be felt, and give what the window sees of it.

        Parameters
        ----------
        after_us : int
            Time of the pulse after the samples that were sensed so far, µs.
        amplitude_ua, width_us : int
            An amplitude of 0 is a sweep without a pulse.

        Returns
        -------
        ndarray of float64, (samples,)
            µV.
        """


class EvokedFrontEnd:
    """One evoked channel: between two contacts, away from the pulse.

    Every pulse is felt by the patient; what follows it is sampled while the channel streams. A
    pulse within the window of another one opens none of its own.

    Parameters
    ----------
    patient : Answering
    window : Window
    range_uv : int
        Clips beyond ± this, µV.
    tissue : Tissue
        Around the sensing contacts.
    contacts : (int, int)
        The sensing ones.

    Attributes
    ----------
    streaming : bool
    stuck : bool
        The converter gives its last value for ever.
    index : int
        Sweeps taken since power-on.
    """

    def __init__(
        self,
        patient: Answering,
        window: Window,
        range_uv: int,
        tissue: Tissue,
        contacts: tuple[int, int],
    ) -> None:
        self.window = window
        self.streaming = self.stuck = False
        self.index = 0
        self._last = 0.0  # steps
        self._patient = patient
        self._range = range_uv * 1000 // LSB_NV
        self._tissue = tissue
        self._contacts = contacts
        self._taken: deque[tuple[int, Evoked]] = deque()  # when it is complete, and what
        self._open_us = 0  # end of the latest window
        self._idle_us = 0  # when the next sweep without a pulse is due

    def configure(self, config: StreamConfig) -> Breach | None:
        """Start the stream, if this is what it can be."""
        if config.rate_hz != self.window.fs_hz:
            return Breach(Refusal.OUTSIDE_ENVELOPE, self.window.fs_hz)
        if config.block != self.window.samples:
            return Breach(Refusal.OUTSIDE_ENVELOPE, self.window.samples)
        self.streaming = True
        return None

    def halt(self) -> None:
        """End the stream, and forget the sweep that was under way."""
        self.streaming = False
        self._taken.clear()

    def reset(self) -> None:
        """Start anew with the device."""
        self.halt()
        self.index = self._open_us = self._idle_us = 0

    def due_us(self, pulses: PulseTrain) -> int:
        """When a sweep will be complete, µs; very far away if none is expected."""
        if not self.streaming:
            return FAR_US
        if self._taken:
            return self._taken[0][0]
        return min(pulses.due_us + pulses.pulse_us + self.window.end_us, self._idle_us)

    def follow(self, start_us: int, end_us: int, first: int, pulses: PulseTrain) -> None:
        """Let the pulses of an interval be felt, before its samples are sensed.

        Parameters
        ----------
        start_us, end_us : int
            The interval, device time, µs.
        first : int
            Number of its first pulse, counted from 0.
        pulses : PulseTrain
        """
        for number, (t_us, felt_ua, width_us, pulse_us) in enumerate(
            pulses.felt(first), first + 1
        ):
            sweep_uv = self._patient.evoke(t_us - start_us, felt_ua, width_us)
            if t_us >= self._open_us:
                self._take(t_us, t_us + pulse_us, number, sweep_uv, _STIM)
        if self.streaming and self._idle_us < end_us and not self._taken:
            t_us = max(start_us, self._idle_us)
            sweep_uv = self._patient.evoke(t_us - start_us, 0, 0)
            self._take(t_us, t_us, pulses.pulses, sweep_uv, 0)

    def _take(
        self, t_us: int, from_us: int, pulse: int, sweep_uv: npt.NDArray[np.float64], flags: int
    ) -> None:
        self._open_us = from_us + self.window.end_us
        self._idle_us = self._open_us + WITHOUT_PULSE_US
        if not self.streaming:
            return
        gain, open_uv = self._tissue.between(*self._contacts)
        steps = np.rint((gain * sweep_uv + open_uv) * (1000 / LSB_NV))
        if self.stuck:
            steps[:] = self._last
        self._last = steps[-1]
        if np.abs(steps).max() >= self._range:
            flags |= _SATURATED
        clipped = np.clip(steps, -self._range, self._range).astype("<i2")
        window = self.window
        evoked = Evoked(
            self.index & 0xFFFFFFFF,
            pulse & 0xFFFFFFFF,
            t_us,
            0,
            flags,
            window.fs_hz,
            LSB_NV,
            window.samples,
            clipped.tobytes(),
        )
        self.index += 1
        self._taken.append((self._open_us, evoked))

    def completed(self, now_us: int) -> list[Evoked]:
        """Give the sweeps whose last sample is there."""
        sweeps = []
        while self._taken and self._taken[0][0] <= now_us:
            sweeps.append(self._taken.popleft()[1])
        return sweeps
