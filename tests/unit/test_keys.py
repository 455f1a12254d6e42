"""Where keys come from, and what is refused there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from stimloop_hw.errors import StimloopError
from stimloop_hw.keys import DEVELOPMENT_KEY, KEY_SIZE, KeyRefused, find_key, read_key

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "device.key"
    path.write_text(text, "ascii")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper(), f"  {KEY.hex()}\r\n"])
def test_a_private_file_of_64_digits_is_a_key(tmp_path: Path, text: str) -> None:
    assert read_key(key_file(tmp_path, text)) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(
    tmp_path: Path, mode: int
) -> None:
    path = key_file(tmp_path, KEY.hex(), mode)
    with pytest.raises(KeyRefused, match=f"open to others .* chmod 600 {path}"):
        read_key(path)


@pytest.mark.parametrize(
    "text",
    ["", KEY.hex()[:-2], KEY.hex() + "00", KEY.hex()[:-1] + "g", "00 " * 32, "ü" * 64],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "device.key"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match="holds no key of 32 bytes") as refused:
        read_key(path)
    assert KEY.hex()[:8] not in str(refused.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(KeyRefused, match="cannot be read"):
            read_key(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="cannot be read"):
        read_key(key_file(tmp_path, KEY.hex(), 0o200))


def test_the_file_comes_before_the_environment_and_that_before_the_public_key(
    tmp_path: Path,
) -> None:
    environment = {"STIMLOOP_KEY": KEY[::-1].hex()}
    assert find_key(key_file(tmp_path, KEY.hex()), environment) == KEY
    assert find_key(None, environment) == KEY[::-1]
    assert find_key(None, {}) == DEVELOPMENT_KEY
    with pytest.raises(KeyRefused, match="variable STIMLOOP_KEY holds no key") as refused:
        find_key(None, {"STIMLOOP_KEY": "secret"})
    assert "secret" not in str(refused.value)


def test_the_development_key_is_a_key_and_a_refusal_is_one_of_ours() -> None:
    assert len(DEVELOPMENT_KEY) == KEY_SIZE
    assert issubclass(KeyRefused, StimloopError)
    assert issubclass(KeyRefused, ValueError)
