"""What may be connected: simulated implants first, recordings as patients, ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from stimloop import devices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACE = "pace=real"
"""A simulated implant for people lives in real time."""
SUFFIXES = (".npy", ".csv", ".vhdr", ".edf")
"""Of recordings."""
STATED = (".vhdr", ".edf")
"""Formats that state their sampling rate."""
SEED = 7
_TITLES = {
    "dbs": "Demo patient, deep brain, four rings",
    "dbs-v": "Demo patient, deep brain, directional lead",
    "scs": "Demo patient, spinal cord",
    "drg": "Demo patient, dorsal root ganglion",
    "vns": "Demo patient, vagus nerve",
}


@dataclass(frozen=True, slots=True)
class Address:
    """One row of the list.

    Attributes
    ----------
    title, detail : str
        For people; the detail in English too.
    url : str
        ``[DRIVER+]URL``.
    """

    title: str
    detail: str
    url: str


def offered() -> Iterator[Address]:
    """Every address that this machine knows, the simulated ones first; takes a moment."""
    found = devices.available()
    names = [url.removeprefix("sim://") for url in found["profiles"]]
    for name in sorted(names, key=lambda name: (name not in _TITLES, name)):
        url = f"sim://{name}?seed={SEED}&{PACE}"
        yield Address(_TITLES.get(name, name), "simulated implant, in real time", url)
    for port in found["ports"]:
        yield Address(port, "serial port", port)


def of_recording(path: Path, rate_hz: float, channel: str) -> Address:
    """A recording that takes a patient's place; it does not answer to stimulation.

    Parameters
    ----------
    path : Path
    rate_hz : float
        0 where the file states it.
    channel : str
        Name of the channel or ``A-B``; empty where there is one only.
    """
    keys = [f"recording={quote(str(path.resolve()))}"]
    if rate_hz:
        keys.append(f"rate={rate_hz:g}")
    if channel:
        keys.append(f"channel={quote(channel)}")
    return Address(path.name, "recording as a patient", f"sim://dbs?{'&'.join(keys)}&{PACE}")
