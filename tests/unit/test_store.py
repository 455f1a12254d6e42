"""The program store: power fails at any byte, any bit flips, and one program stands."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stimloop_sim.store import BANKS, FRAME, Store
from stimloop_sim.store import erased as fresh

BANK_SIZE = 512
"""Small banks, so that power may fail at every byte."""
LARGEST = BANK_SIZE - FRAME

OLD, NEW = b"the former program", b"the program that follows it"
WRITE_STEPS = BANK_SIZE + len(NEW) + 10
"""Cells that a write of NEW touches: a bank erased, then its record."""


def erased() -> bytearray:
    return fresh(BANK_SIZE)


class PowerLostError(Exception):
    pass


class TornCells(bytearray):
    """Memory whose supply fails after so many writes."""

    writes_left = 1 << 62

    def __setitem__(self, where, value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        if not self.writes_left:
            raise PowerLostError
        self.writes_left -= 1
        super().__setitem__(where, value)


class StuckCells(bytearray):
    """Memory of which one cell keeps what it has."""

    stuck = -1

    def __setitem__(self, where, value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        if where != self.stuck:
            super().__setitem__(where, value)


def written(*payloads: bytes) -> bytearray:
    cells = erased()
    for payload in payloads:
        assert Store(cells).write(payload)
    return cells


def torn(payloads: tuple[bytes, ...], writes: int) -> bytearray:
    """Memory after these payloads, and power that failed while the last was written."""
    cells = TornCells(written(*payloads[:-1]))
    cells.writes_left = writes
    with pytest.raises(PowerLostError):
        Store(cells).write(payloads[-1])
    return bytearray(cells)


def test_a_device_from_the_factory_holds_no_program_and_no_bad_bank() -> None:
    store = Store(erased())
    assert (store.payload, store.bad_banks) == (b"", 0)
    assert store.is_intact()


@given(st.lists(st.binary(max_size=LARGEST), min_size=1, max_size=6))
def test_what_was_written_last_is_what_the_next_power_on_finds(payloads: list[bytes]) -> None:
    cells = written(*payloads)
    store = Store(cells)
    assert (store.payload, store.bad_banks) == (payloads[-1], 0)
    assert len(cells) == BANKS * BANK_SIZE


@pytest.mark.parametrize("before", [(), (OLD,), (b"older", OLD)], ids=len)
def test_power_that_fails_at_any_byte_leaves_the_former_program(before: tuple[bytes]) -> None:
    for writes in range(WRITE_STEPS):
        store = Store(torn((*before, NEW), writes))
        assert store.payload == (before[-1] if before else b""), writes
        assert store.is_intact()


def test_power_that_fails_after_the_last_byte_leaves_the_new_program() -> None:
    cells = TornCells(written(OLD))
    cells.writes_left = WRITE_STEPS
    assert Store(cells).write(NEW)
    assert cells.writes_left == 0
    assert Store(cells).payload == NEW


@settings(max_examples=200)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=3),
    st.binary(max_size=60),
    st.data(),
)
def test_a_torn_write_leaves_the_former_program_or_is_a_whole_one(
    before: list[bytes], after: bytes, data: st.DataObject
) -> None:
    writes = data.draw(st.integers(0, BANK_SIZE + len(after) + 9))
    store = Store(torn((*before, after), writes))
    assert store.payload in (before[-1], after)
    assert store.write(b"and on")
    assert Store(store._cells).payload == b"and on"


@settings(max_examples=200)
@given(st.integers(0, BANKS * BANK_SIZE * 8 - 1))
def test_a_flipped_bit_never_makes_a_program_that_nobody_wrote(bit: int) -> None:
    cells = written(OLD, NEW)
    cells[bit // 8] ^= 1 << bit % 8
    store = Store(cells)
    assert store.payload in (OLD, NEW)
    assert (store.payload == OLD) == (store.bad_banks == 0b10)


@settings(max_examples=100)
@given(st.integers(0, (len(NEW) + 10) * 8 - 1))
def test_a_bit_that_flips_in_the_record_is_noticed_and_costs_one_program_only(bit: int) -> None:
    cells = written(OLD, NEW)
    store = Store(cells)
    store.flip(bit)
    assert not store.is_intact()
    store.flip(bit)
    assert store.is_intact()
    store.flip(bit)
    store.drop()
    assert (store.payload, store.is_intact()) == (b"", True)
    assert (Store(cells).payload, Store(cells).bad_banks) == (OLD, 0b10)
    assert store.write(b"a third")
    assert Store(cells).payload == b"a third", "it was written over the damaged bank"
    assert Store(cells).bad_banks == 0


def test_where_both_banks_are_bad_there_is_no_program() -> None:
    cells = written(OLD, NEW)
    cells[0] ^= 1
    cells[BANK_SIZE + 7] ^= 128
    store = Store(cells)
    assert (store.payload, store.bad_banks) == (b"", 0b11)
    store.flip(3)
    assert store.write(NEW)
    assert Store(cells).bad_banks == 0b10


def test_memory_that_does_not_take_what_is_written_keeps_the_former_program() -> None:
    cells = StuckCells(written(OLD))
    cells.stuck = BANK_SIZE + 8
    store = Store(cells)
    assert not store.write(NEW)
    assert store.payload == OLD
    assert Store(cells).payload == OLD


def test_what_is_larger_than_a_bank_is_not_written() -> None:
    store = Store(written(OLD))
    assert not store.write(bytes(LARGEST + 1))
    assert store.payload == OLD


@pytest.mark.parametrize("generation", [1, 0xFFFFFFFE, 0xFFFFFFFF])
def test_generations_go_round(generation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = erased()
    store = Store(cells)
    monkeypatch.setattr(store, "_generation", lambda _bank: generation)
    store.write(b"never newest by itself")
    store.write(OLD)
    for payload in (NEW, OLD, NEW):
        store = Store(cells)
        assert store.write(payload)
        assert Store(cells).payload == payload
