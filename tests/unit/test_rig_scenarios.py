"""Scenarios: the library is kept, covers every hazard, and finds what is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stimloop.cli import main
from stimloop.rig.conduct import Verdict
from stimloop.rig.enact import enact
from stimloop.rig.expectation import judge
from stimloop.rig.scenario import OBSERVED, ScenarioError, catalogue, chosen, library, loads
from stimloop.rig.timeline import Moment, Timeline, Told
from stimloop_hw.keys import DEVELOPMENT_KEY

ROOT = Path(__file__).parents[2]
SILENT = """\
schema = 1
name = "Silence"
hazards = ["H3"]
seconds = 1

[[action]]
at_ms = 0
do = "deliver"

[[expect]]
state = "STIMULATING"
"""


def changed(*replacements: tuple[str, str]) -> str:
    text = SILENT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("name", library())
def test_a_simulated_device_does_what_each_scenario_expects(name: str) -> None:
    (played,) = (
        enact(stem, scenario, key=DEVELOPMENT_KEY) for stem, scenario in chosen([name]).items()
    )
    assert played.said == ()
    assert played.verdict is Verdict.KEPT


def test_the_library_has_a_scenario_for_every_hazard_of_the_safety_page() -> None:
    page = (ROOT / "SAFETY.md").read_text("utf-8")
    hazards = set(re.findall(r"^## (H\d+) ", page, re.MULTILINE))
    scenarios = chosen([])
    assert len(scenarios) >= 30
    assert {hazard for scenario in scenarios.values() for hazard in scenario.hazards} == hazards
    assert len({scenario.name for scenario in scenarios.values()}) == len(scenarios)
    about = {expected.about for scenario in scenarios.values() for expected in scenario.expect}
    assert about == set(OBSERVED)


def test_the_page_of_the_rig_has_the_library() -> None:
    assert catalogue() in (ROOT / "docs" / "rig.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "mutant", "why"),
    [
        ("stop_at_once", "stop_ignored", "the state IDLE is entered at no time"),
        ("host_falls_silent", "lease_ignored", "the state HOLD is entered at no time"),
        ("host_falls_silent", "fallback_ignored", "to be 500 ± 0 µA"),
        ("setpoint_without_the_key", "setpoint_without_key", "has to be 300 ± 0 µA"),
        ("second_controller", "second_controller_admitted", "the refusal BUSY is told"),
        ("stale_setpoint", "stale_setpoint_executed", "the refusal EXPIRED is told at no time"),
    ],
)
def test_a_scenario_finds_an_implant_that_is_broken_on_purpose(
    name: str, mutant: str, why: str
) -> None:
    scenario = chosen([name])[name]
    played = enact(name, scenario, url=f"mutant://{mutant}", key=DEVELOPMENT_KEY)
    assert played.verdict is Verdict.BROKEN
    assert any(why in said for said in played.said), played.said


def test_faults_on_schedule_need_a_simulated_device() -> None:
    scenario = chosen(["firmware_hangs"])["firmware_hangs"]
    played = enact("x", scenario, url="/dev/there_is_none", key=DEVELOPMENT_KEY)
    assert played.verdict is Verdict.CANNOT
    played = enact("x", loads(SILENT), url="/dev/there_is_none", key=DEVELOPMENT_KEY)
    assert played.verdict is Verdict.UNDECIDED
    assert "check the name" in played.said[0]


@pytest.mark.parametrize(
    ("replacement", "why"),
    [
        (("schema = 1", "schema = 2"), "schema 2 is newer"),
        (('do = "deliver"', 'do = "delivers"'), "action[0].do"),
        (("at_ms = 0", "at_m = 0"), "write at_ms, if that is meant"),
        (('state = "STIMULATING"', ""), "exactly one of state"),
        (('state = "STIMULATING"', 'state = "IDLE"\nfault = "x"'), "exactly one of state"),
        (('hazards = ["H3"]', "hazards = []"), "hazards"),
        (("seconds = 1", "seconds = 0"), "more than 0"),
        (('[[action]]\nat_ms = 0\ndo = "deliver"\n', ""), "neither of action"),
    ],
)
def test_a_scenario_that_is_wrong_is_refused_by_the_name_of_its_key(
    replacement: tuple[str, str], why: str
) -> None:
    with pytest.raises(ScenarioError) as no:
        loads(changed(replacement))
    assert why in str(no.value)


def test_a_scenario_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="is no scenario of the library and no file"):
        chosen(["no_such_thing"])


def test_a_charge_that_is_left_breaks_every_scenario() -> None:
    seen = Timeline(moments=[Moment(5.0, "STIMULATING", 0, frozenset(), frozenset(), 60, 0)])
    assert judge(loads(SILENT), seen) == ["at 5 ms a charge of 60 fC is left"]


def test_what_must_never_be_told_is_told_with_its_time() -> None:
    text = changed(('state = "STIMULATING"', 'event = "LEAD"\nnever = true'))
    seen = Timeline(told=[Told(7.0, "event", "LEAD", 1)])
    (said,) = judge(loads(text), seen)
    assert said.startswith("the event LEAD is told at 7 ms, and never may")


def test_without_a_witness_nobody_can_say_that_pulses_end() -> None:
    for expected in ("quiet = true", "pulses = [0, 0]"):
        text = changed(('state = "STIMULATING"', expected))
        (said,) = judge(loads(text), Timeline())
        assert "give a witness" in said


def test_a_latency_can_be_a_gate() -> None:
    about = 'summary = "latency_us.total.p99"\nhigh = 500'
    text = changed(('state = "STIMULATING"', about))
    for p99_us, said in ((400.0, []), (600.0, ["latency_us.total.p99 is 600, and has to be"])):
        seen = Timeline(summary={"latency_us": {"total": {"p99": p99_us}}})
        found = judge(loads(text), seen)
        assert [text[: len(part)] for text, part in zip(found, said, strict=True)] == said
    assert judge(loads(text), Timeline()) == ["the summary has no latency_us.total.p99"]


def test_the_command_plays_scenarios_and_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(changed(('state = "STIMULATING"', 'state = "FAULT"')), "utf-8")
    assert main(["scenario", "stop_at_once", str(own)]) == 1
    told = capsys.readouterr().out
    assert "kept      scenario  stop_at_once\n" in told
    assert "broken    scenario  own: the state FAULT is entered at no time" in told
    assert main(["scenario", "--list"]) == 0
    assert capsys.readouterr().out == catalogue()
