"""A virtual patient, its implant and a link to it, in one process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stimloop_hw import Link
from stimloop_sim.bench import Bench
from stimloop_sim.cable import Cable
from stimloop_sim.patient import DbsPatient
from stimloop_sim.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from stimloop_sim.patient import PatientModel


class Witness:
    """A patient whose truth is told besides: a `stimloop_sim.source.Source`.

    Parameters
    ----------
    patient : DbsPatient

    Attributes
    ----------
    listening : bool
        Whether what happens now counts.
    """

    remaining: int | None = None

    def __init__(self, patient: DbsPatient) -> None:
        self._patient = patient
        self.channels = patient.channels
        self.fs_hz = patient.fs_hz
        self.listening = False
        self._sum_uv = 0.0
        self._count = 0

    def sense(
        self, amplitude_ua: npt.NDArray[np.int32], width_us: int, period_us: int
    ) -> npt.NDArray[np.float64]:
        """Sense one block; see `Source.sense`."""
        sensed_uv = self._patient.sense(amplitude_ua, width_us, period_us)
        if self.listening:
            self._sum_uv += float(self._patient.envelope_uv.sum())
            self._count += len(amplitude_ua)
        return sensed_uv

    @property
    def envelope_uv(self) -> float:
        """Mean of the patient's true amplitude while it was listened to, µV."""
        return self._sum_uv / self._count if self._count else float("nan")


@contextmanager
def bedside(model: PatientModel, device: str, seed: int) -> Iterator[tuple[Link, Witness]]:
    """Meet a patient: a link to the implant after its handshake, and a witness of the truth.

    Parameters
    ----------
    model : PatientModel
    device : str
        Name of the implant's profile.
    seed : int
        Of the patient's noise.
    """
    witness = Witness(DbsPatient(model, seed=seed))
    bench = Bench.around(witness, Profile.named(device), seed=seed)
    with Link(Cable(bench), f"the simulated {device}") as link:
        link.hello()
        yield link, witness
