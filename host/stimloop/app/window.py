"""The window: banner, menus, pages, notices and safety bar."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSettings
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from stimloop.app.banner import Banner
from stimloop.app.connect import Connect
from stimloop.app.emergency import Emergency
from stimloop.app.language import tr
from stimloop.app.notice import Notice
from stimloop.app.page_area import PageArea
from stimloop.app.pages import PAGES
from stimloop.app.program import Program
from stimloop.app.safety import SafetyBar
from stimloop.app.sheet import Sheet
from stimloop.app.shortcuts import ShortcutSheet
from stimloop.app.theme import DARK, SCALES, THEMES
from stimloop.app.watch import Watch
from stimloop.station import Phase, StationError
from stimloop.station.requests import Refused, Shutdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PySide6.QtGui import QCloseEvent

    from stimloop.app.page import PageWidget
    from stimloop.app.pages import Page
    from stimloop.app.theme import Theme
    from stimloop.station import Snapshot, Station
    from stimloop.station.requests import Description

MENUS = ("File", "Edit", "Therapy", "View", "Help")
_LED = (Phase.THERAPY, Phase.ENDING, Phase.LOST)
SMALLEST = (1280, 760)


class Window(QMainWindow):
    """Everything that the operator sees.

    Parameters
    ----------
    station : Station
        Attached. It goes on when the window is gone.
    settings : QSettings, optional
        Where theme and size of the text are kept.

    Attributes
    ----------
    pages : dict of str to PageWidget
        By their names.
    banner, notice, safety : Banner, Notice, SafetyBar
    emergency : Emergency
    watch : Watch
    settings : QSettings
    """

    def __init__(self, station: Station, settings: QSettings | None = None) -> None:
        super().__init__()
        self.setWindowTitle(tr("stimloop programmer, research and bench use only"))
        self.setMinimumSize(*SMALLEST)
        self.resize(1280, 800)
        self._station = station
        self.settings = QSettings("stimloop", "programmer") if settings is None else settings
        self._said = 0
        self._phase = Phase.EMPTY
        self._leaves = False
        self._shown = PAGES[0].name
        self.theme = self._remembered_theme()
        self.banner = Banner()
        self.notice = Notice()
        self.safety = SafetyBar()
        self.emergency = Emergency(self._stop)
        self.safety.stop.clicked.connect(self.emergency.trigger)
        self.pages: dict[str, PageWidget] = {}
        self._areas: dict[str, PageArea] = {}
        self._middle = QWidget()
        self._stack = QStackedWidget()
        self._stack.setObjectName("pages")
        self._links: dict[str, QPushButton] = {}
        self._menus = {name: self.menuBar().addMenu(tr(name)) for name in MENUS}
        self._build()
        self._fill_menus()
        self.watch = Watch(station)
        self.watch.snapshot_came.connect(self._refresh)
        self.watch.description_came.connect(self._describe)
        self.watch.gone.connect(self._gone)
        self.watch.frame.connect(self._draw)
        self.wear(self.theme)
        self.show_page(PAGES[0].name)

    def _build(self) -> None:
        navigation = QFrame()
        navigation.setObjectName("navigation")
        navigation.setFixedWidth(176)
        links = QVBoxLayout(navigation)
        links.setContentsMargins(0, 12, 0, 12)
        links.setSpacing(2)
        for page in PAGES:
            widget = page.make(self._station, self.theme)
            widget.notice.connect(self.notice.show_sentence)
            widget.proposed.connect(self._propose)
            self.pages[page.name] = widget
            self._areas[page.name] = PageArea(widget)
            self._stack.addWidget(self._areas[page.name])
            links.addWidget(self._link(page))
        links.addStretch()
        row = QHBoxLayout(self._middle)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(navigation)
        row.addWidget(self._stack, 1)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.banner)
        column.addWidget(self._middle, 1)
        column.addWidget(self.notice)
        column.addWidget(self.safety)
        self.setCentralWidget(whole)

    def _link(self, page: Page) -> QPushButton:
        link = QPushButton(tr(page.title))
        link.setProperty("role", "page")
        link.setCheckable(True)
        link.setAutoExclusive(True)
        link.setToolTip(page.shortcut)
        link.setAccessibleName(tr("Page {title}", title=tr(page.title)))
        link.clicked.connect(lambda: self.show_page(page.name))
        self._links[page.name] = link
        return link

    def _fill_menus(self) -> None:
        for page in self.pages.values():
            for menu, action in page.commands():
                self._menus[menu].addAction(action)
        for page_row in PAGES:
            show = partial(self.show_page, page_row.name)
            self._add("View", tr(page_row.title), show, page_row.shortcut)
        view = self._menus["View"]
        view.addSeparator()
        group = QActionGroup(self)
        for theme in THEMES.values():
            wear = partial(self._choose, theme.name)
            choose = self._add("View", tr(theme.name).capitalize(), wear)
            choose.setCheckable(True)
            choose.setChecked(theme.name == self.theme.name)
            group.addAction(choose)
        view.addSeparator()
        larger = partial(self._resize_text, 1)
        self.larger = self._add("View", tr("Larger text"), larger, "Ctrl++", "Ctrl+=")
        self._add("View", tr("Smaller text"), lambda: self._resize_text(-1), "Ctrl+-")
        self._add("Therapy", tr("Stop stimulation at once (Esc)"), self.emergency.trigger)
        self._menus["File"].addSeparator()
        self._add("File", tr("Quit; the station goes on"), self.close, "Ctrl+Q")
        self._add("Help", tr("Keyboard shortcuts"), self.show_shortcuts, "F1", "?")

    def _add(self, menu: str, text: str, do: Callable[[], object], *keys: str) -> QAction:
        action = QAction(text, self)
        action.setShortcuts([QKeySequence(key) for key in keys])
        action.triggered.connect(lambda _checked: do())
        self._menus[menu].addAction(action)
        return action

    def connect_to(self, url: str, key_file: str = "") -> None:
        """Connect as the first page does."""
        page = self.pages["connect"]
        assert isinstance(page, Connect)
        page.connect_to(url, key_file)

    @property
    def questioned(self) -> bool:
        """A question covers the pages."""
        return any(sheet.isVisible() for sheet in self._middle.findChildren(Sheet))

    def show_page(self, name: str) -> None:
        """Bring a page to the front; not while a question is open."""
        if not self.questioned:
            self._shown = name
            self._stack.setCurrentWidget(self._areas[name])
            self._links[name].setChecked(True)
            self._links[name].setFocus()

    def show_shortcuts(self) -> None:
        """Every key, on a sheet."""
        if not self.questioned:
            ShortcutSheet(self._middle, self.theme, self._menus).present()

    def wear(self, theme: Theme) -> None:
        """Take the colors of a theme, and remember it."""
        self.theme = theme
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.setStyleSheet(theme.style)
        for page in self.pages.values():
            page.wear(theme)
        for sheet in self._middle.findChildren(Sheet):
            sheet.wear(theme)
        self.settings.setValue("theme", theme.name)
        self.settings.setValue("scale", theme.scale)

    def _choose(self, name: str) -> None:
        self.wear(replace(THEMES[name], scale=self.theme.scale))

    def _remembered_theme(self) -> Theme:
        theme = THEMES.get(str(self.settings.value("theme")), DARK)
        scale = float(str(self.settings.value("scale", 1.0)))
        return replace(theme, scale=scale if scale in SCALES else 1.0)

    def _resize_text(self, step: int) -> None:
        at = SCALES.index(self.theme.scale) + step
        if 0 <= at < len(SCALES):
            self.wear(replace(self.theme, scale=SCALES[at]))

    def _stop(self) -> None:
        reply = self._station.stop()
        for sheet in self._middle.findChildren(Sheet):
            sheet.dismiss()
        for page in self.pages.values():
            page.stopped()
        if isinstance(reply, Refused):
            self.notice.show_sentence(reply.sentence, "alarm")
        else:
            self.notice.show_sentence(tr("STOP was acknowledged by the device."), "good")

    def _refresh(self, snapshot: Snapshot) -> None:
        self._phase = snapshot.phase
        self.safety.show_snapshot(snapshot)
        if snapshot.said_number != self._said:
            self._said = snapshot.said_number
            self.notice.show_sentence(snapshot.said, "warning")
        for page in self.pages.values():
            page.refresh(snapshot)

    def _describe(self, description: Description) -> None:
        self.banner.show_description(description)
        self.safety.show_description(description)
        for page in self.pages.values():
            page.describe(description)

    def _propose(self, tables: Mapping[str, Any]) -> None:
        """Let the operator see on the Program page what another page proposes."""
        program = self.pages["program"]
        assert isinstance(program, Program)
        program.take_tables(tables)
        self.show_page("program")

    def _draw(self) -> None:
        if not self.isMinimized():
            self.pages[self._shown].animate()

    def _gone(self, sentence: str) -> None:
        self.safety.show_gone()
        self.notice.show_sentence(sentence, "alarm")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802  Qt's name
        """Detach; what the station does goes on, so that a therapy is asked about first."""
        if self._phase is Phase.THERAPY and not self._leaves:
            event.ignore()
            self._ask_to_leave()
            return
        self.watch.end()
        if self._station.process is not None and self._phase not in _LED:
            # Nobody needs a station that holds no session, and that this window has begun.
            with suppress(StationError):
                self._station.ask(Shutdown())
        self._station.close()
        event.accept()

    def _ask_to_leave(self) -> None:
        if self.questioned:
            return
        sheet = Sheet(self._middle, tr("The device stimulates"), self.theme)
        sheet.say(
            tr(
                "Closing the window does not end that: the station goes on, and the next "
                "stimloop app attaches to it. Press STOP first to end it."
            )
        )
        sheet.accepted.connect(self._leave)
        sheet.ask(tr("Leave it running"))

    def _leave(self) -> None:
        self._leaves = True
        self.close()
