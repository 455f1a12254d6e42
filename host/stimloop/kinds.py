"""Kinds of controllers and detectors by name: ours, and those of installed packages.

A package of somebody else's names its own in the entry-point groups ``stimloop.controllers``
and ``stimloop.detectors``. Only what a prescription names is loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import Field, ValidationError, create_model

from stimloop.errors import Violation
from stimloop.quantities import Milliamperes, Number, Table, exact
from stimloop.violations import nested, shown, violations_of
from stimloop_dsp.parameters import REQUIRED, Allowed, Parameter, parameters_of
from stimloop_dsp.values import Aspect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class KindError(Exception):
    """A name that stands for nothing usable.

    Parameters
    ----------
    allowed, remedy : str
        As in `Violation`.
    """

    def __init__(self, allowed: str, remedy: str) -> None:
        super().__init__(f"{allowed}; {remedy}")
        self.allowed = allowed
        self.remedy = remedy


class KindTable(Table):
    """The table of one kind: its name, and those parameters that a prescription gives.

    Amplitudes, whose parameters are in µA, are written in mA; all else as it is declared.

    Attributes
    ----------
    kind : str
    make : callable
        What the name stands for.
    parameters : tuple of Parameter
        All of it, those that the session gives among them.
    given : frozenset of str
        Names of those that the session gives.
    """

    kind: str
    make: ClassVar[Callable[..., Any]]
    parameters: ClassVar[tuple[Parameter, ...]]
    given: ClassVar[frozenset[str]]

    @classmethod
    def declares(cls, name: str) -> bool:
        """Whether the kind has a parameter of this name."""
        return any(parameter.name == name for parameter in cls.parameters)

    def values(self) -> dict[str, Any]:
        """What is prescribed, by the names and in the units of the parameters."""
        found = {}
        for parameter in self.parameters:
            if parameter.name not in self.given:
                value = getattr(self, key_of(parameter))
                if parameter.name.endswith("_ua"):
                    value = parameter.type(exact(value) * 1000)
                found[parameter.name] = value
        return found


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds that a prescription may name in one of its tables.

    Attributes
    ----------
    what : str
        What they are, in a word.
    group : str
        Entry-point group of those from elsewhere.
    own : mapping of str to callable
        Ours; their names cannot be taken.
    table : type of KindTable
        What the tables of all of them have in common.
    given : frozenset of str
        Parameters that the session gives, or that `table` has already.
    default : str
        Kind of a table that names none; empty if it has to.
    """

    what: str
    group: str
    own: Mapping[str, Callable[..., Any]]
    table: type[KindTable]
    given: frozenset[str]
    default: str = ""

    @property
    def names(self) -> list[str]:
        """Every name, ours first; nothing is loaded."""
        others = {entry.name for entry in entry_points(group=self.group)}
        return [*self.own, *sorted(others - set(self.own))]

    def named(self, name: str) -> Callable[..., Any]:
        """Look a kind up, and load it if it is somebody else's.

        Raises
        ------
        KindError
            If there is none of that name, or it cannot be loaded.
        """
        if name in self.own:
            return self.own[name]
        found = list(entry_points(group=self.group, name=name))
        if not found:
            near = get_close_matches(name, self.names, n=1, cutoff=0.4)
            remedy = f"write {near[0]}, if that is meant" if near else "choose one of them"
            raise KindError(", ".join(self.names), remedy)
        if len(found) > 1:
            raise KindError("one package of that name", "uninstall all others")
        try:
            return found[0].load()  # type: ignore[no-any-return]  # what a package names
        except Exception as problem:  # it is somebody else's code
            raise KindError(
                f"a {self.what} that can be loaded",
                f"mend {found[0].value}: {type(problem).__name__}: {problem}",
            ) from problem

    def validate(self, value: object) -> KindTable:
        """Read a table by the kind that it names: the validator of a prescription's field."""
        if isinstance(value, KindTable):
            return value
        if not isinstance(value, dict):
            raise nested(
                [
                    Violation(
                        "",
                        shown(value),
                        "a table",
                        "write its keys below a line with its name in brackets",
                    )
                ]
            )
        name = value.get("kind", self.default)
        if not name:
            raise nested(
                [Violation("", "nothing", "a table with the key kind", "add the key kind")]
            )
        try:
            model = self.table_of(str(name))
        except KindError as problem:
            raise nested(
                [Violation("kind", shown(name), problem.allowed, problem.remedy)]
            ) from None
        try:
            return model.model_validate({"kind": name, **value})
        except ValidationError as error:
            raise nested(list(violations_of(error, {"": model}))) from None

    def table_of(self, name: str) -> type[KindTable]:
        """The table of one kind.

        Raises
        ------
        KindError
            As `named`, or if a parameter is of a type that no prescription can write.
        """
        model: type[KindTable] = _model(self.table, self.given, name, self.named(name))
        return model


