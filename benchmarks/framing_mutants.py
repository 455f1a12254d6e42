"""Mutants of the framing, which is compiled: mutmut sees Python alone.

python -m benchmarks.framing_mutants [--only TEXT]

Changes `stimloop_hw/_framing.pyx` in one place at a time, builds it in a copy of the package,
and runs tests/unit/test_framing.py on it. Prints every mutant that no test noticed, and ends
with status 1 if there is one that EQUIVALENT does not explain. A few seconds for each.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
MODULE = "_framing"
LONGEST_S = 60
"""A mutant that takes longer goes round in circles: noticed."""
SWAPS = (
    *(("<=", "<"), (">=", ">"), ("==", "!="), ("!=", "==")),
    *((" < ", " <= "), (" > ", " >= "), (" + ", " - "), (" - ", " + ")),
    *((" << ", " >> "), (" >> ", " << "), (" & ", " | "), (" | ", " & "), (" ^ ", " | ")),
    *((" and ", " or "), (" or ", " and "), (" += ", " -= "), (" not in ", " in ")),
    *(("True", "False"), ("False", "True"), (" not ", " ")),
)
NUMBER = re.compile(r"\b(0x[0-9A-Fa-f]+|\d+)\b")
EQUIVALENT: dict[tuple[str, str], str] = {
    ("OPEN_LAST = 0x0F", "OPEN_LAST = 16"): "10h is Stop, which any two ends can read anyway",
    ("for n in range(256):", "for n in range(257):"): "nobody reads the entry behind the last",
}
"""(line, changed line) → why no test can tell."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes
    ----------
    line : int
        Number of the line, from 1.
    before, after : str
        The line, stripped.
    source : str
        The whole module with the change.
    """

    line: int
    before: str
    after: str
    source: str


def code_lines(source: str) -> Iterator[tuple[int, str]]:
    """Lines that decide something: no comment, docstring, message, declaration or import."""
    in_text = False
    for number, line in enumerate(source.splitlines()):
        quotes = line.count('"""')
        if in_text or quotes:
            in_text ^= quotes == 1
            continue
        bare = line.split("#", 1)[0].strip()
        said = bare.startswith(('f"', "raise ", "return (f", "import", "from", "cimport", "@"))
        if bare and not said:
            yield number, line


def mutants(source: str) -> Iterator[Mutant]:
    """Every change of an operator, a constant or a truth value, and every line left out."""
    lines = source.splitlines()
    for number, line in code_lines(source):
        code = line.split("#", 1)[0]
        changed = {
            code[: at.start()] + after + code[at.end() :]
            for before, after in SWAPS
            for at in re.finditer(re.escape(before), code)
        }
        declared = re.match(r"\s*cdef [\w ]+\[", code)
        for at in () if declared else NUMBER.finditer(code):
            more = str(int(at.group(), 0) + 1)
            changed.add(code[: at.start()] + more + code[at.end() :])
        if re.match(r"\s+[\w.\[\] +]+ (?:[-+|^&]|<<|>>)?= ", code) and "cdef" not in code:
            changed.add(code[: len(code) - len(code.lstrip())] + "pass")
        for other in sorted(changed):
            whole = "\n".join([*lines[:number], other, *lines[number + 1 :]]) + "\n"
            yield Mutant(number + 1, line.strip(), other.strip(), whole)


def is_noticed(mutant: Mutant, folder: Path) -> bool:
    """Whether the mutant does not build, or a test fails, crashes or never ends."""
    module = folder / "stimloop_hw" / MODULE
    module.with_suffix(".pyx").write_text(mutant.source, "utf-8")
    include = sysconfig.get_path("include")
    library = f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"
    for build in (
        ["cython", "-3", f"{module}.pyx"],
        ["gcc", "-shared", "-fPIC", "-w", f"-I{include}", "-o", library, f"{module}.c"],
    ):
        if subprocess.run(build, cwd=folder, capture_output=True, check=False).returncode:
            return True
    test = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*test, "tests/unit/test_framing.py"],
            cwd=folder,
            env=env,
            capture_output=True,
            check=False,
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main() -> int:
    """Print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="lines with this text")
    options = parser.parse_args()
    source = (ROOT / "hardware" / "stimloop_hw" / f"{MODULE}.pyx").read_text("utf-8")
    asked = [mutant for mutant in mutants(source) if options.only in mutant.before]
    strange = 0
    with tempfile.TemporaryDirectory(prefix="stimloop-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "hardware" / "stimloop_hw", folder / "stimloop_hw")
        shutil.copytree(ROOT / "tests", folder / "tests")
        shutil.copy(ROOT / "pyproject.toml", folder)
        unchanged = Mutant(0, "", "", source)
        if is_noticed(unchanged, folder):
            print("the tests fail on the module as it is")
            return 2
        for mutant in asked:
            if is_noticed(mutant, folder):
                continue
            why = EQUIVALENT.get((mutant.before, mutant.after), "")
            strange += not why
            print(f"{mutant.line}: {mutant.before}  =>  {mutant.after}  {why}", flush=True)
    print(f"{len(asked)} mutants, {strange} that no test noticed and nothing explains")
    return 1 if strange else 0


if __name__ == "__main__":
    sys.exit(main())
