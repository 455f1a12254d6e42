"""The keys of a prescription's table as a form shows them: derived, not listed.

Name, unit, kind and bounds come from the table's model, and what a key means from its numpydoc
docstring; of a detector or controller, from that of its class.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from stimloop.kinds import KindTable, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

UNITS = {
    "_ma_per_s": "mA/s",
    "_per_min": "1/min",
    "_percent": "%",
    "_ma": "mA",
    "_us": "µs",
    "_ms": "ms",
    "_hz": "Hz",
    "_uv": "µV",
    "_min": "min",
    "_s": "s",
}
"""Of each ending of a name its unit, the longest first."""


class Kind(Enum):
    """What is typed into a field."""

    REAL = auto()
    WHOLE = auto()
    CHOICE = auto()
    SWITCH = auto()
    TEXT = auto()
    REALS = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """One key.

    Attributes
    ----------
    name : str
        As in the file.
    label, unit, meaning : str
        For people; the unit may be empty.
    kind : Kind
    choices : tuple of str
        Of a choice.
    optional : bool
        The key may be left out.
    default : object
        Its value then; None where there is none.
    low, high : float
        Bounds of the format, infinite where there is none; the device's are narrower.
    """

    name: str
    label: str
    unit: str
    meaning: str
    kind: Kind
    choices: tuple[str, ...]
    optional: bool
    default: Any
    low: float
    high: float


def fields_of(table: type[BaseModel]) -> tuple[Field, ...]:
    """Every key of a table that one value fills, in the order of the file.

    Parameters
    ----------
    table : type of BaseModel
        A table of `stimloop.tables`, or what `Kinds.table_of` gives.
    """
    meanings = _meanings(table)
    return tuple(
        _field(name, info, meanings.get(name, ""))
        for name, info in table.model_fields.items()
        if name != "kind" and _kind(_plain(info.annotation)[0]) is not None
    )


def _field(name: str, info: Any, meaning: str) -> Field:  # noqa: ANN401  pydantic's
    plain, marks, optional = _plain(info.annotation)
    marks = [*info.metadata, *marks]
    kind = _kind(plain)
    assert kind is not None
    label, unit = _named(name)
    required = info.default is PydanticUndefined
    lows = [getattr(mark, key) for mark in marks for key in ("ge", "gt") if hasattr(mark, key)]
    highs = [getattr(mark, key) for mark in marks for key in ("le", "lt") if hasattr(mark, key)]
    return Field(
        name,
        label,
        unit,
        meaning,
        kind,
        tuple(map(str, get_args(plain))) if kind is Kind.CHOICE else (),
        optional or not required,
        None if required else info.default,
        max((float(low) for low in lows if low is not None), default=float("-inf")),
        min((float(high) for high in highs if high is not None), default=float("inf")),
    )


def _named(name: str) -> tuple[str, str]:
    ending = next((ending for ending in UNITS if name.endswith(ending)), "")
    label = name.removesuffix(ending).replace("_", " ")
    return label[:1].upper() + label[1:], UNITS.get(ending, "")


def _plain(annotation: Any) -> tuple[Any, list[Any], bool]:  # noqa: ANN401  any annotation
    """An annotation without its marks, the marks, and whether None is allowed."""
    marks: list[Any] = []
    optional = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            for mark in more:
                marks += [mark, *getattr(mark, "metadata", ())]
        elif type(None) in get_args(annotation):
            optional = True
            (annotation,) = (part for part in get_args(annotation) if part is not type(None))
        else:
            return annotation, marks, optional


def _kind(plain: Any) -> Kind | None:  # noqa: ANN401  any annotation
    if get_origin(plain) is Literal:
        return Kind.CHOICE
    if get_origin(plain) is tuple:
        parts = [_plain(part)[0] for part in get_args(plain) if part is not ...]
        return Kind.REALS if all(part in (int, float) for part in parts) else None
    kinds = {bool: Kind.SWITCH, int: Kind.WHOLE, float: Kind.REAL, str: Kind.TEXT}
    return kinds.get(plain)


def _meanings(table: type[BaseModel]) -> dict[str, str]:
    found: dict[str, str] = {}
    for owner in reversed(table.__mro__):
        found |= dict(_described(owner.__dict__.get("__doc__") or ""))
    if issubclass(table, KindTable) and hasattr(table, "make"):
        told: dict[str, str] = {}
        for owner in reversed(getattr(table.make, "__mro__", (table.make,))):
            told |= dict(_described(owner.__doc__ or ""))
        found |= {key_of(p): told[p.name] for p in table.parameters if p.name in told}
    return found


def _described(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and meanings in the Attributes and Parameters of a numpydoc docstring."""
    text = inspect.cleandoc(docstring)
    for section in re.findall(
        r"^(?:Attributes|Parameters)\n-+\n(.*?)(?=^\S[^\n]*\n---|\Z)",
        text,
        re.DOTALL | re.MULTILINE,
    ):
        entries = re.split(r"^(\S[^:\n]*) : [^\n]*\n", section, flags=re.MULTILINE)[1:]
        for names, meaning in zip(entries[::2], entries[1::2], strict=True):
            words = " ".join(meaning.replace("`", "").split())
            for name in names.split(","):
                yield name.strip(), words
