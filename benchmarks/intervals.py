"""A mean and its interval, as the pages print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable


def interval(values: Iterable[float], form: str = ".2f") -> str:
    """Mean over seeds and its bootstrapped 95 % interval."""
    found = np.array(list(values))
    rng = np.random.default_rng(0)
    means = rng.choice(found, (10_000, found.size)).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5)).tolist()
    return f"{found.mean():{form}} ({low:{form}}, {high:{form}})"
