"""The Program page: leads, parameters, dose, and the way from an edit to a pulse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from stimloop.app.bounds import stepped
from stimloop.app.dose_panel import DosePanel
from stimloop.app.editor import Editor
from stimloop.app.label import label
from stimloop.app.language import tr
from stimloop.app.lead_panel import LeadPanel
from stimloop.app.page import PageWidget
from stimloop.app.paths import choose_file, dropped_file
from stimloop.app.procedure import Procedure
from stimloop.app.program_tools import ProgramTools
from stimloop.app.settings_pane import SettingsPane
from stimloop.app.therapy_bar import TherapyBar
from stimloop.errors import PrescriptionError
from stimloop.station import Phase
from stimloop.station.requests import Adapt, Change, Continuous, Snapshot
from stimloop_hw.ranges import room_of
from stimloop_hw.vocabulary import StopMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent

    from stimloop.app.draft import Draft
    from stimloop.app.theme import Theme
    from stimloop.station import Station
    from stimloop.station.requests import Description
    from stimloop_hw.messages import BatteryState, Limits

TOML = (".toml",)
_BUSY = (Phase.THERAPY, Phase.ENDING, Phase.LOST)


class Program(PageWidget):
    """What is edited, beside what the device has.

    Attributes
    ----------
    editor : Editor or None
        None until a device has told its limits.
    tools, pane, dose, bar : ProgramTools, SettingsPane, DosePanel, TherapyBar
    leads : dict of str to LeadPanel
    """

    def __init__(self, station: Station, theme: Theme, directory: Path | None = None) -> None:
        super().__init__(station, theme)
        self.setAcceptDrops(True)
        place = QStandardPaths.StandardLocation.AppDataLocation
        self._directory = directory or Path(QStandardPaths.writableLocation(place))
        self._snapshot = Snapshot()
        self._battery: BatteryState | None = None
        self.editor: Editor | None = None
        self._procedure = Procedure(self)
        self.tools = ProgramTools()
        self._connect_tools()
        self.bar = TherapyBar()
        self._connect_bar()
        self.dose = DosePanel()
        self.leads: dict[str, LeadPanel] = {}
        self._layers = QStackedLayout(self)
        self._layers.addWidget(_empty())

    def _connect_tools(self) -> None:
        tools = self.tools
        tools.group_chosen.connect(lambda name: self._choose(group=name))
        tools.program_chosen.connect(self._choose_program)
        tools.program_added.connect(lambda: self._edit(lambda draft: draft.add_program()))
        tools.program_removed.connect(
            lambda number: self._edit(lambda draft: draft.remove_program(number))
        )
        tools.undo.triggered.connect(lambda: self._edit(lambda draft: draft.undo()))
        tools.redo.triggered.connect(lambda: self._edit(lambda draft: draft.redo()))
        tools.revert.triggered.connect(self._revert)
        tools.copy.triggered.connect(self._copy)
        tools.mine.triggered.connect(self._claim_side)
        tools.load.triggered.connect(
            lambda: choose_file(self, self.theme, tr("Prescription"), "*.toml", self.load)
        )
        tools.save.triggered.connect(self._choose_export)

    def _connect_bar(self) -> None:
        bar = self.bar
        bar.staged.connect(lambda: self._procedure.stage(self._edited.draft.text))
        bar.started.connect(self._start)
        bar.adapted.connect(lambda: self.ask(Adapt()))
        bar.opened.connect(lambda: self.ask(Continuous(self._snapshot.status.setpoint_ua)))
        bar.ended.connect(lambda: self.station.stop(StopMode.RAMP))
        bar.cleared.connect(lambda: self._procedure.clear_fault(self._snapshot.status.faults))
        bar.moved.connect(self._move)

    def _build(self, limits: Limits, serial: str) -> None:
        """Make the page anew, for the limits of another device."""
        self.editor = editor = Editor(limits, self._directory / serial)
        self.pane = SettingsPane(limits)
        self.pane.edited.connect(self._put)
        leads = QHBoxLayout()
        leads.setSpacing(10)
        self.leads = {}
        for side in editor.sides:
            panel = LeadPanel(side, limits, self.theme)
            panel.chosen.connect(lambda side: self._choose(side=side))
            panel.cycled.connect(self._cycle)
            panel.shared.connect(self._share)
            self.leads[side] = panel
            leads.addWidget(panel, 1)
        self.tools.show_room(
            editor.groups, room_of(limits).programs, sided=len(editor.sides) > 1
        )
        body = QHBoxLayout()
        body.setSpacing(10)
        body.addLayout(leads, 4)
        body.addWidget(self.pane, 4)
        body.addWidget(self.dose, 2)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(10)
        column.addWidget(self.tools)
        column.addLayout(body, 1)
        column.addWidget(self.bar)
        old = self._layers.widget(1)
        self._layers.addWidget(page)
        self._layers.setCurrentWidget(page)
        if old is not None:
            self._layers.removeWidget(old)
            old.deleteLater()

    @property
    def _edited(self) -> Editor:
        assert self.editor is not None, "no device has told its limits"
        return self.editor

    @property
    def fixed(self) -> bool:
        """Nothing but the amplitude may be changed: the device stimulates, or may do so."""
        return self._snapshot.phase in _BUSY

    def commands(self) -> Iterable[tuple[str, QAction]]:
        """Actions for the menus."""
        return self.tools.commands()

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        super().wear(theme)
        for panel in self.leads.values():
            panel.wear(theme)

    def describe(self, description: Description) -> None:
        """Take limits and program of the device."""
        self._battery = next(iter(description.battery), None)
        for limits, identity in zip(description.limits, description.identity, strict=True):
            if self.editor is None or limits.crc != self.editor.limits.crc:
                self._build(limits, identity.serial)
        if self.editor is not None:
            committed = bool(self._snapshot.committed_crc)
            self.editor.take_programmed(description.prescription if committed else "")
            self._show()

    def refresh(self, snapshot: Snapshot) -> None:
        """Take what the device does."""
        was_fixed = self.fixed
        self._snapshot = snapshot
        if self.editor is None:
            return
        self.bar.show_snapshot(snapshot, edited=self.editor.edited)
        connected = snapshot.phase is not Phase.EMPTY
        self.pane.show_status(snapshot.status if connected else None)
        if self.fixed != was_fixed:
            self._show()

    # Editing --------------------------------------------------------------------------------

    def _edit(self, change: Callable[[Draft], object]) -> None:
        try:
            self._edited.edit(change)
        except ValueError as problem:
            self.notice.emit(str(problem), "warning")
        self._show()

    def _put(self, table: str, name: str, value: object) -> None:
        program = self._edited.program
        self._edit(lambda draft: draft.put(table, name, value, program))

    def _cycle(self, contact: str) -> None:
        step, program = self._edited.share_step_percent, self._edited.program
        self._edit(lambda draft: draft.cycle(contact, step, program))

    def _share(self, contact: str, percent: int) -> None:
        step, program = self._edited.share_step_percent, self._edited.program
        self._edit(lambda draft: draft.share(contact, percent, step, program))

    def _revert(self) -> None:
        programmed = self._edited.programmed
        if programmed is None:
            self.notice.emit(tr("This station has programmed nothing to revert to."), "warning")
        else:
            self._edit(lambda draft: draft.replace(programmed))

    def _copy(self) -> None:
        other = self._edited.copy()
        self.notice.emit(
            tr("Copied to the {side} lead; its amplitudes are 0 mA.", side=tr(other)), "good"
        )
        self._show()

    def _choose(self, side: str | None = None, group: str | None = None) -> None:
        self._edited.choose(side, group)
        self._show()

    def _choose_program(self, program: int) -> None:
        self._edited.program = program
        self._show()

    def _claim_side(self) -> None:
        self._edited.device_side = self._edited.side
        self._show()

    def take_tables(self, tables: Mapping[str, Any]) -> None:
        """Take tables that another page proposes into the chosen draft, as one edit.

        Parameters
        ----------
        tables : mapping of str to dict or None
            By their names; None removes one.
        """
        if self.editor is None or self.fixed:
            self.notice.emit(
                tr("Nothing can be taken into the draft while a therapy runs; end it first.")
                if self.fixed
                else tr("There is no draft without a device; connect one first."),
                "warning",
            )
            return
        merged = {**self.editor.draft.tables, **tables}
        kept = {name: table for name, table in merged.items() if table is not None}
        self._edit(lambda draft: draft.replace(kept))
        self.notice.emit(tr("Taken into the draft; look at it, then stage it."), "good")

    # Files ----------------------------------------------------------------------------------

    def load(self, path: Path) -> None:
        """Take the prescription of a file into the chosen draft."""
        try:
            self._edited.load(path)
        except PrescriptionError as problem:
            self.notice.emit(str(problem), "alarm")
        self._show()

    def _choose_export(self) -> None:
        name = f"{self._edited.side}-{self._edited.group}.toml"
        choose_file(self, self.theme, tr("Prescription"), "*.toml", self.save, to_write=name)

    def save(self, path: Path) -> None:
        """Write the draft as a prescription that `stimloop run` takes."""
        try:
            self._edited.save(path)
        except (PrescriptionError, OSError) as problem:
            self.notice.emit(str(problem), "alarm")
        else:
            self.notice.emit(tr("Written to {path}.", path=path), "good")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802  Qt's name
        """Take prescriptions."""
        if self.editor is not None and dropped_file(event, TOML) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802  Qt's name
        """Import it."""
        path = dropped_file(event, TOML)
        if path is not None and self.editor is not None and not self.fixed:
            self.load(path)

    # Therapy --------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._edited.prescribed is not None:
            self._procedure.start(self._edited.prescribed)

    def _move(self, direction: int) -> None:
        target_ua = self._snapshot.target_ua
        limits = self._edited.limits
        moved_ma = stepped("amplitude_ma", target_ua / 1000, direction, limits)
        by_ua = round(moved_ma * 1000) - target_ua
        if by_ua:
            self.ask(Change(by_ua))

    # Showing --------------------------------------------------------------------------------

    def _show(self) -> None:
        editor = self._edited
        self.pane.show_draft(editor, fixed=self.fixed)
        for side, panel in self.leads.items():
            panel.show_editor(editor, side, fixed=self.fixed)
        self.tools.show_editor(editor, fixed=self.fixed)
        self.dose.show_dose(editor.asked, editor.limits, self._battery)
        self.bar.show_draft(*self._standing(), fits=editor.stageable)
        self.bar.show_snapshot(self._snapshot, edited=editor.edited)

    def _standing(self) -> tuple[str, str]:
        """How the draft stands to the device, and the tone of that."""
        editor = self._edited
        if editor.side != editor.device_side:
            return tr("No device on this lead: edit, export, copy."), "muted"
        if editor.draft.locked(editor.program):
            return tr("Choose at least one cathode and one anode."), "warning"
        if editor.wrong:
            return next(iter(editor.wrong.values())), "alarm"
        if editor.edited:
            return tr("◆ Edited: not what the device has."), "edited"
        return tr("✓ The device has what is shown."), "good"


def _empty() -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(32, 32, 32, 32)
    column.addWidget(label(tr("No device yet"), role="title"))
    column.addWidget(
        label(
            tr("Connect one first: what can be programmed, and within what limits, it tells."),
            tone="muted",
        )
    )
    column.addStretch()
    return page
