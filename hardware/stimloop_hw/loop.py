"""The loop that a device closes by itself: which detector, which controller, their parameters.

One table numbers the kinds that run embedded and says what each is made of. It is vocabulary,
not permission: what a loop may hold is known to the device alone. A loop travels in Stage
behind its program, under the program's CRC; see `stimloop_hw.program`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@unique
class LoopParameter(IntEnum):
    """Numbers of a loop's parameters; never reused, and none is a program's."""

    DETECTOR = 40
    CONTROLLER = 41
    SENSE_CHANNEL = 42
    SATURATION_UV = 43
    BAND_LOW_MHZ = 44
    BAND_HIGH_MHZ = 45
    BAND_ORDER = 46
    SMOOTHING = 47
    SMOOTH_MS = 48
    THRESHOLD_NV = 49
    RELEASE_NV = 50
    LOWER_NV = 51
    ONSET_MS = 52
    TERMINATION_MS = 53
    BLANKING_MS = 54
    RAMP_UP_MS = 55
    RAMP_DOWN_MS = 56
    GAIN_UA = 57
    INTEGRAL_MS = 58
    SUSPEND_UA = 59
    STARTUP_MS = 60
    FFT_SIZE = 61
    FFT_INTERVAL_MS = 62
    FFT_WINDOW = 63
    FFT_SHIFT = 64
    BIN_FIRST = 65
    BIN_LAST = 66
    BIAS_LOW = 67
    BIAS_HIGH = 68
    THRESHOLDS = 69
    UPDATE_POWERS = 70
    ONSET_UPDATES = 71
    TERMINATION_UPDATES = 72
    HOLDOFF_UPDATES = 73
    BLANKING_POWERS = 74
    STEP_UA = 75
    STATE_0_UA = 76
    STATE_1_UA = 77
    STATE_2_UA = 78
    STATE_3_UA = 79
    STATE_4_UA = 80
    STATE_5_UA = 81
    STATE_6_UA = 82
    STATE_7_UA = 83
    STATE_8_UA = 84
    RISE = 85  # 1/65536 mA/s, as the device's logs have it
    FALL = 86
    BIN_FIRST_1 = 87  # of the second linear detector, as all below
    BIN_LAST_1 = 88
    BIAS_LOW_1 = 89
    BIAS_HIGH_1 = 90
    UPDATE_POWERS_1 = 91
    ONSET_UPDATES_1 = 92
    TERMINATION_UPDATES_1 = 93
    BLANKING_POWERS_1 = 94


@unique
class EmbeddedDetector(IntEnum):
    """Detectors that run on a device."""

    NONE = 0  # the program has no loop of its own: a host steers it
    BETA = 1
    PERCEPT = 2
    RCS = 3  # one band, one linear detector
    RCS_PAIR = 4  # two of each; what has no number of its own counts for both


@unique
class EmbeddedController(IntEnum):
    """Controllers that run on a device."""

    NONE = 0
    CONTINUOUS = 1
    ON_OFF = 2
    DUAL_THRESHOLD = 3
    PROPORTIONAL = 4
    PROPORTIONAL_INTEGRAL = 5
    PERCEPT = 6
    NINE_STATES = 7


@unique
class Smoothing(IntEnum):
    """Smoothers of the rectified band."""

    MOVING_AVERAGE = 0
    ONE_POLE = 1


STATES_UA: Final = tuple(LoopParameter[f"STATE_{state}_UA"] for state in range(9))
"""Amplitude of each combined state of one linear detector, or two."""
HOLD_UA: Final = 25_500
"""Amplitude of a state that leaves the amplitude where it is, µA."""


def _made_of(names: str) -> frozenset[LoopParameter]:
    return frozenset(LoopParameter[name] for name in names.upper().split())


_RCS = _made_of(
    "sense_channel saturation_uv fft_size fft_interval_ms fft_window fft_shift bin_first "
    "bin_last bias_low bias_high thresholds update_powers onset_updates termination_updates "
    "holdoff_updates blanking_powers"
)

DETECTORS: Final[Mapping[EmbeddedDetector, frozenset[LoopParameter]]] = MappingProxyType(
    {
        EmbeddedDetector.BETA: _made_of(
            "sense_channel saturation_uv band_low_mhz band_high_mhz band_order smoothing "
            "smooth_ms threshold_nv release_nv onset_ms termination_ms blanking_ms"
        ),
        EmbeddedDetector.PERCEPT: _made_of(
            "sense_channel saturation_uv band_low_mhz band_high_mhz smooth_ms threshold_nv "
            "lower_nv onset_ms termination_ms blanking_ms"
        ),
        EmbeddedDetector.RCS: _RCS,
        EmbeddedDetector.RCS_PAIR: _RCS
        | _made_of(
            "bin_first_1 bin_last_1 bias_low_1 bias_high_1 update_powers_1 onset_updates_1 "
            "termination_updates_1 blanking_powers_1"
        ),
    }
)
"""Which parameters make each detector."""

CONTROLLERS: Final[Mapping[EmbeddedController, frozenset[LoopParameter]]] = MappingProxyType(
    {
        EmbeddedController.CONTINUOUS: frozenset(),
        EmbeddedController.ON_OFF: _made_of("ramp_up_ms ramp_down_ms"),
        EmbeddedController.DUAL_THRESHOLD: _made_of(
            "threshold_nv lower_nv ramp_up_ms ramp_down_ms"
        ),
        EmbeddedController.PROPORTIONAL: _made_of("threshold_nv gain_ua"),
        EmbeddedController.PROPORTIONAL_INTEGRAL: _made_of("threshold_nv gain_ua integral_ms"),
        EmbeddedController.PERCEPT: _made_of(
            "ramp_up_ms ramp_down_ms suspend_ua startup_ms step_ua"
        ),
        EmbeddedController.NINE_STATES: frozenset(STATES_UA) | _made_of("rise fall"),
    }
)
"""Which parameters make each controller."""

DECIDED_BY: Final[Mapping[EmbeddedController, frozenset[EmbeddedDetector]]] = MappingProxyType(
    {
        EmbeddedController.CONTINUOUS: frozenset(DETECTORS),
        EmbeddedController.ON_OFF: frozenset(DETECTORS),
        EmbeddedController.DUAL_THRESHOLD: frozenset({EmbeddedDetector.BETA}),
        EmbeddedController.PROPORTIONAL: frozenset({EmbeddedDetector.BETA}),
        EmbeddedController.PROPORTIONAL_INTEGRAL: frozenset({EmbeddedDetector.BETA}),
        EmbeddedController.PERCEPT: frozenset({EmbeddedDetector.PERCEPT}),
        EmbeddedController.NINE_STATES: frozenset(
            {EmbeddedDetector.RCS, EmbeddedDetector.RCS_PAIR}
        ),
    }
)
"""Whose readings each controller understands."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop on the device, as integers.

    Attributes
    ----------
    values : tuple of (LoopParameter, int)
        Parameter and value, in the order of their numbers. Empty: no loop.
    """

    values: tuple[tuple[LoopParameter, int], ...] = ()

    @classmethod
    def of(cls, values: Mapping[int, int]) -> Self:
        """Build the loop of these values by number of their parameter.

        Raises
        ------
        KeyError
            With a parameter's number, if its kinds miss it.
        ValueError
            With a parameter's number, if its kinds do not have it, or are unknown.
        """
        if not values:
            return cls()
        detector, controller = values[LoopParameter.DETECTOR], values[LoopParameter.CONTROLLER]
        if detector not in DETECTORS:
            raise ValueError(LoopParameter.DETECTOR.value)
        if controller not in CONTROLLERS:
            raise ValueError(LoopParameter.CONTROLLER.value)
        wanted = {
            LoopParameter.DETECTOR,
            LoopParameter.CONTROLLER,
            *DETECTORS[EmbeddedDetector(detector)],
            *CONTROLLERS[EmbeddedController(controller)],
        }
        if strange := values.keys() - wanted:
            raise ValueError(min(strange))
        return cls(tuple((parameter, values[parameter]) for parameter in sorted(wanted)))

    @property
    def detector(self) -> EmbeddedDetector:
        """Which detector; NONE where there is no loop."""
        return EmbeddedDetector(self[LoopParameter.DETECTOR] if self.values else 0)

    @property
    def controller(self) -> EmbeddedController:
        """Which controller; NONE where there is no loop."""
        return EmbeddedController(self[LoopParameter.CONTROLLER] if self.values else 0)

    def __bool__(self) -> bool:
        return bool(self.values)

    def __getitem__(self, parameter: LoopParameter) -> int:
        return dict(self.values)[parameter]


NO_LOOP: Final = Loop()
"""Of a program that a host steers."""
