"""Scenarios of faults: what the file may say, and in what words it is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stimloop_sim.scenario import KINDS, NEVER_US, Direction, Scenario, Span

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "faults").glob("*.toml"))


def fault(*lines: str) -> Scenario:
    return Scenario.loads("\n".join(("schema = 1", "[[fault]]", *lines)))


def test_a_scenario_is_a_seed_and_entries_with_their_defaults() -> None:
    scenario = Scenario.loads(
        "schema = 1\nseed = 7\n"
        '[[fault]]\nkind = "burst"\nrate_ppm = 3\nat_ms = 5\nuntil_ms = 6\n'
        'direction = "to_host"\n'
        '[[fault]]\nkind = "hang"\nat_ms = 9\n'
    )
    burst, hang = scenario.entries
    assert scenario.seed == 7
    assert (burst.at_us, burst.until_us) == (5000, 6000)
    assert burst.directions == {Direction.TO_HOST}
    assert burst.values == {"rate_ppm": 3, "length_bytes": 16}
    assert (burst.on_device, hang.on_device) == (False, True)
    assert (hang.at_us, hang.until_us) == (9000, NEVER_US)
    assert [burst.acts(t) for t in (4999, 5000, 5999, 6000)] == [False, True, True, False]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads(path: Path) -> None:
    assert Scenario.load(path).entries


def test_the_examples_use_every_kind_but_the_simplest() -> None:
    used = {entry.kind for path in EXAMPLES for entry in Scenario.load(path).entries}
    assert set(KINDS) - used == {"duplicate", "insert"}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (['kind = "flop"', "rate_ppm = 1"], "kind 'flop' is unknown; did you mean 'flip'?"),
        (["rate_ppm = 1"], "kind None is unknown; known are: flip"),
        (["kind = 3"], "kind 3 is unknown"),
        (['kind = "flip"'], "rate_ppm is missing; write rate_ppm = a whole number from 1"),
        (
            ['kind = "flip"', "rate_pmm = 1"],
            "the key 'rate_pmm' is unknown; did you mean 'rate_ppm'?",
        ),
        (['kind = "flip"', "rate_ppm = 0"], "rate_ppm = 0 is not possible; write a whole"),
        (['kind = "flip"', "rate_ppm = 0.5"], "rate_ppm = 0.5 is not possible"),
        (['kind = "flip"', "rate_ppm = true"], "rate_ppm = True is not possible"),
        (['kind = "flip"', "rate_ppm = 1", "at_ms = -1"], "at_ms = -1 is not possible"),
        (
            ['kind = "flip"', "rate_ppm = 1", "at_ms = 5", "until_ms = 5"],
            "until_ms = 5 is not after at_ms = 5; choose a later end",
        ),
        (
            ['kind = "flip"', "rate_ppm = 1", 'direction = "up"'],
            "direction 'up' is unknown; write one of to_device, to_host, both",
        ),
        (['kind = "stall"', "at_ms = 5"], "until_ms is missing; say when it ends"),
        (['kind = "hang"', "until_ms = 5"], "it happens at one moment; leave until_ms out"),
        (['kind = "unplug"', 'direction = "both"'], "it has no direction; leave direction out"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(lines: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refusal:
        fault(*lines)
    assert str(refusal.value).startswith("the scenario, fault 1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has schema None, this stimloop reads 1; write schema = 1 at the top"),
        ("schema = 2", "has schema 2, this stimloop reads 1; update stimloop"),
        ("schema = 1\nfault = 3", "write each below a line [[fault]]"),
        ("schema = 1\n[fault]", "write each below a line [[fault]]"),
        ("schema = 1\nseeed = 3", "the key 'seeed' is unknown; did you mean 'seed'?"),
        ("schema = 1\nseed = -3", "seed = -3 is not possible"),
        ("schema =", "is not TOML"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Scenario.loads(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.toml cannot be read"):
        Scenario.load(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xe4")
    with pytest.raises(ValueError, match="it is not UTF-8"):
        Scenario.load(tmp_path / "latin.toml")


def test_every_kind_is_explained_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")
    for name, kind in KINDS.items():
        keys = [f"`{key}`" for key in kind.parameters]
        if kind.span is Span.BOUNDED:
            keys.append("`until_ms`")
        assert f"| `{name}` | {kind.meaning} | {', '.join(keys)} |" in page
