"""The writer of a session's record: append-only, one system call per batch.

An order goes to the wire before it goes here, and here it goes to memory: rows are kept and
written as one batch per stream and second of device time. Writes are not synced to the disk one
by one (that would stall the loop for tens of milliseconds), so a killed process loses at most a
second and a power failure what the operating system had not written yet.
"""

from __future__ import annotations

import json
import os
import platform
from array import array
from dataclasses import asdict, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from stimloop.arrow_stream import Columns, StreamWriter, unwritable
from stimloop.errors import RecordError
from stimloop.step import Latency, Step
from stimloop.streams import SCHEMA, SCHEMAS, SESSION, EventKind
from stimloop_hw.messages import TABLE_CRC, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from stimloop_hw import Block

BATCH_US = 1_000_000
"""Rows wait in memory for so long at most, in device time."""

_step_values = attrgetter(*(field.name for field in fields(Step)))
_status_values = attrgetter(*Status.__dataclass_fields__)
_latency_values = attrgetter(*(field.name for field in fields(Latency)))
_block_values = attrgetter("first_index", "t_us", "channels", "count", "flags", "lost")


class Recorder:
    """Writes one session's record; see `stimloop.streams` for what is in it.

    Attributes
    ----------
    directory : Path
        Where the record is.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._sensed: list[Block] = []
        self._steps: list[Step] = []
        self._status: list[tuple[int, Status]] = []
        self._events: list[tuple[object, ...]] = []
        self._latency: list[tuple[int, Latency]] = []
        self._flushed_us: int | None = None
        self._streams = {
            name: StreamWriter(directory / f"{name}.arrows", schema)
            for name, schema in SCHEMAS.items()
        }

    @classmethod
    def create(cls, directory: Path | str, session: Mapping[str, object]) -> Self:
        """Begin a record with its session.json.

        Parameters
        ----------
        directory : Path or str
            Made if it does not exist; must be empty if it does.
        session : mapping
            What describes the session: ``url``, ``identity``, ``limits``, ``prescription`` (its
            text), ``utc`` and ``device_us`` of the same moment, ``tick_us``, ``rate_hz``,
            ``channels``, and more if wanted. Dataclasses and bytes may occur. Schema, versions
            and the message table's CRC are added.

        Raises
        ------
        RecordError
            If the directory cannot be made or is not empty.
        """
        directory = Path(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise RecordError(
                    f"a record was asked for in {directory}, which is not empty; a record is "
                    "never continued or overwritten: name a new or empty directory"
                )
            _write_session(directory, session)
            return cls(directory)
        except OSError as problem:
            raise unwritable(directory, problem) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def sensed(self, block: Block) -> None:
        """Take a block of samples; writes what has waited for `BATCH_US`.

        Raises
        ------
        RecordError
            If it cannot be written. What waits stays, and is tried again.
        """
        if self._flushed_us is None:
            self._flushed_us = block.t_us
        elif not 0 <= block.t_us - self._flushed_us < BATCH_US:
            self.flush()
            self._flushed_us = block.t_us
        self._sensed.append(block)

    def step(self, step: Step) -> None:
        """Take what a tick decided."""
        self._steps.append(step)

    def status(self, step_number: int, status: Status) -> None:
        """Take what the device reported after `step_number` steps."""
        self._status.append((step_number, status))

    def latency(self, step_number: int, latency: Latency) -> None:
        """Take where the time of tick `step_number` went."""
        self._latency.append((step_number, latency))

    def event(
        self,
        step_number: int,
        t_us: int,
        kind: EventKind,
        *,
        order: int = 0,
        code: int = 0,
        detail: int = 0,
        text: str = "",
    ) -> None:
        """Write an event at once; its parameters are those of `stimloop.streams.EventRow`.

        Raises
        ------
        RecordError
            If it cannot be written. It stays, and is tried again.
        """
        self._events.append((step_number, t_us, kind, order, code, detail, text))
        self._write("events", self._events, _transposed)

    def flush(self) -> None:
        """Write everything that waits: what a step heeded before the step.

        Raises
        ------
        RecordError
            If it cannot be written. What waits stays, and is tried again.
        """
        self._write("sensed", self._sensed, _sensed_columns)
        self._write("status", self._status, lambda rows: _numbered(rows, _status_values))
        self._write("events", self._events, _transposed)
        self._write("steps", self._steps, lambda rows: _transposed(map(_step_values, rows)))
        self._write("latency", self._latency, lambda rows: _numbered(rows, _latency_values))

    def close(self) -> None:
        """Write everything that waits and the end marks, and sync; closing twice is allowed.

        Raises
        ------
        RecordError
            If it cannot be written. The files are closed all the same.
        """
        if not self._streams:
            return
        try:
            self.flush()
            for stream in self._streams.values():
                stream.end()
        finally:
            for stream in self._streams.values():
                stream.close()
            self._streams = {}

    def _write(
        self, name: str, rows: list[Any], columns: Callable[[list[Any]], Columns]
    ) -> None:
        if rows:
            self._streams[name].append(columns(rows))
            rows.clear()


def _transposed(rows: Iterable[tuple[Any, ...]]) -> Columns:
    return list(zip(*rows, strict=True))


def _numbered(rows: list[tuple[int, Any]], values: Callable[[Any], tuple[Any, ...]]) -> Columns:
    return _transposed([(number, *values(row)) for number, row in rows])


def _sensed_columns(blocks: list[Block]) -> Columns:
    # No NumPy here: pyarrow's first look at one of its arrays stalls for 20 ms.
    sizes = [len(block.samples_nv) // 4 for block in blocks]
    joined = pa.py_buffer(b"".join(block.samples_nv for block in blocks))
    samples = pa.Array.from_buffers(pa.int32(), sum(sizes), [None, joined])
    offsets = pa.py_buffer(array("i", accumulate(sizes, initial=0)))
    lists = pa.Array.from_buffers(
        pa.list_(pa.int32()), len(blocks), [None, offsets], children=[samples]
    )
    return [*_transposed(map(_block_values, blocks)), lists]


def _write_session(directory: Path, session: Mapping[str, object]) -> None:
    document = {
        "schema": SCHEMA,
        "versions": {
            "python": platform.python_version(),
            **{name: _release(name) for name in ("stimloop", "numpy", "pyarrow")},
        },
        "table_crc": TABLE_CRC,
        **session,
    }
    text = json.dumps(document, default=_plain, ensure_ascii=False, allow_nan=False, indent=1)
    part = directory / f"{SESSION}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(directory / SESSION)
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _release(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "run from its source tree, not installed"


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, bytes):  # a name padded with zeros, or else a number
        text = value.rstrip(b"\0").decode("latin-1")
        return text if text.isascii() and text.isprintable() else value.hex()
    raise TypeError(
        f"{value!r} cannot be written as JSON; give numbers, texts, lists, mappings"
    )
