"""The words of Pulse Pal 1 and 2: commands, parameters, and the layout of a whole program.

Facts of the devices' firmware, sanworks/PulsePal @ ecdbcf4 (PulsePal_2_0_1 is version 21,
PulsePal_1_1 is version 5); the layout of a stored program is that which the BSD-3 client
pypulsepal 0.4.6 documents. A command is `START`, its number and its arguments, little-endian,
without length, checksum or sequence number.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass, fields
from enum import IntEnum, unique
from typing import Self

START = 213
CYCLE_US = 50
"""Everything happens in cycles of so long, the reading of commands as well."""
CHANNELS = 4
ACK = b"\1"
HELLO = b"K"
NEVER_US = 500_000
"""A missing byte is awaited for so long, then read as 0; so is every further one."""


@unique
class Op(IntEnum):
    """Commands."""

    HANDSHAKE = 72
    PROGRAM = 73
    PARAMETER = 74
    CUSTOM_1 = 75
    CUSTOM_2 = 76
    TRIGGER = 77
    TEXT = 78
    VOLTAGE = 79
    ABORT = 80
    DISCONNECT = 81
    LOOP = 82
    WIPE_EEPROM = 83
    WRITE_EEPROM = 84
    READ_STORED = 85
    SET_PIN = 86
    READ_PIN = 87
    ANALOG_PIN = 88
    CLIENT = 89
    SETTINGS = 90
    SCREEN_SAVER = 94


@unique
class Settings(IntEnum):
    """What `Op.SETTINGS` does with a file on the card."""

    SAVE = 1
    LOAD = 2
    DELETE = 3


@unique
class Code(IntEnum):
    """Numbers of parameters for `Op.PARAMETER`; each is a field of `Output`, but the last."""

    BIPHASIC = 1
    PHASE1_CODE = 2
    PHASE2_CODE = 3
    PHASE1 = 4
    INTERPHASE = 5
    PHASE2 = 6
    INTERVAL = 7
    BURST = 8
    BURST_INTERVAL = 9
    TRAIN = 10
    DELAY = 11
    LINK1 = 12
    LINK2 = 13
    CUSTOM_ID = 14
    CUSTOM_TARGET = 15
    CUSTOM_LOOP = 16
    RESTING_CODE = 17
    TRIGGER_MODE = 128


TIMES = range(Code.PHASE1, Code.DELAY + 1)
"""Parameters that are times in cycles, 32 bits."""
CODES = (Code.PHASE1_CODE, Code.PHASE2_CODE, Code.RESTING_CODE)
"""Parameters that are voltages: 16 bits in model 2, 8 bits in model 1."""


@dataclass(frozen=True, slots=True)
class Model:
    """What differs between the two models.

    Attributes
    ----------
    number : int
        1 or 2.
    firmware : int
        Version that the facts above are of.
    bits : int
        Of a voltage's code.
    zero : int
        The code of 0 V. Codes as far above it as below it are as far from it in volts.
    most_pulses : int
        Of a custom train; the firmware does not check it.
    """

    number: int
    firmware: int
    bits: int
    zero: int
    most_pulses: int

    @property
    def top(self) -> int:
        """The code of +10 V; 0 is that of -10 V."""
        return (1 << self.bits) - 1

    @property
    def code_size(self) -> int:
        """Bytes of a voltage's code."""
        return self.bits // 8

    def steps_of(self, amplitude_mv: int) -> int:
        """Steps of the converter that are nearest to an amplitude, towards 0."""
        steps = min(abs(amplitude_mv) * self.top // 20_000, self.top - self.zero)
        return steps if amplitude_mv >= 0 else -steps

    def uv_of(self, steps: int) -> int:
        """Difference to 0 V that so many steps make, µV."""
        return round(steps * 20_000_000 / self.top)


MODELS = {1: Model(1, 5, 8, 128, 1_000), 2: Model(2, 21, 16, 32_768, 5_000)}
"""By their numbers."""


def model_of(firmware: int) -> Model:
    """The model of a firmware's version: below 20 the first, from 20 on the second."""
    return MODELS[1 if firmware < 20 else 2]


@dataclass(frozen=True, slots=True)
class Output:
    """Parameters of one channel: times in cycles, voltages as codes.

    Attributes
    ----------
    biphasic : int
        0 or 1.
    phase1_code, phase2_code : int
    phase1, interphase, phase2 : int
        Phases of a pulse and the gap between them.
    interval : int
        From the end of a pulse to the next one.
    burst, burst_interval : int
        Pulses come in bursts where neither is 0.
    train, delay : int
        Length of a train, and how long after its trigger it begins.
    link1, link2 : int
        Whether the trigger inputs start it.
    custom_id, custom_target, custom_loop : int
        Custom train, 0 for none; whether its times are of pulses (0) or bursts (1); whether it
        is repeated.
    resting_code : int
        Between pulses.
    """

    biphasic: int
    phase1_code: int
    phase2_code: int
    phase1: int
    interphase: int
    phase2: int
    interval: int
    burst: int
    burst_interval: int
    train: int
    delay: int
    link1: int
    link2: int
    custom_id: int
    custom_target: int
    custom_loop: int
    resting_code: int

    @classmethod
    def silent(cls, zero: int) -> Self:
        """A channel that puts out 0 V whatever triggers it, for one cycle."""
        return cls(0, zero, zero, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, zero)

    @classmethod
    def default(cls, model: Model) -> Self:
        """A channel after power-on: 100 µs of 5 V every millisecond and a bit, for a second."""
        high, low = (round((v + 10) * model.top / 20 + 0.49) for v in (5, -5))
        return cls(0, high, low, 2, 2, 2, 20, 0, 0, 20_000, 0, 1, 0, 0, 0, 0, model.zero)

    @property
    def times(self) -> tuple[int, ...]:
        """The eight times, in the order of the wire."""
        return astuple(self)[3:11]


NAMES = {code: field.name for code, field in zip(Code, fields(Output), strict=False)}
"""Field of `Output` by the number of the parameter."""

_TIMES = struct.Struct("<8I")


@dataclass(frozen=True, slots=True)
class Everything:
    """A whole program: what `Op.PROGRAM` carries.

    Attributes
    ----------
    outputs : tuple of Output
        Of the four channels.
    trigger_modes : tuple of int
        Of the two trigger inputs: 0 normal, 1 toggle, 2 gated.
    """

    outputs: tuple[Output, ...]
    trigger_modes: tuple[int, ...] = (0, 0)

    def pack(self, model: Model) -> bytes:
        """As a model takes it: 178 bytes of model 2, 166 of model 1."""
        outputs = self.outputs
        times = b"".join(_TIMES.pack(*output.times) for output in outputs)
        if model.number == 1:
            rest = b"".join(
                bytes((o.biphasic, o.phase1_code, o.phase2_code, o.custom_id))
                + bytes((o.custom_target, o.custom_loop, o.resting_code))
                for o in outputs
            )
        else:
            rest = b"".join(
                struct.pack("<3H", o.phase1_code, o.phase2_code, o.resting_code)
                for o in outputs
            ) + b"".join(
                bytes((o.biphasic, o.custom_id, o.custom_target, o.custom_loop))
                for o in outputs
            )
        links = bytes(o.link1 for o in outputs) + bytes(o.link2 for o in outputs)
        return times + rest + links + bytes(self.trigger_modes)

    @classmethod
    def unpack(cls, data: bytes, model: Model) -> Self:
        """Read what `pack` wrote."""
        outputs = []
        for k in range(CHANNELS):
            times = _TIMES.unpack_from(data, 32 * k)
            if model.number == 1:
                biphasic, phase1, phase2, *custom, resting = data[128 + 7 * k : 135 + 7 * k]
            else:
                phase1, phase2, resting = struct.unpack_from("<3H", data, 128 + 6 * k)
                biphasic, *custom = data[152 + 4 * k : 156 + 4 * k]
            links = data[-10 + k], data[-6 + k]
            values = (biphasic, phase1, phase2, *times, *links, *custom, resting)
            outputs.append(Output(*values))
        return cls(tuple(outputs), tuple(data[-2:]))

    def pack_stored(self) -> bytes:
        """As model 2 stores it and gives it back: channel by channel, 178 bytes."""
        stored = b"".join(
            _TIMES.pack(*o.times)
            + bytes((o.biphasic,))
            + struct.pack("<3H", o.phase1_code, o.phase2_code, o.resting_code)
            + bytes((o.custom_id, o.custom_target, o.custom_loop))
            for o in self.outputs
        )
        return stored + b"".join(
            bytes((mode, *(getattr(o, link) for o in self.outputs)))
            for mode, link in zip(self.trigger_modes, ("link1", "link2"), strict=True)
        )

    @classmethod
    def unpack_stored(cls, data: bytes) -> Self:
        """Read what `pack_stored` wrote."""
        modes = data[168], data[173]
        outputs = []
        for k in range(CHANNELS):
            part = data[42 * k : 42 * (k + 1)]
            phase1, phase2, resting = struct.unpack_from("<3H", part, 33)
            links = data[169 + k], data[174 + k]
            times = _TIMES.unpack_from(part)
            values = (part[32], phase1, phase2, *times, *links, *part[39:42], resting)
            outputs.append(Output(*values))
        return cls(tuple(outputs), modes)


PROGRAM_SIZE = {1: 166, 2: 178}
"""Bytes of `Everything.pack` by the model's number."""
STORED_SIZE = 178
"""Bytes of `Everything.pack_stored`."""
