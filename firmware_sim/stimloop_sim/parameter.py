"""Parameters of simulated patients: declared once, with range, unit, meaning and origin.

Range checks, model cards and cohorts are derived from what is declared here.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import Field, field, fields, is_dataclass, replace
from enum import Enum, unique
from typing import Any


class PatientError(ValueError):
    """No such simulated patient, or parameters that make none."""


@unique
class Origin(Enum):
    """Where a parameter's default comes from; the value is the word in model cards."""

    PUBLISHED = "published"
    FITTED = "fitted"  # to published statistics, by us
    CHOICE = "design choice"
    ILLUSTRATIVE = "illustrative"  # no source; what depends on it is compared with nothing


def parameter(  # noqa: PLR0917  # a line of a table, in its order
    default: float, unit: str, low: float, high: float, origin: Origin, meaning: str
) -> Any:  # noqa: ANN401  # as dataclasses.field
    """Declare a parameter of a patient's dataclass.

    Parameters
    ----------
    default : float
    unit : str
        As printed; empty for a pure number.
    low, high : float
        What is physiological, both included.
    origin : Origin
        Of the default.
    meaning : str
        One phrase, without a full stop.
    """
    told = {"unit": unit, "low": low, "high": high, "origin": origin, "meaning": meaning}
    return field(default=default, metadata=told)


def check(model: object) -> None:
    """Refuse parameters outside their range.

    Raises
    ------
    PatientError
        One sentence about the first of them.
    """
    for name, value, told in declared(model):
        if not (math.isfinite(value) and told["low"] <= value <= told["high"]):
            unit = f" {told['unit']}" if told["unit"] else ""
            raise PatientError(
                f"{name} is {value:g}{unit}, and no patient is like that; "
                f"choose {told['low']:g} to {told['high']:g}{unit} ({told['meaning']})"
            )


def declared(model: object) -> Iterator[tuple[str, float, Any]]:
    """Every parameter of a model: name, value, and what `parameter` was told."""
    assert is_dataclass(model)
    entry: Field[Any]
    for entry in fields(model):
        if entry.metadata:
            yield entry.name, getattr(model, entry.name), entry.metadata


def paths(model: object) -> Iterator[str]:
    """Every parameter of a model and of its parts, by its path: ``heart.rest_bpm``."""
    for name, _, _ in declared(model):
        yield name
    assert is_dataclass(model)
    for entry in fields(model):
        part = getattr(model, entry.name)
        if is_dataclass(part):
            yield from (f"{entry.name}.{path}" for path in paths(part))


def changed(model: Any, values: Mapping[str, float]) -> Any:  # noqa: ANN401  # any model
    """A model with other values, each by its path.

    Parameters
    ----------
    model : object
        A patient's dataclass.
    values : mapping of str to float
        By keys of `paths`; all are changed at once.

    Raises
    ------
    PatientError
        If no patient is like that.
    """
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, float]] = {}
    for path, value in values.items():
        name, dot, rest = path.partition(".")
        if dot:
            parts.setdefault(name, {})[rest] = value
        else:
            own[name] = value
    for name, inner in parts.items():
        own[name] = changed(getattr(model, name), inner)
    return replace(model, **own)


def table(model: object) -> str:
    """The parameters of a model as a Markdown table."""
    lines = [
        "| parameter | value | unit | allowed | meaning | origin |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {value:g} | {told['unit']} | {told['low']:g} to {told['high']:g} "
        f"| {told['meaning']} | {told['origin'].value} |"
        for name, value, told in declared(model)
    ]
    return "\n".join(lines) + "\n"
