"""The journal: numbers that run on, what is pending, and what gives way when it is full."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.vocabulary import EventCode, ResetCause
from stimloop_sim.journal import KEPT, Journal


def test_events_are_numbered_from_one_and_pending_until_acknowledged() -> None:
    journal = Journal()
    first = journal.add(5, EventCode.FAULT, -1)
    assert (first.event, first.t_us, first.code, first.arg) == (1, 5, 1, 0xFFFFFFFF)
    second = journal.add(6, EventCode.FAULT, 2)
    assert journal.pending == [first, second]
    journal.acknowledge(1)
    assert journal.pending == [second]
    assert journal.events == [first, second], "what is acknowledged is still written down"


def test_a_start_is_counted_and_its_cause_kept() -> None:
    journal = Journal()
    for boots, cause in enumerate(ResetCause, start=1):
        journal.start(cause)
        assert (journal.boots, journal.cause) == (boots, cause)


def test_an_acknowledgment_from_the_future_hides_no_event_to_come() -> None:
    journal = Journal()
    journal.add(0, EventCode.FAULT, 1)
    journal.acknowledge(0xFFFFFFFF)
    journal.acknowledge(0)
    assert journal.pending == []
    assert journal.add(0, EventCode.FAULT, 1) in journal.pending


def test_in_a_full_journal_the_oldest_gives_way_and_is_counted_if_nobody_heard_it() -> None:
    journal = Journal()
    for number in range(KEPT):
        journal.add(number, EventCode.FAULT, 0)
    journal.acknowledge(1)
    journal.add(0, EventCode.FAULT, 0)
    assert (journal.events[0].event, journal.lost) == (2, 0)
    journal.add(0, EventCode.FAULT, 0)
    assert (journal.events[0].event, journal.lost) == (3, 1)
    assert len(journal.events) == KEPT


@given(st.lists(st.integers(-1, 99)))
def test_every_event_is_pending_acknowledged_or_counted_as_lost(steps: list[int]) -> None:
    journal = Journal()
    added = acknowledged = 0
    for step in steps:
        if step < 50:
            added += 1
            assert journal.add(0, EventCode.FAULT, 0).event == added
        else:
            acknowledged = max(acknowledged, min(step, added))
            journal.acknowledge(step)
        pending = [event.event for event in journal.pending]
        assert pending == list(range(max(acknowledged, added - KEPT) + 1, added + 1))
