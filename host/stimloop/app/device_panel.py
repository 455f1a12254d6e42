"""Who the connected device is, how well it is heard, and what its battery has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QProgressBar, QVBoxLayout

from stimloop.app.label import label, say
from stimloop.app.language import tr
from stimloop.station.requests import Phase
from stimloop_hw.vocabulary import Build, ResetCause, Role, Supply

if TYPE_CHECKING:
    from stimloop.station.requests import Description, Snapshot
    from stimloop_hw.messages import BatteryState, Identity, Status

PHASES: dict[Phase, tuple[str, str]] = {
    Phase.EMPTY: ("Not connected", "muted"),
    Phase.LOST: ("Lost; looking for it, to watch only", "alarm"),
    Phase.WATCHING: ("Connected", "good"),
    Phase.SENSING: ("Connected, sensing", "good"),
    Phase.THERAPY: ("Connected, in a session", "good"),
    Phase.ENDING: ("Connected, ending a session", "warning"),
}
LATE_MS, LATEST_MS = 250, 1000
"""A device reports every 100 ms; what is older is late."""
DAMAGE = {
    "damaged": "Damaged",
    "foreign": "Foreign",
    "bad_tags": "Bad signatures",
    "repeated": "Repeated",
    "stale": "Too late",
    "refused": "Refused",
    "samples_dropped": "Dropped",
}
"""Counters of Status since power-on, by their names: frames, orders and samples."""


class DevicePanel(QFrame):
    """A column of facts, each as the device told it."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self.title = label(tr("No device"), role="title", wrap=True)
        self.phase = label(role="heading", wrap=True)
        self._facts: dict[str, QLabel] = {}
        self._battery = QProgressBar(maximum=1000, format="")
        self._battery.setAccessibleName(tr("Charge of the battery"))
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(6)
        column.addWidget(self.title)
        column.addWidget(self.phase)
        for heading, names in (
            ("Identity", ("Device", "Firmware", "Protection", "Last start")),
            ("Link", ("Role", "Latest word", "Received", "Samples lost", *DAMAGE.values())),
            ("Battery", ("Stage", "Charge")),
        ):
            column.addSpacing(10)
            column.addWidget(label(tr(heading), role="heading"))
            column.addLayout(self._grid(names, 2 if heading == "Link" else 1))
        column.addWidget(self._battery)
        column.addStretch()

    def _grid(self, names: tuple[str, ...], columns: int) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(5)
        for number, name in enumerate(names):
            row, column = number // columns, number % columns * 2
            fact = label("–")
            fact.setAccessibleName(tr(name))
            self._facts[name] = fact
            grid.addWidget(label(tr(name), tone="muted"), row, column)
            grid.addWidget(fact, row, column + 1)
            grid.setColumnMinimumWidth(column, 124)
            grid.setColumnStretch(column + 1, 1)
        return grid

    def _say(self, name: str, text: str, tone: str = "") -> None:
        say(self._facts[name], text, tone)

    def say_connecting(self, url: str) -> None:
        """Say that the answer is awaited; an empty address ends it."""
        if url:
            say(self.phase, tr("Connecting …"), "warning")

    def show_description(self, description: Description) -> None:
        """Show what changes seldom."""
        if not description.url:
            self.title.setText(tr("No device"))
            for fact in self._facts.values():
                say(fact, "–")
            self._battery.setValue(0)
            return
        self.title.setText(description.url.partition("?")[0])
        self.title.setToolTip(description.url)
        for identity in description.identity:
            self._show_identity(identity)
        for battery in description.battery:
            self._show_battery(battery)

    def _show_identity(self, identity: Identity) -> None:
        build = Build(identity.build)
        causes = {cause.value: cause.name.lower().replace("_", " ") for cause in ResetCause}
        model = identity.model.rstrip(b"\0").decode("ascii", "replace")
        self._say("Device", f"{model}  {identity.serial}")
        self._say("Firmware", f"{identity.firmware}")
        weak = build.authentication != "signed"
        self._say("Protection", build.authentication, "warning" if weak else "good")
        self._say(
            "Last start",
            tr(
                "start {boot}, by {cause}",
                boot=identity.boot,
                cause=causes.get(identity.reset_cause, str(identity.reset_cause)),
            ),
        )

    def _show_battery(self, battery: BatteryState) -> None:
        supply = Supply(battery.stage)
        tone = "good" if supply is Supply.NORMAL else "warning"
        self._say("Stage", supply.name.replace("_", " ").lower(), tone)
        self._say(
            "Charge",
            f"{battery.charge_permille / 10:.1f} %, {battery.left_uah / 1000:.1f} of "
            f"{battery.capacity_uah / 1000:.0f} mAh, {battery.voltage_mv / 1000:.2f} V",
        )
        self._battery.setValue(battery.charge_permille)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show what changes all the time."""
        text, tone = PHASES[snapshot.phase]
        say(self.phase, tr(text), tone)
        if snapshot.phase is Phase.EMPTY:
            return
        self._say("Role", Role(snapshot.role).name.lower())
        age_ms = snapshot.status_age_ms
        late = "good" if age_ms < LATE_MS else "warning" if age_ms < LATEST_MS else "alarm"
        self._say("Latest word", tr("{age} ms ago", age=age_ms), late)
        lost = snapshot.lost_samples
        self._say("Samples lost", str(lost), "warning" if lost else "good")
        self._show_counters(snapshot.status)

    def _show_counters(self, status: Status) -> None:
        self._say("Received", str(status.received))
        for field, name in DAMAGE.items():
            count = getattr(status, field)
            self._say(name, str(count), "warning" if count else "")
