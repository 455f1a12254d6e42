"""The reader of a session's record: what `stimloop.recorder` wrote, whole or torn.

A torn tail is no error: everything before it is read, and `Record.torn` names the stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from stimloop.arrow_stream import read_stream
from stimloop.errors import RecordError
from stimloop.recorder import Recorder
from stimloop.step import Step
from stimloop.streams import SCHEMA, SCHEMAS, SESSION, SESSION_KEYS, EventRow
from stimloop_hw import Block
from stimloop_hw.messages import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import pyarrow as pa

__all__ = ["EventRow", "Record", "Recorder", "Samples"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """All samples that were sensed.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        Index of each since the stream began; it jumps where samples are missing.
    nv : ndarray of int32, shape (n, channels)
        nV.
    """

    index: npt.NDArray[np.int64]
    nv: npt.NDArray[np.int32]


class Record:
    """One session's record.

    Attributes
    ----------
    directory : Path
    session : dict
        What session.json says.
    """

    def __init__(self, directory: Path, session: dict[str, Any]) -> None:
        self.directory = directory
        self.session = session
        self._tables: dict[str, tuple[pa.Table, bool]] = {}

    @classmethod
    def open(cls, directory: Path | str) -> Self:
        """Open a record; its streams are read when they are asked for.

        Parameters
        ----------
        directory : Path or str

        Raises
        ------
        RecordError
            If there is no record, or a newer stimloop wrote it.
        """
        directory = Path(directory)
        path = directory / SESSION
        try:
            session = json.loads(path.read_text("utf-8"))
        except OSError as problem:
            raise RecordError(
                f"{directory} is no record: its {SESSION} cannot be read ({problem.strerror}); "
                "name the directory that a session was recorded in"
            ) from problem
        except ValueError as problem:
            raise RecordError(
                f"{path} is damaged ({problem}); restore it from a copy: without it the "
                "streams beside it have no meaning"
            ) from problem
        schema = session.get("schema") if isinstance(session, dict) else None
        if type(schema) is not int or schema < 1:
            raise RecordError(
                f"{path} names no schema, stimloop writes schema {SCHEMA}; name the directory "
                "that a session was recorded in"
            )
        if schema > SCHEMA:
            raise RecordError(
                f"{directory}: schema {schema} is newer than this stimloop, which reads schema "
                f"{SCHEMA}: update stimloop"
            )
        missing = [key for key in SESSION_KEYS if key not in session]
        if missing:
            raise RecordError(
                f"{path} lacks {', '.join(missing)}; restore it from a copy, or run the "
                "session again"
            )
        return cls(directory, session)

    def table(self, name: str) -> pa.Table:
        """One stream, every whole row of it.

        Parameters
        ----------
        name : {'sensed', 'steps', 'status', 'events', 'latency'}

        Raises
        ------
        RecordError
            If the stream has other columns than schema 1.
        """
        return self._read(name)[0]

    def column(self, stream: str, name: str) -> npt.NDArray[Any]:
        """One column of numbers of a stream, shape (rows,)."""
        values: npt.NDArray[Any] = self.table(stream)[name].to_numpy()
        return values

    @cached_property
    def torn(self) -> tuple[str, ...]:
        """Streams without an end mark: their writer was killed and their tail is missing."""
        return tuple(name for name in SCHEMAS if self._read(name)[1])

    @property
    def whole_steps(self) -> int:
        """Ticks that have both their samples and their decision: as far as a replay goes."""
        return min(int(self.table(name).num_rows) for name in ("sensed", "steps"))

    def samples(self) -> Samples:
        """All samples of all channels."""
        table = self.table("sensed")
        flat = table["samples_nv"].combine_chunks().flatten().to_numpy()
        counts = self.column("sensed", "count").astype(np.int64)
        first = self.column("sensed", "first_index").astype(np.int64)
        begins = np.cumsum(counts) - counts
        index = np.arange(counts.sum()) + np.repeat(first - begins, counts)
        channels = int(table["channels"][0].as_py()) if table.num_rows else 1
        return Samples(index, flat.reshape(-1, channels))

    def blocks(self) -> Iterator[Block]:
        """Blocks of samples in the order of their arrival."""
        for batch in self.table("sensed").to_batches():
            *columns, samples = batch.columns
            flat = samples.flatten().to_numpy().astype("<i4", copy=False)
            ends = samples.value_lengths().to_numpy().cumsum()
            rows = zip(*(column.to_pylist() for column in columns), strict=True)
            begin = 0
            for (first, t_us, channels, count, flags, lost), end in zip(
                rows, ends, strict=True
            ):
                values = flat[begin:end].tobytes()
                yield Block(first, t_us, channels, count, flags, values, lost)
                begin = end

    def steps(self) -> Iterator[Step]:
        """What each tick decided."""
        for *values, others_ua in self._rows("steps"):
            yield Step(*(*values, tuple(others_ua)))

    def statuses(self) -> Iterator[tuple[int, Status]]:
        """What the device reported, each with the number of steps that were finished."""
        return ((step, Status(*row)) for step, *row in self._rows("status"))

    def events(self) -> Iterator[EventRow]:
        """What happened beside the samples."""
        return (EventRow(*row) for row in self._rows("events"))

    def _rows(self, name: str) -> Iterator[tuple[Any, ...]]:
        for batch in self.table(name).to_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _read(self, name: str) -> tuple[pa.Table, bool]:
        if name not in self._tables:
            self._tables[name] = read_stream(self.directory / f"{name}.arrows", SCHEMAS[name])
        return self._tables[name]
