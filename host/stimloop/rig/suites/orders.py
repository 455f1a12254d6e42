"""Orders: what each does, in which order they are needed, and what is too late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stimloop.rig.obligation import Need, Suite, obliges, refused, require, require_equal
from stimloop.rig.session import LEASE_MS, SETPOINT_LATEST_US
from stimloop_hw.impedance import CASE_CONTACT, unpack
from stimloop_hw.loop import (
    EmbeddedController,
    EmbeddedDetector,
    Loop,
    LoopParameter,
    Smoothing,
)
from stimloop_hw.messages import (
    Arm,
    ArmChallenge,
    ArmRequest,
    Decided,
    Heartbeat,
    Impedance,
    ImpedanceResult,
    Refused,
    Setpoint,
    Start,
    StartAlone,
    Status,
)
from stimloop_hw.vocabulary import Refusal, State

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession
    from stimloop_hw.program import Program

PATIENCE_US = 1_000_000
BLOCKS = 50


@obliges(Suite.ORDERS, "H1", "H2", needs=(Need.STATUS,))
def a_setpoint_is_delivered_as_ordered_and_its_charge_is_counted(session: RigSession) -> None:
    """A setpoint is delivered at its period, and pulses and charge are counted."""
    program = session.program
    before = after = session.deliver()
    for _ in range(5):
        after = session.alive()
    pulses = after.pulses - before.pulses
    expected = (after.t_us - before.t_us) / program.period_min_us
    require(abs(pulses - expected) <= 1, f"{pulses} pulses were counted, not {expected:.1f}")
    charge_nc = after.delivered_nc - before.delivered_nc
    ordered_nc = pulses * program.amplitude_max_ua * program.width_us / 1000
    require(
        abs(charge_nc - ordered_nc) <= 1, f"{charge_nc} nC were counted, not {ordered_nc:.1f}"
    )
    require_equal("the net charge in fC", after.net_fc, 0)
    require_equal("the latest setpoint", after.last_sp, 1)


@obliges(Suite.ORDERS, "H1", "H4", needs=(Need.IMPEDANCE,))
def it_measures_its_lead_while_it_is_idle_and_only_then(session: RigSession) -> None:
    """It measures every pair of contacts while idle, within its charge, never in therapy."""
    link, limits = session.link, session.limits
    for contact in range(limits.contacts):
        result = link.request(Impedance(contact), ImpedanceResult, link.t_us + 500_000)
        others = [pair.other for pair in unpack(result.pairs)]
        wanted = [*range(contact + 1, limits.contacts), CASE_CONTACT]
        require_equal(f"pairs of contact {contact}", others, wanted)
        charge_pc = result.current_ua * result.width_us
        require(charge_pc <= limits.charge_max_nc * 1000, f"it measures with {charge_pc} pC")
    session.deliver()
    with refused("a measurement during therapy", Refusal.WRONG_STATE):
        link.request(Impedance(0), ImpedanceResult, link.t_us + 500_000)


@obliges(Suite.ORDERS, "H1", "H12", needs=(Need.ARMING,))
def nothing_starts_without_the_whole_sequence(session: RigSession) -> None:
    """Only stage, commit, arm with its challenge and start, in this order, start a therapy."""
    link, crc = session.link, session.program.crc()
    for order in (ArmRequest(crc), Arm(crc, 0), Start(crc, LEASE_MS)):
        with refused(f"{type(order).__name__} without a program"):
            link.request(order, Status, link.t_us + PATIENCE_US)
    session.commit(session.program)
    with refused("a start without arming", Refusal.WRONG_STATE):
        link.request(Start(crc, LEASE_MS), Status, link.t_us + PATIENCE_US)
    with refused("arming of another program", Refusal.CRC_MISMATCH):
        link.request(ArmRequest(crc ^ 1), ArmChallenge)
    challenge = link.request(ArmRequest(crc), ArmChallenge)
    with refused("a wrong answer to the challenge", Refusal.CHALLENGE):
        link.request(Arm(crc, challenge.nonce ^ 1), Status, link.t_us + PATIENCE_US)


@obliges(Suite.ORDERS, "H1", needs=(Need.STATUS,))
def a_therapy_begins_at_zero(session: RigSession) -> None:
    """A therapy begins at zero, whatever was delivered before it."""
    session.deliver()
    session.link.stop()
    session.begin()


@obliges(Suite.ORDERS, "H8", needs=(Need.DEADLINES,))
def a_stale_start_is_refused(session: RigSession) -> None:
    """A start whose time has passed is refused."""
    link, crc = session.link, session.program.crc()
    session.commit(session.program)
    challenge = link.request(ArmRequest(crc), ArmChallenge)
    link.request(Arm(crc, challenge.nonce), Status, link.t_us + PATIENCE_US)
    with refused("a stale start", Refusal.EXPIRED):
        link.request(Start(crc, LEASE_MS), Status, link.t_us - 1)


@obliges(Suite.ORDERS, "H8", needs=(Need.DEADLINES, Need.STATUS))
def a_stale_setpoint_is_refused_and_changes_nothing(session: RigSession) -> None:
    """A setpoint whose time has passed is refused, and the output stays as it was."""
    link, program = session.link, session.program
    session.begin()
    stale = Setpoint(1, 0, program.amplitude_max_ua, program.period_min_us, 0)
    refusals = session.refusals(stale, link.t_us - 1)
    require_equal("refusals of a stale setpoint", refusals, [Refusal.EXPIRED])
    for _ in range(2):
        status = session.alive()
    require_equal("the amplitude after a stale setpoint in µA", status.amplitude_ua, 0)


@obliges(Suite.ORDERS, "H1", needs=(Need.STATUS,))
def a_setpoint_beyond_the_program_is_refused_and_changes_nothing(session: RigSession) -> None:
    """A setpoint beyond the committed program is refused with the nearest value allowed."""
    link, program = session.link, session.program
    session.deliver()
    beyond_ua = program.amplitude_max_ua + session.limits.amplitude_step_ua
    session.steer(2, beyond_ua)
    status = session.alive()
    found = [(n.reason, n.detail) for n in link.notices if isinstance(n, Refused)]
    wanted = [(Refusal.OUTSIDE_ENVELOPE, program.amplitude_max_ua)]
    require(
        found == wanted,
        f"a setpoint of {beyond_ua} µA in a program up to {program.amplitude_max_ua} µA was "
        f"{'refused otherwise' if found else 'not refused'}",
    )
    require_equal("the latest setpoint accepted", status.last_sp, 1)
    require_equal("the amplitude in µA", status.amplitude_ua, program.amplitude_max_ua)


# A loop of its own ---------------------------------------------


def with_loop(program: Program, range_uv: int) -> Program:
    """The same program, delivered by the device itself as long as it can trust its samples."""
    values: dict[int, int] = {
        LoopParameter.DETECTOR: EmbeddedDetector.BETA,
        LoopParameter.CONTROLLER: EmbeddedController.CONTINUOUS,
        LoopParameter.SENSE_CHANNEL: 0,
        LoopParameter.SATURATION_UV: range_uv - 1,
        LoopParameter.BAND_LOW_MHZ: 15_000,
        LoopParameter.BAND_HIGH_MHZ: 21_000,
        LoopParameter.BAND_ORDER: 2,
        LoopParameter.SMOOTHING: Smoothing.MOVING_AVERAGE,
        LoopParameter.SMOOTH_MS: 400,
        LoopParameter.THRESHOLD_NV: 3_000,
        LoopParameter.RELEASE_NV: 3_000,
        LoopParameter.ONSET_MS: 0,
        LoopParameter.TERMINATION_MS: 0,
        LoopParameter.BLANKING_MS: 0,
    }
    return replace(program, period_max_us=program.period_min_us, loop=Loop.of(values))


@obliges(Suite.ORDERS, "H1", "H5", needs=(Need.LOOP, Need.LEASE))
def a_loop_on_the_device_tells_each_decision_ahead_of_its_block(session: RigSession) -> None:
    """A loop on the device tells every decision with its block, and takes no setpoint."""
    link, limits = session.link, session.limits
    program = with_loop(session.program, limits.sense_range_uv)
    link.stream(1, limits.sense_rate_hz, limits.sense_block)
    session.commit(program)
    started_us = link.start(program.crc(), LEASE_MS)
    checked = 0
    while checked < BLOCKS:
        block = link.sensed()
        assert block is not None
        link.send(Heartbeat(LEASE_MS, 0, link.event_ack))
        told = {notice.index for notice in link.notices if isinstance(notice, Decided)}
        link.notices.clear()
        if block.t_us > started_us:
            last = (block.first_index + block.count - 1) & 0xFFFFFFFF
            require(last in told, f"it told no decision on the block that ends at {last}")
            checked += 1
    setpoint = Setpoint(1, 0, 0, program.period_min_us, 0)
    refusals = session.refusals(setpoint, link.t_us + SETPOINT_LATEST_US)
    require_equal("refusals of a setpoint to its own loop", refusals, [Refusal.LOOP_OWN])
    require_equal("the state after a stop", link.stop().state, State.IDLE)


@obliges(Suite.ORDERS, "H1", "H3", needs=(Need.LOOP, Need.ARMING))
def what_runs_alone_needs_its_own_arming_and_ends_by_stop(session: RigSession) -> None:
    """A therapy without a host needs an arming of its own, outlives silence, ends by STOP."""
    link = session.link
    program = with_loop(session.program, session.limits.sense_range_uv)
    session.commit(program)
    with refused("a start alone without its arming", Refusal.WRONG_STATE):
        link.request(StartAlone(program.crc()), Status, link.t_us + PATIENCE_US)
    link.start_alone(program.crc())
    begun_us = link.t_us
    while link.t_us < begun_us + (LEASE_MS + 500) * 1000:
        require_equal("the state of what runs alone", link.status().state, State.ALONE)
    require_equal("the state after a stop", link.stop().state, State.IDLE)
    require_equal("the amplitude after a stop in µA", link.status().amplitude_ua, 0)
