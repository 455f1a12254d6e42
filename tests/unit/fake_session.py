"""A session that never was: writes a record as the loop would, from arithmetic alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tests import device

from stimloop.recorder import Recorder
from stimloop.step import Latency, Step
from stimloop_hw import Block
from stimloop_hw.messages import (
    Identity,
    Setpoint,
    Status,
)
from stimloop_hw.vocabulary import Refusal, SensedFlag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATE_HZ, COUNT, TICK_US = 250, 5, 20_000
WIDTH_US, PERIOD_US, AMPLITUDE_UA = 60, 7690, 3000

LIMITS = replace(device.LIMITS, sense_channels=2)
IDENTITY = Identity(
    version=1,
    build=5,
    reset_cause=0,
    model=b"SIM-DBS".ljust(16, b"\0"),
    firmware=100,
    device_id=0x53_0001,
    table_crc=0x1234ABCD,
    limits_crc=0x00C0FFEE,
    boot=1,
    nonce=bytes(range(200, 216)),
)
PRESCRIPTION = """\
schema = 1
name = "a <fake> session"

[stimulation]
amplitude_ma = 3.0
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 12.0
cathodes = ["1"]
anodes = ["case"]

[detector]
band_hz = [15.0, 21.0]
THRESHOLD
[controller]
kind = "on_off"
"""
CAPTURED = PRESCRIPTION.replace("THRESHOLD", "[capture]\nseconds = 5\npercentile = 50\n")
PRESCRIBED = PRESCRIPTION.replace("THRESHOLD", "threshold_uv = 6.5\n")


def session(**changes: object) -> dict[str, Any]:
    """What `run_session` would say of the session."""
    return {
        "url": "sim://dbs?seed=7",
        "identity": IDENTITY,
        "limits": LIMITS,
        "prescription": CAPTURED,
        "seeds": {"patient": 7},
        "utc": "2026-03-01T09:30:00+00:00",
        "device_us": 1_000_000,
        "tick_us": TICK_US,
        "rate_hz": RATE_HZ,
        "channels": 1,
        **changes,
    }


def block(k: int, *, stim: bool = False, lost: int = 0) -> Block:
    """Tick k's samples: 18 Hz whose amplitude waxes and wanes every two seconds, and noise."""
    t_s = (np.arange(COUNT) + k * COUNT) / RATE_HZ
    noise = np.random.default_rng(k).standard_normal(COUNT)
    uv = 10 * (1.2 + np.sin(math.pi * t_s)) * np.sin(2 * math.pi * 18 * t_s) + 3 * noise
    flags = SensedFlag.STIM if stim else 0
    nv = (1000 * uv).astype("<i4").tobytes()
    return Block(k * COUNT, 1_000_000 + k * TICK_US, 1, COUNT, int(flags), nv, lost)


def step(k: int, *, on: bool) -> Step:
    """Tick k's decision: 3 mA while the level is above 10 µV, from the start on."""
    level = 10 * (1 + math.sin(math.pi * k * TICK_US / 1e6))
    ua = AMPLITUDE_UA if on else 0
    t_us = 1_000_000 + k * TICK_US
    return Step(k * COUNT + 4, t_us, level, on, 0, 0, ua, PERIOD_US, ua, PERIOD_US, 0, k + 1)


def status(t_us: int, pulses: int, amplitude_ua: int) -> Status:
    """What the device would say after so many pulses of `AMPLITUDE_UA`."""
    return Status(
        t_us=t_us,
        state=4,
        faults=0,
        program_crc=7,
        group=0,
        last_sp=0,
        setpoint_ua=amplitude_ua,
        amplitude_ua=amplitude_ua,
        delivered_ua=amplitude_ua,
        period_us=PERIOD_US,
        pulses=pulses,
        lead=0,
        programmed_nc=pulses * AMPLITUDE_UA * WIDTH_US // 1000,
        delivered_nc=pulses * AMPLITUDE_UA * WIDTH_US // 1000,
        net_fc=pulses,
        i2t_ua2_us=pulses * AMPLITUDE_UA**2 * WIDTH_US,
        lease_left_ms=1900,
        received=0,
        damaged=0,
        foreign=0,
        bad_tags=0,
        repeated=0,
        stale=0,
        refused=0,
        samples_dropped=0,
    )


def latency(k: int) -> Latency:
    """Tick k's latency: 10, 20, ... µs, the same every hundred ticks."""
    read, decode, detect, control, govern, write = (
        1000 * (k % 100 + 10 * stage) for stage in range(1, 7)
    )
    total = decode + detect + control + govern + write
    return Latency(read, decode, detect, control, govern, write, total)


def write(
    directory: Path,
    *,
    ticks: int = 1000,
    capture: int = 250,
    duty: float = 0.5,
    **changes: object,
) -> None:
    """Write a whole session: `capture` ticks of sensing, then therapy with this duty cycle."""
    with Recorder.create(directory, session(**changes)) as recorder:
        for k in tells(recorder, ticks, capture, duty):
            recorder.latency(k, latency(k))


def tells(recorder: Recorder, ticks: int, capture: int, duty: float) -> Iterator[int]:
    """Write tick by tick, leaving latency to the caller."""
    pulses_us = 0
    for k in range(ticks):
        t_us = 1_000_000 + k * TICK_US
        if k == capture:
            recorder.event(k, t_us, "captured", detail=6_500, text="threshold 6.5 µV")
            recorder.event(k, t_us, "operator", text="start")
        on = k >= capture and (k - capture) % 100 < 100 * duty
        if k % 5 == 0:
            recorder.status(k, status(t_us, pulses_us // PERIOD_US, AMPLITUDE_UA * on))
        pulses_us += TICK_US * on
        recorder.sensed(block(k, stim=on, lost=2 if k == capture + 10 else 0))
        recorder.step(step(k, on=on))
        if k == capture + 20:
            recorder.event(
                k, t_us, "refused", order=Setpoint.number, code=Refusal.EXPIRED, detail=900
            )
        yield k
