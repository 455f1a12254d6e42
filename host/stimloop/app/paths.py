"""Files by choice and by drop; the choice is asked on a sheet, so that STOP stays in reach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from stimloop.app.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QDropEvent
    from PySide6.QtWidgets import QWidget

    from stimloop.app.theme import Theme


def choose_file(
    parent: QWidget,
    theme: Theme,
    what: str,
    kinds: str,
    take: Callable[[Path], None],
    *,
    to_write: str = "",
) -> Sheet:
    """Let the operator choose a file.

    Parameters
    ----------
    parent : QWidget
        What the question covers.
    theme : Theme
    what : str
        What the file is, for people.
    kinds : str
        Patterns, such as ``*.toml``.
    take : callable
        Called with the path, if one is chosen.
    to_write : str
        Name proposed for a file that is to be written; empty to open one.
    """
    sheet = Sheet(parent, what, theme)
    dialog = QFileDialog(sheet, filter=f"{what} ({kinds})")
    dialog.setWindowFlags(Qt.WindowType.Widget)
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.setSizeGripEnabled(False)
    dialog.setMinimumSize(680, 380)
    if to_write:
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.selectFile(to_write)
    else:
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    sheet.body.addWidget(dialog)
    dialog.finished.connect(lambda _: sheet.dismiss())
    dialog.fileSelected.connect(lambda name: take(Path(name)))
    sheet.present(dialog)
    dialog.show()
    return sheet


def dropped_file(event: QDropEvent, suffixes: Sequence[str]) -> Path | None:
    """The one file that is dropped, if it is of such a kind."""
    names = [url.toLocalFile() for url in event.mimeData().urls()]
    if len(names) == 1 and Path(names[0]).suffix.lower() in suffixes:
        return Path(names[0])
    return None
