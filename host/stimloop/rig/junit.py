"""What came of a run, as JUnit XML, which continuous integration reads."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stimloop.rig.evidence import Row

_ELEMENTS = {"broken": "failure", "undecided": "error", "cannot": "skipped"}


def junit(rows: Sequence[Row], utc: str) -> str:
    """Write the document.

    Parameters
    ----------
    rows : sequence of Row
    utc : str
        Time of the run, ISO 8601.
    """
    root = ET.Element("testsuites", name="stimloop rig")
    for suite in dict.fromkeys(row.suite for row in rows):
        own = [row for row in rows if row.suite == suite]
        element = ET.SubElement(root, "testsuite", name=suite, tests=str(len(own)))
        element.set("timestamp", utc)
        element.set("time", f"{sum(row.seconds for row in own):.3f}")
        for verdict, count in (("broken", "failures"), ("undecided", "errors")):
            element.set(count, str(sum(row.verdict == verdict for row in own)))
        element.set("skipped", str(sum(row.verdict == "cannot" for row in own)))
        for row in own:
            case = ET.SubElement(
                element, "testcase", classname=suite, name=row.name, time=f"{row.seconds:.3f}"
            )
            if row.verdict in _ELEMENTS:
                ET.SubElement(case, _ELEMENTS[row.verdict], message=row.said)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"
