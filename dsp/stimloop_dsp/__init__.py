"""Sample in, amplitude out: filters, biomarkers, detectors and controllers.

A detector turns blocks of samples into readings, a controller turns readings into settings.
Research and bench use only; not a medical device.
"""

from stimloop_dsp._beta import BetaDetector
from stimloop_dsp._bursts import BurstTracker
from stimloop_dsp._envelope import Envelope
from stimloop_dsp.bursts import Burst, BurstSummary, find_bursts, summarise
from stimloop_dsp.controllers import (
    CONTROLLERS,
    Continuous,
    DualThreshold,
    OnOff,
    Proportional,
    ProportionalIntegral,
)
from stimloop_dsp.peak import Peak, find_peak
from stimloop_dsp.values import MISSING, Controller, Detector, Quality, Reading, Setting

__all__ = [
    "CONTROLLERS",
    "MISSING",
    "BetaDetector",
    "Burst",
    "BurstSummary",
    "BurstTracker",
    "Continuous",
    "Controller",
    "Detector",
    "DualThreshold",
    "Envelope",
    "OnOff",
    "Peak",
    "Proportional",
    "ProportionalIntegral",
    "Quality",
    "Reading",
    "Setting",
    "find_bursts",
    "find_peak",
    "summarise",
]
