"""``stimloop trial`` of the spinal cord and of the vagus nerve, from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from tests.unit.test_trial_therapies import EXAMPLES, SCS, VNS

from stimloop_lab import conduct

if TYPE_CHECKING:
    from pathlib import Path

CONTROLS = """
[[arms]]
name = "by chance"
kind = "random_duty"
of = "{of}"
duty = 0.8
mean_on_s = 2.0
"""
TRIALS = {
    "scs": SCS.replace("durations_s = [4]", "durations_s = [5]")
    + '[[arms]]\nname = "sham"\nkind = "sham"\nof = "closed"\n'
    + CONTROLS.format(of="closed"),
    "vns": VNS.replace("durations_s = [4]", "durations_s = [20]").replace(
        '../vns_autostim.toml"\n',
        '../vns_autostim.toml"\noverride.controller = { on_s = 5, off_s = 5, rest_s = 5 }\n',
    )
    + '[[arms]]\nname = "yoked"\nkind = "yoked"\nof = "auto"\n'
    + CONTROLS.format(of="auto"),
}


@pytest.mark.parametrize("family", TRIALS)
def test_every_arm_runs_and_neither_workers_nor_an_interruption_change_a_bit(
    family: str, tmp_path: Path
) -> None:
    path = tmp_path / "trial.toml"
    text = TRIALS[family].replace("by chance", "chance")
    path.write_text(text.replace("../", f"{EXAMPLES.parent}/"), "utf-8")
    one, two = tmp_path / "one", tmp_path / "two"
    told = conduct.run(path, workers=1, directory=one)
    assert (told["cells"], told["run"], told["failed"]) == (8, 8, [])
    rows = {
        (row["patient"], row["arm"]): row
        for row in pq.read_table(one / "results.parquet").to_pylist()
    }
    therapy = {"scs": "closed", "vns": "auto"}[family]
    first, second = sorted({patient for patient, _ in rows})
    for (_, arm), row in rows.items():
        assert (row["time_on"] > 0) is (arm != "sham")
        assert row["net_charge_nc"] == row["refused"] == 0
    # Each titrated patient has bounds of its own; the nerve's are the same.
    exact = 1e-12 if family == "vns" else 0.05
    assert rows[first, "yoked"]["mean_amplitude_ma"] == pytest.approx(
        rows[second, therapy]["mean_amplitude_ma"], rel=exact
    )
    # As after a crash: half of what is finished is not there.
    (two / "cells").mkdir(parents=True)
    (two / "trial.json").write_bytes((one / "trial.json").read_bytes())
    for number, cell in enumerate(sorted((one / "cells").iterdir())):
        if number % 2:
            (two / "cells" / cell.name).write_bytes(cell.read_bytes())
    assert 0 < conduct.run(path, workers=2, directory=two)["run"] < 8
    results = "results.parquet"
    assert (two / results).read_bytes() == (one / results).read_bytes()
    page = (one / "report.html").read_text("utf-8")
    assert "<i>illustrative</i>" in page
    assert "no clinical claim" in page


def test_a_patient_who_cannot_be_titrated_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "trial.toml"
    text = SCS.replace('name = "calm"', 'name = "calm"\nparameters = { threshold_factor = 2 }')
    text = text.partition('[[arms]]\nname = "yoked"')[0]
    path.write_text(text.replace("../", f"{EXAMPLES.parent}/"), "utf-8")
    told = conduct.run(path, workers=1, directory=tmp_path / "out")
    assert [failure["cell"] for failure in told["failed"]] == ["rest~calm~0"]
    assert "calm is not uncomfortable at 12 mA; raise most_ma" in told["failed"][0]["reason"]
    assert told["run"] == 1
