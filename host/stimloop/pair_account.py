"""What a generator has been asked to deliver, as a status tells it.

A generator that measures nothing cannot tell what it delivered: these are its orders as it
quantised them, of trains that it confirmed, cut off where one was aborted. What one measures
of a train takes their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.messages import Status
from stimloop_hw.vocabulary import Lead

if TYPE_CHECKING:
    from stimloop_hw.generator import Measured, Played, Train
    from stimloop_hw.messages import Setpoint
    from stimloop_hw.vocabulary import State

OPEN_PART = 20
"""Where less than this part of a current flows, the lead is open."""


class Account:
    """Pulses and charge of all trains.

    Attributes
    ----------
    playing : bool
        Whether a train was begun and not ended.
    """

    def __init__(self) -> None:
        self._played: Played | None = None
        self._ordered_ua = 0
        self._quantised_ua = 0
        self._pulses = 0
        self._programmed_pc = 0
        self._delivered_pc = 0
        self._i2t_ua2_us = 0
        self._lead = Lead(0)
        # The latest train that has ended, as it was counted: pulses, ordered, quantised.
        self._counted: tuple[Train, int, int, int] | None = None

    @property
    def playing(self) -> bool:
        """Whether a train was begun and not ended."""
        return self._played is not None

    def begin(self, played: Played, order: Setpoint, load_ohm: int) -> None:
        """A train has begun."""
        self._played = played
        self._ordered_ua = order.amplitude_ua
        amplitude = abs(played.train.amplitude)
        self._quantised_ua = amplitude * 1000 // load_ohm if load_ohm else amplitude

    def end_if_over(self, now_ns: int) -> None:
        """Count a train whose last pulse has been, by the generator's clock."""
        if self._played is not None:
            over_ns = self._played.last_ns + 1000 * self._played.train.duration_us
            if now_ns >= over_ns:
                self.end(over_ns)

    def end(self, now_ns: int) -> None:
        """Count a train that ends now: the pulses that it has begun."""
        if self._played is None:
            return
        train, begun_ns = self._played.train, self._played.last_ns
        self._played = None
        since_us = max(0, now_ns - begun_ns) // 1000
        pulses = min(train.pulses, -(-since_us // train.period_us))
        self._counted = train, pulses, self._ordered_ua, self._quantised_ua
        self._count(*self._counted)

    def correct(self, measured: Measured) -> None:
        """Let what was measured of a train that has ended take the place of what was asked."""
        if self._played is not None and self._played.train == measured.train:
            self.end(self._played.last_ns + 1000 * measured.train.duration_us)
        if self._counted is None or self._counted[0] != measured.train:
            return
        train, pulses, ordered_ua, quantised_ua = self._counted
        self._counted = None
        self._count(train, -pulses, ordered_ua, quantised_ua)
        came_ua = abs(measured.amplitude)
        self._count(train, measured.pulses, ordered_ua, came_ua)
        self._lead = Lead(0)
        if measured.difference:
            is_open = came_ua * OPEN_PART < abs(train.amplitude)
            self._lead = Lead.OPEN if is_open else Lead.COMPLIANCE

    def _count(self, train: Train, pulses: int, ordered_ua: int, came_ua: int) -> None:
        self._pulses += pulses
        self._programmed_pc += pulses * ordered_ua * train.width_us
        self._delivered_pc += pulses * came_ua * train.width_us
        self._i2t_ua2_us += pulses * came_ua**2 * train.width_us

    def status(
        self, t_us: int, state: State, program_crc: int, order: Setpoint, left_ms: int
    ) -> Status:
        """All that as a message.

        Parameters
        ----------
        t_us : int
            Device time, µs.
        state : State
        program_crc : int
        order : Setpoint
            The latest.
        left_ms : int
            What is left of the train in play, which is the lease, ms.
        """
        now_ua = self._quantised_ua if self.playing else 0
        return Status(
            t_us=t_us,
            state=state,
            faults=0,
            lead=self._lead,
            program_crc=program_crc,
            group=0,
            last_sp=order.sp,
            setpoint_ua=order.amplitude_ua,
            amplitude_ua=now_ua,
            delivered_ua=now_ua,
            period_us=order.period_us,
            pulses=self._pulses & 0xFFFFFFFF,
            programmed_nc=self._programmed_pc // 1000,
            delivered_nc=self._delivered_pc // 1000,
            net_fc=0,
            i2t_ua2_us=self._i2t_ua2_us,
            lease_left_ms=left_ms,
            received=0,
            damaged=0,
            foreign=0,
            bad_tags=0,
            repeated=0,
            stale=0,
            refused=0,
            samples_dropped=0,
        )
