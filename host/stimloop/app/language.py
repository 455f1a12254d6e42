"""Words for people: every text of the window passes here on its way to the screen.

The texts are English; a translation is a Qt ``.qm`` file, installed on the application.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

CONTEXT = "stimloop"


def tr(text: str, **values: object) -> str:
    """Say a text in the language of the window.

    Parameters
    ----------
    text : str
        English, with ``{names}`` where values belong.
    **values
        What stands there.

    Returns
    -------
    str
    """
    said = QCoreApplication.translate(CONTEXT, text)
    return said.format(**values) if values else said
