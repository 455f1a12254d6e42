"""Review, Impedance and Audit: what was, the lead, and who did what."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.app.stand_in import StandIn, heard, text_at

from stimloop import demo, drawing, prescription, run_session
from stimloop.app import chronicle as chronicles
from stimloop.app.audit import Audit
from stimloop.app.impedance import Impedance
from stimloop.app.pdf import write_pdf
from stimloop.app.playback import Playback
from stimloop.app.review import Review
from stimloop.app.theme import DARK, LIGHT
from stimloop.record import Record
from stimloop.rehearsal import rehearse_record
from stimloop.station.audit import Audit as Log
from stimloop.station.requests import Description, Phase, Survey, Surveyed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

ROOT = Path(__file__).parents[2]
SECONDS = 12


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions, and something that is none."""
    directory = tmp_path_factory.mktemp("records")
    for name, threshold_uv in (("first", 1.0), ("second", 30.0)):
        asked = prescription.loads(demo.prescription_text("adaptive", threshold_uv))
        run_session(asked, "sim://dbs?seed=3", seconds=SECONDS, directory=directory / name)
    (directory / "notes").mkdir()
    (directory / "notes" / "session.json").write_text("{}", "utf-8")
    return directory


@pytest.fixture
def rings(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path / "rings")


@pytest.fixture
def review(records: Path, rings: StandIn, qtbot: QtBot) -> Review:
    page = Review(rings, DARK)  # type: ignore[arg-type]  # as much of a station as it asks
    qtbot.addWidget(page)
    page.resize(1090, 600)
    page.show()
    page.describe(Description("", [], [], [], "", "", str(records)))
    return page


@pytest.fixture
def opened(
    review: Review, records: Path, until: Callable[[Callable[[], object]], None]
) -> Review:
    review.open(records / "first")
    until(lambda: review.chronicle)
    return review


def test_sessions_are_listed_the_newest_first_and_what_is_none_is_passed_over(
    review: Review,
) -> None:
    names = [
        Path(review.sessions.item(row).toolTip()).name for row in range(review.sessions.count())
    ]
    assert names == ["second", "first"]
    assert "simulated" in review.sessions.item(0).text()


def test_the_timeline_is_the_whole_session(opened: Review) -> None:
    assert opened.timeline is not None
    assert opened.timeline.seconds == pytest.approx(SECONDS, abs=0.1)
    assert opened.timeline.level.viewRange()[0] == pytest.approx([0, SECONDS], abs=0.1)
    assert "mA in the mean" in opened._said.text()


def test_a_place_that_is_dragged_is_what_the_scope_shows(opened: Review) -> None:
    assert opened.timeline is not None
    assert opened.playback is not None
    opened.timeline._dragged(6.0)
    assert opened.playback.seconds == 6.0
    assert opened.chronicle is not None
    assert opened.playback.memory.now_us == pytest.approx(
        opened.chronicle.span_us[0] + 6_000_000, abs=20_000
    )
    assert opened.slider.value() == 120


@pytest.mark.parametrize("speed", [1, 1000])
def test_a_replay_ends_at_the_end_whatever_its_speed(
    opened: Review, speed: int, until: Callable[[Callable[[], object]], None]
) -> None:
    opened.go(SECONDS - 0.3)
    opened.speed.setCurrentIndex(opened.speed.findData(speed))
    opened.play.setChecked(True)

    def over() -> bool:
        opened.animate()
        return not opened.play.isChecked()

    until(over)
    assert opened.playback is not None
    assert opened.playback.is_over


def test_what_is_played_is_what_was_recorded_from_every_place(records: Path) -> None:
    chronicle = chronicles.read(records / "first")
    straight, jumping = Playback(chronicle), Playback(chronicle)
    for seconds in np.arange(0, SECONDS, 0.033):
        straight.go(float(seconds))
    for place in (9.0, 2.0, 11.5, float(straight.seconds)):
        jumping.go(place)
    one, other = straight.memory, jumping.memory
    assert one.now_us == other.now_us
    begin, end = one.window
    wanted = one.samples.window(begin, end)
    assert np.array_equal(other.samples.window(begin, end), wanted, equal_nan=True)
    recorded = Record.open(records / "first").samples()
    seen = one.samples.window(1000, 1100)[:, 0]
    assert seen == pytest.approx(recorded.nv[1000:1100, 0] / 1000, abs=1e-3)


def test_another_prescription_is_drawn_over_what_was_as_a_rehearsal_decides(
    opened: Review, tmp_path: Path, until: Callable[[Callable[[], object]], None]
) -> None:
    text = demo.prescription_text("adaptive", 2.0)
    (tmp_path / "other.toml").write_text(text, "utf-8")
    opened.rehearse(tmp_path / "other.toml")
    until(lambda: opened._other)
    assert opened.chronicle is not None
    wanted = rehearse_record(opened.chronicle.record, prescription.loads(text))
    assert opened._other is not None
    assert np.array_equal(opened._other.admitted_ua, wanted.admitted_ua)
    assert opened.timeline is not None
    _, drawn_ma = opened.timeline._others[1].getData()
    assert drawn_ma.max() == wanted.admitted_ua.max() / 1000
    assert "other prescription" in opened._said.text()


