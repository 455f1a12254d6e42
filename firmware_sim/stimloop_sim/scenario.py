"""Faults on schedule, as a TOML file that a person writes.

::

    schema = 1
    seed = 7

    [[fault]]
    kind = "flip"             one of `KINDS`
    at_ms = 1000              from when, on the bench's clock; 0 if not given
    until_ms = 5000           until when; to the end if not given
    direction = "to_device"   or "to_host", "both" (if not given)
    rate_ppm = 1000           the parameters of its kind

Nothing is guessed: an unknown kind or key, a value outside its range and a time that makes no
sense are refused in one sentence.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import IntEnum, unique
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1
NEVER_US = 1 << 62
"""Later than anything."""
LATEST_MS = 10_000_000_000
"""115 days: the last moment that a scenario may name."""
ALWAYS = 1_000_000
"""A rate in parts per million that is certainty."""


@unique
class Direction(IntEnum):
    """Which way bytes go."""

    TO_DEVICE = 0
    TO_HOST = 1


@unique
class Span(IntEnum):
    """How long a fault of a kind lasts."""

    OPEN = 0  # until_ms may be left out
    BOUNDED = 1  # until_ms is needed
    MOMENT = 2  # there is no until_ms


@dataclass(frozen=True, slots=True)
class Parameter:
    """A whole number that a kind of fault needs: smallest, largest, and what it is if left out.

    `default` equal to -1 stands for a parameter that has to be written.
    """

    low: int
    high: int
    default: int = -1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    meaning : str
        What it does.
    parameters : mapping of str to Parameter
    span : Span
    directed : bool
        Whether it strikes one direction of the wire or both.
    on_device : bool
        Whether it strikes the device itself; only a simulated one can be struck.
    """

    meaning: str
    parameters: Mapping[str, Parameter]
    span: Span = Span.OPEN
    directed: bool = True
    on_device: bool = False


_RATE = {"rate_ppm": Parameter(1, ALWAYS)}
_CONTACT = Parameter(0, 16)


def _of_device(meaning: str, span: Span, **parameters: Parameter) -> Kind:
    return Kind(meaning, parameters, span, directed=False, on_device=True)


KINDS: Mapping[str, Kind] = {
    "flip": Kind("one bit of so many bytes per million is wrong", _RATE),
    "drop": Kind("so many bytes per million are missing", _RATE),
    "duplicate": Kind("so many bytes per million come twice", _RATE),
    "insert": Kind("a byte of noise comes behind so many bytes per million", _RATE),
    "burst": Kind(
        "noise stands in the place of a run of bytes, begun at so many bytes per million",
        {**_RATE, "length_bytes": Parameter(1, 10_000, 16)},
    ),
    "chunk": Kind(
        "bytes come in pieces of 1 to so many, with a gap between them",
        {"longest_bytes": Parameter(1, 4096, 8), "gap_us": Parameter(0, 1_000_000, 1000)},
    ),
    "delay": Kind(
        "bytes come later, by a fixed time and a random one up to the jitter; never overtaking",
        {"delay_us": Parameter(0, 60_000_000), "jitter_us": Parameter(0, 60_000_000, 0)},
    ),
    "baud": Kind(
        "the line takes ten bit times for a byte", {"bits_per_s": Parameter(300, 12_000_000)}
    ),
    "stall": Kind("bytes wait, and come all at once at the end", {}, Span.BOUNDED),
    "half_open": Kind("bytes vanish in this direction", {}),
    "unplug": Kind(
        "the connection is gone, in the midst of a frame: once so many bytes more have gone to "
        "the device",
        {"after_bytes": Parameter(0, 10_000, 0)},
        directed=False,
    ),
    "reset": Kind(
        "the peer is reset, and what was on the way in both directions is lost",
        {},
        Span.MOMENT,
        directed=False,
    ),
    "reorder": Kind("so many frames per million are overtaken by the next one", _RATE),
    "replay": Kind(
        "an attacker sends one of the latest frames again, behind so many per million",
        {**_RATE, "kept_frames": Parameter(1, 4096, 64)},
    ),
    "adc_stuck": _of_device("every sample is the last one before the fault", Span.OPEN),
    "clock_drift": _of_device(
        "the device's clock is fast by so many parts per million (slow if negative)",
        Span.OPEN,
        ppm=Parameter(-100_000, 100_000),
    ),
    "hang": _of_device("the firmware stands still; its output stage goes on", Span.MOMENT),
    "brown_out": _of_device("the supply fails, then the device boots", Span.BOUNDED),
    "output_stuck": _of_device("the output stage takes no orders any more", Span.OPEN),
    "memory_flip": _of_device(
        "a bit of the stored program flips in memory (counted modulo the length of its record)",
        Span.MOMENT,
        bit=Parameter(0, 1_000_000, 0),
    ),
    "lead_open": _of_device("the wire of a contact is broken", Span.OPEN, contact=_CONTACT),
    "lead_short": _of_device(
        "the wires of two contacts touch", Span.OPEN, contact=_CONTACT, other=_CONTACT
    ),
    "reference_lost": _of_device("the case has lost touch with the tissue", Span.OPEN),
    "magnet": _of_device("a magnet is held to the device: the patient's own order", Span.OPEN),
    "battery_collapse": _of_device(
        "the battery loses its charge but for so many per mille; with none the supply fails",
        Span.MOMENT,
        left_permille=Parameter(0, 1000, 0),
    ),
    "self_test": _of_device(
        "a check of the power-on self test fails, whenever the device starts (1 memory, "
        "2 program store, 3 profile, 4 output stage, 5 watchdog, 6 converter)",
        Span.OPEN,
        check=Parameter(1, 6),
    ),
}
"""Every kind of fault, declared once."""

