"""The record of a session on disk: which files, which columns.

::

    DIRECTORY/session.json     who, what, when; written first
              sensed.arrows    blocks of samples as they arrived
              steps.arrows     what each control tick decided
              status.arrows    the device's own account, 10 per second
              events.arrows    operator, refusals, faults, captured thresholds
              latency.arrows   where each tick's time went; never compared by a replay

The ``.arrows`` files are Arrow IPC streams: a schema, then batches of rows, then an end mark. A
file without the end mark has a torn tail: its writer was killed, and at most the last second of
rows is missing. Apache Arrow columnar format, "IPC Streaming Format".
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Literal, get_type_hints

import pyarrow as pa

from stimloop.step import Latency, Step
from stimloop_hw.messages import Message, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = 1
"""Of session.json and of the streams beside it."""

SESSION: Final = "session.json"

SESSION_KEYS: Final = (
    *("url", "identity", "limits", "prescription", "utc", "device_us"),
    *("tick_us", "rate_hz", "channels"),
)
"""What session.json has to say, besides schema, versions and the message table's CRC."""

EventKind = Literal["operator", "refused", "device", "captured", "governor", "note"]
"""What `EventRow.kind` may be."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened beside the samples.

    Attributes
    ----------
    step : int
        Number of steps finished when it was taken in.
    t_us : int
        Device time, µs.
    kind : str
        ``operator``: `text` is the request, such as ``start``. ``refused``: by the device.
        ``device``: an Event of the device. ``captured``: a threshold was found.
        ``governor``: it orders the fallback, or no longer. ``note``: free.
    order : int
        ``refused``: number of the message that was refused; else 0.
    code : int
        ``refused``: `Refusal`. ``device``: `EventCode`. ``captured``: 0 for the threshold or
        the upper one, 1 for the lower one. ``governor``: `Bound`, why; NONE if no longer.
    detail : int
        ``refused`` and ``device``: as the device said. ``captured``: the threshold, nV.
    text : str
        In words.
    """

    step: int
    t_us: int
    kind: str
    order: int
    code: int
    detail: int
    text: str


_BY_ANNOTATION = {
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    tuple[int, ...]: pa.list_(pa.int32()),
}
_BY_WIRE = {
    "u8": pa.uint8(),
    "u16": pa.uint16(),
    "u32": pa.uint32(),
    "u64": pa.uint64(),
    "i32": pa.int32(),
    "i64": pa.int64(),
    "bytes": pa.binary(),
}


def _of_dataclass(kind: type[Step | Latency]) -> list[pa.Field]:
    hints = get_type_hints(kind)
    return [pa.field(field.name, _BY_ANNOTATION[hints[field.name]]) for field in fields(kind)]


def _of_message(kind: type[Message]) -> list[pa.Field]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        pa.field(name, _BY_WIRE[hints[name].__metadata__[1]])
        for name in kind.__dataclass_fields__
    ]


_STEP_NUMBER = pa.field("step", pa.uint64())

SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "sensed": pa.schema(
        [
            ("first_index", pa.uint64()),
            ("t_us", pa.int64()),
            ("channels", pa.uint8()),
            ("count", pa.uint16()),
            ("flags", pa.uint16()),
            ("lost", pa.uint32()),
            ("samples_nv", pa.list_(pa.int32())),
        ]
    ),
    "steps": pa.schema(_of_dataclass(Step)),
    "status": pa.schema([_STEP_NUMBER, *_of_message(Status)]),
    "events": pa.schema(
        [
            _STEP_NUMBER,
            ("t_us", pa.int64()),
            ("kind", pa.string()),
            ("order", pa.uint8()),
            ("code", pa.uint32()),
            ("detail", pa.int64()),
            ("text", pa.string()),
        ]
    ),
    "latency": pa.schema([_STEP_NUMBER, *_of_dataclass(Latency)]),
}
"""Columns of each stream, by the stem of its file."""
