"""Detectors by name, with their parameters as plain numbers (tier: offline).

Each function declares what a prescription may say of its detector (see
`stimloop_dsp.parameters`) and makes it, for blocks of one channel.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeVar

from stimloop_dsp._beta import BetaDetector
from stimloop_dsp._echt import EndpointHilbert
from stimloop_dsp._heart import TachycardiaDetector
from stimloop_dsp._percept import PerceptDetector
from stimloop_dsp._rcs import RcsDetector
from stimloop_dsp._resonator import Resonator
from stimloop_dsp.parameters import Allowed
from stimloop_dsp.percept import (
    CENTRE_RANGE_HZ,
    DUAL_MS,
    FS_HZ,
    RANGES_MS,
    SINGLE_MS,
    SINGLE_ONSET_MS,
    THRESHOLD_RANGE_UV,
    PerceptConfig,
)
from stimloop_dsp.rcs import DetectorConfig, FftConfig, PowerBand
from stimloop_dsp.values import Aspect, Detector

_AVERAGING, _BLANKING = (
    "AveragingDurationInMilliSeconds",
    "DetectionBlankingDurationInMilliSeconds",
)
_UPPER, _LOWER = "UpperThresholdOnsetInMilliSeconds", "LowerThresholdOnsetInMilliSeconds"

PositiveUv = Annotated[float, Allowed(0, above=True)]
PerceptUv = Annotated[float, Allowed(*THRESHOLD_RANGE_UV)]
CentreHz = Annotated[float, Allowed(*CENTRE_RANGE_HZ)]
AveragingMs = Annotated[int, Allowed(*RANGES_MS[_AVERAGING])]
BlankingMs = Annotated[int, Allowed(*RANGES_MS[_BLANKING])]
UpperMs = Annotated[int, Allowed(*RANGES_MS[_UPPER])]
LowerMs = Annotated[int, Allowed(*RANGES_MS[_LOWER])]
OnsetMs = Annotated[int, Allowed(0, SINGLE_ONSET_MS)]
DecisionMs = Annotated[float, Allowed(0, 60_000)]
PeakHz = Annotated[float, Allowed(0, above=True)]
Count = Annotated[tuple[int, ...], Allowed(0, 65_535)]

Kind = TypeVar("Kind", bound=Callable[..., Detector])


def tells(aspects: Aspect) -> Callable[[Kind], Kind]:
    """Mark a detector with what it tells besides a level."""

    def mark(kind: Kind) -> Kind:
        kind.tells = aspects  # type: ignore[attr-defined]  # read where a name is looked up
        return kind

    return mark


@tells(Aspect.DECISION)
def beta(
    *,
    fs_hz: float,
    saturation_uv: PositiveUv,
    threshold_uv: PositiveUv,
    release_uv: Annotated[float | None, Allowed(0)] = None,
    band_hz: tuple[float, float] = (13.0, 35.0),
    order: Annotated[int, Allowed(1, 4)] = 2,
    smoothing: Literal["moving_average", "one_pole"] = "moving_average",
    smooth_ms: Annotated[float, Allowed(0, 3_600_000)] = 400.0,
    onset_ms: DecisionMs = 0.0,
    termination_ms: DecisionMs = 0.0,
    blanking_ms: DecisionMs = 0.0,
) -> BetaDetector:
    """Band-pass, rectify, smooth, compare.

    Parameters
    ----------
    fs_hz : float
        Sampling rate.
    saturation_uv : float
        Samples beyond plus or minus this are held.
    threshold_uv : float
        Active above this.
    release_uv : float, optional
        Inactive at or below this; the threshold if not given.
    band_hz : tuple of float
        Lower and upper edge of the band-pass.
    order : int
        Order of the band-pass; a higher one has steeper edges and more delay.
    smoothing : {'moving_average', 'one_pole'}
        Smoother of the rectified signal.
    smooth_ms : float
        Its length or time constant.
    onset_ms, termination_ms : float
        How long the level must stay above, or below, before the decision changes.
    blanking_ms : float
        How long a decision stands at least.
    """
    return BetaDetector(
        fs_hz,
        threshold_uv,
        threshold_uv if release_uv is None else release_uv,
        band_hz=band_hz,
        order=order,
        smoothing=smoothing,
        smooth_ms=smooth_ms,
        onset_ms=onset_ms,
        termination_ms=termination_ms,
        blanking_ms=blanking_ms,
        saturation_uv=saturation_uv,
    )


@tells(Aspect.DECISION | Aspect.PHASE)
def resonator(
    *,
    fs_hz: float,
    saturation_uv: PositiveUv,
    threshold_uv: PositiveUv,
    peak_hz: PeakHz = 20.0,
    bandwidth_hz: Annotated[float, Allowed(0, above=True)] = 2.0,
    onset_ms: DecisionMs = 0.0,
    termination_ms: DecisionMs = 0.0,
    blanking_ms: DecisionMs = 0.0,
) -> Resonator:
    """Follow amplitude and phase by an adaptive resonator.

    Parameters
    ----------
    fs_hz : float
        Sampling rate.
    saturation_uv : float
        Samples beyond plus or minus this are held.
    threshold_uv : float
        Active above this amplitude.
    peak_hz : float
        Frequency of the oscillation.
    bandwidth_hz : float
        What it still follows; wider is faster.
    onset_ms, termination_ms : float
        How long the level must stay above, or below, before the decision changes.
    blanking_ms : float
        How long a decision stands at least.
    """
    return Resonator(
        fs_hz,
        threshold_uv,
        peak_hz=peak_hz,
        bandwidth_hz=bandwidth_hz,
        onset_ms=onset_ms,
        termination_ms=termination_ms,
        blanking_ms=blanking_ms,
        saturation_uv=saturation_uv,
    )


@tells(Aspect.DECISION | Aspect.PHASE)
def endpoint_hilbert(
    *,
    fs_hz: float,
    saturation_uv: PositiveUv,
    threshold_uv: PositiveUv,
    peak_hz: PeakHz = 20.0,
    window_ms: Annotated[float, Allowed(0, 60_000, above=True)] = 1000.0,
    onset_ms: DecisionMs = 0.0,
    termination_ms: DecisionMs = 0.0,
    blanking_ms: DecisionMs = 0.0,
) -> EndpointHilbert:
    """Amplitude and phase at the end of a window, by the endpoint-corrected Hilbert transform.

    Parameters
    ----------
    fs_hz : float
        Sampling rate.
    saturation_uv : float
        Samples beyond plus or minus this are held.
    threshold_uv : float
        Active above this amplitude.
    peak_hz : float
        Centre of the band, which is half of it wide.
    window_ms : float
        Length of the window, two cycles or more.
    onset_ms, termination_ms : float
        How long the level must stay above, or below, before the decision changes.
    blanking_ms : float
        How long a decision stands at least.
    """
    return EndpointHilbert(
        fs_hz,
        threshold_uv,
        peak_hz=peak_hz,
        window_ms=window_ms,
        onset_ms=onset_ms,
        termination_ms=termination_ms,
        blanking_ms=blanking_ms,
        saturation_uv=saturation_uv,
    )


@tells(Aspect.DECISION | Aspect.THREE_STATES)
def percept_dual(
    *,
    fs_hz: float,
    saturation_uv: PositiveUv,
    threshold_uv: PerceptUv,
    lower_uv: PerceptUv,
    centre_hz: CentreHz = 20.0,
    averaging_ms: AveragingMs = DUAL_MS[_AVERAGING],
    upper_onset_ms: UpperMs = DUAL_MS[_UPPER],
    lower_onset_ms: LowerMs = DUAL_MS[_LOWER],
    blanking_ms: BlankingMs = DUAL_MS[_BLANKING],
) -> PerceptDetector:
    """Percept-like with two thresholds, five times a second.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, which must be 250.
    saturation_uv : float
        Samples beyond plus or minus this are held.
    threshold_uv, lower_uv : float
        Upper and lower threshold, root mean square; lower < upper.
    centre_hz : float
        Centre of the band, which is 5 Hz wide.
    averaging_ms : int
        How long the level is averaged.
    upper_onset_ms, lower_onset_ms : int
        How long the level is beyond that threshold before it counts.
    blanking_ms : int
        How long nothing changes after a change of state.
    """
    if lower_uv >= threshold_uv:
        raise ValueError(
            f"Thresholds of {lower_uv} and {threshold_uv} µV were asked for; two that differ, "
            "the lower one below, are allowed. Change them, or use percept_single."
        )
    config = PerceptConfig(
        centre_hz,
        lower_uv,
        threshold_uv,
        0.0,
        0.0,
        0.0,
        AveragingDurationInMilliSeconds=averaging_ms,
        UpperThresholdOnsetInMilliSeconds=upper_onset_ms,
        LowerThresholdOnsetInMilliSeconds=lower_onset_ms,
        DetectionBlankingDurationInMilliSeconds=blanking_ms,
    )
    return _percept(fs_hz, config, saturation_uv)


@tells(Aspect.DECISION | Aspect.THREE_STATES)
def percept_single(
    *,
    fs_hz: float,
    saturation_uv: PositiveUv,
    threshold_uv: PerceptUv,
    centre_hz: CentreHz = 20.0,
    averaging_ms: AveragingMs = SINGLE_MS[_AVERAGING],
    upper_onset_ms: OnsetMs = SINGLE_MS[_UPPER],
    lower_onset_ms: OnsetMs = SINGLE_MS[_LOWER],
    blanking_ms: BlankingMs = SINGLE_MS[_BLANKING],
) -> PerceptDetector:
    """Percept-like with one threshold, twenty times a second.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, which must be 250.
    saturation_uv : float
        Samples beyond plus or minus this are held.
    threshold_uv : float
        Threshold, root mean square.
    centre_hz : float
        Centre of the band, which is 5 Hz wide.
    averaging_ms : int
        How long the level is averaged.
    upper_onset_ms, lower_onset_ms : int
        How long the level is above, or below, before that counts.
    blanking_ms : int
        How long nothing changes after a change of state.
    """
    config = PerceptConfig(
        centre_hz,
        threshold_uv,
        threshold_uv,
        0.0,
        0.0,
        0.0,
        AveragingDurationInMilliSeconds=averaging_ms,
        UpperThresholdOnsetInMilliSeconds=upper_onset_ms,
        LowerThresholdOnsetInMilliSeconds=lower_onset_ms,
        DetectionBlankingDurationInMilliSeconds=blanking_ms,
    )
    return _percept(fs_hz, config, saturation_uv)


def _percept(fs_hz: float, config: PerceptConfig, saturation_uv: float) -> PerceptDetector:
    if fs_hz != FS_HZ:
        raise ValueError(
            f"A sampling rate of {fs_hz} Hz was asked for; a Percept-like detector knows "
            f"{FS_HZ} Hz alone. Sense at that rate, or choose another detector."
        )
    return PerceptDetector(config, saturation_uv=saturation_uv)


@tells(Aspect.DECISION | Aspect.NINE_STATES)
def rcs(
    *,
    fs_hz: int,
    saturation_uv: PositiveUv,
    bins: Annotated[tuple[int, ...], Allowed(0, 511)],
    thresholds: tuple[float, ...],
    fft_size: Annotated[int, Allowed(64, 1024)] = 256,
    interval_ms: Annotated[int, Allowed(50, 10_000)] = 100,
    update_rate: Count = (1,),
    onset: Count = (0,),
    termination: Count = (0,),
    blanking: Count = (0,),
) -> RcsDetector:
    """RC+S-like band power in one or two linear detectors of two thresholds each.

    What stands once counts for both detectors.

    Parameters
    ----------
    fs_hz : int
        Sampling rate, which must be 250, 500 or 1000.
    saturation_uv : float
        Samples beyond plus or minus this are held.
    bins : tuple of int
        First and last FFT bin of each detector's band: two numbers, or four.
    thresholds : tuple of float
        Lower and upper threshold of each detector, of its logged power.
    fft_size : int
        64, 256 or 1024 points.
    interval_ms : int
        Time from one FFT to the next.
    update_rate : tuple of int
        Powers that are averaged for one output.
    onset, termination : tuple of int
        Outputs in a row that a higher, or lower, state needs; 0 is 1.
    blanking : tuple of int
        Powers after a change of state during which the state stands.
    """
    count = len(bins) // 2
    if len(bins) not in {2, 4} or len(thresholds) != len(bins):
        raise ValueError(
            f"{len(bins)} bins and {len(thresholds)} thresholds were asked for; two of each, "
            "or four for two detectors, are allowed. Give first and last, lower and upper."
        )
    rows = []
    for name, told in (
        ("update_rate", update_rate),
        ("onset", onset),
        ("termination", termination),
        ("blanking", blanking),
    ):
        if len(told) not in {1, count}:
            raise ValueError(
                f"{name} of {told} was asked for; one number, or one for each of {count} "
                "detectors, is allowed. Leave some out."
            )
        rows.append(told * count if len(told) == 1 else told)
    detectors = [
        DetectorConfig(
            (thresholds[2 * i], thresholds[2 * i + 1]),
            inputs=(i,),
            updateRate=rows[0][i],
            onsetDuration=rows[1][i],
            terminationDuration=rows[2][i],
            blankingDurationUponStateChange=rows[3][i],
        )
        for i in range(count)
    ]
    bands = [PowerBand(bins[2 * i], bins[2 * i + 1]) for i in range(count)]
    return RcsDetector(
        fs_hz, FftConfig(fft_size, interval_ms), bands, detectors, saturation_uv=saturation_uv
    )


@tells(Aspect.DECISION | Aspect.HEART_RATE)
def tachycardia(
    *,
    fs_hz: float,
    saturation_uv: PositiveUv,
    theta: Annotated[float, Allowed(0.2, 0.7)] = 0.4,
) -> TachycardiaDetector:
    """Find R waves, compare the heart rate of the last 10 s with that of the last 5 min.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, 200 to 1000 Hz.
    saturation_uv : float
        Samples beyond plus or minus this are held.
    theta : float
        Rise that it is active at, in parts of the rate of the last 5 min.
    """
    return TachycardiaDetector(fs_hz, theta, saturation_uv=saturation_uv)


DETECTORS: Final[Mapping[str, Callable[..., Detector]]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            *(beta, resonator, endpoint_hilbert, percept_dual, percept_single, rcs),
            tachycardia,
        )
    }
)
"""Detectors by the name that a prescription gives them."""
