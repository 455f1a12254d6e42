"""The device around its firmware: supply, oscillator, watchdog, and what breaks on schedule.

Its time is the bench's, which goes on while the device is off or its clock is wrong.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

import numpy as np

from stimloop_hw.vocabulary import Fault, ResetCause, SelfTest, StopMode
from stimloop_sim.board import Board
from stimloop_sim.breakdown import StickyConverter, StuckStage
from stimloop_sim.scenario import NEVER_US
from stimloop_sim.states import DELIVERING
from stimloop_sim.tissue import Condition
from stimloop_sim.watchdog import OutputMonitor, Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from stimloop_sim._pulses import PulseTrain
    from stimloop_sim.firmware import Firmware
    from stimloop_sim.scenario import Entry, Scenario

TICK_US = 20_000
"""The firmware kicks its watchdog at least so often."""
CONDITIONS = {
    "lead_open": Condition.OPEN,
    "lead_short": Condition.SHORT,
    "reference_lost": Condition.REFERENCE_LOST,
}
"""What befalls the lead, by kinds of faults; their parameters are its contacts."""
_MILLION = 1_000_000


class Implant:
    """A device with its firmware, on the bench's clock.

    Parameters
    ----------
    power_on : callable (board, cause) -> Firmware
        Starts the firmware; board and front end it is given are the same each time.
    scenario : Scenario
        Its faults of the wire are none of the device's.

    Raises
    ------
    ValueError
        One sentence, if a fault strikes a contact that the device does not have.

    Attributes
    ----------
    firmware : Firmware
        Another one after each reset.
    now_us : int
        The bench's time, µs.
    board : Board
    counts : Counter of str
        Faults that have struck, by kind; for a device that does not listen, bytes lost besides
        (``unheard``).
    """

    def __init__(
        self, power_on: Callable[[Board, ResetCause], Firmware], scenario: Scenario
    ) -> None:
        self.now_us = 0
        self.board = Board()
        self.counts: Counter[str] = Counter()
        self._power_on = power_on
        self._entries = [entry for entry in scenario.entries if entry.on_device]
        self._edges_us = sorted({t for e in self._entries for t in (e.at_us, e.until_us)})
        self._acting: set[int] = set()
        self._struck: set[int] = set()
        self._fraction = 0  # of a bench microsecond, in 1 / (10⁶ + ppm)
        self._ppm = 0
        self._powered = True
        self._hung = False
        self._magnet = False
        self._start(ResetCause.POWER_ON)
        _check_lead(self._entries, self.firmware.tissue.case)
        self._converter = StickyConverter(self.firmware.front_end.source)
        if any(entry.kind == "adc_stuck" for entry in self._entries):
            self.firmware.front_end.source = self._converter
        self._strike()

    def _start(self, cause: ResetCause) -> None:
        self._hung = False
        self._grounded = False
        self._clock_us = 0  # of the device, and how it would go on without a supply
        self.board.watchdog = Watchdog(self.now_us)
        self.board.defects = frozenset(
            SelfTest(entry.values["check"])
            for entry in self._entries
            if entry.kind == "self_test" and entry.acts(self.now_us)
        )
        self.firmware = self._power_on(self.board, cause)
        self.firmware.sense_magnet(present=self._magnet)
        self._monitor = OutputMonitor()

    @property
    def boot(self) -> int:
        """How often it has started."""
        return self.board.journal.boots

    def reset(self, cause: ResetCause) -> None:
        """Start the firmware anew: the output is off, the session is lost."""
        self.firmware.front_end.reset()
        self.firmware.tissue.restart(self._clock_us)
        self._start(cause)
        if any(self._entries[number].kind == "output_stuck" for number in self._acting):
            self._stick()

    def hold_magnet(self, *, present: bool) -> None:
        """Hold a magnet to the device, or take it away; firmware that starts later feels it."""
        self._magnet = present
        if self.runs:
            self.firmware.sense_magnet(present=present)

    @property
    def runs(self) -> bool:
        """Whether there is firmware that runs."""
        return self._powered and not self._hung

    def receive(self, data: bytes) -> None:
        """Take bytes from the wire."""
        if self.runs:
            self.firmware.telemetry.receive(data)
        else:
            self.counts["unheard"] += len(data)

    def take(self) -> bytes:
        """Give all bytes for the wire."""
        return self.firmware.telemetry.outbox.take() if self.runs else b""

    def take_frame(self) -> bytes:
        """Give the most urgent frame for the wire."""
        return self.firmware.telemetry.outbox.take_frame() if self.runs else b""

    def samples_until(self, t_us: int) -> int:
        """Whole sample intervals of the device until a time of the bench."""
        sample_us = self.firmware.front_end.sample_us
        return (t_us - self.now_us) * (_MILLION + self._ppm) // (sample_us * _MILLION)

    def advance(self, samples: int) -> None:
        """Let so many of the device's sample intervals pass."""
        while samples:
            count = min(samples, self._samples_to_edge())
            samples -= count
            if not self._powered:
                self._pass(count, np.zeros(count, np.int32))
            elif self._hung:
                self._stand_still(count)
            else:
                allowed = self.firmware.therapy.state in DELIVERING
                self.firmware.advance(count)
                self._tell_time(count)
                self.board.watchdog.kick(self.now_us)
                if self.firmware.battery.is_empty:
                    self._darken()
                self._watch_output(allowed=allowed)
            self._strike()

    def _samples_to_edge(self) -> int:
        """How far the device runs in one go: a tick, or to the next event of the schedule."""
        if self._hung or isinstance(self.firmware.therapy.pulses, StuckStage):
            return 1  # the output-disable looks at every sample
        edge_us = self._edges_us[0] if self._edges_us else NEVER_US
        step_us = min(TICK_US, edge_us - self.now_us)
        return max(1, -(-step_us // self.firmware.front_end.sample_us))

    def _tell_time(self, samples: int) -> None:
        elapsed_us = samples * self.firmware.front_end.sample_us
        self._clock_us += elapsed_us
        ticks = elapsed_us * _MILLION + self._fraction
        passed_us, self._fraction = divmod(ticks, _MILLION + self._ppm)
        self.now_us += passed_us

    def _watch_output(self, *, allowed: bool) -> None:
        """Compare a tick's pulses with whether they were allowed when it began."""
        therapy = self.firmware.therapy
        if self._monitor.check(therapy.pulses.pulses, allowed=allowed):
            self._stick().grounded = True
            therapy.fail(self.firmware.now_us, Fault.OUTPUT_STUCK)

    def _stand_still(self, samples: int) -> None:
        """The processor hangs: its output stage goes on by itself until it is grounded."""
        firmware = self.firmware
        pulses = firmware.therapy.pulses
        effect = np.zeros(samples, np.int32)
        if not self._grounded:
            sample_us = firmware.front_end.sample_us
            effect = pulses.advance(firmware.now_us, sample_us, samples)
            firmware.now_us += samples * sample_us  # the timer's registers, not a decision
            firmware.drain(samples * sample_us)
        self._pass(samples, effect)
        self._grounded |= self.board.watchdog.must_ground(self.now_us)
        if self.board.watchdog.must_reset(self.now_us):
            self.reset(ResetCause.WATCHDOG)

    def _pass(self, samples: int, effect: npt.NDArray[np.int32]) -> None:
        """Time passes for the tissue; nobody samples it."""
        pulses = self.firmware.therapy.pulses
        source = self.firmware.front_end.source
        left = samples if source.remaining is None else min(samples, source.remaining)
        if left:
            source.sense(effect[:left], pulses.width_us, pulses.period_us)
        self._tell_time(samples)

    # The schedule --------------------------------------------------------------------------

    def _strike(self) -> None:
        """Let faults begin and end that are due."""
        if not self._edges_us or self._edges_us[0] > self.now_us:
            return
        while self._edges_us and self._edges_us[0] <= self.now_us:
            self._edges_us.pop(0)
        for number, entry in enumerate(self._entries):
            if entry.at_us <= self.now_us and number not in self._struck:
                self._struck.add(number)
                self.counts[entry.kind] += 1
                self._begin(number, entry)
            if entry.until_us <= self.now_us and number in self._acting:
                self._acting.remove(number)
                self._end(entry)

    def _begin(self, number: int, entry: Entry) -> None:
        match entry.kind:
            case "hang":
                self._hung = True
                return
            case "memory_flip":
                self.firmware.therapy.store.flip(entry.values["bit"])
                return
            case "battery_collapse":
                self.firmware.battery.collapse(entry.values["left_permille"])
                if self.firmware.battery.is_empty:
                    self._darken()
                return
            case "self_test":
                return  # found at the next power-on
            case "clock_drift":
                self._ppm = entry.values["ppm"]
                self._fraction = 0
            case "brown_out":
                self._darken()
            case "output_stuck":
                self._stick()
            case "adc_stuck":
                self._freeze(stuck=True)
            case _:
                self._befall(entry)
        self._acting.add(number)

    def _end(self, entry: Entry) -> None:
        if entry.kind in CONDITIONS:
            self._mend_lead()
            return
        if any(self._entries[number].kind == entry.kind for number in self._acting):
            return  # another one of its kind goes on
        match entry.kind:
            case "clock_drift":
                self._ppm = self._fraction = 0
            case "brown_out":
                if not self.firmware.battery.is_empty:
                    self._powered = True
                    self.reset(ResetCause.BROWN_OUT)
            case "output_stuck":
                self._loosen()
            case "magnet":
                self.hold_magnet(present=False)
            case _:
                self._freeze(stuck=False)

    def _befall(self, entry: Entry) -> None:
        """What comes from outside: a magnet, or harm to the lead."""
        if entry.kind == "magnet":
            self.hold_magnet(present=True)
        else:
            self._damage_lead(entry)

    def _damage_lead(self, entry: Entry) -> None:
        contacts = entry.values.values()
        self.firmware.tissue.apply(self._clock_us, CONDITIONS[entry.kind], *contacts)

    def _mend_lead(self) -> None:
        """Repair the lead, but for what else is wrong with it."""
        self.firmware.tissue.repair(self._clock_us)
        for number in sorted(self._acting):
            if self._entries[number].kind in CONDITIONS:
                self._damage_lead(self._entries[number])

    def _freeze(self, *, stuck: bool) -> None:
        """Let every converter stick at its last value, or come loose."""
        self._converter.stuck = stuck
        for channel in self.firmware.front_end.evoked:
            channel.stuck = stuck

    def _darken(self) -> None:
        """The supply is gone: output stage and firmware with it."""
        self._powered = False
        self.firmware.therapy.pulses.stop(self.firmware.now_us)

    def _stick(self) -> StuckStage:
        """Take the output stage out of the firmware's hands."""
        therapy = self.firmware.therapy
        if not isinstance(therapy.pulses, StuckStage):
            therapy.pulses = cast("PulseTrain", StuckStage(therapy.pulses))
        return cast("StuckStage", therapy.pulses)

    def _loosen(self) -> None:
        """The stage obeys again; orders that it has not heard are void, so it stops."""
        therapy = self.firmware.therapy
        therapy.pulses = cast("StuckStage", therapy.pulses).stage
        therapy.stop(self.firmware.now_us, StopMode.GROUND)


def _check_lead(entries: Iterable[Entry], case: int) -> None:
    for entry in entries:
        contacts = list(entry.values.values()) if entry.kind in CONDITIONS else []
        if any(contact > case for contact in contacts):
            raise ValueError(
                f"{entry.kind} strikes contact {max(contacts)}; this device has contacts 0 to "
                f"{case - 1}, and {case} for its case: name one of these"
            )
        if len(set(contacts)) < len(contacts):
            raise ValueError(
                f"{entry.kind} joins contact {contacts[0]} with itself; name two contacts"
            )
