"""A generator beside what senses: one session, with the lease that the generator has not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import stimloop_sim.stand
from stimloop import Record, load_prescription, replay_record, run_session
from stimloop.cli import main
from stimloop.pair import Pair
from stimloop.prescription import loads
from stimloop_hw.errors import LinkLost, UnknownState
from stimloop_hw.vocabulary import SensedFlag, State
from stimloop_sim.bath import BATHS
from stimloop_sim.instruments import device_of_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.loop.conftest import Implant

    from stimloop_sim.pulsepal_stand import BathPulsePal

EXAMPLE = "examples/bench_pulsepal.toml"
SENSE = "sim://dbs?seed=7"
GENERATOR = "pulsepal+sim://pulsepal?bath=lab"


@pytest.fixture
def device() -> Iterator[Callable[[], BathPulsePal]]:
    """The Pulse Pal of the session: its bath is kept for as long as a board stands in it."""
    bystander = device_of_url("sim://cyton?bath=lab&seed=1&fs=1000")
    assert isinstance(bystander, stimloop_sim.stand.Stand)

    def found() -> BathPulsePal:
        generator = BATHS["lab"].generator
        assert generator is not None
        return generator  # type: ignore[return-value]  # the session put it there

    yield found
    BATHS.clear()


def session(tmp_path: Path, url: str = GENERATOR, seconds: float = 10.0) -> Record:
    directory = run_session(
        load_prescription(EXAMPLE),
        url,
        sense=SENSE,
        load_ohm=1_000,
        seconds=seconds,
        directory=tmp_path / "record",
    )
    return Record.open(directory)


def notes(record: Record, word: str) -> list[str]:
    return [e.text for e in record.events() if e.kind == "note" and word in e.text]


def test_a_session_on_a_pair_is_told_as_it_was_delivered_and_replays(
    tmp_path: Path, device: Callable[[], BathPulsePal]
) -> None:
    record = session(tmp_path)
    path = device().paths[0]
    last = list(record.statuses())[-1][1]
    assert last.state == State.IDLE
    assert path.pulses > 100
    assert abs(last.pulses - path.pulses) <= 1  # a stop in the midst of a train
    assert last.delivered_nc == pytest.approx(path.delivered_pc / 1000, rel=0.05)
    assert last.delivered_nc <= last.programmed_nc
    assert abs(path.net_pc) < 1e-3 * path.delivered_pc
    assert max(-pulse.voltage_mv for pulse in path.recent) == 2_000
    assert {pulse.width_us for pulse in path.recent} == {100}
    assert record.session["identity"]["model"] == "Pulse Pal 2"
    assert record.session["sense"] == SENSE
    assert len(notes(record, "train of")) > 10
    assert replay_record(record).identical
    flags = [block.flags & SensedFlag.STIM for block in record.blocks()]
    assert 0 < sum(map(bool, flags)) < len(flags)


def test_an_amplitude_that_moves_is_followed_by_short_trains(
    tmp_path: Path, device: Callable[[], BathPulsePal]
) -> None:
    session(tmp_path)
    voltages = [abs(pulse.voltage_mv) for pulse in device().paths[0].recent]
    # 8 mA/s for a train of 100 ms, programming and read-back, and a block
    assert max(after - before for before, after in pairwise(voltages)) <= 1_600


def test_a_host_that_is_gone_ends_the_output_with_its_train(
    tmp_path: Path, device: Callable[[], BathPulsePal], monkeypatch: pytest.MonkeyPatch
) -> None:
    sensed = Pair.sensed

    def dies(self: Pair) -> object:
        generator = self._generator
        if generator.idle_ns - generator.now_ns > 100_000_000 and self.t_us > 8_000_000:
            monkeypatch.setattr("stimloop.run.give_up", lambda *_: None)  # nor says stop
            raise MemoryError
        return sensed(self)

    monkeypatch.setattr(Pair, "sensed", dies)
    with pytest.raises(MemoryError):
        session(tmp_path)
    generator = device()
    assert generator.outputs.playing
    generator.deliver(generator.now_us, 1_000_000, 1)
    assert not generator.outputs.playing
    assert generator.outputs.codes == [generator.outputs.model.zero] * 4


def test_a_device_that_starts_anew_in_the_session_never_plays_its_defaults(
    tmp_path: Path, device: Callable[[], BathPulsePal]
) -> None:
    faults = tmp_path / "faults.toml"
    rows = "".join(
        f"[[fault]]\nkind = 'reset'\nat_ms = {ms}\n" for ms in range(6_000, 16_000, 730)
    )
    faults.write_text(f"schema = 1\n{rows}")
    session(tmp_path, f"{GENERATOR}&faults={faults}")
    recent = [pulse for path in device().paths for pulse in path.recent]
    assert recent
    assert all(-2_000 <= pulse.voltage_mv < 0 for pulse in recent)


def test_a_line_that_loses_bytes_is_told_as_a_doubt_and_the_session_goes_on(
    tmp_path: Path, device: Callable[[], BathPulsePal]
) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(
        "schema = 1\nseed = 5\n[[fault]]\nkind = 'drop'\nrate_ppm = 1000\n"
        "direction = 'to_device'\n"
    )
    record = session(tmp_path, f"{GENERATOR}&faults={faults}", seconds=20.0)
    assert notes(record, "doubt: ")
    assert replay_record(record).identical
    assert not device().failed
    assert {path.voltage_mv for path in device().paths} == {0}


def test_a_line_that_is_hopeless_ends_the_session_in_one_sentence(
    tmp_path: Path, device: Callable[[], BathPulsePal]
) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(
        "schema = 1\n[[fault]]\nkind = 'drop'\nrate_ppm = 1000000\nat_ms = 3000\n"
        "direction = 'to_device'\n"
    )
    with pytest.raises(UnknownState, match="may put out any voltage: click its joystick"):
        session(tmp_path, f"{GENERATOR}&faults={faults}")
    assert {path.voltage_mv for path in device().paths} == {0}


def test_a_plug_that_is_pulled_ends_the_session_with_what_is_known(
    tmp_path: Path, device: Callable[[], BathPulsePal]
) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(
        "schema = 1\n[[fault]]\nkind = 'unplug'\nat_ms = 3000\nuntil_ms = 9000\n"
        "after_bytes = 0\n"
    )
    with pytest.raises(LinkLost, match="a train in play ends within 1000 ms"):
        session(tmp_path, f"{GENERATOR}&faults={faults}")
    assert device().paths


@pytest.mark.usefixtures("device")
def test_each_train_begins_where_an_independent_witness_sees_it_within_the_bound(
    tmp_path: Path,
) -> None:
    directory = run_session(
        load_prescription(EXAMPLE),
        GENERATOR,
        sense="cyton+sim://cyton?bath=lab&seed=2",
        load_ohm=1_000,
        seconds=6.0,
        directory=tmp_path / "record",
    )
    record = Record.open(directory)
    events = [event for event in record.events() if event.kind == "note"]
    trains = [event for event in events if event.text.startswith("train of")]
    # The generator's own line, on an input of the board; it rose after the sample before.
    rises_us = [event.t_us for event in events if event.text == "digital input 0 high"]
    assert len(rises_us) == len(trains) > 5
    for train, rise_us in zip(trains, rises_us, strict=True):
        assert 0 < train.detail < 20_000
        assert rise_us - 4_000 - train.detail <= train.t_us <= rise_us + train.detail
    assert replay_record(record).identical


def test_the_patient_in_the_bath_feels_what_the_generator_plays(tmp_path: Path) -> None:
    text = Path(EXAMPLE).read_text("utf-8")
    text = text[: text.index("[capture]")] + '[controller]\nkind = "continuous"\n'
    levels_uv = {}
    for amplitude_ma in ("0.0", "3.0"):
        directory = run_session(
            loads(text.replace("amplitude_ma = 2.0", f"amplitude_ma = {amplitude_ma}")),
            "pulsepal+sim://pulsepal?bath=felt&seed=3",
            sense="cyton+sim://cyton?bath=felt",
            load_ohm=1_000,
            seconds=20.0,
            directory=tmp_path / amplitude_ma,
        )
        levels_uv[amplitude_ma] = Record.open(directory).column("steps", "level")[250:].mean()
    assert levels_uv["3.0"] < 0.9 * levels_uv["0.0"]


def test_any_generator_makes_a_pair_with_any_amplifier(tmp_path: Path) -> None:
    text = Path(EXAMPLE).read_text("utf-8")
    for number, (url, load_ohm) in enumerate(
        (("stimjim+sim://stimjim?bath=both", None), ("pulsepal+sim://pulsepal?model=1", 500))
    ):
        for sense in (SENSE, "cyton+sim://cyton?bath=both"):
            directory = run_session(
                loads(text),
                url,
                sense=sense,
                load_ohm=load_ohm,
                seconds=2.0,
                directory=tmp_path / f"{number}{sense[:3]}",
            )
            record = Record.open(directory)
            assert notes(record, "train of")
            assert bool(notes(record, "cannot be read back")) is ("model=1" in url)
            assert replay_record(record).identical
            assert list(record.statuses())[-1][1].state == State.IDLE


def test_over_two_ttys_each_train_is_placed_on_the_clock_of_the_samples_with_a_bound(
    tmp_path: Path, implant: Callable[..., Implant]
) -> None:
    with (
        implant("pulsepal?fs=1000", "--pty") as (_, generator),
        implant("dbs?seed=7", "--pty") as (_, sensing),
    ):
        text = Path(EXAMPLE).read_text("utf-8").replace("seconds = 5", "seconds = 1")
        directory = run_session(
            loads(text),
            f"pulsepal+{generator}",
            sense=sensing,
            load_ohm=1_000,
            seconds=3.0,
            directory=tmp_path / "record",
        )
    record = Record.open(directory)
    trains = [event for event in record.events() if event.text.startswith("train of")]
    assert trains
    assert all(0 < train.detail < 500_000 for train in trains)
    begun_us = [train.t_us for train in trains]
    assert begun_us == sorted(begun_us)
    assert replay_record(record).identical


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (("pulse_width_us = 100", "pulse_width_us = 110"), "pulse_width_us"),
        (('cathodes = ["0"]', 'cathodes = ["1"]'), "cathodes"),
        (("interphase_us = 50", "interphase_us = 30"), "write 0 or 50"),
        (("interphase_us = 50", "soft_start_ms = 100"), "soft_start_ms"),
        (("interphase_us = 50", 'recharge = "passive"'), "recharge"),
        (('kind = "on_off"', 'kind = "on_off"\nwhere = "device"'), "capture"),
        (("amplitude_ma = 2.0", "amplitude_ma = 10.1"), "amplitude_ma"),
    ],
)
def test_what_a_generator_cannot_do_is_refused_by_its_key_and_nothing_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: tuple[str, str], field: str
) -> None:
    text = Path(EXAMPLE).read_text("utf-8")
    assert changed[0] in text
    file = tmp_path / "p.toml"
    file.write_text(text.replace(*changed), "utf-8")
    status = main(
        [
            *("run", str(file), "--device", "pulsepal+sim://pulsepal", "--sense", "sim://dbs"),
            *("--load-ohm", "1000", "--out", str(tmp_path / "record")),
        ]
    )
    assert status == 1
    assert field in capsys.readouterr().err
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--device", "pulsepal+sim://pulsepal"], "name what senses beside it with --sense"),
        (
            ["--device", "pulsepal+sim://pulsepal", "--sense", SENSE],
            "through which resistance its current flows with --load-ohm OHM",
        ),
        (["--device", SENSE, "--sense", SENSE], "leave them out, or name a generator"),
        (
            ["--device", "pulsepal+sim://dbs", "--sense", SENSE, "--load-ohm", "1000"],
            "no Pulse Pal answers on pulsepal+sim://dbs",
        ),
        (
            [
                *("--device", "pulsepal+sim://pulsepal", "--load-ohm", "1000"),
                *("--sense", "pulsepal+sim://pulsepal"),
            ],
            "stimulates only",
        ),
        (
            ["--device", "stimjim+sim://stimjim", "--sense", SENSE, "--stop-key", "1"],
            "has no digital inputs: leave --stop-key out, or sense with cyton+URL",
        ),
        (
            ["--device", "cyton+sim://cyton"],
            "senses and stimulates nothing; name it",
        ),
    ],
)
def test_devices_that_make_no_pair_are_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["run", EXAMPLE, *arguments]) == 1
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


def test_stop_ends_a_generator_and_status_says_that_it_keeps_no_account(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["stop", "--device", "pulsepal+sim://pulsepal?model=1"]) == 0
    assert "stopped: Pulse Pal 1, every output at 0 V" in capsys.readouterr().out
    assert main(["status", "--device", "pulsepal+sim://pulsepal"]) == 1
    assert "keeps no account" in capsys.readouterr().err
