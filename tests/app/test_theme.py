"""Colors and font: every text can be read, in every theme, on every machine."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from PySide6.QtGui import QRawFont

import stimloop.app
from stimloop.app.theme import BASE_PX, FONTS, THEMES, Theme, contrast

LEAST = 4.5
"""WCAG 2.1, AA, text of any size."""
FOLDER = Path(stimloop.app.__file__).parent
TONES = ("text", "muted", "good", "warning", "alarm", "edited")
GROUNDS = ("ground", "surface", "raised")
PAIRS = [(tone, ground) for tone in TONES for ground in GROUNDS] + [
    ("on_accent", "accent"),
    ("on_pole", "cathode"),
    ("on_pole", "anode"),
    ("on_stop", "stop"),
    ("on_banner", "banner"),
]


def test_the_ratio_of_black_and_white_is_twenty_one() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
@pytest.mark.parametrize(("text", "ground"), PAIRS, ids=str)
def test_every_text_has_the_contrast_that_it_needs(
    theme: Theme, text: str, ground: str
) -> None:
    assert contrast(getattr(theme, text), getattr(theme, ground)) >= LEAST


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_curves_and_borders_stand_out_from_their_ground(theme: Theme) -> None:
    for color in (*theme.traces, theme.line, theme.edited):
        assert contrast(color, theme.surface) >= 2.0, color


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_the_two_poles_are_not_told_apart_by_their_color_alone(theme: Theme) -> None:
    from stimloop.app.contact import SIGNS, WORDS  # noqa: PLC0415

    assert theme.cathode != theme.anode
    assert len(set(SIGNS.values())) == len(set(WORDS.values())) == 3


def strings_of(path: Path) -> str:
    """Every character that a module may show."""
    tree = ast.parse(path.read_text("utf-8"))
    return "".join(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("path", sorted(FONTS.glob("*.ttf")), ids=lambda path: path.name)
@pytest.mark.usefixtures("qapp")
def test_the_shipped_font_has_every_sign_that_is_shown(path: Path) -> None:
    font = QRawFont(str(path), BASE_PX)
    assert font.isValid()
    shown = {sign for module in FOLDER.glob("*.py") for sign in strings_of(module)}
    absent = {sign for sign in shown if sign.isprintable() and not sign.isspace()}
    absent = {sign for sign in absent if not font.supportsCharacter(ord(sign))}
    assert not absent


def test_the_licence_of_the_font_is_shipped_with_it() -> None:
    assert "SIL Open Font License" in (FONTS / "OFL.txt").read_text("utf-8")
