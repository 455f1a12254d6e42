"""The rig for pytest: ``pytest -p stimloop.rig.plugin --device URL``.

A test that takes `session` gets the device under test with its output off, before and after;
one that takes `obligation` besides is run once for each of them::

    def test_the_device_keeps_its_obligations(session, obligation):
        if lacking := session.lacks(obligation):
            pytest.skip(f"cannot: {lacking}")
        session.ask(obligation)

`--device` may be repeated, and is ``sim://dbs`` if not given. Resistor or saline loads only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.rig.conduct import AnySession
    from stimloop.rig.session import RigSession
    from stimloop.rig.witness import Witness
    from stimloop_hw.link import Link


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which device, and who watches it."""
    group = parser.getgroup("stimloop")
    group.addoption(
        "--device",
        action="append",
        metavar="URL",
        help="device under test, may be repeated (default: sim://dbs)",
    )
    group.addoption("--witness", metavar="URL", help="where a witness tells its pulses")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every device and every obligation that is asked for."""
    if "device_url" in metafunc.fixturenames:
        urls = metafunc.config.getoption("--device") or ["sim://dbs"]
        metafunc.parametrize("device_url", urls)
    if "obligation" in metafunc.fixturenames:
        from stimloop.rig.conduct import selected  # noqa: PLC0415  plugins are loaded always

        metafunc.parametrize("obligation", selected(), ids=lambda asked: asked.name)


@pytest.fixture
def key() -> bytes:
    """The device's key: STIMLOOP_KEY, or the simulator's public one."""
    from stimloop_hw.keys import find_key  # noqa: PLC0415

    return find_key(None)


@pytest.fixture
def session(device_url: str, key: bytes, pytestconfig: pytest.Config) -> Iterator[AnySession]:
    """A session with the device; its output is off before and after."""
    from stimloop.rig.conduct import open_device  # noqa: PLC0415

    witness = pytestconfig.getoption("--witness")
    with open_device(device_url, key=key, witness=witness) as opened:
        yield opened


@pytest.fixture
def link(session: RigSession) -> Link:
    """The link of a session with an SL1 device."""
    return session.link


@pytest.fixture
def witness(session: AnySession) -> Witness:
    """Who saw its pulses; a test that needs one is skipped where nobody did."""
    found: Witness | None = getattr(session, "witness", None)
    if found is None:
        pytest.skip("cannot: no witness")
    return found
