"""The bath: one patient or recording in one tissue, and the instruments that stand in it.

An amplifier senses what the tissue carries while a generator stimulates it, on one clock; each
has a serial port of its own. That is the bench of a laboratory whose instruments come from
different makers, where an implant has everything in one case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary, ref

import numpy as np

from stimloop_sim.electrode import Output
from stimloop_sim.lead import SensingLead
from stimloop_sim.tissue import RING_UM2, Tissue, TissueModel

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop_sim.source import Source
    from stimloop_sim.stand import Stand

_RINGS = Output((RING_UM2,) * 4, 15_000, 1_300, 0, 0)
"""A lead of four rings with a wire each, no capacitor in series, as laboratory instruments have
it; behind the ±15 V and 13.7 V that StimJim's output stage has."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a generator did in some sample intervals.

    Attributes
    ----------
    amplitude_ua : ndarray of int32, (n,)
        Of the pulses in effect in each, µA.
    width_us, period_us : int
    busy : ndarray of bool, (n,)
        Level of the line that marks its activity, at the end of each.
    """

    amplitude_ua: npt.NDArray[np.int32]
    width_us: int
    period_us: int
    busy: npt.NDArray[np.bool_]


def silence(samples: int) -> Effect:
    """Nothing at all, for so many sample intervals."""
    return Effect(np.zeros(samples, np.int32), 0, 0, np.zeros(samples, np.bool_))


class Instrument(Protocol):
    """Something with a serial port that stands in a bath."""

    model: str

    def receive(self, now_us: int, data: bytes) -> None:
        """Take bytes from the host."""

    def take(self, now_us: int) -> bytes:
        """Give the host what has come out by now."""

    def reset(self, now_us: int) -> None:
        """Start anew, as after a failure of the supply."""


class Generator(Instrument, Protocol):
    """An instrument that stimulates."""

    def deliver(self, start_us: int, sample_us: int, samples: int) -> Effect:
        """Deliver the pulses of the next sample intervals."""


class Amplifier(Instrument, Protocol):
    """An instrument that senses."""

    def convert(
        self,
        start_us: int,
        sample_us: int,
        sensed_uv: npt.NDArray[np.float64],
        busy: npt.NDArray[np.bool_],
    ) -> None:
        """Sense some sample intervals: (n, channels) in µV, and the generator's line, (n,)."""


class Bath:
    """What instruments share.

    Parameters
    ----------
    source : Source
        A patient or a recording; behind a recording's end there is nothing to sense.
    tissue : str
        Name of a `TissueModel`.
    seed : int
        Of what the tissue adds to the samples.

    Attributes
    ----------
    now_us : int
        Its time, a whole number of sample intervals, µs.
    sample_us : int
        Length of one, µs.
    tissue : Tissue
    generator : Generator or None
    amplifiers : list of Amplifier
    """

    def __init__(self, source: Source, tissue: str = "default", seed: int = 0) -> None:
        self.now_us = 0
        self.sample_us = 1_000_000 // source.fs_hz
        self.tissue = Tissue(TissueModel.named(tissue), _RINGS)
        pickup = self.tissue.pickup(source.fs_hz, len(source.channels), seed)
        self._lead = SensingLead(source, pickup)
        self.generator: Generator | None = None
        self.amplifiers: list[Amplifier] = []
        self._stands: list[ref[Stand]] = []

    def put_up(self, stand: Stand) -> None:
        """Let a stand hear of every sample interval, for as long as somebody holds it."""
        self._stands.append(ref(stand))

    def advance_to(self, now_us: int) -> None:
        """Let whole sample intervals pass, up to this time."""
        while self.now_us + self.sample_us <= now_us:
            self._advance(1)
            for stand in [found for one in self._stands if (found := one())]:
                stand.exchange()

    def _advance(self, samples: int) -> None:
        start_us = self.now_us
        self.tissue.grow(start_us)
        effect = silence(samples)
        if self.generator is not None:
            effect = self.generator.deliver(start_us, self.sample_us, samples)
        sensed_uv = self._sensed(effect, samples)
        self.now_us += samples * self.sample_us
        for amplifier in self.amplifiers:
            amplifier.convert(start_us, self.sample_us, sensed_uv, effect.busy)

    def _sensed(self, effect: Effect, samples: int) -> npt.NDArray[np.float64]:
        lead = self._lead
        left = samples if lead.remaining is None else min(samples, lead.remaining)
        sensed_uv = np.zeros((samples, len(lead.channels)))
        if left:
            sensed_uv[:left] = lead.sense(
                effect.amplitude_ua[:left], effect.width_us, effect.period_us
            )
        return sensed_uv


BATHS: WeakValueDictionary[str, Bath] = WeakValueDictionary()
"""Baths of this process that URLs have named, for as long as an instrument stands in them."""
