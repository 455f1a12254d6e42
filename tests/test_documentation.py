"""What the documentation says is so: examples run, links lead somewhere, tables are current."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import stimloop
from stimloop_hw.protocol import markdown
from stimloop_sim.states import mermaid

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for folder in ("", "docs", "docs/adr", "dsp", "hardware", "firmware_sim", "host")
    for path in (ROOT / folder).glob("*.md")
)


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


def test_every_test_that_the_safety_page_names_exists() -> None:
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+|Test\w+)`", (ROOT / "SAFETY.md").read_text("utf-8"))
    assert named
    missing = [
        name for name in named if f"def {name}(" not in tests and f"{name} =" not in tests
    ]
    assert not missing


def test_nothing_calls_itself_a_medical_device() -> None:
    for name in ("README.md", "NOTICE.md", "SAFETY.md"):
        text = " ".join((ROOT / name).read_text("utf-8").split())
        assert "not a medical device" in text
        assert "ever connect" in text
