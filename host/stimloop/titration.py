"""A titration on a device: the amplitude rises step by step, and somebody tells how it feels.

The session is one of the controller `sweep`, with everything that bounds any other: the
prescription's upper amplitude, the device's limits, governor, lease. It ends at the first word
of discomfort, at the end of the range, where the front end is saturated, or when somebody asks.
"""

from __future__ import annotations

import select
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stimloop.errors import CaptureError, PrescriptionError, Violation
from stimloop.record import Record
from stimloop.rehearsal import Decisions
from stimloop.run import run_session
from stimloop.summary import therapy_start
from stimloop.sweeps import plateaus, titration
from stimloop_dsp import Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stimloop.prescription import Prescription
    from stimloop.step import Step
    from stimloop_dsp import Titration

SATURATED_S = 1.0
"""So long a saturated front end ends a titration: whatever rises is not seen any more."""
PERCEPTION, COMFORT, DISCOMFORT = WORDS = "pcd"
"""What may be told: first felt, comfortable, uncomfortable."""
_SATURATED = Quality.SATURATED.value


@dataclass(frozen=True, slots=True)
class Titrated:
    """What a titration told.

    Attributes
    ----------
    perception_ma, comfort_ma, discomfort_ma : float
        Amplitudes at which these were told, mA.
    found : Titration
    ended : str
        Why it ended.
    record : Path
        Directory of the session's record.
    """

    perception_ma: float
    comfort_ma: float
    discomfort_ma: float
    found: Titration
    ended: str
    record: Path


class Interview:
    """Hears what is told, and says when it is enough: `until` of `stimloop.run.run_session`.

    Parameters
    ----------
    ask : callable (amplitude_ua) -> str
        What has been told since the last tick, letters of `WORDS`; never waits.

    Attributes
    ----------
    told_ua : dict of str to int
        For each word, the amplitude at which it was first told, µA.
    ended : str
        Why it is enough; empty while it is not.
    """

    def __init__(self, ask: Callable[[int], str]) -> None:
        self.told_ua: dict[str, int] = {}
        self.ended = ""
        self._ask = ask
        self._highest_ua = 0
        self._seen_us = -1

    def __call__(self, step: Step) -> bool:
        """Whether it is enough."""
        for word in self._ask(step.admitted_ua):
            self.told_ua.setdefault(word, step.admitted_ua)
        if not step.quality & _SATURATED or self._seen_us < 0:
            self._seen_us = step.t_us
        if DISCOMFORT in self.told_ua:
            self.ended = "it was uncomfortable"
        elif step.t_us - self._seen_us >= SATURATED_S * 1e6:
            self.ended = "the front end is saturated"
        elif step.wanted_ua < self._highest_ua:
            self.ended = "the range is at its end"
        self._highest_ua = max(self._highest_ua, step.wanted_ua)
        return bool(self.ended)


class Given:
    """Tells what was known before: a word once its amplitude is reached.

    Parameters
    ----------
    perception_ma, comfort_ma, discomfort_ma : float
        Ascending, mA.
    """

    def __init__(self, perception_ma: float, comfort_ma: float, discomfort_ma: float) -> None:
        given_ma = (perception_ma, comfort_ma, discomfort_ma)
        if not 0 < perception_ma < comfort_ma < discomfort_ma:
            raise ValueError(
                "perception, comfort and discomfort at "
                f"{', '.join(f'{ma:g}' for ma in given_ma)} mA were given; they have to ascend"
            )
        self._left = [
            (round(ma * 1000), word) for ma, word in zip(given_ma, WORDS, strict=True)
        ]

    def __call__(self, amplitude_ua: int) -> str:
        """What is told at this amplitude, µA."""
        reached = [word for least_ua, word in self._left if amplitude_ua >= least_ua]
        del self._left[: len(reached)]
        return "".join(reached)


class Keyboard:
    """Tells what somebody types at the terminal; says how strong it is now."""

    def __init__(self) -> None:
        if not sys.stdin.isatty():
            raise ValueError(
                "there is no terminal to tell at; run it in one, or give --perception, "
                "--comfort and --discomfort"
            )
        self._shown_ua = -1
        sys.stderr.write(
            "p: felt, c: comfortable, d: uncomfortable (ends), then Enter; Ctrl-C ends\n"
        )

    def __call__(self, amplitude_ua: int) -> str:
        """What was typed since the last time."""
        if amplitude_ua != self._shown_ua:
            self._shown_ua = amplitude_ua
            sys.stderr.write(f"{amplitude_ua / 1000:g} mA\n")
        if not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        return "".join(word for word in sys.stdin.readline().lower() if word in WORDS)


def titrate_device(
    prescription: Prescription,
    url: str,
    ask: Callable[[int], str],
    *,
    key: bytes,
    directory: Path | None = None,
) -> Titrated:
    """Titrate on a device, and leave the session's record.

    Parameters
    ----------
    prescription : Prescription
        With a table ``[evoked]`` and the controller ``sweep``: its steps, times and bounds.
    url : str
        Of the device.
    ask : callable
        See `Interview`.
    key : bytes
        The device's pre-shared key.
    directory : Path, optional
        Where the record goes.

    Raises
    ------
    PrescriptionError
        If the prescription is for something else.
    CaptureError
        If it ended before discomfort was told, or no setpoint comes out. The record stays.
    StimloopError
        As `stimloop.run.run_session`.
    """
    if found := tuple(_violations(prescription)):
        raise PrescriptionError(found)
    values = prescription.controller.values()
    dwell_s, settle_s = (float(values[name]) / 1000 for name in ("dwell_ms", "settle_ms"))
    asked = prescription.stimulation
    span_ma = asked.amplitude_ma - asked.amplitude_min_ma
    steps = 2 + span_ma * 1000 / float(values["step_ua"])
    interview = Interview(ask)
    place = run_session(
        prescription,
        url,
        key=key,
        seconds=steps * dwell_s + 60,
        until=interview,
        directory=directory,
    )
    if DISCOMFORT not in interview.told_ua:
        raise CaptureError(
            f"{interview.ended or 'somebody ended it'} before discomfort was told; raise "
            f"amplitude_ma, or tell sooner. The record is {place}"
        )
    record = Record.open(place)
    told = Decisions.of(list(record.steps())[therapy_start(record)[0] :])
    words = {word: interview.told_ua.get(word, 0) for word in WORDS}
    try:
        result = titration(
            plateaus(told, least_s=(dwell_s + settle_s) / 2, settle_s=settle_s),
            perception_ua=words[PERCEPTION],
            comfort_ua=words[COMFORT],
            discomfort_ua=words[DISCOMFORT],
        )
    except ValueError as problem:
        raise CaptureError(f"{problem} The record is {place}") from problem
    return Titrated(
        words[PERCEPTION] / 1000,
        words[COMFORT] / 1000,
        words[DISCOMFORT] / 1000,
        result,
        interview.ended,
        place,
    )


def _violations(prescription: Prescription) -> Iterator[Violation]:
    if prescription.evoked is None:
        yield Violation(
            "evoked",
            "nothing",
            "a table [evoked]: the response is what a titration is about",
            "add it, or take examples/scs_titration.toml",
        )
    if prescription.controller.kind != "sweep":
        yield Violation(
            "controller.kind",
            f'"{prescription.controller.kind}"',
            '"sweep", which raises the amplitude step by step',
            "change it, or take examples/scs_titration.toml",
        )
    if prescription.controller.where != "host":
        yield Violation(
            "controller.where",
            f'"{prescription.controller.where}"',
            '"host": a word of discomfort has to end it',
            'write where = "host"',
        )
