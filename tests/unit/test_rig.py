"""The rig itself: what it asks, how it reports, and who watches."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stimloop.cli import main
from stimloop.rig import conduct as rig
from stimloop.rig.comparison import compare
from stimloop.rig.conduct import GONE, Verdict, catalogue, conduct, selected
from stimloop.rig.gentle import at_least, between, gentle
from stimloop.rig.obligation import OBLIGATIONS, Broken, Need, Obligation, Suite
from stimloop.rig.session import open_session
from stimloop.rig.suites.orders import with_loop
from stimloop.rig.witness import Lines
from stimloop_hw.errors import LinkError, LinkLost
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.ranges import Run
from stimloop_hw.trace import Phase, TracedPulse, pulse_line, read_line, until_line
from stimloop_sim.profile import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.rig.session import RigSession

ROOT = Path(__file__).parents[2]
PULSE = TracedPulse(
    1000,
    (
        Phase(1, 0, 60, -3_000_000),
        Phase(15, 0, 60, 3_000_000),
        Phase(1, 90, 60, 3_000_000),
        Phase(15, 90, 60, -3_000_000),
    ),
)


@contextmanager
def device(*arguments: str) -> Iterator[tuple[str, str]]:
    """A device process: its port, and its witness."""
    command = [sys.executable, "-m", "stimloop_sim", "dbs", "--witness", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            witness = process.stderr.readline().removeprefix("witness on ").strip()
            yield process.stdout.readline().strip(), witness
        finally:
            process.kill()


def asked(check: object) -> Obligation:
    """An obligation that stands in no table."""
    return Obligation("made_up", Suite.STOP, "It is made up.", ("H3",), frozenset(), check)  # type: ignore[arg-type]


# The table ---------------------------------------------


def test_every_obligation_is_a_sentence_and_names_hazards_of_the_safety_page() -> None:
    page = (ROOT / "SAFETY.md").read_text("utf-8")
    hazards = set(re.findall(r"^## (H\d+) ", page, re.MULTILINE))
    assert len(OBLIGATIONS) > 50
    for obligation in OBLIGATIONS.values():
        assert obligation.requirement.endswith(".")
        assert obligation.hazards
        assert set(obligation.hazards) <= hazards


def test_the_page_of_the_rig_has_its_table() -> None:
    assert catalogue() in (ROOT / "docs" / "rig.md").read_text("utf-8")


def test_suites_and_obligations_are_chosen_by_name_and_a_wrong_one_is_refused() -> None:
    assert {o.suite for o in selected(["stop", "lease"])} == {Suite.STOP, Suite.LEASE}
    (one,) = selected(["a_stranger_may_stop"])
    assert one.suite is Suite.STOP
    assert [o.suite for o in selected()] == sorted(
        (o.suite for o in selected()), key=list(Suite).index
    )
    with pytest.raises(ValueError, match="'halt' is no suite and no obligation"):
        selected(["stop", "halt"])


# What comes of it ---------------------------------------------


@pytest.mark.parametrize("profile", names())
def test_every_profile_of_the_simulator_keeps_every_obligation(profile: str) -> None:
    conducted = conduct(f"sim://{profile}", selected(), key=DEVELOPMENT_KEY)
    assert [o for o in conducted.outcomes if not o.is_good] == []
    assert conducted.count(Verdict.KEPT) >= 53


def test_what_a_device_lacks_is_told_and_never_left_out() -> None:
    conducted = conduct("sim://dbs?build=unsigned", selected(), key=DEVELOPMENT_KEY)
    cannot = {o.obligation.name: o.said for o in conducted.outcomes if o.said}
    assert len(conducted.outcomes) == len(OBLIGATIONS)
    assert conducted.is_good
    assert cannot["after_a_pulse_comes_a_sweep"] == "no sensing after pulses"
    assert cannot["an_order_without_the_key_changes_nothing"] == "no authentication"


def test_a_broken_obligation_a_lost_device_and_a_refusal_are_told_apart() -> None:
    def broken(_: RigSession) -> None:
        raise Broken("it is purple")

    def lost(session: RigSession) -> None:
        session.link.close()
        raise LinkLost("it is gone; look for it")

    def refused(session: RigSession) -> None:
        session.link.start(1, 1000)

    conducted = conduct("sim://dbs", map(asked, (broken, lost, refused)), key=DEVELOPMENT_KEY)
    verdicts = [(o.verdict, o.said) for o in conducted.outcomes]
    assert verdicts[:2] == [
        (Verdict.BROKEN, "it is purple"),
        (Verdict.UNDECIDED, verdicts[1][1]),
    ]
    assert "lease ends the therapy by itself" in verdicts[1][1]
    assert verdicts[2][0] is Verdict.BROKEN
    assert "the device refused ArmRequest" in verdicts[2][1]
    assert not conducted.is_good


def test_a_device_that_starts_again_in_the_midst_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boots = iter((1, 1, 2, 2))

    @contextmanager
    def session(*_: object, **__: object) -> Iterator[RigSession]:
        with open_session("sim://dbs") as opened:
            object.__setattr__(opened.link.identity, "boot", next(boots))
            yield opened

    monkeypatch.setattr(rig, "open_device", session)
    conducted = conduct("sim://dbs", [asked(lambda _: None)] * 3, key=DEVELOPMENT_KEY)
    assert [o.verdict for o in conducted.outcomes] == ["kept", "undecided", "kept"]
    assert "started again (POWER_ON)" in conducted.outcomes[1].said


def test_a_device_that_is_gone_is_told_once_and_the_rest_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = iter((None, None, LinkLost("it is gone; look for it")))

    @contextmanager
    def device_(*_: object, **__: object) -> Iterator[RigSession]:
        if (problem := next(opened)) is not None:
            raise problem
        with open_session("sim://dbs") as session:
            yield session

    monkeypatch.setattr(rig, "open_device", device_)
    conducted = conduct("sim://dbs", [asked(lambda _: None)] * 4, key=DEVELOPMENT_KEY)
    assert [o.said for o in conducted.outcomes] == ["", "it is gone; look for it", *[GONE] * 2]
    assert not conducted.is_good


def test_the_command_says_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rig", "--device", "sim://dbs", "a_stranger_may_stop"]) == 0
    told = capsys.readouterr().out
    assert "kept      stop      a_stranger_may_stop" in told
    assert "1 kept, 0 broken, 0 cannot, 0 undecided" in told
    assert main(["rig"]) == 1
    assert "give --device URL" in capsys.readouterr().err
    assert main(["rig", "--list"]) == 0
    assert capsys.readouterr().out == catalogue()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/dev/there_is_none", "check the name"),
        ("socket://127.0.0.1:1", "cannot open"),
        ("loop://", "answers as an SL1 device"),
    ],
)
def test_a_device_that_cannot_be_met_is_one_sentence(
    url: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rig", "--device", url, "identity"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("stimloop: ")
    assert told.count("\n") == 1
    assert why in told


# Gentle programs ---------------------------------------------


def test_values_beside_the_hardwares_are_found() -> None:
    runs = (Run(130, 130, 1), Run(250, 1000, 250))
    assert at_least(runs, 60) == 130
    assert at_least(runs, 131) == 250
    assert at_least(runs, 501) == 750
    assert at_least(runs, 1001) is None
    assert between(runs) == 251
    assert between((Run(33, 33, 1), Run(40, 40, 1))) == 34
    assert between((Run(1, 5, 1), Run(6, 9, 1))) is None


# Witnesses ---------------------------------------------


def test_a_pulse_is_compared_by_amplitude_width_charge_poles_and_balance() -> None:
    with open_session("sim://dbs") as opened:
        program = gentle(opened.limits)
    (same,) = compare(program, 3000, 10_000, [PULSE])
    assert (same.amplitude_ua, same.width_us, same.gap_us) == (3000, 60, 30)
    assert same.charge_pc == same.ordered_pc == 180_000
    assert same.cathodes == {1}
    assert same.anodes == {15}
    assert set(same.net_fc.values()) == {0}
    short = TracedPulse(11_500, PULSE.phases[:3])
    _, late = compare(program, 3000, 10_000, [PULSE, short])
    assert late.late_us == 500
    assert late.net_fc == {1: 0, 15: 180_000_000}


def test_a_pulse_goes_through_its_line_unchanged() -> None:
    assert read_line(pulse_line(PULSE)) == PULSE
    assert read_line(until_line(7)) == 7


@pytest.mark.parametrize("line", [b"hello", b"{}", b"[1]", b'{"t_us": 1, "phases": [[1]]}'])
def test_a_line_that_is_none_of_a_witness_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="is no line of a witness"):
        read_line(line)


class Recorder:
    """A port that gives what it was given, piece by piece, and then nothing."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.in_waiting = 0

    def read(self, size: int, /) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def write(self, data: bytes, /) -> int | None:
        raise AssertionError("nobody talks to a witness")

    def close(self) -> None:
        pass


