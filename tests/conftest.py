"""What tests share: deterministic examples, the sim:// URL, the device under contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import serial
from hypothesis import settings

if TYPE_CHECKING:
    import pytest

if "stimloop_sim" not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append("stimloop_sim")

settings.register_profile("stimloop", derandomize=True, deadline=None, print_blob=False)
settings.load_profile("stimloop")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device",
        action="append",
        metavar="URL",
        help="device for the contract suite, may be repeated (default: sim://dbs)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device_url" in metafunc.fixturenames:
        urls = metafunc.config.getoption("--device") or ["sim://dbs"]
        metafunc.parametrize("device_url", urls)
