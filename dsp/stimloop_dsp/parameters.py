"""Parameters of controllers and detectors, as their signatures declare them (tier: offline).

A kind of controller or detector is anything that is called with keywords and returns one: a
dataclass, or a function. Each keyword is a plain number (or a few, or one of some words) with
its unit at the end of its name, and says what is allowed beside its type::

    ramp_up_ms: Annotated[float, Allowed(0, 3_600_000)] = 250.0

What it means stands in the docstring, in numpydoc form. Checks, the keys of a prescription and
the pages of documentation are all derived from that one line.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

UNITS: Final[Mapping[str, str]] = {
    "ma_per_s": "mA/s",
    "uv_per_ma": "µV/mA",
    "ua": "µA",
    "ma": "mA",
    "us": "µs",
    "ms": "ms",
    "s": "s",
    "hz": "Hz",
    "uv": "µV",
    "rad": "rad",
    "percent": "%",
}
"""Unit by the end of a parameter's name."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The range of a number, or of each of several.

    Attributes
    ----------
    low, high : float
        Ends of the range, both allowed.
    above : bool
        `low` itself is not allowed.
    """

    low: float
    high: float = math.inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        low = self.low < value if self.above else self.low <= value
        return low and value <= self.high and math.isfinite(value)

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"more than {self.low:.12g}" if self.above else f"{self.low:.12g} or more"
        return f"{'above ' if self.above else ''}{self.low:.12g} to {self.high:.12g}"


ANY: Final = Allowed(-math.inf)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a kind.

    Attributes
    ----------
    name : str
    type : object
        As annotated, without what is allowed.
    allowed : Allowed
    default : object
        `REQUIRED` if there is none.
    meaning : str
        First sentence about it in the docstring; empty if there is none.
    """

    name: str
    type: Any
    allowed: Allowed
    default: Any
    meaning: str

    @property
    def unit(self) -> str:
        """Unit by the end of the name; empty for a plain number."""
        return next((UNITS[end] for end in UNITS if self.name.endswith(f"_{end}")), "")


REQUIRED: Final = inspect.Parameter.empty


def parameters_of(kind: Callable[..., object]) -> tuple[Parameter, ...]:
    """Read a kind's parameters from its signature and docstring.

    Parameters
    ----------
    kind : callable
        A dataclass, or a function with annotated keywords.
    """
    hints = get_type_hints(kind, include_extras=True)
    meanings: dict[str, str] = {}
    for part in reversed(kind.__mro__) if isinstance(kind, type) else (kind,):
        meanings |= _meanings(inspect.getdoc(part) or "")
    found = []
    for name, told in inspect.signature(kind).parameters.items():
        hint = hints.get(name, float)
        extras = getattr(hint, "__metadata__", ())
        allowed = next((extra for extra in extras if isinstance(extra, Allowed)), ANY)
        found.append(
            Parameter(
                name,
                hint.__origin__ if extras else hint,
                allowed,
                told.default,
                meanings.get(name, ""),
            )
        )
    return tuple(found)


def check(kind: Callable[..., object], values: Mapping[str, object]) -> None:
    """Refuse what is outside the range that a kind declares.

    Parameters
    ----------
    kind : callable
    values : mapping of str to object
        By the names of its parameters.

    Raises
    ------
    ValueError
        One sentence, about the first parameter that is not allowed.
    """
    for parameter in parameters_of(kind):
        value = values[parameter.name]
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, int | float) and number not in parameter.allowed:
                raise ValueError(
                    f"{parameter.name} of {number} was asked for; {parameter.allowed} is "
                    "allowed. Choose a number in that range."
                )


def _meanings(docstring: str) -> dict[str, str]:
    """First sentence about each parameter of a numpydoc docstring."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", docstring, re.MULTILINE | re.DOTALL
    )
    found: dict[str, str] = {}
    if section is None:
        return found
    for names, text in re.findall(
        r"^(\w[\w, ]*?)(?: : [^\n]*)?\n((?:[ ]+[^\n]*\n?|\n)*)", section[1], re.MULTILINE
    ):
        sentence = re.split(r"(?<=[.])\s", " ".join(text.split()), maxsplit=1)[0]
        found |= dict.fromkeys(names.split(", "), sentence)
    return found
