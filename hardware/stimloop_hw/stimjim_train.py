"""A train as StimJim holds it, which ones it is never given, and what it measures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stimloop_hw.errors import TrainRefused
from stimloop_hw.stimjim_protocol import STAGE_US, UA_PER_ADC, Mode, PulseTrain, Stage

if TYPE_CHECKING:
    from stimloop_hw.generator import Train

DENSEST = 2
"""Pulses take this part of their period at most: the device hears a stop only between them."""
TOLERANCE_UA, TOLERANCE_PERCENT = 2 * float(UA_PER_ADC), 5
"""Measured amplitudes agree within two steps of the converter and so many percent."""


def check(train: Train) -> None:
    """Refuse what the firmware would take, and not survive.

    Parameters
    ----------
    train : Train

    Raises
    ------
    TrainRefused
        In one sentence: what was asked, what is allowed, what to do.
    """
    if 0 < train.interphase_us < STAGE_US:
        raise TrainRefused(
            f"interphase_us {train.interphase_us} was asked for; a StimJim keeps gaps of 0, "
            f"or {STAGE_US} µs and more: ask for one of these"
        )
    if train.pulse_us * DENSEST > train.period_us:
        raise TrainRefused(
            f"period_us {train.period_us} was asked for; a StimJim hears no stop during a "
            f"pulse of {train.pulse_us} µs: ask for {DENSEST * train.pulse_us} µs or more"
        )


def quantised(train: Train) -> Train:
    """The train with the next amplitude towards zero whose phases cancel in whole µA."""
    ratio = train.recharge_ratio
    steps = abs(train.amplitude) // ratio * ratio
    return replace(train, amplitude=steps if train.amplitude > 0 else -steps)


def phases(train: Train) -> list[tuple[int, int]]:
    """Amplitude in µA and duration in µs of each stage of a pulse."""
    gap = [(0, train.interphase_us)] if train.interphase_us else []
    ratio = train.recharge_ratio
    return [
        (train.amplitude, train.width_us),
        *gap,
        (-train.amplitude // ratio, train.width_us * ratio),
    ]


def stored(train: Train, channel: int) -> PulseTrain:
    """What the device has to hold for a train on one channel; the other is not connected."""
    modes = (Mode.CURRENT, Mode.HIGH_Z)
    stages = [Stage((ua, 0), us) for ua, us in phases(train)]
    if channel:
        modes = (Mode.HIGH_Z, Mode.CURRENT)
        stages = [Stage((0, ua), us) for ua, us in phases(train)]
    # Half a period less: as many pulses, whether the end counts or not.
    duration_us = train.duration_us - train.period_us // 2
    return PulseTrain(modes, train.period_us, duration_us, tuple(stages))


@dataclass(frozen=True, slots=True)
class Measured:
    """What the device says of a train that has ended.

    Attributes
    ----------
    train : Train
        As it was started.
    pulses : int
        Delivered.
    stages_ua : tuple of int
        Mean current of each stage, as in `phases`, µA.
    """

    train: Train
    pulses: int
    stages_ua: tuple[int, ...]

    @property
    def amplitude(self) -> int:
        """Mean of the first phases, µA."""
        return self.stages_ua[0]

    @property
    def difference(self) -> str:
        """In one sentence, how it differs from what was asked; empty where it does not."""
        asked = self.train.pulses
        if self.pulses != asked:
            return f"{asked} pulses were asked for, {self.pulses} were delivered"
        for (asked_ua, _), came_ua in zip(phases(self.train), self.stages_ua, strict=True):
            allowed_ua = TOLERANCE_UA + abs(asked_ua) * TOLERANCE_PERCENT / 100
            if abs(asked_ua - came_ua) > allowed_ua:
                return (
                    f"{asked_ua} µA were asked for, {came_ua} µA were delivered; the load is "
                    "open, or takes more voltage than there is: check the electrodes"
                )
        return ""
