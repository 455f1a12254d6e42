"""The whole loop, in process: it switches, it helps, it loses nothing, and it replays."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import pytest

import stimloop
from stimloop.demo import demonstrate
from stimloop.devices import describe
from stimloop.errors import CaptureError, PrescriptionError
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.vocabulary import Bound, Lead, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STN = (
    "lfp_pd_stn_grip/sub-testsub/ses-EphysMedOff/ieeg/"
    "sub-testsub_ses-EphysMedOff_task-gripforce_run-0_ieeg.vhdr"
)


def test_therapy_switches_on_and_off_and_ends_with_the_output_off(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    prescription = stimloop.load_prescription(
        prescription_file(("threshold_uv = 3.0", "threshold_uv = 1.6"))
    )
    directory = stimloop.run_session(
        prescription, "sim://dbs?seed=3", seconds=30, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    summary = stimloop.summarize(record)
    admitted_ua = record.column("steps", "admitted_ua")
    assert admitted_ua.min() == 0
    assert admitted_ua.max() == 3_000
    assert summary.samples == 30 * 250
    assert (summary.lost_samples, summary.refused, summary.stale) == (0, 0, 0)
    assert summary.net_charge_nc == 0
    assert summary.time_on_fraction is not None
    assert 0.1 < summary.time_on_fraction < 0.9
    *_, (_, last) = record.statuses()
    assert (last.state, last.amplitude_ua) == (State.IDLE, 0)


def test_the_delivered_amplitude_follows_the_orders(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    prescription = stimloop.load_prescription(prescription_file())
    directory = stimloop.run_session(
        prescription, "sim://dbs?seed=1", seconds=20, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    ordered_ua = record.column("steps", "admitted_ua").astype(int)
    checked = 0
    for step, status in record.statuses():
        lately = ordered_ua[max(0, step - 14) : step]
        if status.state == State.STIMULATING and len(lately) == 14 and np.ptp(lately) == 0:
            assert status.amplitude_ua == lately[0]
            checked += 1
    assert checked > 20


def test_what_the_supply_cannot_drive_is_less_and_the_record_says_so(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    directory = stimloop.run_session(
        stimloop.load_prescription(prescription_file()),
        "sim://dbs?seed=1&tissue=grown",
        seconds=20,
        directory=tmp_path / "record",
    )
    record = stimloop.Record.open(directory)
    summary = stimloop.summarize(record)
    assert summary.delivered_fraction is not None
    assert 0.85 < summary.delivered_fraction < 0.99
    assert summary.net_charge_nc == 0
    told = {(event.text, event.detail) for event in record.events() if event.kind == "device"}
    assert told == {("lead", Lead.COMPLIANCE), ("lead", 0)}
    assert any(status.lead == Lead.COMPLIANCE for _, status in record.statuses())
    assert stimloop.replay_record(record).identical


def test_a_loop_that_chatters_is_told_ends_in_the_fallback_and_replays(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    told: list[str] = []
    directory = stimloop.run_session(
        stimloop.load_prescription(
            prescription_file(
                ("smooth_ms = 400", "smooth_ms = 20"),
                ("slew_ma_per_s = 12.0", "slew_ma_per_s = 12.0\nfallback_ma = 1.0"),
                ("[controller]", "[governor]\nswitches_per_min = 60\n\n[controller]"),
            )
        ),
        "sim://dbs?seed=1",
        seconds=30,
        directory=tmp_path / "record",
        on_alarm=told.append,
    )
    record = stimloop.Record.open(directory)
    (event,) = [event for event in record.events() if event.kind == "governor"]
    assert told == [event.text]
    assert "lower the gain" in event.text
    after = record.column("steps", "t_us") > event.t_us + 300_000
    assert set(record.column("steps", "admitted_ua")[after]) == {1_000}
    assert set(record.column("steps", "bound")[after]) == {Bound.CHATTER}
    assert stimloop.replay_record(record).identical


def test_a_prescription_for_another_device_is_refused_and_nothing_is_sent(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    own = describe("sim://dbs", DEVELOPMENT_KEY)["identity"]["device_id"]
    for device_id, accepted in ((own, True), ("5354494D00000001", False)):
        prescription = stimloop.load_prescription(
            prescription_file(('name = "test"', f'device_id = "{device_id}"'))
        )
        directory = tmp_path / device_id
        refusal = pytest.raises(PrescriptionError, match=f"allowed device {own}, which answers")
        with nullcontext() if accepted else refusal:
            stimloop.run_session(prescription, "sim://dbs", seconds=0.1, directory=directory)
        assert directory.exists() is accepted


def test_a_record_replays_to_the_bit(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    path = prescription_file(
        ("threshold_uv = 3.0\n", ""),
        ("[controller]", "[capture]\nseconds = 5\npercentile = 50\n\n[controller]"),
    )
    directory = stimloop.run_session(
        stimloop.load_prescription(path), "sim://dbs", seconds=20, directory=tmp_path / "r"
    )
    record = stimloop.Record.open(directory)
    replay = stimloop.replay_record(record)
    assert replay.identical
    assert replay.steps > 25 * 50
    assert replay.orders == stimloop.summarize(record).orders > 0


def test_a_replay_with_one_setting_changed_reports_the_first_difference(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    prescription = stimloop.load_prescription(prescription_file())
    directory = stimloop.run_session(
        prescription, "sim://dbs", seconds=10, directory=tmp_path / "r"
    )
    record = stimloop.Record.open(directory)
    other = stimloop.load_prescription(prescription_file(("400", "380")))
    difference = stimloop.replay_record(record, other).first_difference
    assert difference is not None
    assert (difference.step, difference.field) == (0, "level")
    same = stimloop.replay_record(record, prescription)
    assert same.identical


def test_the_loop_closes_on_a_human_recording(tmp_path: Path, recordings: Path) -> None:
    prescription = stimloop.load_prescription("examples/dbs_adaptive.toml")
    url = f"sim://dbs?recording={recordings / STN}&channel=LFP_RIGHT_0&gain=1e-6"
    record = stimloop.Record.open(
        stimloop.run_session(prescription, url, directory=tmp_path / "record")
    )
    summary = stimloop.summarize(record)
    admitted_ua = record.column("steps", "admitted_ua")
    switched_on = np.count_nonzero((admitted_ua[:-1] == 0) & (admitted_ua[1:] > 0))
    assert switched_on >= 5
    whole = stimloop.read_recording(recordings / STN, channel="LFP_RIGHT_0")
    assert len(record.samples().nv) == len(whole.samples_uv)
    assert (summary.lost_samples, summary.refused, summary.net_charge_nc) == (0, 0, 0)
    assert stimloop.replay_record(record).identical


def test_a_signal_at_the_rails_drives_no_therapy(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    t_s = np.arange(5_000) / 250
    np.save(tmp_path / "rails.npy", 5_000 * np.sign(np.sin(2 * np.pi * 20 * t_s + 0.1)))
    url = f"sim://dbs?recording={tmp_path / 'rails.npy'}&rate=250"
    prescription = stimloop.load_prescription(prescription_file())
    directory = stimloop.run_session(prescription, url, directory=tmp_path / "record")
    summary = stimloop.summarize(stimloop.Record.open(directory))
    assert summary.samples == 5_000
    assert summary.time_on_fraction == 0


def test_a_recording_shorter_than_the_capture_ends_in_a_sentence(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    np.save(tmp_path / "short.npy", np.random.default_rng(1).normal(0, 5, 500))
    path = prescription_file(
        ("threshold_uv = 3.0\n", ""),
        ("[controller]", "[capture]\nseconds = 5\npercentile = 50\n\n[controller]"),
    )
    url = f"sim://dbs?recording={tmp_path / 'short.npy'}&rate=250"
    with pytest.raises(CaptureError, match="sensing ended after 2 s"):
        stimloop.run_session(
            stimloop.load_prescription(path), url, directory=tmp_path / "record"
        )


def test_blocks_too_long_for_lease_and_slew_are_refused(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    prescription = stimloop.load_prescription(prescription_file())
    with pytest.raises(ValueError, match=r"block_ms=.*URL"):
        stimloop.run_session(prescription, "sim://dbs?block_ms=100", directory=tmp_path / "r")


def test_a_prescription_that_is_not_what_its_text_says_is_not_run(
    tmp_path: Path, prescription_file: Callable[..., Path]
) -> None:
    prescription = stimloop.load_prescription(prescription_file())
    lower = prescription.stimulation.model_copy(update={"amplitude_ma": 1.0})
    changed = prescription.model_copy(update={"stimulation": lower})
    with pytest.raises(ValueError, match="its text is what the record keeps"):
        stimloop.run_session(changed, "sim://dbs", seconds=1, directory=tmp_path / "record")


def test_the_18_hz_peak_of_a_human_recording_is_found_by_a_session(
    tmp_path: Path, recordings: Path
) -> None:
    prescription = stimloop.load_prescription("examples/dbs_adaptive.toml")
    url = f"sim://dbs?recording={recordings / 'ecog_pd_m1/exampledata.npy'}&rate=1000"
    directory = stimloop.run_session(prescription, url, directory=tmp_path / "record")
    summary = stimloop.summarize(stimloop.Record.open(directory))
    assert summary.peak_hz == pytest.approx(18.0, abs=1.0)
    assert summary.lost_samples == 0


def test_the_demonstration_shortens_bursts_with_less_energy(tmp_path: Path) -> None:
    result = demonstrate(tmp_path / "demo", seconds=60, seed=1)
    off, continuous, adaptive = (
        result["arms"][arm] for arm in ("off", "continuous", "adaptive")
    )
    assert off["time_on_fraction"] == 0
    assert off["teed_uw"] == 0
    assert continuous["time_on_fraction"] > 0.99
    assert 0.2 < adaptive["time_on_fraction"] < 0.7
    assert adaptive["teed_relative"] < 0.5
    assert adaptive["long_bursts_per_min"] < off["long_bursts_per_min"]
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("seed", [3, 5])
def test_on_off_stimulation_does_what_the_published_one_did(seed: int, tmp_path: Path) -> None:
    """Two of the ten seeds of docs/on_off.md; `benchmarks/on_off_table.py` does them all."""
    arms = demonstrate(tmp_path / "demo", seconds=600, seed=seed)["arms"]
    off, adaptive = arms["off"], arms["adaptive"]
    assert 0.35 <= adaptive["time_on_fraction"] <= 0.50
    assert adaptive["long_bursts_per_min"] <= 0.4 * off["long_bursts_per_min"]
    assert adaptive["teed_relative"] <= 0.35
    for arm in arms.values():
        assert (arm["lost_samples"], arm["refused"], arm["net_charge_nc"]) == (0, 0, 0)
