"""Every obligation, in the order in which they are asked."""

from stimloop.rig.suites import (  # noqa: I001  the order is that of `Suite`
    identity,
    streaming,
    orders,
    pulses,
    limits,
    lease,
    stop,
    faults,
    timing,
    generators,
    amplifiers,
)

__all__ = [
    "amplifiers",
    "faults",
    "generators",
    "identity",
    "lease",
    "limits",
    "orders",
    "pulses",
    "stop",
    "streaming",
    "timing",
]
