"""The hosts that the device knows: a guest without proof, one controller, a few observers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.seal import Seal
from stimloop_hw.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_hw.seal import SessionKeys

OBSERVERS = 3
"""So many may watch; the one that was silent for longest gives way to another."""
OBSERVER_US = 5_000_000
"""An observer or patient that says nothing for so long has left."""
_LEAVING = (Role.OBSERVER, Role.PATIENT)


class HostSession:
    """One host's session.

    Parameters
    ----------
    keys : SessionKeys
    counter : int
        That of its Hello.
    proof : bytes
        Of the handshake, see `stimloop_hw.seal.handshake_proof`.
    now_us : int

    Attributes
    ----------
    number : int
    role : Role
    inbound, outbound : Seal
    received : int
        Counter of the latest order.
    sent : int
        Counter of the latest message that nobody asked for.
    answer : bytes
        The answer to the latest order, as long as it may be repeated.
    proof : bytes
    heard_us : int
        When it last said something authentic, µs.
    """

    __slots__ = (
        *("answer", "heard_us", "inbound", "number", "outbound", "proof"),
        *("received", "role", "sent"),
    )

    def __init__(self, keys: SessionKeys, counter: int, proof: bytes, now_us: int) -> None:
        self.number = keys.session
        self.role = Role.GUEST
        self.inbound = Seal(keys.to_device)
        self.outbound = Seal(keys.to_host)
        self.received = counter
        self.sent = 0
        self.answer = b""
        self.proof = proof
        self.heard_us = now_us


class Sessions:
    """All sessions by their number.

    Attributes
    ----------
    hearing : tuple of HostSession
        Those that are told what the device says by itself.
    """

    def __init__(self) -> None:
        self._by_number: dict[int, HostSession] = {}
        self.hearing: tuple[HostSession, ...] = ()

    def find(self, number: int) -> HostSession | None:
        """Session of a frame; 0 is none's."""
        return self._by_number.get(number)

    def greet(self, guest: HostSession) -> None:
        """Take in a host that said Hello: it replaces a guest, and nobody else."""
        self._keep(lambda known: known.role is not Role.GUEST)
        self._by_number[guest.number] = guest

    def admit(self, session: HostSession, role: Role) -> None:
        """Give a guest its role: a controller or patient replaces the one before."""
        if role is not Role.OBSERVER:
            self._keep(lambda known: known.role is not role)
        watching = [known for known in self.hearing if known.role is Role.OBSERVER]
        if role is Role.OBSERVER and len(watching) >= OBSERVERS:
            silent = min(watching, key=lambda known: known.heard_us)
            self._keep(lambda known: known is not silent)
        session.role = role
        self._keep(lambda _: True)

    def dismiss_silent(self, now_us: int) -> None:
        """Forget those that have left; a controller's lease has limits of its own."""
        left = [
            known
            for known in self.hearing
            if known.role in _LEAVING and now_us - known.heard_us > OBSERVER_US
        ]
        if left:
            self._keep(lambda known: known not in left)

    def _keep(self, wanted: Callable[[HostSession], bool]) -> None:
        self._by_number = {n: s for n, s in self._by_number.items() if wanted(s)}
        self.hearing = tuple(s for s in self._by_number.values() if s.role >= Role.OBSERVER)
