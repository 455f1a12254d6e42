"""Sessions under every example scenario: how each ends, and that the output is off."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from benchmarks.fates import Fate
from benchmarks.impaired_frames import Campaign, Oracle

from stimloop_hw.errors import LinkLost, OrderRefused
from stimloop_hw.link import Link
from stimloop_hw.messages import Commit, Committed, Heartbeat, Setpoint, Stage, Staged
from stimloop_hw.program import CASE, Mode, Program
from stimloop_hw.vocabulary import Fault, Lead, State
from stimloop_sim import telemetry
from stimloop_sim.impairment import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_hw.framing import Frame
    from stimloop_sim.bench import Bench
    from stimloop_sim.protocol_sim import Serial
    from stimloop_sim.sessions import HostSession

EXAMPLES = Path(__file__).parents[2] / "examples" / "faults"
PROGRAM = Program(Mode.TRAIN, 0, 3000, 60, 5000, 20_000, 10_000, 500, 0b0010, CASE)
TIGHT_US = 100_000


@contextmanager
def steered(name: str) -> Iterator[tuple[Link, Bench]]:
    """A therapy of 1 mA that has begun under a scenario, and the bench behind it."""
    with Link.open(f"sim://dbs?seed=1&faults={EXAMPLES / name}.toml") as link:
        link.hello()
        link.stream(1, 250, 5)
        staged = link.request(Stage(1, 0, 1, PROGRAM.entries()), Staged)
        order = Commit(1, staged.staged_crc)
        link.request(order, Committed, link.t_us + TIGHT_US)
        link.start(staged.staged_crc, 2000)
        link.send(Setpoint(1, 0, 1000, 10_000, 0), link.t_us + TIGHT_US)
        yield link, cast("Serial", link.port).bench


def session(name: str, seconds: float) -> tuple[Bench, str]:
    """Steer a therapy under a scenario: the bench behind it, and what ended it."""
    with steered(name) as (link, bench):
        begun = bench.firmware
        number = 1
        try:
            while bench.now_us < seconds * 1e6:
                link.sensed()
                number += 1
                link.send(Heartbeat(2000, 0, link.event_ack))
                link.send(Setpoint(number, 0, 1000, 10_000, 0), link.t_us + TIGHT_US)
            ended = "in time"
            assert bench.firmware.therapy.pulses.amplitude_ua == 1000
            link.stop()
        except (LinkLost, OrderRefused) as end:
            ended = str(end)
        assert begun.therapy.pulses.net_fc == 0
        bench.advance(250 * 3)
        before = bench.firmware.therapy.pulses.pulses
        bench.advance(250)
        assert bench.firmware.therapy.pulses.pulses == before
        assert bench.firmware.therapy.pulses.amplitude_ua == 0
    return bench, ended


@pytest.mark.parametrize("name", ["noisy_link", "slow_line", "stall", "replay_attack"])
def test_a_bad_line_does_not_end_a_therapy(name: str) -> None:
    bench, ended = session(name, 6)
    assert ended == "in time"
    assert sum(bench.line.to_device.counts.values()) > 0
    assert bench.firmware.therapy.state is State.IDLE


def test_what_a_stalled_line_kept_back_is_stale() -> None:
    bench, _ = session("stall", 4)
    assert bench.firmware.telemetry.stale > 0
    assert bench.line.to_device.counts["stall"] > 0


def test_replayed_orders_are_dropped_and_counted() -> None:
    bench, _ = session("replay_attack", 6)
    assert bench.firmware.telemetry.repeated >= bench.line.to_device.counts["replay"] // 2 > 10


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("unplug", "the scenario of faults has pulled the plug"),
        ("hang", "no samples from"),
        ("brown_out", "no samples from"),
        ("reset", "no samples from"),
    ],
)
def test_a_lost_device_is_told_to_the_host_and_its_output_ends(name: str, why: str) -> None:
    bench, ended = session(name, 6)
    assert why in ended
    assert bench.firmware.therapy.state in (State.IDLE, State.CONFIGURED)


def test_a_host_whose_orders_are_lost_leaves_a_fallback_and_then_silence() -> None:
    with steered("half_open") as (link, bench):
        states: dict[State, int] = {}
        while bench.now_us < 5_000_000:
            link.send(Heartbeat(2000, 0, 0))
            link.sensed()
            states.setdefault(bench.firmware.therapy.state, bench.now_us)
    assert bench.line.to_device.counts["half_open"] > 0
    assert 100_000 < states[State.HOLD] - 2_000_000 <= 170_000
    assert 350_000 < states[State.FALLBACK] - 2_000_000 <= 420_000
    assert states[State.IDLE] - 2_000_000 <= 2_280_000


@pytest.mark.parametrize(
    ("name", "fault"), [("stuck_output", Fault.OUTPUT_STUCK), ("memory", Fault.PROGRAM_MEMORY)]
)
def test_a_broken_device_latches_its_fault(name: str, fault: Fault) -> None:
    with steered(name) as (link, bench):
        while bench.now_us < 2_500_000:
            link.send(Heartbeat(2000, 0, 0))
            link.sensed()
        link.stop()
        bench.advance(25)
    assert bench.firmware.therapy.faults == fault
    assert bench.firmware.therapy.state is State.FAULT


def test_a_frozen_converter_is_sent_as_it_is() -> None:
    with Link.open(f"sim://dbs?faults={EXAMPLES / 'frozen_converter.toml'}") as link:
        link.hello()
        link.stream(1, 250, 5)
        frozen = 0
        for _ in range(450):
            block = link.sensed()
            assert block is not None
            frozen += len(np.unique(np.frombuffer(block.samples_nv, "<i4"))) == 1
        assert 195 <= frozen <= 201


def test_a_lead_that_breaks_on_schedule_is_told_and_whole_again_afterwards() -> None:
    leads: dict[int, Lead] = {}
    flat: dict[int, bool] = {}
    with steered("broken_lead") as (link, bench):
        number = 1
        while bench.now_us < 6_000_000:
            number += 1
            link.send(Heartbeat(2000, 0, link.event_ack))
            link.send(Setpoint(number, 0, 1000, 10_000, 0), link.t_us + TIGHT_US)
            block = link.sensed()
            assert block is not None
            flat[bench.now_us // 100_000] = not np.any(np.frombuffer(block.samples_nv, "<i4"))
            leads[bench.now_us // 100_000] = Lead(bench.firmware.status().lead)
        pulses = bench.firmware.therapy.pulses
        begun_us = [t_us for t_us, _ in pulses.recent()]
        link.stop()
    assert bench.firmware.therapy.faults == 0
    assert {leads[k] for k in range(5, 20)} == {Lead(0)}
    assert {leads[k] for k in range(21, 40)} == {Lead.OPEN | Lead.COMPLIANCE}
    assert {leads[k] for k in range(41, 60)} == {Lead(0)}
    assert not any(2_000_000 < t_us < 4_000_000 for t_us in begun_us), "nothing can flow"
    assert {flat[k] for k in (*range(26, 30), *range(36, 49))} == {True}, "wires that touch"
    assert not any(flat[k] for k in (*range(25), *range(31, 35), *range(51, 60)))
    assert pulses.programmed_pc - pulses.delivered_pc == pytest.approx(
        200 * 60_000, abs=120_000
    )
    assert pulses.net_fc == 0


# The campaign ---------------------------------------------


def test_of_twenty_thousand_impaired_frames_none_is_obeyed_wrongly_and_each_has_one_fate() -> (
    None
):
    campaign = Campaign()
    campaign.run(20_000, seed=7)
    assert not campaign.wrong
    assert campaign.problems == []
    assert sum(campaign.fates.values()) == campaign.totals["sent"] + campaign.totals["replayed"]
    assert sum(campaign.refusals.values()) == (
        campaign.fates[Fate.STALE] + campaign.fates[Fate.REFUSED]
    )
    assert campaign.fates[Fate.EXECUTED] > 5000
    assert campaign.fates[Fate.SWALLOWED] + campaign.fates[Fate.LOST] > 0
    for fate in (Fate.DAMAGED, Fate.FOREIGN, Fate.REPEATED, Fate.STALE):
        assert campaign.fates[fate] > 0, fate


def test_the_book_would_find_a_device_that_drops_a_frame_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry.Telemetry, "_refuse", lambda *_: None)
    campaign = Campaign()
    campaign.run(500, seed=7)
    assert "a frame has 0 fates" in campaign.problems


def test_the_book_would_find_a_line_that_loses_a_frame_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, odd = Wire._send_piece, 37

    def forgets(wire: Wire, now_us: int, start_us: int, data: bytes) -> None:
        if len(data) != odd:
            send(wire, now_us, start_us, data)

    monkeypatch.setattr(Wire, "_send_piece", forgets)
    campaign = Campaign()
    campaign.run(500, seed=7)
    assert any("still on the way" in problem for problem in campaign.problems)


def test_the_book_would_find_a_device_that_counts_a_frame_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ignore = telemetry.Telemetry._take_next

    def counts(device: telemetry.Telemetry, session: HostSession, frame: Frame) -> None:
        ignore(device, session, frame)
        device.foreign += 1

    monkeypatch.setattr(telemetry.Telemetry, "_take_next", counts)
    campaign = Campaign()
    campaign.run(500, seed=7)
    assert "a frame has 2 fates" in campaign.problems


def test_the_oracle_would_find_a_device_that_ignores_deadlines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry.Telemetry, "_check_deadline", lambda *_, **__: None)
    campaign = Campaign()
    campaign.run(4000, seed=7)
    assert campaign.wrong["after its deadline"] > 0


def test_the_oracle_would_find_orders_twice_altered_and_foreign() -> None:
    oracle = Oracle()
    with oracle.watching(), Link.open("sim://dbs") as link:
        sent = Heartbeat(2000, 0, 7)
        write = link.port.write

        def writes(data: bytes) -> int | None:
            oracle.hear(data)
            return write(data)

        link.port.write = writes  # type: ignore[method-assign]
        link.hello()
        link.send(sent)
        link.send(Heartbeat(2000, 0, 8))
        assert not oracle.wrong
        assert oracle.executed > 2
        oracle.judge(sent, 0)
        assert oracle.wrong == {"twice": 1}
        oracle.judge(Heartbeat(2001, 0, 7), 0)
        assert oracle.wrong["never sent with those bytes"] == 1
        oracle.begin_session(1)
        oracle.judge(sent, 0)
        assert oracle.wrong["in a foreign session"] == 1
