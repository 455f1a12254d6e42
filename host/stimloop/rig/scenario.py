"""Scenarios: what is done to a device, what goes wrong, and what has to come of it.

::

    schema = 1
    name = "The host falls silent"
    hazards = ["H3", "H4"]        rows of SAFETY.md
    device = "sim://dbs?seed=7"   where it is played, if no other device is given
    seconds = 3                   of the device's time
    fallback_steps = 5            of the program, which is gentle for any device

    [[action]]                    what the rig does, in the order of the times
    at_ms = 0
    do = "deliver"                one of `stimloop.rig.actions.ACTIONS`

    [[fault]]                     what goes wrong: as in docs/faults.md, for a simulated device
    kind = "hang"
    at_ms = 1000

    [[expect]]                    what has to come of it: one of `OBSERVED`, and when
    state = "FALLBACK"
    from_ms = 1400
    until_ms = 1600

Instead of actions a scenario may have a ``prescription``, whose loop is then run for so long.
All that is wrong with a file is refused in one `ScenarioError`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from stimloop import document
from stimloop.errors import Refused, Violation
from stimloop.quantities import Number, Table
from stimloop.rig.actions import ACTIONS
from stimloop.violations import refusals, violations_of

SCHEMA = 1
LATEST_MS = 3_600_000
OBSERVED = (
    *("state", "amplitude_steps", "fault", "lead", "event", "refusal", "governor"),
    *("pulses", "ended", "quiet", "summary"),
)
"""What an expectation may be about."""

_Time = Annotated[int, Field(ge=0, le=LATEST_MS)]


class ScenarioError(Refused):
    """A scenario is refused; nothing of it is played."""

    subject = "scenario"


class Action(Table):
    """Something that the rig does.

    Attributes
    ----------
    at_ms : int
        When, device time since the beginning.
    do : str
        One of `ACTIONS`.
    steps : int
        Of amplitude, where it is about one.
    """

    at_ms: _Time
    do: Literal[tuple(ACTIONS)]  # type: ignore[valid-type]
    steps: Annotated[int, Field(ge=0, le=1000)] = 0


class Expectation(Table):
    """Something that has to be seen: exactly one of `OBSERVED`.

    Attributes
    ----------
    state : str
        Entered in the window of time.
    amplitude_steps : int
        Amplitude during all of the window, in steps of the device; `within_steps` is allowed.
    fault, lead : str
        Told in some Status of the window.
    event, refusal, governor : str
        Told in the window.
    pulses : tuple of int
        Least and largest number of pulses that the witness saw in the window.
    ended : str
        Part of the sentence with which it ended; "in time" where nothing ended it.
    quiet : bool
        Whether the witness sees no pulse any more, two seconds after the end.
    summary : str
        A number of the session's summary, from `low` to `high`; ``latency_us.total.p99`` makes
        a gate of latency.
    from_ms, until_ms : int
        The window.
    never : bool
        It must not be seen in the window.
    """

    state: str = ""
    amplitude_steps: Annotated[int, Field(ge=0, le=1000)] | None = None
    within_steps: Annotated[int, Field(ge=0, le=1000)] = 0
    fault: str = ""
    lead: str = ""
    event: str = ""
    refusal: str = ""
    governor: str = ""
    pulses: Annotated[tuple[int, int], Field(strict=False)] | None = None
    ended: str = ""
    quiet: bool | None = None
    summary: str = ""
    low: Number = float("-inf")
    high: Number = float("inf")
    from_ms: _Time = 0
    until_ms: _Time = LATEST_MS
    never: bool = False

    @property
    def about(self) -> str:
        """Which of `OBSERVED` it is about."""
        (about,) = (name for name in OBSERVED if name in self.model_fields_set)
        return about

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named = [name for name in OBSERVED if name in self.model_fields_set]
        if len(named) != 1:
            raise refusals(
                [
                    Violation(
                        "expect",
                        ", ".join(named) or "nothing",
                        f"exactly one of {', '.join(OBSERVED)}",
                        "write an [[expect]] for each",
                    )
                ]
            )
        return self


class Scenario(Table):
    """The whole file; see the module.

    Attributes
    ----------
    name : str
    hazards : tuple of str
    device : str
    seconds : float
    fallback_steps : int
    prescription : str
        TOML text of a prescription, instead of actions.
    action : tuple of Action
    fault : tuple of dict
        As the simulator reads them.
    expect : tuple of Expectation
    """

    name: str
    hazards: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    device: str = "sim://dbs?seed=7"
    seconds: Annotated[Number, Field(gt=0, le=3600)]
    fallback_steps: Annotated[int, Field(ge=0, le=10)] = 0
    prescription: str = ""
    action: Annotated[tuple[Action, ...], Field(strict=False)] = ()
    fault: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()
    expect: Annotated[tuple[Expectation, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.prescription) is bool(self.action):
            asked = "both" if self.action else "neither"
            raise refusals(
                [
                    Violation(
                        "scenario",
                        f"{asked} of action and prescription",
                        "actions, or the prescription of a loop",
                        "write one of them",
                    )
                ]
            )
        return self


_TABLES: dict[str, type[Table]] = {"": Scenario, "action": Action, "expect": Expectation}


def loads(text: str) -> Scenario:
    """Read a scenario from the text of its file.

    Raises
    ------
    ScenarioError
        With everything that is wrong with it.
    """
    tables = document.tables_of(text, SCHEMA, ScenarioError)
    try:
        return Scenario.model_validate(tables)
    except ValidationError as error:
        raise ScenarioError(violations_of(error, _TABLES)) from None


def load(path: Path | str) -> Scenario:
    """Read a scenario from its file; see `loads`."""
    return loads(document.read_text(path, ScenarioError))


def library() -> dict[str, Path]:
    """Files of the scenarios that come with stimloop, by their names."""
    folder = Path(str(files("stimloop.rig") / "scenarios"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def chosen(names: tuple[str, ...] | list[str]) -> dict[str, Scenario]:
    """Scenarios of the library and files, by their names; the whole library if none is named.

    Raises
    ------
    ScenarioError
        If one is refused.
    ValueError
        If one is neither of the library nor a file.
    """
    known = library()
    found = {}
    for name in names or known:
        path = known.get(name, Path(name))
        if name not in known and not path.exists():
            raise ValueError(
                f"{name!r} is no scenario of the library and no file; stimloop scenario --list "
                "names those of the library"
            )
        found[path.stem] = load(path)
    return found


def catalogue() -> str:
    """The library as a Markdown table."""
    rows = ["| scenario | what happens | hazards |", "|---|---|---|"]
    rows += [
        f"| [`{name}`](../host/stimloop/rig/scenarios/{name}.toml) | {scenario.name} | "
        f"{', '.join(scenario.hazards)} |"
        for name, scenario in chosen([]).items()
    ]
    return "\n".join(rows) + "\n"
