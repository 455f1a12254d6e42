"""Driver of StimJim, and the safety shell that this device does not have.

Resistor or saline loads only, never a person or an animal: the device has no isolation
certificate, no lease, no watchdog, no checksum, and plays whatever it was told. Hence:

* Stimulation is a finite train of current pulses, which is the lease.
* A train is defined anew before every start, in the other of two places than the one that
  played last, since a definition would change a train in play; what the device says it holds is
  compared number by number before it is started. No damaged byte of a start or a stop starts
  what another of these places holds.
* What the firmware would take and not survive is refused, and amplitudes are brought to those
  whose phases cancel in whole µA: `stimjim_train`.
* One line at a time, each with an answer that can be told from every other. Where it does not
  come the driver is in doubt and says so.
* What the device has measured of a train is kept for whoever wants a witness: `measured`.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Self

from stimloop_hw import stimjim_protocol as told
from stimloop_hw.errors import WrongPeer
from stimloop_hw.generator import GENERATORS, Played, Train
from stimloop_hw.ports import clock_of, open_port
from stimloop_hw.safety_shell import SafetyShell
from stimloop_hw.stimjim_protocol import CHANNELS, Mode, PulseTrain
from stimloop_hw.stimjim_train import Measured, check, phases, quantised, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_hw.ports import TimedPort

ANSWER_MS = 200
"""An answer comes within this: a few hundred bytes over USB, behind a pulse at most."""
MARGIN_US = 2_000
"""A train that has ended for so long has ended on the device's clock as well."""
TRIES = 8
"""Longer together than the second in which the device starts."""
PLACES = (42, 57)
"""One damaged byte makes neither of them of the other, nor of a stop."""
SPOILT = (0, 1)
"""Places that a damaged stop may start; they are emptied."""
BY_HAND = "switch it off, or pull the cables of its outputs"


