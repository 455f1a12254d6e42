"""One session of the rig with the device under test, and the verbs that obligations share."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stimloop.rig.gentle import gentle
from stimloop.rig.obligation import Broken, Need, require, require_equal
from stimloop.rig.tape import Tape
from stimloop.rig.witness import open_witness
from stimloop_hw.errors import LinkError, LinkLost
from stimloop_hw.groups import ProgramSet
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.link import Link
from stimloop_hw.messages import (
    Commit,
    Committed,
    Heartbeat,
    Refused,
    Setpoint,
    Staged,
    Status,
)
from stimloop_hw.ranges import evoked_of
from stimloop_hw.staging import stages_of
from stimloop_hw.trace import pulse_line
from stimloop_hw.vocabulary import Build, Refusal, ResetCause, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.rig.obligation import Obligation
    from stimloop.rig.witness import Witness
    from stimloop_hw.messages import Identity, Limits, Message
    from stimloop_hw.program import Program
    from stimloop_hw.trace import TracedPulse

LEASE_MS = 1000
"""Lease of the rig's therapies."""
MARGIN_MS = 120
"""A status every 100 ms tells of a change, and a device rounds up to its tick."""
COMMIT_LATEST_US = 1_000_000
SETPOINT_LATEST_US = 100_000
STATUSES_TO_SETTLE = 4
"""Status messages from an order to its amplitude: a rise of a tenth of the program's slew."""


