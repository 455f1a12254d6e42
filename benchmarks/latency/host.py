"""The session as it is, over a tty: link, detector, controller, governor, signatures, record.

python benchmarks/latency/host.py PORT [RECORD]

Without RECORD it writes none: what a record costs is the difference. One thing is not as it is:
every tick sends its setpoint, as if the one before had been lost. Otherwise only those would be
answered that change the order.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stimloop import assembly, prescription
from stimloop.demo import prescription_text
from stimloop.programming import program_device
from stimloop.recorder import Recorder
from stimloop.session import Session
from stimloop_hw import Link, StimloopError
from stimloop_hw.keys import DEVELOPMENT_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

THRESHOLD_UV = 1.7


class NoRecord:
    """A log that keeps nothing."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


class Answering(Session):
    """A session that answers every block with a setpoint."""

    def step(self) -> object:  # type: ignore[override]
        """Take one block through to an order, which is always sent."""
        self._lost = True
        return super().step()


def main() -> None:
    """Run until the tty is gone."""
    text = prescription_text("adaptive", THRESHOLD_UV)
    asked = prescription.loads(text)
    with Link.open(sys.argv[1], key=DEVELOPMENT_KEY) as link:
        identity = link.hello()
        limits = link.limits()
        group = program_device(link, asked, limits)
        description = {
            "url": sys.argv[1],
            "identity": identity,
            "limits": limits,
            "prescription": asked.source,
            "utc": datetime.now(UTC).isoformat(),
            "device_us": link.t_us,
            "tick_us": assembly.tick_us(asked, limits),
            "rate_hz": limits.sense_rate_hz,
            "channels": 1,
            "clock": asdict(link.clock.estimate),
        }
        record = sys.argv[2:]
        kept = Recorder.create(record[0], description) if record else nullcontext(NoRecord())
        with kept as log:
            link.stream(1, limits.sense_rate_hz, limits.sense_block)
            session = Answering(link, asked, limits, group, log)
            try:
                while session.step() is not None:
                    pass
            except StimloopError:
                pass  # the tty is gone: the measurement is over


if __name__ == "__main__":
    main()
