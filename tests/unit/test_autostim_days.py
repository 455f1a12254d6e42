"""The page of AutoStim in short: alarms against seizures, on hours instead of days."""

from __future__ import annotations

import pytest
from benchmarks.autostim import Scored, day, score, treated_day

from stimloop_sim.seizures import Seizure

SEIZURE = Seizure(
    onset_s=100, end_s=160, untreated_s=160, rise_at_s=105, rise_bpm=40, stopped=False
)


@pytest.mark.parametrize(
    ("alarm_s", "detected", "false"),
    [(69, 0, 1), (70, 1, 0), (130, 1, 0), (160, 1, 0), (161, 0, 0), (220, 0, 0), (221, 0, 1)],
)
def test_an_alarm_is_right_false_or_neither_by_when_it_begins(
    alarm_s: float, detected: int, false: int
) -> None:
    found = score([SEIZURE], [alarm_s], 75.0)
    assert (found.detected, found.marked_detected, found.false) == (detected, detected, false)
    assert found.latencies_s == ((alarm_s - 100.0,) if detected else ())
    assert score([SEIZURE._replace(rise_bpm=14.0)], [], 75.0) == Scored(1, 0, 0, 0, 0, ())


def test_a_higher_theta_detects_less_and_has_fewer_false_alarms() -> None:
    hours = 6
    low, high = day(1, hours, (0.2, 0.7))
    assert low.false > high.false
    assert 1.0 < low.false / hours < 10.0


def test_most_seizures_of_a_heart_that_always_rises_are_detected_while_it_rests() -> None:
    low, high = day(1, 3, (0.2, 0.7), "cluster")
    assert low.seizures >= 8
    assert low.detected / low.seizures > 0.7
    assert low.false <= 2
    assert high.detected <= low.detected


def test_trains_on_a_treated_day_shorten_what_they_meet_and_nothing_else() -> None:
    treated = treated_day(1, 5, 0.2)
    assert treated.trains > 0
    assert treated.stopped <= treated.met <= treated.seizures
    assert treated.ictal_h <= treated.untreated_h
