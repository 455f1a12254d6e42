"""Prints how often a million steps of each kernel call the allocator; started by goals.py."""

from __future__ import annotations

import ctypes
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop_dsp import BetaBank, Decimator, PackedLayout, SlidingDft

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 1_000_000


def main() -> None:
    """Count, beside a million calls that do nothing."""
    allocations = ctypes.CDLL(None).allocations
    allocations.restype = ctypes.c_ulong
    bank = BetaBank(1000, 10, order=4, channels=16)
    dft = SlidingDft(1000, channels=16)
    decimator = Decimator(24_000, 24, channels=16)
    packed = PackedLayout(2, "i24be", 0.02)
    out = np.zeros((1, 16), np.int32)
    steps: dict[str, tuple[Callable[[Any], object], object]] = {
        "nothing": (lambda _: None, None),
        "BetaBank.push": (bank.push, np.zeros((1, 16), np.float32)),
        "BetaBank.push_bytes": (lambda f: bank.push_bytes(f, packed), bytes(50)),
        "SlidingDft.push": (dft.push, np.zeros((1, 16))),
        "Decimator.push": (
            lambda block: decimator.push(block, out),
            np.zeros((24, 16), np.int16),
        ),
    }
    counts = dict.fromkeys(steps, 0)
    for name, (push, block) in steps.items():
        push(block)
        before = allocations()
        for _ in repeat(None, STEPS):
            push(block)
        counts[name] = allocations() - before
    # The hook is in place: a new array is an allocation.
    before = allocations()
    kept = [np.zeros(1000) for _ in range(1000)]
    assert allocations() - before >= len(kept)
    nothing = counts.pop("nothing")  # the harness's own
    for name, count in counts.items():
        print(name, count - nothing)


if __name__ == "__main__":
    main()
