"""Evidence: a folder that stands alone, adds up, and can be compared with another one."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.test_documentation import ROOT

from stimloop.cli import main
from stimloop.errors import RecordError
from stimloop.rig.conduct import Conducted, conduct, selected
from stimloop.rig.enact import enact
from stimloop.rig.evidence import write_evidence
from stimloop.rig.hazards import HAZARDS
from stimloop.rig.measure import measure
from stimloop.rig.pack import differences, read_evidence
from stimloop.rig.scenario import chosen
from stimloop_hw.keys import DEVELOPMENT_KEY

if TYPE_CHECKING:
    from pathlib import Path

SUITES = ("stop", "lease", "after_a_pulse_comes_a_sweep")


def conducted(url: str) -> Conducted:
    return conduct(url, selected(SUITES), key=DEVELOPMENT_KEY)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evidence of a simulated implant and one scenario."""
    directory = tmp_path_factory.mktemp("rig") / "evidence"
    played = [
        enact(name, scenario, key=DEVELOPMENT_KEY)
        for name, scenario in chosen(["host_falls_silent"]).items()
    ]
    measured = measure("sim://dbs", key=DEVELOPMENT_KEY)
    write_evidence(directory, conducted("sim://dbs"), played, measured)
    return directory


def test_the_hazards_are_those_of_the_safety_page() -> None:
    page = (ROOT / "SAFETY.md").read_text("utf-8")
    assert dict(re.findall(r"^## (H\d+) (.*)$", page, re.MULTILINE)) == HAZARDS


def test_it_says_what_was_asked_of_which_device_on_what(pack: Path) -> None:
    evidence = read_evidence(pack)
    assert evidence["device"]["model"] == "SIM-DBS"
    assert evidence["device"]["authentication"] == "DEVELOPMENT KEY"
    assert evidence["scenario_devices"] == ["sim://dbs?seed=7"]
    assert evidence["limits"]["amplitude_max_ua"] == 25_500
    assert {"stimloop", "python", "system", "numpy"} <= set(evidence["host"])
    assert evidence["counts"] == {
        "kept": len(evidence["rows"]) - 1,
        "broken": 0,
        "cannot": 1,
        "undecided": 0,
    }
    assert all(row["requirement"].endswith(".") for row in evidence["rows"])


def test_the_matrix_leads_from_each_hazard_to_requirement_test_and_result(pack: Path) -> None:
    rows = list(csv.DictReader((pack / "matrix.csv").read_text("utf-8").splitlines()))
    stop = [r for r in rows if r["test"] == "stop_ends_the_output_at_once"]
    assert [(r["hazard"], r["title"], r["result"]) for r in stop] == [
        ("H3", "Output that does not end", "kept")
    ]
    silent = {r["hazard"] for r in rows if r["test"] == "host_falls_silent"}
    assert silent == {"H3", "H4"}


def test_the_pulses_are_told_as_ordered_quantised_and_delivered(pack: Path) -> None:
    rows = list(csv.DictReader((pack / "pulses.csv").read_text("utf-8").splitlines()))
    assert len(rows) > 90
    for row in rows:
        assert row["ordered_ua"] == row["quantised_ua"] == row["delivered_ua"] == "1000"
        assert row["ordered_pc"] == row["delivered_pc"] == "60000"
        assert (row["worst_net_fc"], row["late_us"]) == ("0", "0")
    assert read_evidence(pack)["pulses"]["worst lateness [µs]"] == 0


def test_the_raw_records_hold_the_wires_bytes_and_the_pulses(pack: Path) -> None:
    lines = (pack / "raw" / "stop_ends_the_output_at_once.jsonl").read_text("utf-8").split("\n")
    told = [json.loads(line) for line in lines if line]
    assert {"in", "out", "t_us"} <= {key for line in told for key in line}
    played = (pack / "raw" / "scenario_host_falls_silent.jsonl").read_text("utf-8")
    states = [json.loads(line).get("status", {}).get("state") for line in played.splitlines()]
    assert {"STIMULATING", "HOLD", "FALLBACK", "RAMPING_DOWN", "IDLE"} <= set(states)


def test_junit_tells_what_is_kept_and_what_cannot_be_asked(pack: Path) -> None:
    root = ET.fromstring((pack / "junit.xml").read_text("utf-8"))  # noqa: S314  our own
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["streaming", "lease", "stop", "scenarios"]
    assert suites["streaming"].get("skipped") == "1"
    (skipped,) = suites["streaming"].iter("skipped")
    assert skipped.get("message") == "no sensing after pulses"
    assert suites["stop"].get("failures") == "0"


def test_the_page_stands_alone_and_says_what_it_is(pack: Path) -> None:
    page = (pack / "report.html").read_text("utf-8")
    assert not re.search(r"<script|src=|href=|url\(|@import", page)
    assert "Not a medical device" in page
    assert "SIMULATED DEVICE" in page
    for number, title in HAZARDS.items():
        assert f"{number} {title}" in page
    assert "Nothing was asked about this hazard." in page  # only two suites were


def test_its_files_are_those_of_the_manifest(pack: Path) -> None:
    lines = (pack / "manifest.sha256").read_text("utf-8").splitlines()
    sums = {name: told for told, name in (line.split("  ") for line in lines)}
    written = {
        str(path.relative_to(pack)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in pack.rglob("*")
        if path.is_file() and path.name != "manifest.sha256"
    }
    assert written == sums


def test_it_is_never_written_over_another_one(pack: Path) -> None:
    with pytest.raises(RecordError, match="empty or not there"):
        write_evidence(pack, conducted("sim://dbs"), [], None)


def test_two_packs_differ_where_device_or_result_do(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    write_evidence(other, conducted("mutant://stop_ignored"), [], None)
    found = differences(read_evidence(pack), read_evidence(other))
    assert found[0].worse
    by_name = {difference.name: difference for difference in found}
    assert by_name["stop_ends_the_output_at_once"].after.startswith("broken: the state after")
    assert by_name["host_falls_silent"].after == "not asked"
    assert by_name["url"].about == "device"
    assert main(["rig", "--diff", str(pack), str(other)]) == 1
    assert "worse: kept → broken" in capsys.readouterr().out
    assert main(["rig", "--diff", str(pack), str(pack)]) == 0
    assert "0 results differ, 0 other values" in capsys.readouterr().out


def test_a_folder_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is no evidence"):
        read_evidence(tmp_path)
    (tmp_path / "evidence.json").write_text('{"schema": 9}', "utf-8")
    with pytest.raises(RecordError, match="has schema 9"):
        read_evidence(tmp_path)


def test_the_command_writes_it_and_a_broken_device_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = tmp_path / "evidence"
    arguments = ["rig", "stop", "--device", "mutant://stop_ignored", "--report", str(where)]
    assert main(arguments) == 1
    assert str(where / "report.html") in capsys.readouterr().out
    page = (where / "report.html").read_text("utf-8")
    assert "What is not kept" in page
    assert "the state after a stop is 4, and has to be 1" in page
