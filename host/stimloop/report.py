"""One page that shows what a session, or several that are compared, did.

The page is a single HTML file without scripts that loads nothing, for the screen and for paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from stimloop import figures, prescription
from stimloop.errors import RecordError
from stimloop.page import render
from stimloop.summary import Summary, summarize
from stimloop_hw.messages import MESSAGES
from stimloop_hw.vocabulary import Build, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stimloop.record import Record
    from stimloop.streams import EventRow

REFERENCE_ARM = "continuous"
"""Arm that the energy of the others is compared with."""

EVENTS_SHOWN = 60

UNTOLD = "–"
"""Stands for a number that a session does not tell."""

_ROWS: tuple[tuple[str, str, str, float], ...] = (
    ("Therapy", "s", "seconds", 1),
    ("Sensed before therapy", "s", "capture_seconds", 1),
    ("Samples lost", "", "lost_samples", 1),
    ("Orders sent", "", "orders", 1),
    ("Orders refused", "", "refused", 1),
    ("of these too late", "", "stale", 1),
    ("Time with stimulation", "%", "time_on_fraction", 100),
    ("Mean amplitude", "mA", "mean_amplitude_ma", 1),
    ("Energy as power, TEED at 500 Ω", "µW", "teed_uw", 1),
    ("Delivered charge", "µC", "delivered_charge_uc", 1),
    ("Net charge", "nC", "net_charge_nc", 1),
    ("Evoked response, median", "µV", "ecap_median_uv", 1),
    ("its mean distance from the setpoint", "µV", "ecap_deviation_uv", 1),
    ("and root mean squared: dose accuracy", "µV", "dose_accuracy_uv", 1),
    ("Charge of a pulse, median", "nC", "dose_median_nc", 1),
    ("least", "nC", "dose_least_nc", 1),
    ("most", "nC", "dose_most_nc", 1),
    ("Beta peak", "Hz", "peak_hz", 1),
    ("Bursts above", "µV", "burst_threshold_uv", 1),
    ("Bursts per second", "1/s", "burst_rate_hz", 1),
    ("Mean burst", "ms", "mean_burst_ms", 1),
    ("Bursts over 600 ms", "1/min", "long_bursts_per_min", 1),
)
"""Label, unit, attribute of `Summary`, factor from its unit to the shown one."""


@dataclass(frozen=True, slots=True)
class _Arm:
    name: str
    session: dict[str, Any]
    summary: Summary
    simulated: bool
    calibration: str
    latency_name: str
    drawings: dict[str, Markup]
    utc: str
    tables: dict[str, list[tuple[str, str]]]
    events: list[tuple[str, int, str, str]]
    events_left_out: int
    torn: tuple[str, ...]


def write_report(
    path: Path | str,
    records: Mapping[str, Record],
    *,
    title: str,
    notes: Sequence[str] = (),
    burst_threshold_uv: float | None = None,
) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path or str
        The HTML file; an existing one is replaced.
    records : mapping of str to Record
        Name of each arm and its record; at least one.
    title : str
    notes : sequence of str
        Paragraphs below the summary.
    burst_threshold_uv : float, optional
        Level above which a burst is counted in every arm, µV. If not given, the 75th
        percentile of the first arm's level.

    Raises
    ------
    ValueError
        If there is no record.
    RecordError
        If the page cannot be written.
    """
    if not records:
        raise ValueError("a report of no record was asked for; give at least one arm")
    arms = []
    for name, record in records.items():
        summary = summarize(record, burst_threshold_uv=burst_threshold_uv)
        burst_threshold_uv = summary.burst_threshold_uv
        arms.append(_arm(name, record, summary))
    page = render(
        "report.html",
        title=title,
        notes=notes,
        arms=arms,
        rows=_rows(arms),
        simulated=any(arm.simulated for arm in arms),
        authentication=", ".join(sorted({arm.summary.authentication for arm in arms})),
    )
    try:
        Path(path).write_text(page, "utf-8")
    except OSError as problem:
        raise RecordError(
            f"the report {path} cannot be written ({problem.strerror}); choose another place"
        ) from problem


