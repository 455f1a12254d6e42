from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit import fake_session as fake

from stimloop.arrow_stream import read_stream
from stimloop.errors import RecordError
from stimloop.record import EventRow, Record, Recorder
from stimloop.streams import SCHEMAS
from stimloop_hw.messages import TABLE_CRC

NAMES = tuple(SCHEMAS)


def rows(record: Record, name: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = record.table(name).to_pylist()
    return content


def test_everything_that_was_recorded_is_read_back_to_the_bit(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=230, capture=60)
    record = Record.open(tmp_path / "a")
    stimulated = [k >= 60 and (k - 60) % 100 < 50 for k in range(230)]
    assert list(record.blocks()) == [
        fake.block(k, stim=on, lost=2 if k == 70 else 0) for k, on in enumerate(stimulated)
    ]
    assert list(record.steps()) == [fake.step(k, on=on) for k, on in enumerate(stimulated)]
    statuses = list(record.statuses())
    assert [number for number, _ in statuses] == list(range(0, 230, 5))
    assert statuses[0][1] == fake.status(1_000_000, 0, 0)
    assert list(record.events()) == [
        EventRow(60, 2_200_000, "captured", 0, 0, 6500, "threshold 6.5 µV"),
        EventRow(60, 2_200_000, "operator", 0, 0, 0, "start"),
        EventRow(80, 2_600_000, "refused", 0x2C, 9, 900, ""),
    ]
    latencies = [{"step": k, **asdict(fake.latency(k))} for k in range(230)]
    assert rows(record, "latency") == latencies
    assert record.whole_steps == 230
    assert record.torn == ()


def test_the_session_is_described_in_plain_json(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=1)
    session = Record.open(tmp_path / "a").session
    assert session["schema"] == 1
    assert session["table_crc"] == TABLE_CRC
    assert set(session["versions"]) == {"stimloop", "python", "numpy", "pyarrow"}
    assert session["prescription"] == fake.CAPTURED
    assert session["identity"]["model"] == "SIM-DBS"
    assert session["identity"]["nonce"] == bytes(range(200, 216)).hex()
    assert session["limits"]["charge_max_nc"] == 1795
    assert session["seeds"] == {"patient": 7}
    assert not list((tmp_path / "a").glob("*.part"))


def test_what_json_cannot_hold_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        Recorder.create(tmp_path / "a", {"url": object()})


def test_samples_of_all_blocks_come_as_one_array_with_gaps_in_their_index(
    tmp_path: Path,
) -> None:
    with Recorder.create(tmp_path / "a", fake.session()) as recorder:
        for k in (0, 1, 3):
            recorder.sensed(fake.block(k))
    samples = Record.open(tmp_path / "a").samples()
    assert samples.index.tolist() == [*range(10), *range(15, 20)]
    assert samples.nv.shape == (15, 1)
    assert samples.nv[10:].tobytes() == fake.block(3).samples_nv


def test_rows_wait_for_a_second_of_device_time_and_events_do_not(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "a", fake.session()) as recorder:
        for k in range(50):
            recorder.sensed(fake.block(k))
        recorder.event(50, 2_000_000, "note", text="now")
        before = Record.open(tmp_path / "a")
        assert before.table("sensed").num_rows == 0
        assert before.table("events").num_rows == 1
        recorder.sensed(fake.block(50))
        assert Record.open(tmp_path / "a").table("sensed").num_rows == 50
        recorder.flush()
        assert Record.open(tmp_path / "a").table("sensed").num_rows == 51


def test_a_device_clock_that_jumps_back_does_not_keep_rows_waiting(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "a", fake.session()) as recorder:
        recorder.sensed(fake.block(1000))
        recorder.sensed(fake.block(0))
        assert Record.open(tmp_path / "a").table("sensed").num_rows == 1


def test_an_unfinished_record_says_which_streams_are_torn(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "a", fake.session()):
        assert Record.open(tmp_path / "a").torn == NAMES
    assert Record.open(tmp_path / "a").torn == ()


def test_only_steps_with_samples_and_decision_are_whole(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "a", fake.session()) as recorder:
        for k in range(3):
            recorder.sensed(fake.block(k))
        recorder.step(fake.step(0, on=False))
    assert Record.open(tmp_path / "a").whole_steps == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_cut_at_any_byte_of_its_last_batch_yields_what_was_before(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a" / f"{name}.arrows"
    with Recorder.create(tmp_path / "a", fake.session()) as recorder:
        sizes = []
        for _ in range(2):
            for k in fake.tells(recorder, 6, 3, 0.5):
                recorder.latency(k, fake.latency(k))
            recorder.flush()
            sizes.append(path.stat().st_size)
    whole = read_stream(path, SCHEMAS[name])[0]
    for size in range(path.stat().st_size - 1, sizes[0] - 1, -1):
        os.truncate(path, size)
        table, torn = read_stream(path, SCHEMAS[name])
        assert torn
        assert table.equals(whole.slice(0, table.num_rows))
        assert table.num_rows >= whole.num_rows // 2
        assert size < sizes[1] or table.num_rows == whole.num_rows
    assert Record.open(tmp_path / "a").torn == (name,)


def test_a_missing_stream_is_empty_and_torn(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=10)
    (tmp_path / "a" / "latency.arrows").unlink()
    record = Record.open(tmp_path / "a")
    assert record.torn == ("latency",)
    assert record.column("latency", "total").size == 0


WRITER = """
import os, signal, sys
sys.path += sys.argv[3:]
from tests.unit import fake_session as fake

from stimloop.recorder import Recorder

recorder = Recorder.create(sys.argv[1], fake.session())
for k in fake.tells(recorder, int(sys.argv[2]), 0, 0.5):
    recorder.latency(k, fake.latency(k))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_loses_at_most_the_last_second(tmp_path: Path) -> None:
    ticks = 333
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "a"), str(ticks), *sys.path],
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == -9
    record = Record.open(tmp_path / "a")
    assert ticks - 50 <= record.whole_steps <= ticks
    assert record.torn == NAMES
    assert list(record.steps()) == [
        fake.step(k, on=k % 100 < 50) for k in range(record.whole_steps)
    ]


@pytest.mark.parametrize("accepted", [0, 1, 100])
def test_a_full_disk_is_told_by_name_and_loses_nothing_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: int
) -> None:
    recorder = Recorder.create(tmp_path / "a", fake.session())
    recorder.step(fake.step(0, on=True))
    recorder.flush()
    recorder.step(fake.step(1, on=False))
    write = os.write
    left = [accepted]

    def full(file: int, content: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = write(file, content[: left[0]])
        left[0] -= count
        return count

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(RecordError, match=r"steps\.arrows .*No space left.* free space"):
            recorder.flush()
    assert Record.open(tmp_path / "a").whole_steps == 0
    assert Record.open(tmp_path / "a").table("steps").num_rows == 1
    recorder.close()
    assert list(Record.open(tmp_path / "a").steps()) == [
        fake.step(0, on=True),
        fake.step(1, on=False),
    ]


def test_closing_twice_writes_one_end(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "a", fake.session())
    recorder.close()
    recorder.close()
    assert Record.open(tmp_path / "a").torn == ()


def test_a_record_is_never_written_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine", "utf-8")
    with pytest.raises(RecordError, match="not empty"):
        Recorder.create(tmp_path, fake.session())
    with pytest.raises(RecordError, match="cannot be written"):
        Recorder.create(tmp_path / "note.txt", fake.session())
    with pytest.raises(RecordError, match="cannot be written"):
        Recorder.create(tmp_path / "note.txt" / "below", fake.session())
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is no record"),
        ("{", "is damaged"),
        ("[]", "names no schema"),
        ("{}", "names no schema"),
        ('{"schema": true}', "names no schema"),
        ('{"schema": 1, "url": "sim://dbs"}', "lacks identity, limits, prescription"),
        ('{"schema": 2}', "schema 2 is newer than this stimloop, which reads schema 1: update"),
    ],
)
def test_what_is_no_record_is_refused_in_a_sentence(
    tmp_path: Path, content: str | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "session.json").write_text(content, "utf-8")
    with pytest.raises(RecordError, match=words):
        Record.open(tmp_path)


def test_a_stream_of_other_columns_is_refused(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=1)
    (tmp_path / "a" / "status.arrows").replace(tmp_path / "a" / "steps.arrows")
    with pytest.raises(RecordError, match="has the columns"):
        list(Record.open(tmp_path / "a").steps())


def test_session_json_is_whole_or_not_there(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=1)
    text = (tmp_path / "a" / "session.json").read_text("utf-8")
    assert json.loads(text) == Record.open(tmp_path / "a").session
    assert np.isfinite(Record.open(tmp_path / "a").column("steps", "level")).all()


def test_what_a_step_heeded_is_written_before_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    with Recorder.create(tmp_path / "record", fake.session()) as recorder:
        monkeypatch.setattr(recorder, "_write", lambda name, *_: written.append(name))
        recorder.flush()
        monkeypatch.undo()
    assert written.index("steps") > max(map(written.index, ("sensed", "status", "events")))
