"""A simulated OpenBCI Cyton: eight inputs of 24 bits at 250 Hz.

Commands, answers and packets are those of firmware 3.1.2, as docs.openbci.com describe them
(Cyton SDK, Cyton Data Format); the firmware's sources (MIT) were not used.
"""

from __future__ import annotations

from math import isfinite
from random import Random
from typing import TYPE_CHECKING

from stimloop_sim.ads1299 import FULL_SCALE_UV, GAINS, INPUTS, TESTS, Input
from stimloop_sim.dongle import Dongle
from stimloop_sim.sim_url import Host, whole_number
from stimloop_sim.stand import Stand, hazards_of, stand_of_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from stimloop_sim.bath import Bath

VERSION = "v3.1.2"
BANNER = (
    "OpenBCI V3 8-16 channel\nOn Board ADS1299 Device ID: 0x3E\nLIS3DH Device ID: 0x33\n"
    f"Firmware: {VERSION}\n"
)
RATES_HZ = (16_000, 8_000, 4_000, 2_000, 1_000, 500, 250)
MODES = ("default", "debug", "analog", "digital", "marker")
SAMPLE_US = 4_000
POLL_US = 80_000
"""The board asks the dongle for orders so often while it does not stream."""
PATIENCE_US = 1_000_000
"""A command of several bytes has to be complete by then."""
GRAVITY, TREMBLE = 8_000, 16
"""1 g, and the least that the accelerometer tells, in steps of 0.002 g / 16."""

HAZARDS = {
    "left_streaming": "an earlier program ended without stopping the stream",
    "radio_loss": "packets are lost on the air, one in a hundred begins a run of 1 to 8",
    "long_loss": "the radio is silent for 1.5 s every 10 s: the 8-bit counter runs round",
    "board_off": "the dongle is plugged in, and the board is off",
}
"""Documented hazards, off unless ``hazards=`` names them."""
_OFF = dict(zip("12345678", range(INPUTS), strict=True))
_ON = dict(zip("!@#$%^&*", range(INPUTS), strict=True))
_LENGTHS = {"x": 9, "z": 5, "~": 2, "/": 2, "`": 2}
_LATE = "Timeout processing multi byte message - please send all commands at once as of v2"
_TOO_MANY = "Failure: Err: too many chars"


