"""A virtual patient, its implant and a link to it, in one process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from stimloop_hw import Link
from stimloop_sim.bench import Bench
from stimloop_sim.cable import Cable
from stimloop_sim.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stimloop_sim.source import Source


W = TypeVar("W", bound="Source")


@contextmanager
def bedside(
    model: Any,  # noqa: ANN401  # of any therapy
    device: str,
    seed: int,
    witness_of: Callable[[Any], W],
) -> Iterator[tuple[Link, W]]:
    """Meet a patient: a link to the implant after its handshake, and who witnesses the truth.

    Parameters
    ----------
    model : object
        The patient's parameters.
    device : str
        Name of the implant's profile.
    seed : int
        Of the patient's noise.
    witness_of : callable
        Makes the witness of a patient, a source in its place.
    """
    witness = witness_of(model.patient(seed=seed))
    bench = Bench.around(witness, Profile.named(device), seed=seed)
    with Link(Cable(bench), f"the simulated {device}") as link:
        link.hello()
        yield link, witness
