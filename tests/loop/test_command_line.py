"""The command line: one JSON object or one clear sentence, and an exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stimloop.cli import main
from stimloop.console import print_matrix

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in process: status, output, errors."""
    try:
        status = main(arguments)
    except SystemExit as left:
        status = int(str(left.code))
    out, err = capsys.readouterr()
    return status, out, err


def call_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    status, out, _ = call(capsys, *arguments, "--json")
    assert status == 0
    result: dict[str, Any] = json.loads(out)
    return result


def test_run_prints_the_numbers_of_a_session_and_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prescription_file: Callable[..., Path]
) -> None:
    out = tmp_path / "record"
    values = call_json(
        capsys, "run", str(prescription_file()), "--device", "sim://dbs?seed=1",
        "--seconds", "5", "--out", str(out),
    )  # fmt: skip
    assert values["seconds"] == 5
    assert values["samples"] == 1_250
    assert values["record"] == str(out)
    assert set(values["latency_us"]) == {
        "read", "decode", "detect", "control", "govern", "write", "total",
    }  # fmt: skip
    for key in (
        "lost_samples", "orders", "refused", "stale", "time_on_fraction", "mean_amplitude_ma",
        "delivered_charge_uc", "delivered_fraction",
        "net_charge_nc", "peak_hz", "burst_rate_hz", "mean_burst_ms",
        "teed_uw",
    ):  # fmt: skip
        assert key in values


def test_run_lasts_a_minute_on_a_patient_if_nobody_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prescription_file: Callable[..., Path]
) -> None:
    values = call_json(
        capsys, "run", str(prescription_file()), "--device", "sim://dbs",
        "--out", str(tmp_path / "record"),
    )  # fmt: skip
    assert values["seconds"] == 60


def test_demo_prints_three_arms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    values = call_json(capsys, "demo", "--seconds", "5", "--out", str(out))
    assert list(values["arms"]) == ["off", "continuous", "adaptive"]
    for arm in values["arms"].values():
        assert {"bursts_per_s", "long_bursts_per_min", "time_on_fraction", "teed_uw"} <= set(
            arm
        )
    assert (out / "report.html").exists()


def test_the_table_for_people_says_what_this_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = call(capsys, "demo", "--seconds", "5", "--out", str(tmp_path / "demo"))
    assert status == 0
    assert "not a medical device" in out
    assert "calibration" in out


def test_detect_finds_the_peak_and_the_bursts_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(1)
    t_s = np.arange(30_000) / 1000
    bursts = np.sin(2 * np.pi * 21 * t_s) * (t_s % 2 < 0.5) * 20
    path = tmp_path / "lfp.npy"
    np.save(path, bursts + generator.normal(0, 1, t_s.size))
    values = call_json(capsys, "detect", str(path), "--rate", "1000")
    assert values["rate_hz"] == 1000
    assert values["band_hz"] == [13, 35]
    assert values["peak_hz"] == pytest.approx(21, abs=1)
    assert values["burst_rate_hz"] == pytest.approx(0.5, abs=0.05)
    assert values["median_burst_ms"] == pytest.approx(500, abs=60)
    first = values["bursts"][1]
    assert first["onset_s"] == pytest.approx(2.0, abs=0.1)


def test_detect_warns_of_harmonics_that_fold_into_the_band(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "noise.npy"
    np.save(path, np.random.default_rng(0).standard_normal(2500))
    arguments = ("detect", str(path), "--rate", "250", "--stimulation", "130")
    assert call_json(capsys, *arguments)["folded"] == [[4, 20.0], [6, 30.0], [19, 30.0]]
    _, out, _ = call(capsys, *arguments)
    assert "harmonic 4 at 20 Hz" in out
    assert "no clear beta peak" in out


def test_detect_on_a_human_recording(
    capsys: pytest.CaptureFixture[str], recordings: Path
) -> None:
    path = recordings / "ecog_pd_m1" / "exampledata.npy"
    values = call_json(capsys, "detect", str(path), "--rate", "1000", "--band", "13", "30")
    assert values["peak_hz"] == pytest.approx(18, abs=1)
    assert values["burst_rate_hz"] == pytest.approx(0.89, abs=0.2)


def test_replay_and_report_of_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prescription_file: Callable[..., Path]
) -> None:
    record = str(tmp_path / "record")
    call_json(
        capsys, "run", str(prescription_file()), "--device", "sim://dbs",
        "--seconds", "5", "--out", record,
    )  # fmt: skip
    values = call_json(capsys, "replay", record)
    assert values["identical"] is True
    assert values["first_difference"] is None
    other = prescription_file(("smooth_ms = 400", "smooth_ms = 300"))
    values = call_json(capsys, "replay", record, "--prescription", str(other))
    assert values["identical"] is False
    assert values["first_difference"]["field"] == "level"
    status, *_ = call(capsys, "report", record)
    assert status == 0
    assert "<html" in (tmp_path / "record" / "report.html").read_text("utf-8")


