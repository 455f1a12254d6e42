"""What theory says a program delivers: plain integers, slow, apart from the fast path."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stimloop_hw.program import CASE, PASSIVE
from stimloop_sim._pulses import PulseTrain
from stimloop_sim.tissue import Tissue, TissueModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stimloop_hw.program import Program
    from stimloop_hw.ranges import Run
    from stimloop_sim.profile import Profile

PLENTY_MV = 1_000_000


def output_stage(
    profile: Profile, *programs: Program, compliance_mv: int = PLENTY_MV
) -> PulseTrain:
    """An output stage with a group, in tissue; its supply drives any load if not given."""
    output = replace(profile, compliance_mv=compliance_mv).output
    tissue = Tissue(TissueModel.named("default"), output)
    pulses = PulseTrain(profile.amplitude_ua, *(tissue.path() for _ in programs))
    pulses.configure(*programs)
    for path, program in zip(pulses.paths, programs, strict=True):
        tissue.connect(path, program.cathodes, program.anodes, program.shares_percent)
    return pulses


@dataclass(frozen=True, slots=True)
class Phase:
    """A constant current through one contact; cathodic is negative."""

    contact: int
    start_us: int
    duration_us: int
    current_na: int


def phases(program: Program, amplitude_ua: int) -> list[Phase]:
    """One pulse, contact by contact; a tied pole stands as its lowest contact."""
    found = []
    shares = program.shares_percent
    for mask, sign in ((program.cathodes, -1), (program.anodes, 1)):
        pole = [k for k in range(CASE.bit_length()) if mask >> k & 1]
        sources = {k: shares[k] for k in pole} if any(shares) else {pole[0]: 100}
        for contact, percent in sources.items():
            active_na = sign * amplitude_ua * 1000 * percent // 100
            found.append(Phase(contact, 0, program.width_us, active_na))
            ratio = program.recharge_ratio
            if ratio != PASSIVE:
                returned_na, rest = divmod(-active_na, ratio)
                assert rest == 0
                begin_us = program.width_us + program.interphase_us
                found.append(Phase(contact, begin_us, program.width_us * ratio, returned_na))
    return found


def net_fc(pulse: Iterable[Phase]) -> dict[int, int]:
    """What stays on each contact, fC."""
    net: dict[int, int] = {}
    for phase in pulse:
        charge_fc = phase.current_na * phase.duration_us
        net[phase.contact] = net.get(phase.contact, 0) + charge_fc
    return net


@dataclass(frozen=True, slots=True)
class Change:
    """A setpoint at the time from which it counts."""

    t_us: int
    amplitude_ua: int
    period_us: int
    program: int = 0


def train(
    programs: Sequence[Program], runs: Sequence[Run], changes: Sequence[Change], end_us: int
) -> list[tuple[int, int, int]]:
    """Pulses of a group begun at 0: (device time µs, number of the program, amplitude µA) each.

    Parameters
    ----------
    programs : sequence of Program
        Of one group.
    runs : sequence of Run
        Amplitudes that the hardware has.
    changes : sequence of Change
        In the order of their times.
    end_us : int
    """
    courses = [_Course(program) for program in programs]
    allowed = sorted({ua for r in runs for ua in range(r.low, r.high + 1, r.step)})
    left = list(changes)
    begun_us = next_us = number = 0
    period_us = programs[0].period_min_us
    pulses = []
    while True:
        due_us = begun_us + programs[number].offset_us if number else next_us
        if left and left[0].t_us <= min(due_us, end_us):
            change = left.pop(0)
            courses[change.program].advance(change.t_us)
            courses[change.program].target_ua = change.amplitude_ua
            next_us = max(next_us - period_us + change.period_us, change.t_us)
            period_us = change.period_us
        elif due_us < end_us:
            if not number:
                begun_us, next_us = due_us, due_us + period_us
            courses[number].advance(due_us)
            ua = allowed[bisect_right(allowed, courses[number].level_pa // 10**6) - 1]
            if ua:
                pulses.append((due_us, number, ua))
            number = (number + 1) % len(programs)
        else:
            return pulses


class _Course:
    """The amplitude before it is quantised."""

    def __init__(self, program: Program) -> None:
        self.level_pa = 0
        self.target_ua = 0
        self._now_us = 0
        self._up = program.slew_ua_s
        self._down = program.slew_down_ua_s or program.slew_ua_s
        self._top_ua = program.amplitude_max_ua
        self._start_us = program.soft_start_ms * 1000
        self._stop_us = program.soft_stop_ms * 1000
        self._on_us = program.cycle_on_ms * 1000
        self._whole_us = self._on_us + program.cycle_off_ms * 1000

    def advance(self, t_us: int) -> None:
        while self._now_us < t_us:
            phase_us = self._now_us % self._whole_us if self._whole_us else self._now_us
            marks = [self._start_us]
            if self._whole_us:
                marks += [self._start_us + self._on_us, self._whole_us]
            ahead = [mark - phase_us for mark in marks if mark > phase_us]
            elapsed_us = min([t_us - self._now_us, *ahead])
            self._move(phase_us, elapsed_us)
            self._now_us += elapsed_us

    def _move(self, phase_us: int, elapsed_us: int) -> None:
        up, down, goal_pa = self._up, self._down, self.target_ua * 10**6
        if phase_us < self._start_us:
            up = min(up, -(-self._top_ua * 10**6 // self._start_us))
        elif self._whole_us and phase_us >= self._start_us + self._on_us:
            down, goal_pa = -(-self._top_ua * 10**6 // self._stop_us), 0
        rise_pa = goal_pa - self.level_pa
        self.level_pa += max(-down * elapsed_us, min(up * elapsed_us, rise_pa))