class RigSession:
    """A link to the device under test, its limits, and a gentle program inside them.

    Parameters
    ----------
    link : Link
        After its handshake, with the output off.
    key : bytes
    witness : Witness or None
        Who saw the pulses, if anybody did.

    Attributes
    ----------
    link, key, witness
        As given.
    limits : Limits
        What the device says of itself.
    program : Program
        `stimloop.rig.gentle`, for these limits.
    abilities : frozenset of Need
        What the device and its bench have of what obligations need.
    """

    def __init__(self, link: Link, key: bytes, witness: Witness | None) -> None:
        self.link = link
        self.key = key
        self.witness = witness
        self.limits = link.limits()
        self.program = gentle(self.limits)
        self.abilities = abilities(link.identity, self.limits, witness)

    def lacks(self, obligation: Obligation) -> str:
        """What an obligation needs and this device and its bench have not; empty if nothing."""
        return ", ".join(f"no {need}" for need in sorted(obligation.needs - self.abilities))

    @property
    def boot(self) -> int:
        """How often the device has started."""
        return self.link.identity.boot

    @property
    def cause(self) -> str:
        """Why it last did."""
        return ResetCause(self.link.identity.reset_cause).name

    def describe(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Who the device is, and its limits, for people."""
        identity = self.link.identity
        device = {
            "model": identity.model.rstrip(b"\0").decode("ascii", "replace"),
            "firmware": identity.firmware,
            "device_id": identity.serial,
            "boot": identity.boot,
            "authentication": Build(identity.build).authentication,
            "simulated": bool(identity.build & Build.SIMULATED),
            "table_crc": f"{identity.table_crc:08X}",
            "limits_crc": f"{identity.limits_crc:08X}",
        }
        limits = {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in asdict(self.limits).items()
        }
        return device, limits

    def ask(self, obligation: Obligation) -> None:
        """Check an obligation; a device that gives no answer while it tells Status breaks it.

        Raises
        ------
        Broken
            If it is not kept.
        LinkLost
            If the device is gone.
        """
        try:
            obligation.check(self)
        except LinkLost as lost:
            try:
                self.link.status()
            except LinkLost:
                raise lost from None
            raise Broken(f"it is there, and gives no answer: {lost}") from lost

    # The way to a therapy --------------------------------------------------------------------

    def commit(self, program: Program) -> None:
        """Stage, compare the read-back, and commit.

        Raises
        ------
        Broken
            If the device holds something else than it was sent.
        """
        for stage in stages_of(ProgramSet.single(program), 1):
            staged = self.link.request(stage, Staged)
            require(
                staged.entries == stage.entries, "what it read back is not what it was sent"
            )
        require_equal("the CRC of what is staged", staged.staged_crc, program.crc())
        commit = Commit(1, staged.staged_crc)
        latest_us = self.link.t_us + COMMIT_LATEST_US
        committed = self.link.request(commit, Committed, latest_us)
        require_equal("the CRC of what is committed", committed.program_crc, program.crc())

    def begin(self, program: Program | None = None) -> Status:
        """Commit, arm and start a program: a therapy at zero amplitude, kept alive."""
        program = program or self.program
        self.commit(program)
        self.link.start(program.crc(), LEASE_MS)
        self.alive()
        status = self.alive()
        require_equal("the state after a start", _name(status.state), State.STIMULATING.name)
        require_equal("the amplitude after a start in µA", status.amplitude_ua, 0)
        return status

    def deliver(self, program: Program | None = None) -> Status:
        """Begin, and go to the program's largest amplitude under heartbeats."""
        program = program or self.program
        self.begin(program)
        self.steer(1, program.amplitude_max_ua)
        for _ in range(STATUSES_TO_SETTLE):
            status = self.alive()
        require_equal("the state of a therapy", _name(status.state), State.STIMULATING.name)
        require_equal("its amplitude in µA", status.amplitude_ua, program.amplitude_max_ua)
        return status

    def steer(self, number: int, amplitude_ua: int) -> None:
        """Order an amplitude at the program's shortest period."""
        setpoint = Setpoint(number, 0, amplitude_ua, self.program.period_min_us, 0)
        self.link.send(setpoint, self.link.t_us + SETPOINT_LATEST_US)

    def alive(self) -> Status:
        """Renew the lease, and hear how things stand."""
        self.link.send(Heartbeat(LEASE_MS, 0, self.link.event_ack))
        return self.link.status()

    def refusals(self, order: Message, expires_us: int) -> list[Refusal]:
        """Give an order that has no answer, and hear until the next Status who refused it."""
        self.link.notices.clear()
        self.link.send(order, expires_us)
        self.link.status()
        return [Refusal(n.reason) for n in self.link.notices if isinstance(n, Refused)]

    def silent_until(self, state: State, latest_us: int, link: Link | None = None) -> Status:
        """Say nothing until the device tells that it entered a state.

        Raises
        ------
        Broken
            If it has not by this device time.
        """
        link = link or self.link
        while (status := link.status()).state != state:
            if status.t_us > latest_us:
                late_ms = (status.t_us - latest_us) // 1000
                raise Broken(
                    f"it is still {_name(status.state)}, and had to be {state.name} "
                    f"{late_ms} ms ago"
                )
        return status

    # Who saw it ------------------------------------------------------------------------------

    def pulses(self, since_us: int, until_us: int) -> list[TracedPulse]:
        """What the witness saw begin in this time of the device.

        Raises
        ------
        LinkLost
            If the witness has not seen so far.
        """
        assert self.witness is not None, "the obligation needs a witness"
        self.witness.look(until_us)
        return [pulse for pulse in self.witness.pulses if since_us <= pulse.t_us < until_us]


def _name(state: int) -> str:
    return State(state).name


def abilities(identity: Identity, limits: Limits, witness: Witness | None) -> frozenset[Need]:
    """What an SL1 device of these limits, and its bench, can be asked for."""
    missing = {Need.CURRENT, Need.COARSE}  # of generators behind a driver
    if identity.build & Build.UNSIGNED:
        missing.add(Need.AUTHENTICATION)
    if not limits.sense_channels:
        missing |= {Need.SENSING, Need.LOOP}
    if not evoked_of(limits):
        missing.add(Need.EVOKED)
    if witness is None:
        missing.add(Need.WITNESS)
    return frozenset(Need) - missing


@contextmanager
def open_session(
    url: str,
    *,
    key: bytes = DEVELOPMENT_KEY,
    witness: str | None = None,
    raw: list[str] | None = None,
) -> Iterator[RigSession]:
    """Open a session with a device; its output is off before and after.

    Parameters
    ----------
    url : str
    key : bytes
    witness : str, optional
        Where a witness tells its pulses; that of ``sim://`` needs none.
    raw : list of str, optional
        Takes the wire's traffic, and then the witness's pulses, as lines of JSON.

    Raises
    ------
    LinkError
        If device or witness cannot be reached, or do not accept us.
    """
    with Link.open(url, key=key) as link, open_witness(link.port, witness) as witnessed:
        if raw is not None:
            link.port = tape = Tape(link.port)
        try:
            link.hello()
            link.stop()
            try:
                yield RigSession(link, key, witnessed)
            finally:
                link.stop()
        finally:
            if raw is not None:
                raw += tape.lines
                with suppress(LinkError):
                    if witnessed is not None:
                        witnessed.look(0)
                pulses = [] if witnessed is None else witnessed.pulses
                raw += [pulse_line(pulse).decode().strip() for pulse in pulses]
