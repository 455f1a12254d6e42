"""What can go wrong on the way to a device.

::

    StimloopError
     ├─ LinkError            the port, the frame or the peer      (also OSError)
     │   ├─ LinkLost         it was there and is gone: unplugged, silent, not reading
     │   ├─ WrongKey         the device does not accept our key, or we must not use it
     │   ├─ WrongPeer        something else answers, or nothing that we understand
     │   └─ UnknownState     a device without checks may do something else than it was told
     ├─ OrderRefused         the device said no                   .reason, .detail
     └─ TrainRefused         a generator cannot do it, and was not asked

Every text says what was asked, what is allowed and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.groups import place_name

if TYPE_CHECKING:
    from stimloop_hw.vocabulary import Refusal


class StimloopError(Exception):
    """Root of everything stimloop refuses or fails at."""


class LinkError(StimloopError, OSError):
    """The link to a device cannot be made or kept."""


class LinkLost(LinkError):
    """The device stopped answering: unplugged, switched off, or not reading."""


class WrongKey(LinkError):
    """The device and we do not trust each other."""


class WrongPeer(LinkError):
    """What answers is no SL1 device of our message table."""


class UnknownState(LinkError):
    """A generator did not answer as it should: what it does now nobody knows. Stop it."""


class TrainRefused(StimloopError):
    """A pulse generator cannot represent a train, or must not play it; nothing was sent."""


class OrderRefused(StimloopError):
    """The device refused an order.

    Parameters
    ----------
    order : str
        Name of the refused message.
    reason : Refusal
        Why, in the device's words.
    detail : int
        The parameter, state or value the refusal is about; see `Refusal`.
    program : int
        1 + the place of the program that it is about, 0 for none in particular.
    """

    def __init__(self, order: str, reason: Refusal, detail: int, program: int = 0) -> None:
        about = f"program {place_name(program - 1)}: " if program else ""
        super().__init__(f"the device refused {order}: {about}{reason.sentence(detail)}")
        self.order = order
        self.reason = reason
        self.detail = detail
