"""What a sim:// URL may say, and virtual time behind a pyserial port."""

from __future__ import annotations

import re
from time import monotonic_ns
from typing import TYPE_CHECKING

import numpy as np
import pytest
import serial

from stimloop_hw.errors import LinkError
from stimloop_hw.framing import wire_size
from stimloop_hw.link import Link
from stimloop_hw.messages import Sensed
from stimloop_sim import protocol_sim
from stimloop_sim.bench import KEYS, Bench

if TYPE_CHECKING:
    from pathlib import Path


def opened(url: str = "sim://dbs", timeout: float | None = 0.05) -> protocol_sim.Serial:
    port = serial.serial_for_url(url, timeout=timeout)
    assert isinstance(port, protocol_sim.Serial)
    return port


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sim://dbx", "did you mean 'dbs'?"),
        ("sim://nothing-like-it", "known are: dbs"),
        ("sim://dbs?seeed=1", "did you mean 'seed'?"),
        ("sim://dbs?xyz=1", f"known are: {', '.join(KEYS)}"),
        ("sim://dbs?patient=tremorr", "patient"),
        ("sim://dbs?seed", "needs a value: write seed=VALUE"),
        ("sim://dbs?seed=", "needs a value"),
        ("sim://dbs?seed=1&seed=2", "stands twice"),
        ("sim://dbs?seed=-1", "seed has to be a whole number"),
        ("sim://dbs?fs=123", "fs has to be one of 250, 500, 1000"),
        ("sim://dbs?pace=fast", "use pace=free or pace=real"),
        ("sim://dbs?block_ms=0", "block_ms has to be a whole number"),
        ("sim://dbs?block_ms=3", "multiple of 4 ms"),
        ("sim://dbs?fs=1000&block_ms=500", "choose block_ms accordingly"),
        ("sim://dbs?channel=1", "add recording=PATH"),
        ("sim://dbs?recording=/no/such.npy&rate=250", "no recording"),
        ("sim://dbs?recording=a.npy&patient=default", "exclude each other"),
        ("sim://dbs?recording=a.npy&rate=zero", "rate has to be a positive number"),
    ],
)
def test_what_there_is_not_is_refused_in_one_sentence(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        Bench.of_url(url)
    assert "\n" not in str(refused.value)
    with pytest.raises(LinkError) as failed:
        Link.open(url)
    assert says in str(failed.value)
    assert "\n" not in str(failed.value)


def test_values_are_percent_encoded(tmp_path: Path) -> None:
    path = tmp_path / "a & b=c.npy"
    np.save(path, np.zeros(10))
    quoted = str(path).replace(" ", "%20").replace("&", "%26").replace("=", "%3D")
    bench = Bench.of_url(f"sim://dbs?recording={quoted}&rate=250")
    assert bench.firmware.front_end.source.remaining == 10


@pytest.mark.parametrize(
    ("query", "fs_hz", "block"),
    [("", 250, 5), ("fs=1000", 1000, 20), ("fs=500&block_ms=2", 500, 1)],
)
def test_rate_and_block_are_as_the_url_says(query: str, fs_hz: int, block: int) -> None:
    front_end = Bench.of_url(f"sim://dbs?{query}").firmware.front_end
    assert (front_end.source.fs_hz, front_end.block) == (fs_hz, block)


def test_the_same_seed_gives_the_same_samples_and_another_one_others() -> None:
    streams = []
    for seed in (7, 7, 8):
        with Link.open(f"sim://dbs?seed={seed}") as link:
            link.hello()
            link.stream(1, 250, 5)
            blocks = [link.sensed() for _ in range(20)]
            streams.append(b"".join(block.samples_nv for block in blocks if block))
    assert streams[0] == streams[1] != streams[2]


def test_reading_makes_time_pass_and_the_timeout_is_virtual() -> None:
    port = opened(timeout=3600.0)
    began_ns = monotonic_ns()
    assert port.read(1) == b""
    assert port.bench.firmware.now_us == 3_600_000_000
    assert monotonic_ns() - began_ns < 3_600_000_000_000
    port.close()


def test_neither_writing_nor_looking_makes_time_pass() -> None:
    port = opened()
    port.write(b"\0noise\0")
    assert port.in_waiting == 0
    port.flush()
    port.timeout = 0
    assert port.read(100) == b""
    assert port.bench.firmware.now_us == 0
    port.close()


def test_a_read_gives_no_more_than_was_asked_for_and_keeps_the_rest() -> None:
    with Link.open("sim://dbs") as link:
        link.hello()
        link.stream(1, 250, 5)
        port = link.port
        frame = wire_size(Sensed.layout.size + 20)
        whole = b"".join(port.read(1) for _ in range(frame))
        assert len(whole) == frame
        waiting = port.in_waiting
        assert len(port.read(waiting)) == waiting
        assert port.in_waiting == 0


def test_a_read_without_a_timeout_waits_for_its_bytes() -> None:
    port = opened(timeout=None)
    link = Link(port)
    link.hello()
    link.stream(1, 250, 5)
    assert len(port.read(5000)) == 5000
    port.close()


def test_a_closed_port_is_read_and_written_no_more() -> None:
    port = opened()
    port.close()
    for use in (lambda: port.read(1), lambda: port.write(b"x"), lambda: port.in_waiting):
        with pytest.raises(serial.PortNotOpenError):
            use()


def test_an_open_port_is_not_opened_again() -> None:
    port = opened()
    with pytest.raises(serial.SerialException, match="open already"):
        port.open()
    port.close()


def test_at_real_pace_virtual_time_never_runs_ahead_of_the_wall_by_more_than_a_block() -> None:
    began_ns = monotonic_ns()
    port = opened("sim://dbs?pace=real")
    for _ in range(10):
        port.read(1)
        ahead_us = port.bench.firmware.now_us - (monotonic_ns() - began_ns) // 1000
        assert ahead_us <= port.bench.block_us
    assert port.bench.firmware.now_us >= 10 * port.bench.block_us
    port.close()


def test_time_passes_up_to_a_given_time_in_whole_samples() -> None:
    bench = Bench.of_url("sim://dbs")
    bench.advance_to(10_000)
    assert bench.firmware.now_us == 8000
    bench.advance_to(5000)
    assert bench.firmware.now_us == 8000
    bench.advance_block()
    assert bench.firmware.now_us == 20_000
