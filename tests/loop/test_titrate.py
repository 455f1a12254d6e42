"""A titration on a device: what ends it, what is refused, and that its setpoint is right."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import stimloop
from stimloop.cli import main
from stimloop.step import Step
from stimloop.titration import Given, Interview, Keyboard
from stimloop_dsp import Quality
from stimloop_hw.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "scs_titration.toml"
URL = "sim://scs?patient=sitting&seed=7"
KNOWN = ("--perception", "4.8", "--comfort", "6", "--discomfort", "7.5")


def titrate(*arguments: str, file: Path = EXAMPLE, url: str = URL) -> int:
    return main(["titrate", str(file), "--device", url, *arguments])


def step(wanted_ua: int, t_us: int = 0, quality: Quality = Quality.OK) -> Step:
    return Step(
        0, t_us, 5.0, True, 0, quality.value, wanted_ua, 25_000, wanted_ua, 25_000, 0, 1
    )


def test_a_titration_finds_the_growth_curve_and_stops_at_the_first_word_of_discomfort(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert titrate(*KNOWN, "--json", "--out", str(tmp_path / "record")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["threshold_ma"] == pytest.approx(4.5, abs=0.1)
    assert told["slope_uv_ma"] == pytest.approx(50, rel=0.03)
    assert told["setpoint_uv"] == pytest.approx(75 + 3, abs=3), "readings are 3 µV too high"
    assert (told["comfort_ma"], told["discomfort_ma"]) == (6.0, 7.5)
    assert told["ended"] == "it was uncomfortable"
    record = stimloop.Record.open(tmp_path / "record")
    assert record.column("steps", "admitted_ua").max() == 7500
    assert record.column("steps", "admitted_ua")[-1] == 7500, "and not a tick longer"
    *_, (_, last) = record.statuses()
    assert last.state == State.IDLE
    assert stimloop.replay_record(record).identical


@pytest.mark.usefixtures("typed")
def test_a_range_that_ends_before_discomfort_gives_no_setpoint_and_keeps_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.toml"
    text = EXAMPLE.read_text("utf-8").replace("amplitude_ma = 9.0", "amplitude_ma = 0.9")
    short.write_text(text.replace("dwell_ms = 2000.0", "dwell_ms = 600.0"), "utf-8")
    assert titrate("--out", str(tmp_path / "record"), file=short) == 1
    told = capsys.readouterr().err
    assert "d: uncomfortable (ends)" in told
    assert "\n0.6 mA\n" in told
    assert "the range is at its end before discomfort was told; raise amplitude_ma" in told
    assert stimloop.Record.open(tmp_path / "record").whole_steps > 0


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("arguments", "file", "told"),
    [
        (KNOWN, "scs_ecap.toml", '"sweep", which raises the amplitude step by step'),
        (
            ("--perception", "1", "--comfort", "2", "--discomfort", "3"),
            "dbs_continuous.toml",
            "a table [evoked]",
        ),
        (KNOWN[:2], EXAMPLE.name, "give all three, or none"),
        ((*KNOWN[:5], "12"), EXAMPLE.name, "goes up to 9 mA; raise its amplitude_ma"),
        ((*KNOWN[:3], "4", *KNOWN[4:]), EXAMPLE.name, "they have to ascend"),
        ((), EXAMPLE.name, "there is no terminal to tell at"),
    ],
)
def test_what_makes_no_titration_is_refused_before_anything_is_sent(
    arguments: tuple[str, ...],
    file: str,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "record"
    assert titrate(*arguments, "--out", str(out), file=EXAMPLES / file) == 1
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_words_that_do_not_fit_the_response_give_no_setpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = ("--perception", "0.6", "--comfort", "1.2", "--discomfort", "2.1")
    assert titrate(*early, "--out", str(tmp_path / "record")) == 1
    assert "no response stands out" in capsys.readouterr().err


def test_a_word_counts_at_the_amplitude_at_which_it_was_first_told() -> None:
    words = iter(["", "p", "pc", "d"])
    interview = Interview(lambda _: next(words))
    assert [interview(step(ua)) for ua in (0, 300, 600, 900)] == [False, False, False, True]
    assert interview.told_ua == {"p": 300, "c": 600, "d": 900}


def test_a_front_end_that_is_saturated_for_a_second_ends_it() -> None:
    interview = Interview(lambda _: "")
    for t_us in range(0, 900_000, 25_000):
        assert not interview(step(300, t_us, Quality.SATURATED))
    assert not interview(step(300, 900_000)), "a good sweep between"
    assert not interview(step(300, 1_800_000, Quality.SATURATED))
    assert interview(step(300, 1_900_000, Quality.SATURATED))
    assert interview.ended == "the front end is saturated"


def test_what_is_given_is_told_once_each_in_its_turn() -> None:
    given = Given(1.0, 2.0, 3.0)
    assert [given(ua) for ua in (900, 1000, 1500, 3000, 3300)] == ["", "p", "", "cd", ""]


def terminal(text: str) -> Terminal:
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    return Terminal(reader, writer)


class Terminal:
    """Somebody at the keyboard."""

    def __init__(self, reader: int, writer: int) -> None:
        self._file = os.fdopen(reader, "r", encoding="utf-8")
        self._writer = os.fdopen(writer, "w", encoding="utf-8")
        self.fileno, self.readline = self._file.fileno, self._file.readline

    def isatty(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        self._writer.close()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    found = terminal("felt? P\n")
    monkeypatch.setattr("sys.stdin", found)
    yield found
    found.close()


@pytest.mark.usefixtures("typed")
def test_a_key_is_heard_and_nobody_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    keyboard = Keyboard()
    assert keyboard(300) == "p"
    assert keyboard(300) == ""
    assert capsys.readouterr().err.count("0.3 mA") == 1
