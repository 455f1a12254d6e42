"""The safety shell of generators that keep no lease: what it is for each of them.

Resistor or saline loads only, never a person or an animal: none of these devices has an
isolation certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from stimloop_hw.errors import LinkLost, TrainRefused, UnknownState

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stimloop_hw.generator import Capability
    from stimloop_hw.ports import TimedPort


class SafetyShell:
    """A generator on its port, and what is not known of it.

    Parameters
    ----------
    port : TimedPort
        Open.
    name : str
        How errors call it.
    capability : Capability
        Of its kind.
    by_hand : str
        How a person ends its output, in one clause.
    clock_ns : callable
        Time of the port, ns.

    Attributes
    ----------
    capability, firmware, name, doubt, idle_ns
        See `stimloop_hw.generator.PulseGenerator`.
    """

    def __init__(
        self,
        port: TimedPort,
        name: str,
        capability: Capability,
        *,
        by_hand: str,
        clock_ns: Callable[[], int],
    ) -> None:
        self.name = name
        self.capability = capability
        self.firmware = 0
        self.doubt = ""
        self.idle_ns = 0
        self._port = port
        self._by_hand = by_hand
        self._clock_ns = clock_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the port; the train in play still ends by itself."""
        self._port.close()

    @property
    def now_ns(self) -> int:
        """Time of the port's clock, ns."""
        return self._clock_ns()

    def _require_idle(self, why: str) -> None:
        """Refuse a train while a doubt stands, or while another may play, which is `why`."""
        if self.doubt:
            raise TrainRefused(f"a train was asked for while {self.doubt}; stop it first")
        left_us = -(-(self.idle_ns - self.now_ns) // 1000)
        if left_us > 0:
            raise TrainRefused(
                f"a train was asked for while another may play for {left_us} µs; {why}: "
                "wait for so long"
            )

    def _doubt(self, why: str) -> NoReturn:
        self.doubt = f"{self.name} may do something else than it was told ({why})"
        raise UnknownState(f"{self.doubt}; stop it")

    def _give_up(self, puts_out: str) -> NoReturn:
        """It does not answer any more: only a person can end what it may put out."""
        self.doubt = f"{self.name} does not answer, and may put out {puts_out}: {self._by_hand}"
        raise UnknownState(self.doubt)

    def _lose(self, problem: Exception) -> NoReturn:
        self.doubt = f"{self.name} is gone, and may play its train to the end: {self._by_hand}"
        raise LinkLost(
            f"{self.name} is gone: {problem}; a train in play ends within "
            f"{self.capability.lease_max_ms} ms. Plug it in again, and look at its outputs"
        ) from problem