def test_status_says_what_the_device_is_and_does(capsys: pytest.CaptureFixture[str]) -> None:
    values = call_json(capsys, "status", "--device", "sim://dbs")
    assert values["state"] == "IDLE"
    assert values["programs"]["A1"]["amplitude_ua"] == 0
    assert values["authentication"] == "DEVELOPMENT KEY"
    assert "devkey" in values["identity"]["build"]
    # The handshake has taken a little; what is left is rounded down.
    assert (values["battery"], values["battery_percent"]) == ("NORMAL", 99.9)
    assert values["battery_mv"] == 3199
    status, shown, _ = call(capsys, "status", "--device", "sim://dbs")
    assert status == 0
    assert "program A1" in shown
    assert "{" not in shown


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "device.key"
    path.write_text(bytes(range(32)).hex(), "ascii")
    path.chmod(0o600)
    return path


def test_a_key_comes_from_a_file_or_the_environment(
    key_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sim://dbs?key={key_file}"
    values = call_json(capsys, "status", "--device", url, "--key", str(key_file))
    assert values["authentication"] == "signed"
    monkeypatch.setenv("STIMLOOP_KEY", bytes(range(32)).hex())
    assert call_json(capsys, "status", "--device", url) == values
    monkeypatch.delenv("STIMLOOP_KEY")
    status, out, err = call(capsys, "status", "--device", url)
    assert (status, out) == (1, "")
    assert "does not accept this key" in err
    assert len(err.strip().splitlines()) == 1


def test_stop_reads_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(
        capsys, "stop", "--device", "sim://dbs", "--key", str(tmp_path / "lost.key")
    )
    assert status == 0
    assert out.startswith("stopped: IDLE")


def test_a_run_says_what_protected_the_link_and_how_well_the_clocks_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prescription_file: Callable[..., Path]
) -> None:
    out = str(tmp_path / "record")
    status, told, _ = call(
        capsys, "run", str(prescription_file()), "--device", "sim://dbs", "--seconds", "1",
        "--out", out,
    )  # fmt: skip
    assert status == 0
    assert "DEVELOPMENT KEY" in told
    clock = json.loads((tmp_path / "record" / "session.json").read_text("utf-8"))["clock"]
    assert 0 < clock["bound_us"] < 1e6
    assert call(capsys, "report", out)[0] == 0
    page = (tmp_path / "record" / "report.html").read_text("utf-8")
    assert "Link: DEVELOPMENT KEY." in page


def test_impedance_prints_the_matrix_of_the_lead(capsys: pytest.CaptureFixture[str]) -> None:
    values = call_json(capsys, "impedance", "--device", "sim://dbs")
    assert values["contacts"] == ["0", "1", "2", "3", "case"]
    assert len(values["pairs"]) == 10
    assert values["pairs"][-1] == {
        "first": "3", "second": "case", "resistance_ohm": 1014, "capacitance_nf": 1368,
        "open": False, "short": False,
    }  # fmt: skip
    status, out, _ = call(capsys, "impedance", "--device", "sim://dbs")
    assert status == 0
    assert "1820 / 0.97" in out
    assert "not a medical device" in out


