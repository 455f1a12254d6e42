from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from tests.unit import fake_session as fake

from stimloop.errors import RecordError
from stimloop.record import Record
from stimloop.report import write_report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOTICE = "Research and bench use only. Not a medical device. Link: UNSIGNED."


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Record]:
    directory = tmp_path_factory.mktemp("report")
    fake.write(directory / "c", capture=0, duty=1.0, prescription=fake.PRESCRIBED)
    fake.write(directory / "a", duty=0.5)
    return {
        "continuous": Record.open(directory / "c"),
        "on <b>& off": Record.open(directory / "a"),
    }


@pytest.fixture(scope="module")
def page(records: Mapping[str, Record], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, records, title="Two <arms>", notes=["A <note> & more."])
    return path.read_text("utf-8")


class Elements(HTMLParser):
    """Every element with its attributes, and the texts between."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(" ".join(data.split()))


def row(page: str, label: str) -> list[str]:
    """Numbers of one row of the summary."""
    begin = page.index(f">{label}</th>")
    return re.findall(
        r'<td class="number">([^<]*)</td>', page[begin : page.index("</tr>", begin)]
    )


def test_the_page_says_what_it_must_not_be_taken_for(page: str) -> None:
    words = " ".join(Elements(page).texts)
    assert NOTICE in words
    assert "SIMULATED DEVICE" in words


def test_a_real_device_is_not_called_simulated(tmp_path: Path) -> None:
    identity = {"build": 1, "model": "real"}
    fake.write(tmp_path / "a", ticks=50, capture=0, identity=identity, url="/dev/ttyACM0")
    write_report(tmp_path / "r.html", {"bench": Record.open(tmp_path / "a")}, title="Bench")
    words = " ".join(Elements((tmp_path / "r.html").read_text("utf-8")).texts)
    assert NOTICE in words
    assert "SIMULATED" not in words
    assert "Latency of a tick" in words
    assert "ompute time" not in words


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    elements = Elements(page)
    assert not {"script", "link", "iframe", "object", "img"} & {
        tag for tag, _ in elements.found
    }
    for _, attributes in elements.found:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "url(http" not in page
    assert "@import" not in page


def test_every_arm_has_its_drawings_prescription_and_device(page: str) -> None:
    elements = Elements(page)
    labels = [a["aria-label"] for tag, a in elements.found if tag == "svg"]
    assert len(labels) == 6
    assert page.count("charge_max_nc") == 2
    assert page.count("kind = &#34;on_off&#34;") == 2
    assert page.count("seed of") == 0
    assert "Setpoint: it arrived 900 µs after its deadline; send it afresh" in page


def test_drawings_take_their_colours_from_the_page(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert all("var(--ink)" in drawing for drawing in drawings)
    assert not re.search(r"#0\d0\d0\d", page)


def test_names_and_texts_are_escaped(page: str) -> None:
    assert "on &lt;b&gt;&amp; off" in page
    assert "<b>&" not in page
    assert "A &lt;note&gt; &amp; more." in page
    assert "Two &lt;arms&gt;" in page
    assert "a &lt;fake&gt; session" in page


def test_energy_is_related_to_the_continuous_arm(page: str) -> None:
    continuous, adaptive = row(page, "Energy relative to continuous")
    assert continuous == "100"
    assert float(adaptive) == pytest.approx(50, abs=5)
    assert row(page, "Mean amplitude")[0] == "3.00"


def test_bursts_of_all_arms_are_counted_above_one_level(page: str) -> None:
    first, second = row(page, "Bursts above")
    assert first == second


def test_what_was_calibrated_is_told(page: str) -> None:
    assert "Captured from this subject: 6.5 µV, percentile 50" in page
    assert "Nothing was captured; the threshold of 6.5 µV was prescribed." in page


def test_a_torn_record_is_reported_as_such(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=120, capture=10)
    path = tmp_path / "a" / "steps.arrows"
    path.write_bytes(path.read_bytes()[:-20])
    write_report(tmp_path / "r.html", {"torn": Record.open(tmp_path / "a")}, title="Torn")
    assert "The recording was cut off" in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize("ticks", [0, 1])
def test_a_session_that_ended_at_once_has_a_page_too(tmp_path: Path, ticks: int) -> None:
    fake.write(tmp_path / "a", ticks=ticks, capture=0)
    write_report(tmp_path / "r.html", {"short": Record.open(tmp_path / "a")}, title="Short")
    assert NOTICE in (tmp_path / "r.html").read_text("utf-8")


def test_the_same_records_give_the_same_page(
    records: Mapping[str, Record], tmp_path: Path
) -> None:
    for name in ("one.html", "two.html"):
        write_report(tmp_path / name, {"again": records["continuous"]}, title="Again")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_a_report_of_nothing_or_to_nowhere_is_refused(tmp_path: Path) -> None:
    fake.write(tmp_path / "a", ticks=1)
    with pytest.raises(ValueError, match="at least one"):
        write_report(tmp_path / "r.html", {}, title="None")
    with pytest.raises(RecordError, match="choose another place"):
        write_report(
            tmp_path / "no" / "r.html", {"a": Record.open(tmp_path / "a")}, title="Nowhere"
        )
