"""The Review page: sessions that were, replayed, judged by another prescription, reported."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from stimloop import prescription as prescriptions
from stimloop.app import chronicle as chronicles
from stimloop.app.background import Background
from stimloop.app.buttons import tab
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.app.page import PageWidget
from stimloop.app.paths import choose_file, dropped_file
from stimloop.app.pdf import write_pdf
from stimloop.app.playback import Playback
from stimloop.app.scope import Scope
from stimloop.app.timeline import Timeline
from stimloop.rehearsal import rehearse_record
from stimloop.report import write_report

if TYPE_CHECKING:
    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    from stimloop.app.chronicle import Chronicle
    from stimloop.app.theme import Theme
    from stimloop.rehearsal import Decisions
    from stimloop.station import Station
    from stimloop.station.requests import Description

SIDE_PX = 258
SPEEDS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000)
"""Of a replay; a hand on the slider is as fast as it likes."""
_PLACE = Qt.ItemDataRole.UserRole
_TICKS_PER_S = 20


class Review(PageWidget):
    """List, timeline, replay, counterfactual, report.

    Attributes
    ----------
    sessions : QListWidget
    chronicle : Chronicle or None
        The session that is looked at.
    playback : Playback or None
    timeline : Timeline or None
    scope : Scope or None
    """

    def __init__(self, station: Station, theme: Theme) -> None:
        super().__init__(station, theme)
        self.setAcceptDrops(True)
        self.chronicle: Chronicle | None = None
        self.playback: Playback | None = None
        self.timeline: Timeline | None = None
        self.scope: Scope | None = None
        self._records = Path()
        self._other: Decisions | None = None
        self._asked_s = 0.0
        self._reading = Background(self)
        self._reading.done.connect(self.show_chronicle)
        self._rehearsing = Background(self)
        self._rehearsing.done.connect(self._show_other)
        self._writing = Background(self)
        self._writing.done.connect(
            lambda path: self.notice.emit(tr("Written: {p}", p=path), "good")
        )
        for work in (self._reading, self._rehearsing, self._writing):
            work.failed.connect(lambda words: self.notice.emit(words, "alarm"))
        self._plots = QVBoxLayout()
        self._plots.setSpacing(6)
        self._said = label(wrap=True)
        self._cursor = label(role="small", tone="muted")
        self._empty = label(tr("Choose a session on the left."), tone="muted")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._plots.addWidget(self._empty, 1)
        right = QVBoxLayout()
        right.setSpacing(6)
        right.addLayout(self._plots, 1)
        right.addLayout(self._transport())
        right.addWidget(self._cursor)
        right.addWidget(self._said)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 8)
        row.setSpacing(12)
        row.addWidget(self._side())
        row.addLayout(right, 1)
        self._enable()

    def _side(self) -> QWidget:
        panel = QFrame()
        panel.setProperty("panel", True)
        panel.setFixedWidth(SIDE_PX)
        self.sessions = QListWidget()
        self.sessions.setAccessibleName(tr("Sessions, the newest first"))
        self.sessions.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.sessions.setSpacing(4)
        self.sessions.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.sessions.itemActivated.connect(self._chosen)
        self.sessions.itemClicked.connect(self._chosen)
        again = QPushButton(tr("Look again"))
        again.clicked.connect(self.look)
        self._counter = QPushButton(tr("Other prescription …"))
        self._counter.setToolTip(tr("What would it have decided on the same samples?"))
        self._counter.clicked.connect(self._choose_other)
        self._html = QPushButton(tr("HTML report …"))
        self._html.clicked.connect(partial(self._choose_report, "html"))
        self._pdf = QPushButton(tr("PDF report …"))
        self._pdf.clicked.connect(partial(self._choose_report, "pdf"))
        column = QVBoxLayout(panel)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(label(tr("Sessions"), role="heading"))
        column.addWidget(self.sessions, 1)
        for button in (again, self._counter, self._html, self._pdf):
            column.addWidget(button)
        return panel

    def _transport(self) -> QHBoxLayout:
        self.play = tab(tr("Play"))
        self.play.toggled.connect(self._played)
        self.speed = QComboBox()
        self.speed.setAccessibleName(tr("Speed of the replay"))
        for speed in SPEEDS:
            self.speed.addItem(f"× {speed:g}", speed)
        self.speed.setCurrentIndex(SPEEDS.index(1))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Place in the session"))
        self.slider.setMinimumHeight(44)
        self.slider.sliderMoved.connect(lambda tick: self.go(tick / _TICKS_PER_S))
        self.slider.actionTriggered.connect(
            lambda _: self.go(self.slider.sliderPosition() / _TICKS_PER_S)
        )
        self._time = label(role="heading")
        self._time.setMinimumWidth(120)
        row = QHBoxLayout()
        for widget in (self.play, self.speed, self.slider, self._time):
            row.addWidget(widget, 1 if widget is self.slider else 0)
        return row

    def _enable(self) -> None:
        for widget in (self.play, self.slider, self._counter, self._html, self._pdf):
            widget.setEnabled(self.chronicle is not None)

    # What there is

    def describe(self, description: Description) -> None:
        """Take where sessions are recorded."""
        if description.records and Path(description.records) != self._records:
            self._records = Path(description.records)
            self.look()

    def look(self) -> None:
        """List the sessions anew."""
        self.sessions.clear()
        for entry in chronicles.entries(self._records):
            kind = tr("simulated") if entry.simulated else tr("device")
            when = entry.when.strftime("%Y-%m-%d %H:%M:%S")
            name = entry.name or tr("no name")
            item = QListWidgetItem(f"{when}\n{name}\n{kind}")
            item.setData(_PLACE, str(entry.directory))
            item.setToolTip(str(entry.directory))
            self.sessions.addItem(item)

    def _chosen(self, item: QListWidgetItem) -> None:
        self.open(Path(item.data(_PLACE)))

    def open(self, directory: Path) -> None:
        """Read a session; it is shown once it is read."""
        self._reading.start(lambda: chronicles.read(directory))

    def show_chronicle(self, chronicle: Chronicle) -> None:
        """Show a session from its beginning."""
        self.chronicle = chronicle
        self.playback = Playback(chronicle)
        self._other = None
        self.play.setChecked(False)
        self.slider.setRange(0, round(self.playback.end_s * _TICKS_PER_S))
        self._dress()
        self._enable()
        self.go(min(self.playback.memory.span_s, self.playback.end_s))
        assert self.scope is not None
        self.scope.fit()
        self._say_numbers()

    def _dress(self) -> None:
        """Make the plots in the colors of the theme."""
        if self.chronicle is None or self.playback is None:
            return
        self._empty.hide()
        for widget in (self.timeline, self.scope):
            if widget is not None:
                self._plots.removeWidget(widget)
                widget.hide()
                widget.deleteLater()
        self.timeline = Timeline(self.theme, self.chronicle)
        self.timeline.placed.connect(self.go)
        self.timeline.show_other(self._other)
        self.scope = Scope(self.theme, self.playback.memory, spectra=False, replayed=True)
        self.scope.cursor_moved.connect(lambda words: say(self._cursor, words))
        self._plots.addWidget(self.timeline, 2)
        self._plots.addWidget(self.scope, 3)

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        if theme != self.theme:
            super().wear(theme)
            self._dress()
            if self.scope is not None:
                self.scope.fit()
                self._show_place()

    # Replay

    def _played(self, playing: bool) -> None:  # of a signal
        self.play.setText(tr("Pause") if playing else tr("Play"))
        self._asked_s = monotonic()
        if playing and self.playback is not None and self.playback.is_over:
            self.go(0.0)

    def animate(self) -> None:
        """Play on."""
        if not self.play.isChecked() or self.playback is None:
            return
        now_s = monotonic()
        self.go(self.playback.seconds + (now_s - self._asked_s) * self.speed.currentData())
        self._asked_s = now_s
        if self.playback.is_over:
            self.play.setChecked(False)

    def go(self, seconds: float) -> None:
        """Look at a place."""
        if self.playback is None:
            return
        memory = self.playback.memory
        self.playback.go(seconds)
        if self.playback.memory is not memory and self.scope is not None:
            self.scope.look_at(self.playback.memory)
        self._show_place()

    def _show_place(self) -> None:
        assert self.playback is not None
        assert self.timeline is not None
        assert self.scope is not None
        self.timeline.place(self.playback.seconds)
        self.slider.setValue(round(self.playback.seconds * _TICKS_PER_S))
        say(self._time, f"{self.playback.seconds:.1f} / {self.playback.end_s:.0f} s")
        self.scope.draw()

    # Another prescription

    def _choose_other(self) -> None:
        choose_file(self, self.theme, tr("Prescription"), "*.toml", self.rehearse)

    def rehearse(self, path: Path) -> None:
        """Ask what another prescription would have decided on the same samples."""
        if self.chronicle is None:
            return
        record = self.chronicle.record
        self._rehearsing.start(lambda: rehearse_record(record, prescriptions.load(path)))

    def _show_other(self, told: Decisions) -> None:
        self._other = told
        assert self.timeline is not None
        self.timeline.show_other(told)
        self._say_numbers()

    def _say_numbers(self) -> None:
        assert self.chronicle is not None
        lines = []
        for name, told in (
            (tr("as it was"), self.chronicle.decisions),
            (tr("other prescription, dashed"), self._other),
        ):
            if told is not None:
                lines.append(
                    tr(
                        "{name}: {ma:.2f} mA in the mean, on {share:.0f} % of the time, "
                        "{switches:.0f} decisions a minute",
                        name=name,
                        ma=told.mean_ma,
                        share=100 * told.on_fraction,
                        switches=told.switches_per_min,
                    )
                )
        say(self._said, "\n".join(lines))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802  Qt's name
        """Take prescriptions."""
        if self.chronicle is not None and dropped_file(event, (".toml",)) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802  Qt's name
        """Rehearse the prescription that is dropped."""
        path = dropped_file(event, (".toml",))
        if path is not None:
            self.rehearse(path)

    # Report

    def _choose_report(self, kind: str) -> None:
        assert self.chronicle is not None
        name = f"{self.chronicle.record.directory.name}.{kind}"
        choose_file(self, self.theme, tr("Report"), f"*.{kind}", self.report, to_write=name)

    def _written(self, path: Path) -> None:
        self.notice.emit(tr("Written to {path}.", path=path), "good")

    def report(self, path: Path) -> None:
        """Write the report of the session, as its suffix says: ``.pdf``, else HTML."""
        if self.chronicle is None:
            return
        record = self.chronicle.record
        title = tr(
            "Session of {utc} UTC", utc=str(record.session["utc"])[:19].replace("T", " ")
        )

        def write() -> Path:
            if path.suffix.lower() == ".pdf":
                write_pdf(path, record, title=title)
            else:
                write_report(path, {tr("session"): record}, title=title)
            return path

        self._writing.start(write)
