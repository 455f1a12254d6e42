"""Whether the tables of a prescription fit each other: detector, thresholds, controllers.

No device is needed to judge that; `stimloop.gate` judges the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.decision import DETECTORS
from stimloop.errors import Violation
from stimloop.kinds import asks_of, tells_of
from stimloop_dsp.values import Aspect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.prescription import Prescription

_BESIDE_EVOKED = ("continuous", "sweep")
"""Controllers that may stand beside [evoked] and hold no response."""
_BY_THRESHOLD = Aspect.DECISION | Aspect.THREE_STATES


def violations(asked: Prescription) -> Iterator[Violation]:
    """Find everything that does not fit.

    Parameters
    ----------
    asked : Prescription

    Yields
    ------
    Violation
    """
    if asked.evoked is None:
        yield from _aspects(asked)
        yield from _threshold(asked)
        yield from _lower(asked)
    yield from _evoked(asked)
    if asked.magnet is not None and asked.interleaved:
        yield Violation(
            "interleaved",
            "further programs beside [magnet]",
            "one program, which the magnet's train takes the place of",
            "remove them, or [magnet]",
        )
    yield from _rates(asked)
    yield from _ranges(asked)


def _aspects(asked: Prescription) -> Iterator[Violation]:
    """A controller gets what it asks for."""
    told = tells_of(asked.detector.make)
    in_uv = asked.detector.declares("threshold_uv")
    for table in asked.controllers:
        lacking = asks_of(table.make) & ~told & ~Aspect.EVOKED
        if lacking or (table.declares("threshold_uv") and not in_uv):
            fitting = [
                name
                for name, kind in DETECTORS.own.items()
                if not asks_of(table.make) & ~tells_of(kind)
                and (
                    DETECTORS.table_of(name).declares("threshold_uv")
                    or not table.declares("threshold_uv")
                )
            ]
            what = ", ".join(part.name.lower() for part in lacking if part.name)
            yield Violation(
                "detector.kind",
                asked.detector.kind,
                f"one that tells {what.replace('_', ' ') or 'a level in µV'}, for a controller "
                f"of kind {table.kind}",
                f"write {' or '.join(fitting)}, or choose another controller",
            )


def _evoked(asked: Prescription) -> Iterator[Violation]:
    """The response to a pulse, and the controllers that hold it, belong together."""
    for table in asked.controllers:
        holds = Aspect.EVOKED in asks_of(table.make)
        if holds and asked.evoked is None:
            yield Violation(
                "evoked",
                "nothing",
                f"the table that tells a controller of kind {table.kind} where the response is",
                "add [evoked] with n1_ms",
            )
        elif asked.evoked is not None and not holds and table.kind not in _BESIDE_EVOKED:
            yield Violation(
                "controller.kind",
                f"{table.kind} beside [evoked]",
                "one that holds the response, continuous, or sweep",
                "choose ecap_logarithmic, ecap_linear, continuous or sweep, or remove [evoked]",
            )
        open_ma: float | None = getattr(table, "open_loop_ma", None)
        least_ma, most_ma = asked.stimulation.amplitude_min_ma, asked.stimulation.amplitude_ma
        if holds and open_ma is not None and not least_ma <= open_ma <= most_ma:
            yield Violation(
                "controller.open_loop_ma",
                f"{open_ma:g} mA",
                f"amplitude_min_ma to amplitude_ma, {least_ma:g} to {most_ma:g} mA",
                "choose an amplitude of the therapy",
            )
    if asked.evoked is not None and asked.interleaved:
        yield Violation(
            "interleaved",
            "further programs beside [evoked]",
            "one program, whose pulses alone evoke the response that is held",
            "remove them, or [evoked]",
        )
    if asked.evoked is not None and asked.capture is not None:
        yield Violation(
            "capture",
            "a [capture] beside [evoked]",
            "one of them",
            "remove it: a setpoint comes from a titration",
        )


def _needs_threshold(asked: Prescription) -> bool:
    own = any(table.declares("threshold_uv") for table in asked.controllers)
    decided = any(asks_of(table.make) & _BY_THRESHOLD for table in asked.controllers)
    return own or (decided and asked.detector.declares("threshold_uv"))


def _threshold(asked: Prescription) -> Iterator[Violation]:
    threshold_uv, usable = asked.detector.threshold_uv, asked.uses("threshold_uv")
    if not usable and (threshold_uv is not None or asked.capture is not None):
        yield Violation(
            "capture" if threshold_uv is None else "detector.threshold_uv",
            "a threshold in µV",
            f"none: a detector of kind {asked.detector.kind} has its own",
            "remove it",
        )
    elif threshold_uv is not None and asked.capture is not None:
        yield Violation(
            "detector.threshold_uv",
            f"{threshold_uv:g} µV beside a [capture]",
            "one of them",
            "remove the threshold to capture it, or the table to keep it",
        )
    elif threshold_uv is None and asked.capture is None and _needs_threshold(asked):
        yield Violation(
            "detector.threshold_uv",
            "nothing",
            f"a threshold for a controller of kind {asked.controller.kind}",
            "add threshold_uv, or a [capture] that finds it",
        )


def _lower(asked: Prescription) -> Iterator[Violation]:
    two, capture = asked.uses("lower_uv"), asked.capture
    lower_uv, upper_uv = asked.detector.lower_uv, asked.detector.threshold_uv
    if capture is not None and (two or capture.lower_percentile is not None):
        lower = capture.lower_percentile
        if not two or lower is None or lower > capture.percentile:
            yield Violation(
                "capture.lower_percentile",
                "nothing" if lower is None else f"{lower:g}",
                f"0 to percentile, {capture.percentile:g}, where there are two thresholds",
                "add or lower it" if two else "remove it",
            )
    if lower_uv is not None and (capture is not None or not two):
        yield Violation(
            "detector.lower_uv",
            f"{lower_uv:g} µV" + (" beside a [capture]" if two else ""),
            "one of them" if two else "none, where there is one threshold",
            "remove it: capture.lower_percentile finds it" if two else "remove it",
        )
    elif two and upper_uv is not None and (lower_uv is None or lower_uv > upper_uv):
        yield Violation(
            "detector.lower_uv",
            "nothing" if lower_uv is None else f"{lower_uv:g} µV",
            f"0 to threshold_uv, {upper_uv:g} µV",
            "add the lower threshold" if lower_uv is None else "lower it",
        )


def _rates(asked: Prescription) -> Iterator[Violation]:
    """A lowest rate belongs to a controller of the rate, and the other way round."""
    lowest_hz = asked.stimulation.rate_min_hz
    moved = any(table.declares("period_max_us") for table in asked.controllers)
    if moved and lowest_hz is None:
        yield Violation(
            "stimulation.rate_min_hz",
            "nothing",
            "a lowest rate, up to rate_hz, for a controller of the rate",
            "add it: below it the therapy is off",
        )
    elif not moved and lowest_hz is not None:
        yield Violation(
            "stimulation.rate_min_hz",
            f"{lowest_hz:g} Hz",
            f"none, for a controller of kind {asked.controller.kind}",
            "remove it, or choose a controller of the rate",
        )


def _ranges(asked: Prescription) -> Iterator[Violation]:
    """The amplitudes of a schedule lie within the envelope."""
    envelope = asked.stimulation
    for number, entry in enumerate(asked.schedule.entries if asked.schedule else ()):
        high_ma = envelope.amplitude_ma if entry.amplitude_ma is None else entry.amplitude_ma
        low_ma = (
            envelope.amplitude_min_ma
            if entry.amplitude_min_ma is None
            else entry.amplitude_min_ma
        )
        if not envelope.amplitude_min_ma <= low_ma <= high_ma <= envelope.amplitude_ma:
            yield Violation(
                f"schedule.entries[{number}]",
                f"{low_ma:g} to {high_ma:g} mA",
                f"a range within {envelope.amplitude_min_ma:g} to {envelope.amplitude_ma:g} mA",
                "change it, or widen the envelope in [stimulation]",
            )
