"""The sensing front end: microvolts of tissue → nanovolt integers in blocks, on the wire."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from stimloop_dsp import BetaDetector
from stimloop_hw.framing import MAX_PAYLOAD
from stimloop_hw.messages import Sensed
from stimloop_hw.vocabulary import Refusal, SensedFlag
from stimloop_sim._converter import quantise
from stimloop_sim.limits import Breach

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from stimloop_hw.messages import StreamConfig
    from stimloop_sim.evoked import EvokedFrontEnd
    from stimloop_sim.source import Source

_FIRST = [0]
# Plain ints: an operation on an IntFlag costs as much as a tag.
_SATURATED, _STIM = SensedFlag.SATURATED.value, SensedFlag.STIM.value


class FrontEnd:
    """Samples a source, converts, and gathers blocks.

    Parameters
    ----------
    source : Source
    range_uv : int
        Clips beyond ± this, µV.
    block : int
        Samples of a block.
    evoked : sequence of EvokedFrontEnd
        Channels that listen after pulses; none if not given.

    Attributes
    ----------
    sample_us : int
        Sampling interval, µs.
    ended : bool
        The source has no more samples.
    index : int
        Samples converted since power-on.
    streaming : bool
        Whether anything is streamed.
    sampling : bool
        Whether blocks of samples are.
    evoked : tuple of EvokedFrontEnd
    """

    def __init__(
        self,
        source: Source,
        range_uv: int,
        block: int,
        evoked: Sequence[EvokedFrontEnd] = (),
    ) -> None:
        longest = (MAX_PAYLOAD - Sensed.layout.size) // (4 * len(source.channels))
        if not 1 <= block <= longest:
            raise ValueError(
                f"a block of {block} samples does not fit a frame; 1 to {longest} samples do: "
                "choose block_ms accordingly"
            )
        self.source = source
        self.sample_us = 1_000_000 // source.fs_hz
        self.ended = source.remaining == 0
        self.block = block
        self.index = 0
        self.evoked = tuple(evoked)
        self.streaming = self.sampling = False
        self._range_nv = range_uv * 1000.0
        self._columns: list[int] = []
        self._gathered: list[npt.NDArray[np.float64]] = []  # of the block in the making
        self._acting = False
        self._band = BetaDetector(source.fs_hz, on_uv=1.0)
        self._unseen: list[npt.NDArray[np.float64]] = []  # by the band's detector
        self._followed = 0

    def configure(self, config: StreamConfig) -> Breach | None:
        """Start or change a stream, or end all of them."""
        if config.rate_hz == 0:
            self.halt()
            return None
        count = len(self.source.channels)
        for channel, evoked in enumerate(self.evoked, count):
            if config.mask == 1 << channel:
                breach = evoked.configure(config)
                self.streaming |= breach is None
                return breach
        if not 0 < config.mask < 1 << count:
            return Breach(Refusal.OUTSIDE_ENVELOPE, (1 << count) - 1)
        if config.rate_hz != self.source.fs_hz:
            return Breach(Refusal.OUTSIDE_ENVELOPE, self.source.fs_hz)
        if config.block != self.block:
            return Breach(Refusal.OUTSIDE_ENVELOPE, self.block)
        self._columns = [k for k in range(count) if config.mask >> k & 1]
        self.streaming = self.sampling = True
        return None

    def halt(self) -> None:
        """End every stream."""
        self.streaming = self.sampling = False
        for channel in self.evoked:
            channel.halt()

    def reset(self) -> None:
        """Start anew with the device: no stream, the first sample is number 0."""
        self.halt()
        for channel in self.evoked:
            channel.reset()
        self.index = 0
        self._unseen.clear()
        self._followed = 0
        self._band.reset()

    def is_in_range(self) -> bool:
        """Whether zero and both rails convert as they have to; asked by the self test."""
        beyond_uv = self._range_nv / 500.0
        probe_uv = np.array([[0.0], [beyond_uv], [-beyond_uv]])
        middle, _ = quantise(probe_uv[:1], [0], self._range_nv)
        rails, saturated = quantise(probe_uv, [0], self._range_nv)
        widest_nv = int(np.abs(rails).max())
        return saturated and not middle.any() and 0 < widest_nv <= self._range_nv

    def samples_to_block(self) -> int:
        """How many samples complete the block that is being gathered."""
        return self.block - self.index % self.block

    def convert(
        self,
        amplitude_ua: npt.NDArray[np.int32],
        width_us: int,
        period_us: int,
        *,
        stimulated: bool,
    ) -> bool:
        """Sense while these pulses are delivered; whether this completes a block.

        At most `samples_to_block` samples are taken at a time. Blocks lie on a grid of their
        own, whoever listens: the host and a loop on the device see the same ones.

        Parameters
        ----------
        amplitude_ua : ndarray of int32, shape (n,)
            Amplitude of the pulses in effect in each sample interval, µA.
        width_us, period_us : int
        stimulated : bool
            Whether any of the amplitudes is not zero.
        """
        remaining = self.source.remaining
        if remaining is not None:
            amplitude_ua = amplitude_ua[:remaining]
        count = len(amplitude_ua)
        if not count:
            return False
        sensed_uv = self.source.sense(amplitude_ua, width_us, period_us)
        self.ended = remaining == count
        if not self.index % self.block:
            self._gathered.clear()
            self._acting = False
        self._unseen.append(sensed_uv)
        self._gathered.append(sensed_uv)
        self._acting |= stimulated
        self.index += count
        return not self.index % self.block or self.ended

    def streamed(self) -> Sensed:
        """The block just completed, of the channels that are streamed."""
        return self._converted(self._columns)

    def tapped(self, channel: int) -> Sensed:
        """The same block of one channel, for a loop on the device."""
        return self._converted([channel])

    def _converted(self, columns: list[int]) -> Sensed:
        parts = self._gathered
        sensed_uv = parts[0] if len(parts) == 1 else np.concatenate(parts)
        samples, saturated = quantise(sensed_uv, columns, self._range_nv)
        return Sensed(
            (self.index - len(samples)) & 0xFFFFFFFF,
            len(columns),
            len(samples),
            _SATURATED * saturated | _STIM * self._acting,
            samples.tobytes(),
        )

    def follow(self) -> int:
        """Level of beta (13 to 35 Hz) in the first channel, rectified and smoothed, nV.

        The device follows it whether anybody listens or not; what was sensed since the latest
        call is looked at in one go, which does not change the level. 0 where there is none.
        """
        if not self._unseen:
            return 0
        first_nv, _ = quantise(np.concatenate(self._unseen), _FIRST, self._range_nv)
        self._unseen.clear()
        level_uv = self._band.push(first_nv, self._followed, 0).level
        self._followed += len(first_nv)
        return 0 if isnan(level_uv) else round(level_uv * 1000.0)
