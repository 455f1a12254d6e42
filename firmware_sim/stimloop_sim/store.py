"""The program store: two banks of non-volatile memory, of which one is always whole.

A write goes to the bank that does not hold the newest program: erased, then written from the
first byte to the last, and valid by its last bytes, the CRC. Power that fails on the way leaves
the other bank, which was not touched. A record is ::

    generation u32 · length u16 · payload · CRC-32 of all before, little-endian
"""

from __future__ import annotations

import struct
from zlib import crc32

BANKS = 2
BANK_SIZE = 8192
"""Room for four groups of four programs, twice over."""
ERASED = 0xFF
_HEAD = struct.Struct("<IH")
_TAIL = struct.Struct("<I")
FRAME = _HEAD.size + _TAIL.size
"""What a record has besides its payload, in bytes."""
_RESIDUE = crc32(_TAIL.pack(crc32(b"")))
"""CRC-32 of anything followed by its own CRC-32."""


def erased(bank_size: int = BANK_SIZE) -> bytearray:
    """Memory as it comes from the factory."""
    return bytearray([ERASED]) * (BANKS * bank_size)


class Store:
    """The committed bytes, as they stand in memory.

    Parameters
    ----------
    cells : bytearray
        `BANKS` banks of equal size that outlast a reset; see `erased`.

    Attributes
    ----------
    payload : bytes
        Of the newest bank that was valid at power-on, or of the latest `write`; empty if there
        is none.
    """

    def __init__(self, cells: bytearray) -> None:
        self._cells = cells
        self._bank_size = len(cells) // BANKS
        self._load()

    def _load(self) -> None:
        newest = self._newest()
        self._record = memoryview(b"")
        if newest is not None:
            self._record = self._valid(newest) or self._record
        self.payload = bytes(self._record[_HEAD.size : -_TAIL.size])

    def write(self, payload: bytes) -> bool:
        """Replace the payload; False if the memory does not hold it, and then it is the former.

        Parameters
        ----------
        payload : bytes
            What is larger than a bank is not written.
        """
        if FRAME + len(payload) > self._bank_size:
            return False
        newest = self._newest()
        bank = 0 if newest is None else 1 - newest
        generation = 1 if newest is None else self._generation(newest) + 1
        record = _HEAD.pack(generation & 0xFFFFFFFF, len(payload)) + payload
        record += _TAIL.pack(crc32(record))
        first = bank * self._bank_size
        for offset in range(self._bank_size):
            self._cells[first + offset] = ERASED
        for offset, byte in enumerate(record):
            self._cells[first + offset] = byte
        self._load()
        return self._record == record

    def is_intact(self) -> bool:
        """Whether the bytes in memory are still those that were written."""
        return not self._record or crc32(self._record) == _RESIDUE

    def drop(self) -> None:
        """Hold nothing until the next `write` or power-on."""
        self._record = memoryview(b"")
        self.payload = b""

    @property
    def bad_banks(self) -> int:
        """Banks that are neither valid nor erased, as bits: bank k is bit k."""
        return sum(
            1 << bank
            for bank in range(BANKS)
            if self._valid(bank) is None
            and self._bank(bank) != bytes([ERASED]) * self._bank_size
        )

    def flip(self, bit: int) -> None:
        """Damage that a particle does: flip a bit of the record, counted modulo its length."""
        if self._record:
            self._record[bit // 8 % len(self._record)] ^= 1 << bit % 8

    def _bank(self, bank: int) -> memoryview:
        first = bank * self._bank_size
        return memoryview(self._cells)[first : first + self._bank_size]

    def _valid(self, bank: int) -> memoryview | None:
        """The record of a bank; None if it holds none."""
        cells = self._bank(bank)
        length = _HEAD.unpack_from(cells)[1]
        record = cells[: _HEAD.size + length + _TAIL.size]
        fits = FRAME + length <= self._bank_size
        return record if fits and crc32(record) == _RESIDUE else None

    def _generation(self, bank: int) -> int:
        return int(_HEAD.unpack_from(self._bank(bank))[0])

    def _newest(self) -> int | None:
        valid = [bank for bank in range(BANKS) if self._valid(bank) is not None]
        if len(valid) < BANKS:
            return valid[0] if valid else None
        # Generations are compared on their circle: the one that the other leads to is newer.
        ahead = (self._generation(1) - self._generation(0)) & 0xFFFFFFFF
        return 1 if ahead < 0x80000000 else 0
