"""The therapy: state, lease and output, on the device's clock.

Orders return the `Breach` that refuses them, or None. Stimulation is a lease: silence alone
ends it, and needs nobody's permission.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.groups import GROUPS, PROGRAMS, ProgramSet
from stimloop_hw.program import Mode, Parameter
from stimloop_hw.vocabulary import Fault, Refusal, State, StopMode
from stimloop_sim import limits
from stimloop_sim._pulses import PulseTrain
from stimloop_sim.adaptive import Adaptive
from stimloop_sim.interleave import check_set
from stimloop_sim.limits import Breach
from stimloop_sim.loop_limits import Sensing
from stimloop_sim.states import DELIVERING, HEARD, LEASED, STEERED, TRANSITIONS, Event
from stimloop_sim.store import Store, erased

if TYPE_CHECKING:
    from stimloop_hw.program import Program
    from stimloop_sim.profile import Profile
    from stimloop_sim.tissue import Tissue

HOLD_AFTER_US = 150_000
"""Without a valid heartbeat for so long, nothing may rise any more."""
FALLBACK_AFTER_US = 400_000
"""Without one for so long, the output goes to the committed fallback."""
RAMP_US = 250_000
"""Duration of the device's own ramps: to the fallback, and to off."""
ARM_US = 2_000_000
"""How long Arm lasts."""
SENSELESS = Sensing(rate_hz=1, channels=0, block=1, range_uv=0)
"""A device that senses nothing, on which no loop can close."""
AHEAD_US = 1_000_000
"""How far ahead an order may be timed."""
NO_MAGNET_US = -1
"""Since never."""


