"""Every obligation of the rig: ``pytest tests/contract --device /dev/ttyACM0``.

On ``sim://dbs`` if no device is given. Resistor or saline loads only; it stimulates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stimloop.rig.obligation import Obligation
    from stimloop.rig.session import RigSession


def test_the_device_keeps_its_obligation(session: RigSession, obligation: Obligation) -> None:
    if lacking := session.lacks(obligation):
        pytest.skip(f"cannot: {lacking}")
    session.ask(obligation)
