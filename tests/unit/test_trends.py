"""Trends on the device: ten-minute means of sixty days that outlast a reset, read in parts."""

from __future__ import annotations

import numpy as np
import pytest
from tests.peer import DBS, Hand, Silence

from stimloop_hw.messages import Event, GetTrends, Trends
from stimloop_hw.vocabulary import EventCode
from stimloop_sim.board import Board
from stimloop_sim.firmware import Firmware
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.trends import KEPT, PERIOD_US, ROW, ROWS, TrendMemory, TrendRecorder

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
