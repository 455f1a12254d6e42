"""Stepping a loop for so long, and another one beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop.session import Session
    from stimloop.watch import Watch
    from stimloop_lab.controls import Follower
    from stimloop_lab.witness import Witness


def treat(
    session: Session | Watch,
    witness: Witness[Any],
    duration_s: float,
    lead: Callable[[int], None] = lambda elapsed_us: None,  # noqa: ARG005
) -> None:
    """Step for so long, by the device's clock; threshold capture is not counted.

    Where nothing is delivered a device that senses after pulses takes fewer sweeps: ticks tell
    no time.

    Parameters
    ----------
    session : Session or Watch
    witness : Witness
        Listens from the first tick of therapy on.
    duration_s : float
        Of therapy, s.
    lead : callable (elapsed_us)
        Goes before each step, with the time since the first one at which that is due, µs.
    """
    wanted_us = max(1, round(duration_s * 1e6 / session.tick_us)) * session.tick_us
    origin_us = started_us = last_us = None
    while started_us is None or last_us is None or last_us - started_us < wanted_us:
        due_us = 0 if origin_us is None or last_us is None else last_us - origin_us
        lead(due_us)
        step = session.step()
        assert step is not None, "a virtual patient lives on"
        last_us = step.t_us
        origin_us = last_us - session.tick_us if origin_us is None else origin_us
        if session.stimulating:
            started_us = last_us - session.tick_us if started_us is None else started_us
            witness.listening = True


def led(follower: Follower, donor: Session | Watch) -> Callable[[int], None]:
    """What lets another loop decide up to the same time, and hands its latest order on."""
    origin_us = last_us = None

    def lead(due_us: int) -> None:
        nonlocal origin_us, last_us
        while origin_us is None or last_us is None or last_us - origin_us <= due_us:
            step = donor.step()
            assert step is not None, "a virtual patient lives on"
            last_us = step.t_us
            origin_us = last_us - donor.tick_us if origin_us is None else origin_us
            follower.follow(step)

    return lead
