"""Every biomarker beside its truth: the page docs/biomarkers.md.

    STIMLOOP_RECORDINGS=… python benchmarks/biomarkers.py             prints the page
    STIMLOOP_RECORDINGS=… python benchmarks/biomarkers.py --write     and writes it
    STIMLOOP_RECORDINGS=… python benchmarks/biomarkers.py rcs heart   prints these sections

Every number is measured by the functions in benchmarks/validation, which the tests call too.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from pathlib import Path

import numpy as np
import scipy

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "biomarkers.md"
SECTIONS = (
    "latency",
    "scorecard",
    "frontier",
    "bursts",
    "artefacts",
    "rcs",
    "fleming",
    "ecap",
    "heart",
)
HEAD = """\
# Biomarkers, measured

Made by `python benchmarks/biomarkers.py --write` from the recordings that `STIMLOOP_RECORDINGS`
names, and from simulated signals with fixed seeds. The tests assert the targets on the same
functions. Python {python}, NumPy {numpy}, SciPy {scipy}, {machine}; but for compute times the
values do not depend on the machine. One recording of each kind is a check, not a population; no
clinical claim.
"""


def main() -> None:
    """Print the page, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    folder = os.environ.get("STIMLOOP_RECORDINGS")
    if folder is None:
        parser.error("STIMLOOP_RECORDINGS, the folder of recordings, is not set")
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(unknown)}; choose {', '.join(SECTIONS)}")
    if options.write and options.sections:
        parser.error("the page is written whole; leave the sections out")
    sys.path.insert(0, str(ROOT))
    parts = [
        HEAD.format(
            python=platform.python_version(),
            numpy=np.__version__,
            scipy=scipy.__version__,
            machine=platform.machine(),
        )
    ]
    for name in options.sections or SECTIONS:
        print(f"{name} …", file=sys.stderr)
        section = importlib.import_module(f"benchmarks.validation.{name}").section
        parts.append(section(Path(folder)).strip() + "\n")
    page = "\n".join(parts)
    if options.write:
        PAGE.write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
