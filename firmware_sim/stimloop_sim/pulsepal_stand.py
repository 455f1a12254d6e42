"""A simulated Pulse Pal in a bath: each output drives a contact of the lead and the case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stimloop_hw.pulsepal_protocol import CHANNELS
from stimloop_hw.trace import Phase, TracedPulse
from stimloop_sim.bath import Effect
from stimloop_sim.pulsepal import PulsePal
from stimloop_sim.pulsepal_outputs import HAZARDS
from stimloop_sim.sim_url import Host, whole_number
from stimloop_sim.stand import Stand, hazards_of, stand_of_url
from stimloop_sim.voltage import VoltagePath

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stimloop_sim.bath import Bath
    from stimloop_sim.tissue import Tissue

NONE = "none"
"""Instead of hazards: an ideal device."""
_SENSED_UV = 5_000
"""Range of a recording that stands in the bath, µV."""


class BathPulsePal(PulsePal):
    """A Pulse Pal whose outputs drive current through electrodes.

    Parameters
    ----------
    number : int
        Model, 1 or 2.
    hazards : frozenset of str
    tissue : Tissue

    Attributes
    ----------
    paths : tuple of VoltagePath
        Of the channels: what was delivered, pulse by pulse.
    """

    def __init__(self, number: int, hazards: frozenset[str], tissue: Tissue) -> None:
        super().__init__(number, hazards)
        case = tissue.cells[tissue.case]
        self.paths = tuple(VoltagePath(tissue.cells[k], case) for k in range(CHANNELS))

    def deliver(self, start_us: int, sample_us: int, samples: int) -> Effect:
        """Deliver the pulses of the next sample intervals."""
        amplitudes = np.zeros(samples, np.int32)
        busy = np.zeros(samples, np.bool_)
        width_us = period_us = 0
        for k in range(samples):
            end_us = start_us + (k + 1) * sample_us
            self.advance_to(end_us)
            self._drive(end_us)
            busy[k] = self.outputs.active
            path = max(self.paths, key=lambda one: one.recent[-1].t_us if one.recent else -1)
            if len(path.recent) < 2:
                continue
            before, latest = path.recent[-2], path.recent[-1]
            latest = latest if latest.width_us else before
            period_us = path.recent[-1].t_us - before.t_us
            if end_us - path.recent[-1].t_us <= max(period_us, sample_us):
                amplitudes[k] = latest.amplitude_ua
                width_us = latest.width_us
        return Effect(amplitudes, width_us, period_us if width_us else 0, busy)

    def traced(self) -> Iterator[TracedPulse]:
        """The newest pulses, as a witness at the electrodes saw them; see `Probe`.

        The second phase is told with the width of the first: what counts is its charge.
        """
        seen = [
            TracedPulse(
                pulse.t_us,
                tuple(
                    Phase(
                        channel,
                        start_us,
                        pulse.width_us,
                        round(1000 * charge_pc / pulse.width_us),
                    )
                    for start_us, charge_pc in (
                        (0, pulse.first_pc),
                        (pulse.width_us, pulse.second_pc),
                    )
                ),
            )
            for channel, path in enumerate(self.paths)
            for pulse in path.recent
            if pulse.width_us
        ]
        yield from sorted(seen, key=lambda pulse: pulse.t_us)

    def _drive(self, end_us: int) -> None:
        """Let the voltages drive their currents."""
        model = self.outputs.model
        while self.outputs.changes:
            t_us, channel, code = self.outputs.changes.popleft()
            voltage_mv = round(model.uv_of(code - model.zero) / 1000)
            self.paths[channel].set_voltage(t_us, voltage_mv)
        for path in self.paths:
            path.advance_to(end_us)


def place(bath: Bath, options: Mapping[str, str]) -> BathPulsePal:
    """Put a Pulse Pal into a bath.

    Raises
    ------
    ValueError
        If another generator stands there, or the model or a hazard is unknown.
    """
    if bath.generator is not None:
        raise ValueError(
            f"{bath.generator.model} stimulates in this bath; put one generator into each"
        )
    hazards = frozenset(HAZARDS)
    if options.get("hazards") == NONE:
        hazards = frozenset()
    elif "hazards" in options:
        hazards = hazards_of(options, HAZARDS)
    number = whole_number(options, "model", 2, (1, 2))
    device = BathPulsePal(number, hazards, bath.tissue)
    bath.generator = device
    return device


def stand(url: str) -> Stand:
    """Set up the Pulse Pal that a URL asks for."""
    return stand_of_url(url, Host("Pulse Pal", "dbs", _SENSED_UV), ("model",), place)
