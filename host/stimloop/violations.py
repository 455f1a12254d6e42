"""What the schema of a prescription objects to, in the words of `Violation`."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from stimloop.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_LONGEST = 60
"""Characters of a value that an error repeats."""

_KINDS = {
    "int_type": ("a whole number", "write it without decimals and quotes"),
    "int_from_float": ("a whole number", "write it without decimals"),
    "string_type": ("text", "put it in quotes"),
    "tuple_type": ("a list", "put it in brackets"),
    "model_type": ("a table", "write its keys below a line with its name in brackets"),
    "model_attributes_type": (
        "a table",
        "write its keys below a line with its name in brackets",
    ),
    "too_long": ("a list of two numbers", "remove the others"),
    "missing": ("a value", "add it, since there is no default"),
}
_BOUNDS = {
    "greater_than": ("more than {gt}", "raise it"),
    "greater_than_equal": ("{ge} or more", "raise it"),
    "less_than_equal": ("{le} or less", "lower it"),
    "literal_error": ("{expected}", "choose one of them"),
}


def refusal(allowed: str, remedy: str) -> PydanticCustomError:
    """Make a validator's objection to the one value that it looks at."""
    return PydanticCustomError("value", "{allowed}", {"allowed": allowed, "remedy": remedy})


def refusals(violations: list[Violation]) -> PydanticCustomError:
    """Make a validator's objections to how the values of a table fit together."""
    return PydanticCustomError("relations", "violations", {"violations": violations})


def nested(violations: list[Violation]) -> PydanticCustomError:
    """Make a validator's objections to a table, whose name they leave out."""
    return PydanticCustomError("nested", "violations", {"violations": violations})


def violations_of(
    error: ValidationError, tables: Mapping[str, type[BaseModel]]
) -> tuple[Violation, ...]:
    """Translate everything that the schema objects to.

    Parameters
    ----------
    error : ValidationError
        What pydantic raised.
    tables : mapping of str to type of BaseModel
        The model of each table by its dotted name, so that the nearest key can be named.

    Returns
    -------
    tuple of Violation
    """
    found: list[Violation] = []
    for details in error.errors(include_url=False):
        if details["type"] == "relations":
            found += details["ctx"]["violations"]
        elif details["type"] == "nested":
            table = _dotted(details["loc"])
            found += [
                replace(violation, field=f"{table}.{violation.field}".rstrip("."))
                for violation in details["ctx"]["violations"]
            ]
        else:
            found.append(_violation(details, tables))
    return tuple(found)


def _violation(details: ErrorDetails, tables: Mapping[str, type[BaseModel]]) -> Violation:
    kind, location = details["type"], details["loc"]
    context: dict[str, Any] = details.get("ctx", {})
    asked = "nothing" if kind == "missing" else shown(details["input"])
    if kind == "extra_forbidden":
        table = ".".join(str(part) for part in location[:-1] if not isinstance(part, int))
        keys = list(tables[table].model_fields)
        near = get_close_matches(str(location[-1]), keys, n=1, cutoff=0.5)
        asked = "an unknown key"
        allowed = ", ".join(keys)
        remedy = f"write {near[0]}, if that is meant" if near else "remove it"
        return Violation(_dotted(location), asked, allowed, remedy)
    if kind == "value":
        allowed, remedy = context["allowed"], context["remedy"]
    elif kind in _BOUNDS:
        allowed, remedy = (text.format(**context) for text in _BOUNDS[kind])
    else:
        allowed, remedy = _KINDS.get(kind, (details["msg"], "correct it"))
    return Violation(_dotted(location), asked, allowed, remedy)


def _dotted(location: tuple[int | str, ...]) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return name.removeprefix(".")


def shown(value: object) -> str:
    """Write a value as TOML would, shortened where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        text = f"[{', '.join(shown(item) for item in value)}]"
    else:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
