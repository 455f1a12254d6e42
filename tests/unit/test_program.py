from __future__ import annotations

from dataclasses import fields, replace
from zlib import crc32

from hypothesis import given
from tests.peer import DBS, PROGRAM
from tests.strategies import programs

from stimloop_hw.program import ENTRY, Parameter, Program


@given(programs(DBS))
def test_a_program_survives_its_entries(program: Program) -> None:
    values = {n: value for n, _, value in ENTRY.iter_unpack(program.entries())}
    assert Program.of(values) == program


def test_every_field_but_the_loop_is_a_parameter_and_every_parameter_a_field() -> None:
    assert [f.name.upper() for f in fields(Program)] == [p.name for p in Parameter] + ["LOOP"]


def test_a_programs_name_is_the_crc_of_its_entries() -> None:
    assert PROGRAM.crc() == crc32(PROGRAM.entries())


def test_any_changed_parameter_changes_the_name() -> None:
    names = {PROGRAM.crc(), PROGRAM.crc(channel=1)}
    for parameter in Parameter:
        name = parameter.name.lower()
        names.add(replace(PROGRAM, **{name: getattr(PROGRAM, name) ^ 1}).crc())
    assert len(names) == 2 + len(Parameter)


def test_the_numbers_of_the_parameters_are_frozen() -> None:
    numbers = [*range(1, 23), *range(30, 34), *range(36, 39)]
    assert [p.value for p in Parameter] == numbers
    assert PROGRAM.entries()[:7].hex() == "01000000000000"
