"""Which draft is edited, and how it stands to the device: the Program page without widgets."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from stimloop import prescription as prescriptions
from stimloop.app.binder import Binder
from stimloop.errors import PrescriptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stimloop.app.draft import Draft, Tables
    from stimloop.prescription import Prescription
    from stimloop.tables import Stimulation
    from stimloop_hw.messages import Limits


class Editor:
    """Drafts of one device's leads.

    Parameters
    ----------
    limits : Limits
        Of the device.
    directory : Path
        Where the drafts are kept.

    Attributes
    ----------
    side, group, program : str, str, int
        What is chosen.
    device_side : str
        On which side the device is; the operator's word, no number depends on it.
    programmed : dict or None
        Tables that this station has committed; None if it has not.
    prescribed : Prescription or None
        The draft, if the format and the device's limits accept it.
    wrong : dict of str to str
        What they refuse: dotted names of keys, each with a sentence.
    """

    def __init__(self, limits: Limits, directory: Path) -> None:
        self.limits = limits
        self._binder = Binder(limits, directory)
        self.sides, self.groups = self._binder.sides, self._binder.groups
        self.side = self.device_side = self.sides[0]
        self.group, self.program = self.groups[0], 0
        self.programmed: Tables | None = None
        self.prescribed: Prescription | None = None
        self.wrong: dict[str, str] = {}
        self.judge()

    @property
    def draft(self) -> Draft:
        """The draft of the chosen side and group."""
        return self.draft_of(self.side)

    def draft_of(self, side: str) -> Draft:
        """The chosen group's draft of a side."""
        return self._binder.draft(side, self.group)

    @property
    def edited(self) -> bool:
        """What is shown is not what the device has."""
        return self.side != self.device_side or self.programmed != self.draft.tables

    @property
    def stageable(self) -> bool:
        """Nothing of it is refused here, and the device is on this side."""
        return not self.wrong and self.side == self.device_side

    @property
    def asked(self) -> Stimulation | None:
        """What the chosen program asks for; None while the draft does not fit."""
        members = self.prescribed.members if self.prescribed is not None else ()
        return members[self.program] if self.program < len(members) else None

    @property
    def width_us(self) -> int:
        """Of the first program that this station has committed; 0 if it has none."""
        if self.programmed is None:
            return 0
        width_us: int = self.programmed["stimulation"]["pulse_width_us"]
        return width_us

    @property
    def share_step_percent(self) -> int:
        """Of the device."""
        return self.limits.share_step_percent

    def choose(self, side: str | None = None, group: str | None = None) -> None:
        """Edit another draft."""
        self.side, self.group, self.program = side or self.side, group or self.group, 0
        self.judge()

    def edit(self, change: Callable[[Draft], object]) -> None:
        """Change the draft, keep it and judge it.

        Raises
        ------
        ValueError
            If the draft does not take the change.
        """
        change(self.draft)
        self.program = min(self.program, len(self.draft.programs) - 1)
        self._binder.keep(self.side, self.group)
        self.judge()

    def copy(self) -> str:
        """Copy the draft to the other side; which one that is."""
        other = next(side for side in self.sides if side != self.side)
        self._binder.copy(self.side, other, self.group)
        return other

    def take_programmed(self, text: str) -> None:
        """Take what the station has committed; an empty text is nothing."""
        self.programmed = _tables(text) if text else None

    def load(self, path: Path) -> None:
        """Take the prescription of a file into the draft.

        Raises
        ------
        PrescriptionError
            If it is none.
        """
        tables = _tables(prescriptions.load(path).source)
        self.edit(lambda draft: draft.replace(tables))

    def save(self, path: Path) -> None:
        """Write the draft as a prescription that `stimloop run` takes.

        Raises
        ------
        PrescriptionError
            If it does not fit.
        OSError
            If it cannot be written.
        """
        path.write_text(self.draft.prescribed().source, "utf-8")

    def judge(self) -> None:
        """Ask the format, then the device's limits."""
        self.prescribed, self.wrong = None, {}
        try:
            prescribed = self.draft.prescribed()
            prescribed.check(self.limits)
        except PrescriptionError as problem:
            self.wrong = {v.field: v.sentence for v in problem.violations}
        else:
            self.prescribed = prescribed


def _tables(text: str) -> dict[str, Any]:
    tables = tomllib.loads(text)
    del tables["schema"]
    return tables
