"""What the command line shows: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stimloop.rig.doctor import Finding

NOTICE = "Research and bench use, not a medical device. Never connect to a person or an animal."

ROWS: Sequence[tuple[str, str, str]] = (
    ("bursts_per_s", "bursts", "1/s"),
    ("mean_burst_ms", "mean burst duration", "ms"),
    ("long_bursts_per_min", "bursts > 600 ms", "1/min"),
    ("time_on_fraction", "time on", ""),
    ("mean_amplitude_ma", "mean amplitude", "mA"),
    ("delivered_charge_uc", "delivered charge", "µC"),
    ("delivered_fraction", "delivered / programmed", ""),
    ("net_charge_nc", "net charge", "nC"),
    ("teed_uw", "TEED", "µW"),
    ("teed_relative", "TEED / continuous", ""),
    ("ecap_median_uv", "evoked response, median", "µV"),
    ("ecap_deviation_uv", "its distance from the setpoint", "µV"),
    ("dose_accuracy_uv", "dose accuracy", "µV"),
    ("dose_median_nc", "charge of a pulse, median", "nC"),
    ("dose_least_nc", "least", "nC"),
    ("dose_most_nc", "most", "nC"),
    ("peak_hz", "beta peak", "Hz"),
    ("authentication", "authentication", ""),
    ("seconds", "therapy", "s"),
    ("samples", "samples", ""),
    ("lost_samples", "lost samples", ""),
    ("orders", "orders", ""),
    ("refused", "refused orders", ""),
    ("stale", "of these stale", ""),
)
"""Rows of a table of sessions: key, words, unit."""


def progress() -> Progress:
    """A progress bar on the error stream; silent where that is no terminal."""
    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def print_json(values: Mapping[str, Any]) -> None:
    """Print one JSON object; what is not a number becomes null."""
    print(json.dumps(_finite(values), ensure_ascii=False))


def print_sessions(title: str, columns: Mapping[str, Mapping[str, Any]]) -> None:
    """Print sessions side by side, and where their compute time went."""
    console = Console()
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for key, words, unit in ROWS:
        if any(values.get(key) is not None for values in columns.values()):
            label = f"{words} [{unit}]" if unit else words
            table.add_row(
                label.replace("[", r"\["), *(_shown(v.get(key)) for v in columns.values())
            )
    stages = next(iter(columns.values())).get("latency_us", {})
    for stage in stages:
        table.add_row(
            rf"{stage} p50 / p99 / max \[µs]",
            *(
                " / ".join(f"{v['latency_us'][stage][q]:.0f}" for q in ("p50", "p99", "max"))
                for v in columns.values()
            ),
        )
    console.print(table)


SCORES: Sequence[tuple[str, str]] = (
    ("sensitivity", "sensitivity"),
    ("false_per_min", "false [1/min]"),
    ("latency_ms", "latency [ms]"),
    ("f1", "F1"),
    ("auc", "AUC"),
)
"""Columns of a score card: key, words."""


def print_scores(values: Mapping[str, Any]) -> None:
    """Print a score card, means and their 95 % intervals, and the frontier's delays."""
    seeds = len(values["seeds"])
    console = Console()
    table = Table(
        title=f"{seeds} virtual patients of {values['seconds']:g} s; mean, 95 % interval",
        title_justify="left",
    )
    table.add_column("detector")
    for _, words in SCORES:
        table.add_column(words.replace("[", r"\["), justify="right")
    for line in values["detectors"]:
        table.add_row(
            line["name"],
            *(
                f"{_shown(line['mean'][key])} ({_shown(line['low'][key])}, "
                f"{_shown(line['high'][key])})"
                for key, _ in SCORES
            ),
        )
    console.print(table)
    delays = Table(
        title="Delay at 1 % false-alarm time: median / 90th percentile, ms (missed)",
        title_justify="left",
    )
    delays.add_column("detector")
    panels = {
        title: {row["name"]: row for row in rows} for title, rows in values["frontier"].items()
    }
    for title in panels:
        delays.add_column(title, justify="right")
    for name in values["shown"]:
        rows = [panel[name] for panel in panels.values()]
        delays.add_row(
            name,
            *(
                f"{_shown(row['median_ms'])} / {_shown(row['p90_ms'])} ({row['missed']:.0%})"
                for row in rows
            ),
        )
    console.print(delays)