class Cyton:
    """The board, with its dongle.

    Parameters
    ----------
    seed : int
        Of its noise and of what the radio loses.
    hazards : frozenset of str
        Of `HAZARDS`.
    latency_ms : int
        The FTDI chip's latency timer, ms.
    clock_ppm : int
        How much faster its sample clock is than it should be, ppm: the ADS1299's oscillator is
        on the chip, and no crystal.
    series_ohm : float
        Of an electrode, for the lead-off current, Ω.
    key_us : int
        A key at D12 opens then, on the bath's clock, µs; 0: none is wired, and D12 is low.

    Attributes
    ----------
    model : str
    inputs : list of Input
    sent : int
        Samples since the stream began, lost ones included.
    began_us : int
        When the first of them was taken, µs.
    """

    model = "OpenBCI Cyton"

    def __init__(
        self,
        seed: int = 0,
        *,
        hazards: frozenset[str] = frozenset(),
        latency_ms: int = 16,
        clock_ppm: int = 0,
        series_ohm: float = 1_000.0,
        key_us: int = 0,
    ) -> None:
        self._random = Random(f"{seed} cyton")
        self._hazards = hazards
        self._dongle = Dongle(latency_ms * 1000, up="board_off" not in hazards)
        self._period_us = SAMPLE_US / (1.0 + clock_ppm * 1e-6)
        self._series_ohm = series_ohm
        self._key_us = key_us
        self._losing = 0
        self._power_on(0)
        self._streaming = "left_streaming" in hazards

    def _power_on(self, now_us: int) -> None:
        self._born_us = now_us
        self._made = 0  # samples of its clock since then
        self._sum_uv: list[float] = [0.0] * INPUTS
        self._count = 0
        self._latest_uv = [0.0] * INPUTS
        self._busy = False
        self._rate_hz = 250
        self._mode = 0
        self._begin()

    def _begin(self) -> None:
        """What a soft reset does too."""
        self.sent = self.began_us = 0
        self.inputs = [Input() for _ in range(INPUTS)]
        self._streaming = False
        self._stamped = self._set = False
        self._test: tuple[float, float] | None = None
        self._marker = 0
        self._word = ""
        self._word_us = 0

    def reset(self, now_us: int) -> None:
        """Start anew: the stream is over, and the banner comes out."""
        self._power_on(now_us)
        self._say(BANNER)

    def receive(self, now_us: int, data: bytes) -> None:
        """Take bytes from the host."""
        self._dongle.receive(now_us, SAMPLE_US if self._streaming else POLL_US, data)

    def take(self, now_us: int) -> bytes:
        """Give the host what the dongle hands on by now."""
        return self._dongle.take(now_us)

    def convert(
        self,
        start_us: int,
        sample_us: int,
        sensed_uv: npt.NDArray[np.float64],
        busy: npt.NDArray[np.bool_],
    ) -> None:
        """Sense some intervals of the bath: each sample is the mean since the one before.

        The generator's line is wired to D11.
        """
        for row, level in zip(sensed_uv.tolist(), busy.tolist(), strict=True):
            start_us += sample_us
            for byte in self._dongle.orders(start_us):
                self._heed(start_us, chr(byte))
            if self._word and start_us - self._word_us >= PATIENCE_US:
                self._word = ""
                self._say(_LATE)
            self._busy = level
            self._count += 1
            for place, value in enumerate(row[:INPUTS]):
                self._sum_uv[place] += value if isfinite(value) else 0.0
            while start_us - self._born_us >= (self._made + 1) * self._period_us:
                self._made += 1
                self._sample(start_us)

    def _sample(self, now_us: int) -> None:
        if self._count:
            self._latest_uv = [total / self._count for total in self._sum_uv]
            self._sum_uv = [0.0] * INPUTS
            self._count = 0
        if not self._streaming or self._rate_hz != 250:
            return  # the radio carries no more than 250 Hz
        if not self.sent:
            self.began_us = now_us
        packet = bytearray([0xA0, self.sent & 0xFF])
        t_s = (now_us - self._born_us) * 1e-6
        for one, value_uv in zip(self.inputs, self._latest_uv, strict=True):
            counts = one.counts(value_uv, self._series_ohm, t_s, self._test, self._random)
            packet += counts.to_bytes(3, "big", signed=True)
        aux, kind = self._aux(now_us)
        packet += aux
        packet.append(0xC0 | kind)
        if not self._loses():
            self._dongle.hear(bytes(packet))
        self.sent += 1

    def _aux(self, now_us: int) -> tuple[bytes, int]:
        """Six bytes beside the samples, and what they are."""
        raw = bytes(6)
        if self._mode == 0:
            if self.sent % 10 == 0:  # the accelerometer is read at 25 Hz
                axes = (TREMBLE, TREMBLE, GRAVITY)
                raw = b"".join(value.to_bytes(2, "big") for value in axes)
        elif self._mode == 2:
            raw = (1_023 * self._busy).to_bytes(2, "big") + bytes(4)
        elif self._mode == 3:
            raw = bytes([self._busy, now_us < self._key_us]) + bytes(4)
        elif self._mode == 4:
            raw, self._marker = bytes([self._marker]) + bytes(5), 0
        accelerated = self._mode in (0, 1)
        if not self._stamped:
            return raw, 0 if accelerated else 1
        if accelerated:
            code = "XxYyZz"[self.sent % 10] if self.sent % 10 < 6 else "\0"
            value = {"Z": GRAVITY >> 8, "z": GRAVITY & 0xFF}.get(code, 0)
            raw = bytes([ord(code), value])
        stamp_ms = (now_us - self._born_us) // 1000
        kind = (4 if accelerated else 6) - self._set
        self._set = False
        return raw[:2] + (stamp_ms & 0xFFFFFFFF).to_bytes(4, "big"), kind

    def _loses(self) -> bool:
        """Whether the radio loses this packet."""
        if "long_loss" in self._hazards and self.sent % 2_500 >= 2_125:
            return True
        if self._losing:
            self._losing -= 1
            return True
        if "radio_loss" in self._hazards and self._random.random() < 0.01:
            self._losing = self._random.randrange(8)
            return True
        return False

    # Commands ------------------------------------------------------------------------------

    def _heed(self, now_us: int, letter: str) -> None:
        """Take one byte of a command; some have several."""
        if not self._word and letter not in _LENGTHS:
            self._obey(letter)
            return
        if not self._word:
            self._word_us = now_us
        self._word += letter
        if len(self._word) == _LENGTHS[self._word[0]]:
            word, self._word = self._word, ""
            self._obey_word(word)

    def _obey(self, letter: str) -> None:
        if letter in _OFF:
            self.inputs[_OFF[letter]].on = False
        elif letter in _ON:
            self.inputs[_ON[letter]].on = True
        elif letter in TESTS:
            self._test = TESTS[letter]
            self._answer("Success: Configured internal test signal.")
        elif letter == "b":
            self._streaming = True
            self.sent = 0
        elif letter == "s":
            self._streaming = False
        elif letter == "v":
            self._begin()
            self._say(BANNER)
        elif letter in "<>":
            self._stamped = self._set = letter == "<"
            self._answer(f"Time stamp {'ON' if self._stamped else 'OFF'}")
        elif letter in "dDVC?":
            if letter == "d":
                self.inputs = [Input() for _ in range(INPUTS)]
                self._test = None
            self._answer(
                {
                    "d": "updating channel settings to default",
                    "D": "060110",
                    "V": VERSION,
                    "C": "no daisy to attach!8",
                    "?": "Board ADS Registers\nLIS3DH Registers\n",
                }[letter]
            )

    def _obey_word(self, word: str) -> None:
        value = word[1:]
        match word[0]:
            case "~" if value == "~" or value in "0123456":
                if value != "~":
                    self._rate_hz = RATES_HZ[int(value)]
                self._answer(f"Success: Sample rate is {self._rate_hz}Hz")
            case "~":
                self._answer("Failure: sample value out of bounds")
            case "/" if value == "/":
                self._answer(f"Success: {MODES[self._mode]}")
            case "/" if value in "01234":
                self._mode = int(value)
                self._answer(f"Success: {MODES[self._mode]}")
            case "/":
                self._answer("Failure: board mode value out of bounds")
            case "`":
                self._marker = ord(value) & 0xFF
            case "x":
                self._set_input(value)
            case _:
                self._set_lead_off(value)

    def _set_input(self, value: str) -> None:
        if value[-1] != "X":
            self._answer("Failure: 9th char not X")
            return
        digits = value[:-1]
        bounds = "87671111"
        fits = digits.isdigit() and all(
            int(digit) <= int(most) for digit, most in zip(digits, bounds, strict=False)
        )
        if not fits or digits[0] == "0":
            self._answer(_TOO_MANY)
            return
        one = self.inputs[int(digits[0]) - 1]
        one.on = digits[1] == "0"
        one.gain = GAINS[int(digits[2])]
        one.kind = int(digits[3])
        self._answer(f"Success: Channel set for {digits[0]}")

    def _set_lead_off(self, value: str) -> None:
        if value[-1] != "Z":
            self._answer("Failure: 5th char not Z")
        elif value[0] in _OFF and set(value[1:3]) <= {"0", "1"}:
            self.inputs[_OFF[value[0]]].lead_off = "1" in value[1:3]
            self._answer(f"Success: Lead off set for {value[0]}")
        else:
            self._answer(_TOO_MANY)

    def _answer(self, text: str) -> None:
        """Answer a command; while it streams, the board says nothing."""
        if not self._streaming:
            self._say(text)

    def _say(self, text: str) -> None:
        self._dongle.hear(text.encode("ascii") + b"$$$")


def place(bath: Bath, options: Mapping[str, str]) -> Cyton:
    """Put a Cyton into a bath."""
    board = Cyton(
        whole_number(options, "seed", 0),
        hazards=hazards_of(options, HAZARDS),
        latency_ms=whole_number(options, "latency_ms", 16, range(1, 256)),
        clock_ppm=whole_number(options, "clock_ppm", 0, range(-50_000, 50_001)),
        series_ohm=bath.tissue.cells[0].series_ohm,
        key_us=1_000 * whole_number(options, "key_ms", 0),
    )
    bath.amplifiers.append(board)
    return board


def stand(url: str) -> Stand:
    """Set up the Cyton that a URL asks for."""
    return stand_of_url(
        url,
        Host(Cyton.model, "dbs", round(FULL_SCALE_UV / GAINS[-1])),
        ("latency_ms", "clock_ppm", "key_ms"),
        place,
    )
