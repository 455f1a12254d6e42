"""The station: the process that holds the device, and what others ask of it.

::

    requests    what may be asked, and the replies: one table, JSON on the wire
    ring        what it shows: samples, steps, events, sweeps and a snapshot in shared memory
    client      `Station`: how an app or a script asks and looks
    audit       who did what when, in rows that cannot be edited unseen
    server      the loop: one thread, STOP before all else, then requests, then one step
"""

from stimloop.station.client import Station
from stimloop.station.errors import AuditBroken, StationError
from stimloop.station.requests import Phase, Reply, Request, Snapshot

__all__ = ["AuditBroken", "Phase", "Reply", "Request", "Snapshot", "Station", "StationError"]
