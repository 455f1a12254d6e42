"""``stimloop trial`` from end to end: every cell once, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from tests.unit.test_trial import BLINDED, EXAMPLES, TEXT

from stimloop.cli import main
from stimloop_hw import StimloopError
from stimloop_lab import conduct
from stimloop_lab.cell import run_cell
from stimloop_lab.trial import TrialError

if TYPE_CHECKING:
    from stimloop_lab.cell import Cell
    from stimloop_lab.outcome import Outcome

SMALL = TEXT.replace("../", f"{EXAMPLES.parent}/")
CELLS = 16


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trial.toml"
    path.write_text(SMALL, "utf-8")
    return path


@pytest.fixture
def whole(file: Path, tmp_path: Path) -> bytes:
    """The results of a trial that nothing happened to."""
    conduct.run(file, workers=1, directory=tmp_path / "whole")
    return (tmp_path / "whole" / "results.parquet").read_bytes()


def finished(directory: Path) -> dict[Path, int]:
    """Cells that are there, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in (directory / "cells").glob("*.json")}


def test_a_trial_is_told_and_written(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["trial", str(file), "--workers", "1", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["cells"], told["run"], told["failed"]) == (CELLS, CELLS, [])
    arms = told["durations"][0]["arms"]
    assert arms["sham"]["teed_uw"]["mean"] == 0
    assert arms["adaptive"]["teed_uw"]["mean"] > 0
    assert arms["adaptive"]["net_charge_nc"]["mean"] == 0
    table = pq.read_table(out / "results.parquet")
    assert table.num_rows == CELLS
    assert table.schema.metadata[b"notice"] == b"virtual patients: no clinical claim"
    page = (out / "report.html").read_text("utf-8")
    assert "no clinical claim" in page
    assert page.count("<svg") == 2
    assert "src=" not in page
    assert "<script" not in page
    assert main(["trial", str(file), "--workers", "1", "--out", str(out)]) == 0
    assert "0 cells run, 16 in all" in capsys.readouterr().out


def test_a_yoked_patient_gets_the_very_amplitudes_of_its_donor(
    file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    conduct.run(file, workers=1, directory=out)
    rows = pq.read_table(out / "results.parquet").to_pylist()
    by = {(row["patient"], row["seed"], row["arm"]): row for row in rows}
    donors = {"default": "other", "other": "default"}
    for patient, donor in donors.items():
        for seed in (0, 1):
            yoked, own = by[patient, seed, "yoked"], by[donor, seed, "adaptive"]
            for name in ("teed_uw", "mean_amplitude_ma", "chattering_per_min", "orders"):
                assert yoked[name] == own[name]
    assert len({row["teed_uw"] for row in rows if row["arm"] == "adaptive"}) > 1


def test_a_loop_on_the_device_has_its_sham_too(file: Path, tmp_path: Path) -> None:
    on_device = "threshold_percentile = 50\noverride.controller.where = 'device'"
    text = SMALL.replace("threshold_percentile = 50", on_device, 1)
    file.write_text(text.replace("durations_s = [2]", "durations_s = [6]"), "utf-8")
    arms = conduct.run(file, workers=1, directory=tmp_path / "out")["durations"][0]["arms"]
    assert arms["adaptive"]["teed_uw"]["mean"] > 0
    assert arms["sham"]["teed_uw"]["mean"] == 0
    assert arms["yoked"]["teed_uw"]["mean"] > 0


def test_results_are_the_same_whatever_the_number_of_workers(
    file: Path, tmp_path: Path, whole: bytes
) -> None:
    conduct.run(file, workers=2, directory=tmp_path / "two")
    assert (tmp_path / "two" / "results.parquet").read_bytes() == whole


def test_a_killed_trial_goes_on_where_it_was(file: Path, tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "stimloop", "trial", str(file), "--workers", "2"]
    with subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while len(finished(out)) < 4 and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = finished(out)
    assert 4 <= len(before) < CELLS + 2
    told = conduct.run(file, workers=1, directory=out)
    after = finished(out)
    assert {path: after[path] for path in before} == before, "a finished cell runs only once"
    cells = sum(not path.stem.startswith("rest~") for path in before)
    assert told["run"] == CELLS - cells
    assert (out / "results.parquet").read_bytes() == whole


def test_a_cell_that_cannot_be_run_is_told_and_the_others_are_kept(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:

    def break_once(cell: Cell) -> Outcome:
        if cell.arm.name == "sham" and cell.subject.patient.label == "other":
            raise StimloopError("the lead fell out")
        return run_cell(cell)

    monkeypatch.setattr(conduct, "run_cell", break_once)
    out = tmp_path / "out"
    assert main(["trial", str(file), "--workers", "1", "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "not run: other~sham~0~2s: the lead fell out" in told.err
    assert pq.read_table(out / "results.parquet").num_rows == CELLS - 2
    assert "2 cells could not be run" in (out / "report.html").read_text("utf-8")
    monkeypatch.undo()
    assert conduct.run(file, workers=1, directory=out)["run"] == 2


def test_what_the_device_does_not_allow_is_refused_before_any_cell(
    file: Path, tmp_path: Path
) -> None:
    override = "threshold_percentile = 50\noverride.stimulation.amplitude_ma = 400.0"
    file.write_text(SMALL.replace("threshold_percentile = 50", override), "utf-8")
    with pytest.raises(TrialError, match=r"arms\.adaptive: .*amplitude_ma: asked 400"):
        conduct.run(file, workers=1, directory=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_worker_that_is_killed_ends_the_trial_in_a_sentence(
    file: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill(done: float, _total: float) -> None:
        children = [
            int(pid)
            for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
            .read_text("ascii")
            .split()
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        if done and not killed:
            killed.append(children[0])
            os.kill(children[0], signal.SIGKILL)

    with pytest.raises(TrialError, match="finished cells are kept"):
        conduct.run(file, workers=2, directory=tmp_path / "out", on_progress=kill)
    assert finished(tmp_path / "out")


def test_a_blinded_trial_keeps_its_key_apart(file: Path, tmp_path: Path) -> None:
    file.write_text(BLINDED.replace("../", f"{EXAMPLES.parent}/"), "utf-8")
    out = tmp_path / "out"
    conduct.run(file, workers=1, directory=out)
    blind = (out / "report.html").read_text("utf-8")
    assert "arm 1" in blind
    assert "yoked" not in blind
    key = json.loads((out / "key.json").read_text("utf-8"))
    assert set(key.values()) == {"adaptive", "sham", "yoked", "random"}
    told = conduct.run(file, workers=1, directory=out, unblind=True)
    assert told["run"] == 0
    assert "yoked" in (out / "report.html").read_text("utf-8")


def test_a_refused_trial_is_one_sentence_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trial", str(tmp_path / "none.toml")]) == 1
    assert "the trial is refused" in capsys.readouterr().err
