"""How drawings look: inline SVG in the colours of the page around it.

Colours are names, which the page's style sheet fills for light, dark and paper: each is drawn
in a placeholder that `svg` replaces by ``var(--name)``.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, GRID, SIGNAL, LEVEL, ADMITTED, DELIVERED, LIMIT = (f"#0{k}0{k}0{k}" for k in range(1, 8))
_NAMES = {
    INK: "ink",
    GRID: "grid",
    SIGNAL: "signal",
    LEVEL: "level",
    ADMITTED: "admitted",
    DELIVERED: "delivered",
    LIMIT: "limit",
}
PAPER = {
    "ink": "#1d2430",
    "grid": "#d5dae1",
    "signal": "#4a5a70",
    "level": "#1f6fb4",
    "admitted": "#b4521f",
    "delivered": "#1d2430",
    "limit": "#8a2d6b",
}
"""The light colours of ``templates/page.html``, for what knows no style sheet."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "stimloop",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "lines.solid_joinstyle": "round",
}
"""Of every figure, for `matplotlib.rc_context`."""


def svg(figure: Figure, label: str) -> str:
    """Finish a figure.

    Parameters
    ----------
    figure : Figure
    label : str
        What it shows, for who does not see it.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    for axes in figure.axes:
        axes.grid(visible=False, axis="x")
    figure.align_ylabels()
    text = StringIO()
    unnamed = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(text, format="svg", transparent=True, metadata=unnamed)
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    for placeholder, name in _NAMES.items():
        drawn = drawn.replace(placeholder, f"var(--{name})")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def on_paper(drawn: str) -> str:
    """The same with its colours written out."""
    for name, colour in PAPER.items():
        drawn = drawn.replace(f"var(--{name})", colour)
    return drawn
