"""One session of the rig with an amplifier, which senses and drives no output."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stimloop.rig.obligation import Kind, Need
from stimloop_hw.cyton import Cyton

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.rig.obligation import Obligation

AMPLIFIERS: dict[str, Any] = {"cyton": Cyton}
"""Amplifiers behind a driver, by the name in their URL."""


class AmplifierSession:
    """An amplifier.

    Parameters
    ----------
    amplifier : Amplifier
        Which streams nothing.
    name : str
        Its URL.

    Attributes
    ----------
    amplifier
        As given.
    abilities : frozenset of Need
    boot, cause : int, str
        It tells neither.
    """

    boot, cause = 0, "UNKNOWN"
    abilities = frozenset({Need.SENSING, Need.CLOCK})

    def __init__(self, amplifier: Any, name: str) -> None:  # noqa: ANN401  each has a firmware
        self.amplifier = amplifier
        self._name = name

    def describe(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Who it is, and its limits, for people."""
        device = {
            "model": self.amplifier.model,
            "firmware": self.amplifier.firmware,
            "authentication": "none",
            "simulated": "sim://" in self._name,
        }
        names = ("channels", "rate_hz", "range_uv")
        return device, {name: getattr(self.amplifier, name) for name in names}

    def lacks(self, obligation: Obligation) -> str:
        """What an obligation needs and this device has not; empty if nothing."""
        return obligation.lacking(Kind.AMPLIFIER, self.abilities)

    def ask(self, obligation: Obligation) -> None:
        """Check an obligation; raises `Broken` if it is not kept."""
        obligation.meanings[Kind.AMPLIFIER].check(self)


@contextmanager
def open_amplifier(driver: str, url: str) -> Iterator[AmplifierSession]:
    """Open a session with an amplifier; it streams nothing before and after.

    Raises
    ------
    LinkError
        If it cannot be reached, or something else answers.
    """
    with AMPLIFIERS[driver].open(url) as amplifier:
        yield AmplifierSession(amplifier, url)
