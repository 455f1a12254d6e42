"""A pair as one wire: an amplifier that senses, and a generator that stimulates.

Device time is the amplifier's. The generator keeps no lease of its own, so this gives it one: a
train of pulses at a time, each no longer than the lease, the next one only after a fresh
heartbeat of the session. What a generator cannot do is refused before anything is sent; when it
is in doubt it is stopped, the record says so, and after three doubts in a row the session ends.

Resistor or saline loads only, never a person or an animal: these devices have no isolation
certificate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from time import perf_counter_ns
from typing import TYPE_CHECKING, Self

from stimloop import pair_limits
from stimloop.errors import PrescriptionError, StoppedByKey
from stimloop.pair_account import Account
from stimloop.pair_diary import Diary
from stimloop_hw.errors import UnknownState
from stimloop_hw.generator import Train
from stimloop_hw.messages import Heartbeat, Setpoint, Status
from stimloop_hw.program import CASE
from stimloop_hw.vocabulary import SensedFlag, State, StopMode

if TYPE_CHECKING:
    from types import TracebackType

    from stimloop.group import Group
    from stimloop.prescription import Prescription
    from stimloop.seams import Log
    from stimloop_hw import Block
    from stimloop_hw.amplifier import Amplifier, Edge
    from stimloop_hw.clock import DeviceClock
    from stimloop_hw.generator import PulseGenerator
    from stimloop_hw.messages import Identity, Limits, Message
    from stimloop_hw.program import Program

STEADY_US = 500_000
"""A train whose amplitude does not move lasts so long; one that does, the shortest time."""
FRESH_US = 150_000
"""Without a heartbeat for so long no train is started."""
STATUS_US = 100_000
SLACK_US = 40_000
"""Samples that run further ahead of the generator's clock wait for it: of a simulation that is
faster than time, or of another bath than its own."""
DOUBTS = 3
_STIM = SensedFlag.STIM.value


class Pair:
    """Amplifier and generator.

    Parameters
    ----------
    amplifier : Amplifier
    generator : PulseGenerator
    load_ohm : int
        What a generator of voltages drives: currents of a prescription go through it. 0 for one
        of currents.
    simulated : bool
        Whether both are.
    one_clock : bool
        Whether both ports go by the same clock, so that their times can be compared.
    stop_key : int or None
        Digital input of the amplifier that is high while a key is closed; when it opens, or its
        wire breaks, the output ends.

    Attributes
    ----------
    identity : Identity
        Who stimulates, after `hello`.
    notices : deque of Message
        Its own statuses, for the session to drain.
    event_ack, read_ns, arrived_ns : int
        See `stimloop.seams.Wire`.
    clock : DeviceClock
        Of the amplifier.
    doubts : int
        How often it was not certain what the generator did.
    """

    identity: Identity

    def __init__(
        self,
        amplifier: Amplifier,
        generator: PulseGenerator,
        load_ohm: int = 0,
        *,
        simulated: bool = False,
        one_clock: bool = True,
        stop_key: int | None = None,
    ) -> None:
        self.notices: deque[Message] = deque()
        self.event_ack = self.read_ns = self.arrived_ns = 0
        self.doubts = 0
        self._amplifier = amplifier
        self._generator = generator
        self._load_ohm = load_ohm
        self._simulated = simulated
        self._stop_key = stop_key
        self._diary = Diary(amplifier, generator, one_clock=one_clock, simulated=simulated)
        self._account = Account()
        self._state = State.IDLE
        self._program: Program | None = None
        self._crc = 0
        self._order = Setpoint(0, 0, 0, 0, 0)
        self._beat_us = 0
        self._lease_ms = 0
        self._moved_us = 0
        self._in_a_row = 0
        self._status_us = 0
        self._origin: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._generator.close()
        finally:
            self._amplifier.__exit__(kind, error, trace)  # which ends its stream

    @property
    def t_us(self) -> int:
        """The latest device time heard, µs."""
        return self._amplifier.t_us

    @property
    def clock(self) -> DeviceClock:
        """How device time stands to the clock of the port."""
        return self._amplifier.clock

    # Before the session ----------------------------------------------------------------------

    def hello(self) -> Identity:
        """Who stimulates."""
        told = self.limits()
        self.identity = pair_limits.identity(self._generator, told, simulated=self._simulated)
        return self.identity

    def limits(self) -> Limits:
        """What both can do together."""
        return pair_limits.limits(self._amplifier, self._generator.capability, self._load_ohm)

    def check(self, prescription: Prescription, limits: Limits) -> None:
        """Judge what the limits cannot tell of a generator.

        Raises
        ------
        PrescriptionError
            If the pair, or these limits, do not allow it.
        TrainRefused
            If the generator cannot represent its pulses.
        """
        known = self._generator.capability
        found = tuple(pair_limits.violations(prescription, known))
        if found:
            raise PrescriptionError(found)
        program = prescription.programs(limits).first
        top = Setpoint(0, 0, program.amplitude_max_ua, program.period_min_us, 0)
        self._generator.check(self._train(program, top).lasting(known.order_us))

    def commit(self, prescription: Prescription, limits: Limits) -> Group:
        """Take a program; nothing is sent before the first train. Raises what `check` does."""
        self.check(prescription, limits)
        group = prescription.programs(limits)
        self._program = group.first
        self._crc = group.set.crc()
        return group

    def keep_diary(self, log: Log) -> None:
        """Note every train, every doubt and every edge of a digital input from now on."""
        self._diary.log = log

    def stream(self, channel: int) -> None:
        """Let samples of a channel come."""
        self._amplifier.stream(1 << channel, pair_limits.block_of(self._amplifier))

    # The wire --------------------------------------------------------------------------------

    def sensed(self) -> Block | None:
        """Next block of samples, with a train started before it where one is due.

        Raises
        ------
        LinkError
            If either device is gone, or it is not certain that the generator is off.
        StoppedByKey
            If the stop key was opened; the output is off.
        """
        begun_ns = perf_counter_ns()  # programming a generator is waiting, too
        if self._state is State.STIMULATING:
            self._drive()
        block = self._amplifier.sensed()
        if block is None:
            return None
        self._diary.steps += 1
        edges = self._diary.note_edges()
        if self._state is State.STIMULATING:
            self._heed_key(edges)
        self._diary.note_utc()
        self._heed_measured()
        self._pace(block.t_us)
        if self.t_us - self._status_us >= STATUS_US:
            self._status_us = self.t_us
            self.notices.append(self.status())
        self.arrived_ns = perf_counter_ns()
        self.read_ns = self.arrived_ns - begun_ns
        if self._generator.now_ns < self._generator.idle_ns and self._account.playing:
            return replace(block, flags=block.flags | _STIM)
        return block

    def send(self, order: Message, expires_us: int | None = None) -> None:  # noqa: ARG002
        """Take an order: it acts with the next train."""
        if isinstance(order, Heartbeat):
            self._beat_us = self.t_us
            self._lease_ms = order.lease_ms
        elif isinstance(order, Setpoint):
            self._order = order
            self._moved_us = self.t_us

    def start(self, program_crc: int, lease_ms: int, group: int) -> int:  # noqa: ARG002
        """Let trains begin; the device's time of it, µs.

        Raises
        ------
        StoppedByKey
            If the stop key is open.
        """
        self._heed_key([])
        self._state = State.STIMULATING
        if not self._generator.capability.reads_back:
            self._diary.note_blindness()
        self._lease_ms = lease_ms
        self._beat_us = self.t_us
        return self.t_us

    def start_alone(self, program_crc: int) -> int:
        """Refused: no generator plays without a host.

        Raises
        ------
        UnknownState
            Always.
        """
        raise UnknownState(f"program {program_crc:08X} was to run alone; a generator cannot")

    def stop(self, mode: StopMode = StopMode.GROUND) -> None:  # noqa: ARG002  # off, however asked
        """End the output at once.

        Raises
        ------
        LinkError
            If it is not certain that it ended.
        """
        self._state = State.IDLE
        now_ns = self._generator.now_ns
        self._generator.stop()
        self._account.end(now_ns)

    def status(self) -> Status:
        """What is known of the output."""
        now_ns = self._generator.now_ns
        self._account.end_if_over(now_ns)
        left_ms = max(0, self._generator.idle_ns - now_ns) // 1_000_000
        state = self._state if not self._generator.doubt else State.FAULT
        return self._account.status(self.t_us, state, self._crc, self._order, left_ms)

    # Trains ----------------------------------------------------------------------------------

    def _train(self, program: Program, order: Setpoint) -> Train:
        """Pulses of an order; how many is said by `Train.lasting`."""
        amplitude = order.amplitude_ua
        if self._load_ohm:
            amplitude = amplitude * self._load_ohm // 1000  # µA · Ω = µV
        return Train(
            amplitude if program.cathodes == CASE else -amplitude,
            program.width_us,
            order.period_us,
            1,
            program.interphase_us,
            program.recharge_ratio,
        )

    def _drive(self) -> None:
        """Start the next train, if one is due."""
        assert self._program is not None
        generator, order = self._generator, self._order
        if generator.now_ns < generator.idle_ns or not order.amplitude_ua:
            return
        if self.t_us - self._beat_us > FRESH_US:
            return
        self._account.end_if_over(generator.now_ns)
        shortest_us = generator.capability.order_us
        steady = self.t_us - self._moved_us > shortest_us
        longest_us = STEADY_US if steady else shortest_us
        longest_us = min(longest_us, self._lease_ms * 1000)
        try:
            played = generator.play(self._train(self._program, order).lasting(longest_us))
        except UnknownState as problem:
            self._recover(problem)
            return
        self._in_a_row = 0
        self._heed_measured()  # of the train before, which was heard in the meantime
        self._account.begin(played, order, self._load_ohm)
        self._diary.note_train(played)

    def _heed_key(self, edges: list[Edge]) -> None:
        """An open stop key ends the output, if only for a moment."""
        key = self._stop_key
        if key is None:
            return
        opened = any(edge.line == key and not edge.high for edge in edges)
        if opened or not self._amplifier.lines[key]:
            self.stop()
            raise StoppedByKey(key, self._amplifier.model)

    def _heed_measured(self) -> None:
        """What the generator has measured of trains that have ended."""
        for measured in self._generator.take_measured():
            self._account.correct(measured)
            self._diary.note_measured(measured)

    def _recover(self, problem: UnknownState) -> None:
        """Stop a generator in doubt; the next train is tried with the next block."""
        self.doubts += 1
        self._in_a_row += 1
        self._diary.note_doubt(problem)
        now_ns = self._generator.now_ns
        self._generator.stop()
        self._account.end(now_ns)
        if self._in_a_row >= DOUBTS:
            raise UnknownState(
                f"{problem}: {DOUBTS} times in a row; it is stopped, and so is the session. "
                "Check the cable, and start a new one"
            )

    def _pace(self, t_us: int) -> None:
        """Let a generator's time follow samples that run ahead of it."""
        now_us = self._generator.now_ns // 1000
        if self._origin is None:
            self._origin = (t_us, now_us)
        ahead_us = (t_us - self._origin[0]) - (now_us - self._origin[1])
        if ahead_us <= SLACK_US:
            return
        try:
            self._generator.listen(ahead_us - SLACK_US)
        except UnknownState as problem:
            self._recover(problem)
