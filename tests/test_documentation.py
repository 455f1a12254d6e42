"""What the documentation says is so: examples run, links lead somewhere, tables are current."""

from __future__ import annotations

import doctest
import pkgutil
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import stimloop
from stimloop.rig.conduct import selected
from stimloop_hw.protocol import markdown
from stimloop_sim.states import mermaid

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for folder in ("", "docs", "docs/adr", "dsp", "hardware", "firmware_sim", "host")
    for path in (ROOT / folder).glob("*.md")
)


class Hazard(NamedTuple):
    """A row of the safety page."""

    hazard: str
    gate: str
    code: str
    test: str


@pytest.fixture
def folder_with_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder_with_examples")
def test_the_examples_of_the_python_api_run() -> None:
    assert doctest.testmod(stimloop).attempted == 4
    assert doctest.testmod(stimloop).failed == 0


@pytest.mark.usefixtures("folder_with_examples")
@pytest.mark.parametrize("page", [ROOT / "README.md"], ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(page), "exec"), {})  # noqa: S102  # our own page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_protocol_page_is_that_of_the_message_table() -> None:
    assert (ROOT / "docs" / "protocol.md").read_text("utf-8") == markdown()


def test_the_state_diagram_is_that_of_the_table() -> None:
    assert mermaid().strip() in (ROOT / "firmware_sim" / "README.md").read_text("utf-8")


def hazards_of(page: str) -> list[Hazard]:
    """Every row of the tables whose columns are hazard or cause, gate, code and test."""
    rows = re.findall(r"^\| (?!hazard |cause )(.*) \|$", page, re.MULTILINE)
    return [Hazard(*map(str.strip, row.split(" | "))) for row in rows]


def unresolved(hazard: Hazard) -> list[str]:
    """Names of code that cannot be imported."""
    missing = []
    for name in re.findall(r"`(.+?)`", hazard.code):
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError, ValueError):
            missing.append(name)
    return missing


def untested(hazard: Hazard) -> list[str]:
    """Names of tests, and of obligations of the rig, that there are not."""
    written = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    found = re.findall(r"^ *def (test_\w+)\(|^(Test\w+) =", written, re.MULTILINE)
    tests = {name for names in found for name in names} | {asked.name for asked in selected()}
    return [name for name in re.findall(r"`(.+?)`", hazard.test) if name not in tests]


HAZARDS = hazards_of((ROOT / "SAFETY.md").read_text("utf-8"))


def test_the_safety_page_has_one_row_for_each_of_twelve_hazards() -> None:
    page = (ROOT / "SAFETY.md").read_text("utf-8")
    named = [row.hazard.split("]")[0].removeprefix("[") for row in HAZARDS[:12]]
    assert named == [f"H{number}" for number in range(1, 13)]
    assert re.findall(r"^## (H\d+) ", page, re.MULTILINE) == named
    for row in HAZARDS[:12]:
        anchor = row.hazard[row.hazard.index("#") + 1 : row.hazard.index(")")]
        assert f"\n## {anchor.replace('-', ' ')}\n" in page.lower().replace(",", "")


@pytest.mark.parametrize("row", HAZARDS, ids=lambda row: row.hazard)
def test_every_hazard_names_its_gate_code_that_is_there_and_tests_that_are(
    row: Hazard,
) -> None:
    assert row.gate
    assert "`stimloop" in row.code
    assert "`test" in row.test.lower()
    assert not unresolved(row)
    assert not untested(row)


@pytest.mark.parametrize(
    "name", ["stimloop.gate.violation", "stimloop.gates", "stimloop_sim.limits.Breach.remedies"]
)
def test_a_row_whose_code_is_gone_is_found(name: str) -> None:
    (row,) = hazards_of(f"| any | gate | `stimloop.gate`, `{name}` | `test_a`, `test_b` |")
    assert unresolved(row) == [name]


def test_a_row_whose_test_is_gone_is_found() -> None:
    kept = "test_nothing_calls_itself_a_medical_device"
    (row,) = hazards_of(f"| any | gate | `stimloop` | `{kept}`, `{kept}_at_all`, `TestGone` |")
    assert untested(row) == [f"{kept}_at_all", "TestGone"]


def test_nothing_calls_itself_a_medical_device() -> None:
    for name in ("README.md", "NOTICE.md", "SAFETY.md"):
        text = " ".join((ROOT / name).read_text("utf-8").split())
        assert "not a medical device" in text
        assert "ever connect" in text