class StimJim(SafetyShell):
    """One StimJim, of which one channel stimulates; the other is not connected.

    Parameters
    ----------
    port : TimedPort
        Open.
    name : str
        How errors call it.
    channel : int
        0 or 1: the output that stimulates.
    clock_ns : callable
        Time of the port, ns.

    Attributes
    ----------
    capability, firmware, name, doubt, idle_ns
        See `PulseGenerator`; the device tells no version of its firmware.
    measured : deque of Measured
        Of trains that have ended, for whoever wants them to drain.
    """

    def __init__(
        self,
        port: TimedPort,
        name: str,
        *,
        channel: int = 0,
        clock_ns: Callable[[], int] = perf_counter_ns,
    ) -> None:
        if channel not in range(CHANNELS):
            raise ValueError(
                f"channel {channel} was asked for; a StimJim has channels 0 and 1: choose one "
                "of them"
            )
        super().__init__(port, name, GENERATORS["stimjim"], by_hand=BY_HAND, clock_ns=clock_ns)
        self.measured: deque[Measured] = deque(maxlen=64)
        self._channel = channel
        self._rest = b""
        self._answers: deque[str] = deque()
        self._anew = False
        self._place = PLACES[0]
        self._playing: Train | None = None
        self._pulses = -1  # of the train that is being told
        self._stages_ua: list[int] = []

    @classmethod
    def open(cls, url: str, *, channel: int = 0, exclusive: bool = True) -> Self:
        """Open a port, make sure that a StimJim answers, and end what it plays.

        Parameters
        ----------
        url : str
            Of the port, with or without ``stimjim+``.
        channel : int
            0 or 1: the output that stimulates.
        exclusive : bool
            Whether to keep other programs off a tty, and to be kept off; only Stop may push in.

        Raises
        ------
        LinkError
            If the port cannot be opened, or something else answers on it.
        """
        port = open_port(url, "stimjim", exclusive=exclusive)
        generator = cls(port, url, channel=channel, clock_ns=clock_of(port))
        try:
            generator.hello()
        except BaseException:
            port.close()
            raise
        return generator

    # Orders --------------------------------------------------------------------------------

    def hello(self) -> None:
        """Make sure that a StimJim answers, and end what it plays.

        Raises
        ------
        WrongPeer
            If something else answers, or nothing.
        UnknownState
            If it does not take what it is told, or does not stop.
        LinkLost
            If the port fails.
        """
        # An earlier program may have left half a line, or a train in play.
        self.doubt = f"{self.name} was just opened"
        for line in ("", "T-1", "U-1"):
            self._write(line)
        self._end_line()
        for _ in range(TRIES):
            self._write(f"S{PLACES[0]}")
            if self._told(PLACES[0]) is not None:
                break
            self._end_line()
        else:
            heard = self._rest or self._answers
            said = "something else is said" if heard else "nothing is said"
            raise WrongPeer(
                f"no StimJim answers on {self.name} ({said}); check the port's name, and that "
                "the device is on"
            )
        for place in SPOILT:
            self._define(place, PulseTrain())
        self.stop()

    def check(self, train: Train) -> None:
        """Refuse a train that this device must not get; see `PulseGenerator.check`."""
        train.check(self.capability)
        check(train)

    def take_measured(self) -> tuple[Measured, ...]:
        """What it has measured of trains that have ended since this was last asked."""
        taken = tuple(self.measured)
        self.measured.clear()
        return taken

    def play(self, train: Train) -> Played:
        """Define and start a finite train; it ends by itself.

        Parameters
        ----------
        train : Train
            Amplitude in µA.

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
        self._require_idle("started then, its first pulse would follow at an unknown distance")
        self.check(train)
        self._require_silence()
        train = quantised(train)
        place = PLACES[self._place == PLACES[0]]
        self._define(place, stored(train, self._channel))
        first_ns = self.now_ns
        self.idle_ns = self._end_ns(train)
        self._write(f"T{place}")
        if not self._hear(told.started("T", place)):
            self._doubt("the start of a train was not confirmed")
        self._place, self._playing = place, train
        self.idle_ns = self._end_ns(train)
        return Played(train, first_ns, self.now_ns)

    def listen(self, for_us: int) -> None:
        """Let so much time pass, and hear what the device says unasked.

        Raises
        ------
        UnknownState
            If it says something else than what a train has delivered.
        LinkLost
            If the port fails.
        """
        until_ns = self.now_ns + 1000 * for_us
        while (left_ns := until_ns - self.now_ns) > 0:
            self._read(left_ns / 1e9)
        self._require_silence()

    def stop(self) -> None:
        """Stop both timers and ground both outputs; ends a doubt.

        Raises
        ------
        UnknownState
            If the device does not answer any more; says where to switch off by hand.
        LinkLost
            If the port fails.
        """
        self.doubt = self.doubt or f"{self.name} is being stopped"
        for _ in range(TRIES):
            for line in ("", "T-1", "U-1"):
                self._write(line)
            if all(self._hear(told.forced(timer)) for timer in "TU") and self._grounded():
                self._mark()
                self._playing, self._pulses = None, -1
                self.idle_ns = min(self.idle_ns, self.now_ns)
                self.doubt, self._anew = "", False
                return
        self._give_up("any current")

    # Inside --------------------------------------------------------------------------------

    def _end_line(self) -> None:
        """End a line of which the device may have a part, and hear what it makes of it."""
        self._write("")
        while self._answer(ANSWER_MS / 10) is not None:
            pass

    def _grounded(self) -> bool:
        """Ground both outputs: whether the device says so."""
        for channel in range(CHANNELS):
            self._write(f"M{channel},{Mode.GROUND}")
        return all(
            self._hear(f"Set channel {channel} to mode {Mode.GROUND}")
            for channel in range(CHANNELS)
        )

    def _mark(self) -> None:
        """Let the first BNC mark activity, for whoever records it; what it says is unheeded."""
        self._write("R0,-1,1")
        self._end_line()

    def _define(self, place: int, wanted: PulseTrain) -> None:
        """Make sure that a place holds a train."""
        for _ in range(TRIES):
            self._write(wanted.command(place))
            if self._told(place) == wanted:
                return
            # The line was damaged, or its answer; nothing plays, so it may be sent again.
            self._end_line()
        self._doubt("it does not hold the train that it was sent")

    def _told(self, place: int) -> PulseTrain | None:
        """The train in the dump that comes; None if none comes, or of another place."""
        if not self._hear(told.DASHES):
            return None
        dump: list[str] = []
        while (line := self._answer(ANSWER_MS)) is not None:
            dump.append(line)
            if line == told.DASHES:
                found = PulseTrain.told(dump)
                return found[1] if found is not None and found[0] == place else None
        return None

    def _end_ns(self, train: Train) -> int:
        return self.now_ns + 1000 * (train.duration_us + MARGIN_US)

    def _hear(self, expected: str) -> bool:
        """Whether this answer comes next; in doubt, whether it comes at all."""
        while (line := self._answer(ANSWER_MS)) is not None:
            if line == expected:
                return True
            if not self.doubt:
                return False
        return False

    def _answer(self, patience_ms: float) -> str | None:
        """The next line that answers something."""
        until_ns = self.now_ns + round(1e6 * patience_ms)
        while not self._answers:
            left_ns = until_ns - self.now_ns
            if left_ns <= 0:
                return None
            self._read(left_ns / 1e9)
        return self._answers.popleft()

    def _require_silence(self) -> None:
        """Nobody waits for an answer: there is to be none."""
        self._read(0.0)
        if self._anew:
            self._doubt("it has started anew")
        if self._answers:
            said = self._answers.popleft()
            self._answers.clear()
            self._doubt(f"it said {said[:40]!r}")

    def _heed(self, line: str) -> None:
        """Take a line: what a train has delivered, or an answer."""
        if found := told.COMPLETE.fullmatch(line):
            self._pulses, self._stages_ua = int(found[1]), []
        elif found := told.MEASURED.fullmatch(line):
            self._stages_ua.append(int(found[2]))
            train = self._playing
            if train is not None and len(self._stages_ua) == len(phases(train)):
                self.measured.append(Measured(train, self._pulses, tuple(self._stages_ua)))
                self._playing = None
        elif line and line != told.BY_STAGE:
            self._anew |= line.startswith(told.BOOTING)
            self._answers.append(line)

    def _write(self, line: str) -> None:
        try:
            self._port.write(line.encode("ascii") + b"\n")
        except OSError as problem:
            self._lose(problem)

    def _read(self, for_s: float) -> None:
        """Read what is there, or wait for a byte."""
        try:
            self._port.timeout = for_s
            data = self._port.read(max(1, self._port.in_waiting))
        except (OSError, TypeError) as problem:  # TypeError: pyserial 3.5, closed while reading
            self._lose(problem)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heed(line.rstrip(b"\r").decode("latin-1"))
