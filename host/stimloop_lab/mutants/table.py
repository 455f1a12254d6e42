"""The table of broken implants: what is wrong with each, and which obligation finds it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_sim.firmware import Firmware

    Spoil = Callable[[Firmware], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One thing that can be wrong with an implant.

    Attributes
    ----------
    what : str
        What it does, in words.
    obligation : str
        Name of the obligation that has to find it.
    spoil : callable (Firmware) -> None
        Puts it over an implant's firmware.
    """

    what: str
    obligation: str
    spoil: Spoil


MUTANTS: dict[str, Mutant] = {}
"""All of them by name."""


def mutant(obligation: str) -> Callable[[Spoil], Spoil]:
    """Declare a mutant: a decorator of what spoils the firmware."""

    def declare(spoil: Spoil) -> Spoil:
        assert spoil.__doc__ is not None
        MUTANTS[spoil.__name__] = Mutant(spoil.__doc__.rstrip("."), obligation, spoil)
        return spoil

    return declare


def put(owner: object, name: str, instead: Callable[..., Any]) -> Any:  # noqa: ANN401
    """Replace one method of one object; gives what it was."""
    method = getattr(owner, name)
    setattr(owner, name, instead)
    return method


def named(name: str) -> Mutant:
    """A mutant by its name.

    Raises
    ------
    ValueError
        If there is none; says which there are.
    """
    if name not in MUTANTS:
        near = get_close_matches(name, MUTANTS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"mutant {name!r} is unknown; {hint}known are: {', '.join(MUTANTS)}")
    return MUTANTS[name]


def catalogue() -> str:
    """All mutants as a Markdown table."""
    rows = ["| mutant | what is wrong with it | found by |", "|---|---|---|"]
    rows += [
        f"| `{name}` | {mutant.what} | `{mutant.obligation}` |"
        for name, mutant in MUTANTS.items()
    ]
    return "\n".join(rows) + "\n"
