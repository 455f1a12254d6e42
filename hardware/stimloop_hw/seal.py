"""Signed frames: a session's keys, the 64-bit counter behind the sequence, and the tag.

The tag is the first 8 bytes of HMAC-SHA256 (RFC 2104, truncated as its section 5 allows) over
the 64-bit counter, the frame's header and its payload, under a key of this session and this
direction; it stands behind the payload. The counter is the sequence number extended and is not
sent, so that a frame of a full turn of the sequence ago fails its tag. The keys are made of
the device's pre-shared key and of a fresh nonce from each end, so that no frame of an older
session, of the other direction, of another device or table is accepted, and nobody has to keep
timestamps.

SL1 authenticates, it does not encrypt.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Self

from stimloop_hw.framing import MAX_PAYLOAD, Flag, Frame, encode

TAG_SIZE = 8
MAX_SIGNED_PAYLOAD = MAX_PAYLOAD - TAG_SIZE

_SIGNED = Flag.SIGNED.value
_BLOCK = 64  # of SHA-256, bytes
_COVERED = struct.Struct("<QBBHII")
_IDENTITY = struct.Struct("<QI")


def extended(seq: int, near: int) -> int:
    """Counter nearest to another one whose low 16 bits are `seq`.

    Parameters
    ----------
    seq : int
        0 to 65535.
    near : int
        A counter that is known, at most 32 767 away from the one that is meant.

    Returns
    -------
    int
        In ``[near - 0x8000, near + 0x7FFF]``; negative where no such frame can exist.
    """
    return near + ((seq - near + 0x8000) & 0xFFFF) - 0x8000


class Seal:
    """One direction of a session.

    Parameters
    ----------
    key : bytes
        Of this direction, 32 bytes. Empty in an unsigned build, which adds no tag and takes
        none.

    Attributes
    ----------
    signed : bool
    size : int
        Bytes that it adds to a frame.
    """

    __slots__ = ("_inner", "_outer", "signed", "size")

    def __init__(self, key: bytes) -> None:
        self.signed = bool(key)
        self.size = TAG_SIZE if key else 0
        # Both halves of HMAC (RFC 2104) begun once: a third of `hmac.digest`'s time per frame.
        block = key.ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def _tag(self, covered: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(covered)
        outer.update(inner.digest())
        return outer.digest()[:TAG_SIZE]

    def encode(  # noqa: PLR0917  # the header's fields in their order
        self,
        number: int,
        flags: int,
        counter: int,
        session: int,
        time: int,
        payload: bytes,
        table_crc: int,
    ) -> bytes:
        """Sign and frame one payload; parameters are those of `framing.encode`.

        Raises
        ------
        ValueError
            If the payload is longer than `MAX_SIGNED_PAYLOAD`.
        """
        seq = counter & 0xFFFF
        if self.signed:
            flags |= _SIGNED
            header = _COVERED.pack(counter, 0x10 | flags, number, seq, session, time)
            payload += self._tag(header + payload)
        return encode(number, flags, seq, session, time, payload, table_crc)

    def open(self, frame: Frame, counter: int) -> bytes | None:
        """Payload of an authentic frame; None if its tag is missing, wrong or too many.

        Parameters
        ----------
        frame : Frame
        counter : int
            The frame's sequence number, extended.
        """
        flags, payload = frame.flags, frame.payload
        signed = flags & _SIGNED
        if not self.signed:
            return None if signed else payload
        if not signed or counter < 0:
            return None
        payload, tag = payload[:-TAG_SIZE], payload[-TAG_SIZE:]
        header = _COVERED.pack(
            counter, 0x10 | flags, frame.number, frame.seq, frame.session, frame.time
        )
        return payload if compare_digest(tag, self._tag(header + payload)) else None


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What both ends derive from the pre-shared key and the handshake.

    Attributes
    ----------
    session : int
        The session's number, 32 bits.
    to_device, to_host : bytes
        Keys of the two directions; empty in an unsigned build.
    """

    session: int
    to_device: bytes
    to_host: bytes

    @classmethod
    def derive(
        cls,
        key: bytes,
        nonce_host: bytes,
        nonce_device: bytes,
        device_id: int,
        table_crc: int,
        *,
        signed: bool = True,
    ) -> Self:
        """Derive a session.

        Parameters
        ----------
        key : bytes
            Pre-shared, 32 bytes.
        nonce_host, nonce_device : bytes
            Of Hello and Identity, 16 bytes each.
        device_id : int
            64 bits.
        table_crc : int
            CRC-32 of the message table.
        signed : bool
            False for a build that takes unsigned orders.
        """
        handshake = nonce_host + nonce_device + _IDENTITY.pack(device_id, table_crc)
        root = digest(key, b"SL1-key" + handshake, "sha256")
        session = int.from_bytes(digest(root, b"sid", "sha256")[:4], "little")
        if not signed:
            return cls(session, b"", b"")
        to_device = digest(root, b"host->dev", "sha256")
        return cls(session, to_device, digest(root, b"dev->host", "sha256"))


def handshake_proof(hello: bytes, identity: bytes) -> bytes:
    """8 bytes of SHA-256 over both payloads: what AuthAck says that the device has seen.

    It binds what the keys alone do not: a build flag, limits or a version that somebody changed
    on the way.
    """
    return sha256(hello + identity).digest()[:8]
