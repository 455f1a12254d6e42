"""Controllers: from a reading to the wanted stimulation, a module for each family.

| module | what it decides by |
|---|---|
| `amplitude` | nothing (`Continuous`); and what all that move an amplitude have in common |
| `sweep` | the time: amplitudes in steps, to see what each does |
| `threshold` | one threshold, two, or how long a burst lasts |
| `proportional` | how far the level is from a setpoint |
| `percept` | the state of a Percept-like detector |
| `nine_states` | the combined state of an RC+S-like detector |
| `phase` | the phase of the oscillation |
| `trains` | the clock, a decision, a magnet: when a train of pulses begins |
| `schedule` | the time of day: which of the above |
| `hemispheres` | two sides: which of two readings leads |

All parameters are plain numbers with their unit in the name (see `stimloop_dsp.parameters`).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from stimloop_dsp.controllers.amplitude import AmplitudeController, Continuous
from stimloop_dsp.controllers.hemispheres import Ganging, Hemispheres
from stimloop_dsp.controllers.nine_states import NineStates
from stimloop_dsp.controllers.percept import PerceptDual, PerceptSingle
from stimloop_dsp.controllers.phase import PhaseTargeted
from stimloop_dsp.controllers.proportional import (
    Proportional,
    ProportionalIntegral,
    ProportionalIntegralRate,
    ProportionalRate,
)
from stimloop_dsp.controllers.schedule import Schedule
from stimloop_dsp.controllers.sweep import Sweep
from stimloop_dsp.controllers.threshold import BurstGated, DualThreshold, OnOff
from stimloop_dsp.controllers.trains import AutoStim, DutyCycle
from stimloop_dsp.values import Controller

__all__ = [
    "CONTROLLERS",
    "AmplitudeController",
    "AutoStim",
    "BurstGated",
    "Continuous",
    "DualThreshold",
    "DutyCycle",
    "Ganging",
    "Hemispheres",
    "NineStates",
    "OnOff",
    "PerceptDual",
    "PerceptSingle",
    "PhaseTargeted",
    "Proportional",
    "ProportionalIntegral",
    "ProportionalIntegralRate",
    "ProportionalRate",
    "Schedule",
    "Sweep",
]

CONTROLLERS: Final[Mapping[str, Callable[..., Controller]]] = MappingProxyType(
    {
        "continuous": Continuous,
        "on_off": OnOff,
        "burst_gated": BurstGated,
        "dual_threshold": DualThreshold,
        "percept_dual": PerceptDual,
        "percept_single": PerceptSingle,
        "nine_states": NineStates,
        "proportional": Proportional,
        "proportional_integral": ProportionalIntegral,
        "proportional_rate": ProportionalRate,
        "proportional_integral_rate": ProportionalIntegralRate,
        "phase_targeted": PhaseTargeted,
        "sweep": Sweep,
    }
)
"""Controllers by the name that a prescription gives them."""