def test_a_prescription_for_what_was_not_recorded_is_refused_in_its_sentence(
    opened: Review, tmp_path: Path, until: Callable[[Callable[[], object]], None]
) -> None:
    text = demo.prescription_text("continuous").replace("= 3.0", "= 26.0", 1)
    (tmp_path / "other.toml").write_text(text, "utf-8")
    said = heard(opened.notice)
    opened.rehearse(tmp_path / "other.toml")
    until(lambda: said)
    assert "amplitude_ma" in said[0][0]
    assert opened._other is None


@pytest.mark.parametrize(("suffix", "begins"), [("pdf", b"%PDF"), ("html", b"<!doctype html>")])
def test_a_report_is_written_as_its_suffix_says(
    opened: Review,
    tmp_path: Path,
    until: Callable[[Callable[[], object]], None],
    suffix: str,
    begins: bytes,
) -> None:
    path = tmp_path / f"report.{suffix}"
    said = heard(opened.notice)
    opened.report(path)
    until(lambda: said)
    assert said[0][1] == "good"
    assert path.read_bytes().startswith(begins)


def test_a_report_that_cannot_be_written_says_so(
    records: Path, tmp_path: Path, qapp: object
) -> None:
    assert qapp is not None
    record = Record.open(records / "first")
    with pytest.raises(Exception, match="cannot be written; choose another place"):
        write_pdf(tmp_path / "nowhere" / "report.pdf", record, title="A session")


def test_paper_has_the_light_colours_of_the_page() -> None:
    page = (ROOT / "host/stimloop/templates/page.html").read_text("utf-8")
    light = page[: page.index("@media")]
    for name, colour in drawing.PAPER.items():
        assert f"--{name}: {colour};" in light


def test_another_theme_keeps_place_and_comparison(opened: Review) -> None:
    opened.go(7.0)
    opened.wear(LIGHT)
    assert opened.playback is not None
    assert opened.playback.seconds == 7.0
    assert opened.timeline is not None
    assert opened.timeline._places[0].value() == 7.0


# Impedance ----------------------------------------------------------------------------------


def matrix() -> dict[str, Any]:
    names = ["0", "1", "case"]
    pairs = [("0", "1", False, True), ("0", "case", False, False), ("1", "case", True, False)]
    return {
        "contacts": names,
        "pairs": [
            {
                "first": first,
                "second": second,
                "resistance_ohm": 12_345,
                "capacitance_nf": 1650,
                "open": is_open,
                "short": is_short,
            }
            for first, second, is_open, is_short in pairs
        ],
    }


def test_the_matrix_names_what_is_open_and_what_is_short(rings: StandIn, qtbot: QtBot) -> None:
    page = Impedance(rings, DARK)  # type: ignore[arg-type]
    qtbot.addWidget(page)
    page.refresh(rings.snapshot(phase=Phase.WATCHING))
    page.go.click()
    assert rings.asked == [Survey()]
    assert not page.go.isEnabled()
    rings.replies[-1](Surveyed(matrix()))
    assert text_at(page.matrix, 0, 2) == "12\N{NARROW NO-BREAK SPACE}345"
    assert text_at(page.matrix, 2, 1) == text_at(page.matrix, 1, 2) == "OPEN"
    assert text_at(page.matrix, 0, 1).startswith("SHORT")
    assert "1–case OPEN" in page._verdict.text()
    assert "measured" in page._when.text()


def test_nothing_is_measured_while_a_therapy_runs(rings: StandIn, qtbot: QtBot) -> None:
    page = Impedance(rings, DARK)  # type: ignore[arg-type]
    qtbot.addWidget(page)
    page.refresh(rings.snapshot(phase=Phase.THERAPY))
    assert not page.go.isEnabled()


# Audit --------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    kept = Log.open(tmp_path)
    for what in ("Connect", "Stage", "Commit"):
        kept.append("somebody", what, {"url": "sim://dbs"}, "done", 1_000_000)
    kept.close()
    return kept.path


@pytest.fixture
def audit(rings: StandIn, qtbot: QtBot, log: Path) -> Audit:
    page = Audit(rings, DARK)  # type: ignore[arg-type]
    qtbot.addWidget(page)
    page.describe(Description("", [], [], [], "", str(log), ""))
    return page


def test_the_log_is_verified_and_listed_the_newest_first(
    audit: Audit, until: Callable[[Callable[[], object]], None]
) -> None:
    until(lambda: audit.rows.rowCount() == 3)
    assert [text_at(audit.rows, row, 4) for row in range(3)] == [
        "Commit",
        "Stage",
        "Connect",
    ]
    assert "none was changed" in audit._verdict.text()
    audit.filter.setText("stage")
    assert audit.rows.rowCount() == 1


def test_a_row_that_was_changed_is_said_and_nothing_is_overwritten(
    audit: Audit, log: Path, until: Callable[[Callable[[], object]], None]
) -> None:
    until(lambda: audit.rows.rowCount() == 3)
    with sqlite3.connect(log) as database:
        database.execute("UPDATE audit SET who = 'nobody' WHERE number = 2")
    before = log.read_bytes()
    audit.look()
    until(lambda: "row 2" in audit._verdict.text())
    assert audit._verdict.property("tone") == "alarm"
    assert log.read_bytes() == before
