"""The loop on the device, watched: the record is the device's, and the host decides alike."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.loop.conftest import TOML

import stimloop
from stimloop import prescription as prescriptions
from stimloop.devices import describe
from stimloop.errors import PrescriptionError, TherapyEnded
from stimloop.programming import program_device
from stimloop.report import write_report
from stimloop.run import LEFT_ALONE
from stimloop.summary import summarize
from stimloop_hw import Link
from stimloop_hw.loop import EmbeddedController, EmbeddedDetector
from stimloop_hw.messages import Decided
from stimloop_hw.vocabulary import Bound, Role, State, StopMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import Implant

ON_DEVICE = TOML + 'where = "device"\n'
KINDS = {
    "continuous": "",
    "on_off": "",
    "dual_threshold": "",
    "proportional": "kp_ma = 1.7\n",
    "proportional_integral": "kp_ma = 0.57\nti_s = 0.2\n",
}
EXAMPLES = Path(__file__).parents[2] / "examples"
STN = (
    "lfp_pd_stn_grip/sub-testsub/ses-EphysMedOff/ieeg/"
    "sub-testsub_ses-EphysMedOff_task-gripforce_run-0_ieeg.vhdr"
)


def embedded(kind: str = "on_off") -> stimloop.Prescription:
    text = ON_DEVICE.replace('"on_off"', f'"{kind}"')
    if kind == "dual_threshold":
        text = text.replace("[controller]", "lower_uv = 2.1\n[controller]")
    return prescriptions.loads(text + KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_device_decides_is_recorded_and_replays_on_the_host_bit_for_bit(
    kind: str, tmp_path: Path
) -> None:
    directory = stimloop.run_session(
        embedded(kind), "sim://dbs?seed=3", seconds=60, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    replay = stimloop.replay_record(record)
    assert replay.identical
    assert (replay.steps, replay.uncompared) == (3_000, 0)
    assert replay.orders > 0
    summary = summarize(record)
    assert summary.orders == replay.orders
    assert (summary.lost_samples, summary.refused, summary.net_charge_nc) == (0, 0, 0)
    assert record.column("steps", "admitted_ua").max() > 0
    assert not [event for event in record.events() if event.kind == "note"]
    *_, (_, last) = record.statuses()
    assert (last.state, last.amplitude_ua) == (State.IDLE, 0)


WRITTEN_DOWN = {
    "dbs_rcs": "",
    "dbs_percept": "threshold_uv = 2.6\nlower_uv = 1.9\n",
    "dbs_percept_single": "threshold_uv = 2.6\n",
}


def example_on_device(name: str) -> str:
    """An example with its loop on the device, and its thresholds written down."""
    text = (EXAMPLES / f"{name}.toml").read_text("utf-8")
    text = re.sub(r"\[capture\]\n([^\[\n].*\n)*", "", text)
    text = text.replace("[controller]\n", '[controller]\nwhere = "device"\n')
    return text.replace("[detector]\n", f"[detector]\n{WRITTEN_DOWN[name]}")


@pytest.mark.parametrize("name", WRITTEN_DOWN)
def test_what_is_like_a_product_runs_on_the_device_as_on_the_host_bit_for_bit(
    name: str, tmp_path: Path
) -> None:
    prescription = prescriptions.loads(example_on_device(name))
    directory = stimloop.run_session(
        prescription, "sim://dbs?seed=3", seconds=60, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    replay = stimloop.replay_record(record)
    assert replay.identical
    assert replay.steps == 3_000
    assert replay.orders > 5
    assert len(set(record.column("steps", "admitted_ua").tolist())) > 3


@pytest.mark.parametrize(
    ("name", "old", "new", "asked"),
    [
        ("dbs_rcs", "1300.0", "1300.5", "1300.5"),
        ("dbs_rcs", "states_ma = [0.5", "states_ma = [0.5005", "0.5005"),
        ("dbs_percept", "centre_hz = 20.0", "centre_hz = 20.0005", "20.0005"),
    ],
)
def test_what_is_finer_than_the_devices_unit_is_refused_by_its_name(
    name: str, old: str, new: str, asked: str
) -> None:
    with pytest.raises(PrescriptionError, match=f"{asked} with where.*round it"):
        prescriptions.loads(example_on_device(name).replace(old, new))


def test_a_controller_that_needs_another_detector_on_a_device_is_refused() -> None:
    text = example_on_device("dbs_percept_single").replace(
        'kind = "percept_single"\nsuspend_ma', 'kind = "proportional"\nkp_ma = 1.7\n#'
    )
    text = re.sub(r"\n(transition|startup)\w+ = .*", "", text)
    with pytest.raises(
        PrescriptionError, match="proportional behind a detector of kind percept"
    ):
        prescriptions.loads(text)


def test_a_human_recording_is_decided_on_alike_by_device_and_host(
    tmp_path: Path, recordings: Path
) -> None:
    url = f"sim://dbs?recording={recordings / STN}&channel=LFP_RIGHT_0&gain=1e-6"
    directory = stimloop.run_session(embedded(), url, directory=tmp_path / "record")
    record = stimloop.Record.open(directory)
    replay = stimloop.replay_record(record)
    assert replay.identical
    assert replay.steps > 800
    write_report(tmp_path / "report.html", {"device": record}, title="On the device")


def test_a_replay_finds_what_the_device_had_decided_otherwise(tmp_path: Path) -> None:
    directory = stimloop.run_session(
        embedded(), "sim://dbs?seed=3", seconds=10, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    text = record.session["prescription"].replace("smooth_ms = 400", "smooth_ms = 380")
    record.session["prescription"] = text
    difference = stimloop.replay_record(record).first_difference
    assert difference is not None
    assert (difference.step, difference.field) == (0, "level")


def test_a_lost_signal_leads_to_the_fallback_on_the_device_and_the_host_says_so(
    tmp_path: Path,
) -> None:
    t_s = np.arange(5_000) / 250
    np.save(tmp_path / "rails.npy", 5_000 * np.sign(np.sin(2 * np.pi * 20 * t_s + 0.1)))
    alarms: list[str] = []
    directory = stimloop.run_session(
        embedded("continuous"),
        f"sim://dbs?recording={tmp_path / 'rails.npy'}&rate=250",
        directory=tmp_path / "record",
        on_alarm=alarms.append,
    )
    record = stimloop.Record.open(directory)
    assert summarize(record).time_on_fraction == 0
    assert "no sample to be trusted for 2 s" in alarms[0]
    assert Bound.SIGNAL_LOST in record.column("steps", "bound")
    assert stimloop.replay_record(record).identical


def test_a_silent_host_ends_what_it_leads_though_the_device_steers() -> None:
    prescription = embedded("continuous")
    with Link.open("sim://dbs?seed=1") as link:
        link.hello()
        limits = link.limits()
        program = program_device(link, prescription, limits).first
        link.stream(1, limits.sense_rate_hz, limits.sense_block)
        link.start(program.crc(), 500)
        for _ in range(60):
            link.sensed()
        assert link.status().state == State.IDLE
        assert any(isinstance(notice, Decided) for notice in link.notices)


def test_what_is_lost_on_the_way_is_counted_and_no_difference(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(
        "schema = 1\nseed = 5\n[[fault]]\n"
        'kind = "flip"\nat_ms = 5000\nrate_ppm = 60\ndirection = "to_host"\n',
        "utf-8",
    )
    directory = stimloop.run_session(
        embedded(), f"sim://dbs?faults={faults}", seconds=60, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    replay = stimloop.replay_record(record)
    assert replay.identical
    assert replay.steps > 200
    assert replay.uncompared > 0
    assert replay.steps + replay.uncompared == record.whole_steps
    bounds = record.column("steps", "bound")
    assert 0 < np.count_nonzero(bounds == Bound.UNTOLD) < 100


def test_where_the_patient_has_the_last_word_the_orders_are_the_devices_own(
    tmp_path: Path,
) -> None:
    patient = "[patient]\nmin_ma = 0.5\nmax_ma = 1.5\nstep_ma = 0.5\n[controller]"
    prescription = prescriptions.loads(ON_DEVICE.replace("[controller]", patient))
    directory = stimloop.run_session(
        prescription, "sim://dbs?seed=3", seconds=20, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    assert record.column("steps", "admitted_ua").max() == 1_500
    assert Bound.PATIENT in record.column("steps", "bound")
    assert stimloop.replay_record(record).identical


# Alone ---------------------------------------------


def test_a_therapy_left_alone_goes_on_until_somebody_stops_it(
    tmp_path: Path, implant: Callable[..., Implant]
) -> None:
    with implant("dbs", "--pty") as (_, url):
        directory = stimloop.run_session(
            embedded("continuous"), url, seconds=2, alone=True, directory=tmp_path / "record"
        )
        record = stimloop.Record.open(directory)
        told = [event.text for event in record.events() if event.kind == "operator"]
        assert told == ["start", LEFT_ALONE]
        assert stimloop.replay_record(record).identical
        assert describe(url)["state"] == "ALONE"
        with Link.open(url) as link:
            link.hello(Role.OBSERVER)
            assert link.status().amplitude_ua == 3_000
            assert link.stop(StopMode.GROUND).state == State.IDLE


def test_nothing_is_left_alone_that_a_host_would_have_to_steer(tmp_path: Path) -> None:
    prescription = prescriptions.loads(TOML)
    with pytest.raises(PrescriptionError, match="without a host nobody else would steer it"):
        stimloop.run_session(prescription, "sim://dbs", alone=True, directory=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_the_command_line_says_that_it_leaves_a_therapy_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(ON_DEVICE, "utf-8")
    command = [sys.executable, "-m", "stimloop", "run", str(path), "--device", "sim://dbs"]
    command += ["--seconds", "2", "--alone", "--json", "--out", str(tmp_path / "record")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["orders"] >= 0
    assert "goes on alone" in done.stderr
    assert "stimloop stop --device sim://dbs" in done.stderr


def test_what_stopped_by_itself_while_watched_alone_is_told(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(
        'schema = 1\n[[fault]]\nkind = "memory_flip"\nat_ms = 3000\nbit = 9\n', "utf-8"
    )
    with pytest.raises(TherapyEnded):
        stimloop.run_session(
            embedded(),
            f"sim://dbs?faults={faults}",
            seconds=10,
            alone=True,
            directory=tmp_path / "record",
        )


# What is refused ---------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("threshold_uv = 3.0", "threshold_uv = 3.0001", "detector.threshold_uv", "whole nV"),
        ("smooth_ms = 400", "smooth_ms = 400.5", "detector.smooth_ms", "whole ms"),
        ("[17.0, 23.0]", "[17.0, 23.0001]", "detector.band_hz", "whole mHz"),
        (
            "threshold_uv = 3.0\n",
            "[capture]\nseconds = 5\npercentile = 50\n",
            "capture",
            "written down",
        ),
        (
            "[controller]",
            "[governor]\nswitches_per_min = 20\n[controller]",
            "governor.switches_per_min",
            "counts no switches",
        ),
    ],
)
def test_what_the_device_cannot_hold_is_refused_and_never_rounded(
    old: str, new: str, field: str, words: str
) -> None:
    assert old in ON_DEVICE
    with pytest.raises(PrescriptionError, match=words) as caught:
        prescriptions.loads(ON_DEVICE.replace(old, new))
    assert field in {violation.field for violation in caught.value.violations}


def test_a_controller_without_a_number_cannot_run_on_the_device() -> None:
    text = Path("examples/scs_ecap.toml").read_text("utf-8")
    text = text.replace("[controller]\n", '[controller]\nwhere = "device"\n')
    with pytest.raises(PrescriptionError, match="has no number there"):
        prescriptions.loads(text)


def test_the_same_prescription_on_the_host_says_nothing_of_a_loop() -> None:
    with Link.open("sim://dbs") as link:
        link.hello()
        limits = link.limits()
    assert not prescriptions.loads(TOML).program(limits).loop
    loop = embedded("dual_threshold").program(limits).loop
    assert loop.detector is EmbeddedDetector.BETA
    assert loop.controller is EmbeddedController.DUAL_THRESHOLD
    assert replace(embedded().program(limits), loop=loop) != embedded().program(limits)
