"""A bad line in real time: in front of a port, on a tty and over TCP."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stimloop_hw.errors import LinkError, LinkLost
from stimloop_hw.link import Link
from stimloop_hw.vocabulary import State
from stimloop_sim.proxy import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.loop.conftest import Implant

EXAMPLES = Path(__file__).parents[2] / "examples" / "faults"
START_S = 30


@contextmanager
def impaired(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A proxy in a process of its own, and the name it gives itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "stimloop_sim.proxy", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def scenario(path: Path, *lines: str) -> str:
    file = path / "scenario.toml"
    file.write_text("\n".join(("schema = 1", "[[fault]]", *lines)), "utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("device", "client"), [("--pty", "--pty"), ("--tcp=127.0.0.1:0", "--tcp=127.0.0.1:0")]
)
def test_a_device_behind_a_slow_line_is_met_all_the_same_and_the_damage_is_told(
    implant: Callable[..., Implant], device: str, client: str
) -> None:
    faults = str(EXAMPLES / "slow_line.toml")
    with (
        implant("dbs", device) as (_, port),
        impaired("--device", port, "--faults", faults, client) as (process, name),
    ):
        with Link.open(name) as link:
            link.hello()
            link.stream(1, 250, 5)
            assert all(link.sensed() for _ in range(20))
            assert link.stop().state == State.IDLE
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=START_S)
        assert process.returncode == 0
        assert "to host: baud " in told


def test_a_plug_that_is_pulled_and_put_back_is_found_under_the_same_link(
    implant: Callable[..., Implant], tmp_path: Path
) -> None:
    faults = scenario(tmp_path, 'kind = "unplug"', "at_ms = 1500", "until_ms = 2000")
    link_path = str(tmp_path / "bad")
    with (
        implant("dbs", "--pty") as (_, port),
        impaired("--device", port, "--faults", faults, "--link", link_path) as (_, first),
    ):
        assert first
        with pytest.raises(LinkLost):
            _listen(link_path)
        with _opened(link_path) as link:
            assert link.hello()


def _listen(name: str) -> None:
    """Stream for as long as there is something."""
    with Link.open(name) as link:
        link.hello()
        link.stream(1, 250, 5)
        while link.sensed():
            pass


def _opened(name: str) -> Link:
    """The port, as soon as it is there again."""
    until_s = time.monotonic() + START_S
    while True:
        try:
            return Link.open(name)
        except LinkError:
            assert time.monotonic() < until_s
            time.sleep(0.05)


def test_an_implant_in_real_time_is_unplugged_on_schedule_and_comes_back(
    implant: Callable[..., Implant], tmp_path: Path
) -> None:
    faults = scenario(tmp_path, 'kind = "unplug"', "at_ms = 1000", "until_ms = 1500")
    with implant("dbs", "--tcp", "127.0.0.1:0", "--faults", faults) as (_, name):
        with pytest.raises(LinkLost):
            _listen(name)
        with _opened(name) as link:
            assert link.hello().boot == 1


@pytest.mark.parametrize(
    ("faults", "device", "sentence"),
    [
        ("hang", "/dev/null", "a fault of kind 'hang' strikes the device itself"),
        ("nothing", "/dev/null", "cannot be read"),
        ("stall", "/dev/no-such-tty", "cannot open"),
        ("stall", "sim://dbs", "give sim:// its scenario itself"),
    ],
)
def test_what_cannot_be_impaired_is_refused_in_a_sentence(
    faults: str, device: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--device", device, "--faults", str(EXAMPLES / f"{faults}.toml")]) == 1
    assert sentence in capsys.readouterr().err


def test_a_device_that_goes_ends_the_proxy(implant: Callable[..., Implant]) -> None:
    faults = str(EXAMPLES / "stall.toml")
    with (
        implant("dbs", "--pty") as (process, port),
        impaired("--device", port, "--faults", faults) as (proxy, _),
    ):
        process.terminate()
        _, told = proxy.communicate(timeout=START_S)
        assert proxy.returncode == 1
        assert "is gone" in told
