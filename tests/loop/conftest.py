"""What tests of whole loops share: prescriptions, recordings, implants of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOML = """\
schema = 1
name = "test"

[stimulation]
amplitude_ma = 3.0
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 12.0
cathodes = ["1"]
anodes = ["case"]

[detector]
band_hz = [17.0, 23.0]
smooth_ms = 400
threshold_uv = 3.0

[controller]
kind = "on_off"
"""


@pytest.fixture
def prescription_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a prescription, with (old, new) replacements."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = TOML
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "prescription.toml"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture
def recordings() -> Path:
    """Folder of the public recordings."""
    folder = os.environ.get("STIMLOOP_RECORDINGS")
    if not folder:
        pytest.skip("STIMLOOP_RECORDINGS is not set: see docs/DATA.md")
    return Path(folder)


Implant = AbstractContextManager[tuple["subprocess.Popen[str]", str]]


@contextmanager
def _implant(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "stimloop_sim", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def implant() -> Callable[..., Implant]:
    """Context manager: a simulated implant in a process of its own, and its port."""
    return _implant
