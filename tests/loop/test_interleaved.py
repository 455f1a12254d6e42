"""A group of interleaved programs, from the prescription to the record and its replay."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import stimloop
from stimloop import cli
from stimloop import prescription as prescriptions
from stimloop.devices import describe
from stimloop.errors import PrescriptionError
from stimloop.leading import close_loop
from stimloop.summary import NOMINAL_OHM, summarize
from stimloop_hw import Link
from stimloop_hw.groups import outputs_of
from stimloop_hw.vocabulary import State, StopMode
from stimloop_lab.outcome import Gathering

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.loop.conftest import Implant

    from stimloop.session import Session
    from stimloop.watch import Watch
    from stimloop_hw.messages import Limits

TOML = (Path(__file__).parents[2] / "examples" / "dbs_interleaved.toml").read_text("utf-8")
CONTINUOUS = TOML.partition("[controller]")[0] + '[controller]\nkind = "continuous"\n'
CONTINUOUS = CONTINUOUS.replace("threshold_uv", "# threshold_uv")
ON_DEVICE = TOML.replace('kind = "on_off"', 'kind = "on_off"\nwhere = "device"')
FURTHER = TOML.partition("[[interleaved]]")[2].partition("[detector]")[0]
URL = "sim://dbs?seed=7"


def limits() -> Limits:
    with Link.open(URL) as link:
        link.hello()
        return link.limits()


def on_link(link: Link, text: str) -> Session | Watch:
    link.hello()
    told = link.limits()
    log = Gathering(20_000)
    return close_loop(link, prescriptions.loads(text), told, log)


def amplitudes_ua(link: Link) -> list[int]:
    return [output.amplitude_ua for output in outputs_of(link.status())]


@pytest.mark.parametrize("text", [TOML, CONTINUOUS, ON_DEVICE])
def test_a_group_runs_is_recorded_and_replays_bit_for_bit(text: str, tmp_path: Path) -> None:
    directory = stimloop.run_session(
        prescriptions.loads(text), URL, seconds=10, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    assert stimloop.replay_record(record).identical
    summary = summarize(record)
    assert (summary.refused, summary.net_charge_nc) == (0, 0)
    others = [step.others_ua for step in record.steps()]
    assert others[-1] == (1500,)
    rises = [after[0] - before[0] for before, after in pairwise(others)]
    assert min(rises) >= 0
    assert max(rises) <= 300  # 12 mA/s in 20 ms, and a step
    told = [outputs_of(status) for _, status in record.statuses()]
    assert max(outputs[-1].delivered_ua for outputs in told if len(outputs) > 1) == 1500


def test_amplitude_and_energy_of_a_summary_are_those_of_the_whole_group(
    tmp_path: Path,
) -> None:
    directory = stimloop.run_session(
        prescriptions.loads(CONTINUOUS), URL, seconds=20, directory=tmp_path / "record"
    )
    summary = summarize(stimloop.Record.open(directory))
    mean_ma = (3.0 * 60 + 1.5 * 90) / (60 + 90)
    whole_uw = (3.0**2 * 60 + 1.5**2 * 90) / 8000 * NOMINAL_OHM
    assert summary.mean_amplitude_ma == pytest.approx(mean_ma, rel=0.02)
    assert summary.teed_uw == pytest.approx(whole_uw, rel=0.02)


@pytest.mark.parametrize("text", [CONTINUOUS, ON_DEVICE])
def test_a_group_other_than_a_is_the_one_that_is_committed_and_started(text: str) -> None:
    with Link.open(URL) as link:
        session = on_link(link, text.replace('group = "A"', 'group = "C"'))
        for _ in range(60):
            session.step()
        status = link.status()
        assert (status.state, status.group, status.refused) == (State.STIMULATING, 2, 0)
        assert outputs_of(status)[1].amplitude_ua == 1500
        link.stop(StopMode.GROUND)
        assert not any(output.amplitude_ua for output in outputs_of(link.status()))


@pytest.mark.parametrize("text", [CONTINUOUS, ON_DEVICE])
def test_a_host_that_comes_back_after_a_hold_leads_every_program_up_again(text: str) -> None:
    with Link.open(URL) as link:
        session = on_link(
            link, text.replace("fallback_ma = 0.0\ncat", "fallback_ma = 0.5\ncat")
        )
        for _ in range(60):
            session.step()
        assert amplitudes_ua(link)[1] == 1500
        while link.status().state != State.FALLBACK:  # silent, but listening
            link.sensed()
        for _ in range(50):  # within the lease
            link.sensed()
        assert amplitudes_ua(link)[1] == 500
        for _ in range(60):
            session.step()
        assert link.status().state == State.STIMULATING
        assert amplitudes_ua(link)[1] == 1500


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("offset_us = 4000", "offset_us = 100", r"interleaved\[0\].offset_us: asked 100 µs"),
        ("offset_us = 4000", "offset_us = 7900", r"interleaved\[0\]: asked a pulse that ends"),
        ("= 1.5 ", "= 99.0 ", r"interleaved\[0\].amplitude_ma: asked 99 mA"),
        ('cathodes = ["2"]', 'cathodes = ["14"]', r"interleaved\[0\].cathodes: asked 14"),
        ('cathodes = ["2"]', 'cathodes = ["case"]', r"interleaved\[0\].anodes: asked \[\"case"),
        ("fallback_ma = 0.0\ncat", "fallback_ma = 2.0\ncat", r"\[0\].fallback_ma: asked 2 mA"),
        ("offset_us = 4000", "rate_hz = 90", r"interleaved\[0\].rate_hz: asked an unknown key"),
        ('group = "A"', 'group = "E"', r'group: asked "E"'),
        ("[detector]", 3 * f"[[interleaved]]{FURTHER}" + "[detector]", "interleaved: asked"),
    ],
)
def test_what_a_group_must_not_be_is_refused_in_a_sentence(
    old: str, new: str, sentence: str
) -> None:
    with pytest.raises(PrescriptionError, match=sentence):
        prescriptions.loads(TOML.replace(old, new)).check(limits())


def test_passive_pulses_of_several_programs_count_together_on_a_contact() -> None:
    passive = TOML.replace('anodes = ["case"]', 'anodes = ["case"]\nrecharge = "passive"')
    several = passive.replace('["2"]', '["1"]')
    prescriptions.loads(several).check(limits())
    more = several.replace("pulse_width_us = 60", "pulse_width_us = 100")
    for before in ("amplitude_ma = 3.0", "amplitude_ma = 1.5"):
        more = more.replace(before, "amplitude_ma = 10.0")
    prescriptions.loads(more.replace('"passive"', '"1:1"')).check(limits())
    with pytest.raises(PrescriptionError, match=r"interleaved: asked 1900 nC on contact 1"):
        prescriptions.loads(more).check(limits())


def test_status_tells_the_group_and_every_program_of_it_also_where_it_runs_alone(
    tmp_path: Path, implant: Callable[..., Implant], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = prescriptions.loads(ON_DEVICE.replace('group = "A"', 'group = "B"'))
    with implant("dbs", "--pty") as (_, url):
        stimloop.run_session(asked, url, seconds=2, alone=True, directory=tmp_path / "record")
        told = describe(url)
        assert (told["state"], told["group"], list(told["programs"])) == (
            "ALONE",
            "B",
            ["B1", "B2"],
        )
        assert told["programs"]["B2"]["amplitude_ua"] == 1500
        assert cli.main(["status", "--device", url]) == 0
        assert "program B2" in capsys.readouterr().out
    assert stimloop.replay_record(stimloop.Record.open(tmp_path / "record")).identical


def test_pulses_follow_one_another_where_no_offset_says_when() -> None:
    text = TOML.replace("offset_us = 4000", 'recharge = "1:2"\ninterphase_us = 40')
    text = text.replace("[detector]", f"[[interleaved]]{FURTHER}[detector]")
    group = prescriptions.loads(text.replace("offset_us = 4000", "")).programs(limits())
    first, second, third = group.programs
    assert first.offset_us == 0
    assert second.offset_us == 60 * 2 + first.interphase_us
    assert third.offset_us == second.offset_us + 90 * 3 + 40
