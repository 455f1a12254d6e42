"""The driver of a Pulse Pal: what it never does, and that it says when it does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.pulsepal_impaired import Campaign, WithoutRules, WithRules

from stimloop_hw.errors import LinkLost, TrainRefused, UnknownState, WrongPeer
from stimloop_hw.generator import Train
from stimloop_hw.pulsepal import PulsePal
from stimloop_hw.pulsepal_protocol import MODELS, START, Op
from stimloop_sim.pulsepal import PulsePal as Device
from stimloop_sim.pulsepal_port import PulsePalPort
from stimloop_sim.scenario import Scenario

TRAIN = Train(-2_000, width_us=100, period_us=7_700, pulses=10, interphase_us=50)


class Rig:
    """A driver, and the device at the other end of its port."""

    def __init__(self, model: int = 2, *, channel: int = 1, faults: str = "") -> None:
        self.device = Device(model)
        self.executed: list[bytes] = []
        self.device.executed = self.executed
        scenario = Scenario.loads(f"schema = 1\n{faults}") if faults else None
        self.port = PulsePalPort(self.device, scenario)
        clock_ns = self.port.clock_ns
        self.driver = PulsePal(self.port, "/dev/x", channel=channel, clock_ns=clock_ns)
        self.driver.hello()
        self.executed.clear()
        self.device.outputs.changes.clear()

    def numbers(self) -> list[int]:
        return [command[0] for command in self.executed]

    def voltages_mv(self, channel: int = 0) -> list[tuple[int, int]]:
        """Changes of a channel: time after the first one, µs, and mV."""
        model = self.device.outputs.model
        changes = [c for c in self.device.outputs.changes if c.channel == channel]
        return [
            (c.t_us - changes[0].t_us, round(model.uv_of(c.code - model.zero) / 1000))
            for c in changes
        ]


@pytest.fixture(params=[1, 2], ids=["model 1", "model 2"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


def test_a_train_is_delivered_as_asked_and_ends_by_itself(rig: Rig) -> None:
    played = rig.driver.play(TRAIN)
    rig.port.wait(100_000)
    voltages = rig.voltages_mv()
    model = rig.device.outputs.model
    assert [t_us for t_us, _ in voltages[:4]] == [0, 100, 150, 250]
    first, rest, second, last = (mv for _, mv in voltages[:4])
    assert abs(first - played.train.amplitude) <= 1
    assert (rest, second, last) == (0, -first, 0)
    assert -2_000 <= played.train.amplitude <= -2_000 + 20_000 // model.top + 1
    assert len(voltages) == 4 * TRAIN.pulses
    assert voltages[4][0] == TRAIN.period_us
    assert not rig.device.outputs.playing
    assert rig.driver.idle_ns <= rig.driver.now_ns


def test_both_phases_of_every_pulse_are_as_many_steps_from_rest(rig: Rig) -> None:
    rig.driver.play(replace(TRAIN, amplitude=1_234, recharge_ratio=3))
    rig.port.wait(100_000)
    zero = rig.device.outputs.model.zero
    first, _, second, _ = [
        change.code - zero for change in list(rig.device.outputs.changes)[:4]
    ]
    assert first == -3 * second > 0


def test_all_channels_are_triggered_and_three_of_them_are_silent() -> None:
    rig = Rig(channel=3)
    rig.device.outputs.set_voltage(0, 50_000)  # left by somebody
    rig.driver.play(TRAIN)
    rig.port.wait(100_000)
    assert rig.voltages_mv(2)
    assert rig.device.outputs.codes == [MODELS[2].zero] * 4


def test_the_whole_program_is_written_once_with_0_v_and_trains_parameter_by_parameter(
    rig: Rig,
) -> None:
    for amplitude in (-2_000, -2_000, -3_000):
        rig.executed.clear()
        rig.driver.play(replace(TRAIN, amplitude=amplitude))
        rig.driver.listen(100_000)
        numbers = rig.numbers()
        assert numbers[:2] == [Op.ABORT, Op.ABORT]
        assert numbers[-2:] == [Op.TRIGGER, Op.HANDSHAKE]
        written = {command[1] for command in rig.executed if command[0] == Op.PARAMETER}
        if rig.device.outputs.model.number == 1:
            assert len(written) >= 9  # all that differs from its defaults
            assert not {Op.PARAMETER} ^ set(numbers[2:-2])
        else:
            assert set(numbers[2:-2]) <= {Op.PARAMETER, Op.SETTINGS}
            assert numbers[-3] == Op.SETTINGS  # read back
    if rig.device.outputs.model.number == 2:
        assert written == {2, 3}


def test_while_a_train_may_play_nothing_is_programmed(rig: Rig) -> None:
    rig.driver.play(TRAIN)
    written = len(rig.executed)
    with pytest.raises(TrainRefused, match="wait for so long"):
        rig.driver.play(TRAIN)
    rig.port.wait(1_000)
    assert len(rig.executed) == written
    rig.driver.listen(TRAIN.duration_us + 6_000)
    rig.driver.play(TRAIN)


def test_what_the_device_cannot_represent_is_refused_and_nothing_is_sent(rig: Rig) -> None:
    with pytest.raises(TrainRefused, match="write 50 or 100"):
        rig.driver.play(replace(TRAIN, width_us=60))
    rig.port.wait(1_000)
    assert not rig.executed


def test_nothing_is_read_while_a_train_plays(rig: Rig) -> None:
    write = rig.port.write

    def apart(data: bytes, /) -> int:
        for byte in data:  # a millisecond each
            write(bytes((byte,)))
            rig.port.wait(1_000)
        return len(data)

    rig.port.write = apart  # type: ignore[method-assign]
    rig.driver.play(TRAIN)
    rig.port.wait(100_000)
    times_us = [t_us for t_us, _ in rig.voltages_mv()]
    assert times_us[:4] == [0, 100, 150, 250]
    assert len(times_us) == 4 * TRAIN.pulses


def test_a_stop_ends_a_train_in_the_midst(rig: Rig) -> None:
    rig.driver.play(TRAIN)
    rig.driver.listen(20_000)
    rig.driver.stop()
    assert not rig.device.outputs.playing
    assert rig.numbers()[-3:] == [Op.ABORT, Op.ABORT, Op.HANDSHAKE]


def test_a_stop_ends_also_a_trigger_that_waits(rig: Rig) -> None:
    rig.driver.play(TRAIN)
    rig.port.write(bytes((START, Op.TRIGGER, 15)))  # by whomever
    rig.port.wait(1_000)
    rig.driver.stop()
    assert not rig.device.outputs.playing


def test_a_device_that_has_started_anew_does_not_play_its_defaults(rig: Rig) -> None:
    rig.driver.play(TRAIN)
    rig.driver.listen(100_000)
    rig.device.reset(rig.port.now_us)
    rig.device.outputs.changes.clear()
    rig.driver.play(TRAIN)
    rig.port.wait(1_200_000)
    assert len(rig.voltages_mv()) == 4 * TRAIN.pulses
    assert {change.channel for change in rig.device.outputs.changes} == {0}


def lose(rig: Rig, op: int, position: int) -> None:
    """Let the line lose one byte of the next command of a kind."""
    write = rig.port.write

    def lossy(data: bytes, /) -> int:
        if data[1] == op:
            rig.port.write = write  # type: ignore[method-assign]
            data = data[:position] + data[position + 1 :]
        return write(data)

    rig.port.write = lossy  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("op", "position"), [(Op.PARAMETER, 1), (Op.PARAMETER, 4), (Op.TRIGGER, 2), (Op.TRIGGER, 3)]
)
def test_a_lost_byte_is_told_and_a_stop_brings_the_device_back(
    rig: Rig, op: int, position: int
) -> None:
    lose(rig, op, position)
    with pytest.raises(UnknownState, match="may do something else than it was told"):
        rig.driver.play(TRAIN)
    assert rig.driver.doubt
    with pytest.raises(TrainRefused, match="stop it first"):
        rig.driver.play(TRAIN)
    rig.driver.stop()
    assert not rig.driver.doubt
    assert not rig.device.failed
    assert rig.device.outputs.codes == [rig.device.outputs.model.zero] * 4
    rig.driver.listen(100_000)
    rig.driver.play(TRAIN)


def test_model_2_is_compared_before_it_is_triggered() -> None:
    rig = Rig()
    write = rig.port.write

    def flipping(data: bytes, /) -> int:
        if data[1:3] == bytes((Op.PARAMETER, 2)):
            data = data[:-1] + bytes((data[-1] ^ 128,))
        return write(data)

    rig.port.write = flipping  # type: ignore[method-assign]
    with pytest.raises(UnknownState, match="it holds another program than it was sent"):
        rig.driver.play(TRAIN)
    assert Op.TRIGGER not in rig.numbers()


def test_an_answer_that_nobody_asked_for_is_a_doubt(rig: Rig) -> None:
    rig.port.write(bytes((START, Op.LOOP, 4, 0)))  # acknowledged, and left unread
    with pytest.raises(UnknownState, match="it said 01 unasked"):
        rig.driver.listen(5_000)


def test_a_device_that_waits_for_a_human_is_told_with_what_to_do(rig: Rig) -> None:
    rig.driver.play(TRAIN)
    rig.port.write(bytes((START, Op.VOLTAGE)))
    rig.port.wait(600_000)
    assert rig.device.failed
    with pytest.raises(UnknownState, match="click its joystick"):
        rig.driver.stop()
    assert "may put out any voltage" in rig.driver.doubt
    rig.device.click(rig.port.now_us)
    rig.driver.stop()
    assert not rig.driver.doubt


def test_a_pulled_plug_is_told_with_how_long_a_train_may_last() -> None:
    rig = Rig(faults="[[fault]]\nkind='unplug'\nat_ms=500\nuntil_ms=900\nafter_bytes=0\n")
    rig.port.now_us = 600_000
    with pytest.raises(LinkLost, match="ends within 1000 ms"):
        rig.driver.play(TRAIN)
    assert "is gone" in rig.driver.doubt


class Silent:
    """A port on which something else is, or nothing."""

    timeout: float | None = None
    in_waiting = 0

    def __init__(self, says: bytes) -> None:
        self.says = says

    def read(self, size: int, /) -> bytes:
        said, self.says = self.says[:size], self.says[size:]
        return said

    def write(self, data: bytes, /) -> int:
        return len(data)

    def close(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        (b"", "nothing was said"),
        (b"Booting", "it said 42 6f 6f 74 69"),
        (b"K\x63\0\0\0", "it said 4b 63 00 00 00"),
    ],
)
def test_something_else_on_the_port_is_refused(says: bytes, sentence: str) -> None:
    driver = PulsePal(Silent(says), "/dev/ttyS9")
    with pytest.raises(WrongPeer, match=f"no Pulse Pal answers on /dev/ttyS9 .{sentence}"):
        driver.hello()


def test_a_channel_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of them"):
        PulsePal(Silent(b""), "x", channel=5)


@pytest.mark.parametrize("model", [1, 2])
def test_on_a_bad_line_the_driver_says_whenever_it_does_not_know(model: int) -> None:
    campaign = Campaign(WithRules, model)
    campaign.run(6_000, seed=5)
    counts = campaign.counts
    assert counts["trains: right"] > 200
    assert counts["doubts told"] > 10
    if model == 2:
        assert not counts["unknown states unsaid"]
        assert counts["trains: another"] <= 3  # each device is reset once


def test_without_rules_the_same_line_leaves_states_that_nobody_knows() -> None:
    campaign = Campaign(WithoutRules, 2)
    campaign.run(6_000, seed=5)
    assert campaign.counts["unknown states unsaid"]
    assert campaign.counts["trains: another"] > 5
    assert campaign.counts["wrong commands executed"]
