"""The choice of detector and controller, and what they decide on what was sensed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from stimloop.app.decision_plot import DecisionPlot
from stimloop.app.fields import fields_of
from stimloop.app.form import Form
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.decision import CONTROLLERS, DETECTORS
from stimloop.kinds import KindError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop.app.theme import Theme
    from stimloop.kinds import Kinds
    from stimloop.rehearsal import Decisions

SIDE_PX = 350


class KindForm(QWidget):
    """One kind out of a catalogue, and the keys of its table.

    Attributes
    ----------
    values : dict
        The table as it would stand in the file.
    """

    edited = Signal()

    def __init__(self, kinds: Kinds, kind: str) -> None:
        super().__init__()
        self._kinds = kinds
        self.values: dict[str, Any] = {"kind": kind}
        self._form: Form | None = None
        self.choice = QComboBox()
        self.choice.setAccessibleName(tr("Kind of {what}", what=tr(kinds.what)))
        self.choice.addItems(kinds.names)
        self.choice.setCurrentText(kind)
        self.choice.activated.connect(self._chosen)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(label(tr(kinds.what).capitalize(), role="heading"))
        self._layout.addWidget(self.choice)
        self._said = label(role="small", tone="muted", wrap=True)
        self._layout.addWidget(self._said)
        self._build()

    def take(self, values: Mapping[str, Any]) -> None:
        """Show a table; keys that its kind does not have are left out."""
        self.values = {"kind": self.values["kind"], **values}
        self.choice.setCurrentText(str(self.values["kind"]))
        self._build()

    def _chosen(self) -> None:
        self.values["kind"] = self.choice.currentText()
        self._build()
        self.edited.emit()

    def _build(self) -> None:
        if self._form is not None:
            self._layout.removeWidget(self._form)
            self._form.hide()
            self._form.deleteLater()
            self._form = None
        kind = str(self.values["kind"])
        try:
            table = self._kinds.table_of(kind)
        except KindError as problem:
            say(self._said, str(problem), "alarm")
            return
        say(self._said, (table.make.__doc__ or "").partition("\n")[0], "muted")
        fields = fields_of(table)
        known = {field.name for field in fields}
        self.values = {
            key: value for key, value in self.values.items() if key == "kind" or key in known
        }
        self._form = Form(fields)
        self._form.show_values(self.values)
        self._form.changed.connect(self._typed)
        self._layout.addWidget(self._form)

    def _typed(self, key: str, value: object) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        self.edited.emit()


class RehearsalView(QWidget):
    """Forms on the left, decisions on the right; what was decided before stays to compare.

    Attributes
    ----------
    detector, controller : KindForm
    """

    asked = Signal()
    """The operator wants a rehearsal."""
    edited = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.detector = KindForm(DETECTORS, "beta")
        self.controller = KindForm(CONTROLLERS, "on_off")
        inside = QWidget()
        inside.setObjectName("scrolled")
        forms = QVBoxLayout(inside)
        forms.setContentsMargins(0, 0, 8, 0)
        for form in (self.detector, self.controller):
            form.edited.connect(self.edited)
            forms.addWidget(form)
        forms.addStretch()
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFixedWidth(SIDE_PX)
        area.setWidget(inside)
        self.go = QPushButton(tr("Rehearse on what was sensed"))
        self.go.setProperty("role", "primary")
        self.go.clicked.connect(self.asked)
        self._plot = DecisionPlot(theme)
        self._numbers = label(role="heading", wrap=True)
        self._before = label(tone="muted", wrap=True)
        self._told = label(tone="muted", wrap=True)
        say(
            self._told,
            tr(
                "A rehearsal tells what the loop would decide on the samples as they were. "
                "What stimulation would have done to them it cannot tell; nothing is sent."
            ),
            "muted",
        )
        right = QVBoxLayout()
        right.addWidget(self.go)
        right.addWidget(self._plot, 1)
        for words in (self._numbers, self._before, self._told):
            right.addWidget(words)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(area)
        row.addLayout(right, 1)

    def show_decisions(
        self, told: Decisions, most_ma: float, thresholds: tuple[float, ...]
    ) -> None:
        """Show a rehearsal."""
        self._plot.show_decisions(told, most_ma, thresholds)
        before = self._numbers.text()
        if before:
            say(self._before, tr("before: {numbers}", numbers=before), "muted")
        say(
            self._numbers,
            tr(
                "{ma:.2f} mA in the mean  ·  on {share:.0f} % of the time  ·  "
                "{switches:.0f} decisions a minute",
                ma=told.mean_ma,
                share=100 * told.on_fraction,
                switches=told.switches_per_min,
            ),
        )
        say(self._told, tr("On the samples as they were; nothing was sent."), "muted")

    def show_refusal(self, sentence: str) -> None:
        """Show why there is no rehearsal."""
        say(self._told, sentence, "alarm")
