"""Draw the README's picture: half a minute of adaptive stimulation on the simulated patient.

python benchmarks/picture.py
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import stimloop
from stimloop import figures
from stimloop import prescription as prescriptions
from stimloop.demo import prescription_text

PICTURE = Path(__file__).parent.parent / "docs" / "picture.svg"
COLOURS = {
    "ink": "#24292f",
    "grid": "#d8dee4",
    "signal": "#57606a",
    "level": "#0969da",
    "admitted": "#bc4c00",
    "delivered": "#24292f",
    "limit": "#cf222e",
}


def main() -> None:
    """Run a session and draw its middle."""
    text = prescription_text("adaptive", 1.6)
    with tempfile.TemporaryDirectory() as folder:
        directory = stimloop.run_session(
            prescriptions.loads(text),
            "sim://dbs?patient=default&seed=4",
            seconds=60,
            directory=Path(folder) / "record",
        )
        drawing = figures.excerpt(stimloop.Record.open(directory))
    drawing = re.sub(r"var\(--(\w+)\)", lambda name: COLOURS[name[1]], drawing)
    PICTURE.write_text(drawing + "\n", "utf-8")


if __name__ == "__main__":
    main()
