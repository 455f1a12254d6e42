"""Pre-shared keys: from a file or the environment, never from a command line.

A key file holds the 32 bytes as 64 hexadecimal digits on one line and is readable by its owner
alone::

    (umask 077; python -c "import secrets; print(secrets.token_hex(32))" > device.key)
"""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING

from stimloop_hw.errors import StimloopError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_SIZE = 32
VARIABLE = "STIMLOOP_KEY"
"""Environment variable that may hold the key itself, as 64 hexadecimal digits."""

DEVELOPMENT_KEY = b"stimloop development key, public"
"""What a simulator uses if nobody gives it another one. Published, so it protects nothing:
refused for hardware, and shown wherever it is used."""


class KeyRefused(StimloopError, ValueError):
    """A key cannot be had from where it was said to be."""


def read_key(path: Path | str) -> bytes:
    """Key of a file.

    Raises
    ------
    KeyRefused
        If the file cannot be read, is readable by others than its owner, or holds no key.
    """
    try:
        with Path(path).open("rb") as file:
            mode = S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1024)
    except OSError as problem:
        raise KeyRefused(
            f"the key file {path} cannot be read ({problem.strerror}); name a file of "
            f"{2 * KEY_SIZE} hexadecimal digits"
        ) from problem
    if mode & 0o077:
        raise KeyRefused(
            f"the key file {path} is open to others than its owner (mode {mode:03o}); "
            f"make it private: chmod 600 {path}"
        )
    return _key_of(text.decode("ascii", "replace"), f"the key file {path}")


def find_key(path: Path | None, environment: Mapping[str, str] = os.environ) -> bytes:
    """Key of a command: the file it was given, else the environment's, else the public one.

    Raises
    ------
    KeyRefused
        As `read_key`.
    """
    if path is not None:
        return read_key(path)
    if VARIABLE in environment:
        return _key_of(environment[VARIABLE], f"the environment variable {VARIABLE}")
    return DEVELOPMENT_KEY


def _key_of(text: str, where: str) -> bytes:
    digits = text.strip()
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE or len(digits) != 2 * KEY_SIZE:
        raise KeyRefused(
            f"{where} holds no key of {KEY_SIZE} bytes; write it as {2 * KEY_SIZE} "
            "hexadecimal digits and nothing else"
        )
    return key
