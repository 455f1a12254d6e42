"""Without Qt: what is missing is told, and nothing of the loop needs it."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from stimloop.app.prerequisites import LIBRARIES, missing


def test_qt_can_be_used_here_or_the_tests_of_the_window_are_left_out() -> None:
    if missing():
        pytest.skip(missing())


def test_the_loop_and_the_command_line_never_import_qt() -> None:
    code = (
        "import sys, stimloop, stimloop.cli, stimloop.commands, stimloop.demo, stimloop.run, "
        "stimloop.station.server, stimloop.session, stimloop.report; "
        "print([name for name in sys.modules if name.startswith(('PySide6', 'pyqtgraph'))])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "PySide6", None)
    monkeypatch.delitem(sys.modules, "PySide6.QtWidgets", raising=False)
    assert "pip install 'stimloop[app]'" in missing()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_missing_library_is_named_with_its_debian_package(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_name: str) -> None:
        raise ImportError(f"{library}.1: cannot open shared object file: No such file")

    monkeypatch.setattr(importlib, "import_module", fail)
    said = missing()
    assert library in said
    assert f"apt-get install {LIBRARIES[library]}" in said


def test_without_a_screen_the_program_says_so_and_ends() -> None:
    if missing():
        pytest.skip(missing())
    answer = subprocess.run(
        [sys.executable, "-m", "stimloop", "app"],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "there is no screen" in answer.stderr
