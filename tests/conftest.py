"""What tests share: deterministic examples, the sim:// URL."""

from __future__ import annotations

import serial
from hypothesis import settings

for _name in ("stimloop_sim", "stimloop_lab"):
    if _name not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(_name)

settings.register_profile("stimloop", derandomize=True, deadline=None, print_blob=False)
settings.load_profile("stimloop")
