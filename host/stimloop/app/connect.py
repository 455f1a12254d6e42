"""The Connect page: choose a device, and see who it is and how well it is heard."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
)

from stimloop.app.addresses import SUFFIXES, Address, offered
from stimloop.app.device_panel import DevicePanel
from stimloop.app.label import label
from stimloop.app.language import tr
from stimloop.app.page import PageWidget
from stimloop.app.paths import choose_file, dropped_file
from stimloop.app.recording_sheet import RecordingSheet
from stimloop.station.requests import Connect as ConnectRequest
from stimloop.station.requests import Disconnect, Phase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from pathlib import Path

    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    from stimloop.app.theme import Theme
    from stimloop.station import Station
    from stimloop.station.requests import Description, Snapshot

_URL = Qt.ItemDataRole.UserRole
_LOOK_MS = 100


class Connect(PageWidget):
    """Simulated implants first, recordings as patients, then ports, and any other address.

    Attributes
    ----------
    addresses : QListWidget
        What there is to choose.
    device : DevicePanel
        Identity, link and battery.
    """

    def __init__(self, station: Station, theme: Theme) -> None:
        super().__init__(station, theme)
        self.setAcceptDrops(True)
        self._recording: QAction = QAction(tr("Connect a recording as a patient …"), self)
        self._recording.setShortcut(QKeySequence("Ctrl+O"))
        self._recording.triggered.connect(self.choose_recording)
        self._threads = ThreadPoolExecutor(1)
        self._looking: Future[list[Address]] | None = None
        self.addresses = QListWidget()
        self.addresses.setAccessibleName(tr("Devices"))
        self.addresses.itemDoubleClicked.connect(lambda item: self.connect_to(item.data(_URL)))
        self.addresses.currentItemChanged.connect(self._chosen)
        self._other = QLineEdit(placeholderText="/dev/ttyACM0, socket://HOST:PORT, sim://…")
        self._other.setAccessibleName(tr("Address of the device"))
        self._other.returnPressed.connect(lambda: self.connect_to(self._other.text()))
        self._key = QLineEdit(placeholderText=tr("none: the public key of simulated devices"))
        self._key.setAccessibleName(tr("File of the device's key"))
        self.go = QPushButton(tr("Connect"))
        self.go.setProperty("role", "primary")
        self.go.clicked.connect(lambda: self.connect_to(self._other.text()))
        self.leave = QPushButton(tr("Disconnect"))
        self.leave.setEnabled(False)
        self.leave.clicked.connect(lambda: self.ask(Disconnect()))
        self.device = DevicePanel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(20, 20, 20, 20)
        layout.setSpacing(20)
        layout.addWidget(self._choice(), 1)
        layout.addWidget(self.device, 1)
        self.look()

    def _choice(self) -> QFrame:
        panel = QFrame()
        panel.setProperty("panel", True)
        again = QPushButton(tr("Look again"))
        again.clicked.connect(self.look)
        recording = QPushButton(tr("Recording as a patient …"))
        recording.clicked.connect(self.choose_recording)
        browse = QPushButton("…")
        browse.setAccessibleName(tr("Choose the file of the key"))
        browse.clicked.connect(self._choose_key)
        top = QHBoxLayout()
        top.addWidget(label(tr("Devices"), role="title"), 1)
        top.addWidget(again)
        key = QHBoxLayout()
        key.addWidget(self._key, 1)
        key.addWidget(browse)
        buttons = QHBoxLayout()
        buttons.addWidget(recording)
        buttons.addStretch()
        buttons.addWidget(self.leave)
        buttons.addWidget(self.go)
        column = QVBoxLayout(panel)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(self.addresses, 1)
        column.addWidget(label(tr("Address"), role="small", tone="muted"))
        column.addWidget(self._other)
        column.addWidget(label(tr("File of the device's key"), role="small", tone="muted"))
        column.addLayout(key)
        column.addLayout(buttons)
        return panel

    def commands(self) -> Iterable[tuple[str, QAction]]:
        """Actions for the menus."""
        return (("File", self._recording),)

    def look(self) -> None:
        """Ask this machine what it has; the answer comes by itself."""
        if self._looking is None:
            self._looking = self._threads.submit(lambda: list(offered()))
            QTimer.singleShot(_LOOK_MS, self._looked)

    def _looked(self) -> None:
        if self._looking is None:
            return
        if not self._looking.done():
            QTimer.singleShot(_LOOK_MS, self._looked)
            return
        found, self._looking = self._looking.result(), None
        self.addresses.clear()
        for address in found:
            self._add(address)
        self.addresses.setCurrentRow(0)

    def _add(self, address: Address) -> QListWidgetItem:
        item = QListWidgetItem(f"{tr(address.title)}\n{tr(address.detail)}")
        item.setData(_URL, address.url)
        item.setToolTip(address.url)
        self.addresses.addItem(item)
        return item

    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._other.setText(item.data(_URL))

    def connect_to(self, url: str, key_file: str = "") -> None:
        """Ask the station to connect; what it says comes as a sentence."""
        if not url:
            self.notice.emit(tr("There is no address; choose a device, or write one."), "alarm")
            return
        self.go.setEnabled(False)
        self.device.say_connecting(url)
        self.ask(ConnectRequest(url, key_file or self._key.text()), self._answered)

    def _answered(self, _reply: object) -> None:
        self.go.setEnabled(True)
        self.device.say_connecting("")

    def choose_recording(self) -> None:
        """Let the operator choose a file, then what it does not say of itself."""
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        choose_file(self, self.theme, tr("Recording"), kinds, self.take_recording)

    def take_recording(self, path: Path) -> None:
        """Add a recording to the list, and choose it."""
        sheet = RecordingSheet(self, path, self.theme)
        sheet.described.connect(self._described_recording)
        sheet.present()

    def _described_recording(self, address: Address) -> None:
        self.addresses.setCurrentItem(self._add(address))

    def _choose_key(self) -> None:
        choose_file(self, self.theme, tr("Key"), "*", lambda path: self._key.setText(str(path)))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802  Qt's name
        """Take recordings."""
        if dropped_file(event, SUFFIXES) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802  Qt's name
        """Ask what the recording does not say of itself."""
        path = dropped_file(event, SUFFIXES)
        if path is not None:
            self.take_recording(path)

    def refresh(self, snapshot: Snapshot) -> None:
        """Show how the device is heard."""
        self.leave.setEnabled(snapshot.phase != Phase.EMPTY)
        self.device.show_snapshot(snapshot)

    def describe(self, description: Description) -> None:
        """Show who the device is."""
        self.device.show_description(description)