_COMMON = ("kind", "at_ms", "until_ms", "direction")
_DIRECTIONS: Mapping[str, frozenset[Direction]] = {
    "to_device": frozenset({Direction.TO_DEVICE}),
    "to_host": frozenset({Direction.TO_HOST}),
    "both": frozenset(Direction),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault and when it strikes.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    at_us, until_us : int
        When, on the bench's clock, µs; the end is exclusive.
    directions : frozenset of Direction
    values : mapping of str to int
        Its parameters.
    """

    kind: str
    at_us: int = 0
    until_us: int = NEVER_US
    directions: frozenset[Direction] = frozenset(Direction)
    values: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def on_device(self) -> bool:
        """Whether it strikes the device itself."""
        return KINDS[self.kind].on_device

    def acts(self, now_us: int) -> bool:
        """Whether it is at work at this time."""
        return self.at_us <= now_us < self.until_us


@dataclass(frozen=True, slots=True)
class Scenario:
    """A schedule of faults.

    Attributes
    ----------
    seed : int
        Of every random choice.
    entries : tuple of Entry
    """

    seed: int = 0
    entries: tuple[Entry, ...] = ()

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a scenario from its file.

        Raises
        ------
        ValueError
            One sentence, if the file cannot be read or what it says is refused.
        """
        try:
            text = Path(path).read_text("utf-8")
        except UnicodeDecodeError as problem:
            raise ValueError(f"{path} is no scenario: it is not UTF-8; save it so") from problem
        except OSError as problem:
            raise ValueError(
                f"the scenario {path} cannot be read ({problem.strerror}); check its name"
            ) from problem
        return cls.loads(text, str(path))

    @classmethod
    def loads(cls, text: str, name: str = "the scenario") -> Self:
        """Read a scenario from the text of its file; see `load`."""
        try:
            tables = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as problem:
            raise ValueError(f"{name} is not TOML: {problem}; correct that line") from None
        schema = tables.pop("schema", None)
        if type(schema) is not int or schema != SCHEMA:
            newer = type(schema) is int and schema > SCHEMA
            remedy = "update stimloop" if newer else f"write schema = {SCHEMA} at the top"
            raise ValueError(
                f"{name} has schema {schema}, this stimloop reads {SCHEMA}; {remedy}"
            )
        seed = tables.pop("seed", 0)
        faults = tables.pop("fault", [])
        if tables:
            raise ValueError(f"{name}: {_unknown(next(iter(tables)), ('seed', 'fault'))}")
        seed = _whole(f"{name}: seed", seed, 0, 10**18)
        if not isinstance(faults, list) or not all(isinstance(fault, dict) for fault in faults):
            raise ValueError(f"{name}: faults are tables; write each below a line [[fault]]")
        return cls(
            seed,
            tuple(
                _entry(f"{name}, fault {number}", fault)
                for number, fault in enumerate(faults, start=1)
            ),
        )


def _entry(where: str, table: Mapping[str, object]) -> Entry:
    name = table.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not isinstance(name, str):
        near = get_close_matches(str(name), KINDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"{where}: kind {name!r} is unknown; {hint}known are: {', '.join(KINDS)}"
        )
    keys = (*_COMMON, *kind.parameters)
    for key in table:
        if key not in keys:
            raise ValueError(f"{where} ({name}): {_unknown(key, keys)}")
    where = f"{where} ({name})"
    values = {}
    for key, parameter in kind.parameters.items():
        if key not in table and parameter.default < 0:
            raise ValueError(
                f"{where}: {key} is missing; write {key} = a whole number from "
                f"{parameter.low} to {parameter.high}"
            )
        values[key] = _whole(
            f"{where}: {key}", table.get(key, parameter.default), parameter.low, parameter.high
        )
    at_us, until_us = _times(where, table, kind.span)
    return Entry(
        name, at_us, until_us, _directions(where, table, kind), MappingProxyType(values)
    )


def _times(where: str, table: Mapping[str, object], span: Span) -> tuple[int, int]:
    at_ms = _whole(f"{where}: at_ms", table.get("at_ms", 0), 0, LATEST_MS)
    if span is Span.MOMENT and "until_ms" in table:
        raise ValueError(f"{where}: it happens at one moment; leave until_ms out")
    if "until_ms" not in table:
        if span is Span.BOUNDED:
            raise ValueError(f"{where}: until_ms is missing; say when it ends")
        return at_ms * 1000, NEVER_US
    until_ms = _whole(f"{where}: until_ms", table["until_ms"], 0, LATEST_MS)
    if until_ms <= at_ms:
        raise ValueError(
            f"{where}: until_ms = {until_ms} is not after at_ms = {at_ms}; choose a later end"
        )
    return at_ms * 1000, until_ms * 1000


def _directions(where: str, table: Mapping[str, object], kind: Kind) -> frozenset[Direction]:
    name = table.get("direction", "both")
    if "direction" in table and not kind.directed:
        raise ValueError(f"{where}: it has no direction; leave direction out")
    if not isinstance(name, str) or name not in _DIRECTIONS:
        raise ValueError(
            f"{where}: direction {name!r} is unknown; write one of {', '.join(_DIRECTIONS)}"
        )
    return _DIRECTIONS[name]


def _whole(where: str, value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(
            f"{where} = {value!r} is not possible; write a whole number from {low} to {high}"
        )
    return value


def _unknown(key: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"the key {key!r} is unknown; {hint}known are: {', '.join(known)}"
