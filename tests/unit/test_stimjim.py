"""The driver of a StimJim: what it never does, and that it says when it does not know."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.errors import LinkError, LinkLost, TrainRefused, UnknownState, WrongPeer
from stimloop_hw.generator import Train
from stimloop_hw.stimjim import PLACES, SPOILT, StimJim
from stimloop_hw.stimjim_protocol import Mode, PulseTrain, Stage
from stimloop_hw.stimjim_train import phases, quantised
from stimloop_sim.stimjim import StimJim as Device
from stimloop_sim.stimjim_text import dump, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stimloop_sim.bath import Effect
    from stimloop_sim.stand import Stand

URL = "stimjim+sim://stimjim?patient=default"
TRAIN = Train(-1_000, width_us=60, period_us=7_700, pulses=13, interphase_us=50)


def stand_of(driver: StimJim) -> Stand:
    stand: Stand = driver._port.bench  # type: ignore[attr-defined]
    return stand


def device_of(driver: StimJim) -> Device:
    device = stand_of(driver).instrument
    assert isinstance(device, Device)
    return device


@pytest.fixture
def driver() -> Iterator[StimJim]:
    with StimJim.open(URL) as opened:
        device_of(opened).lines = []
        yield opened


def faulty(path: Path, *lines: str) -> str:
    file = path / "faults.toml"
    file.write_text("\n".join(("schema = 1", "seed = 3", "[[fault]]", *lines)), "utf-8")
    return f"{URL}&faults={file}"


def test_a_train_is_delivered_as_asked_and_ends_by_itself(driver: StimJim) -> None:
    played = driver.play(TRAIN)
    assert played.train == TRAIN
    driver.listen(200_000)
    device = device_of(driver)
    assert [one.stages for one in device.output.recent] == [
        ((-1000.0, 60), (0.0, 50), (1000.0, 60))
    ] * 13
    times_us = [one.t_us for one in device.output.recent]
    assert [t - times_us[0] for t in times_us] == [7_700 * k for k in range(13)]
    assert played.first_ns <= 1000 * times_us[0] <= played.last_ns
    assert device.output.net_pc == 0
    assert not device.playing
    assert driver.now_ns >= driver.idle_ns


@pytest.mark.parametrize("channel", [0, 1])
def test_the_other_channel_is_not_connected(channel: int) -> None:
    with StimJim.open(URL, channel=channel) as driver:
        driver.play(TRAIN)
        driver.listen(200_000)
        device = device_of(driver)
        assert {one.channel for one in device.output.recent} == {channel}
        assert device.places[PLACES[1]].modes[1 - channel] is Mode.HIGH_Z


@given(
    st.integers(-3_330, 3_330),
    st.integers(20, 500),
    st.sampled_from([0, 20, 100]),
    st.integers(1, 8),
    st.integers(1, 100),
)
def test_whatever_is_accepted_is_balanced_to_the_last_picocoulomb(
    ua: int, width_us: int, gap_us: int, ratio: int, pulses: int
) -> None:
    train = quantised(Train(ua, width_us, 10_000, pulses, gap_us, ratio))
    assert sum(ua * us for ua, us in phases(train)) == 0
    assert 0 <= abs(ua) - abs(train.amplitude) < ratio
    assert train.amplitude * ua >= 0


def test_every_train_is_defined_anew_in_the_other_place_and_read_back(driver: StimJim) -> None:
    for _ in range(3):
        driver.play(TRAIN)
        driver.listen(200_000)
    lines = device_of(driver).lines
    assert lines is not None
    first, second = PLACES
    assert [re.split("[,;]", line)[0] for line in lines] == [
        *(f"S{second}", f"T{second}"),
        *(f"S{first}", f"T{first}"),
        *(f"S{second}", f"T{second}"),
    ]


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        (replace(TRAIN, amplitude=3_331), "a StimJim has -3330 to 3330 µA"),
        (replace(TRAIN, width_us=19), "a StimJim has 20 to"),
        (replace(TRAIN, interphase_us=19), "gaps of 0, or 20 µs and more"),
        (replace(TRAIN, period_us=339), "hears no stop during a pulse of 170 µs: ask for 340"),
        (replace(TRAIN, pulses=130), "the train is the lease, of at most 1000 ms"),
        (replace(TRAIN, pulses=0), "ask for 1 to 129 pulses"),
    ],
)
def test_what_the_device_must_not_get_is_refused_and_nothing_is_sent(
    train: Train, sentence: str, driver: StimJim
) -> None:
    with pytest.raises(TrainRefused) as refused:
        driver.play(train)
    assert sentence in str(refused.value)
    assert device_of(driver).lines == []
    assert driver.doubt == ""


def test_a_train_is_refused_while_another_may_be_in_play(driver: StimJim) -> None:
    driver.play(TRAIN)
    with pytest.raises(TrainRefused, match="while another may play for"):
        driver.play(TRAIN)
    driver.listen(105_000)
    driver.play(TRAIN)


def test_the_devices_own_measurement_is_kept_as_a_witness(driver: StimJim) -> None:
    driver.play(TRAIN)
    driver.listen(200_000)
    (measured,) = driver.measured
    assert (measured.train, measured.pulses) == (TRAIN, 13)
    assert measured.stages_ua == pytest.approx((-1000, 0, 1000), abs=1)
    assert measured.difference == ""


def test_a_load_that_takes_too_much_voltage_is_told_by_the_measurement(
    driver: StimJim,
) -> None:
    tissue = stand_of(driver).bath.tissue
    cell = tissue.cells[0]
    tissue.interface.form(0, 10_000.0, cell.capacitance_f, cell.leak_ohm, cell.exchange_a)
    driver.play(replace(TRAIN, amplitude=-3_300))
    driver.listen(200_000)
    assert "-3300 µA were asked for, -1" in driver.measured[-1].difference
    assert "check the electrodes" in driver.measured[-1].difference
    assert device_of(driver).output.net_pc == pytest.approx(0)


def test_a_broken_wire_is_told_by_the_measurement(driver: StimJim) -> None:
    tissue = stand_of(driver).bath.tissue
    tissue.open.add(0)
    tissue._form(stand_of(driver).now_us)
    driver.play(TRAIN)
    driver.listen(200_000)
    assert "0 µA were delivered; the load is open" in driver.measured[-1].difference


def test_stop_ends_a_train_at_once_and_grounds_both_outputs(driver: StimJim) -> None:
    driver.play(replace(TRAIN, pulses=120))
    driver.listen(100_000)
    stopped_us = driver.now_ns // 1000
    driver.stop()
    driver.listen(1_000_000)
    device = device_of(driver)
    assert not device.playing
    assert device.output.recent[-1].t_us <= stopped_us + 7_700
    assert device.lines is not None
    assert [line for line in device.lines if line][-5:-1] == ["T-1", "U-1", "M0,3", "M1,3"]
    driver.play(TRAIN)


def test_a_bnc_marks_activity_for_whoever_records_it(driver: StimJim) -> None:
    bath = stand_of(driver).bath
    levels: list[bool] = []
    deliver = device_of(driver).deliver

    def heard(start_us: int, sample_us: int, samples: int) -> Effect:
        effect = deliver(start_us, sample_us, samples)
        levels.extend(effect.busy.tolist())
        return effect

    device_of(driver).deliver = heard  # type: ignore[method-assign]
    driver.play(TRAIN)
    driver.listen(200_000)
    assert bath.generator is device_of(driver)
    assert sum(levels) * 4_000 == pytest.approx(TRAIN.duration_us, abs=8_000)


def test_what_an_earlier_program_left_in_play_is_ended() -> None:
    with StimJim.open(URL + "&bath=left") as first:
        first.play(replace(TRAIN, pulses=129))
        with StimJim.open("stimjim+sim://stimjim?bath=other") as other:
            # The same device behind another port.
            other._port = first._port
            other._clock_ns = first._clock_ns
            first._port.write(b"U57\nS0,1,")
            other.hello()
            assert not device_of(first).playing
            assert other.doubt == ""


def test_no_damaged_byte_of_a_start_or_a_stop_starts_what_another_place_holds(
    driver: StimJim,
) -> None:
    """Whichever bit flips, byte vanishes or comes twice, or digit stands between."""
    device = device_of(driver)
    assert all(device.places[place] == PulseTrain() for place in SPOILT)
    held = {*PLACES, *(place for place, train in enumerate(device.places) if train.stages)}
    for line in (*(f"T{place}" for place in PLACES), "T-1", "U-1"):
        own = whole(line[1:])
        for spoilt in damaged(line):
            if spoilt[:1] in "TU" and (place := whole(spoilt[1:])) != own:
                assert place not in held, (line, spoilt)


def damaged(line: str) -> Iterator[str]:
    for at in range(len(line)):
        yield line[:at] + line[at + 1 :]
        yield line[:at] + line[at] + line[at:]
        for bit in range(8):
            yield line[:at] + chr(ord(line[at]) ^ 1 << bit) + line[at + 1 :]
        for digit in "0123456789-":
            yield line[:at] + digit + line[at:]


class TestDoubt:
    def test_a_definition_that_was_damaged_is_sent_again(self, driver: StimJim) -> None:
        port, write, count = driver._port, driver._port.write, [0]

        def damaging(data: bytes, /) -> int | None:
            count[0] += data.startswith(b"S")
            return write(data.replace(b"-1000", b"-3000") if count[0] == 1 else data)

        port.write = damaging  # type: ignore[method-assign]
        driver.play(TRAIN)
        driver.listen(200_000)
        assert {one.amplitude_ua for one in device_of(driver).output.recent} == {1000}

    def test_a_definition_that_never_arrives_whole_is_never_started(
        self, driver: StimJim
    ) -> None:
        write = driver._port.write
        driver._port.write = (  # type: ignore[method-assign]
            lambda data: write(data.replace(b",7700,", b",770,"))
        )
        with pytest.raises(UnknownState, match="does not hold the train that it was sent"):
            driver.play(TRAIN)
        assert device_of(driver).output.pulses == 0
        with pytest.raises(TrainRefused, match="stop it first"):
            driver.play(TRAIN)
        driver.stop()
        assert driver.doubt == ""

    def test_a_start_that_was_damaged_is_a_doubt_and_a_stop_ends_it(
        self, driver: StimJim
    ) -> None:
        write = driver._port.write
        driver._port.write = (  # type: ignore[method-assign]
            lambda data: write(data.replace(b"T57", b"T42"))
        )
        with pytest.raises(UnknownState, match="the start of a train was not confirmed"):
            driver.play(TRAIN)
        driver.stop()
        assert not device_of(driver).playing
        assert driver.doubt == ""

    def test_a_device_that_starts_anew_is_a_doubt(self, tmp_path: Path) -> None:
        url = faulty(tmp_path, 'kind = "reset"', "at_ms = 500")
        with StimJim.open(url) as driver:
            driver.play(replace(TRAIN, pulses=120))
            with pytest.raises(UnknownState, match="it has started anew"):
                driver.listen(2_500_000)
            driver.stop()
            driver.play(TRAIN)

    def test_a_device_that_hangs_is_told_with_what_to_do_by_hand(self, driver: StimJim) -> None:
        driver.play(TRAIN)
        device_of(driver).hung = True
        with pytest.raises(UnknownState, match=r"may put out any current: switch it off"):
            driver.stop()
        assert "pull the cables" in driver.doubt

    def test_a_cable_that_is_pulled_is_told(self, tmp_path: Path) -> None:
        url = faulty(tmp_path, 'kind = "unplug"', "at_ms = 500")
        with StimJim.open(url) as driver, pytest.raises(LinkLost, match="look at its outputs"):
            driver.listen(1_000_000)

    @pytest.mark.parametrize("kind", ["flip", "drop", "duplicate", "insert"])
    @pytest.mark.parametrize("seed", range(3))
    def test_on_a_bad_line_nothing_is_delivered_that_nobody_asked_for_without_a_doubt(
        self, kind: str, seed: int, tmp_path: Path
    ) -> None:
        path = tmp_path / "faults.toml"
        path.write_text(
            f'schema = 1\nseed = {seed}\n[[fault]]\nkind = "{kind}"\nat_ms = 500\n'
            "rate_ppm = 1000\n",
            "utf-8",
        )
        with StimJim.open(f"{URL}&faults={path}") as driver:
            driver.listen(500_000)
            device = device_of(driver)
            doubts = played = 0
            for k in range(150):
                train = replace(TRAIN, amplitude=-500 - k, pulses=3)
                before = device.output.pulses
                try:
                    driver.play(train)
                    driver.listen(40_000)
                except UnknownState:
                    doubts += 1
                    driver.stop()
                    continue
                played += 1
                came = list(device.output.recent)[before - device.output.pulses :]
                assert [one.stages for one in came] == [
                    ((-500.0 - k, 60), (0.0, 50), (500.0 + k, 60))
                ] * 3
            assert played > 100
            assert device.output.net_pc == 0
            assert max(one.amplitude_ua for one in device.output.recent) <= 650


class TestOneSentenceEach:
    def test_of_an_implant_in_its_place(self) -> None:
        with pytest.raises(WrongPeer, match="no StimJim answers on stimjim"):
            StimJim.open("stimjim+sim://dbs?seed=1")

    def test_of_an_amplifier_in_its_place(self) -> None:
        with pytest.raises(WrongPeer, match="no StimJim answers on"):
            StimJim.open("stimjim+sim://cyton?hazards=left_streaming")

    def test_of_a_channel_that_there_is_not(self) -> None:
        with pytest.raises(ValueError, match="a StimJim has channels 0 and 1"):
            StimJim.open(URL, channel=2)

    def test_of_another_driver(self) -> None:
        with pytest.raises(LinkError, match="names driver 'cyton'"):
            StimJim.open("cyton+sim://stimjim")

    def test_of_a_second_generator_in_one_bath(self) -> None:
        with (
            StimJim.open(URL + "&bath=one"),
            pytest.raises(LinkError, match="StimJim stimulates in this bath"),
        ):
            StimJim.open("stimjim+sim://stimjim?bath=one")


amplitudes = st.tuples(st.integers(-3_330, 3_330), st.integers(-15_000, 15_000))
trains = st.builds(
    PulseTrain,
    st.tuples(st.sampled_from(Mode), st.sampled_from(Mode)),
    st.integers(0, 10**7),
    st.integers(0, 10**9),
    st.lists(st.builds(Stage, amplitudes, st.integers(0, 10**6)), max_size=10).map(tuple),
)


@given(st.integers(0, 99), trains)
def test_what_a_place_holds_is_read_from_its_dump_number_by_number(
    place: int, train: PulseTrain
) -> None:
    assert PulseTrain.told(dump(place, train)[1:]) == (place, train)


@given(trains, st.data())
def test_a_dump_with_other_text_in_its_midst_is_none_or_the_truth(
    train: PulseTrain, data: st.DataObject
) -> None:
    text = "\n".join(dump(3, train)[1:])
    at = data.draw(st.integers(0, len(text)))
    spoilt = text[:at] + "Train complete. Delivered 3 pulses.\n" + text[at:]
    assert PulseTrain.told(spoilt.split("\n")) in (None, (3, train))
