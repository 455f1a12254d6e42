"""Sample in, amplitude out: filters, biomarkers, detectors and controllers.

A detector turns blocks of samples into readings, a controller turns readings into settings.
Research and bench use only; not a medical device.
"""

from stimloop_dsp._artefact import Blanking, PeriodicTemplate, Template
from stimloop_dsp._bank import BetaBank, PackedLayout
from stimloop_dsp._beta import BetaDetector
from stimloop_dsp._bursts import BurstTracker
from stimloop_dsp._decimator import Decimator
from stimloop_dsp._ecap import EcapDetector
from stimloop_dsp._echt import EndpointHilbert
from stimloop_dsp._envelope import Envelope
from stimloop_dsp._heart import RPeaks, TachycardiaDetector
from stimloop_dsp._montage import Montage
from stimloop_dsp._notch import Notch
from stimloop_dsp._percentile import RunningPercentile
from stimloop_dsp._percept import PerceptDetector
from stimloop_dsp._rcs import LinearDetector, RcsDetector
from stimloop_dsp._resonator import Resonator
from stimloop_dsp._rns import Area, HalfWaves, LineLength
from stimloop_dsp._sliding import SlidingDft, SpectralDetector
from stimloop_dsp.artefact import SelfTrigger, find_period, folded_harmonics
from stimloop_dsp.arv import average_rectified_value
from stimloop_dsp.bursts import (
    Burst,
    BurstSummary,
    amplitude,
    burst_table,
    duration_cdf,
    find_bursts,
    summarise,
)
from stimloop_dsp.controllers import (
    CONTROLLERS,
    AmplitudeController,
    AutoStim,
    BurstGated,
    Continuous,
    DualThreshold,
    DutyCycle,
    Ganging,
    Hemispheres,
    NineStates,
    OnOff,
    PerceptDual,
    PerceptSingle,
    PhaseTargeted,
    Proportional,
    ProportionalIntegral,
    ProportionalIntegralRate,
    ProportionalRate,
    Schedule,
    Sweep,
)
from stimloop_dsp.detectors import DETECTORS
from stimloop_dsp.ecap_loop import EcapLinear, EcapLogarithmic
from stimloop_dsp.heart import Beat
from stimloop_dsp.peak import Peak, Spectrum, find_peak, spectrum
from stimloop_dsp.percentile import PercentileThresholds
from stimloop_dsp.posture import Lie, PostureDetector, PostureScheduled
from stimloop_dsp.titration import Titration, titrate
from stimloop_dsp.values import (
    MISSING,
    UNTRUSTED,
    Aspect,
    Controller,
    Detector,
    Quality,
    Reading,
    Setting,
)

__all__ = [
    "CONTROLLERS",
    "DETECTORS",
    "MISSING",
    "UNTRUSTED",
    "AmplitudeController",
    "Area",
    "Aspect",
    "AutoStim",
    "Beat",
    "BetaBank",
    "BetaDetector",
    "Blanking",
    "Burst",
    "BurstGated",
    "BurstSummary",
    "BurstTracker",
    "Continuous",
    "Controller",
    "Decimator",
    "Detector",
    "DualThreshold",
    "DutyCycle",
    "EcapDetector",
    "EcapLinear",
    "EcapLogarithmic",
    "EndpointHilbert",
    "Envelope",
    "Ganging",
    "HalfWaves",
    "Hemispheres",
    "Lie",
    "LineLength",
    "LinearDetector",
    "Montage",
    "NineStates",
    "Notch",
    "OnOff",
    "PackedLayout",
    "Peak",
    "PercentileThresholds",
    "PerceptDetector",
    "PerceptDual",
    "PerceptSingle",
    "PeriodicTemplate",
    "PhaseTargeted",
    "PostureDetector",
    "PostureScheduled",
    "Proportional",
    "ProportionalIntegral",
    "ProportionalIntegralRate",
    "ProportionalRate",
    "Quality",
    "RPeaks",
    "RcsDetector",
    "Reading",
    "Resonator",
    "RunningPercentile",
    "Schedule",
    "SelfTrigger",
    "Setting",
    "SlidingDft",
    "SpectralDetector",
    "Spectrum",
    "Sweep",
    "TachycardiaDetector",
    "Template",
    "Titration",
    "amplitude",
    "average_rectified_value",
    "burst_table",
    "duration_cdf",
    "find_bursts",
    "find_peak",
    "find_period",
    "folded_harmonics",
    "spectrum",
    "summarise",
    "titrate",
]
