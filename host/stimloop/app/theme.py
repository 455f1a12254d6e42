"""Colors, font and the style sheet of the window: dark, light, high contrast.

A theme is a table of roles; no widget names a color. Hues are Okabe and Ito's, which most color
vision tells apart (jfly.uni-koeln.de/color), shaded where text on them needs the contrast; a
meaning never hangs on the hue alone. Contrast is WCAG 2.1's ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

from PySide6.QtGui import QColor, QFont, QFontDatabase

FONTS = Path(__file__).parent / "fonts"
FAMILY = "Inter"
"""Shipped, so that the window looks alike everywhere: SIL Open Font License 1.1."""
TARGET_PX = 44
"""Least side of what is to be hit with a finger or a mouse (WCAG 2.1, 2.5.5)."""
BASE_PX = 15
SCALES = (0.85, 1.0, 1.15, 1.3, 1.5)
"""Sizes of the font that the window offers."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colors of a window by their role, as ``#RRGGBB``.

    Attributes
    ----------
    name : str
    ground, surface, raised : str
        Behind everything; of panels; of fields and buttons.
    line : str
        Borders.
    text, muted : str
        On each of the three grounds.
    accent, on_accent : str
        What is selected or has the focus, and text on it.
    cathode, anode, on_pole : str
        The poles of a lead, and the signs drawn on them.
    good, warning, alarm : str
        As text, on each of the three grounds.
    stop, on_stop : str
        The STOP button and what is written on it.
    banner, on_banner : str
        The strip that says what this is not for.
    edited : str
        Border of what differs from what the device has.
    traces : tuple of str
        Curves, in the order of their use.
    """

    name: str
    ground: str
    surface: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str
    cathode: str
    anode: str
    on_pole: str
    good: str
    warning: str
    alarm: str
    stop: str
    on_stop: str
    banner: str
    on_banner: str
    edited: str
    traces: tuple[str, ...]
    scale: float = 1.0

    @property
    def style(self) -> str:
        """The style sheet."""
        sizes = {
            "px": round(BASE_PX * self.scale),
            "small": round(BASE_PX * self.scale * 0.87),
            "large": round(BASE_PX * self.scale * 1.35),
            "huge": round(BASE_PX * self.scale * 1.9),
            "target": TARGET_PX,
            "inner": TARGET_PX - 4,
            "family": FAMILY,
        }
        colors = {name: getattr(self, name) for name in self.__slots__ if name != "traces"}
        return _SHEET.substitute(colors, **sizes)

    def font(self, relative: float = 1.0, *, bold: bool = False) -> QFont:
        """The font for what is painted: digits of equal width.

        Parameters
        ----------
        relative : float
            Size over that of the body.
        bold : bool
        """
        font = QFont(FAMILY)
        font.setPixelSize(round(BASE_PX * self.scale * relative))
        font.setBold(bold)
        font.setFeature(QFont.Tag("tnum"), 1)
        return font

    def color(self, role: str, alpha: float = 1.0) -> QColor:
        """The color of a role, 0 (clear) to 1."""
        color = QColor(getattr(self, role))
        color.setAlphaF(alpha)
        return color


def load_fonts() -> None:
    """Make the shipped font known to Qt.

    Raises
    ------
    RuntimeError
        If a file of it is missing or damaged.
    """
    for path in sorted(FONTS.glob("*.ttf")):
        if QFontDatabase.addApplicationFont(str(path)) < 0:
            raise RuntimeError(f"the font {path.name} is damaged; install stimloop again")


def contrast(first: str, second: str) -> float:
    """Ratio of two colors' luminances, 1 to 21 (WCAG 2.1)."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