class Therapy:
    """The therapy of the active group, whose programs are interleaved.

    Parameters
    ----------
    profile : Profile
    tissue : Tissue
    store : Store, optional
        Where the committed set stands in memory; an empty one if not given.
    sensing : Sensing
        What a loop on the device can listen to.

    Attributes
    ----------
    state : State
        BOOT until `boot`.
    faults : int
        Latched, `stimloop_hw.vocabulary.Fault`.
    programs : tuple of Program
        Those of the active group; empty while nothing is committed.
    group : int
        Number of the active group.
    program_crc : int
        Name of the committed set on the wire; 0 while there is none.
    impedance_ohm : int
        Of the worst contact, Ω: what compliance is judged by; see `take_impedance`.
    pulses : PulseTrain
    loop : Adaptive or None
        What steers the first program on the device itself; None where a host does, and
        without therapy.
    last_sp : int
        Number of the latest setpoint accepted.
    changed : bool
        A state was entered since this was last cleared.
    """

    def __init__(
        self,
        profile: Profile,
        tissue: Tissue,
        *,
        store: Store | None = None,
        sensing: Sensing = SENSELESS,
    ) -> None:
        self.profile = profile
        self._tissue = tissue
        self._sensing = sensing
        self.store = Store(erased()) if store is None else store
        self.state = State.BOOT
        self.faults = 0
        self.programs: tuple[Program, ...] = ()
        self.group = 0
        self.program_crc = 0
        self.impedance_ohm = profile.impedance_ohm
        self._contacts_ohm = [profile.impedance_ohm] * len(profile.contacts)
        self.pulses = PulseTrain(
            profile.amplitude_ua,
            *(tissue.path() for _ in range(PROGRAMS)),
            duty_permille=profile.duty_max_permille,
            train_max_ms=profile.train_max_ms,
        )
        self.loop: Adaptive | None = None
        self.last_sp = 0
        self.changed = False
        self._magnet_us = NO_MAGNET_US  # since when it is there
        self._held = False  # a host has asked for HOLD
        self._led = False  # whether the host that started it is still there to lead it
        self._lease_until_us = 0
        self._timers: dict[Event, int] = {}

    def boot(self, *, healthy: bool, latched: int = 0) -> Breach | None:
        """Leave BOOT: configured by the stored program, idle without one, or as a fault.

        Parameters
        ----------
        healthy : bool
            Whether the power-on self test has been passed.
        latched : int
            Faults from before the reset: they stay until somebody clears them.

        Returns
        -------
        Breach or None
            Why the stored set may not be the committed one any more.
        """
        if not healthy:
            self.faults |= Fault.SELF_TEST
            self._move(Event.SELF_TEST_FAILED)
            return None
        self._move(Event.SELF_TEST_PASSED)
        if latched:
            self.faults |= latched
            self._move(Event.LIMIT_BREACHED)
            return None
        if not self.store.payload:
            return None
        programs, group = ProgramSet.parse(self.store.payload[1:]), self.store.payload[0]
        breach = self.check_set(programs)
        if breach is None:
            self._move(Event.COMMIT)
            self._take(programs, group)
        return breach

    def _move(self, event: Event) -> Breach | None:
        after = TRANSITIONS[self.state, event]
        if not isinstance(after, State):
            return Breach(after, self.state)
        if after is not self.state:
            self.state = after
            self.changed = True
        return None

    def check(self, event: Event) -> Breach | None:
        """Whether the state allows an order, and the host that gives it leads the therapy."""
        allowed = isinstance(TRANSITIONS[self.state, event], State)
        if allowed and (self._led or self.state not in LEASED):
            return None
        return Breach(Refusal.WRONG_STATE, self.state)

    # Time ----------------------------------------------------------------------------------

    @property
    def due_us(self) -> int:
        """When the next timer runs out, µs; very far away if none runs."""
        return min(self._timers.values(), default=1 << 62)

    def lease_left_ms(self, now_us: int) -> int:
        """Milliseconds until silence alone switches the output off; 0 without a lease."""
        if Event.LEASE_EXPIRED not in self._timers:
            return 0
        return max(0, self._lease_until_us - now_us) // 1000

    def expire(self, now_us: int) -> None:
        """Let the timers that are due act, in the order of their times."""
        while self._timers and (event := min(self._timers, key=self._timers.__getitem__)):
            if self._timers[event] > now_us:
                break
            due_us = self._timers.pop(event)
            if self._move(event) is not None:
                continue
            match event:
                case Event.HEARTBEAT_LATE:
                    self.pulses.hold(now_us)
                    self._timers[Event.HEARTBEAT_LOST] = (
                        due_us + FALLBACK_AFTER_US - HOLD_AFTER_US
                    )
                case Event.HEARTBEAT_LOST:
                    for number, program in enumerate(self.programs):
                        self._ramp(now_us, number, program.fallback_ua)
                case Event.LEASE_EXPIRED:
                    self._ramp_down(now_us, RAMP_US)
                case Event.RAMP_DONE:
                    self._off(now_us)

    def watch(self, now_us: int) -> None:
        """Latch a fault if output stage or memory are not what the program asks for."""
        pulses = self.pulses
        if pulses.net_fc and not self.faults & Fault.CHARGE_BALANCE:
            self.fail(now_us, Fault.CHARGE_BALANCE)
        if pulses.breached and not self.faults & Fault.OUTPUT_LIMIT:
            self.fail(now_us, Fault.OUTPUT_LIMIT)
        if not self.store.is_intact():
            self.store.drop()
            self.programs, self.program_crc = (), 0
            self.fail(now_us, Fault.PROGRAM_MEMORY)

    def fail(self, now_us: int, fault: Fault) -> None:
        """Latch a fault: the output is off."""
        self.faults |= fault
        self._off(now_us)
        self._move(Event.LIMIT_BREACHED)

    def sense_magnet(self, now_us: int, *, present: bool) -> None:
        """Heed a magnet as the committed program says: it is the patient's own order.

        While it is there no pulse begins, in whatever state. One that was there only for a
        moment starts a train when it is gone, if a therapy runs: it needs no host, but ends
        with what the therapy ends with.
        """
        since_us, self._magnet_us = self._magnet_us, now_us if present else NO_MAGNET_US
        self._heed_magnet(now_us, since_us)

    def _heed_magnet(self, now_us: int, since_us: int = NO_MAGNET_US) -> None:
        pulses = self.pulses
        swipe_ms = self.programs[0].magnet_swipe_ms if self.programs else 0
        heeded = swipe_ms > 0
        if heeded and self._magnet_us != NO_MAGNET_US:
            pulses.inhibit(now_us)
        elif pulses.inhibited:
            runs = self.state in DELIVERING and self.state is not State.RAMPING_DOWN
            if self.state is State.HOLD:
                pulses.hold(now_us)  # nothing rises by itself
            swiped = heeded and now_us - since_us < swipe_ms * 1000
            pulses.release(now_us, runs and swiped)

    def _ramp(
        self,
        now_us: int,
        number: int,
        target_ua: int,
        duration_us: int = RAMP_US,
        *,
        last: bool = False,
    ) -> None:
        """Take a program to a level in this time; upward never faster than its slew."""
        _, amplitude_ua, _ = self.pulses.outputs[number]
        rise_ua = target_ua - amplitude_ua
        rate_ua_s = abs(rise_ua) * 1_000_000 // duration_us + 1
        if rise_ua > 0:
            rate_ua_s = min(rate_ua_s, self.programs[number].slew_ua_s)
        self.pulses.ramp(now_us, target_ua, rate_ua_s, last, number)

    def _ramp_down(self, now_us: int, duration_us: int) -> None:
        self.loop = None
        for number in range(len(self.programs)):
            self._ramp(now_us, number, 0, duration_us, last=True)
        self._timers = {Event.RAMP_DONE: now_us + duration_us}

    def _off(self, now_us: int) -> None:
        self.loop = None
        self.pulses.stop(now_us)
        self._timers.clear()

    # Orders --------------------------------------------------------------------------------

    def check_set(self, programs: ProgramSet) -> Breach | None:
        """Whether this set keeps every limit, as far as the lead is known now."""
        return check_set(self.profile, programs, self.impedance_ohm, self._sensing)

    def take_impedance(self, contact: int, impedance_ohm: int) -> None:
        """Judge compliance by what was measured; by the nominal value where nothing was.

        Parameters
        ----------
        contact : int
        impedance_ohm : int
            Between it and the case, Ω; 0 for one that has no connection, and bounds nothing.
        """
        self._contacts_ohm[contact] = impedance_ohm
        self.impedance_ohm = max(self._contacts_ohm) or self.profile.impedance_ohm

    def commit(self, programs: ProgramSet, group: int) -> Breach | None:
        """Make a set the committed one, and one of its groups active."""
        breach = self.check_set(programs) or self.check(Event.COMMIT)
        if breach is None and not (group < GROUPS and programs.groups[group]):
            breach = Breach(Refusal.NO_PROGRAM, group * PROGRAMS)
        if breach is None and not self.store.write(bytes([group]) + programs.entries()):
            breach = Breach(Refusal.MEMORY, 0)
        if breach is None:
            self._move(Event.COMMIT)
            self._take(programs, group)
        return breach

    def _take(self, programs: ProgramSet, group: int) -> None:
        self.group = group
        self.programs = programs.groups[group]
        self.program_crc = programs.crc()
        self.pulses.configure(*self.programs)
        for path in self.pulses.paths:
            self._tissue.disconnect(path)
        for path, program in zip(self.pulses.paths, self.programs, strict=False):
            self._tissue.connect(path, program.cathodes, program.anodes, program.shares_percent)

    def check_arm(self, program_crc: int, event: Event = Event.ARM) -> Breach | None:
        """Whether this program could be armed: for a host, or to run alone (ARM_ALONE)."""
        breach = self._check_crc(program_crc) or self.check(event)
        if breach is None and event is Event.ARM_ALONE and not self.programs[0].loop:
            breach = Breach(Refusal.LOOP_NONE, 0)
        return breach

    def arm(self, now_us: int, program_crc: int, event: Event = Event.ARM) -> Breach | None:
        """Allow a start for a while: Start, or after ARM_ALONE StartAlone alone."""
        breach = (
            self.check_arm(program_crc, event)
            or self._check_active()  # what was measured since Commit counts
            or self._move(event)
        )
        if breach is None:
            self._timers[Event.ARM_EXPIRED] = now_us + ARM_US
        return breach

    def _check_active(self) -> Breach | None:
        alone = (self.programs if group == self.group else () for group in range(GROUPS))
        return self.check_set(ProgramSet(tuple(alone)))

    def start(self, now_us: int, program_crc: int, lease_ms: int, group: int) -> Breach | None:
        """Start the active group at zero amplitude, under a lease."""
        breach = (
            self._check_crc(program_crc)
            or self._check_group(group)
            or self._check_lease(lease_ms)
            or self._move(Event.START)
        )
        if breach is None:
            self._begin(now_us)
            self._led = True
            self._renew(now_us, lease_ms)
        return breach

    def start_alone(self, now_us: int, program_crc: int) -> Breach | None:
        """Start at zero amplitude what no host leads: there is no lease, and it has no end.

        Programs beside the one that steers itself rise to their largest amplitude.
        """
        breach = self._check_crc(program_crc) or self._move(Event.START_ALONE)
        if breach is None:
            self._begin(now_us)
            for number, program in enumerate(self.programs[1:], 1):
                top_ua, period_us = program.amplitude_max_ua, program.period_min_us
                self.pulses.setpoint(now_us, top_ua, period_us, 0, number)
        return breach

    def _begin(self, now_us: int) -> None:
        program = self.programs[0]
        del self._timers[Event.ARM_EXPIRED]
        self.last_sp = 0
        self._heed_magnet(now_us)
        self._held = False
        self.pulses.start(now_us, program.mode == Mode.TRAIN)
        if program.loop:
            self.loop = Adaptive(program, self._sensing, self.profile.amplitude_ua)
            if program.patient_max_ua:
                self.loop.ceiling_ua = program.patient_max_ua

    def heartbeat(self, now_us: int, lease_ms: int) -> Breach | None:
        """Renew the lease, where there is one."""
        breach = self._check_lease(lease_ms) or self.check(Event.HEARTBEAT)
        if breach is not None:
            return breach
        before = self.state
        held = self._held and before in LEASED
        self._move(Event.HELD_HEARTBEAT if held else Event.HEARTBEAT)
        if self.state in HEARD:
            if before is State.FALLBACK:
                self.pulses.resume(now_us)
            self._renew(now_us, lease_ms)
        return None

    def hold(self, now_us: int, *, held: bool) -> Breach | None:
        """Let nothing rise until it is taken back; the lease goes on as it was."""
        breach = self.check(Event.HOLD if held else Event.RESUME)
        if breach is None:
            self._held = held
            self._move(Event.HOLD if held else Event.RESUME)
            self.pulses.hold(now_us)
        return breach

    def adjust(self, steps: int) -> Breach | None:
        """Move the patient's level inside the clinician's limits, where no host leads."""
        breach = self.check(Event.ADJUST)
        if breach is not None:
            return breach
        program, loop = self.programs[0], self.loop
        if not program.patient_step_ua or loop is None:
            return Breach(Refusal.PATIENT_NONE, 0)
        level_ua = min(loop.ceiling_ua, program.patient_max_ua)
        level_ua += steps * program.patient_step_ua
        nearest_ua = min(max(level_ua, program.patient_min_ua), program.patient_max_ua)
        if level_ua != nearest_ua:
            return Breach(Refusal.PATIENT_LIMIT, nearest_ua)
        loop.ceiling_ua = level_ua
        return None

    def number_of(self, place: int) -> int | Breach:
        """Number of a program in the active group, by its place in the set."""
        number = place - self.group * PROGRAMS
        if 0 <= number < len(self.programs):
            return number
        return Breach(Refusal.NO_PROGRAM, place)

    def rises(self, number: int, amplitude_ua: int, period_us: int) -> bool:
        """Whether a setpoint would raise the output."""
        target_ua = self.pulses.outputs[number][0]
        return amplitude_ua > target_ua or period_us < self.pulses.period_us

    def setpoint(
        self,
        now_us: int,
        sp: int,
        amplitude_ua: int,
        period_us: int,
        at_us: int,
        *,
        number: int,
    ) -> Breach | None:
        """Move a program inside its committed envelope, where a host steers it."""
        breach = self.check(Event.SETPOINT)
        own = self.loop is not None and (number == 0 or period_us != self.pulses.period_us)
        if breach is None and own:
            breach = Breach(Refusal.LOOP_OWN, 0)
        return breach or self._move_to(
            now_us, sp, amplitude_ua, period_us, at_us, number=number
        )

    def steer(self, now_us: int, sp: int, amplitude_ua: int, period_us: int) -> Breach | None:
        """Move the first program inside its envelope, as the loop on the device wants."""
        if self.state not in STEERED:
            return Breach(Refusal.HELD, self.state)
        return self._move_to(now_us, sp, amplitude_ua, period_us, 0, number=0)

    def _move_to(
        self,
        now_us: int,
        sp: int,
        amplitude_ua: int,
        period_us: int,
        at_us: int,
        *,
        number: int,
    ) -> Breach | None:
        present_ua = self.pulses.outputs[number][0]
        breach = limits.check_setpoint(
            self.profile, self.programs[number], present_ua, amplitude_ua, period_us
        ) or self._check_ahead(now_us, at_us)
        held = self.state is State.HOLD and self.rises(number, amplitude_ua, period_us)
        if breach is None and held:
            breach = Breach(Refusal.HELD, self.state)
        if breach is None:
            self.last_sp = sp
            self.pulses.setpoint(now_us, amplitude_ua, period_us, at_us, number)
        return breach

    def end_loop(self, now_us: int) -> None:
        """Give up what adapts: the output goes to the committed fallback, and stays there."""
        if self.loop is not None:
            self.loop = None
            self._ramp(now_us, 0, self.programs[0].fallback_ua)

    def trigger(self, now_us: int, count: int, at_us: int) -> Breach | None:
        """Deliver a few periods at the present setpoints, where a state allows it."""
        if self.programs[0].mode != Mode.TRIGGERED:
            return Breach(Refusal.OUT_OF_RANGE, Parameter.MODE)
        breach = self._check_ahead(now_us, at_us)
        if breach is None:
            self.pulses.trigger(now_us, count, at_us)
        return breach

    def stop(self, now_us: int, mode: int) -> None:
        """End the output: always possible, and anything but RAMP is at once."""
        if mode == StopMode.RAMP and self.state in DELIVERING:
            if self.state is not State.RAMPING_DOWN:
                longest_ms = max(program.soft_stop_ms for program in self.programs)
                self._ramp_down(now_us, longest_ms * 1000)
            self._move(Event.STOP_RAMP)
            return
        self._off(now_us)
        self._move(Event.STOP)

    def clear_fault(self, faults: int) -> Breach | None:
        """Leave FAULT, if these are the faults; what the self-test found, stays."""
        named = faults == self.faults and not faults & Fault.SELF_TEST
        if self.state is State.FAULT and not named:
            return Breach(Refusal.FAULTS, self.faults)
        breach = self._move(Event.CLEAR_FAULT)
        if breach is None:
            self.faults = 0
            self.pulses.settle()
        return breach

    @property
    def leads(self) -> bool:
        """Whether a host leads a therapy: it started it, and its heartbeats arrive."""
        return self._led and Event.HEARTBEAT_LATE in self._timers

    def abandon(self) -> None:
        """Its host is gone: what runs goes on under its lease, which nobody can renew."""
        self._led = False

    def _renew(self, now_us: int, lease_ms: int) -> None:
        self._lease_until_us = now_us + lease_ms * 1000
        self._timers = {
            Event.HEARTBEAT_LATE: now_us + HOLD_AFTER_US,
            Event.LEASE_EXPIRED: self._lease_until_us,
        }

    def _check_crc(self, program_crc: int) -> Breach | None:
        if self.program_crc == program_crc:
            return None
        return Breach(Refusal.CRC_MISMATCH, self.program_crc)

    def _check_group(self, group: int) -> Breach | None:
        return None if group == self.group else Breach(Refusal.GROUP, self.group)

    def _check_lease(self, lease_ms: int) -> Breach | None:
        nearest_ms = min(max(lease_ms, FALLBACK_AFTER_US // 1000), self.profile.lease_max_ms)
        return None if lease_ms == nearest_ms else Breach(Refusal.OUTSIDE_ENVELOPE, nearest_ms)

    def _check_ahead(self, now_us: int, at_us: int) -> Breach | None:
        late_us = now_us - at_us
        if at_us and late_us > 0:
            return Breach(Refusal.EXPIRED, late_us)
        if at_us and -late_us > AHEAD_US:
            return Breach(Refusal.OUTSIDE_ENVELOPE, AHEAD_US)
        return None
