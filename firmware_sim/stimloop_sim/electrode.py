"""Electrodes as networks: cells scaled to their contacts, shares of a current, modes at rest.

Values of the default tissue: series resistance so that a monopolar contact reads 1 kΩ, inside
the 500 to 1500 Ω of clinical leads (PMC3692979); 3.3 µF for a ring contact of 0.06 cm² (Butson
and McIntyre 2005, doi:10.1016/j.clinph.2005.06.023); 500 kΩ of linear leak there; the nonlinear
branch carries 1 mA at 1 V, a design choice: the interface is not linear at clinical currents
(PMC3066196).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SHORT_OHM = 20.0
"""A short in the lead, Ω: two strands that touch."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One contact in tissue, a Randles cell.

    Attributes
    ----------
    series_ohm : float
        Tissue and lead, Ω, positive.
    capacitance_f : float
        Double layer, F, positive.
    leak_ohm : float
        Linear charge transfer, Ω, positive.
    exchange_a : float
        Exchange current of the nonlinear branch, A, 0 or more.
    """

    series_ohm: float
    capacitance_f: float
    leak_ohm: float
    exchange_a: float


@dataclass(frozen=True, slots=True)
class Output:
    """What a tissue knows of the device in it.

    Attributes
    ----------
    areas_um2 : tuple of int
        Of the lead's contacts, µm².
    compliance_mv, headroom_mv : int
        What the output stage can put across a load, and how much of it the current source needs
        for itself, mV.
    discharge_ohm : int
        In series with each contact, joins them between pulses, Ω.
    coupling_nf : int
        Capacitor in series with each contact, nF; 0 for none.
    """

    areas_um2: tuple[int, ...]
    compliance_mv: int
    headroom_mv: int
    discharge_ohm: int
    coupling_nf: int

    @property
    def coupling_f(self) -> float:
        """Coupling capacitor, F."""
        return 1e-9 * self.coupling_nf


def tissue_shares(
    source: Mapping[int, float], series_ohm: Sequence[float], shorts: Sequence[tuple[int, int]]
) -> dict[int, float]:
    """How a current divides before it reaches tissue, shorts in the lead considered.

    The double layers are taken as shorts of their own: what counts is the pulse's first moment.

    Parameters
    ----------
    source : mapping of int to float
        Signed share of the output's current that each contact is given.
    series_ohm : sequence of float, contacts
        Ω.
    shorts : sequence of (int, int)
        Pairs of contacts.

    Returns
    -------
    dict of int to float
        Signed share that passes into tissue at each contact that takes part.
    """
    shares = dict(source)
    if not shorts:
        return shares
    given = np.array([source.get(k, 0.0) for k in range(len(series_ohm))])
    ohm = np.array(series_ohm)
    across = np.zeros((len(ohm), len(shorts)))
    for column, (a, b) in enumerate(shorts):
        across[a, column], across[b, column] = 1.0, -1.0
    # Currents through the shorts make their ends differ by what they drop there.
    meshes = across.T @ (ohm[:, None] * across) + SHORT_OHM * np.eye(len(shorts))
    through = given - across @ np.linalg.solve(meshes, across.T @ (ohm * given))
    for k in {k for pair in shorts for k in pair}:
        if through[k]:
            shares[k] = float(through[k])
    return shares


@dataclass(frozen=True, slots=True)
class Modes:
    """Eigenvalues of contacts that rest, joined by resistors, and the way there and back.

    Attributes
    ----------
    rate_hz : ndarray of float64, (2 n,)
        1/s, 0 or less.
    to_modes, from_modes : ndarray of float64, (2 n, 2 n)
        From double layers and coupling capacitors, in this order, to modes, and back.
    """

    rate_hz: NDArray[np.float64]
    to_modes: NDArray[np.float64]
    from_modes: NDArray[np.float64]


def resting_modes(cells: Sequence[Cell], discharge_ohm: float, coupling_f: float) -> Modes:
    """Modes of contacts that are joined, each through a discharge resistor, the sinh left out.

    ``D x' = -G x`` with positive capacitances D and a symmetric conductance G: scaled by
    ``sqrt(D)`` it is symmetric, its eigenvalues are real and the modes orthogonal.

    Parameters
    ----------
    cells : sequence of Cell, n
    discharge_ohm : float
        In series with each contact, Ω, 0 or more.
    coupling_f : float
        Coupling capacitor of each contact, F; 0 for none.

    Returns
    -------
    Modes
    """
    n = len(cells)
    siemens = np.array([1.0 / (cell.series_ohm + discharge_ohm) for cell in cells])
    # The contacts' currents for voltages behind the resistors; their sum is zero.
    joined = np.diag(siemens) - np.outer(siemens, siemens) / siemens.sum()
    conductance = np.block([[joined, joined], [joined, joined]])
    conductance[range(n), range(n)] += [1.0 / cell.leak_ohm for cell in cells]
    farads = np.array([cell.capacitance_f for cell in cells] + [coupling_f] * n)
    root = np.sqrt(farads)
    inverse = np.divide(1.0, root, out=np.zeros(2 * n), where=root > 0.0)
    rate_hz, vectors = np.linalg.eigh(-conductance * np.outer(inverse, inverse))
    return Modes(np.minimum(rate_hz, 0.0), vectors.T * root, inverse[:, None] * vectors)
