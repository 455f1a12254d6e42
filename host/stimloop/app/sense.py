"""Sense & adapt: from samples to a band, thresholds and a controller, rehearsed first."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
)

from stimloop import demo, survey
from stimloop.app.background import Background
from stimloop.app.buttons import tab
from stimloop.app.draft import Draft
from stimloop.app.feed import Feed
from stimloop.app.histogram_view import HistogramView
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.app.page import PageWidget
from stimloop.app.rehearsal_view import RehearsalView
from stimloop.app.rings import Steps
from stimloop.app.survey_view import SurveyView
from stimloop.app.sweep_view import SweepView
from stimloop.decision import CONTROLLERS, DETECTORS
from stimloop.rehearsal import Decisions, blocks_of, rehearse
from stimloop.station.requests import Phase, Snapshot
from stimloop.station.requests import Sense as SenseRequest
from stimloop_dsp import MISSING, Quality

if TYPE_CHECKING:
    import numpy.typing as npt

    from stimloop.app.theme import Theme
    from stimloop.prescription import Prescription
    from stimloop.station import Station
    from stimloop.station.requests import Description
    from stimloop_hw.messages import Limits

SIDE_PX = 236
CHANNELS = 8
SECONDS = 30
SWEEP_ROWS = 60_000
"""Twenty minutes of ticks of 20 ms."""
TABS = ("Survey", "Thresholds", "Sweep", "Controller")


class Sense(PageWidget):
    """Sense without therapy, look at it, choose, rehearse, and propose to the Program page.

    Attributes
    ----------
    survey, histogram, sweep, rehearsal
        The four tabs.
    captured : ndarray of int32, shape (n, channels)
        What was sensed, nV.
    """

    def __init__(self, station: Station, theme: Theme) -> None:
        super().__init__(station, theme)
        self._feed = Feed(station)
        self._steps = Steps(SWEEP_ROWS)
        self._steps_feed = Feed(station)
        self._snapshot = Snapshot()
        self._limits: Limits | None = None
        self._tables: dict[str, Any] = tomllib.loads(demo.prescription_text("continuous"))
        self._tables.pop("schema")
        self._wanted = 0
        self._parts: list[npt.NDArray[np.int32]] = []
        self._next = 0
        self._channels: list[int] = [0]
        self._rate_hz = 0
        self.captured: npt.NDArray[np.int32] = np.empty((0, 1), np.int32)
        self._surveying = Background(self)
        self._surveying.done.connect(self._surveyed)
        self._surveying.failed.connect(lambda words: self.notice.emit(words, "alarm"))
        self._levelling = Background(self)
        self._levelling.done.connect(self._levelled)
        self._levelling.failed.connect(lambda words: self.notice.emit(words, "alarm"))
        self._rehearsing = Background(self)
        self._rehearsing.done.connect(self._rehearsed)
        self._rehearsing.failed.connect(self._not_rehearsed)
        self._stack = QStackedWidget()
        self._tabs: list[QPushButton] = []
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(12)
        row.addWidget(self._side())
        right = QVBoxLayout()
        tabs = QHBoxLayout()
        tabs.setSpacing(4)
        for number, title in enumerate(TABS):
            button = tab(f"{number + 1}  {tr(title)}", exclusive=True)
            button.clicked.connect(lambda _, number=number: self._stack.setCurrentIndex(number))
            self._tabs.append(button)
            tabs.addWidget(button)
        tabs.addStretch()
        self._tabs[0].setChecked(True)
        right.addLayout(tabs)
        right.addWidget(self._stack, 1)
        row.addLayout(right, 1)
        self._dress()

    def _side(self) -> QFrame:
        panel = QFrame()
        panel.setProperty("panel", True)
        panel.setFixedWidth(SIDE_PX)
        self._boxes = [QCheckBox(str(number)) for number in range(CHANNELS)]
        boxes = QGridLayout()
        boxes.setSpacing(2)
        for number, box in enumerate(self._boxes):
            box.setAccessibleName(tr("Channel {number}", number=number))
            boxes.addWidget(box, number // 4, number % 4)
        self._boxes[0].setChecked(True)
        self.seconds = QSpinBox(minimum=5, maximum=600, value=SECONDS, suffix=" s")
        self.seconds.setAccessibleName(tr("For how long"))
        self.go = QPushButton(tr("Sense"))
        self.go.setProperty("role", "primary")
        self.go.clicked.connect(self.sense)
        self._progress = QProgressBar(maximum=100, textVisible=False)
        self._state = label(role="small", tone="muted", wrap=True)
        self._choice = label(wrap=True)
        propose = QPushButton(tr("Propose to Program"))
        propose.clicked.connect(self._propose)
        column = QVBoxLayout(panel)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(label(tr("Sense without therapy"), role="heading", wrap=True))
        column.addWidget(label(tr("Channels"), role="small", tone="muted"))
        column.addLayout(boxes)
        column.addWidget(self.seconds)
        column.addWidget(self.go)
        column.addWidget(self._progress)
        column.addWidget(self._state)
        column.addStretch()
        column.addWidget(label(tr("Chosen"), role="heading"))
        column.addWidget(self._choice)
        column.addWidget(propose)
        return panel

    def _dress(self) -> None:
        """Make the tabs in the colors of the theme, with what is known."""
        at = max(0, self._stack.currentIndex())
        forms = (self._detector, self._controller) if hasattr(self, "rehearsal") else None
        while (old := self._stack.widget(0)) is not None:
            self._stack.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.survey = SurveyView(self.theme)
        self.survey.band_moved.connect(self._take_band)
        self.histogram = HistogramView(self.theme)
        self.histogram.moved.connect(self._take_thresholds)
        self.sweep = SweepView(self.theme)
        self.sweep.proposed.connect(lambda table: self.proposed.emit({"controller": table}))
        self.sweep.setpoint_found.connect(self._take_setpoint)
        self.rehearsal = RehearsalView(self.theme)
        self.rehearsal.asked.connect(self.rehearse)
        self.rehearsal.edited.connect(self._edited)
        if forms is not None:
            self.rehearsal.detector.take(forms[0])
            self.rehearsal.controller.take(forms[1])
        for view in (self.survey, self.histogram, self.sweep, self.rehearsal):
            self._stack.addWidget(view)
        self._stack.setCurrentIndex(at)
        if len(self.captured):
            self._look()
        self._say_choice()

    def wear(self, theme: Theme) -> None:
        """Take the colors of another theme."""
        if theme != self.theme:
            super().wear(theme)
            self._dress()

    @property
    def _detector(self) -> dict[str, Any]:
        return self.rehearsal.detector.values

    @property
    def _controller(self) -> dict[str, Any]:
        return self.rehearsal.controller.values

    # What the station tells

    def describe(self, description: Description) -> None:
        """Take limits, and what is committed."""
        self._limits = description.limits[0] if description.limits else None
        sensed = self._limits.sense_channels if self._limits else 0
        for number, box in enumerate(self._boxes):
            box.setVisible(number < max(1, sensed))
        self.go.setEnabled(sensed > 0)
        if description.prescription:
            tables = Draft.of_text(description.prescription).tables
            self._tables = tables
            self.rehearsal.detector.take(tables.get("detector", {}))
            self.rehearsal.controller.take(tables["controller"])
            self._say_choice()

    def refresh(self, snapshot: Snapshot) -> None:
        """Gather what is sensed."""
        began = snapshot.stream != self._snapshot.stream
        self._snapshot = snapshot
        self._steps.push(self._steps_feed.steps())
        if self._stack.currentWidget() is self.sweep:
            self.sweep.show_decisions(_decisions(self._steps), snapshot.status.amplitude_ua)
        if not self._wanted:
            return
        if snapshot.phase != Phase.SENSING:
            if began or self._parts:
                self._ended(tr("Sensing has ended early."))
            return
        for first, _, nv in self._feed.runs(snapshot):
            lost = first - self._next if self._parts else 0
            if lost > 0:
                self._parts.append(np.full((lost, nv.shape[1]), MISSING, np.int32))
            self._parts.append(nv)
            self._next = first + len(nv)
        have = sum(map(len, self._parts))
        self._progress.setValue(min(100, 100 * have // self._wanted))
        if have >= self._wanted:
            self.ask(SenseRequest([]))
            self._ended("")

    # What the operator does

    def sense(self) -> None:
        """Begin to sense; what was sensed before is forgotten."""
        self._channels = [
            number for number, box in enumerate(self._boxes) if box.isChecked()
        ] or [0]
        assert self._limits is not None
        self._rate_hz = self._limits.sense_rate_hz
        self._wanted = self.seconds.value() * self._rate_hz
        self._parts = []
        self._feed.skip()
        self._progress.setValue(0)
        say(self._state, tr("sensing …"), "muted")
        self.go.setEnabled(False)
        self.ask(SenseRequest(self._channels), self._began)

    def _began(self, reply: object) -> None:
        if not hasattr(reply, "text"):  # refused, and said so
            self._wanted = 0
            say(self._state, tr("nothing was sensed"), "muted")
            self.go.setEnabled(True)

    def _ended(self, why: str) -> None:
        self._wanted = 0
        self.go.setEnabled(True)
        if self._parts:
            self.captured = np.concatenate(self._parts)
        seconds = len(self.captured) / max(1, self._rate_hz)
        names = ", ".join(map(str, self._channels))
        said = tr("{s:.0f} s of channel {names}", s=seconds, names=names)
        say(self._state, f"{said}  {why}".strip(), "warning" if why else "good")
        if len(self.captured):
            self._look()

    def take_captured(
        self, nv: npt.NDArray[np.int32], rate_hz: int, channels: list[int]
    ) -> None:
        """Look at samples that were sensed before; nV, shape (n, channels)."""
        self._parts, self._rate_hz, self._channels = [nv], rate_hz, channels
        self._ended("")

    def _look(self) -> None:
        nv, rate_hz = self.captured, self._rate_hz
        self._progress.setMaximum(0)  # busy
        self._surveying.start(lambda: survey.survey(nv, rate_hz))

    def _surveyed(self, found: tuple[survey.Derivation, ...]) -> None:
        self._progress.setMaximum(100)
        self._progress.setValue(100)
        self.survey.show_survey(found)

    @property
    def _column(self) -> int:
        """Of what was captured, the channel that a session would sense."""
        channel = int(self._detector.get("channel", self._channels[0]))
        return self._channels.index(channel) if channel in self._channels else 0

    def _take_band(self, band_hz: tuple[float, float]) -> None:
        values = {**self._detector, "band_hz": list(band_hz)}
        if self.survey.chosen is not None:
            values["channel"] = self._channels[self.survey.chosen.plus]
        self.rehearsal.detector.take(values)
        self._measure_levels()
        self._say_choice()

    def _measure_levels(self) -> None:
        """What the detector would have told, whatever the controller."""
        detector = {
            key: value
            for key, value in self._detector.items()
            if key not in ("threshold_uv", "lower_uv", "release_uv")
        }
        tables = {**self._tables, "detector": detector, "controller": {"kind": "continuous"}}
        for name in ("capture", "evoked", "schedule"):
            tables.pop(name, None)
        self._start(self._levelling, tables)

    def _levelled(self, told: tuple[Decisions, Prescription]) -> None:
        decisions, _ = told
        levels = decisions.level[decisions.quality == Quality.OK]
        self.histogram.show_levels(levels)
        if levels.size:
            upper = float(self._detector.get("threshold_uv") or self.histogram.percentile(75))
            lower = float(self._detector.get("lower_uv") or self.histogram.percentile(50))
            self._take_thresholds((upper, min(upper, lower)))

    def _take_thresholds(self, thresholds: tuple[float, ...]) -> None:
        upper, lower = max(thresholds), min(thresholds)
        values = {**self._detector, "threshold_uv": round(upper, 3)}
        values.pop("lower_uv", None)
        if self._uses_two:
            values["lower_uv"] = round(lower, 3)
        self.rehearsal.detector.take(values)
        shown = (upper, lower) if self._uses_two else (upper,)
        self.histogram.set_thresholds(shown)
        self._say_choice()

    def _take_setpoint(self, setpoint_uv: float) -> None:
        """A titration's setpoint is the controller's, where that has one."""
        if CONTROLLERS.table_of(self._controller["kind"]).declares("setpoint_uv"):
            values = {**self._controller, "setpoint_uv": round(setpoint_uv, 2)}
            self.rehearsal.controller.take(values)
            self._say_choice()

    @property
    def _uses_two(self) -> bool:
        """Whether what is chosen has two thresholds."""
        chosen = ((DETECTORS, self._detector), (CONTROLLERS, self._controller))
        return any(
            kinds.table_of(str(values.get("kind", kinds.default))).declares("lower_uv")
            for kinds, values in chosen
        )

    def _edited(self) -> None:
        if self.histogram.thresholds and len(self.captured):
            upper = float(self._detector.get("threshold_uv") or self.histogram.thresholds[0])
            self._take_thresholds((upper, min(upper, self.histogram.thresholds[-1])))
        self._say_choice()

    def _chosen(self) -> dict[str, Any]:
        """Tables of the prescription that would be rehearsed."""
        tables = {
            **self._tables,
            "detector": dict(self._detector),
            "controller": dict(self._controller),
        }
        if "threshold_uv" in self._detector:
            tables.pop("capture", None)
        elif "capture" in tables and not self._uses_two:
            tables["capture"] = {**tables["capture"]}
            tables["capture"].pop("lower_percentile", None)
        return tables

    @staticmethod
    def _prescribed(tables: dict[str, Any]) -> Prescription:
        return Draft(tables).prescribed()

    def rehearse(self) -> None:
        """Put what was sensed through the chosen loop."""
        if not len(self.captured):
            self.rehearsal.show_refusal(tr("Nothing was sensed yet; sense for a while first."))
            return
        self._start(self._rehearsing, self._chosen())

    def _start(self, work: Background, tables: dict[str, Any]) -> None:
        if self._limits is None or not len(self.captured):
            return
        nv, limits = self.captured[:, self._column], self._limits

        def decided() -> tuple[Decisions, Prescription]:
            asked = self._prescribed(tables)
            blocks = blocks_of(nv, limits.sense_block, limits.sense_rate_hz)
            return rehearse(blocks, asked, limits), asked

        work.start(decided)

    def _rehearsed(self, told: tuple[Decisions, Prescription]) -> None:
        decisions, asked = told
        given = (asked.detector.threshold_uv, asked.detector.lower_uv)
        thresholds = decisions.thresholds_uv or tuple(uv for uv in given if uv is not None)
        self.rehearsal.show_decisions(decisions, asked.stimulation.amplitude_ma, thresholds)

    def _not_rehearsed(self, sentence: str) -> None:
        self.rehearsal.show_refusal(sentence)

    def _propose(self) -> None:
        tables = self._chosen()
        names = ("detector", "controller", "capture")
        self.proposed.emit({name: tables.get(name) for name in names})

    def _say_choice(self) -> None:
        lines = [tr("channel {n}", n=self._detector.get("channel", 0))]
        band_hz = self._detector.get("band_hz")
        if band_hz:
            lines.append(f"{band_hz[0]:g} – {band_hz[1]:g} Hz")
        lines.extend(
            f"{name} {self._detector[key]:.2f} µV"
            for key, name in (("threshold_uv", tr("threshold")), ("lower_uv", tr("lower")))
            if key in self._detector
        )
        lines.append(str(self._controller["kind"]))
        say(self._choice, "\n".join(lines))


def _decisions(steps: Steps) -> Decisions:
    rows = steps.all
    return Decisions(
        rows["t_us"],
        rows["level"],
        rows["active"],
        rows["quality"].astype(np.int64),
        rows["admitted_ua"].astype(np.int64),
        rows["admitted_period_us"].astype(np.int64),
    )
