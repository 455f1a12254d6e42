"""Obligations: what a device has to keep, declared once.

An obligation is a function of a session with the device. Its name is its own in every report,
the first line of its docstring is the requirement, and its decorator says which hazards of
SAFETY.md it stands against and what a device needs to be asked at all.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any, TypeVar

from stimloop_hw.errors import OrderRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stimloop.rig.session import RigSession
    from stimloop_hw.vocabulary import Refusal

    Check = Callable[[RigSession], None]


@unique
class Suite(StrEnum):
    """Obligations that belong together, in the order in which they are asked."""

    IDENTITY = "identity"
    STREAMING = "streaming"
    ORDERS = "orders"
    PULSES = "pulses"
    LIMITS = "limits"
    LEASE = "lease"
    STOP = "stop"
    FAULTS = "faults"
    TIMING = "timing"


@unique
class Need(StrEnum):
    """What an obligation asks of a device or its bench beside an output that can be stopped."""

    CLOCK = "clock of its own"
    LIMITS = "limits that it tells"
    SENSING = "sensing"
    EVOKED = "sensing after pulses"
    READ_BACK = "read-back"
    ARMING = "arming"
    LEASE = "watchdog"
    STATUS = "status"
    EVENTS = "events"
    AUTHENTICATION = "authentication"
    DEADLINES = "deadlines"
    IMPEDANCE = "impedance measurement"
    LOOP = "loop of its own"
    WITNESS = "witness"
    CURRENT = "current source"
    COARSE = "step of times above 1 µs"


@unique
class Kind(StrEnum):
    """Devices of other makers, and why an obligation without a meaning cannot be asked."""

    GENERATOR = "no order of its wire for that"
    AMPLIFIER = "no output"


class Broken(AssertionError):
    """The device does not keep an obligation; the text says what it did instead."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an obligation means to a device of another maker.

    Attributes
    ----------
    check : callable (session) -> None
        Of a session with a device of this kind; raises `Broken`.
    needs : frozenset of Need
    """

    check: Callable[[Any], None]
    needs: frozenset[Need]


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing that a device has to keep.

    Attributes
    ----------
    name : str
    suite : Suite
    requirement : str
        One sentence.
    hazards : tuple of str
        Rows of SAFETY.md, such as ``"H3"``.
    needs : frozenset of Need
    check : callable (RigSession) -> None
        Raises `Broken` if an SL1 device does not keep it.
    meanings : mapping of Kind to Meaning
        What it means to devices of other makers.
    """

    name: str
    suite: Suite
    requirement: str
    hazards: tuple[str, ...]
    needs: frozenset[Need]
    check: Check
    meanings: Mapping[Kind, Meaning] = field(default_factory=dict)

    def lacking(self, kind: Kind, abilities: frozenset[Need]) -> str:
        """Why a device of this kind and its bench cannot be asked; empty if it can."""
        meaning = self.meanings.get(kind)
        missing = (self.needs if meaning is None else meaning.needs) - abilities
        if not missing and meaning is None:
            return kind
        return ", ".join(f"no {need}" for need in sorted(missing))


_C = TypeVar("_C", bound="Callable[[Any], None]")

OBLIGATIONS: dict[str, Obligation] = {}
"""All of them by name, suite by suite once `stimloop.rig.suites` is imported."""


def obliges(
    suite: Suite, *hazards: str, needs: tuple[Need, ...] = ()
) -> Callable[[Check], Check]:
    """Declare an obligation: a decorator of its check."""

    def declare(check: Check) -> Check:
        name = check.__name__
        if name in OBLIGATIONS or not check.__doc__:
            raise TypeError(f"{name} is declared twice, or does not say what is required")
        requirement = " ".join(check.__doc__.split("\n\n")[0].split())
        OBLIGATIONS[name] = Obligation(
            name, suite, requirement, hazards, frozenset(needs), check
        )
        return check

    return declare


def means(kind: Kind, name: str, *needs: Need) -> Callable[[_C], _C]:
    """Say what an obligation means to a device of another maker: a decorator of its check."""

    def declare(check: _C) -> _C:
        known = OBLIGATIONS[name]
        meaning = Meaning(check, frozenset(needs))
        OBLIGATIONS[name] = replace(known, meanings={**known.meanings, kind: meaning})
        return check

    return declare


def require(kept: bool, otherwise: str) -> None:
    """Go on if it is kept.

    Raises
    ------
    Broken
        With what the device did, if it is not.
    """
    if not kept:
        raise Broken(otherwise)


def require_equal(what: str, found: object, wanted: object) -> None:
    """Go on if a device told what it had to.

    Raises
    ------
    Broken
        If it told something else.
    """
    require(found == wanted, f"{what} is {found!s}, and has to be {wanted!s}")


@contextmanager
def refused(what: str, *reasons: Refusal) -> Iterator[None]:
    """Give an order that has to be refused, for one of these reasons if any are named.

    Raises
    ------
    Broken
        If it is not, or for another reason.
    """
    try:
        yield
    except OrderRefused as no:
        named = ", ".join(reason.name for reason in reasons)
        require(
            not reasons or no.reason in reasons,
            f"{what} was refused as {no.reason.name}, and has to be as {named}",
        )
        return
    raise Broken(f"{what} was accepted, and has to be refused")
