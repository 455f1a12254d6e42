"""What can go wrong at a station itself; what the device says keeps its own errors."""

from stimloop_hw import StimloopError


class StationError(StimloopError):
    """A station cannot be started, reached, or is another release's."""


class AuditBroken(StimloopError):
    """A row of the audit log is not what was written: edited, torn, or taken out."""
