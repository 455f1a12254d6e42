"""Implants that are broken on purpose: the rig finds each by the obligation that names it."""

from __future__ import annotations

from pathlib import Path

import pytest
import serial

from stimloop.cli import main
from stimloop.rig.conduct import Verdict, conduct, selected
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_lab.mutants import MUTANTS, catalogue

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_implant_breaks_the_obligation_that_names_it(name: str) -> None:
    asked = selected([MUTANTS[name].obligation])
    (outcome,) = conduct(f"mutant://{name}", asked, key=DEVELOPMENT_KEY).outcomes
    assert outcome.verdict is Verdict.BROKEN
    assert outcome.said


def test_each_way_to_be_broken_is_told_apart_by_some_obligation() -> None:
    assert len(MUTANTS) > 40
    assert len({mutant.obligation for mutant in MUTANTS.values()}) > 35


def test_what_is_wrong_is_told_and_ends_the_command_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["rig", "stop_ends_the_output_at_once", "--device", "mutant://stop_ignored"])
    told = capsys.readouterr().out
    assert "broken    stop      stop_ends_the_output_at_once: the state after a stop" in told


def test_a_mutant_that_there_is_not_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'stop_ignored'"):
        serial.serial_for_url("mutant://stop_ignore")


def test_the_page_of_the_rig_has_their_table() -> None:
    assert catalogue() in (ROOT / "docs" / "rig.md").read_text("utf-8")
