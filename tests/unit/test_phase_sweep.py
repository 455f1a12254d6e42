"""The sweep of target phases: a tone is hit where it was aimed at, and the scores say so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop.errors import PrescriptionError
from stimloop_lab.phase_sweep import phase_sweep, score, table

ROOT = Path(__file__).parents[2]
T_US = np.arange(0, 4_000_000, 4000)
TONE_UV = 5 * np.cos(2 * np.pi * 20 * T_US / 1e6)
SCORED: dict[str, Any] = {
    "peak_hz": 20.0,
    "threshold_uv": 1.0,
    "decided_us": T_US,
    "levels_uv": np.full(T_US.size, 5.0),
}


def at_phase(phase_rad: float, cycles: range) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([round(50_000 * (k + phase_rad / (2 * math.pi))) for k in cycles])


@given(target_rad=st.floats(-3, 3), error_rad=st.floats(-1, 1))
def test_a_constant_error_is_told_as_such_without_spread(
    target_rad: float, error_rad: float
) -> None:
    told = score(
        at_phase(target_rad + error_rad, range(10, 70)),
        TONE_UV,
        T_US,
        target_rad=target_rad,
        **SCORED,
    )
    assert told.locking > 0.999
    assert told.error_rad == pytest.approx(error_rad, abs=0.02)
    assert told.spread_rad < 0.05
    assert told.amplitude_uv == pytest.approx(5, rel=0.05)


def test_triggers_at_any_phase_are_not_locked_and_missed_cycles_are_counted() -> None:
    anywhere = np.sort(np.random.default_rng(1).integers(0, 4_000_000, 2000))
    assert score(anywhere, TONE_UV, T_US, target_rad=0.0, **SCORED).locking < 0.1
    half = score(at_phase(0.0, range(0, 80, 2)), TONE_UV, T_US, target_rad=0.0, **SCORED)
    assert half.missed == pytest.approx(0.5, abs=0.05)
    none = score(np.zeros(0, np.int64), TONE_UV, T_US, target_rad=0.0, **SCORED)
    assert (none.triggers, none.locking, none.missed) == (0, 0.0, 1.0)
    assert none.withheld == half.withheld == 0
    assert math.isnan(none.error_rad)


def test_a_cycle_whose_level_is_not_above_the_threshold_is_withheld_and_not_missed() -> None:
    levels_uv = np.where(T_US < 2_000_000, 5.0, 0.9)
    asked = SCORED | {"target_rad": 0.0, "levels_uv": levels_uv}
    early = score(at_phase(0.0, range(41)), TONE_UV, T_US, **asked)
    assert early.missed == 0
    assert early.withheld == pytest.approx(0.5, abs=0.03)
    late = score(at_phase(0.0, range(41, 80)), TONE_UV, T_US, **asked)
    assert late.missed > 0.9
    assert late.withheld < 0.03
    weak = score(at_phase(0.0, range(41)), TONE_UV / 10, T_US, **asked)
    assert (weak.missed, weak.withheld) == (0, 0), "nothing there that could be withheld"


def test_a_sweep_hits_a_tone_at_every_target_through_the_whole_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    t_s = np.arange(250 * 20) / 250
    np.save(
        tmp_path / "tone.npy", 5 * np.cos(2 * np.pi * 20 * t_s) + rng.normal(0, 0.3, t_s.size)
    )
    text = (ROOT / "examples" / "dbs_phase.toml").read_text("utf-8")
    text = text.replace("percentile = 50", "percentile = 5")
    url = f"sim://dbs?recording={tmp_path / 'tone.npy'}&rate=250"
    rows = phase_sweep(text, url, tmp_path / "records", seconds=6, bins=4)
    assert len({row.target_rad for row in rows}) == 4
    for row in rows:
        assert row.triggers > 90
        assert row.locking > 0.95
        assert abs(row.error_rad) < 0.2
        assert row.missed < 0.05
    assert table(rows).count("\n") == 5


def test_a_prescription_without_a_target_is_refused_in_a_sentence(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "dbs_adaptive.toml").read_text("utf-8")
    with pytest.raises(PrescriptionError, match="which the sweep replaces"):
        phase_sweep(text, "sim://dbs", tmp_path)
