"""The simulated implant in a process of its own: a kernel tty, TCP, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from stimloop_hw.errors import LinkLost, WrongKey
from stimloop_hw.link import Link
from stimloop_hw.vocabulary import Build, State
from stimloop_sim.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_S = 30
"""Patience with a loaded machine; nothing is asserted about it."""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "stimloop_sim", *arguments]


@contextmanager
def device(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A device process and the name it gives itself."""
    with subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def while_samples_come(link: Link) -> None:
    while link.sensed():
        pass


def ends(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(START_S)


@pytest.mark.parametrize("query", ["dbs", "dbs?seed=2"])
def test_a_simulated_device_may_have_a_key_of_its_own_or_none(
    query: str, tmp_path: Path
) -> None:
    path = tmp_path / "device & key"
    path.write_text(bytes(range(32)).hex(), "ascii")
    path.chmod(0o600)
    with device(query, "--key", str(path)) as (_, name):
        with Link.open(name, key=bytes(range(32))) as link:
            assert Build(link.hello().build).authentication == "signed"
        with Link.open(name) as link, pytest.raises(WrongKey):
            link.hello()
    with device(query, "--unsigned") as (_, name), Link.open(name) as link:
        assert Build(link.hello().build).authentication == "UNSIGNED"


@pytest.mark.parametrize(("query", "fs_hz", "block"), [("", 250, 5), ("?fs=1000", 1000, 20)])
@pytest.mark.parametrize("where", ["pty", "tcp"])
def test_no_sample_is_lost_over_a_real_port(
    where: str, query: str, fs_hz: int, block: int
) -> None:
    arguments = ["--pty"] if where == "pty" else ["--tcp", "127.0.0.1:0"]
    with device("dbs" + query, *arguments) as (process, name):
        assert name.startswith("/dev/" if where == "pty" else "socket://127.0.0.1:")
        with Link.open(name) as link:
            link.hello()
            limits = link.limits()
            assert (limits.sense_rate_hz, limits.sense_block) == (fs_hz, block)
            link.stream(1, fs_hz, block)
            seconds = 3 if where == "pty" else 1
            blocks = [b for _ in range(seconds * fs_hz // block) if (b := link.sensed())]
            assert link.stop().state == State.IDLE
            assert (link.blocks.lost_samples, link.damaged) == (0, 0)
        for before, after in pairwise(blocks):
            assert after.first_index - before.first_index == block
            assert after.t_us - before.t_us == block * 1_000_000 // fs_hz
        assert ends(process) == 0


@pytest.mark.parametrize("where", ["pty", "tcp"])
def test_a_client_comes_and_goes_and_the_next_finds_the_same_device(where: str) -> None:
    arguments = ["--pty"] if where == "pty" else ["--tcp", "127.0.0.1:0"]
    heard_us = 0
    with device("dbs", *arguments) as (process, name):
        for _ in range(3):
            with Link.open(name) as link:
                link.hello()
                link.stream(1, 250, 5)
                assert link.sensed()
                assert link.t_us > heard_us
                heard_us = link.t_us
        assert ends(process) == 0


def test_sigterm_removes_the_link_and_ends_well(tmp_path: Path) -> None:
    link = tmp_path / "implant"
    with device("dbs", "--pty", "--link", str(link)) as (process, name):
        assert str(link.readlink()) == name
        with Link.open(str(link)) as opened:
            opened.hello()
        assert ends(process) == 0
        assert not link.is_symlink()


def test_an_old_link_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "implant"
    link.symlink_to("/dev/no-such-tty")
    with device("dbs", "--pty", "--link", str(link)) as (process, name):
        assert str(link.readlink()) == name
        assert ends(process) == 0


def test_a_file_in_the_links_place_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "implant"
    link.write_text("precious")
    assert main(["dbs", "--link", str(link)]) == 1
    assert "File exists" in capsys.readouterr().err
    assert link.read_text() == "precious"


@pytest.mark.parametrize("where", ["pty", "tcp"])
def test_a_device_that_is_killed_is_a_lost_link(where: str) -> None:
    arguments = ["--pty"] if where == "pty" else ["--tcp", "127.0.0.1:0"]
    with device("dbs", *arguments) as (process, name), Link.open(name) as link:
        link.hello()
        link.stream(1, 250, 5)
        assert link.sensed()
        process.kill()
        process.wait(START_S)
        with pytest.raises(LinkLost):
            while_samples_come(link)


def test_a_second_tcp_client_does_not_disturb_the_first() -> None:
    with device("dbs", "--tcp", "127.0.0.1:0") as (process, name), Link.open(name) as link:
        link.hello()
        link.stream(1, 250, 5)
        assert link.sensed()
        port = int(name.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), START_S) as second:
            second.sendall(b"hello? hello?\0")
            for _ in range(50):
                assert link.sensed()
        for _ in range(10):
            assert link.sensed()
        assert link.blocks.lost_samples == 0
        assert link.stop().state == State.IDLE
        assert ends(process) == 0


def test_a_wrong_profile_ends_with_1_and_one_line() -> None:
    refused = subprocess.run(
        command("dbx"),
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "did you mean 'dbs'?" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dbs?seeed=1"], "did you mean 'seed'?"),
        (["dbs", "--link", "/no/such/folder/link"], "/no/such/folder/link"),
        (["dbs", "--tcp", "192.0.2.1:1"], "Cannot assign requested address"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert says in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["dbs", "--tcp", "127.0.0.1"],
        ["dbs", "--tcp", "127.0.0.1:99999"],
        ["dbs", "--tcp", "127.0.0.1:0", "--pty"],
    ],
)
def test_a_wrong_command_line_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "--tcp" in capsys.readouterr().err
