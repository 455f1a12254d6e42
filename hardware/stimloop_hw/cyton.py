"""Driver of an OpenBCI Cyton as a sensing source.

Resistor or saline loads only, never a person or an animal: the board has no isolation
certificate, and what it is connected to here is being stimulated.

The board is told everything anew at every start, since it keeps what an earlier program told
it. Its packets carry time stamps all the time: they tell losses beyond the 8-bit counter, and
asking for them is a question about the clock, whose answer is a marked packet. Digital inputs
D11 and D12 come with every sample.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Self

from stimloop_hw.amplifier import Edge
from stimloop_hw.clock import DeviceClock
from stimloop_hw.cyton_packets import INPUTS, SAMPLE_MS, SIZE, Packets, Sequence
from stimloop_hw.errors import LinkError, LinkLost, WrongPeer
from stimloop_hw.ports import clock_of, open_port
from stimloop_hw.sample_grid import SampleGrid

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stimloop_hw.blocks import Block
    from stimloop_hw.cyton_packets import Packet
    from stimloop_hw.ports import TimedPort

BAUD = 115_200
RATE_HZ = 250
SAMPLE_US = 1_000 * SAMPLE_MS
GAINS = {4: 2, 6: 3, 8: 4, 12: 5, 24: 6}
"""Gains and their codes. With 1 and 2 the converter's range does not fit 32 bits of nV."""
FULL_SCALE_NV = 4_500_000_000
"""At gain 1; it is 2²³ - 1 counts (data sheet of the ADS1299)."""
TOP = 0x7FFFFF
DRIFT_PPM = 5_000
"""The ADS1299's oscillator is on the chip, trimmed to half a percent at room temperature."""
ANSWER_MS, QUIET_MS, BANNER_MS = 500, 200, 3_000
SILENCE_MS = 1_000
"""A streaming board that sends nothing for so long is lost."""
ASK_US = 1_000_000
"""Device time between two questions about the clock."""
RECENT = 16
"""Of so many packets the one that waited least tells how late a sample is at most."""
STRANGERS = 8
"""So many packets in a row that fit nothing come from a board that has started anew."""
END = b"$$$"
_DOWN = b"Device failed to poll host"
_GONE = "check the dongle, the board's switch and battery, and the distance between them"

_NO_BOARD = f"the dongle on {{}} answers, but no board does; {_GONE}"


