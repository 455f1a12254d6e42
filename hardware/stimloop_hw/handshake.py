"""How host and device come to a session: identity, key, role."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stimloop_hw.errors import OrderRefused, WrongKey, WrongPeer
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import Auth, AuthAck, Hello, Identity
from stimloop_hw.ports import BAUD
from stimloop_hw.seal import SessionKeys, handshake_proof
from stimloop_hw.vocabulary import Build, Refusal

if TYPE_CHECKING:
    from stimloop_hw.link import Link
    from stimloop_hw.vocabulary import Role

VERSION = 1


def shake_hands(link: Link, role: Role, key: bytes, table_crc: int) -> Identity:
    """Begin a session of `link`; see `Link.hello` for what it raises.

    Parameters
    ----------
    link : Link
        Whose session has been forgotten.
    role : Role
    key : bytes
        The device's, pre-shared, 32 bytes.
    table_crc : int
        CRC of the message table that the host speaks.
    """
    hello = Hello(VERSION, VERSION, os.urandom(16), b"stimloop")
    identity = _introduce(link, hello, table_crc)
    build = Build(identity.build)
    _check_build(link.name, key, build)
    keys = SessionKeys.derive(
        key,
        hello.nonce,
        identity.nonce,
        identity.device_id,
        table_crc,
        signed=Build.UNSIGNED not in build,
    )
    link.session.begin(keys)
    granted = _authenticate(link, role, build)
    if granted.handshake != handshake_proof(hello.encode(), identity.encode()):
        raise WrongKey(
            f"the handshake with {link.name} was changed on the way; do not use this wire"
        )
    link.session.admitted = True
    return identity


def _introduce(link: Link, hello: Hello, table_crc: int) -> Identity:
    try:
        identity = link.request(hello, Identity)
    except TimeoutError:
        raise WrongPeer(
            f"nothing on {link.name} answers as an SL1 device; check that it is the right "
            f"port, that the device is on, and that its baud rate is {BAUD}"
        ) from None
    except OrderRefused as refused:
        if refused.reason != Refusal.VERSION:
            raise
        raise WrongPeer(
            f"the device on {link.name} speaks SL1 version {refused.detail}, this stimloop "
            f"version {VERSION}; use a matching release"
        ) from None
    if identity.table_crc != table_crc:
        raise WrongPeer(
            f"the device on {link.name} speaks message table {identity.table_crc:08X}, "
            f"this stimloop speaks {table_crc:08X}; use the stimloop release that "
            f"belongs to firmware {identity.firmware}"
        )
    return identity


def _check_build(name: str, key: bytes, build: Build) -> None:
    """What protects nothing is for simulators, and not for whoever brings a key."""
    public = key == DEVELOPMENT_KEY
    if public and Build.SIMULATED not in build:
        raise WrongKey(
            f"the device on {name} is no simulator, and the development key is "
            "public; give its own key with --key FILE"
        )
    if not public and Build.UNSIGNED in build:
        raise WrongKey(
            f"the device on {name} says that it takes unsigned orders, so a key "
            "protects nothing; leave the key out, or use a device that signs"
        )


def _authenticate(link: Link, role: Role, build: Build) -> AuthAck:
    try:
        return link.request(Auth(role), AuthAck)
    except OrderRefused as refused:
        if refused.reason != Refusal.KEY:
            raise
        remedy = (
            "it has the published development key: leave the key out"
            if Build.DEVKEY in build
            else "give its own with --key FILE or STIMLOOP_KEY"
        )
        raise WrongKey(
            f"the device on {link.name} does not accept this key; {remedy}"
        ) from None
