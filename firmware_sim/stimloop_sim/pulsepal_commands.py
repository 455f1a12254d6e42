"""The commands of a simulated Pulse Pal: how each reads its arguments, and what it does.

A command is a generator that yields how many bytes it needs and is sent them, so that it can be
left standing in the midst of its arguments, as the firmware is.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop_hw.pulsepal_protocol import (
    ACK,
    CHANNELS,
    CODES,
    HELLO,
    NAMES,
    PROGRAM_SIZE,
    TIMES,
    Code,
    Everything,
    Op,
    Output,
    Settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from stimloop_sim.pulsepal_outputs import Outputs

    Reader = Generator[int, bytes, None]

CARD_US = 20_000
"""Time to write a file to the card, or to read one: assumed."""
EEPROM_US = 1_100_000
"""Time that model 1 takes to store its parameters when a client leaves."""
_FILE = b"default.pps"


class Commands:
    """What the device understands.

    Parameters
    ----------
    outputs : Outputs

    Attributes
    ----------
    replies : bytearray
        What it has to say.
    busy_us : int
        For how long it is busy with its memory before it says so, µs; whoever lets that time
        pass sets it to 0.
    """

    def __init__(self, outputs: Outputs) -> None:
        self.replies = bytearray()
        self.busy_us = 0
        self._outputs = outputs
        self._model = outputs.model
        self._files: dict[bytes, bytes] = {}
        self._eeprom = bytearray(1024)
        self._known: dict[int, Callable[[], Reader]] = {
            Op.HANDSHAKE: self._handshake,
            Op.PROGRAM: self._program,
            Op.PARAMETER: self._parameter,
            Op.CUSTOM_1: lambda: self._custom_train(0),
            Op.CUSTOM_2: lambda: self._custom_train(1),
            Op.TRIGGER: self._trigger,
            Op.TEXT: self._text,
            Op.VOLTAGE: self._voltage,
            Op.ABORT: self._abort,
            Op.DISCONNECT: self._disconnect,
            Op.LOOP: self._loop,
            Op.READ_STORED: self._read_stored,
            Op.SET_PIN: lambda: _skip(2),
            Op.READ_PIN: lambda: self._read_pin(b"\0"),
            Op.CLIENT: lambda: _skip(6),
        }
        if self._model.number == 1:
            self._known |= {
                Op.WIPE_EEPROM: self._wipe_eeprom,
                Op.WRITE_EEPROM: self._write_eeprom,
                Op.READ_STORED: self._read_eeprom,
                Op.ANALOG_PIN: lambda: self._read_pin(b"0\r\n"),
                Op.SCREEN_SAVER: self._screen_saver,
            }
        else:
            self._known[Op.SETTINGS] = self._settings

    def read(self) -> Reader:
        """Read the number of a command, and then what it says; an unknown one says nothing."""
        (number,) = yield 1
        if number in self._known:
            yield from self._known[number]()

    def _handshake(self) -> Reader:
        self.replies += HELLO + struct.pack("<I", self._model.firmware)
        yield from ()

    def _program(self) -> Reader:
        data = yield PROGRAM_SIZE[self._model.number]
        self._outputs.take_up(Everything.unpack(data, self._model))
        self.replies += ACK

    def _parameter(self) -> Reader:
        code, number = yield 2
        size = 4 if code in TIMES else self._model.code_size if code in CODES else 1
        value = int.from_bytes((yield size), "little")
        outputs = self._outputs
        if code == Code.TRIGGER_MODE:
            if 1 <= number <= len(outputs.trigger_modes):
                outputs.trigger_modes[number - 1] = value
            else:
                outputs.damaged += 1
        elif not 1 <= number <= CHANNELS:
            outputs.damaged += 1
        elif code in NAMES:
            channel = number - 1
            changed = {NAMES[Code(code)]: value}
            outputs.parameters[channel] = replace(outputs.parameters[channel], **changed)
            if code in TIMES:
                # The firmware takes a byte of the value for the channel.
                derived = value >> 16 & 0xFF if "scratch" in outputs.hazards else channel
                if derived < CHANNELS:
                    outputs.derive(derived)
                else:
                    outputs.damaged += 1
            if code == Code.RESTING_CODE:
                outputs.rest(channel)
        self.replies += ACK

    def _custom_train(self, place: int) -> Reader:
        correction = 0
        if self._model.number == 1:
            (correction,) = yield 1
        pulses = int.from_bytes((yield 4), "little") - (correction == 1)
        size = self._model.code_size
        if pulses > self._model.most_pulses:
            if "overrun" not in self._outputs.hazards:
                return
            self._outputs.damaged += 1
        train: list[tuple[int, int]] = []
        if pulses > 0:
            times = struct.unpack(f"<{pulses}I", (yield 4 * pulses))
            codes = yield size * pulses
            parts = (codes[size * k : size * (k + 1)] for k in range(pulses))
            train = list(zip(times, (int.from_bytes(p, "little") for p in parts), strict=True))
        self._outputs.custom[place] = train
        self.replies += ACK

    def _trigger(self) -> Reader:
        (mask,) = yield 1
        self._outputs.trigger(mask)

    def _text(self) -> Reader:
        (length,) = yield 1
        yield from _skip(length)

    def _voltage(self) -> Reader:
        (number,) = yield 1
        code = int.from_bytes((yield self._model.code_size), "little")
        if 1 <= number <= CHANNELS:
            self._outputs.set_voltage(number - 1, code)
        else:
            self._outputs.damaged += 1
        self.replies += ACK

    def _abort(self) -> Reader:
        self._outputs.abort()
        yield from ()

    def _disconnect(self) -> Reader:
        self._outputs.abort()
        self.busy_us = EEPROM_US if self._model.number == 1 else 0
        yield from ()

    def _loop(self) -> Reader:
        number, state = yield 2
        if 1 <= number <= CHANNELS:
            self._outputs.loop(number - 1, on=bool(state))
        else:
            self._outputs.damaged += 1
        self.replies += ACK

    # Memory ----------------------------------------------------------------------------------

    def _settings(self) -> Reader:
        action, length = yield 2
        name = (yield length) if length else b""
        outputs = self._outputs
        if action == Settings.SAVE:
            everything = Everything(tuple(outputs.parameters), tuple(outputs.trigger_modes))
            self._files[name] = everything.pack_stored()
            self.busy_us = CARD_US
        elif action == Settings.LOAD:
            outputs.take_up(Everything.unpack_stored(self._stored(name)))
            self.replies += self._stored(name)
            self.busy_us = CARD_US
        elif action == Settings.DELETE:
            self._files.pop(name, None)

    def _read_stored(self) -> Reader:
        self.replies += self._stored(_FILE)
        yield from ()

    def _stored(self, name: bytes) -> bytes:
        default = Everything((Output.default(self._model),) * CHANNELS).pack_stored()
        return self._files.get(name, default)

    def _read_eeprom(self) -> Reader:
        address, length = yield 2
        self.replies += self._eeprom[address : address + length]

    def _write_eeprom(self) -> Reader:
        address, length = yield 2
        if length:
            self._eeprom[address : address + length] = yield length
        self.replies += ACK

    def _wipe_eeprom(self) -> Reader:
        self._eeprom = bytearray(len(self._eeprom))
        yield from ()

    def _read_pin(self, level: bytes) -> Reader:
        yield 1
        self.replies += level

    def _screen_saver(self) -> Reader:
        (flag,) = yield 1
        yield from _skip(4 if flag == 1 else 0)
        self.replies += ACK


def _skip(length: int) -> Reader:
    """Arguments that change nothing here."""
    if length:
        yield length
