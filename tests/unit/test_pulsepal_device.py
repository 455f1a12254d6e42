"""The simulated Pulse Pal does on the wire what its firmware is documented to do, or worse."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.pulsepal_protocol import MODELS, START, Everything, Op, Output, Settings
from stimloop_sim.pulsepal import PulsePal
from stimloop_sim.pulsepal_outputs import HAZARDS, Change

ZERO = MODELS[2].zero
PULSES = replace(
    Output.silent(ZERO), phase1_code=40_000, phase1=2, interval=18, train=100, resting_code=ZERO
)
BYTE = st.integers(0, 255)


class Host:
    """Writes commands to a device, and lets time pass."""

    def __init__(self, model: int = 2, *, without: str = "") -> None:
        self.device = PulsePal(model, frozenset(HAZARDS) - {without})
        self.now_us = 0

    def send(self, op: int, arguments: bytes = b"", *, wait_us: int = 1_000) -> bytes:
        self.device.receive(self.now_us, bytes((START, op)) + arguments)
        return self.wait(wait_us)

    def wait(self, for_us: int) -> bytes:
        self.now_us += for_us
        return self.device.take(self.now_us)

    def program(self, *outputs: Output) -> None:
        rest = (Output.silent(self.device.outputs.model.zero),) * (4 - len(outputs))
        everything = Everything((*outputs, *rest))
        assert self.send(Op.PROGRAM, everything.pack(self.device.outputs.model)) == b"\1"

    def changes(self) -> list[Change]:
        changes = list(self.device.outputs.changes)
        self.device.outputs.changes.clear()
        return changes

    def pulses(self) -> list[int]:
        """When a channel left 0 V, µs after the first time."""
        zero = self.device.outputs.model.zero
        times = [change.t_us for change in self.changes() if change.code != zero]
        return [t_us - times[0] for t_us in times]

    @property
    def codes(self) -> list[int]:
        return self.device.outputs.codes


@pytest.mark.parametrize(("model", "version"), [(1, 5), (2, 21)])
def test_a_handshake_tells_the_firmwares_version(model: int, version: int) -> None:
    assert Host(model).send(Op.HANDSHAKE) == b"K" + struct.pack("<I", version)


def test_bytes_that_start_no_command_are_skipped_one_each_cycle() -> None:
    host = Host()
    host.device.receive(0, bytes(range(100)) + bytes((START, Op.HANDSHAKE)))
    assert host.wait(4_900) == b""
    assert host.wait(200)[:1] == b"K"


@given(st.lists(st.tuples(*[BYTE] * 17), min_size=4, max_size=4), st.tuples(BYTE, BYTE))
def test_a_whole_program_is_read_as_it_was_written(
    rows: list[tuple[int, ...]], modes: tuple[int, int]
) -> None:
    everything = Everything(tuple(Output(*row) for row in rows), modes)
    for model in MODELS.values():
        assert Everything.unpack(everything.pack(model), model) == everything
    assert Everything.unpack_stored(everything.pack_stored()) == everything


def test_a_train_has_the_pulses_of_its_parameters_and_ends() -> None:
    host = Host()
    host.program(PULSES)
    host.changes()
    host.send(Op.TRIGGER, b"\1", wait_us=20_000)
    first, second, *rest = host.changes()
    assert (first.code, second.code) == (40_000, ZERO)
    assert second.t_us - first.t_us == 100
    assert [change.t_us - first.t_us for change in rest[::2]] == [1000, 2000, 3000, 4000]
    assert not host.device.outputs.playing


def test_a_biphasic_pulse_has_two_phases_and_a_gap_at_rest() -> None:
    host = Host()
    host.program(replace(PULSES, biphasic=1, phase2_code=25_000, interphase=1, phase2=3))
    host.changes()
    host.send(Op.TRIGGER, b"\1", wait_us=20_000)
    first, *rest = host.changes()[:4]
    assert [change.code for change in rest] == [ZERO, 25_000, ZERO]
    assert [change.t_us - first.t_us for change in rest] == [100, 150, 300]


def test_bursts_pause_between_them_and_a_delay_comes_first() -> None:
    host = Host()
    host.program(replace(PULSES, burst=40, burst_interval=20, delay=10))
    host.changes()
    begun_us = host.now_us
    host.send(Op.TRIGGER, b"\1", wait_us=20_000)
    changes = host.changes()
    assert changes[0].t_us - begun_us == 550
    host.device.outputs.changes.extend(changes)
    assert host.pulses() == [0, 1000, 3000, 4000]


def test_a_custom_train_plays_at_its_times() -> None:
    host = Host()
    times, codes = (0, 30, 50), (40_000, 20_000, 50_000)
    arguments = struct.pack("<I3I3H", 3, *times, *codes)
    assert host.send(Op.CUSTOM_1, arguments) == b"\1"
    host.program(replace(PULSES, custom_id=1))
    host.changes()
    host.send(Op.TRIGGER, b"\1", wait_us=20_000)
    played = [change for change in host.changes() if change.code != ZERO]
    assert tuple(change.code for change in played) == codes
    assert [change.t_us - played[0].t_us for change in played] == [0, 1500, 2500]


def test_a_soft_trigger_during_a_train_waits_one_deep_for_its_end() -> None:
    host = Host()
    host.program(PULSES)
    host.changes()
    for _ in range(3):
        host.send(Op.TRIGGER, b"\1", wait_us=500)
    host.wait(30_000)
    assert len(host.pulses()) == 10


@pytest.mark.parametrize(("without", "restarts"), [("", True), ("latch", False)])
def test_an_abort_does_not_clear_a_trigger_that_waits(without: str, restarts: bool) -> None:
    host = Host(without=without)
    host.program(PULSES)
    for _ in range(2):
        host.send(Op.TRIGGER, b"\1", wait_us=500)
    host.send(Op.ABORT, wait_us=200)
    assert host.device.outputs.playing is restarts
    host.send(Op.ABORT, wait_us=200)
    assert not host.device.outputs.playing


@pytest.mark.parametrize(("without", "stuck"), [("", True), ("zero_time", False)])
def test_a_phase_of_zero_stays_until_the_train_ends(without: str, stuck: bool) -> None:
    host = Host(without=without)
    host.program(replace(PULSES, phase1=0))
    host.changes()
    host.send(Op.TRIGGER, b"\1", wait_us=20_000)
    first, second = host.changes()[:2]
    assert (second.t_us - first.t_us == 5_000) is stuck
    assert host.codes[0] == ZERO


def test_missing_bytes_are_read_as_zero_executed_acknowledged_and_then_nothing_works() -> None:
    host = Host()
    host.send(Op.VOLTAGE, b"\1\x80", wait_us=499_000)  # the high byte of 0 V is lost
    assert host.codes[0] == ZERO
    assert host.wait(2_000) == b"\1"
    assert host.codes[0] == 0x0080  # -9.96 V
    assert host.device.failed
    assert host.send(Op.ABORT) == host.send(Op.HANDSHAKE) == b""
    assert host.codes[0] == 0x0080
    host.device.click(host.now_us)
    assert host.codes[0] == ZERO
    assert host.send(Op.HANDSHAKE)[:1] == b"K"


def test_without_that_hazard_an_incomplete_command_is_forgotten() -> None:
    host = Host(without="timeout")
    host.send(Op.VOLTAGE, b"\1\x80", wait_us=501_000)
    assert host.codes[0] == ZERO
    assert host.send(Op.HANDSHAKE)[:1] == b"K"


def test_while_a_command_waits_for_bytes_a_pulse_stands_still() -> None:
    host = Host()
    host.program(replace(PULSES, phase1=20, train=1000))
    host.send(Op.TRIGGER, b"\1", wait_us=300)
    assert host.codes[0] == 40_000
    host.send(Op.VOLTAGE, b"\2", wait_us=400_000)
    assert host.codes[0] == 40_000
    host.device.receive(host.now_us, ZERO.to_bytes(2, "little"))
    host.wait(1_000)
    assert host.codes[0] == ZERO


@pytest.mark.parametrize(("channel", "bursts"), [(1, True), (3, False)])
def test_a_burst_written_alone_is_a_burst_on_the_first_channel_only(
    channel: int, bursts: bool
) -> None:
    host = Host()
    host.program(*[PULSES] * 4)
    for code in (8, 9):
        assert host.send(Op.PARAMETER, struct.pack("<BBI", code, channel, 20)) == b"\1"
    host.changes()
    host.send(Op.TRIGGER, bytes((1 << channel - 1,)), wait_us=20_000)
    assert (len(host.pulses()) == 3) is bursts


def test_a_long_time_written_alone_is_written_where_nobody_knows() -> None:
    host = Host()
    host.send(Op.PARAMETER, struct.pack("<BBI", 10, 1, 300_000))
    assert host.device.outputs.damaged == 1
    assert host.device.outputs.parameters[0].train == 300_000


@pytest.mark.parametrize(("without", "ends"), [("", True), ("shared_state", False)])
def test_in_model_1_a_trigger_ends_the_delay_of_other_channels(
    without: str, ends: bool
) -> None:
    host = Host(1, without=without)
    output = replace(Output.silent(128), phase1_code=200, delay=100, train=100)
    host.program(output, output)
    host.changes()
    host.send(Op.TRIGGER, b"\1", wait_us=1_000)
    host.send(Op.TRIGGER, b"\2", wait_us=30_000)
    assert ({change.channel for change in host.changes()} == {1}) is ends


def test_more_custom_pulses_than_there_is_room_for_are_taken() -> None:
    host = Host()
    n = MODELS[2].most_pulses + 1
    arguments = struct.pack("<I", n) + bytes(6 * n)
    assert host.send(Op.CUSTOM_1, arguments) == b"\1"
    assert host.device.outputs.damaged == 1


def test_a_loop_goes_on_until_it_is_switched_off() -> None:
    host = Host()
    host.program(PULSES)
    assert host.send(Op.LOOP, b"\1\1", wait_us=1_000_000) == b"\1"
    assert len(host.pulses()) == 1000
    host.send(Op.LOOP, b"\1\0")
    assert not host.device.outputs.playing


def test_model_2_gives_back_what_it_has_stored() -> None:
    host = Host()
    host.program(PULSES)
    expected = Everything((PULSES, *[Output.silent(ZERO)] * 3)).pack_stored()
    name = b"\3abc"
    assert host.send(Op.SETTINGS, bytes((Settings.SAVE,)) + name, wait_us=50_000) == b""
    host.device.reset(host.now_us)
    loaded = host.send(Op.SETTINGS, bytes((Settings.LOAD,)) + name, wait_us=50_000)
    assert loaded == expected
    assert host.device.outputs.parameters[0] == PULSES


def test_every_command_is_acknowledged_as_the_table_says() -> None:
    host = Host(1)
    for op, arguments, answer in (
        (Op.TEXT, b"\3abc", b""),
        (Op.SET_PIN, b"\1\1", b""),
        (Op.READ_PIN, b"\1", b"\0"),
        (Op.ANALOG_PIN, b"\1", b"0\r\n"),
        (Op.CLIENT, b"PYTHON", b""),
        (Op.WRITE_EEPROM, b"\7\2ab", b"\1"),
        (Op.READ_STORED, b"\7\2", b"ab"),
        (Op.WIPE_EEPROM, b"", b""),
        (Op.READ_STORED, b"\7\2", b"\0\0"),
        (Op.SCREEN_SAVER, b"\1\0\0\0\0", b"\1"),
        (Op.DISCONNECT, b"", b""),
    ):
        assert host.send(op, arguments, wait_us=2_000) == answer, op
    assert host.send(Op.HANDSHAKE) == b""  # it stores its parameters for a second
    assert host.wait(1_200_000)[:1] == b"K"


@given(st.binary(max_size=400))
def test_whatever_arrives_never_raises_and_time_goes_on(data: bytes) -> None:
    for model in MODELS:
        host = Host(model)
        host.device.receive(0, data)
        host.wait(3_000_000)
        assert host.device.now_us == 3_000_000
