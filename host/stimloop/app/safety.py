"""The safety bar, below every page: what the device does, what is wrong, and STOP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from stimloop.app.alarms import alarms
from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.station import Phase, Snapshot
from stimloop_hw.groups import group_name, outputs_of
from stimloop_hw.vocabulary import State, Supply

if TYPE_CHECKING:
    from PySide6.QtWidgets import QLabel

    from stimloop.station.requests import Description
    from stimloop_hw.messages import Status

WORDS: dict[State, tuple[str, str, str]] = {
    State.BOOT: ("○", "Starting", "muted"),
    State.IDLE: ("○", "Off", ""),
    State.CONFIGURED: ("○", "Off, programmed", ""),
    State.ARMED: ("◆", "Armed, no output", "warning"),
    State.STIMULATING: ("●", "Stimulating", "good"),
    State.HOLD: ("▲", "Holding", "warning"),
    State.FALLBACK: ("▲", "At fallback", "warning"),
    State.RAMPING_DOWN: ("▼", "Ramping down", "warning"),
    State.FAULT: ("■", "Fault, off", "alarm"),
    State.ARMED_ALONE: ("◆", "Armed to run alone", "warning"),
    State.ALONE: ("●", "Stimulating alone", "good"),
}
"""Of each state the sign, the word and the role of its color."""
UNKNOWN = ("?", "No device", "muted")
LOST = ("■", "Not known", "alarm")


class SafetyBar(QFrame):
    """State, delivered amplitude, lease and alarms as the device told them, and STOP.

    Attributes
    ----------
    stop : QPushButton
        Never disabled and never hidden.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("safety")
        self.setFixedHeight(112)
        self._supply = Supply.NORMAL
        self._lease_ms = 0
        self._state, state = _column(tr("DEVICE"))
        self._program = _small(state)
        self._amplitude, amplitude = _column(tr("DELIVERED"))
        self._orders = _small(amplitude)
        self._lease_text, lease = _column(tr("LEASE"))
        self._lease = QProgressBar()
        self._lease.setTextVisible(False)
        self._lease.setAccessibleName(tr("What is left of the lease"))
        lease.addWidget(self._lease)
        lease.addStretch()
        self._cause = label(role="heading", wrap=True)
        self._cause.setAccessibleName(tr("Alarm"))
        self._remedy = label(role="small", tone="muted", wrap=True)
        alarm = QVBoxLayout()
        alarm.setSpacing(2)
        alarm.addStretch()
        alarm.addWidget(self._cause)
        alarm.addWidget(self._remedy)
        alarm.addStretch()
        self.stop = QPushButton(tr("STOP"))
        self.stop.setObjectName("stop")
        self.stop.setAccessibleName(tr("Stop stimulation at once"))
        self.stop.setToolTip(tr("Ends the output at once: Esc or F12, from anywhere"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(20, 8, 16, 8)
        layout.setSpacing(24)
        for column, value, width in (
            (state, self._state, 232),
            (amplitude, self._amplitude, 196),
            (lease, self._lease_text, 120),
        ):
            layout.addLayout(column)
            value.setMinimumWidth(width)
        layout.addLayout(alarm, 1)
        emergency = QVBoxLayout()
        emergency.setSpacing(2)
        emergency.addWidget(self.stop)
        keys = label(tr("Esc or F12, always"), role="small", tone="muted")
        emergency.addWidget(keys, alignment=Qt.AlignmentFlag.AlignHCenter)
        layout.addLayout(emergency)
        self.show_status(None)

    @property
    def state_text(self) -> str:
        """The word for the device's state."""
        return self._state.text()

    @property
    def amplitude_text(self) -> str:
        """What is delivered, with its unit."""
        return self._amplitude.text()

    @property
    def alarm_text(self) -> str:
        """Cause and remedy of the gravest alarm, empty if there is none."""
        return f"{self._cause.text()} {self._remedy.text()}".strip()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Say what the device told last, and how old that is."""
        connected = snapshot.phase is not Phase.EMPTY
        lost = snapshot.phase is Phase.LOST
        self.show_status(snapshot.status if connected else None, lost=lost)

    def show_description(self, description: Description) -> None:
        """Take the battery's stage."""
        for battery in description.battery:
            self._supply = Supply(battery.stage)

    def show_status(self, status: Status | None, *, lost: bool = False) -> None:
        """Say what the device told.

        Parameters
        ----------
        status : Status or None
            The latest; None where no device is connected.
        lost : bool
            It does not answer any more, so that its state is not known.
        """
        state = State.BOOT if status is None else State(status.state)
        sign, word, tone = UNKNOWN if status is None else LOST if lost else WORDS[state]
        say(self._state, f"{sign} {tr(word)}", tone)
        known = None if lost else status
        if known is None:
            say(self._amplitude, "– mA", "muted")
            self._orders.setText("")
            self._program.setText("")
        else:
            self._show_output(known)
        left_ms = 0 if known is None else known.lease_left_ms
        say(self._lease_text, f"{left_ms / 1000:.1f} s" if left_ms else "–")
        self._lease_ms = max(left_ms, self._lease_ms) if left_ms else 0
        self._lease.setMaximum(max(1, self._lease_ms))
        self._lease.setValue(left_ms)
        self._show_alarms(status, state, lost=lost)

    def show_gone(self) -> None:
        """Say that nobody tells anything any more."""
        self.show_status(Snapshot().status, lost=True)

    def _show_output(self, status: Status) -> None:
        first, *_ = outputs = outputs_of(status)
        delivered_ma = sum(output.delivered_ua for output in outputs) / 1000
        say(self._amplitude, f"{delivered_ma:.3f} mA", "good" if delivered_ma else "")
        self._orders.setText(
            tr(
                "asked {asked:.3f} · set {quantised:.3f}",
                asked=first.setpoint_ua / 1000,
                quantised=first.amplitude_ua / 1000,
            )
        )
        self._program.setText(
            tr(
                "group {group} · program {crc:08X}",
                group=group_name(status.group),
                crc=status.program_crc,
            )
        )

    def _show_alarms(self, status: Status | None, state: State, *, lost: bool) -> None:
        if status is None:
            found = []
        else:
            found = list(alarms(state, status.faults, status.lead, self._supply, lost=lost))
        if not found:
            say(self._cause, "✓ " + tr("No alarm") if status else "", "muted")
            self._remedy.setText("" if status else tr("Connect a device on the first page."))
            return
        first, *others = found
        more = tr(" (and {count} more)", count=len(others)) if others else ""
        say(self._cause, f"⚠ {tr(first.cause)}{more}", "alarm" if first.grave else "warning")
        self._remedy.setText(tr(first.remedy) + ".")
        self.setToolTip("\n".join(f"{tr(a.cause)}. {tr(a.remedy)}." for a in found))


def _column(title: str, role: str = "huge") -> tuple[QLabel, QVBoxLayout]:
    value = label(role=role)
    value.setAccessibleName(title.capitalize())
    column = QVBoxLayout()
    column.setSpacing(2)
    column.addStretch()
    column.addWidget(label(title, role="small", tone="muted"))
    column.addWidget(value)
    return value, column


def _small(column: QVBoxLayout) -> QLabel:
    small = label(role="small", tone="muted")
    column.addWidget(small)
    column.addStretch()
    return small
