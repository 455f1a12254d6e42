from __future__ import annotations

from itertools import product

import pytest

from stimloop_hw.vocabulary import Refusal, State
from stimloop_sim.states import DELIVERING, LEASED, TRANSITIONS, Event, mermaid

STOPS = (Event.STOP, Event.STOP_RAMP)


def sources(target: State) -> set[tuple[State, Event]]:
    """How a state is entered from another."""
    return {
        (before, event)
        for (before, event), after in TRANSITIONS.items()
        if after is target and before is not target
    }


def test_the_table_is_total() -> None:
    assert set(TRANSITIONS) == set(product(State, Event))


def test_what_is_refused_is_refused_for_the_state() -> None:
    refusals = {after for after in TRANSITIONS.values() if not isinstance(after, State)}
    assert refusals == {Refusal.WRONG_STATE}


def test_stimulating_is_entered_from_armed_alone_or_again_by_its_host() -> None:
    assert sources(State.STIMULATING) == {
        (State.ARMED, Event.START),
        (State.HOLD, Event.HEARTBEAT),
        (State.HOLD, Event.RESUME),
        (State.FALLBACK, Event.HEARTBEAT),
    }


def test_armed_is_entered_from_configured_alone_and_configured_by_a_commit_or_its_expiry() -> (
    None
):
    assert sources(State.ARMED) == {(State.CONFIGURED, Event.ARM)}
    assert sources(State.CONFIGURED) == {
        (State.IDLE, Event.COMMIT),
        (State.ARMED, Event.ARM_EXPIRED),
        (State.ARMED_ALONE, Event.ARM_EXPIRED),
    }


def test_what_no_host_leads_is_armed_and_started_by_orders_of_its_own_alone() -> None:
    assert sources(State.ARMED_ALONE) == {(State.CONFIGURED, Event.ARM_ALONE)}
    assert sources(State.ALONE) == {(State.ARMED_ALONE, Event.START_ALONE)}
    assert TRANSITIONS[State.ARMED_ALONE, Event.START] is Refusal.WRONG_STATE
    assert TRANSITIONS[State.ARMED, Event.START_ALONE] is Refusal.WRONG_STATE


def test_alone_ends_by_stop_and_fault_and_by_no_silence() -> None:
    after = {event: TRANSITIONS[State.ALONE, event] for event in Event}
    ends = {e for e, a in after.items() if isinstance(a, State) and a is not State.ALONE}
    assert ends == {*STOPS, Event.LIMIT_BREACHED}
    assert State.ALONE not in LEASED


def test_no_state_delivers_that_was_not_entered_through_start() -> None:
    for state in DELIVERING - {State.STIMULATING, State.ALONE}:
        assert all(before in DELIVERING for before, _ in sources(state))


@pytest.mark.parametrize("state", State)
def test_stop_is_never_refused_and_ends_in_a_state_without_output(state: State) -> None:
    after = TRANSITIONS[state, Event.STOP]
    assert isinstance(after, State)
    assert after not in DELIVERING


@pytest.mark.parametrize("state", State)
def test_a_ramped_stop_is_never_refused_and_ramps_only_where_there_is_output(
    state: State,
) -> None:
    after = TRANSITIONS[state, Event.STOP_RAMP]
    assert isinstance(after, State)
    assert (after is State.RAMPING_DOWN) == (state in DELIVERING)


def test_nothing_leaves_fault() -> None:
    for event in Event:
        assert TRANSITIONS[State.FAULT, event] in (State.FAULT, Refusal.WRONG_STATE)


@pytest.mark.parametrize("state", set(State) - {State.BOOT})
def test_a_breached_limit_faults_from_every_state(state: State) -> None:
    assert TRANSITIONS[state, Event.LIMIT_BREACHED] is State.FAULT


def test_a_lost_lease_is_known_in_every_state_that_lives_on_one() -> None:
    for state in State:
        after = TRANSITIONS[state, Event.LEASE_EXPIRED]
        assert (after is State.RAMPING_DOWN) == (state in LEASED)


def test_only_setpoints_in_stimulating_and_hold_are_taken() -> None:
    takers = {s for s in State if isinstance(TRANSITIONS[s, Event.SETPOINT], State)}
    assert takers == {State.STIMULATING, State.HOLD}


def test_nothing_leaves_idle_but_a_commit_or_a_fault() -> None:
    leaving = {
        e for e in Event if TRANSITIONS[State.IDLE, e] not in (State.IDLE, Refusal.WRONG_STATE)
    }
    assert leaving == {Event.COMMIT, Event.LIMIT_BREACHED}


def test_every_state_is_reached() -> None:
    reached = {State.BOOT}
    while True:
        more = {
            after
            for (before, _), after in TRANSITIONS.items()
            if before in reached and isinstance(after, State)
        }
        if more <= reached:
            break
        reached |= more
    assert reached == set(State)


def test_the_diagram_shows_the_way_to_the_output() -> None:
    diagram = mermaid()
    assert diagram.startswith("stateDiagram-v2\n")
    assert "    ARMED --> STIMULATING: START\n" in diagram
    assert "    STIMULATING --> RAMPING_DOWN: LEASE_EXPIRED\n" in diagram
