"""What a device says beside samples: recorded as it comes, and handed on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stimloop_hw.messages import Decided, Event, Refused, Status
from stimloop_hw.vocabulary import EventCode

if TYPE_CHECKING:
    from stimloop.seams import Log, Wire


@dataclass(slots=True)
class Notices:
    """What came since the step before.

    Attributes
    ----------
    statuses : list of Status
    refused : set of int
        Numbers of the orders that were refused.
    decided : list of Decided
        By a loop on the device.
    events : list of Event
    """

    statuses: list[Status] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    decided: list[Decided] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def heed(wire: Wire, log: Log, steps: int) -> Notices:
    """Take what has arrived, and log it.

    Statuses are logged last. A record keeps them in a stream of their own, so that their place
    among what came with them is not known to a replay.

    Parameters
    ----------
    wire : Wire
    log : Log
    steps : int
        Steps finished.
    """
    heard = Notices()
    while wire.notices:
        notice = wire.notices.popleft()
        match notice:
            case Status():
                heard.statuses.append(notice)
            case Decided():
                heard.decided.append(notice)
            case Refused():
                heard.refused.add(notice.order)
                log.event(
                    steps,
                    wire.t_us,
                    "refused",
                    order=notice.order,
                    code=notice.reason,
                    detail=notice.detail,
                )
            case Event():
                heard.events.append(notice)
                known = notice.code in EventCode.__members__.values()
                log.event(
                    steps,
                    notice.t_us,
                    "device",
                    code=notice.code,
                    detail=notice.arg,
                    text=EventCode(notice.code).name.lower() if known else "",
                )
    for status in heard.statuses:
        log.status(steps, status)
    return heard
