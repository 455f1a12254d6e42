"""What the host refuses before, and cannot write during, a session.

::

    StimloopError
     ├─ Refused              a file asks for what must not be (also ValueError)   .violations
     │   └─ PrescriptionError    what the file format or the device does not allow
     ├─ ReadBackDiffers      the device holds other programs than it was sent
     ├─ CaptureError         no threshold could be captured
     ├─ TherapyEnded         the device ended the therapy by itself         .state, .faults
     ├─ StoppedByKey         somebody opened the wired stop key
     └─ RecordError          a session's record cannot be written or read
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stimloop_hw import StimloopError
from stimloop_hw.vocabulary import Fault

if TYPE_CHECKING:
    from stimloop_hw.vocabulary import State


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a file asks and must not have.

    Attributes
    ----------
    field : str
        Dotted name of the key, as in the file.
    asked : str
        The value asked for, with its unit.
    allowed : str
        What is allowed, with its unit.
    remedy : str
        What to do.
    """

    field: str
    asked: str
    allowed: str
    remedy: str

    @property
    def sentence(self) -> str:
        """All four in a line."""
        return f"{self.field}: asked {self.asked}, allowed {self.allowed}; {self.remedy}."


class Refused(StimloopError, ValueError):
    """What a file asks for is refused; nothing of it is used.

    Parameters
    ----------
    violations : tuple of Violation
        Everything that is wrong with it, at least one.
    """

    subject: ClassVar[str]

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        lines = [violation.sentence for violation in violations]
        count = f"{len(lines)} reasons" if len(lines) > 1 else "1 reason"
        super().__init__("\n  ".join([f"the {self.subject} is refused for {count}:", *lines]))
        self.violations = violations


class PrescriptionError(Refused):
    """A prescription is refused."""

    subject = "prescription"


class RecordError(StimloopError):
    """The record of a session cannot be written, or what is there is no record."""


class ReadBackDiffers(StimloopError):
    """The device holds other programs than it was sent; nothing of it was started.

    Parameters
    ----------
    differences : list of str
        What is different, if that can be told.
    """

    def __init__(self, differences: list[str]) -> None:
        what = "; ".join(differences) or "its checksum is another one"
        super().__init__(
            f"the device does not hold what it was sent: {what}. Program it again, and do not "
            "use it if this stays"
        )


class CaptureError(StimloopError):
    """A threshold could not be captured; no therapy was started."""


class StoppedByKey(StimloopError):
    """A wired stop key is open: the output is off, or was not started.

    Parameters
    ----------
    line : int
        The digital input that it is wired to.
    model : str
        Of the amplifier that has it.
    """

    def __init__(self, line: int, model: str) -> None:
        super().__init__(
            f"the stop key on digital input {line} of the {model} is open, and the output is "
            "off; close it, or mend its wire, and start a new session"
        )


class TherapyEnded(StimloopError):
    """The device ended the therapy by itself.

    Parameters
    ----------
    state : State
        What it is doing now.
    faults : int
        What it has latched, `stimloop_hw.vocabulary.Fault`.
    """

    def __init__(self, state: State, faults: int) -> None:
        if faults:
            names = ", ".join(fault.name for fault in Fault(faults) if fault.name)
            cause = f"with the fault {names or faults}"
        else:
            cause = "without a fault: somebody stopped it, or its lease ran out"
        super().__init__(
            f"the device has ended the therapy {cause}; it is {state.name} now. Look at it, at "
            "the cable and at the host's load, then start a new session"
        )
        self.state = state
        self.faults = faults
