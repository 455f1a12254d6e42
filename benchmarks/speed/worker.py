"""Times contenders on request, one request a line on standard input.

``make NAME CHANNELS ROWS`` builds a contender and answers with the cost of its first call, ns;
``time SLICE_MS`` answers with the cost of a call, ns, over about that time; ``memory`` with the
process's greatest resident size, KiB. Each library has a worker in an environment of its own,
so this file imports nothing but Python and the contender.
"""

from __future__ import annotations

import importlib
import resource
import sys
import time
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def spent_ns(push: Callable[[object], object], block: object, calls: int) -> int:
    """CPU time of so many calls, ns, without the loop around them."""
    start = time.process_time_ns()
    for _ in repeat(None, calls):
        pass
    loop = time.process_time_ns() - start
    start = time.process_time_ns()
    for _ in repeat(None, calls):
        push(block)
    return time.process_time_ns() - start - loop


def main() -> None:
    """Answer until the input ends."""
    sys.path.insert(0, str(Path(__file__).parent))
    push: Callable[[object], object]
    block: object
    first_ns = 1
    for line in sys.stdin:
        match line.split():
            case ["make", name, channels, rows]:
                contender = importlib.import_module(f"contenders.{name}")
                push, block = contender.make(int(channels), int(rows))
                push(block)
                first_ns = max(1, spent_ns(push, block, 1))
                # A first call may compile or fill caches: let the calls settle.
                calls = max(1, 1_000_000 // first_ns)
                first_ns = max(1, spent_ns(push, block, calls) // calls)
                answer = float(first_ns)
            case ["time", slice_ms]:
                calls = max(1, int(float(slice_ms) * 1e6 / max(1, first_ns)))
                answer = spent_ns(push, block, calls) / calls
                first_ns = max(1, int(answer))
            case _:
                answer = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
