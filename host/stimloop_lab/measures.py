"""Columns of a trial's results: declared once, beside the outcome that they are.

Parquet, report, figures, console and ``docs/trials.md`` are derived from what is declared here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from stimloop_sim.parameter import Origin


@dataclass(frozen=True, slots=True)
class Measure:
    """One column.

    Attributes
    ----------
    name : str
        Of the column.
    label : str
        As people read it.
    unit : str
        Of the column; empty for a pure number.
    reduction : str
        How a cell's time becomes one number.
    meaning : str
        One phrase, without a full stop.
    shown : str
        Unit in report and figures.
    factor : float
        From the column to there.
    drawn : bool
        Whether it is one of the few that are drawn, and printed on the console.
    whole : bool
        Whether it is an integer.
    origin : Origin or None
        Where that comes from in the patient on which it rests; None where it rests on nothing
        but the device's own counters and the loop's.
    """

    name: str
    label: str
    unit: str
    reduction: str
    meaning: str
    shown: str
    factor: float
    drawn: bool
    whole: bool
    origin: Origin | None

    @property
    def illustrative(self) -> bool:
        """Whether it rests on something without a source, and is compared with nothing."""
        return self.origin is Origin.ILLUSTRATIVE


def measure(
    label: str,
    unit: str,
    reduction: str,
    meaning: str,
    *,
    percent: bool = False,
    drawn: bool = False,
    origin: Origin | None = None,
) -> Any:  # noqa: ANN401  # as dataclasses.field
    """Declare a column of an outcome's dataclass; see `Measure`.

    Parameters
    ----------
    label, unit, reduction, meaning : str
    percent : bool
        Whether a fraction is shown in percent.
    drawn : bool
    origin : Origin, optional
    """
    told = {
        "label": label,
        "unit": unit,
        "reduction": reduction,
        "meaning": meaning,
        "shown": "%" if percent else unit,
        "factor": 100.0 if percent else 1.0,
        "drawn": drawn,
        "origin": origin,
    }
    return field(metadata=told)


def measures(outcome: type) -> tuple[Measure, ...]:
    """Columns of an outcome: the therapy's own, then those of every therapy."""
    inherited = {entry.name for base in outcome.__bases__ for entry in _fields(base)}
    entries = sorted(_fields(outcome), key=lambda entry: entry.name in inherited)
    return tuple(
        Measure(name=entry.name, whole=entry.type == "int", **entry.metadata)
        for entry in entries
    )


def markdown(outcome: type) -> str:
    """An outcome's own columns as a Markdown table."""
    inherited = {entry.name for base in outcome.__bases__ for entry in _fields(base)}
    lines = [
        "| column | unit | meaning | over a cell | rests on |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{m.name}` | {m.unit} | {m.meaning} | {m.reduction} | {_rests_on(m)} |"
        for m in measures(outcome)
        if m.name not in inherited
    ]
    return "\n".join(lines) + "\n"


def _rests_on(found: Measure) -> str:
    if found.origin is None:
        return "counters"
    return f"*{found.origin.value}*" if found.illustrative else found.origin.value


def _fields(outcome: type) -> tuple[Any, ...]:
    return fields(outcome) if hasattr(outcome, "__dataclass_fields__") else ()
