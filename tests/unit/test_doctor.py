"""The doctor: what a machine lacks is named, with what to do about it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from stimloop.cli import main
from stimloop.rig import doctor
from stimloop.rig.doctor import State

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def timer(root: Path, value_ms: int) -> Path:
    path = root / "sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
    path.parent.mkdir(parents=True)
    path.write_text(f"{value_ms}\n", "ascii")
    return path


def test_a_slow_latency_timer_is_told_with_its_file_and_set_only_if_asked(
    tmp_path: Path,
) -> None:
    path = timer(tmp_path, 16)
    (told,) = doctor.latency_timers(tmp_path)
    assert (told.what, told.state) == ("/dev/ttyUSB0", State.CONCERN)
    assert "16 ms" in told.said
    assert str(path) in told.remedy
    assert path.read_text("ascii") == "16\n"
    (fixed,) = doctor.latency_timers(tmp_path, fix=True)
    assert (fixed.state, fixed.said) == (State.GOOD, "latency timer was 16 ms, is 1 ms now")
    (good,) = doctor.latency_timers(tmp_path)
    assert (good.state, good.remedy) == (State.GOOD, "")


def test_a_port_that_this_user_may_not_open_is_told_with_the_udev_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = tmp_path / "ttyACM0"
    port.touch()
    assert [found.state for found in doctor.ports([str(port)])] == [State.GOOD]
    monkeypatch.setattr(os, "access", lambda *_: False)
    (told,) = doctor.ports([str(port)])
    assert told.state is State.BAD
    assert "dialout" in told.remedy
    assert "udev" in told.remedy
    (none,) = doctor.ports([])
    assert none.state is State.CONCERN


def test_a_program_that_grabs_ports_is_named(tmp_path: Path) -> None:
    for number, name in (("1", "init"), ("77", "ModemManager")):
        (tmp_path / "proc" / number).mkdir(parents=True)
        (tmp_path / "proc" / number / "comm").write_text(f"{name}\n", "utf-8")
    (told,) = doctor.grabbers(tmp_path)
    assert told.what == "ModemManager"
    assert "ID_MM_DEVICE_IGNORE" in told.remedy


def test_a_missing_library_of_qt_is_told_with_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(doctor.QT_LIBRARIES, "libnone.so.9", "libnone9")
    *_, told = doctor.qt(["libnone.so.9"])
    assert told.state is State.CONCERN
    assert "apt-get install libnone9" in told.remedy
    *_, good = doctor.qt(["libc.so.6"])
    assert good.state is State.GOOD


def test_real_time_priority_that_is_not_allowed_is_told_and_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = os.sched_getscheduler(0)
    doctor.priority()
    assert os.sched_getscheduler(0) == before

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    told = doctor.priority()
    assert told.state is State.CONCERN
    assert "limits.d" in told.remedy


def test_a_processor_that_saves_power_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    assert list(doctor.processor(tmp_path)) == []
    path.parent.mkdir(parents=True)
    for governor, state in (("powersave", State.CONCERN), ("performance", State.GOOD)):
        path.write_text(governor, "ascii")
        (told,) = doctor.processor(tmp_path)
        assert told.state is state


def test_a_device_that_does_not_answer_is_bad_and_ends_the_command_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor", "--json", "--device", "/dev/there_is_none"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    by_name = {found["what"]: found for found in findings}
    assert by_name["sim://dbs"]["state"] == "good"
    assert by_name["/dev/there_is_none"]["state"] == "bad"
    assert "check the name" in by_name["/dev/there_is_none"]["remedy"]
    for found in findings:
        assert found["state"] == "good" or found["remedy"]


def test_for_people_every_remedy_stands_below_its_finding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["doctor"])
    assert "sim://dbs: answers as SIM-DBS" in capsys.readouterr().out
