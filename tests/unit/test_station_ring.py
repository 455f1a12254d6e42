"""Rings and board: what a reader gets is what was written, or it is told what it missed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop.station.errors import StationError
from stimloop.station.requests import LONGEST_TEXT, UNKNOWN, Phase, Snapshot
from stimloop.station.ring import (
    RINGS,
    SAMPLES,
    BoardReader,
    BoardWriter,
    RingReader,
    RingWriter,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

ROW = np.dtype([("number", "<u8"), ("twice", "<u8")])


def numbered(first: int, count: int) -> npt.NDArray[Any]:
    rows = np.zeros(count, ROW)
    rows["number"] = np.arange(first, first + count)
    rows["twice"] = 2 * rows["number"]
    return rows


@given(
    work=st.lists(st.tuples(st.booleans(), st.integers(1, 16)), min_size=1, max_size=40),
)
def test_a_reader_gets_every_row_in_order_or_is_told_how_many_it_missed(
    work: list[tuple[bool, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ring") / "rows"
    writer = RingWriter(path, ROW, 16)
    reader = RingReader(path)
    written = expected = 0
    for reads, count in work:
        writer.append(numbered(written, count))
        written += count
        if not reads:
            continue
        found = reader.new()
        assert found.first == expected + found.lost
        assert found.rows["number"].tolist() == list(range(found.first, written))
        assert (found.rows["twice"] == 2 * found.rows["number"]).all()
        assert len(found.rows) == min(16, written - expected)
        expected = written


def test_rows_that_are_overwritten_while_they_are_copied_are_not_handed_on(
    tmp_path: Path,
) -> None:
    writer = RingWriter(tmp_path / "rows", ROW, 16)
    reader = RingReader(tmp_path / "rows")
    writer.append(numbered(0, 16))
    copy = reader._copy

    def overtaken(begin: int, end: int) -> npt.NDArray[Any]:
        rows = copy(begin, end)
        writer.append(numbered(16, 10))
        return rows

    reader._copy = overtaken  # type: ignore[method-assign]
    found = reader.new()
    assert (found.first, found.lost) == (10, 10)
    assert found.rows["number"].tolist() == list(range(10, 16))


def test_a_reader_that_wants_the_newest_rows_alone_misses_none(tmp_path: Path) -> None:
    writer = RingWriter(tmp_path / "rows", ROW, 16)
    reader = RingReader(tmp_path / "rows")
    writer.append(numbered(0, 12))
    found = reader.new(at_most=3)
    assert (found.rows["number"].tolist(), found.lost) == ([9, 10, 11], 0)
    assert len(reader.new().rows) == 0


@pytest.mark.parametrize("name", RINGS)
def test_a_reader_knows_the_rows_of_every_ring_from_the_file_alone(
    name: str, tmp_path: Path
) -> None:
    dtype, _ = RINGS[name]
    writer = RingWriter(tmp_path / "ring", dtype, 4)
    writer.append(np.zeros(2, dtype))
    assert RingReader(tmp_path / "ring").new().rows.dtype == dtype


def test_what_is_no_ring_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"something else" * 1000)
    for name in ("text", "nothing"):
        with pytest.raises(StationError, match=r"ring|running"):
            RingReader(tmp_path / name)


def test_a_ring_of_another_release_is_not_read(tmp_path: Path) -> None:
    RingWriter(tmp_path / "rows", SAMPLES, 4)
    data = (tmp_path / "rows").read_bytes().replace(b'"schema": 1', b'"schema": 2')
    (tmp_path / "rows").write_bytes(data)
    with pytest.raises(StationError, match="use the release of the station"):
        RingReader(tmp_path / "rows")


def test_the_board_shows_the_latest_snapshot_and_the_one_before_while_it_is_replaced(
    tmp_path: Path,
) -> None:
    writer = BoardWriter(tmp_path / "board")
    reader = BoardReader(tmp_path / "board")
    assert reader.look() == Snapshot()
    shown = Snapshot(
        number=7,
        phase=Phase.THERAPY,
        status=replace(UNKNOWN, t_us=5, amplitude_ua=1_500, others=b"123456789012"),
        said="ä sentence " * 40,
    )
    writer.show(shown)
    assert reader.look() == shown
    writer._words[0] += 1  # as while another one is written
    assert reader.look() == shown


def test_the_longest_sentence_fits_the_board(tmp_path: Path) -> None:
    writer = BoardWriter(tmp_path / "board")
    text = "\x01" * LONGEST_TEXT  # a character that JSON escapes
    writer.show(Snapshot(said=text, audit_broken=text, url=text, record="/" * 4_096))
    assert BoardReader(tmp_path / "board").look().said == text
