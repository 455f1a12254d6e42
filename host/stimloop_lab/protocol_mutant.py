"""``mutant://NAME?key=value``: a deliberately broken implant as a pyserial port."""

from __future__ import annotations

from serial import SerialException

from stimloop_lab.mutants import named
from stimloop_sim import protocol_sim

SCHEME = "mutant://"


class Serial(protocol_sim.Serial):
    """A simulated implant of the profile ``dbs``, with one thing wrong with it."""

    def open(self) -> None:
        """Power the implant on, and spoil it.

        Raises
        ------
        ValueError
            If there is no such mutant, or the rest of the URL asks for what there is not.
        """
        if self.port is None:
            raise SerialException("give the mutant:// URL before opening the port")
        name, _, query = self.port.removeprefix(SCHEME).partition("?")
        mutant = named(name.strip("/"))
        self.port = f"sim://dbs?{query}" if query else "sim://dbs"
        super().open()
        mutant.spoil(self.bench.firmware)