def _arm(name: str, record: Record, summary: Summary) -> _Arm:
    events = list(record.events())
    return _Arm(
        name=name,
        session=record.session,
        summary=summary,
        simulated=bool(record.session["identity"]["build"] & Build.SIMULATED),
        calibration=calibration(record),
        latency_name=figures.latency_name(record),
        drawings={
            drawing.__name__: Markup(drawing(record))  # noqa: S704  our own SVG
            for drawing in (figures.excerpt, figures.overview, figures.latency)
        },
        utc=str(record.session["utc"])[:19].replace("T", " "),
        tables=_tables(record.session),
        events=[
            (f"{event.t_us / 1e6:.3f}", event.step, event.kind, words_of(event))
            for event in events[:EVENTS_SHOWN]
        ],
        events_left_out=max(0, len(events) - EVENTS_SHOWN),
        torn=record.torn,
    )


def words_of(event: EventRow) -> str:
    """What an event says; of a refusal, which order and why."""
    if event.kind != "refused":
        return event.text
    order = MESSAGES[event.order].__name__ if event.order in MESSAGES else "an unknown order"
    return f"{order}: {Refusal(event.code).sentence(event.detail)}"


def _tables(session: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """What describes a session: its mappings as tables, all else in a table of its own."""
    tables: dict[str, list[tuple[str, str]]] = {"session": []}
    for name, value in session.items():
        if isinstance(value, dict):
            tables[name] = [(key, _shown(key, item)) for key, item in value.items()]
        elif name != "prescription":
            tables["session"].append((name, _shown(name, value)))
    return tables


def _shown(name: str, value: object) -> str:
    return f"{value:08X}" if name.endswith("_crc") else str(value)


def calibration(record: Record) -> str:
    """What was adjusted to this subject, and what was fixed beforehand."""
    asked = prescription.loads(record.session["prescription"])
    thresholds = " and ".join(f"{value:.4g} µV" for value in figures.thresholds_uv(record))
    if asked.capture is not None:
        share = f"{asked.capture.percentile:g}"
        if asked.capture.lower_percentile is not None:
            share += f" and {asked.capture.lower_percentile:g}"
        return (
            f"Captured from this subject: {thresholds or 'nothing'}, percentile {share} of "
            f"the level in {asked.capture.seconds:g} s without stimulation. All else was "
            "prescribed."
        )
    if thresholds:
        return f"Nothing was captured; the threshold of {thresholds} was prescribed."
    return "Nothing was captured, and the controller uses no threshold."


def rows_of(summary: Summary) -> list[tuple[str, str, str]]:
    """Label, unit and number in words of everything in a summary, as the page lists it."""
    return [
        (label, unit, _number(getattr(summary, name), factor))
        for label, unit, name, factor in _ROWS
    ]


def _rows(arms: list[_Arm]) -> list[tuple[str, str, list[str]]]:
    columns = [[words for *_, words in rows_of(arm.summary)] for arm in arms]
    rows = [
        (label, unit, list(words))
        for (label, unit, *_), *words in zip(_ROWS, *columns, strict=True)
    ]
    teed_uw = {arm.name: arm.summary.teed_uw for arm in arms}
    reference_uw = teed_uw.get(REFERENCE_ARM)
    if reference_uw:
        shares = [
            _number(None if value is None else value / reference_uw, 100)
            for value in teed_uw.values()
        ]
        at = next(k for k, row in enumerate(_ROWS) if row[2] == "teed_uw") + 1
        rows.insert(at, (f"Energy relative to {REFERENCE_ARM}", "%", shares))
    rows.extend(
        (
            f"{arms[0].latency_name.capitalize()} of a tick, {name}",
            "µs",
            [_number(arm.summary.latency_us.get("total", {}).get(name), 1) for arm in arms],
        )
        for name in ("p50", "p99", "max")
    )
    return rows


def _number(value: float | None, factor: float) -> str:
    if value is None:
        return UNTOLD
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    scaled = value * factor
    if not scaled:
        return "0"
    return f"{scaled:.0f}" if abs(scaled) >= 1000 else f"{scaled:#.3g}".rstrip(".")
