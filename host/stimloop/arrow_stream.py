"""One Arrow IPC stream: a schema, batches of rows, an end mark; written to survive a kill."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa

from stimloop.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""End mark."""

Columns: TypeAlias = "list[Sequence[Any] | pa.Array]"
"""A batch of rows, column by column."""

_TYPECODES = {
    pa.uint8(): "B",
    pa.uint16(): "H",
    pa.uint32(): "I",
    pa.uint64(): "Q",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.float64(): "d",
}
"""Of Python's `array`, which takes half as long as pyarrow for the few rows of a batch."""


class StreamWriter:
    """Writes one stream: each batch of rows with one system call, without a buffer.

    Parameters
    ----------
    path : Path
        A file that does not exist yet.
    schema : pyarrow.Schema

    Raises
    ------
    OSError
        If it cannot be made.
    RecordError
        By every method, if the file cannot be written; it then ends with its last whole batch.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._kinds = [(kind, _TYPECODES.get(kind)) for kind in schema.types]
        self._size = 0
        self._file = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666
        )
        self._put(schema.serialize())

    def append(self, columns: Columns) -> None:
        """Write a batch of rows."""
        arrays = [
            column if isinstance(column, pa.Array) else _array(column, *kind)
            for column, kind in zip(columns, self._kinds, strict=True)
        ]
        self._put(pa.RecordBatch.from_arrays(arrays, schema=self._schema).serialize())

    def end(self) -> None:
        """Write the end mark, and wait until the disk has everything."""
        self._put(END)
        try:
            os.fsync(self._file)
        except OSError as problem:
            raise unwritable(self._path, problem) from problem

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _put(self, message: pa.Buffer | bytes) -> None:
        rest = memoryview(message)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as problem:
            # Half a message would hide everything that is written after it.
            os.ftruncate(self._file, self._size)
            raise unwritable(self._path, problem) from problem
        self._size += len(message)


def read_stream(path: Path, schema: pa.Schema) -> tuple[pa.Table, bool]:
    """Read every whole batch of a stream.

    Parameters
    ----------
    path : Path
        A file that may end anywhere, or not exist.
    schema : pyarrow.Schema
        Its columns.

    Returns
    -------
    table : pyarrow.Table
    torn : bool
        Whether the end mark is missing.

    Raises
    ------
    RecordError
        If it has other columns.
    """
    content = path.read_bytes() if path.exists() else b""
    batches: list[pa.RecordBatch] = []
    try:
        with pa.ipc.open_stream(content) as stream:
            if stream.schema != schema:
                raise RecordError(
                    f"{path} has the columns {', '.join(stream.schema.names)}, not "
                    f"{', '.join(schema.names)}; read it with the stimloop that "
                    "wrote it"
                )
            batches.extend(stream)
    except (pa.ArrowInvalid, OSError, EOFError):
        torn = True
    else:
        torn = not content.endswith(END)
    return pa.Table.from_batches(batches, schema).combine_chunks(), torn


def _array(column: Sequence[Any], kind: pa.DataType, typecode: str | None) -> pa.Array:
    if typecode is None:
        return pa.array(column, kind)
    return pa.Array.from_buffers(
        kind, len(column), [None, pa.py_buffer(array(typecode, column))]
    )


def unwritable(path: Path, problem: OSError) -> RecordError:
    """Say that a file of the record could not be written, and what to do."""
    return RecordError(
        f"the record {path} cannot be written ({problem.strerror}); free space there or choose "
        "another place. What was written so far stays readable"
    )
