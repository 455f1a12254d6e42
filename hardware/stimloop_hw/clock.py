"""The device's clock as the host knows it: an offset with a bound, from Ping and Pong.

The exchange is that of Cristian (1989, doi 10.1007/BF01784024): the device's stamp lies
somewhere between the host's two, so the middle of the round trip is off by half of it at most.
Two crystals drift apart by no more than `DRIFT_PPM`, other oscillators by what is assumed of
them, so an older exchange is good for a little less; the tightest of all is the bound (Marzullo
& Owicki 1983, doi 10.1145/1167549.1167552, intersect intervals in this way). No decision
depends on it: it belongs to the report.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter_ns

DRIFT_PPM = 100
"""Two quartz clocks differ by less."""
WINDOW = 60
"""Exchanges that are remembered; one per second."""
FITTED_US = 10_000_000
"""Over a shorter time no drift is told from the jitter."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    host_us: float  # middle of the round trip, less what the device took to answer
    offset_us: float  # device's clock less the host's
    half_us: float  # half the round trip


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """Device time of a host time: ``host_us + offset_us``, give or take ``bound_us``.

    Attributes
    ----------
    offset_us : float
        At the latest exchange, µs.
    bound_us : float
        The offset is at most so far from the truth, if the clocks drift apart by no more than
        was assumed; infinite before the first exchange. µs.
    drift_ppm : float
        Of the device's clock against the host's, within what was assumed; 0 where it cannot be
        told yet.
    exchanges : int
        That the estimate rests on.
    jumps : int
        How often the clocks moved against each other faster than crystals can (a host that was
        suspended; a simulation that runs faster than time): each forgets what was known.
    """

    offset_us: float
    bound_us: float
    drift_ppm: float
    exchanges: int
    jumps: int

    def utc(self, device_us: int) -> datetime:
        """UTC of a device time, give or take `bound_us` and what the host's own clock is off.

        Parameters
        ----------
        device_us : int
            Device time, µs; of a device whose exchanges were stamped by `perf_counter_ns`.
        """
        since_us = perf_counter_ns() / 1000 - (device_us - self.offset_us)
        return datetime.now(UTC) - timedelta(microseconds=since_us)


class DeviceClock:
    """Gathers exchanges.

    Parameters
    ----------
    most_ppm : int
        How fast the two clocks drift apart at most, ppm.

    Attributes
    ----------
    estimate : ClockEstimate
    """

    def __init__(self, most_ppm: int = DRIFT_PPM) -> None:
        self.estimate = ClockEstimate(0.0, float("inf"), 0.0, 0, 0)
        self._exchanges: deque[_Exchange] = deque(maxlen=WINDOW)
        self._jumps = 0
        self._most = most_ppm * 1e-6

    def push(
        self, sent_ns: int, arrived_ns: int, received_us: int, answered_us: int
    ) -> ClockEstimate:
        """Take one exchange.

        Parameters
        ----------
        sent_ns, arrived_ns : int
            When Ping left and Pong came, by the host's monotonic clock, ns.
        received_us, answered_us : int
            When Ping came and Pong left, by the device's clock, µs.

        Returns
        -------
        ClockEstimate
        """
        host_us = (sent_ns + arrived_ns) / 2000
        half_us = max(0.0, (arrived_ns - sent_ns) / 1000 - (answered_us - received_us)) / 2
        middle_us = (received_us + answered_us) / 2
        latest = _Exchange(host_us, middle_us - host_us, half_us)
        if not all(self._agree(known, latest) for known in self._exchanges):
            self._exchanges.clear()
            self._jumps += 1
        self._exchanges.append(latest)
        self.estimate = self._estimated(host_us)
        return self.estimate

    def _estimated(self, now_us: float) -> ClockEstimate:
        known = self._exchanges
        # The quarter with the shortest round trips waited least in anybody's queue.
        quarter = sorted(known, key=lambda one: one.half_us)[: max(1, len(known) // 4)]
        drift = self._drift(quarter)
        low_us = max(one.offset_us - self._reach_us(one, now_us) for one in known)
        high_us = min(one.offset_us + self._reach_us(one, now_us) for one in known)
        best = quarter[0]
        fitted_us = best.offset_us + drift * (now_us - best.host_us)
        offset_us = min(max(fitted_us, low_us), high_us)
        bound_us = max(high_us - offset_us, offset_us - low_us)
        return ClockEstimate(offset_us, bound_us, drift * 1e6, len(known), self._jumps)

    def _reach_us(self, one: _Exchange, now_us: float) -> float:
        """How far from an exchange's offset the truth may be by now."""
        return one.half_us + self._most * abs(now_us - one.host_us)

    def _agree(self, one: _Exchange, latest: _Exchange) -> bool:
        apart_us = abs(one.offset_us - latest.offset_us)
        return apart_us <= self._reach_us(one, latest.host_us) + latest.half_us

    def _drift(self, exchanges: list[_Exchange]) -> float:
        """Slope of the offset over time by least squares, within what was assumed."""
        n = len(exchanges)
        times_us = [one.host_us for one in exchanges]
        if max(times_us) - min(times_us) < FITTED_US:
            return 0.0
        time_us = sum(times_us) / n
        offset_us = sum(one.offset_us for one in exchanges) / n
        above = sum((one.host_us - time_us) * (one.offset_us - offset_us) for one in exchanges)
        slope = above / sum((t - time_us) ** 2 for t in times_us)
        return min(max(slope, -self._most), self._most)
