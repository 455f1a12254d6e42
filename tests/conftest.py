"""What tests share: deterministic examples, the sim:// URL."""

from __future__ import annotations

import serial
from hypothesis import settings

if "stimloop_sim" not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append("stimloop_sim")

settings.register_profile("stimloop", derandomize=True, deadline=None, print_blob=False)
settings.load_profile("stimloop")
