"""TOML files that people write: read whole, or refused in the words of `Violation`."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stimloop.errors import Violation
from stimloop.violations import shown

if TYPE_CHECKING:
    from stimloop.errors import Refused


def read_text(path: Path | str, refused: type[Refused]) -> str:
    """Read a file.

    Parameters
    ----------
    path : Path or str
    refused : type of Refused
        Raised if it cannot be read, or is not UTF-8.
    """
    try:
        return Path(path).read_text("utf-8")
    except UnicodeDecodeError as problem:
        raise _unreadable(
            refused, f"{path}, whose byte {problem.start} is not UTF-8", "save it as UTF-8"
        ) from None
    except OSError as problem:
        raise _unreadable(
            refused, f"{path} ({problem.strerror})", "check the name and that it may be read"
        ) from problem


def tables_of(text: str, schema: int, refused: type[Refused]) -> dict[str, Any]:
    """Parse the text of a file, and take its schema from it.

    Parameters
    ----------
    text : str
        TOML; its numbers with a point become decimals, so that their digits can be judged.
    schema : int
        The one that this stimloop reads.
    refused : type of Refused
        Raised if it is no TOML, or of another schema.
    """
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as problem:
        end = f"at line {text.count(chr(10)) + 1}, where it ends"
        place = (
            str(problem).replace("at end of document", end)
            if isinstance(problem, tomllib.TOMLDecodeError)
            else "a number or a nesting beyond all measure"
        )
        raise _unreadable(refused, f"what is not TOML: {place}", "correct that line") from None
    found = tables.pop("schema", None)
    if type(found) is not int or found != schema:
        raise refused((_schema_violation(found, schema),))
    return tables


def _unreadable(refused: type[Refused], asked: str, remedy: str) -> Refused:
    field = f"{refused.subject} file"
    return refused((Violation(field, asked, "a TOML file in UTF-8", remedy),))


def _schema_violation(found: object, schema: int) -> Violation:
    if found is None:
        asked, remedy = "nothing", f"write schema = {schema} as the first line"
    elif isinstance(found, int) and found > schema:
        asked = str(found)
        remedy = (
            f"schema {found} is newer than this stimloop, which reads schema {schema}: "
            "update stimloop"
        )
    else:
        asked, remedy = shown(found), f"write schema = {schema}"
    return Violation("schema", asked, str(schema), remedy)
