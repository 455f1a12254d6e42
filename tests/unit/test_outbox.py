from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stimloop_sim.outbox import LONGEST, Outbox, Priority

PUTS = st.lists(st.tuples(st.sampled_from(Priority), st.integers(1, 20)), max_size=300)


def filled(
    puts: list[tuple[Priority, int]],
) -> tuple[Outbox, list[tuple[Priority, bytes, int]]]:
    outbox = Outbox()
    queued = []
    for k, (priority, samples) in enumerate(puts):
        wire = b"<%d>" % k
        count = samples if priority is Priority.STREAM else 0
        outbox.put(priority, wire, count)
        queued.append((priority, wire, count))
    return outbox, queued


def kept(queued: list[tuple[Priority, bytes, int]]) -> list[bytes]:
    """The newest frames of each priority, most urgent first."""
    return [
        wire
        for wanted in Priority
        for wire in [w for priority, w, _ in queued if priority is wanted][-LONGEST:]
    ]


@given(PUTS)
def test_the_most_urgent_goes_first_and_the_oldest_whole_frames_give_way(
    puts: list[tuple[Priority, int]],
) -> None:
    outbox, queued = filled(puts)
    assert outbox.take() == b"".join(kept(queued))
    assert outbox.take() == b""


@given(PUTS)
def test_frame_by_frame_is_the_same_as_all_at_once(puts: list[tuple[Priority, int]]) -> None:
    outbox, queued = filled(puts)
    frames = []
    while wire := outbox.take_frame():
        frames.append(wire)
    assert frames == kept(queued)


@given(PUTS)
def test_every_dropped_sample_is_counted(puts: list[tuple[Priority, int]]) -> None:
    outbox, queued = filled(puts)
    left = set(kept(queued))
    lost = sum(samples for _, wire, samples in queued if wire not in left)
    assert outbox.samples_dropped == lost


def test_a_stop_is_never_behind_samples() -> None:
    outbox = Outbox()
    for _ in range(1000):
        outbox.put(Priority.STREAM, b"samples", 5)
    outbox.put(Priority.STOP, b"stopped")
    assert outbox.take_frame() == b"stopped"
    assert outbox.samples_dropped == (1000 - LONGEST) * 5
