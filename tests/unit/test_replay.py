from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.device import LIMITS

from stimloop.errors import RecordError
from stimloop.recorder import _plain
from stimloop.replay import limits_of

if TYPE_CHECKING:
    from stimloop.record import Record


def recorded(limits: dict[str, Any]) -> Record:
    return cast("Record", SimpleNamespace(session={"limits": limits}, directory=Path("old")))


@pytest.mark.parametrize("rows", [b"", b"\x09\x04\x01\0", b"\x04AAAA"])
def test_thelimits_of_a_record_are_those_the_device_told(rows: bytes) -> None:
    limits = replace(LIMITS, rows=rows)
    plain = {k: _plain(v) if isinstance(v, bytes) else v for k, v in asdict(limits).items()}
    assert limits_of(recorded(plain)) == limits


@pytest.mark.parametrize("missing", ["rows", "compliance_mv"])
def test_a_record_of_an_older_release_is_refused_by_name(missing: str) -> None:
    plain = {**asdict(LIMITS), "rows": ""}
    del plain[missing]
    with pytest.raises(RecordError, match="limits in old are those of another release"):
        limits_of(recorded(plain))
