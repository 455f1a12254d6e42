"""A simulated StimJim: lines of text in, lines of text out, pulses at times.

Facts: `stimloop_hw.stimjim_protocol`. A pulse is delivered by an interrupt that waits for the
end of each stage, and the lines of the host are read by the loop that it interrupts: a train
that leaves no time between its pulses cannot be stopped. Where the facts say nothing: a train's
first pulse comes at once, its others whole periods later while its duration lasts; a BNC that
is an output is high while a train plays; places hold nothing after power-on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from stimloop_hw import stimjim_protocol as told
from stimloop_hw.stimjim_protocol import (
    CHANNELS,
    STAGES,
    TRAINS,
    UNITS,
    Mode,
    PulseTrain,
)
from stimloop_hw.trace import Phase, TracedPulse
from stimloop_sim.bath import Effect
from stimloop_sim.scenario import NEVER_US
from stimloop_sim.sim_url import Host, whole_number
from stimloop_sim.stand import Stand, hazards_of, stand_of_url
from stimloop_sim.stimjim_output import Output
from stimloop_sim.stimjim_text import dump, train_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stimloop_sim.bath import Bath
    from stimloop_sim.tissue import Tissue

HAZARDS = {
    "overrun": "an 11th stage is written beyond the place, a line of 1000 bytes beyond its "
    "buffer: it hangs",
    "underflow": "a stage shorter than the interrupt's own time lasts for 71 minutes",
    "live_edit": "a definition changes the train that plays at once",
    "interleaved": "what the interrupt says stands in the midst of an answer",
}
"""Documented hazards, all of which a device has."""
NONE = "none"
"""Instead of hazards: an ideal device."""
BOOT_US = 1_000_000
LINE = 1_000
HANDLER_US = {0: 0.5, 1: 7.75, 2: 15.0}
"""What a stage takes by itself, by the number of channels with an output."""
_SENSED_UV = 5_000


@dataclass(slots=True)
class Timer:
    """One of the two that play trains.

    Attributes
    ----------
    name : str
        ``T`` or ``U``.
    place : int
        Of the train in play; -1 for none.
    train : PulseTrain
    began_us, due_us : int
        When the train began, and when its next pulse is due, µs.
    pulses : int
        Delivered so far.
    sums : list of list of float
        Of what was measured, by stage and channel.
    """

    name: str
    place: int = -1
    train: PulseTrain = field(default_factory=PulseTrain)
    began_us: int = 0
    due_us: int = NEVER_US
    pulses: int = 0
    sums: list[list[float]] | None = None


class StimJim:
    """The device.

    Parameters
    ----------
    tissue : Tissue
        That it stimulates.
    hazards : frozenset of str
        Which of `HAZARDS` it has.
    seed : int
        Of where the interrupt's text stands.

    Attributes
    ----------
    model : str
    output : Output
        What was delivered.
    places : list of PulseTrain
    hung : bool
        It does nothing any more; the pulse that it was in goes on.
    lines : list of str or None
        That were executed, if anybody wants to know: who does puts a list here.
    """

    model = "StimJim"

    def __init__(
        self,
        tissue: Tissue,
        hazards: frozenset[str] = frozenset(HAZARDS),
        seed: int = 0,
    ) -> None:
        self.output = Output(tissue)
        self.lines: list[str] | None = None
        self._hazards = hazards
        self._random = Random(f"{seed} stimjim")
        self._now_us = 0
        self._power_on()
        self._ready_us = 0

    def _power_on(self) -> None:
        self.places = [PulseTrain()] * TRAINS
        self.hung = False
        self._timers = {name: Timer(name) for name in "TU"}
        self._marks = False
        self._in = b""
        self._out = bytearray()
        self._busy_us = 0
        self._latest: tuple[int, int, int, int] = (-NEVER_US, 0, 0, 0)

    def reset(self, now_us: int) -> None:
        """Start anew: outputs grounded, places empty, and a banner a second later."""
        self.advance_to(now_us)
        self._power_on()
        self._ready_us = now_us + BOOT_US

    @property
    def playing(self) -> bool:
        """Whether a train plays."""
        return self.hung or any(timer.place >= 0 for timer in self._timers.values())

    def receive(self, now_us: int, data: bytes) -> None:
        """Take bytes from the host."""
        self.advance_to(now_us)
        self._in += data
        self.advance_to(now_us)

    def take(self, now_us: int) -> bytes:
        """Give the host what has come out by now."""
        self.advance_to(now_us)
        data = bytes(self._out)
        self._out.clear()
        return data

    def deliver(self, start_us: int, sample_us: int, samples: int) -> Effect:
        """Deliver the pulses of the next sample intervals."""
        amplitudes = np.zeros(samples, np.int32)
        busy = np.zeros(samples, np.bool_)
        for k in range(samples):
            end_us = start_us + (k + 1) * sample_us
            self.advance_to(end_us)
            busy[k] = self._marks and self.playing
            began_us, amplitude_ua, _, period_us = self._latest
            if end_us - began_us <= max(period_us, sample_us):
                amplitudes[k] = amplitude_ua
        _, amplitude_ua, width_us, period_us = self._latest
        return Effect(amplitudes, width_us, period_us if amplitude_ua else 0, busy)

    def advance_to(self, end_us: int) -> None:
        """Let time pass."""
        if self._ready_us:
            if end_us < self._ready_us:
                self._in = b""
                return
            self._now_us, self._ready_us = self._ready_us, 0
            self._boot()
        while not self.hung:
            timer = min(self._timers.values(), key=lambda one: one.due_us)
            at_us = max(timer.due_us, self._busy_us)
            free_us = max(self._now_us, self._busy_us)
            # The loop runs whenever no interrupt does or waits.
            if b"\n" in self._in and free_us <= end_us and timer.due_us > free_us:
                self._now_us = free_us
                self._read()
            elif at_us <= end_us:
                self._now_us = at_us
                self._interrupt(timer, at_us)
            else:
                break
        self._now_us = max(self._now_us, end_us)
        if "overrun" in self._hazards and len(self._in) >= LINE:
            self.hung = True

    def _boot(self) -> None:
        offsets = [f"Channel {k} offsets: current 0, voltage 0" for k in range(2 * CHANNELS)]
        for line in (
            f"{told.BOOTING} on Teensy 3.5!",
            "Initializing triggers inputs...",
            *offsets,
            "",
            told.READY,
            "",
        ):
            self._say(line)

    # The interrupt -------------------------------------------------------------------------

    def _interrupt(self, timer: Timer, now_us: int) -> None:
        """Deliver a pulse, or end the train whose time is over."""
        train = self.places[timer.place] if "live_edit" in self._hazards else timer.train
        if timer.due_us - timer.began_us >= train.duration_us:
            self._complete(timer)
            return
        active = sum(mode in (Mode.VOLTAGE, Mode.CURRENT) for mode in train.modes)
        shortest = min((stage.duration_us for stage in train.stages), default=LINE)
        if shortest < HANDLER_US[active] and "underflow" in self._hazards:
            self.hung = True  # in that stage
            return
        measured = self.output.pulse(now_us, train)
        timer.pulses += 1
        if timer.sums is None or len(timer.sums) != len(measured):
            timer.sums = [[0.0] * len(row) for row in measured]
        for sums, row in zip(timer.sums, measured, strict=True):
            sums[:] = [total + value for total, value in zip(sums, row, strict=False)]
        self._busy_us = now_us + train.pulse_us
        timer.due_us += max(1, train.period_us)
        if active:
            latest = self.output.recent[-1]
            self._latest = (now_us, latest.amplitude_ua, latest.width_us, train.period_us)

    def traced(self) -> Iterator[TracedPulse]:
        """The newest pulses, as a witness at the electrodes saw them; see `Probe`."""
        for pulse in self.output.recent:
            phases = []
            begun_us = 0
            for current_ua, duration_us in pulse.stages:
                if current_ua:
                    current_na = round(1000 * current_ua)
                    phases.append(Phase(pulse.channel, begun_us, duration_us, current_na))
                begun_us += duration_us
            yield TracedPulse(pulse.t_us, tuple(phases))

    def _complete(self, timer: Timer) -> None:
        lines = [f"Train complete. Delivered {timer.pulses} pulses.", told.BY_STAGE]
        modes = [mode for mode in timer.train.modes if mode in (Mode.VOLTAGE, Mode.CURRENT)]
        for number, sums in enumerate(timer.sums or []):
            means = (round(total / timer.pulses) for total in sums)
            values = "".join(
                f"{mean:6d}{UNITS[mode]}" for mean, mode in zip(means, modes, strict=False)
            )
            lines.append(f"Stage {number}{values}")
        timer.place, timer.due_us = -1, NEVER_US
        text = "".join(f"{line}\r\n" for line in lines).encode("ascii")
        place = len(self._out)
        if "interleaved" in self._hazards and place:
            place = self._random.randrange(place)
        self._out[place:place] = text

    # The loop ------------------------------------------------------------------------------

    def _read(self) -> None:
        """Execute one line."""
        line, _, self._in = self._in.partition(b"\n")
        text = line.rstrip(b"\r").decode("latin-1")
        if "overrun" in self._hazards and len(line) >= LINE:
            self.hung = True
            return
        if self.lines is not None:
            self.lines.append(text)
        letter, rest = text[:1], text[1:]
        match letter:
            case "S":
                self._define(rest)
            case "T" | "U":
                self._start(letter, whole(rest))
            case "R":
                self._route(rest)
            case "M" | "A" | "V" | "E":
                self._by_hand(letter, [whole(part) for part in rest.split(",")])
            case "D":
                for k in range(2 * CHANNELS):
                    self._say(f"Channel {k} offsets: current 0, voltage 0")
            case _:
                pass  # in silence, as B and C do

    def _define(self, text: str) -> None:
        head, *rows = text.split(";")
        place, *numbers = (whole(part) for part in head.split(","))
        if not 0 <= place < TRAINS:
            self._say(told.INVALID)
            return
        if numbers:
            if len(rows) > STAGES and "overrun" in self._hazards:
                self.hung = True
                return
            self.places[place] = train_of(numbers, rows)
        for line in dump(place, self.places[place]):
            self._say(line)

    def _start(self, name: str, place: int) -> None:
        timer = self._timers[name]
        if place == -1:
            timer.place, timer.due_us = -1, NEVER_US
            self._say(told.forced(name))
        elif not 0 <= place < TRAINS:
            self._say(told.INVALID)
        else:
            self._timers[name] = Timer(
                name, place, self.places[place], self._now_us, self._now_us
            )
            self._say("")
            self._say(told.started(name, place))

    def _route(self, text: str) -> None:
        """A BNC: it starts a train, which is not simulated, or marks activity."""
        where, place, out = [*(whole(part) for part in text.split(",")), 0, 0][:3]
        listens = out == 0 and place >= 0
        if where == 0:
            self._marks = not listens
        verb = "Attaching" if listens else "Detaching"
        self._say(f"{verb} interrupt to IN{where}")
        self._say(f"Programming IN{where}")

    def _by_hand(self, letter: str, numbers: list[int]) -> None:
        """Direct orders: answered, and beyond an output's mode without an effect here."""
        channel, value = [*numbers, 0, 0][:2]
        if channel not in range(CHANNELS):
            return
        if letter == "M":
            self._say(f"Set channel {channel} to mode {value}")
        elif letter == "E":
            self._say(f"Read value: 0 (0{'mV' if value == 0 else 'uA'})")
        else:
            dac = value if letter == "A" else round(value / told.MV_PER_DAC)
            unit = "" if letter == "A" else f" mV (dac value {dac})"
            if -told.DAC_TOP - 1 <= dac <= told.DAC_TOP:
                self._say(f"Set channel {channel} to amplitude {value}{unit}.")
            else:
                self._say(f"{value} is out of range.")

    def _say(self, line: str) -> None:
        self._out += line.encode("latin-1") + b"\r\n"


def place(bath: Bath, options: Mapping[str, str]) -> StimJim:
    """Put a StimJim into a bath.

    Raises
    ------
    ValueError
        If another generator stands there, or a hazard is unknown.
    """
    if bath.generator is not None:
        raise ValueError(
            f"{bath.generator.model} stimulates in this bath; put one generator into each"
        )
    hazards = frozenset(HAZARDS)
    if options.get("hazards") == NONE:
        hazards = frozenset()
    elif "hazards" in options:
        hazards = hazards_of(options, HAZARDS)
    device = StimJim(bath.tissue, hazards, whole_number(options, "seed", 0))
    bath.generator = device
    return device


def stand(url: str) -> Stand:
    """Set up the StimJim that a URL asks for."""
    return stand_of_url(url, Host(StimJim.model, "dbs", _SENSED_UV), (), place)
