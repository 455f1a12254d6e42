"""Columns of a trial's results, for docs/trials.md.

python -m benchmarks.trial_columns            prints the tables
python -m benchmarks.trial_columns --write    and puts them into docs/trials.md
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from stimloop_lab.measures import markdown
from stimloop_lab.outcome import Outcome
from stimloop_lab.therapies import THERAPIES
from stimloop_sim.patients import FAMILIES

PAGE = Path(__file__).parent.parent / "docs" / "trials.md"


def tables() -> dict[str, str]:
    """Every table by its heading in the page."""
    found = {f"### {FAMILIES[key].therapy}": t.outcome for key, t in THERAPIES.items()}
    found |= {"### every therapy": Outcome}
    return {
        heading[:4] + heading[4:].capitalize(): markdown(outcome)
        for heading, outcome in found.items()
    }


def main() -> None:
    """Print the tables, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    text = PAGE.read_text("utf-8")
    for heading, table in tables().items():
        print(f"{heading}\n\n{table}")
        place = re.compile(rf"({re.escape(heading)}\n\n)(?:\|.*\n)*\n?")
        assert place.search(text), heading
        text = place.sub(lambda found, table=table: found[1] + table + "\n", text)  # type: ignore[misc]
    if parser.parse_args().write:
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
