"""``stimloop detect --score`` from end to end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stimloop.cli import main
from stimloop.console import print_scores

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_score_card_is_told_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["detect", "--score", "--seeds", "2", "--seconds", "20"]
    assert main([*command, "--json", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seeds"] == [0, 1]
    assert len(told["detectors"]) > 30
    assert len(told["frontier"]) == 4
    written = json.loads((tmp_path / "score.json").read_text("utf-8"))
    assert written["detectors"][0]["name"] == told["detectors"][0]["name"]
    assert (tmp_path / "frontier.svg").read_text("utf-8").startswith("<?xml")
    print_scores(told)
    assert "13-35 Hz" in capsys.readouterr().out


def test_what_cannot_be_scored_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["detect"]) == 1
    assert "give a FILE, or --score" in capsys.readouterr().err
    assert main(["detect", "some.npy", "--score"]) == 1
    assert "Leave the file out" in capsys.readouterr().err
    assert main(["detect", "--score", "--seconds", "5"]) == 1
    assert "20 s or more" in capsys.readouterr().err