class Cyton:
    """One board.

    Parameters
    ----------
    port : TimedPort
        Open.
    name : str
        How errors call it.
    gain : int
        Of every input, a key of `GAINS`.
    clock_ns : callable
        Time of the port, ns.

    Attributes
    ----------
    model, channels, rate_hz, range_uv, clock, edges, lost_samples, read_ns, arrived_ns
        See `stimloop_hw.amplifier.Amplifier`.
    firmware : str
        As the board tells it, after `hello`.
    packets : Packets
    sequence : Sequence
        What was damaged on the way.

    Raises
    ------
    ValueError
        If the gain is none of those.
    """

    model = "OpenBCI Cyton"
    channels = INPUTS
    rate_hz = RATE_HZ

    def __init__(
        self,
        port: TimedPort,
        name: str,
        *,
        gain: int = 24,
        clock_ns: Callable[[], int] = perf_counter_ns,
    ) -> None:
        if gain not in GAINS:
            raise ValueError(
                f"gain {gain} was asked for; this driver has {', '.join(map(str, GAINS))}, "
                "whose range fits 32 bits of nV: choose one of them"
            )
        self.name = name
        self.firmware = ""
        self.range_uv = FULL_SCALE_NV // gain // 1_000
        self.clock = DeviceClock(DRIFT_PPM)
        self.edges: deque[Edge] = deque()
        self.read_ns = 0
        self.arrived_ns = 0
        self.packets = Packets()
        self.sequence = Sequence()
        self._port = port
        self._gain = gain
        self._clock_ns = clock_ns
        self._columns: list[int] = []
        self._grid = SampleGrid(1, 1, SAMPLE_US)
        self._lines: tuple[int, int] | None = None
        self._asked: tuple[int, int] | None = None  # when, and behind which index
        self._ask_at = 0
        self._delays_ns: deque[int] = deque(maxlen=RECENT)
        self._came_ns = 0  # by the port's clock, as all that tells of the board's
        self._heard_ns = 0

    @classmethod
    def open(cls, url: str, *, gain: int = 24) -> Self:
        """Open a port and make sure that a Cyton answers.

        Parameters
        ----------
        url : str
            Of the port, with or without ``cyton+``.
        gain : int
            Of every input, a key of `GAINS`.

        Raises
        ------
        LinkError
            If the port cannot be opened, or something else answers on it.
        """
        port = open_port(url, "cyton", baud=BAUD)
        try:
            board = cls(port, url, gain=gain, clock_ns=clock_of(port))
            board.hello()
        except BaseException:
            port.close()
            raise
        return board

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.halt()
        except LinkError:
            if error is None:
                raise
        finally:
            self.close()

    def close(self) -> None:
        """Release the port."""
        self._port.close()

    @property
    def t_us(self) -> int:
        """Device time of the latest sample, µs: samples since the stream began, times 4 ms."""
        return max(0, self.sequence.index) * SAMPLE_US

    @property
    def lines(self) -> tuple[int, int]:
        """Levels of D11 and D12 with the latest sample; low before the first one."""
        return self._lines or (0, 0)

    @property
    def lost_samples(self) -> int:
        """Samples that did not come."""
        return self._grid.lost_samples

    # The board -----------------------------------------------------------------------------

    def hello(self) -> None:
        """End what the board is doing, start it anew, and set it up for a stream.

        Raises
        ------
        WrongPeer
            If no board answers, or one that this driver does not know.
        LinkLost
            If the port fails.
        """
        self.halt()
        banner = self._ask(b"v", BANNER_MS)
        if b"OpenBCI V3" not in banner:
            said = "something else is said" if banner else "nothing is said"
            raise WrongPeer(
                f"no OpenBCI Cyton answers on {self.name} ({said}); check the port's name, and "
                "that the board is switched to PC"
            )
        if b"Daisy" in banner:
            self._expect(b"c", b"daisy removed")
        self.firmware = self._ask(b"V").removesuffix(END).decode("ascii", "replace")
        if not self.firmware.startswith("v3."):
            raise WrongPeer(
                f"the Cyton on {self.name} has firmware {self.firmware[:20]!r}; this driver "
                "needs v3 for digital inputs: update the board"
            )
        self._expect(b"~6", b"Sample rate is 250Hz")
        self._expect(b"/3", b"digital")
        self._expect(b"<", b"Time stamp ON")

    def stream(self, mask: int, block: int) -> None:
        """Start a stream; see `Amplifier.stream`."""
        if not 0 < mask < 1 << INPUTS or block < 1:
            raise ValueError(
                f"channels {mask:#x} in blocks of {block} samples were asked for; a Cyton has "
                f"channels 0 to {INPUTS - 1} and blocks of 1 or more: choose some of these"
            )
        self.halt()
        self._columns = [k for k in range(INPUTS) if mask >> k & 1]
        for k in range(INPUTS):
            order = f"x{k + 1}{int(k not in self._columns)}{GAINS[self._gain]}0110X"
            self._expect(order.encode(), b"Channel set for %d" % (k + 1))
        self.clock = DeviceClock(DRIFT_PPM)
        self.packets, self.sequence = Packets(), Sequence()
        self.edges.clear()
        self._delays_ns.clear()
        self._grid = SampleGrid(len(self._columns), block, SAMPLE_US)
        self._lines = None
        self._asked = None
        self._ask_at = 0
        self._heard_ns = self._clock_ns()
        self._write(b"b")

    def sensed(self) -> Block | None:
        """Next block; see `Amplifier.sensed`. A board has no end of samples.

        Raises
        ------
        LinkLost
            If the board is gone, silent for `SILENCE_MS`, or has started anew.
        """
        while not self._grid.waiting:
            self._pump()
        return self._grid.waiting.popleft()

    def halt(self) -> None:
        """End the stream, and hear it end.

        Raises
        ------
        WrongPeer
            If there is a dongle and no board.
        LinkLost
            If the port fails, or the board goes on.
        """
        for _ in range(10):
            self._write(b"s")
            heard = self._hear(QUIET_MS)
            if _DOWN in heard:
                raise WrongPeer(
                    f"the dongle on {self.name} answers, but no board does; {_GONE}"
                )
            if not heard:
                return
        raise LinkLost(
            f"the board on {self.name} goes on streaming; switch it off and on again"
        )

    # Inside --------------------------------------------------------------------------------

    def _ask(self, order: bytes, patience_ms: int = ANSWER_MS) -> bytes:
        """Send a command; its answer up to the three dollars."""
        self._write(order)
        until_ns = self._clock_ns() + 1_000_000 * patience_ms
        answer = b""
        while not answer.endswith(END) and self._clock_ns() < until_ns:
            answer += self._read(1)
        if _DOWN in answer:
            raise WrongPeer(_NO_BOARD.format(self.name))
        return answer.lstrip(b",")

    def _expect(self, order: bytes, answer: bytes) -> None:
        heard = self._ask(order)
        if answer not in heard:
            raise WrongPeer(
                f"the Cyton on {self.name} answered {heard[-40:]!r} to {order.decode()!r}, and "
                f"not {answer.decode()!r}; switch it off and on again"
            )

    def _hear(self, for_ms: int) -> bytes:
        """All that is said, until it is quiet for so long."""
        until_ns = self._clock_ns() + 1_000_000 * for_ms
        heard = b""
        while self._clock_ns() < until_ns:
            heard += self._read(1)
        return heard

    def _pump(self) -> None:
        """Read once, and take what is complete."""
        begun_ns = perf_counter_ns()
        data = self._read(max(1, SIZE - self.packets.pending))
        self.arrived_ns = perf_counter_ns()
        self.read_ns = self.arrived_ns - begun_ns
        self._came_ns = self._clock_ns()
        for packet in self.packets.feed(data):
            index = self.sequence.place(packet)
            if index is not None:
                self._heard_ns = self._came_ns
                self._take(index, packet)
        if self.sequence.index * SAMPLE_US >= self._ask_at:
            self._ask_at = self.t_us + ASK_US
            self._asked = (self._clock_ns(), self.sequence.index)
            self._write(b"<")
        silent_ms = (self._came_ns - self._heard_ns) / 1e6
        if self.sequence.strangers >= STRANGERS or silent_ms >= SILENCE_MS:
            self._tell_loss()

    def _tell_loss(self) -> None:
        said = self.packets.rest()
        if _DOWN in said:
            raise LinkLost(f"the dongle on {self.name} has lost the board; {_GONE}")
        if self.sequence.strangers >= STRANGERS or b"OpenBCI V3" in said:
            raise LinkLost(
                f"the board on {self.name} has started anew in the midst of its stream; check "
                "its battery, and start a new session"
            )
        raise LinkLost(f"no samples from {self.name} for {SILENCE_MS} ms; {_GONE}")

    def _take(self, index: int, packet: Packet) -> None:
        """Put a sample into its block."""
        self._delays_ns.append(self._came_ns - 1_000 * SAMPLE_US * index)
        if packet.answers:
            self._learn_clock(index)
        levels = zip(self._lines or packet.lines, packet.lines, strict=True)
        for line, (before, now) in enumerate(levels):
            if before != now:
                self.edges.append(Edge(line, bool(now), index * SAMPLE_US))
        self._lines = packet.lines
        counts = [packet.counts[column] for column in self._columns]
        saturated = max(counts) >= TOP or min(counts) < -TOP
        self._grid.put(index, [self._nv(one) for one in counts], saturated=saturated)

    def _nv(self, counts: int) -> int:
        """Nearest nV."""
        full = self._gain * TOP
        return (2 * counts * FULL_SCALE_NV + full) // (2 * full)

    def _learn_clock(self, index: int) -> None:
        """A packet answers the question: its sample was taken after that was sent."""
        if self._asked is None or index <= self._asked[1]:
            return
        # The latest sample before the board heard it may be the one that it marks.
        asked_ns = self._asked[0] - 1_000 * SAMPLE_US
        slack_ns = RECENT * SAMPLE_US * DRIFT_PPM // 1_000
        came_ns = min(
            self._came_ns, min(self._delays_ns) + 1_000 * SAMPLE_US * index + slack_ns
        )
        self._asked = None
        self.clock.push(asked_ns, max(came_ns, asked_ns), index * SAMPLE_US, index * SAMPLE_US)

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as problem:
            raise LinkLost(f"{self.name} takes no orders: {problem}; {_GONE}") from problem

    def _read(self, size: int) -> bytes:
        try:
            return self._port.read(max(size, self._port.in_waiting))
        except (OSError, TypeError) as problem:  # TypeError: pyserial 3.5, closed while reading
            raise LinkLost(f"{self.name} is gone: {problem}; {_GONE}") from problem
