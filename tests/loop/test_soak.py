"""A minute of the device's time and a dozen incidents: nothing stays, and a leak is found."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from benchmarks.soak import INCIDENTS, Sample, Soak, Trend, incidents

from stimloop.recorder import Recorder
from stimloop_sim.scenario import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from stimloop.step import Step

MOST_OBJECTS = 500
"""Between one look and another: sessions of different age, a report that is under way."""


def grown(soak: Soak) -> tuple[int, int]:
    """Objects and KiB that came since the first half of a soak."""
    half = len(soak.samples) // 2
    early, late = soak.samples[half], soak.samples[-1]
    return late.objects - early.objects, late.rss_kib - early.rss_kib


def soaked(folder: Path, seconds: float) -> Soak:
    soak = Soak(3, every_s=5, session_s=8)
    soak.run(seconds, folder)
    return soak


def test_a_minute_of_incidents_leaves_nothing_behind(tmp_path: Path) -> None:
    soak = soaked(tmp_path, 60)
    objects, kib = grown(soak)
    assert objects < MOST_OBJECTS
    assert kib < 4096
    assert soak.counts["sessions"] > 5
    assert soak.counts["ended in order"] < soak.counts["sessions"]
    assert soak.counts["by the device: samples_dropped"] > 0


def test_a_log_that_keeps_its_steps_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Step] = []
    step = Recorder.step

    def keeps(recorder: Recorder, decided: Step) -> None:
        kept.append(decided)
        step(recorder, decided)

    monkeypatch.setattr(Recorder, "step", keeps)
    objects, _ = grown(soaked(tmp_path, 40))
    assert objects > MOST_OBJECTS


@pytest.mark.parametrize("leak", [0, 1])
def test_a_trend_tells_a_leak_of_a_kibibyte_a_minute_from_none(leak: int) -> None:
    samples = [
        Sample(k * 60_000_000, 200_000 + 7 * (k % 3) + leak * k, 1000) for k in range(120)
    ]
    trend = Trend.of(samples, "rss_kib")
    assert (trend.low <= 0 <= trend.high) is not bool(leak)
    assert trend.per_hour == pytest.approx(60 * leak, abs=3)


def test_incidents_are_apart_of_every_kind_and_the_same_under_a_seed() -> None:
    day = incidents(1, 0, 86_400_000_000, 60)
    assert {entry.kind for entry in day} == set(INCIDENTS) <= set(KINDS)
    assert all(a.until_us < b.at_us for a, b in pairwise(day))
    assert day == incidents(1, 0, 86_400_000_000, 60)
    assert day != incidents(2, 0, 86_400_000_000, 60)
