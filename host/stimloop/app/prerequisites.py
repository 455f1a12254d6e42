"""Whether Qt can be used here, and what to do where it cannot; imports it, and nothing else."""

from __future__ import annotations

import importlib
import re

PACKAGES = ("PySide6.QtWidgets", "pyqtgraph", "tomli_w")
INSTALL = "pip install 'stimloop[app]'"
LIBRARIES: dict[str, str] = {
    "libGL.so": "libgl1",
    "libEGL.so": "libegl1",
    "libxkbcommon.so": "libxkbcommon0",
    "libglib-2.0.so": "libglib2.0-0",
    "libgthread-2.0.so": "libglib2.0-0",
    "libfreetype.so": "libfreetype6",
    "libfontconfig.so": "libfontconfig1",
    "libdbus-1.so": "libdbus-1-3",
}
"""Of each shared object that Qt needs, the Debian package that has it."""


def missing() -> str:
    """Say what is missing and how to install it; empty if nothing is."""
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as problem:
            return f"the programmer needs {problem.name}, which is not installed: {INSTALL}"
        except ImportError as problem:
            return _of_library(str(problem))
    return ""


def _of_library(problem: str) -> str:
    found = re.search(r"(lib[\w.+-]+?\.so)[.\d]*: cannot open shared object", problem)
    if found is None:
        return f"Qt cannot be loaded ({problem}); install it again: {INSTALL}"
    packages = " ".join(sorted(set(LIBRARIES.values())))
    return (
        f"Qt needs {found[1]}, which this system has not; on Debian, as root: "
        f"apt-get install {LIBRARIES.get(found[1], packages)}. All that it needs: {packages}"
    )
