from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stimloop_hw.messages import MESSAGES, TABLE_CRC
from stimloop_hw.protocol import ENUMS, c_header, markdown

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_protocol_page_is_the_message_table() -> None:
    assert PAGE.read_text("utf-8") == markdown(), (
        "the table has changed: print docs/protocol.md again with stimloop protocol --markdown"
    )


def test_the_page_names_every_message_and_every_number() -> None:
    page = markdown()
    for number, kind in MESSAGES.items():
        assert f"| {number:02X} | {kind.__name__} |" in page
    for enum in ENUMS:
        for member in enum:
            assert f"| {member.value} | {member.name} |" in page


def test_the_c_header_compiles_and_has_the_tables_sizes(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    (tmp_path / "sl1.h").write_text(c_header(), "utf-8")
    sized = [(n, kind) for n, kind in sorted(MESSAGES.items()) if kind.layout.size]
    rows = "".join(
        f'    printf("%x %zu\\n", SL1_{kind.__name__.upper()}, '
        f"sizeof(sl1_{kind.__name__.lower()}_t));\n"
        for _, kind in sized
    )
    (tmp_path / "sizes.c").write_text(
        '#include <stdio.h>\n#include "sl1.h"\n#include "sl1.h"\n'
        f'int main(void) {{\n    printf("%x\\n", SL1_TABLE_CRC);\n{rows}    return 0;\n}}\n',
        "utf-8",
    )
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
    program = tmp_path / "sizes"
    subprocess.run(
        [compiler, *flags, "-o", program, tmp_path / "sizes.c"], check=True, timeout=60
    )
    told = subprocess.run([program], check=True, capture_output=True, text=True, timeout=10)
    expected = [f"{TABLE_CRC:x}", *(f"{n:x} {kind.layout.size}" for n, kind in sized)]
    assert told.stdout.splitlines() == expected