def test_the_matrix_for_people_names_what_is_open_and_what_is_short(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pair = {"resistance_ohm": 19, "capacitance_nf": 0, "open": False, "short": True}
    print_matrix(
        {
            "current_ua": 400,
            "width_us": 200,
            "contacts": ["0", "1", "case"],
            "pairs": [
                {**pair, "first": "0", "second": "1"},
                {**pair, "first": "0", "second": "case", "short": False, "open": True},
            ],
        }
    )
    out = capsys.readouterr().out
    assert "short, 19" in out
    assert "open" in out


def test_devices_lists_ports_profiles_and_drivers(capsys: pytest.CaptureFixture[str]) -> None:
    values = call_json(capsys, "devices")
    assert "sim://dbs" in values["profiles"]
    assert values["drivers"] == ["sl1", "pulsepal", "stimjim", "cyton"]


BAD_PRESCRIPTIONS = [
    (("amplitude_ma = 3.0", "amplitude_ma = true"), "stimulation.amplitude_ma"),
    (("amplitude_ma = 3.0", "amplitude_ma = nan"), "stimulation.amplitude_ma"),
    (("amplitude_ma = 3.0", "amplitude_ma = 26.0"), "stimulation.amplitude_ma"),
    (("amplitude_ma = 3.0", "amplitude_ma = 3.05"), "stimulation.amplitude_ma"),
    (("pulse_width_us = 60", "pulse_width_us = 65"), "stimulation.pulse_width_us"),
    (("rate_hz = 130.0", "rate_hz = 300.0"), "stimulation.rate_hz"),
    (("smooth_ms", "smoth_ms"), "smooth_ms"),
    (("[17.0, 23.0]", "[17.0, 200.0]"), "detector.band_hz"),
    (('["case"]', '["1"]'), "stimulation.anodes"),
    (("schema = 1", "schema = 2"), "schema 2 is newer"),
    (("schema = 1", "schema = "), "line 1"),
    (("threshold_uv = 3.0\n", ""), "threshold_uv"),
]


@pytest.mark.parametrize(("change", "named"), BAD_PRESCRIPTIONS)
def test_a_bad_prescription_is_refused_by_the_name_of_its_field_and_nothing_is_written(
    change: tuple[str, str],
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    prescription_file: Callable[..., Path],
) -> None:
    status, out, err = call(
        capsys, "run", str(prescription_file(change)), "--device", "sim://dbs",
        "--out", str(tmp_path / "record"), "--json",
    )  # fmt: skip
    assert status == 1
    assert out == ""
    assert named in err
    assert not (tmp_path / "record").exists()


def test_too_much_charge_is_refused_with_the_charge_asked_and_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prescription_file: Callable[..., Path]
) -> None:
    path = prescription_file(
        ("amplitude_ma = 3.0", "amplitude_ma = 25.5"),
        ("pulse_width_us = 60", "pulse_width_us = 450"),
    )
    status, _, err = call(
        capsys, "run", str(path), "--device", "sim://dbs", "--out", str(tmp_path / "record")
    )
    assert status == 1
    assert "11475 nC" in err
    assert "1795 nC" in err
    assert "amplitude_ma" in err
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sim://dsb", "did you mean 'dbs'"),
        ("sim://dbs?patient=default2", "default"),
        ("sim://dbs?sed=1", "did you mean 'seed'"),
        ("sim://dbs?seed=x", "whole number"),
        ("sim://dbs?recording=/nowhere.npy&rate=1000", "/nowhere.npy"),
        ("sim://dbs?fs=300", "250, 500, 1000"),
        ("sim://dbs?key=/nowhere.key", "the key file /nowhere.key cannot be read"),
        ("sim://dbs?build=odd", "use build=signed or build=unsigned"),
        ("sim://dbs?build=unsigned&key=x", "key= protects nothing"),
        ("/dev/nowhere", "cannot open /dev/nowhere"),
        ("pulspal+/dev/ttyACM0", "driver 'pulspal' is unknown"),
        ("nonsense://x", "nonsense"),
    ],
)
def test_a_bad_device_is_refused_in_one_sentence(
    url: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    prescription_file: Callable[..., Path],
) -> None:
    status, out, err = call(capsys, "run", str(prescription_file()), "--device", url)
    assert status == 1
    assert out == ""
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


def test_a_record_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prescription_file: Callable[..., Path]
) -> None:
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "mine").write_text("precious")
    status, _, err = call(
        capsys, "run", str(prescription_file()), "--device", "sim://dbs",
        "--seconds", "1", "--out", str(tmp_path / "record"),
    )  # fmt: skip
    assert status == 1
    assert "not empty" in err
    assert (tmp_path / "record" / "mine").read_text() == "precious"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("run",),
        ("run", "x.toml"),
        ("demo", "--seconds", "-1"),
        ("demo", "--seed", "one"),
        ("detect", "x.npy", "--order", "9"),
        ("status", "--device", "sim://dbs", "--loud"),
    ],
)
def test_wrong_usage_exits_with_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = call(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert "usage:" in err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.npy", b""),
        ("noise.npy", bytes(range(256)) * 4),
        ("text.csv", b"not,a\nnumber,at all\n"),
        ("wrong.vhdr", b"this is no header"),
        ("what.xyz", b"1 2 3"),
    ],
)
def test_an_unreadable_recording_is_refused_by_its_name(
    name: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    status, out, err = call(capsys, "detect", str(path), "--rate", "1000")
    assert status == 1
    assert out == ""
    assert name in err
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_crash(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "stimloop", "protocol", "--markdown"]
    with os.fdopen(write_end, "wb") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, check=False, cwd=tmp_path
        )
    assert b"Traceback" not in done.stderr
