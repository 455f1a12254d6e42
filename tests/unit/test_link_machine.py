"""A real link, the firmware and every fault at once: what holds after any sequence of events.

STIMLOOP_LONG=1 makes the search ten times as long.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.peer import ADAPTIVE, DBS, PROGRAM, Silence
from tests.strategies import sets
from tests.unit.test_limits import MAGNETIC

from stimloop_hw.errors import LinkLost, OrderRefused, WrongKey, WrongPeer
from stimloop_hw.framing import PANIC, Flag, encode
from stimloop_hw.groups import PROGRAMS, ProgramSet
from stimloop_hw.link import Link
from stimloop_hw.messages import (
    ClearFault,
    Commit,
    Committed,
    Heartbeat,
    Hold,
    Setpoint,
    Staged,
    Status,
    Stop,
)
from stimloop_hw.staging import stages_of
from stimloop_hw.vocabulary import Fault, ResetCause, State
from stimloop_sim.bench import Bench
from stimloop_sim.cable import Cable
from stimloop_sim.firmware import Firmware
from stimloop_sim.profile import Profile
from stimloop_sim.scenario import KINDS, NEVER_US, Direction, Entry, Scenario
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.states import DELIVERING
from stimloop_sim.tissue import Tissue, TissueModel
from stimloop_sim.watchdog import GROUND_US, RESET_US

if TYPE_CHECKING:
    from stimloop_sim.board import Board

LONG = "STIMLOOP_LONG" in os.environ
LEASE_MS = 400
SAMPLE_US = 4000
BLOCK_US = 20_000
LEASE_END_US = LEASE_MS * 1000 + 250_000 + 2 * BLOCK_US
"""The latest end of a therapy that nobody renews: lease, ramp, and the ticks that notice."""
SLOWEST_PPM = 100_000
"""How wrong a scenario's clock may be: all bounds in the device's time stretch by that."""


VNS = Profile.named("vns")
VAGAL = replace(MAGNETIC, magnet_on_ms=7_000, cycle_on_ms=0, cycle_off_ms=0)


def _entry(draw: st.DrawFn, kind: str, contacts: int) -> Entry:
    at_us = draw(st.integers(4, 30)) * 50_000
    until_us = at_us + draw(st.integers(2, 30)) * 50_000
    values = {
        key: draw(st.integers(p.low, min(p.high, 50_000)))
        for key, p in KINDS[kind].parameters.items()
    }
    if kind.startswith("lead_"):
        pair = draw(st.permutations(range(contacts + 1)))
        values = dict(zip(values, pair, strict=False))
    directions = draw(st.sampled_from([frozenset({d}) for d in Direction]))
    return Entry(kind, at_us, until_us, directions, MappingProxyType(values))


_OF_WIRE = sorted(name for name, kind in KINDS.items() if not kind.on_device)
_OF_DEVICE = sorted(name for name, kind in KINDS.items() if kind.on_device)


@st.composite
def scenarios(draw: st.DrawFn, profile: Profile) -> Scenario:
    """Faults of any kind in the first seconds."""
    contacts = len(profile.contacts)
    kinds = draw(st.lists(st.sampled_from(_OF_DEVICE), max_size=2))
    kinds += draw(st.lists(st.sampled_from(_OF_WIRE), max_size=3))
    return Scenario(
        draw(st.integers(0, 99)), tuple(_entry(draw, kind, contacts) for kind in kinds)
    )


class UnderFaults(RuleBasedStateMachine):
    """A host that may do anything, on a bad line, with a device that breaks."""

    profile = DBS
    usual = PROGRAM

    @initialize(data=st.data(), running=st.sampled_from([True, True, False]))
    def powers_on(self, data: st.DataObject, *, running: bool) -> None:
        profile = self.profile
        scenario = data.draw(scenarios(profile))
        tissue = Tissue(TissueModel.named("default"), profile.output)
        front_end = FrontEnd(Silence(), profile.sense_range_uv, 5)

        def power_on(board: Board, cause: ResetCause) -> Firmware:
            return Firmware(profile, front_end, tissue, board=board, cause=cause)

        self.bench = Bench(power_on, real=False, scenario=scenario)
        self.link = Link(Cable(self.bench), "the cable")
        self.kinds = {entry.kind for entry in scenario.entries}
        self.number = 0
        self.watched = self.bench.firmware
        self.latched = 0
        self.named: set[int] = set()
        self.looked_us = 0
        usual = ProgramSet.single(self.usual)
        self.group, self.programs = 0, usual.groups[0]
        self.asked_alone = False
        if running:
            self.starts_group(usual, 0)
            self.time_passes(5, alive=True)

    # What the host does ---------------------------------------------

    def attempt(self, action: object, *arguments: object) -> None:
        assert callable(action)
        with suppress(LinkLost, WrongPeer, WrongKey, OrderRefused):
            action(*arguments)
        self.link.notices.clear()

    @precondition(lambda self: self.bench.firmware.therapy.state not in DELIVERING)
    @rule(data=st.data(), alone=st.booleans())
    def starts(self, data: st.DataObject, *, alone: bool) -> None:
        usual = st.sampled_from([self.usual, ADAPTIVE]).map(ProgramSet.single)
        programs = data.draw(usual | sets(self.profile))
        group = data.draw(st.integers(0, 3))
        self.starts_group(programs, group if programs.groups[group] else 0, alone=alone)

    def starts_group(self, programs: ProgramSet, group: int, *, alone: bool = False) -> None:
        def whole() -> None:
            self.link.hello()
            for stage in stages_of(programs, 1):
                staged = self.link.request(stage, Staged)
            assert staged.staged_crc == programs.crc()
            order = Commit(1, programs.crc(), group)
            committed = self.link.request(order, Committed, self.link.t_us + 400_000)
            assert (committed.program_crc, committed.group) == (programs.crc(), group)
            self.group, self.programs = group, programs.groups[group]
            self.asked_alone |= alone
            if alone:
                self.link.start_alone(programs.crc())
                return
            self.link.start(programs.crc(), LEASE_MS, group)
            for number in range(len(self.programs)):
                self.steers(100, number)

        self.attempt(whole)

    @rule(share=st.integers(0, 110), number=st.integers(0, 3), blocks=st.integers(0, 10))
    def leads(self, share: int, number: int, blocks: int) -> None:
        self.steers(share, number % len(self.programs))
        self.time_passes(blocks, alive=True)

    def steers(self, share: int, number: int) -> None:
        self.number += 1
        p = self.programs[number]
        step_ua = self.profile.amplitude_ua[0].step
        highest_ua = max(p.slew_ua_s // 10, step_ua)
        amplitude_ua = min(p.amplitude_max_ua * share // 100, highest_ua) // step_ua * step_ua
        place = PROGRAMS * self.group + number
        order = Setpoint(self.number, place, amplitude_ua, p.period_max_us, 0)
        self.attempt(self.link.send, order, self.link.t_us + 100_000)
        self.attempt(self.link.send, Heartbeat(LEASE_MS, 0, 0))

    @rule(blocks=st.integers(1, 10), alive=st.booleans())
    def waits(self, blocks: int, *, alive: bool) -> None:
        self.time_passes(blocks, alive=alive)

    def time_passes(self, blocks: int, *, alive: bool) -> None:
        for _ in range(blocks):
            if alive:
                self.attempt(self.link.send, Heartbeat(LEASE_MS, 0, 0))
            self.bench.advance_block()
            self.looks_at_pulses()

    @rule(held=st.booleans())
    def holds(self, *, held: bool) -> None:
        self.attempt(self.link.request, Hold(held), Status, self.link.t_us + 400_000)

    @rule(now=st.sampled_from([False, False, True]))
    def greets_again(self, *, now: bool) -> None:
        if now:
            self.attempt(self.link.hello)

    @precondition(lambda self: self.bench.firmware.therapy.state is State.FAULT)
    @rule(exactly=st.booleans(), greeting=st.booleans())
    def clears_a_fault(self, *, exactly: bool, greeting: bool) -> None:
        if greeting:
            self.attempt(self.link.hello)
        faults = self.bench.firmware.therapy.faults ^ (0 if exactly else Fault.CHARGE_BALANCE)
        self.named.add(faults)
        self.attempt(self.link.request, ClearFault(faults), Status)

    @rule(blocks=st.integers(1, 20), goes=st.booleans())
    def a_magnet_comes_and_no_new_pulse_begins_while_a_program_heeds_it(
        self, blocks: int, *, goes: bool
    ) -> None:
        self.bench.magnet(present=True)
        firmware = self.bench.firmware
        heeded = any(program.magnet_swipe_ms for program in firmware.therapy.programs)
        if heeded and self.bench.implant.runs and not {"magnet", "output_stuck"} & self.kinds:
            before = self.pulses_of(firmware)
            self.bench.advance(5 * blocks)
            if self.bench.firmware is firmware:
                assert self.pulses_of(firmware) == before, "bound: that of STOP, one sample"
        if goes:
            self.bench.magnet(present=False)

    @rule(blocks=st.integers(0, 200))
    def a_magnet_is_swiped(self, blocks: int) -> None:
        self.bench.magnet(present=True)
        self.time_passes(2, alive=bool(blocks % 2))
        self.bench.magnet(present=False)
        self.time_passes(blocks // 10, alive=bool(blocks % 2))

    @rule(noise=st.binary(max_size=100))
    def noise_comes(self, noise: bytes) -> None:
        self.bench.receive(noise)

    # What must hold ---------------------------------------------

    @precondition(lambda self: self.bench.implant.runs)
    @rule(panic=st.booleans(), session=st.integers(0, 2**32 - 1), seq=st.integers(0, 65535))
    def an_intact_stop_reaches_running_firmware(
        self, *, panic: bool, session: int, seq: int
    ) -> None:
        stop = encode(Stop.number, Flag.NONE, seq, session, 0, b"\0", 0)
        firmware = self.bench.firmware
        before = firmware.therapy.pulses.pulses
        self.bench.implant.receive(b"\0" + (3 * PANIC if panic else stop))
        assert firmware.therapy.state not in DELIVERING
        self.bench.advance(1)
        ticks = self.pulses_of(firmware) - before
        stuck = "output_stuck" in self.kinds
        assert ticks <= stuck, (
            "bound: one sample period, in which no new pulse begins; a stuck stage is grounded "
            "by the monitor within the sample of its first forbidden pulse"
        )
        self.bench.advance(25)
        assert self.pulses_of(firmware) - before <= stuck, "bound: a stopped output stays off"
        assert self.bench.firmware.therapy.pulses.amplitude_ua == 0 or stuck

    @precondition(lambda self: self.bench.firmware.therapy.state is not State.ALONE)
    @rule(patience=st.integers(0, 3))
    def silence_ends_every_lease(self, patience: int) -> None:
        if patience:
            return  # or no therapy would ever live long enough to meet its fault
        while self.bench.line.to_device.due_us < NEVER_US:
            self.bench.advance_block()  # what a slow line still holds comes out first
        stretched_us = LEASE_END_US * (1_000_000 + SLOWEST_PPM) // 1_000_000
        self.bench.advance_to(self.bench.now_us + stretched_us)
        firmware = self.bench.firmware
        if self.bench.implant.runs:
            assert firmware.therapy.state not in DELIVERING, "bound: lease and ramp"
        before = self.pulses_of(firmware)
        self.bench.advance(50)
        if self.bench.firmware is firmware:
            assert self.pulses_of(firmware) == before, "bound: lease and ramp, or watchdog"

    @precondition(lambda self: not self.bench.implant.runs)
    @rule()
    def a_device_that_does_not_run_is_silent(self) -> None:
        firmware = self.bench.firmware
        self.bench.advance_to(self.bench.now_us + GROUND_US + SAMPLE_US)
        before = self.pulses_of(firmware)
        self.bench.advance_to(self.bench.now_us + RESET_US - GROUND_US)
        if self.bench.firmware is firmware:
            unsupplied = {"brown_out", "battery_collapse"} & self.kinds
            assert unsupplied, "bound: the watchdog's reset within 100 ms"
            assert self.pulses_of(firmware) == before, (
                "bound: the watchdog grounds within 60 ms"
            )

    @precondition(lambda self: self.bench.firmware.therapy.state is State.ALONE)
    @rule()
    def nobodys_silence_ends_what_runs_alone(self) -> None:
        firmware = self.bench.firmware
        self.bench.advance_to(self.bench.now_us + 2 * LEASE_END_US)
        ended = firmware.therapy.state is not State.ALONE or not self.bench.implant.runs
        assert not ended or self.kinds or self.bench.firmware is not firmware

    @invariant()
    def nothing_runs_alone_that_was_not_asked_to(self) -> None:
        alone = self.bench.firmware.therapy.state in (State.ALONE, State.ARMED_ALONE)
        assert self.asked_alone or not alone
        assert not alone or self.programs[0].loop

    def pulses_of(self, firmware: Firmware) -> int:
        return firmware.therapy.pulses.pulses

    def looks_at_pulses(self) -> None:
        """No pulse was above the program that is committed, or above the device's limits."""
        firmware = self.bench.firmware
        if firmware is not self.watched:
            self.watched, self.looked_us = firmware, 0
        train, programs = firmware.therapy.pulses, firmware.therapy.programs
        since_us, self.looked_us = self.looked_us, firmware.now_us
        charge_max_nc = min(contact.charge_max_nc for contact in self.profile.contacts)
        fresh = []
        for number, program in enumerate(programs):
            new = [(t, ua) for t, ua in train.recent(number) if t >= since_us]
            fresh += [(t, t + program.width_us) for t, _ in new]
            highest_ua = max(program.amplitude_max_ua, program.magnet_amplitude_ua)
            for _, ua in new:
                assert 0 < ua <= highest_ua, "bound: the program's amplitude"
                own = ua * program.width_us <= charge_max_nc * 1000
                extra = 0 < ua * program.magnet_width_us <= charge_max_nc * 1000
                assert own or extra, "bound: charge per phase"
        for (_, end_us), (begin_us, _) in pairwise(sorted(fresh)):
            assert end_us <= begin_us, "bound: one pulse at a time"

    @invariant()
    def no_pulse_is_above_a_limit_and_none_leaves_charge(self) -> None:
        self.looks_at_pulses()
        therapy = self.bench.firmware.therapy
        assert therapy.pulses.net_fc == 0
        assert not therapy.pulses.breached
        if "output_stuck" not in self.kinds:
            for program, output in zip(
                therapy.programs, therapy.pulses.outputs, strict=bool(therapy.programs)
            ):
                highest_ua = max(program.amplitude_max_ua, program.magnet_amplitude_ua)
                assert output[1] <= highest_ua

    @invariant()
    def a_fault_is_left_by_a_clear_that_names_it_and_by_no_reset(self) -> None:
        therapy = self.bench.firmware.therapy
        found = Fault.SELF_TEST.value  # what a new self test finds, or does not find any more
        if therapy.state is State.FAULT:
            assert therapy.faults
            self.latched = therapy.faults
        elif self.latched & ~found:
            assert self.latched in self.named
            assert not self.latched & found
            assert therapy.state not in DELIVERING
            self.latched = 0


class VagusUnderFaults(UnderFaults):
    """The same with a device that heeds a magnet, and rests by itself."""

    profile = VNS
    usual = VAGAL


TestVagusUnderFaults = VagusUnderFaults.TestCase
TestUnderFaults = UnderFaults.TestCase
TestUnderFaults.settings = TestVagusUnderFaults.settings = settings(
    max_examples=1000 if LONG else 100, stateful_step_count=15, deadline=None
)