DARK = Theme(
    name="dark",
    ground="#12161B",
    surface="#1A2027",
    raised="#262E37",
    line="#485563",
    text="#F3F6F9",
    muted="#B3BDC8",
    accent="#56B4E9",
    on_accent="#0B1116",
    cathode="#56B4E9",
    anode="#F0803C",
    on_pole="#0B1116",
    good="#3DCB9E",
    warning="#F0B429",
    alarm="#FF8A4C",
    stop="#B84500",
    on_stop="#FFFFFF",
    banner="#F0E442",
    on_banner="#111111",
    edited="#FF7A66",
    traces=("#56B4E9", "#E69F00", "#3DCB9E", "#F0E442", "#CC79A7", "#F0803C", "#B3BDC8"),
)
LIGHT = Theme(
    name="light",
    ground="#EEF1F4",
    surface="#FFFFFF",
    raised="#F3F5F8",
    line="#8C98A5",
    text="#12181E",
    muted="#4A5561",
    accent="#0072B2",
    on_accent="#FFFFFF",
    cathode="#0072B2",
    anode="#B84A00",
    on_pole="#FFFFFF",
    good="#00694C",
    warning="#7A5200",
    alarm="#A63D00",
    stop="#B84500",
    on_stop="#FFFFFF",
    banner="#F0E442",
    on_banner="#111111",
    edited="#C22D12",
    traces=("#0072B2", "#B87800", "#009E73", "#D55E00", "#B4558C", "#2A7FA8", "#4A5561"),
)
CONTRAST = Theme(
    name="high contrast",
    ground="#000000",
    surface="#000000",
    raised="#0A0A0A",
    line="#FFFFFF",
    text="#FFFFFF",
    muted="#FFFFFF",
    accent="#F0E442",
    on_accent="#000000",
    cathode="#7CCBFF",
    anode="#FFA05C",
    on_pole="#000000",
    good="#5CF0C0",
    warning="#FFD23F",
    alarm="#FFA05C",
    stop="#FFFFFF",
    on_stop="#8A1C00",
    banner="#F0E442",
    on_banner="#000000",
    edited="#FF8A75",
    traces=("#7CCBFF", "#F0E442", "#5CF0C0", "#FFA05C", "#FFB3DC", "#FFFFFF", "#B8B8B8"),
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST)}

