"""Driver of Pulse Pal 1 and 2, and the safety shell that these devices do not have.

Resistor or saline loads only, never a person or an animal: the device has no isolation
certificate, no lease, no watchdog, no checksum, and acknowledges what it has misread. Hence:

* Stimulation is a finite train, which is the lease; there is no continuous loop.
* Nothing is programmed but while nothing plays. The whole program is written once, with 0 V on
  every channel: a byte that is lost from its 178 shifts voltages, those at rest among them.
  What a train needs is then written parameter by parameter; the firmware's error in that
  strikes times of 65 536 cycles and more, which no train here has.
* Before every single train model 2 takes the program from its card, and that is compared byte
  by byte: a device that has started anew would play its defaults. Model 1 cannot be read back;
  all that differs from its defaults is written before every train, the voltages at rest
  besides, and its capability says that nobody can be sure.
* Model 2 is triggered on all four channels, three of them with 0 V, so that no voltage stays.
* Abort is sent twice, since the first one does not clear a trigger that waits.
* A train begins some milliseconds after its trigger, so that nothing is read while it plays.
* Every exchange ends with an answer that can be told from every other. Where it does not come,
  the driver is in doubt and says so. It completes what the device may still wait for with
  `FILL` before that takes zeros for it, which would be -10 V, and goes back to 0 V.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter_ns
from typing import TYPE_CHECKING, Self

from stimloop_hw.errors import UnknownState, WrongPeer
from stimloop_hw.generator import GENERATORS, Played, Train
from stimloop_hw.ports import clock_of, open_port
from stimloop_hw.pulsepal_exchange import BY_HAND, FILLS, Exchange
from stimloop_hw.pulsepal_protocol import (
    CHANNELS,
    CODES,
    CYCLE_US,
    MODELS,
    NAMES,
    START,
    TIMES,
    Code,
    Everything,
    Op,
    Output,
    model_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stimloop_hw.generator import Measured
    from stimloop_hw.ports import TimedPort

NEWEST = 39
"""Firmware versions up to this are told to be of model 2."""
DELAY_US = 5_000
"""A train begins so long after its trigger: a command that is read while it plays, and whose
bytes come apart, would hold a pulse's voltage for so long."""
MARGIN_US = 1_000
"""A train that has ended for so long has ended on the device's clock as well."""
FILE = b"stimloop.pps"
"""On the card: the program of the latest train."""
REFUGE = b"stimrest.pps"
"""And one of 0 V on every channel."""
_ALL = (1 << CHANNELS) - 1


