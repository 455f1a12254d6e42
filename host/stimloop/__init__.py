"""Closed-loop neurostimulation on the bench: prescription, session, record, replay, report.

Research and bench use only; not a medical device; never connect to a person or an animal.

Examples
--------
>>> import stimloop
>>> prescription = stimloop.load_prescription("examples/dbs_adaptive.toml")
>>> record = stimloop.run_session(prescription, "sim://dbs?seed=7", seconds=60)
>>> stimloop.replay_record(stimloop.Record.open(record)).identical
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import serial

if TYPE_CHECKING:
    from stimloop.prescription import Prescription
    from stimloop.prescription import load as load_prescription
    from stimloop.record import Record
    from stimloop.replay import replay_record
    from stimloop.report import write_report
    from stimloop.run import run_session
    from stimloop.summary import summarize
    from stimloop_dsp.recordings import read_recording

__all__ = [
    "Prescription",
    "Record",
    "load_prescription",
    "read_recording",
    "replay_record",
    "run_session",
    "summarize",
    "write_report",
]

# pyserial finds the simulator by this name when a sim:// URL is opened, and broken ones behind
# mutant:// URLs; the host never imports either.
for _name in ("stimloop_sim", "stimloop_lab"):
    if _name not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(_name)

_HOME = {
    "Prescription": ("stimloop.prescription", "Prescription"),
    "Record": ("stimloop.record", "Record"),
    "load_prescription": ("stimloop.prescription", "load"),
    "read_recording": ("stimloop_dsp.recordings", "read_recording"),
    "replay_record": ("stimloop.replay", "replay_record"),
    "run_session": ("stimloop.run", "run_session"),
    "summarize": ("stimloop.summary", "summarize"),
    "write_report": ("stimloop.report", "write_report"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import on first use: Stop has to leave before SciPy and Arrow are loaded."""
    if name not in _HOME:
        raise AttributeError(f"module 'stimloop' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)
