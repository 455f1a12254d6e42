"""A session that senses with a Cyton and stimulates with a StimJim, in one bath."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import serial
from tests.loop.test_instruments import served

from stimloop import Record, load_prescription, replay_record, run_session
from stimloop.errors import StoppedByKey
from stimloop.prescription import loads
from stimloop_hw.vocabulary import Lead, State
from stimloop_sim.bath import BATHS
from stimloop_sim.instruments import device_of_url
from stimloop_sim.stimjim import StimJim
from stimloop_sim.tissue import Condition

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = "examples/bench_stimjim.toml"
PATIENT = "patient=full_suppression&seed=7&fs=1000&tissue=artefact"
GENERATOR, SENSE = "stimjim+sim://stimjim?bath=lab", "cyton+sim://cyton?bath=lab&clock_ppm=2000"
SECONDS = 20.0
THRESHOLD = "smooth_ms = 400\nthreshold_uv = 0.5"


@pytest.fixture
def bath() -> Iterator[None]:
    """The bath of the session, kept by an instrument that looks on."""
    bystander = device_of_url(f"sim://cyton?bath=lab&{PATIENT}")
    yield
    del bystander
    BATHS.clear()


def session(tmp_path: Path, options: str = "", stop_key: int | None = None) -> Record:
    directory = run_session(
        load_prescription(EXAMPLE),
        GENERATOR,
        sense=SENSE + options,
        stop_key=stop_key,
        seconds=SECONDS,
        directory=tmp_path / "record",
    )
    return Record.open(directory)


def generator() -> StimJim:
    device = BATHS["lab"].generator
    assert isinstance(device, StimJim)
    return device


@pytest.mark.usefixtures("bath")
def test_one_instrument_senses_and_another_stimulates_on_one_clock(tmp_path: Path) -> None:
    record = session(tmp_path)
    device = generator()
    assert device.output.pulses > 100
    assert device.output.net_pc == 0
    last = list(record.statuses())[-1][1]
    assert last.state == State.IDLE
    assert abs(last.pulses - device.output.pulses) <= 2  # of a train that was stopped
    assert replay_record(record).identical
    trains = [e for e in record.events() if e.text.startswith("train of")]
    rising = np.array([e.t_us for e in record.events() if e.text == "digital input 0 high"])
    for train in trains[:-1]:
        # The wire from the generator to D11 shows the train within its bound.
        nearest_us = rising[np.argmin(np.abs(rising - train.t_us))]
        assert abs(nearest_us - train.t_us) <= train.detail + 5_000
        assert 0 < train.detail < 20_000
    measured = [e for e in record.events() if e.text.startswith("measured:")]
    assert len(trains) - 2 <= len(measured) <= len(trains)
    assert not any(";" in event.text for event in measured)
    flowed_nc = sum(one.amplitude_ua * one.width_us for one in device.output.recent) / 1000
    assert last.delivered_nc == pytest.approx(flowed_nc, rel=0.01)


@pytest.mark.usefixtures("bath")
def test_a_wire_that_breaks_is_told_by_the_generators_own_measurement(tmp_path: Path) -> None:
    tissue = BATHS["lab"].tissue
    tissue.apply(0, Condition.OPEN, 0)
    record = session(tmp_path)
    assert any(e.text.endswith("check the electrodes") for e in record.events())
    last = list(record.statuses())[-1][1]
    assert last.lead == Lead.OPEN
    # All but the train that was stopped in its midst, which nobody measured.
    assert last.delivered_nc <= 65 * 180 < last.programmed_nc


@pytest.mark.usefixtures("bath")
def test_a_wired_key_that_opens_ends_the_output_and_the_session(tmp_path: Path) -> None:
    with pytest.raises(StoppedByKey, match="digital input 1 of the OpenBCI Cyton is open"):
        session(tmp_path, "&key_ms=20000", stop_key=1)
    device = generator()
    assert not device.playing
    assert device.output.pulses > 100
    # The radio's packet, the dongle's pieces, a block of 20 ms, and the pulse in flight.
    assert 19_900_000 < device.output.recent[-1].t_us < 20_080_000
    record = Record.open(tmp_path / "record")
    assert any(event.text == "digital input 1 low" for event in record.events())
    assert any("stop key" in event.text for event in record.events())


@pytest.mark.usefixtures("bath")
def test_nothing_is_started_while_the_key_is_open(tmp_path: Path) -> None:
    with pytest.raises(StoppedByKey, match="close it, or mend its wire"):
        session(tmp_path, "", stop_key=1)
    assert generator().output.pulses == 0


def test_over_a_tty_each_device_time_is_told_in_utc_with_a_bound(tmp_path: Path) -> None:
    text = Path(EXAMPLE).read_text("utf-8").replace("smooth_ms = 400", THRESHOLD)
    text = text.replace("[capture]\nseconds = 10\npercentile = 50\n", "")
    began = datetime.now(UTC)
    with served("stimjim?bath=t&patient=default", "cyton?bath=t") as (generator, sense):
        directory = run_session(
            loads(text),
            f"stimjim+{generator}",
            sense=f"cyton+{sense}",
            seconds=2.0,
            directory=tmp_path / "record",
        )
        with serial.Serial(sense, timeout=0.2) as port:
            assert port.read(1) == b"", "the stream was left on"
    record = Record.open(directory)
    (note,) = [e for e in record.events() if e.text.startswith("device time")]
    told = datetime.fromisoformat(note.text.split(" is ")[1].split(" ±")[0])
    assert began < told < datetime.now(UTC)
    assert 0 < note.detail < 1_000_000
    assert replay_record(record).identical


@pytest.mark.usefixtures("bath")
def test_packets_that_the_radio_loses_hold_the_loop_and_are_counted(tmp_path: Path) -> None:
    record = session(tmp_path, "&hazards=radio_loss&seed=3")
    lost = sum(block.lost for block in record.blocks())
    missing = sum(
        int((np.frombuffer(block.samples_nv, "<i4") == -(2**31)).sum())
        for block in record.blocks()
    )
    assert lost + missing > 50
    assert generator().output.net_pc == 0
    assert replay_record(record).identical
