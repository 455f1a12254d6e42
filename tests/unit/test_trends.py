"""Trends on the device: ten-minute means of sixty days that outlast a reset, read in parts."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.peer import DBS, Hand, Silence

from stimloop import cli
from stimloop.trends import COLUMNS, read_trends
from stimloop_hw import WrongPeer
from stimloop_hw.messages import Event, GetTrends, Trends
from stimloop_hw.trends import ROW
from stimloop_hw.vocabulary import EventCode
from stimloop_sim.board import Board
from stimloop_sim.firmware import Firmware
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.trends import KEPT, PERIOD_US, ROWS, TrendMemory, TrendRecorder

if TYPE_CHECKING:
    from pathlib import Path

LOOK_US = 100_000


class Beta(Silence):
    """A rhythm of 20 Hz and 20 µV, whose band has a rectified mean of about 12.7 µV."""

    def __init__(self) -> None:
        super().__init__()
        self.index = 0

    def sense(self, amplitude_ua, _width_us, _period_us):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        time_s = np.arange(self.index, self.index + len(amplitude_ua)) / self.fs_hz
        self.index += len(amplitude_ua)
        return 20.0 * np.sin(2 * np.pi * 20.0 * time_s).reshape(-1, 1)


def linked(board: Board) -> Hand:
    return Hand.linked(Firmware(DBS, FrontEnd(Beta(), DBS.sense_range_uv, 5), board=board))


def rows(answer: Trends) -> list[tuple[int, ...]]:
    return list(ROW.iter_unpack(answer.rows))


def filled(count: int) -> TrendMemory:
    memory = TrendMemory()
    recorder = TrendRecorder(memory, 1)
    for number in range(1, count + 1):
        recorder.look(number * PERIOD_US, number, 2 * number)
    return memory


def test_a_mean_is_that_of_all_looks_of_its_ten_minutes() -> None:
    memory = TrendMemory()
    recorder = TrendRecorder(memory, 3)
    for look in range(1, 12_001):
        recorder.look(look * LOOK_US, 1000 if look % 2 else 2000, 300 if look <= 6000 else 500)
    assert rows(memory.read(0)) == [(3, 600, 1500, 300), (3, 1200, 1500, 500)]


def test_nothing_is_told_before_ten_minutes_are_over() -> None:
    memory = TrendMemory()
    recorder = TrendRecorder(memory, 1)
    recorder.look(PERIOD_US - 1, 1, 1)
    assert memory.read(0) == Trends(0, 0, b"")
    recorder.look(PERIOD_US, 2, 2)
    assert rows(memory.read(0)) == [(1, 600, 1, 1)]


def test_sixty_days_are_kept_and_the_oldest_gives_way() -> None:
    memory = filled(KEPT + 5)
    assert KEPT * PERIOD_US == 60 * 24 * 3600 * 1_000_000
    answer = memory.read(0)
    assert (answer.first, answer.total, len(memory.rows)) == (5, KEPT + 5, KEPT)
    assert rows(answer)[0] == (1, 3600, 6, 12)


@pytest.mark.parametrize("count", [1, ROWS, ROWS + 1, 3 * ROWS + 2])
def test_trends_are_read_in_parts_until_there_are_no_more(count: int) -> None:
    memory = filled(count)
    read: list[tuple[int, ...]] = []
    while part := rows(answer := memory.read(len(read))):
        assert (answer.first, answer.total) == (len(read), count)
        assert len(answer.encode()) <= 230
        read += part
    assert [row[2] for row in read] == list(range(1, count + 1))
    assert memory.read(count + 7) == Trends(count, count, b"")


def test_a_level_beyond_its_field_is_the_largest_there_is() -> None:
    memory = TrendMemory()
    TrendRecorder(memory, 0x1_0002).look(PERIOD_US, 1 << 40, 0)
    assert rows(memory.read(0)) == [(2, 600, 0xFFFFFFFF, 0)]


def test_a_device_keeps_its_band_level_and_amplitude_over_a_reset() -> None:
    board = Board()
    hand = linked(board)
    hand.begin()
    hand.setpoint(1000)
    for _ in range(610):
        hand.heartbeat()
        for _ in range(10):
            hand.advance_ms(100)
            hand.heartbeat()
    again = linked(board)
    answer = again.ask(GetTrends(0), Trends)
    ((boot, t_s, level_nv, amplitude_ua),) = rows(answer)
    assert (answer.first, answer.total, boot, t_s) == (0, 1, 1, 600)
    assert level_nv == pytest.approx(20_000 * 2 / np.pi, rel=0.1)
    assert amplitude_ua == pytest.approx(1000, abs=2)


def test_trends_do_not_depend_on_how_the_device_is_advanced() -> None:
    def told(samples: int) -> bytes:
        board = Board()
        hand = linked(board)
        left = 250 * 601
        while left:
            hand.firmware.advance(min(samples, left))
            left -= min(samples, left)
        return board.trends.read(0).rows

    assert told(5) == told(7) == told(100_000) != b""


def test_a_device_that_does_not_sense_keeps_no_trends() -> None:
    board = Board()
    hand = linked(board)
    hand.firmware.battery.collapse(45)
    hand.firmware.advance(250 * 601)
    assert board.trends.count == 0


def test_a_mark_of_the_patient_is_an_event_that_outlasts_a_reset() -> None:
    board = Board()
    linked(board).firmware.mark(3)
    again = linked(board)
    again.advance_ms(100)
    assert (EventCode.MARKER, 3) in {(event.code, event.arg) for event in again.told(Event)}


def test_where_nothing_was_sensed_there_is_no_level() -> None:
    front_end = FrontEnd(Beta(), DBS.sense_range_uv, 5)
    assert front_end.follow() == 0
    front_end.convert(np.zeros(5, np.int32), 60, 10_000, stimulated=False)
    assert front_end.follow() > 0
    assert front_end.follow() == 0


# On the host ---------------------------------------------


def keep(monkeypatch: pytest.MonkeyPatch, memory: TrendMemory) -> None:
    """Let every simulated device have kept this."""
    read = memory.read
    monkeypatch.setattr(TrendMemory, "read", lambda _, first: read(first))


@pytest.mark.parametrize("count", [0, 1, ROWS, 2 * ROWS + 3])
def test_the_host_reads_every_row_that_a_device_keeps(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    keep(monkeypatch, filled(count))
    values = read_trends("sim://dbs")
    assert values["forgotten"] == 0
    assert [row["level_uv"] for row in values["rows"]] == [
        k / 1000 for k in range(1, count + 1)
    ]
    assert all(tuple(row) == COLUMNS for row in values["rows"])


def test_the_host_says_how_many_rows_have_given_way(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = filled(KEPT + 5)
    keep(monkeypatch, memory)
    values = read_trends("sim://dbs")
    assert values["forgotten"] == 5
    assert len(values["rows"]) == KEPT


def test_rows_that_give_way_while_they_are_read_leave_no_hole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = filled(3 * ROWS)
    read = memory.read

    def forgetful(_: TrendMemory, first: int) -> Trends:
        answer = read(first)
        if first == 0:
            for _row in range(2 * ROWS):
                memory.rows.popleft()
        return answer

    monkeypatch.setattr(TrendMemory, "read", forgetful)
    values = read_trends("sim://dbs")
    assert values["forgotten"] == 2 * ROWS
    assert [row["end_s"] for row in values["rows"]] == [
        600 * number for number in range(2 * ROWS + 1, 3 * ROWS + 1)
    ]


def test_trends_that_are_no_rows_are_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TrendMemory, "read", lambda *_: Trends(0, 1, b"half"))
    with pytest.raises(WrongPeer, match="the trends of sim://dbs cannot be read: 4 bytes"):
        read_trends("sim://dbs")


def test_the_trends_of_a_device_are_shown_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["trends", "--device", "sim://dbs"]) == 0
    assert "no trends yet" in capsys.readouterr().out
    keep(monkeypatch, filled(30))
    out = tmp_path / "trends.csv"
    asked = ["trends", "--device", "sim://dbs", "--out", str(out)]
    assert cli.main(asked) == 0
    assert "6 rows before these" in capsys.readouterr().out
    with out.open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 30
    assert written[-1] == {
        "boot": "1", "end_s": "18000", "level_uv": "0.03", "amplitude_ma": "0.06",
    }  # fmt: skip
    assert cli.main(asked) == 1
    assert "File exists" in capsys.readouterr().err