_SHEET = Template("""
* { font-family: "$family"; font-size: ${px}px; color: $text; }
QMainWindow, #pages { background: $ground; }
QScrollArea, #scrolled { background: transparent; border: 0; }
QWidget#banner { background: $banner; }
#banner QLabel { color: $on_banner; font-weight: bold; }
QFrame#navigation { background: $surface; border: 0; border-right: 1px solid $line; }
QFrame[panel="true"] { background: $surface; border: 1px solid $line; border-radius: 8px; }
QFrame[edited="true"] { border: 3px solid $edited; }
QLabel { background: transparent; }
QLabel[role="title"] { font-size: ${large}px; font-weight: bold; }
QLabel[role="heading"] { font-weight: bold; }
QLabel[role="small"] { font-size: ${small}px; }
QLabel[role="huge"] { font-size: ${huge}px; font-weight: bold; }
QLabel[tone="muted"] { color: $muted; }
QLabel[tone="good"] { color: $good; }
QLabel[tone="warning"] { color: $warning; }
QLabel[tone="alarm"] { color: $alarm; }
QLabel[tone="edited"] { color: $edited; }
QPushButton, QToolButton {
    background: $raised; border: 1px solid $line; border-radius: 6px;
    min-height: ${inner}px; min-width: ${inner}px; padding: 1px 14px; }
QPushButton:hover, QToolButton:hover { border-color: $accent; }
QPushButton:focus, QToolButton:focus { border: 2px solid $accent; padding: 0 13px; }
QPushButton:pressed, QToolButton:pressed { background: $line; }
QPushButton:disabled, QToolButton:disabled { color: $muted; border-style: dashed; }
QPushButton[role="primary"] {
    background: $accent; color: $on_accent; border-color: $accent; font-weight: bold; }
QPushButton[role="primary"]:focus { border: 3px solid $text; }
QPushButton[role="primary"]:disabled {
    background: $raised; color: $muted; border: 1px dashed $line; }
QPushButton:checked, QToolButton:checked {
    background: $accent; color: $on_accent; border-color: $accent; font-weight: bold; }
QPushButton[role="square"] {
    font-size: ${large}px; font-weight: bold; padding: 0; max-width: ${target}px; }
QPushButton[role="tab"] { padding: 1px 7px; }
QPushButton[role="tab"]:focus { padding: 0 6px; }
QPushButton[role="tab"]:checked { font-weight: normal; }
QToolButton { padding: 1px 9px; }
QToolButton:focus { padding: 0 8px; }
QPushButton[role="page"] {
    text-align: left; border: 0; border-radius: 0; background: transparent;
    min-height: 52px; padding: 0 16px; border-left: 5px solid transparent; }
QPushButton[role="page"]:hover { background: $raised; }
QPushButton[role="page"]:focus { border: 2px dashed $accent; }
QPushButton[role="page"]:checked {
    background: $raised; color: $text; border-left: 5px solid $accent; font-weight: bold; }
QPushButton#stop {
    background: $stop; color: $on_stop; border: 3px solid $on_stop; border-radius: 10px;
    font-size: ${huge}px; font-weight: bold; min-width: 168px; min-height: 56px; padding: 0; }
QPushButton#stop:hover, QPushButton#stop:focus { border: 5px solid $text; }
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit {
    background: $raised; border: 1px solid $line; border-radius: 6px;
    min-height: ${inner}px; padding: 1px 10px; selection-background-color: $accent;
    selection-color: $on_accent; placeholder-text-color: $muted; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {
    border: 2px solid $accent; padding: 0 9px; }
QLineEdit[wrong="true"], QSpinBox[wrong="true"], QDoubleSpinBox[wrong="true"] {
    border: 2px solid $alarm; padding: 0 9px; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled {
    color: $muted; border-style: dashed; }
QSpinBox, QDoubleSpinBox { padding-right: 2px; }
QLineEdit[role="value"] { font-size: ${large}px; font-weight: bold; }
QComboBox::drop-down { border: 0; width: 26px; }
QComboBox::down-arrow {
    width: 0; height: 0; border-left: 5px solid $raised; border-right: 5px solid $raised;
    border-top: 6px solid $text; }
QTableView::item { padding: 0 6px; }
QHeaderView { background: $raised; border: 0; }
QComboBox QAbstractItemView, QListView, QTreeView, QTableView {
    background: $surface; border: 1px solid $line; outline: 0;
    selection-background-color: $accent; selection-color: $on_accent; }
QListWidget::item, QComboBox QAbstractItemView::item {
    min-height: ${target}px; padding: 0 8px; }
QListWidget::item:selected { background: $accent; color: $on_accent; }
QHeaderView::section {
    background: $raised; color: $muted; border: 0; border-bottom: 1px solid $line;
    padding: 6px 8px; font-size: ${small}px; }
QTableView { gridline-color: $line; }
QCheckBox, QRadioButton { min-height: ${target}px; spacing: 10px; background: transparent; }
QCheckBox::indicator, QRadioButton::indicator {
    width: 20px; height: 20px; border: 2px solid $muted; background: $raised; }
QCheckBox::indicator { border-radius: 4px; }
QRadioButton::indicator { border-radius: 12px; }
QCheckBox::indicator:checked, QRadioButton::indicator:checked {
    background: $accent; border-color: $accent; }
QCheckBox:focus, QRadioButton:focus { color: $accent; }
QProgressBar {
    background: $raised; border: 1px solid $line; border-radius: 4px; text-align: center;
    min-height: 14px; max-height: 18px; font-size: ${small}px; }
QProgressBar[role="meter"] { min-height: 8px; max-height: 8px; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }
QTabBar::tab {
    background: $raised; border: 1px solid $line; min-height: ${inner}px; padding: 1px 18px; }
QTabBar::tab:selected { background: $accent; color: $on_accent; font-weight: bold; }
QMenuBar { background: $surface; border-bottom: 1px solid $line; }
QMenuBar::item { padding: 8px 14px; background: transparent; }
QMenuBar::item:selected, QMenu::item:selected { background: $accent; color: $on_accent; }
QMenu { background: $surface; border: 1px solid $line; }
QMenu::item { padding: 10px 32px 10px 18px; }
QMenu::item:disabled { color: $muted; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 4px; }
QScrollBar:vertical { background: $ground; width: 14px; }
QScrollBar:horizontal { background: $ground; height: 14px; }
QScrollBar::handle { background: $line; border-radius: 6px; min-height: 40px; min-width: 40px; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QFrame#safety { background: $surface; border: 0; border-top: 2px solid $line; }
QWidget#shade { background: transparent; }
QFrame#sheet { background: $surface; border: 2px solid $accent; border-radius: 12px; }
QSplitter::handle { background: $line; }
""")
