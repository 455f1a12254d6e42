"""Asking a device for its obligations, one session each, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from time import perf_counter
from typing import TYPE_CHECKING, Any

from stimloop.rig import suites
from stimloop.rig.amplifier_session import AMPLIFIERS, open_amplifier
from stimloop.rig.generator_session import GENERATORS, open_generator
from stimloop.rig.obligation import OBLIGATIONS, Broken, Suite
from stimloop.rig.session import open_session
from stimloop_hw import StimloopError
from stimloop_hw.errors import LinkError
from stimloop_hw.ports import driver_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from stimloop.rig.amplifier_session import AmplifierSession
    from stimloop.rig.generator_session import GeneratorSession
    from stimloop.rig.obligation import Obligation
    from stimloop.rig.session import RigSession

    AnySession: TypeAlias = RigSession | GeneratorSession | AmplifierSession

assert suites.__all__, "importing the suites declares the obligations"


GONE = "not asked: the device could not be met any more"


@unique
class Verdict(StrEnum):
    """What came of an obligation."""

    KEPT = "kept"
    BROKEN = "broken"
    CANNOT = "cannot"  # the device or its bench lacks what the obligation needs
    UNDECIDED = "undecided"  # the session ended before it could be said


@dataclass(frozen=True, slots=True)
class Outcome:
    """One obligation asked of one device.

    Attributes
    ----------
    obligation : Obligation
    verdict : Verdict
    said : str
        What the device did instead, what it lacks, or why nothing can be said; empty if kept.
    seconds : float
        How long it took, of the host's time.
    raw : tuple of str
        The wire's traffic and the witness's pulses, as lines of JSON; see `open_session`.
    """

    obligation: Obligation
    verdict: Verdict
    said: str
    seconds: float
    raw: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it says nothing against the device."""
        return self.verdict in {Verdict.KEPT, Verdict.CANNOT}


@dataclass(frozen=True, slots=True)
class Conducted:
    """A whole run.

    Attributes
    ----------
    url : str
    device, limits : dict
        As the device introduced itself, for people.
    outcomes : tuple of Outcome
    """

    url: str
    device: dict[str, Any]
    limits: dict[str, Any]
    outcomes: tuple[Outcome, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing was broken, and nothing is left open."""
        return all(outcome.is_good for outcome in self.outcomes)

    def count(self, verdict: Verdict) -> int:
        """How many outcomes have this verdict."""
        return sum(outcome.verdict is verdict for outcome in self.outcomes)


def selected(names: Iterable[str] = ()) -> list[Obligation]:
    """Obligations of these suites, or of these names; all if none is named.

    Raises
    ------
    ValueError
        If one is neither.
    """
    wanted = set(names)
    known = {*Suite, *OBLIGATIONS}
    if unknown := sorted(wanted - known):
        raise ValueError(
            f"{unknown[0]!r} is no suite and no obligation; suites are {', '.join(Suite)}, and "
            "stimloop rig --list names the obligations"
        )
    order = list(Suite)
    asked = [o for o in OBLIGATIONS.values() if not wanted or {o.suite, o.name} & wanted]
    return sorted(asked, key=lambda obligation: order.index(obligation.suite))


def catalogue() -> str:
    """All obligations as a Markdown table."""
    rows = [
        "| suite | obligation | what is required | hazards | needs |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {asked.suite} | `{asked.name}` | {asked.requirement} | "
        f"{', '.join(asked.hazards)} | {', '.join(sorted(asked.needs))} |"
        for asked in selected()
    ]
    return "\n".join(rows) + "\n"


def open_device(
    url: str, *, key: bytes, witness: str | None = None, raw: list[str] | None = None
) -> AbstractContextManager[AnySession]:
    """A session with whatever is behind a URL; see `open_session` and its neighbours."""
    driver, _ = driver_of(url)
    if driver in GENERATORS:
        return open_generator(url, witness=witness)
    if driver in AMPLIFIERS:
        return open_amplifier(driver, url)
    return open_session(url, key=key, witness=witness, raw=raw)


def conduct(
    url: str,
    obligations: Iterable[Obligation],
    *,
    key: bytes,
    witness: str | None = None,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
) -> Conducted:
    """Ask a device for obligations, each in a session of its own.

    Parameters
    ----------
    url : str
    obligations : iterable of Obligation
    key : bytes
        The device's, 32 bytes.
    witness : str, optional
        Where a witness tells its pulses.
    on_outcome : callable, optional
        Is told each outcome as it comes.

    Raises
    ------
    LinkError
        If the device cannot be met at all.
    """
    with open_device(url, key=key, witness=witness) as session:
        device, limits = session.describe()
        boot = session.boot
    outcomes = []
    questioner = _Questioner(url, key, witness, boot)
    for obligation in obligations:
        outcomes.append(questioner.ask(obligation))
        on_outcome(outcomes[-1])
    return Conducted(url, device, limits, tuple(outcomes))


class _Questioner:
    """Asks for one obligation after the other, until the device cannot be met any more."""

    def __init__(self, url: str, key: bytes, witness: str | None, boot: int) -> None:
        self._url = url
        self._key = key
        self._witness = witness
        self._boot = boot
        self._gone = False

    def ask(self, obligation: Obligation) -> Outcome:
        """Ask for one, in a session of its own."""
        begun_s = perf_counter()
        if self._gone:
            return Outcome(obligation, Verdict.UNDECIDED, GONE, 0.0)
        raw: list[str] = []
        met = False
        try:
            with open_device(
                self._url, key=self._key, witness=self._witness, raw=raw
            ) as session:
                met = True
                verdict, said = self._judged(session, obligation)
        except Broken as broken:
            verdict, said = Verdict.BROKEN, str(broken)
        except LinkError as lost:
            verdict, said = Verdict.UNDECIDED, str(lost)
            self._gone = not met
        except StimloopError as no:
            verdict, said = Verdict.BROKEN, str(no)
        return Outcome(obligation, verdict, said, perf_counter() - begun_s, tuple(raw))

    def _judged(self, session: AnySession, obligation: Obligation) -> tuple[Verdict, str]:
        if session.boot != self._boot:
            self._boot = session.boot
            said = f"the device has started again ({session.cause}) since the one before"
            return Verdict.UNDECIDED, said
        if lacking := session.lacks(obligation):
            return Verdict.CANNOT, lacking
        session.ask(obligation)
        return Verdict.KEPT, ""
