"""The Monitor page: what comes in and what goes out, now and up to a minute ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollBar,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from stimloop import prescription as prescriptions
from stimloop.app.buttons import tab
from stimloop.app.draft import Draft
from stimloop.app.evoked_view import EvokedView
from stimloop.app.feed import Feed, shown_of
from stimloop.app.label import label, say
from stimloop.app.lanes import GAINS_UV
from stimloop.app.language import tr
from stimloop.app.latency_view import SECONDS as LATENCY_S
from stimloop.app.latency_view import LatencyView
from stimloop.app.marks import MarkList
from stimloop.app.memory import BACK_S, SPANS_S, Memory, Shown
from stimloop.app.page import PageWidget
from stimloop.app.scope import Scope
from stimloop.station.requests import Mark as MarkRequest
from stimloop.station.requests import Snapshot
from stimloop_hw.ranges import evoked_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from stimloop.app.theme import Theme
    from stimloop.station import Station
    from stimloop.station.requests import Description
    from stimloop_hw.ranges import EvokedChannel

SIDE_PX = 272
FIRST_FIT_US = 3_000_000
"""The ranges are chosen once by themselves, so long after the stream began."""
_SLOW_FRAMES = 15


class Monitor(PageWidget):
    """Signal, spectrogram, biomarker, amplitude and state; marks, latency, evoked responses.

    Attributes
    ----------
    memory : Memory
    scope : Scope
    marks : MarkList
    pause : QPushButton
    back : QScrollBar
        How far a frozen picture is scrolled back, tenths of a second from the left.
    """

    def __init__(self, station: Station, theme: Theme) -> None:
        super().__init__(station, theme)
        self._feed = Feed(station)
        self._snapshot = Snapshot()
        self._text = ""
        self._stream = -1
        self._frame = 0
        self._fitted = False
        self._caught_us = 0
        self._evoked: tuple[EvokedChannel, float] | None = None
        self.memory = Memory(Shown("lfp", ("ch 0",), 250, 5.0))
        self.marks = MarkList()
        self.marks.asked.connect(self._mark)
        self.marks.caught.connect(self._catch)
        self._build_bar()
        self._build_side()
        self._cursor = label(role="small", tone="muted")
        self._middle = QHBoxLayout()
        self._middle.setSpacing(10)
        panel = QFrame()
        panel.setProperty("panel", True)
        self._place = QVBoxLayout(panel)
        self._place.setContentsMargins(4, 4, 4, 4)
        self._middle.addWidget(panel, 1)
        self._middle.addLayout(self._side)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 6)
        layout.setSpacing(6)
        layout.addLayout(self._bar)
        layout.addLayout(self._middle, 1)
        layout.addWidget(self._cursor)
        self._dress()

    def _build_bar(self) -> None:
        self.pause = tab(tr("Freeze"))
        self.pause.setToolTip(tr("Let the picture stand, and scroll back {s} s", s=BACK_S))
        self.pause.toggled.connect(self._freeze)
        self.back = QScrollBar(Qt.Orientation.Horizontal)
        self.back.setRange(0, 10 * BACK_S)
        self.back.setPageStep(50)
        self.back.setAccessibleName(tr("Scroll back"))
        self.back.setMinimumHeight(20)
        self.back.valueChanged.connect(self._scroll)
        self.back.hide()
        self.span = QComboBox()
        self.span.setAccessibleName(tr("Seconds that are seen"))
        for seconds in SPANS_S:
            self.span.addItem(f"{seconds} s", seconds)
        self.span.setCurrentIndex(1)
        self.span.currentIndexChanged.connect(self._set_span)
        self.fit = QPushButton(tr("Fit"))
        self.fit.setToolTip(tr("Choose all ranges by what is seen, and keep them"))
        self.fit.clicked.connect(self._fit)
        self.channel = QComboBox()
        self.channel.setAccessibleName(tr("Channel"))
        self.channel.currentIndexChanged.connect(self._choose_channel)
        self.gain = QComboBox()
        self.gain.setAccessibleName(tr("Gain of the channel"))
        for gain_uv in GAINS_UV:
            self.gain.addItem(f"±{gain_uv} µV", gain_uv)
        self.gain.activated.connect(self._set_gain)
        self._bar = QHBoxLayout()
        self._bar.setSpacing(8)
        for widget in (self.pause, self.span, self.fit):
            self._bar.addWidget(widget)
        self.propose = QPushButton(tr("Propose thresholds to Program"))
        self.propose.clicked.connect(self._propose)
        self.propose.hide()
        self._bar.addWidget(self.propose)
        self._bar.addWidget(self.back, 1)
        self._bar.addStretch()
        self._bar.addWidget(label(tr("Channel"), tone="muted"))
        self._bar.addWidget(self.channel)
        self._bar.addWidget(label(tr("Gain"), tone="muted"))
        self._bar.addWidget(self.gain)
        self._actions = []
        for text, key, act in (
            (tr("Freeze or run"), "Ctrl+Space", self.pause.toggle),
            (tr("Fit the ranges"), "Ctrl+F", self.fit.click),
        ):
            action = QAction(text, self)
            action.setShortcut(QKeySequence(key))
            action.triggered.connect(act)
            self._actions.append(action)

    def _build_side(self) -> None:
        self._stack = QStackedWidget()
        self._stack.setFixedWidth(SIDE_PX)
        self._tabs = [
            tab(title, exclusive=True) for title in (tr("Marks"), tr("Latency"), tr("Response"))
        ]
        row = QHBoxLayout()
        row.setSpacing(4)
        for number, button in enumerate(self._tabs):
            button.clicked.connect(lambda _, at=number: self._stack.setCurrentIndex(at))
            row.addWidget(button)
        row.addStretch()
        self._side = QVBoxLayout()
        self._side.addLayout(row)
        self._side.addWidget(self._stack, 1)

    def commands(self) -> Iterable[tuple[str, QAction]]:
        """Actions for the menus."""
        return [
            *(("View", action) for action in self._actions),
            *(("Edit", action) for action in self.marks.actions_),
        ]

    def _dress(self) -> None:
        """Make the plots, in the colors of the theme, of what the memory shows."""
        shown = self.memory.shown
        before = self._place.takeAt(0)
        if before is not None and (old := before.widget()) is not None:
            old.hide()
            old.deleteLater()
        self.scope = Scope(self.theme, self.memory)
        self.scope.cursor_moved.connect(lambda words: say(self._cursor, words))
        self.scope.level.threshold_moved.connect(self._threshold_moved)
        self._place.addWidget(self.scope)
        self._latency = LatencyView(self.theme)
        self._evoked_view = EvokedView(self.theme) if shown.kind == "evoked" else None
        if self._evoked_view is not None and self._evoked is not None:
            self._evoked_view.describe(*self._evoked)
        at = self._stack.currentIndex()
        views = (self.marks, self._latency, self._evoked_view)
        for number, (button, view) in enumerate(zip(self._tabs, views, strict=True)):
            old = self._stack.widget(number)
            if old is not None and old is not view:
                self._stack.removeWidget(old)
                old.deleteLater()
            if old is not view:
                self._stack.insertWidget(number, view or QWidget())
            button.setVisible(view is not None)
        self._tabs[at if at > 0 and views[at] is not None else 0].click()
        self.channel.blockSignals(True)
        self.channel.clear()
        self.channel.addItems(list(shown.channels))
        self.channel.blockSignals(False)
        for widget in (self.channel, self.gain):
            widget.setEnabled(bool(shown.channels))

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        if theme != self.theme:
            super().wear(theme)
            self._dress()
            self._fit()

    # What the station tells

    def refresh(self, snapshot: Snapshot) -> None:
        """Begin anew with each stream."""
        self._snapshot = snapshot
        if snapshot.stream != self._stream and snapshot.rate_hz:
            self._stream = snapshot.stream
            self._begin()

    def describe(self, description: Description) -> None:
        """Take the thresholds and limits of what is committed."""
        self._evoked = None
        if description.prescription and description.limits:
            asked = prescriptions.loads(description.prescription)
            if asked.evoked is not None:
                channel = evoked_of(description.limits[0])[asked.evoked.channel]
                self._evoked = (channel, asked.evoked.n1_ms)
        self.take_prescription(description.prescription)

    def take_prescription(self, text: str) -> None:
        """Show what a prescription senses; empty if there is none."""
        self._text = text
        if self._stream >= 0:
            self._begin()

    def _begin(self) -> None:
        self.propose.hide()
        shown = shown_of(self._snapshot, self._text)
        if shown == self.memory.shown and not self.pause.isChecked():
            return
        marks = self.memory.marks
        span_s = self.memory.span_s
        self.pause.setChecked(False)
        self.memory = Memory(shown)
        self.memory.marks = marks
        self.memory.set_span(span_s)
        self._fitted = False
        self._dress()

    def animate(self) -> None:
        """Take what is new, and draw it."""
        for event in self._feed.fill(self.memory, self._snapshot):
            self._heed(event)
        if self._evoked_view is not None:
            self._evoked_view.push(self._feed.sweeps())
            self._evoked_view.draw()
        _, rows = self.memory.seen_steps()
        if not self._fitted and len(rows) and rows["t_us"][-1] - rows["t_us"][0] > FIRST_FIT_US:
            self._fitted = True
            self._fit()
            if self._evoked_view is not None:
                self._evoked_view.fit()
        if not self.memory.is_frozen or self._frame % _SLOW_FRAMES == 0:
            self.scope.draw()
        self._frame += 1
        if self._frame % _SLOW_FRAMES == 0:
            self.marks.show_marks(self.memory.marks)
            if self._latency.isVisible():
                now_us = self.memory.now_us
                rows = self.memory.steps.window(now_us - LATENCY_S * 1_000_000, now_us)
                self._latency.show_steps(rows)

    def _heed(self, event: np.void) -> None:
        """Take thresholds that were captured."""
        if event["kind"] == b"captured":
            shown = list(self.scope.level.thresholds)
            number = int(event["code"])
            shown[number : number + 1] = [int(event["detail"]) / 1000]
            self.scope.level.set_thresholds(tuple(shown))

    # What the operator does

    def _fit(self) -> None:
        """Choose the ranges of the scope that is shown now."""
        self.scope.fit()
        self._show_gain()

    def _show_gain(self) -> None:
        place = self.channel.currentIndex()
        if place >= 0 and self.scope.lanes is not None:
            self.gain.setCurrentIndex(self.gain.findData(self.scope.lanes.gains_uv[place]))

    def _freeze(self, frozen: bool) -> None:  # of a signal
        self.pause.setText(tr("Run on") if frozen else tr("Freeze"))
        self.back.setVisible(frozen)
        self.back.setValue(self.back.maximum())
        self.memory.freeze(frozen=frozen)
        self.scope.show_window()
        self.scope.draw()

    def _scroll(self, tenths: int) -> None:
        self.memory.scroll_back((self.back.maximum() - tenths) / 10)
        self.scope.show_window()
        self.scope.draw()

    def _set_span(self) -> None:
        self.memory.set_span(self.span.currentData())
        self.scope.show_window()
        self.scope.draw()

    def _choose_channel(self, place: int) -> None:
        if place >= 0 and self.scope.lanes is not None:
            self.memory.set_spectrum_channel(place)
            self._show_gain()

    def _set_gain(self) -> None:
        if self.scope.lanes is not None and self.channel.currentIndex() >= 0:
            self.scope.lanes.set_gain(self.channel.currentIndex(), self.gain.currentData())

    def _threshold_moved(self) -> None:
        self.scope.level.set_thresholds(self.scope.level.thresholds, edited=True)
        self.propose.show()

    def _propose(self) -> None:
        """Hand the thresholds that were dragged to the draft on the Program page."""
        tables = Draft.of_text(self._text).tables
        names = ("threshold_uv", "lower_uv")
        moved = {
            name: round(value, 3)
            for name, value in zip(names, self.scope.level.thresholds, strict=False)
        }
        self.propose.hide()
        detector = {**tables.get("detector", {}), **moved}
        self.proposed.emit({"detector": detector, "capture": None})

    def _catch(self) -> None:
        self._caught_us = self.memory.now_us
        self._tabs[0].click()

    def _mark(self, words: str, caught: bool) -> None:  # of a signal
        self.ask(MarkRequest(words, self._caught_us if caught else 0))
