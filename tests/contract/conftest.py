"""A device on any port: the suite that simulator and hardware both have to pass.

``pytest tests/contract --device /dev/ttyACM0`` runs it on another device than ``sim://dbs``.
Resistor or saline loads only; it stimulates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stimloop_hw.keys import find_key
from stimloop_hw.link import Link
from stimloop_hw.program import CASE, Mode, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_hw.messages import Limits


@pytest.fixture
def key() -> bytes:
    """The device's key: STIMLOOP_KEY, or the simulator's public one."""
    return find_key(None)


@pytest.fixture
def link(device_url: str, key: bytes) -> Iterator[Link]:
    """A session with the device; its output is off before and after."""
    with Link.open(device_url, key=key) as opened:
        opened.hello()
        opened.stop()
        yield opened
        opened.stop()


@pytest.fixture
def limits(link: Link) -> Limits:
    """What the device says of itself."""
    return link.limits()


@pytest.fixture
def program(limits: Limits) -> Program:
    """A gentle program well inside the device's limits: ten steps of amplitude."""
    step_ua = limits.amplitude_step_ua
    top_ua = min(10 * step_ua, limits.amplitude_max_ua // step_ua * step_ua)
    period_us = max(10_000, limits.period_min_us) // limits.period_step_us
    return Program(
        mode=Mode.TRAIN,
        amplitude_min_ua=0,
        amplitude_max_ua=top_ua,
        width_us=max(60, limits.width_min_us) // limits.width_step_us * limits.width_step_us,
        period_min_us=period_us * limits.period_step_us,
        period_max_us=2 * period_us * limits.period_step_us,
        slew_ua_s=min(10 * top_ua, limits.slew_max_ua_s),
        fallback_ua=0,
        cathodes=1,
        anodes=CASE,
    )