def test_a_witness_is_waited_for_until_it_has_seen_enough() -> None:
    line = pulse_line(PULSE)
    witness = Lines(Recorder(line[:10], b"", line[10:], until_line(5000)), "the scope")
    witness.look(2000)
    assert witness.pulses == [PULSE]
    with pytest.raises(LinkLost, match="the scope tells nothing for 2000 ms"):
        witness.look(6000)


def test_a_witness_that_is_none_is_told() -> None:
    for wire, why in ((b"hello\n", "no line of a witness"), (b"x" * 70_000, "have no end")):
        with pytest.raises(LinkError, match=why):
            Lines(Recorder(wire), "the scope").look(1)


def test_without_a_witness_a_device_cannot_be_asked_for_its_pulses() -> None:
    with open_session("sim://dbs") as opened:
        pulses = [o for o in selected() if Need.WITNESS in o.needs]
        assert not any(opened.lacks(obligation) for obligation in pulses)
        opened.abilities -= {Need.WITNESS}
        assert {opened.lacks(obligation) for obligation in pulses} == {"no witness"}


@pytest.mark.parametrize("where", ["pty", "tcp"])
def test_a_device_in_another_process_is_asked_and_watched_at_its_electrodes(
    where: str,
) -> None:
    # Only what needs no heartbeat in time: the machine may be busy with something else.
    alone = "what_runs_alone_needs_its_own_arming_and_ends_by_stop"
    names = ["its_limits_are_sane", "a_stale_start_is_refused", alone]
    arguments = ["--pty"] if where == "pty" else ["--tcp", "127.0.0.1:0"]
    with device(*arguments) as (url, witness):
        conducted = conduct(url, selected(names), key=DEVELOPMENT_KEY, witness=witness)
        assert [(o.verdict, o.said) for o in conducted.outcomes] == [(Verdict.KEPT, "")] * 3
        with open_session(url, witness=witness) as opened:
            program = with_loop(opened.program, opened.limits.sense_range_uv)
            opened.commit(program)
            since_us = opened.link.start_alone(program.crc())
            for _ in range(6):
                until_us = opened.link.status().t_us
            pulses = opened.pulses(since_us, until_us)
    seen = compare(program, program.amplitude_max_ua, program.period_min_us, pulses)
    assert len(seen) > 20
    assert seen[-1].charge_pc == seen[-1].ordered_pc
    assert all(set(pulse.net_fc.values()) == {0} for pulse in seen)
    assert {pulse.late_us for pulse in seen} == {0}


def test_a_client_of_the_witness_that_leaves_makes_room_for_the_next_one() -> None:
    with device("--pty") as (_, witness):
        host, port = witness.removeprefix("socket://").split(":")
        for _ in range(2):
            with socket.create_connection((host, int(port))) as client:
                line = client.makefile("rb").readline()
            assert isinstance(read_line(line), int)
