from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit import fake_session as fake

from stimloop.record import Record, Recorder
from stimloop.summary import Summary, summarize

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    directory = tmp_path_factory.mktemp("summary") / "session"
    fake.write(directory, ticks=1250, capture=250)
    return Record.open(directory)


@pytest.fixture(scope="module")
def summary(record: Record) -> Summary:
    return summarize(record)


def test_it_is_json_and_says_what_protected_the_link(record: Record, summary: Summary) -> None:
    values = json.loads(json.dumps(summary.as_dict(), allow_nan=False))
    assert values["authentication"] == "UNSIGNED"
    assert values["record"] == str(record.directory)


def test_the_capture_is_not_therapy(summary: Summary) -> None:
    assert summary.capture_seconds == 5.0
    assert summary.samples == 5000
    assert summary.lost_samples == 2
    assert summary.seconds == pytest.approx(5002 / 250)
    assert summary.orders == 1000
    assert summary.time_on_fraction == 0.5


def test_refusals_are_counted_and_those_that_came_too_late(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "a", fake.session()) as recorder:
        for code in (9, 9, 6):
            recorder.event(0, 0, "refused", order=0x2C, code=code)
    found = summarize(Record.open(tmp_path / "a"))
    assert (found.refused, found.stale) == (3, 2)


@pytest.mark.parametrize("duty", [0.0, 0.25, 1.0])
def test_mean_amplitude_and_energy_follow_from_the_devices_counters(
    tmp_path: Path, duty: float
) -> None:
    fake.write(tmp_path / "a", ticks=2000, capture=0, duty=duty)
    found = summarize(Record.open(tmp_path / "a"))
    assert found.mean_amplitude_ma == pytest.approx(3.0 * duty, rel=3e-3)
    # A² · width · rate · R, as published; 9 mA² · 60 µs · 130 Hz · 500 Ω = 35.1 µW.
    published_uw = (3e-3) ** 2 * 60e-6 * (1e6 / 7690) * 500 * 1e6
    assert found.teed_uw == pytest.approx(published_uw * duty, rel=3e-3)
    pulses = 2000 * 20_000 * duty / 7690
    assert found.delivered_charge_uc == pytest.approx(pulses * 0.180, rel=5e-3)
    assert found.net_charge_nc == pytest.approx(pulses * 1e-6, rel=5e-3)


def test_energy_is_the_published_number_of_the_published_example() -> None:
    per_second_ua2_us = 2500**2 * 60 * 130
    assert per_second_ua2_us * 500 * 1e-18 * 1e6 == pytest.approx(24.4, abs=0.05)


def test_the_peak_is_found_in_the_therapy_part(summary: Summary) -> None:
    assert summary.peak_hz == pytest.approx(18.0, abs=0.1)


def test_noise_has_no_peak(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    with Recorder.create(tmp_path / "a", fake.session()) as recorder:
        recorder.event(0, 1_000_000, "operator", text="start")
        for k in range(1000):
            noise = generator.integers(-10_000, 10_000, fake.COUNT, dtype=np.int32)
            recorder.sensed(replace(fake.block(k), samples_nv=noise.tobytes()))
            recorder.step(fake.step(k, on=False))
    assert summarize(Record.open(tmp_path / "a")).peak_hz is None


def test_bursts_are_counted_above_the_level_that_was_given(record: Record) -> None:
    # The level is 10 (1 + sin(pi t)) µV: above 10 µV for one second of every two.
    found = summarize(record, burst_threshold_uv=10.0)
    assert found.burst_threshold_uv == 10.0
    assert found.burst_rate_hz == pytest.approx(0.5, abs=0.06)
    assert found.mean_burst_ms == pytest.approx(1000, abs=25)
    assert found.long_bursts_per_min == pytest.approx(30, abs=3.5)


def test_bursts_are_counted_above_the_sessions_75th_percentile_by_default(
    summary: Summary,
) -> None:
    assert summary.burst_threshold_uv == pytest.approx(10 * (1 + math.sqrt(0.5)), rel=0.01)
    assert summary.mean_burst_ms == pytest.approx(500, abs=25)
    assert summary.long_bursts_per_min == 0.0


def test_latency_is_told_for_each_stage_in_microseconds(summary: Summary) -> None:
    assert list(summary.latency_us) == [
        "read",
        "decode",
        "detect",
        "control",
        "govern",
        "write",
        "total",
    ]
    read_us = [fake.latency(k).read / 1000 for k in range(1250)]
    p50, p99 = np.percentile(read_us, (50, 99))
    assert summary.latency_us["read"] == {"p50": p50, "p99": p99, "max": max(read_us)}


def test_a_session_that_never_became_therapy_has_nothing_to_tell(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=200, capture=250)
    found = summarize(Record.open(tmp_path / "a"))
    assert (found.seconds, found.capture_seconds, found.samples) == (0.0, 4.0, 0)
    for name in (
        "time_on_fraction",
        "mean_amplitude_ma",
        "teed_uw",
        "peak_hz",
        "burst_rate_hz",
    ):
        assert getattr(found, name) is None


def test_an_empty_record_has_nothing_to_tell(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=0)
    found = summarize(Record.open(tmp_path / "a"))
    assert found.delivered_charge_uc is None
    assert found.latency_us == {}