def key_of(parameter: Parameter) -> str:
    """The key of a prescription that gives a parameter."""
    name = parameter.name
    return f"{name.removesuffix('_ua')}_ma" if name.endswith("_ua") else name


@cache
def _model(
    common: type[KindTable], given: frozenset[str], name: str, make: Callable[..., Any]
) -> Any:  # noqa: ANN401  a class made here
    try:
        parameters = parameters_of(make)
    except (TypeError, ValueError, NameError) as problem:
        raise KindError(
            "parameters with types that can be read", f"mend its signature: {problem}"
        ) from problem
    fields: dict[str, Any] = {"kind": (Literal[name], name)}
    for parameter in parameters:
        key = key_of(parameter)
        beside = common.model_fields.get(key)
        if beside is not None:
            fields[key] = (_hint(parameter, optional=True), Field(default=beside.default))
        elif parameter.name not in given:
            fields[key] = (_hint(parameter, optional=False), _default(parameter))
    model = create_model(name, __base__=common, **fields)
    model.make = staticmethod(make)
    model.parameters = parameters
    model.given = given
    return model


def _default(parameter: Parameter) -> Any:  # noqa: ANN401  what pydantic takes
    if parameter.default is REQUIRED:
        return Field()
    milli = parameter.name.endswith("_ua")
    return Field(default=parameter.default / 1000 if milli else parameter.default)


def _hint(parameter: Parameter, *, optional: bool) -> Any:  # noqa: ANN401  what pydantic takes
    """The annotation of a key."""
    kind, allowed = parameter.type, parameter.allowed
    milli = parameter.name.endswith("_ua")
    if milli:
        allowed = replace(allowed, low=allowed.low / 1000, high=allowed.high / 1000)
    if get_origin(kind) in {Union, UnionType}:
        optional = True
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal or kind is bool:
        hint = kind
    elif get_origin(kind) is tuple:
        parts: Any = tuple(
            part if part is ... else Annotated[_number(part), _bounds(allowed)]
            for part in get_args(kind)
        )
        hint = Annotated[tuple[parts], Field(strict=False)]
    else:
        whole = milli and kind is int
        hint = Annotated[Milliamperes if whole else _number(kind), _bounds(allowed)]
    return hint | None if optional else hint


def _number(kind: object) -> Any:  # noqa: ANN401  what pydantic takes
    if kind is float:
        return Number
    if kind is int:
        return int
    raise KindError(
        "parameters that are numbers, words or lists of numbers", f"change the type {kind}"
    )


def _bounds(allowed: Allowed) -> Any:  # noqa: ANN401  what pydantic takes
    return Field(
        gt=allowed.low if allowed.above else None,
        ge=None if allowed.above or math.isinf(allowed.low) else allowed.low,
        le=None if math.isinf(allowed.high) else allowed.high,
    )


def asks_of(kind: Callable[..., Any]) -> Aspect:
    """What a controller asks of its detector."""
    return getattr(kind, "asks", Aspect.NONE)


def tells_of(kind: Callable[..., Any]) -> Aspect:
    """What a detector tells; one of somebody else's that says nothing tells a decision."""
    return getattr(kind, "tells", Aspect.DECISION)
