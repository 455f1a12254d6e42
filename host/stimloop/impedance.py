"""The lead of a device, measured by the device: every pair of its contacts."""

from __future__ import annotations

from typing import Any

from stimloop_hw import Link
from stimloop_hw.impedance import CASE_CONTACT, unpack
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.messages import Impedance, ImpedanceResult
from stimloop_hw.vocabulary import Lead

LATEST_US = 500_000
"""An order to measure is void so long after it was decided."""


def measure_impedance(url: str, key: bytes = DEVELOPMENT_KEY) -> dict[str, Any]:
    """Let a device measure its lead with its own small balanced pulses.

    Parameters
    ----------
    url : str
    key : bytes
        Pre-shared, 32 bytes.

    Returns
    -------
    dict
        ``current_ua, width_us`` of the test pulse; ``contacts``, the names of the matrix;
        ``pairs``, each with ``first, second, resistance_ohm, capacitance_nf, open, short``.

    Raises
    ------
    OrderRefused
        If a therapy runs or is armed, or another controller leads: stop it first.
    LinkError
        If the device does not answer, or does not accept the key.
    """
    with Link.open(url, key=key) as link:
        link.hello()
        return survey(link, link.limits().contacts)


def survey(link: Link, contacts: int) -> dict[str, Any]:
    """Let a device that is led measure every pair of its contacts.

    Parameters
    ----------
    link : Link
        After `hello`, as controller.
    contacts : int
        Of its lead.

    Returns
    -------
    dict
        As `measure_impedance`.

    Raises
    ------
    OrderRefused, LinkError
        As `measure_impedance`.
    """
    results = [
        link.request(Impedance(contact), ImpedanceResult, link.t_us + LATEST_US)
        for contact in range(contacts)
    ]
    return {
        "current_ua": results[0].current_ua,
        "width_us": results[0].width_us,
        "contacts": [*map(str, range(contacts)), "case"],
        "pairs": [
            {
                "first": str(result.contact),
                "second": "case" if pair.other == CASE_CONTACT else str(pair.other),
                "resistance_ohm": pair.resistance_ohm,
                "capacitance_nf": pair.capacitance_nf,
                "open": bool(pair.lead & Lead.OPEN),
                "short": bool(pair.lead & Lead.SHORT),
            }
            for result in results
            for pair in unpack(result.pairs)
        ],
    }
