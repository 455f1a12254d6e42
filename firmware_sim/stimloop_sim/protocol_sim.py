"""``sim://NAME?key=value``: a simulated device as a pyserial port, in process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serial import PortNotOpenError, SerialBase, SerialException

from stimloop_sim.bench import Bench
from stimloop_sim.cable import Cable
from stimloop_sim.instruments import device_of_url
from stimloop_sim.oscilloscope import Oscilloscope
from stimloop_sim.probe import Probe
from stimloop_sim.pulsepal_stand import BathPulsePal
from stimloop_sim.stimjim import StimJim

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from stimloop_sim.stand import Stand


class Serial(SerialBase):  # type: ignore[misc,unused-ignore]  # the stubs leave methods abstract
    """pyserial's face of a `Cable`.

    Attributes
    ----------
    bench : Bench
        The device behind the port, for tests; a `Stand` if it is an instrument.
    oscilloscope : Oscilloscope or Probe or None
        At its electrodes: the witness that a simulated device brings with it.
    """

    bench: Bench
    oscilloscope: Oscilloscope | Probe | None

    def open(self) -> None:
        """Power the implant on.

        Raises
        ------
        ValueError
            If the URL asks for what there is not.
        """
        if self.port is None:
            raise SerialException("give the sim:// URL before opening the port")
        if self.is_open:
            raise SerialException("the port is open already")
        self.bench = device_of_url(self.port)  # type: ignore[assignment]  # or a Stand
        self.oscilloscope = _at_the_electrodes(self.bench)
        self._cable = Cable(self.bench)
        self.is_open = True

    def close(self) -> None:
        """Let go of the implant."""
        self.is_open = False

    def read(self, size: int = 1) -> bytes:
        """Read up to `size` bytes, letting virtual time pass until they are there."""
        self._require_open()
        return self._cable.read(size, self.timeout)

    def write(self, b: ReadableBuffer, /) -> int | None:
        """Hand bytes to the implant, now."""
        self._require_open()
        return self._cable.write(bytes(b))

    def _require_open(self) -> None:
        if not self.is_open:
            raise PortNotOpenError

    def clock_ns(self) -> int:
        """Time that passes while this port is read, ns."""
        return self._cable.clock_ns()

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read without time passing."""
        self._require_open()
        return self._cable.in_waiting

    def reset_input_buffer(self) -> None:
        """Throw away what was not read."""
        self._cable.discard()

    def reset_output_buffer(self) -> None:
        """Nothing waits on the way to the implant."""

    def flush(self) -> None:
        """Nothing waits on the way to the implant."""

    def _reconfigure_port(self, force_update: bool = False) -> None:
        """A simulated implant has no baud rate."""


def _at_the_electrodes(device: Bench | Stand) -> Oscilloscope | Probe | None:
    if isinstance(device, Bench):
        return Oscilloscope(device.implant)
    instrument = device.instrument
    if isinstance(instrument, BathPulsePal | StimJim):
        return Probe(instrument, device.bath)
    return None
