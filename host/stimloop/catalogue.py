"""The catalogue of controllers and detectors, for the command line and the documentation."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from stimloop.decision import CONTROLLERS
from stimloop.kinds import KindError, asks_of, key_of, tells_of
from stimloop_dsp.parameters import ANY, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.kinds import Kinds
    from stimloop_dsp import Aspect
    from stimloop_dsp.parameters import Parameter


def markdown(kinds: Kinds, names: list[str]) -> str:
    """A section for each kind: what it is, and a table of its keys.

    Parameters
    ----------
    kinds : Kinds
    names : list of str
        Which of them.
    """
    return "\n".join(line for name in names for line in _section(kinds, name))


def _section(kinds: Kinds, name: str) -> Iterator[str]:
    yield f"### `{name}`"
    yield ""
    try:
        table = kinds.table_of(name)
    except KindError as problem:
        yield f"It cannot be used. Needed: {problem}."
        yield ""
        return
    yield (inspect.getdoc(table.make) or "").partition("\n")[0]
    if kinds is CONTROLLERS:
        used = [key for key in ("threshold_uv", "lower_uv") if table.declares(key)]
        asked = [*_names(asks_of(table.make)), *used]
        yield f"Asks of its detector: {', '.join(asked) or 'nothing'}."
    else:
        yield f"Tells besides its level: {', '.join(_names(tells_of(table.make)))}."
    yield ""
    rows = [_row(each) for each in table.parameters if each.name not in table.given]
    if rows:
        yield "| key | unit | allowed | default | meaning |"
        yield "|---|---|---|---|---|"
        yield from rows
        yield ""


def _names(aspects: Aspect) -> list[str]:
    return [part.name.lower().replace("_", " ") for part in aspects if part.name]


def _row(parameter: Parameter) -> str:
    allowed, default, unit = parameter.allowed, parameter.default, parameter.unit
    if parameter.name.endswith("_ua"):
        unit = "mA"
        allowed = replace(allowed, low=allowed.low / 1000, high=allowed.high / 1000)
        default = default if default is REQUIRED else default / 1000
    if get_origin(parameter.type) is Literal:
        said = ", ".join(get_args(parameter.type))
    else:
        said = "" if allowed == ANY else str(allowed)
    cells = (
        f"`{key_of(parameter)}`",
        unit,
        said,
        "" if default is REQUIRED or default is None else _number(default),
        parameter.meaning,
    )
    return f"| {' | '.join(cells)} |"


def _number(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_number, value))}]"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