def print_trial(values: Mapping[str, Any]) -> None:
    """Print a trial's arms, means and their 95 % intervals, and what could not be run."""
    console = Console()
    shown = [measure for measure in values["measures"] if measure["drawn"]]
    for duration in values["durations"]:
        table = Table(
            title=f"{values['trial']}, {duration['seconds']:g} s; mean, 95 % interval",
            title_justify="left",
        )
        table.add_column("arm")
        for measure in shown:
            unit = f", {measure['unit']}" if measure["unit"] else ""
            table.add_column(f"{measure['label']}{unit}", justify="right")
        for arm, told in duration["arms"].items():
            table.add_row(
                arm,
                *(_interval(told[measure["name"]], measure["factor"]) for measure in shown),
            )
        console.print(table)
    for failure in values["failed"]:
        print(f"not run: {failure['cell']}: {failure['reason']}", file=sys.stderr)
    print(
        f"{values['run']} cells run, {values['cells']} in all; {values['notice']}.\n"
        f"{NOTICE}\nResults: {values['results']}\nReport: {values['report']}"
    )


def _interval(told: Mapping[str, float], factor: float) -> str:
    mean, low, high = (_shown(told[key] * factor) for key in ("mean", "low", "high"))
    return f"{mean} ({low}, {high})"


def print_matrix(values: Mapping[str, Any]) -> None:
    """Print the impedance of every pair of contacts."""
    table = Table(
        title=f"Ω and µF between contacts, {values['current_ua']} µA for "
        f"{values['width_us']} µs and back",
        title_justify="left",
    )
    table.add_column("")
    *rows, _ = names = values["contacts"]
    for name in names[1:]:
        table.add_column(name, justify="right")
    cells = {(pair["first"], pair["second"]): _impedance(pair) for pair in values["pairs"]}
    for row in rows:
        table.add_row(row, *(cells.get((row, name), "") for name in names[1:]))
    Console().print(table)


def _impedance(pair: Mapping[str, Any]) -> str:
    if pair["open"]:
        return "open"
    if pair["short"]:
        return f"short, {pair['resistance_ohm']}"
    return f"{pair['resistance_ohm']} / {pair['capacitance_nf'] / 1000:.2f}"


SHOWN_TRENDS = 24
"""Rows that fit a screen: the latest four hours."""


def print_trends(values: Mapping[str, Any]) -> None:
    """Print the latest trends of a device."""
    rows = values["rows"]
    if not rows:
        print("no trends yet; a device has the first one after ten minutes")
        return
    left_out = len(rows) - len(rows[-SHOWN_TRENDS:])
    table = Table(title=f"Ten-minute means, {left_out} rows before these", title_justify="left")
    for words in ("start", r"end \[h]", r"band \[µV]", r"amplitude \[mA]"):
        table.add_column(words, justify="right")
    for row in rows[-SHOWN_TRENDS:]:
        table.add_row(
            str(row["boot"]),
            f"{row['end_s'] / 3600:.2f}",
            f"{row['level_uv']:.2f}",
            f"{row['amplitude_ma']:.2f}",
        )
    Console().print(table)


def print_pairs(values: Mapping[str, Any]) -> None:
    """Print names and values, a line each."""
    width = max(len(name) for name in values)
    for name, value in values.items():
        print(f"{name:<{width}}  {_shown(value)}")


def _shown(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def _finite(value: Any) -> Any:  # noqa: ANN401  # JSON is made of anything
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_verdict(verdict: str, what: str, *said: str) -> None:
    """One line for what came of something, and of everything that was said of it."""
    print(f"{verdict:<9} {what}{': ' if said else ''}{'; '.join(said)}", flush=True)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print what a machine lacks, and below each what to do."""
    for finding in findings:
        print(f"{finding.state:<8} {finding.what}: {finding.said}")
        if finding.remedy:
            print(f"{'':<8} {finding.remedy}")