class PulsePal(Exchange):
    """One Pulse Pal, of which one channel stimulates.

    Parameters
    ----------
    port : TimedPort
        Open.
    name : str
        How errors call it.
    channel : int
        1 to 4: the output that stimulates.
    clock_ns : callable
        Time of the port, ns.

    Attributes
    ----------
    capability, firmware, name, doubt, idle_ns
        See `PulseGenerator`.
    model : Model
        After `hello`.
    """

    def __init__(
        self,
        port: TimedPort,
        name: str,
        *,
        channel: int = 1,
        clock_ns: Callable[[], int] = perf_counter_ns,
    ) -> None:
        if not 1 <= channel <= CHANNELS:
            raise ValueError(
                f"channel {channel} was asked for; a Pulse Pal has channels 1 to {CHANNELS}: "
                "choose one of them"
            )
        super().__init__(port, name, clock_ns)
        self.model = MODELS[2]
        self._channel = channel
        self._silent = Output.silent(self.model.zero)
        self._held: Output | None = None  # on our channel; the others are silent then
        self._saved = False  # and so it stands on the card

    @classmethod
    def open(cls, url: str, *, channel: int = 1, exclusive: bool = True) -> Self:
        """Open a port, make sure that a Pulse Pal answers, and end what it plays.

        Parameters
        ----------
        url : str
            Of the port, with or without ``pulsepal+``.
        channel : int
            1 to 4: the output that stimulates.
        exclusive : bool
            See `stimloop_hw.ports.open_port`.

        Raises
        ------
        LinkError
            If the port cannot be opened, or something else answers on it.
        """
        port = open_port(url, "pulsepal", exclusive=exclusive)
        generator = cls(port, url, channel=channel, clock_ns=clock_of(port))
        try:
            generator.hello()
        except BaseException:
            port.close()
            raise
        return generator

    # Orders --------------------------------------------------------------------------------

    def hello(self) -> None:
        """Make sure that a Pulse Pal answers, learn its model, and end what it plays.

        Raises
        ------
        WrongPeer
            If something else answers, or nothing.
        LinkLost
            If the port fails.
        """
        heard = self._shake_hands()
        if heard is None or not 0 < self._version(heard) <= NEWEST:
            said = f"it said {heard.hex(' ')}" if heard else "nothing was said"
            raise WrongPeer(
                f"no Pulse Pal answers on {self.name} ({said}); check the port's name, power, "
                "and that its display shows no COMM. FAILURE"
            )
        self.firmware = self._version(heard)
        self.model = model_of(self.firmware)
        self.capability = GENERATORS[f"pulsepal-{self.model.number}"]
        self._silent = Output.silent(self.model.zero)
        # What it played before nobody knows; whatever it is shall end, and no voltage stay.
        self.doubt = f"{self.name} was just opened"
        self.stop()

    def check(self, train: Train) -> None:
        """Refuse a train that this device must not get; see `PulseGenerator.check`."""
        train.check(self.capability)

    def take_measured(self) -> Sequence[Measured]:
        """Nothing: it measures nothing."""
        return ()

    def play(self, train: Train) -> Played:
        """Program and start a finite train; it ends by itself.

        Parameters
        ----------
        train : Train
            Amplitude in mV.

        Raises
        ------
        TrainRefused
            If the device cannot represent it, or another one may still be in play; nothing was
            sent then.
        UnknownState
            If the device does not answer as it should; `stop` then.
        LinkLost
            If the port fails.
        """
        self._require_idle("a Pulse Pal is programmed only while nothing plays")
        self.check(train)
        steps = self.model.steps_of(train.amplitude)
        ratio = train.recharge_ratio
        steps = steps // ratio * ratio if steps >= 0 else -(-steps // ratio * ratio)
        self._program(self._output(train, steps))
        first_ns = self.now_ns + 1000 * DELAY_US
        self.idle_ns = self._end_ns(train)
        # Without a read-back nobody knows what the other channels of model 1 would play.
        own = 1 << self._channel - 1
        self._trigger(_ALL if self.model.number == 2 else own, "the trigger of a train")
        self.idle_ns = self._end_ns(train)
        played = replace(train, amplitude=_towards_zero(self.model.uv_of(steps)))
        return Played(played, first_ns, self.now_ns + 1000 * DELAY_US)

    def listen(self, for_us: int) -> None:
        """Let so much time pass, and hear whether the device says something unasked.

        Raises
        ------
        UnknownState
            If it does: it has nothing to say.
        LinkLost
            If the port fails.
        """
        said = self._hear(1, for_us / 1000)
        if said:
            self._doubt(f"it said {said.hex()} unasked")

    def stop(self) -> None:
        """Abort twice, and make sure that the device understands; ends a doubt.

        A train whose aborts were both lost ends by itself: not before `idle_ns` anything else
        is played.

        Raises
        ------
        UnknownState
            If the device does not answer any more; says where to switch off by hand.
        LinkLost
            If the port fails.
        """
        unsure = bool(self.doubt)
        if unsure:
            self._held = None
        for fill in FILLS:
            if unsure:
                self._complete(fill)
            self._abort()
            if self._is_answering():
                break
            unsure = True
            self.doubt = self.doubt or f"{self.name} did not answer after an abort"
        else:
            self._give_up("any voltage")
        if unsure or self._held is None:
            self._silence()

    # Inside --------------------------------------------------------------------------------

    def _silence(self) -> None:
        """Bring every channel to 0 V, by a train that is nothing else."""
        told, self.doubt = self.doubt, ""
        for fill in FILLS:
            try:
                self._restore()
                self._trigger(_ALL, "a train of 0 V")
            except UnknownState:
                self._complete(fill)
            else:
                self.doubt = ""
                return
        self.doubt = f"{told}; it could not be brought to 0 V: {BY_HAND}"
        raise UnknownState(self.doubt)

    def _restore(self) -> None:
        """Make sure that the device holds 0 V on every channel."""
        silence = self._everything(self._silent)
        self._held = None
        self._saved = False
        if self.model.number == 1:
            self._order(bytes((START, Op.PROGRAM)) + silence.pack(self.model), "a program")
            self._rest()
        elif self._loaded(REFUGE) != silence.pack_stored():
            self._order(bytes((START, Op.PROGRAM)) + silence.pack(self.model), "a program")
            self._save(REFUGE)
            self._compare(REFUGE, silence)
        self._held = self._silent

    def _rest(self) -> None:
        """Write 0 V as what every channel rests at."""
        for channel in range(1, CHANNELS + 1):
            self._write_parameter(channel, Code.RESTING_CODE, self.model.zero)

    def _output(self, train: Train, steps: int) -> Output:
        """The parameters of our channel for a train."""
        width = train.width_us // CYCLE_US
        return replace(
            self._silent,
            biphasic=1,
            phase1_code=self.model.zero + steps,
            phase2_code=self.model.zero - steps // train.recharge_ratio,
            phase1=width,
            interphase=train.interphase_us // CYCLE_US,
            phase2=width * train.recharge_ratio,
            interval=(train.period_us - train.pulse_us) // CYCLE_US,
            train=train.duration_us // CYCLE_US,
            delay=DELAY_US // CYCLE_US,
        )

    def _everything(self, output: Output) -> Everything:
        outputs = [self._silent] * CHANNELS
        outputs[self._channel - 1] = output
        return Everything(tuple(outputs))

    def _program(self, output: Output) -> None:
        """Make sure that the device holds these parameters, and plays nothing."""
        self._abort()
        if self._held is None:
            self._restore()
        bases = [self._held]
        if self.model.number == 1:  # it may have started anew, or misread what nobody compares
            bases.append(Output.default(self.model))
            self._rest()
        for code, name in NAMES.items():
            value: int = getattr(output, name)
            if any(getattr(base, name) != value for base in bases):
                self._saved = False
                self._write_parameter(self._channel, code, value)
        self._held = output
        if self.model.number == 2:
            if not self._saved:
                self._save(FILE)
            self._compare(FILE, self._everything(output))
            self._saved = True

    def _write_parameter(self, channel: int, code: Code, value: int) -> None:
        size = 4 if code in TIMES else self.model.code_size if code in CODES else 1
        argument = value.to_bytes(size, "little")
        head = bytes((START, Op.PARAMETER, code, channel))
        self._order(head + argument, f"parameter {NAMES[code]}")

    def _compare(self, file: bytes, everything: Everything) -> None:
        """Let the device take a program from its card, and look whether it is this one."""
        if self._loaded(file) != everything.pack_stored():
            self._doubt("it holds another program than it was sent")

    def _end_ns(self, train: Train) -> int:
        return self.now_ns + 1000 * (DELAY_US + train.duration_us + MARGIN_US)


def _towards_zero(amplitude_uv: int) -> int:
    """MV of µV, never more."""
    return amplitude_uv // 1000 if amplitude_uv >= 0 else -(-amplitude_uv // 1000)
