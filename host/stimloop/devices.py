"""Devices outside a session: what there is, what one says of itself, and how to stop it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from serial.tools import list_ports

from stimloop_hw import Link, LinkError
from stimloop_hw.drivers import is_generator, open_generator
from stimloop_hw.groups import PROGRAMS, group_name, outputs_of, place_name
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import BatteryState, GetBattery
from stimloop_hw.ports import DRIVERS
from stimloop_hw.vocabulary import Build, Fault, Lead, Role, State, Supply


def available() -> dict[str, list[str]]:
    """Ports of this machine, profiles of the simulator, drivers."""
    return {
        "ports": sorted(port.device for port in list_ports.comports()),
        "profiles": _profiles(),
        "drivers": list(DRIVERS),
    }


def _profiles() -> list[str]:
    """Profiles of the simulator, which is asked as a program: the host never imports it."""
    command = [sys.executable, "-m", "stimloop_sim", "--profiles"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return [f"sim://{name}" for name in answer.stdout.split()]


def describe(url: str, key: bytes = DEVELOPMENT_KEY) -> dict[str, Any]:
    """Ask a device what it is and what it is doing.

    Asking is an observer's: a therapy under way does not notice.

    Parameters
    ----------
    url : str
    key : bytes
        Pre-shared, 32 bytes.

    Returns
    -------
    dict
        ``state, authentication, t_us, group, programs, pulses, programmed_nc, delivered_nc,
        net_fc, lease_left_ms, faults, lead, battery, battery_percent, battery_mv, identity``.
        ``programs`` has ``setpoint_ua, amplitude_ua, delivered_ua`` of each program of the
        active group by its name, such as A1.

    Raises
    ------
    LinkError
        If it does not answer, or does not accept the key.
    """
    if is_generator(url):
        raise LinkError(
            f"{url} keeps no account that could be asked for: its firmware only takes orders; "
            "look at its display, or let stimloop stop end what it plays"
        )
    with Link.open(url, key=key) as link:
        identity = link.hello(Role.OBSERVER)
        status = link.status()
        battery = link.request(GetBattery(), BatteryState)
    return {
        "state": State(status.state).name,
        "authentication": Build(identity.build).authentication,
        "t_us": status.t_us,
        "group": group_name(status.group),
        "programs": {
            place_name(place): output._asdict()
            for place, output in enumerate(outputs_of(status), status.group * PROGRAMS)
        },
        "pulses": status.pulses,
        "programmed_nc": status.programmed_nc,
        "delivered_nc": status.delivered_nc,
        "net_fc": status.net_fc,
        "lease_left_ms": status.lease_left_ms,
        "battery": Supply(battery.stage).name,
        "battery_percent": battery.charge_permille / 10,
        "battery_mv": battery.voltage_mv,
        "faults": [fault.name for fault in Fault(status.faults)],
        "lead": [flag.name for flag in Lead(status.lead)],
        "identity": {
            "model": identity.model.rstrip(b"\0").decode("ascii", "replace"),
            "firmware": identity.firmware,
            "device_id": identity.serial,
            "boot": identity.boot,
            "table_crc": f"{identity.table_crc:08X}",
            "build": [flag.name.lower() for flag in Build(identity.build) if flag.name],
        },
    }


def stop_output(url: str) -> str:
    """Stop a device's output, also while another program holds the port.

    Parameters
    ----------
    url : str

    Returns
    -------
    str
        The device's acknowledgement in words.

    Raises
    ------
    LinkError
        If it cannot be reached, or does not acknowledge.
    """
    if is_generator(url):
        with open_generator(url, exclusive=False) as generator:
            return f"stopped: {generator.capability.name}, every output at 0 V"
    with Link.open(url, exclusive=False) as link:
        stopped = link.stop()
    return f"stopped: {State(stopped.state).name} at {stopped.t_us / 1e6:.3f} s of device time"
