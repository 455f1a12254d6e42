"""Frames that somebody without the device's key could put on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.framing import Flag
from stimloop_hw.messages import TABLE_CRC
from stimloop_hw.seal import Seal

if TYPE_CHECKING:
    from stimloop_hw.link import Link
    from stimloop_hw.messages import Message


def forged(link: Link, order: Message, key: bytes, expires_us: int | None = None) -> bytes:
    """The next frame of a session that is not ours.

    Parameters
    ----------
    link : Link
        Whose session and sequence it takes.
    order : Message
    key : bytes
        That it is signed with; without one it has no signature.
    expires_us : int, optional
        Device time after which it would be void, µs.

    Returns
    -------
    bytes
        The link's own next frame has the same sequence number, and another signature.
    """
    session = link.session
    return Seal(key).encode(
        order.number,
        Flag.NONE if expires_us is None else Flag.EXPIRES,
        session.counter + 1,
        session.number,
        (session.t_us if expires_us is None else expires_us) & 0xFFFFFFFF,
        order.encode(),
        TABLE_CRC,
    )
