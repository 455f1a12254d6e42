"""Spinal cord stimulation closes its loop on the evoked response, over the wire."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import stimloop
from stimloop import prescription as prescriptions
from stimloop.errors import PrescriptionError, RecordError

if TYPE_CHECKING:
    import numpy.typing as npt

EXAMPLES = Path(__file__).parents[2] / "examples"
ECAP = (EXAMPLES / "scs_ecap.toml").read_text("utf-8")
OPEN = (EXAMPLES / "scs_open_loop.toml").read_text("utf-8")
LEAD_IN_S = 20
COURSE = "sitting:50,standing:30,walking:20,supine:34,prone:16,sitting:20"
"""The published 150 s, after the time that a soft start takes."""
SETPOINT_UV = 50.0


def run(
    directory: Path, text: str, *, seconds: float, options: str = "patient=calm&seed=7"
) -> stimloop.Record:
    prescription = prescriptions.loads(text)
    stimloop.run_session(
        prescription, f"sim://scs?{options}", seconds=seconds, directory=directory
    )
    return stimloop.Record.open(directory)


def column(record: stimloop.Record, name: str) -> npt.NDArray[np.float64]:
    """One column of the steps after the lead-in."""
    t_us = record.column("steps", "t_us")
    return np.asarray(record.column("steps", name)[t_us - t_us[0] >= LEAD_IN_S * 1e6], float)


def test_through_all_postures_the_response_stays_where_an_open_loop_loses_it(
    tmp_path: Path,
) -> None:
    """Published: 68 µV mean deviation from 50 µV in open loop, 3 µV in closed loop."""
    options = f"patient=calm&seed=7&postures={COURSE}"
    deviation_uv = {}
    for name, text in (("open", OPEN), ("closed", ECAP)):
        record = run(tmp_path / name, text, seconds=LEAD_IN_S + 150, options=options)
        level_uv = column(record, "level")
        deviation_uv[name] = np.abs(level_uv - SETPOINT_UV).mean()
        assert record.column("sensed", "lost").sum() == 0
    assert 60 < deviation_uv["open"] < 75
    assert 2 < deviation_uv["closed"] < 4
    charge_uc = column(record, "admitted_ua") * 200e-6
    assert (charge_uc.min(), charge_uc.max()) == pytest.approx((0.54, 1.41), abs=0.06)


def test_a_session_replays_bit_for_bit_and_its_report_tells_dose_and_response(
    tmp_path: Path,
) -> None:
    record = run(tmp_path / "record", ECAP, seconds=30, options="seed=3")
    assert stimloop.replay_record(record).identical
    summary = stimloop.summarize(record)
    assert summary.seconds == pytest.approx(30, abs=0.1)
    assert summary.ecap_median_uv is not None
    assert summary.dose_most_nc is not None
    assert 900 < summary.dose_most_nc < 1500
    assert summary.peak_hz is None
    assert summary.burst_rate_hz is None
    page = tmp_path / "report.html"
    stimloop.write_report(page, {"closed": record}, title="Spinal cord stimulation")
    text = page.read_text("utf-8")
    assert "Evoked response, median" in text
    assert "Charge of a pulse, median" in text


def test_with_the_sensing_lead_broken_the_amplitude_holds_and_then_the_loop_is_open(
    tmp_path: Path,
) -> None:
    scenario = tmp_path / "broken.toml"
    scenario.write_text(
        'schema = 1\n[[fault]]\nkind = "lead_open"\nat_ms = 25000\nuntil_ms = 33000\n'
        "contact = 6\n",
        "utf-8",
    )
    options = f"patient=sitting&seed=2&postures=supine:600&faults={scenario}"
    record = run(tmp_path / "record", ECAP, seconds=45, options=options)
    t_s = record.column("steps", "t_us") / 1e6
    admitted_ua = record.column("steps", "admitted_ua")

    def during(begin_s: float, end_s: float) -> npt.NDArray[np.int64]:
        return admitted_ua[(t_s >= begin_s) & (t_s < end_s)]

    before_ua = during(20, 25).mean()
    assert before_ua < 3500  # lying, little is enough
    assert np.ptp(during(25.2, 26.9)) == 0
    assert (during(30, 33) == 5500).all()
    assert during(40, 45).mean() == pytest.approx(before_ua, rel=0.05)


def test_a_converter_that_sticks_opens_the_loop_and_never_drives_it_up(tmp_path: Path) -> None:
    scenario = tmp_path / "stuck.toml"
    scenario.write_text(
        'schema = 1\n[[fault]]\nkind = "adc_stuck"\nat_ms = 25000\nuntil_ms = 33000\n', "utf-8"
    )
    options = f"patient=sitting&seed=2&postures=supine:600&faults={scenario}"
    text = ECAP.replace("rise_per_s_percent = 100.0", "rise_per_s_percent = 20.0")
    record = run(tmp_path / "record", text, seconds=45, options=options)
    t_s = record.column("steps", "t_us") / 1e6
    admitted_ua = record.column("steps", "admitted_ua")
    before_ua = admitted_ua[(t_s >= 20) & (t_s < 25)].mean()
    stuck = (t_s >= 25.2) & (t_s < 33)
    assert (record.column("steps", "level")[stuck] < 10).all()
    assert admitted_ua[stuck].max() <= 5500
    assert admitted_ua[stuck & (t_s < 27)].max() < 1.5 * before_ua
    assert admitted_ua[t_s >= 40].mean() == pytest.approx(before_ua, rel=0.05)


def test_sweeps_and_refusals_of_a_noisy_wire_are_counted_and_replayed(tmp_path: Path) -> None:
    noisy = EXAMPLES / "faults" / "noisy_link.toml"
    options = f"patient=sitting&seed=2&faults={noisy}"
    record = run(tmp_path / "record", ECAP, seconds=30, options=options)
    lost = record.column("sensed", "lost")
    index = record.column("sensed", "first_index").astype(np.int64)
    assert lost.sum() > 0
    assert (np.diff(index) == lost[1:] + 1).all()
    assert stimloop.replay_record(record).identical
    late_uv = column(record, "level")
    assert np.median(late_uv) == pytest.approx(SETPOINT_UV, abs=3)


def test_a_rate_whose_sweeps_do_not_fit_is_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    for old, new, words in (
        ("rate_hz = 40.0", "rate_hz = 400.0", "pulse and sweep take"),
        ("rate_hz = 40.0", "rate_hz = 10.0", "at least 20 Hz"),
        ("n1_ms = 1.14", "n1_ms = 4.5", "the template of 40 samples must fit"),
        ("n1_ms = 1.14", "n1_ms = 1.14\nchannel = 1", "0 to 0"),
    ):
        with pytest.raises(PrescriptionError, match=words):
            run(tmp_path / "record", ECAP.replace(old, new), seconds=1)
    assert not (tmp_path / "record").exists()


def test_a_device_that_senses_after_no_pulse_refuses_it(tmp_path: Path) -> None:
    prescription = prescriptions.loads(
        ECAP.replace("pulse_width_us = 200", "pulse_width_us = 60")
    )
    with pytest.raises(PrescriptionError, match="it senses after no pulse"):
        stimloop.run_session(
            prescription, "sim://dbs", seconds=1, directory=tmp_path / "record"
        )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[evoked]\nn1_ms = 1.14\nleast_uv = 10.0\n", "", "add .evoked. with n1_ms"),
        (ECAP[ECAP.index("kind =") :], 'kind = "on_off"\n', "on_off beside .evoked."),
        ("open_loop_ma = 5.5", "open_loop_ma = 9.5", "choose an amplitude of the therapy"),
        ("gain = 0.05", "gain = 2.0", "0.25 or less"),
        ("setpoint_uv = 50.0", "setpoint_uv = 0", "more than 0"),
        (
            "[controller]",
            "[capture]\nseconds = 5\npercentile = 50\n[controller]",
            "a setpoint comes from a titration",
        ),
    ],
)
def test_a_prescription_that_makes_no_sense_is_refused(old: str, new: str, words: str) -> None:
    assert old in ECAP
    with pytest.raises(PrescriptionError, match=words):
        prescriptions.loads(ECAP.replace(old, new))


def test_sweeps_cannot_be_replayed_as_samples(tmp_path: Path) -> None:
    record = run(tmp_path / "record", ECAP, seconds=1)
    other = stimloop.load_prescription(EXAMPLES / "dbs_adaptive.toml")
    with pytest.raises((RecordError, PrescriptionError)):
        stimloop.replay_record(record, other)
    same = prescriptions.loads(ECAP.replace("gain = 0.05", "gain = 0.1"))
    assert stimloop.replay_record(record, same).steps == record.whole_steps
