"""A port that does not open is told in one sentence, with what to do about it."""

from __future__ import annotations

import errno
import os
import tty
from typing import TYPE_CHECKING, NoReturn

import pytest
import serial

from stimloop_hw.errors import LinkError
from stimloop_hw.ports import driver_of, open_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal() -> Iterator[str]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_url_names_its_driver_or_is_of_ours() -> None:
    assert driver_of("/dev/ttyACM0") == ("sl1", "/dev/ttyACM0")
    assert driver_of("pulsepal+socket://rig:4000") == ("pulsepal", "socket://rig:4000")
    assert driver_of("socket://rig+a:4000") == ("sl1", "socket://rig+a:4000")


def test_a_port_that_is_not_there_is_told_with_where_ports_are_listed() -> None:
    with pytest.raises(LinkError, match="stimloop devices lists the ports"):
        open_port("/dev/nowhere")


def test_a_port_in_use_is_told_with_who_can_name_its_holder(terminal: str) -> None:
    port = open_port(terminal)
    with pytest.raises(LinkError, match="another program holds it"):
        open_port(terminal)
    port.close()


def test_no_permission_is_told_with_group_and_udev_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(_self: serial.Serial) -> NoReturn:
        raise serial.SerialException(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serial.Serial, "open", forbidden)
    with pytest.raises(LinkError, match=r"usermod -aG dialout.*udev rule"):
        open_port("/dev/ttyACM0")


def test_another_drivers_device_is_refused() -> None:
    with pytest.raises(LinkError, match="names driver 'pulsepal', and this is for 'sl1' only"):
        open_port("pulsepal+/dev/ttyACM0")
