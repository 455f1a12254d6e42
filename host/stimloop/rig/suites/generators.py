"""What obligations mean to a generator behind a driver, whose lease is a finite train."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from stimloop.rig.obligation import Broken, Kind, Need, means, require, require_equal
from stimloop_hw.errors import TrainRefused

if TYPE_CHECKING:
    from stimloop.rig.generator_session import GeneratorSession
    from stimloop_hw.generator import Train

SLACK_US = 20_000
"""From an order's write to what it does: bytes on their way, and the device's own cycle."""
LEAK_PERMILLE = 50
"""Charge of a phase of a given voltage that the tissue itself may keep, ‰ of it."""
LISTENED_US = 300_000


def _refused(session: GeneratorSession, what: str, train: Train) -> None:
    try:
        session.generator.play(train)
    except TrainRefused:
        return
    raise Broken(f"{what} was accepted, and has to be refused")


@means(Kind.GENERATOR, "it_says_who_it_is")
def _says_who(session: GeneratorSession) -> None:
    require(bool(session.capability.name), "it has no model")
    require_equal("what is doubtful about it", session.generator.doubt, "")


@means(Kind.GENERATOR, "a_program_beyond_any_limit_is_refused")
def _beyond(session: GeneratorSession) -> None:
    known, train = session.capability, session.train
    beyond = {
        "an amplitude above the largest": replace(train, amplitude=known.amplitude_max + 1),
        "an amplitude below the smallest": replace(train, amplitude=-known.amplitude_max - 1),
        "a width below the shortest": replace(
            train, width_us=known.width_min_us - known.time_step_us
        ),
        "a period shorter than its pulse": replace(train, period_us=train.pulse_us),
        "no pulse at all": replace(train, pulses=0),
    }
    for what, wrong in beyond.items():
        _refused(session, what, wrong)


@means(Kind.GENERATOR, "a_value_between_its_steps_is_refused", Need.COARSE)
def _between(session: GeneratorSession) -> None:
    train = session.train
    for field in ("width_us", "period_us", "interphase_us"):
        wrong = replace(train, **{field: getattr(train, field) + 1})
        _refused(session, f"{field} between two steps", wrong)


@means(Kind.GENERATOR, "a_recharge_that_cannot_balance_is_refused")
def _balance(session: GeneratorSession) -> None:
    _refused(session, "no active recharge", replace(session.train, recharge_ratio=0))


@means(Kind.GENERATOR, "a_lease_longer_than_it_allows_is_refused")
def _lease(session: GeneratorSession) -> None:
    too_many = session.capability.lease_max_ms * 1000 // session.train.period_us + 1
    _refused(session, f"a train of {too_many} pulses", replace(session.train, pulses=too_many))


@means(Kind.GENERATOR, "silence_alone_ends_the_output", Need.WITNESS)
def _silence(session: GeneratorSession) -> None:
    session.play_out(session.train)
    count = len(session.pulses())
    require_equal("pulses of a train", count, session.train.pulses)
    session.generator.listen(LISTENED_US)
    require_equal("pulses after a train has ended", len(session.pulses()), count)


@means(Kind.GENERATOR, "stop_ends_the_output_at_once", Need.WITNESS)
def _stop(session: GeneratorSession) -> None:
    known, train = session.capability, session.train
    longest = train.lasting(known.lease_max_ms * 1000)
    session.generator.play(longest)
    session.generator.listen(LISTENED_US)
    session.generator.stop()
    stopped_us = session.generator.now_ns // 1000
    require_equal("what is doubtful after a stop", session.generator.doubt, "")
    session.generator.listen(LISTENED_US)
    pulses = session.pulses()
    require(0 < len(pulses) < longest.pulses, f"{len(pulses)} pulses were seen until the stop")
    late = [pulse for pulse in pulses if pulse.t_us > stopped_us + SLACK_US]
    require(not late, f"{len(late)} pulses began after the stop")


@means(
    Kind.GENERATOR, "every_pulse_has_the_amplitude_that_was_ordered", Need.WITNESS, Need.CURRENT
)
def _amplitude(session: GeneratorSession) -> None:
    played = session.play_out(session.train)
    for pulse in session.pulses():
        require_equal(
            "the amplitude of a pulse in µA", pulse.amplitude_ua, abs(played.train.amplitude)
        )


@means(Kind.GENERATOR, "every_pulse_begins_cathodic_at_its_cathodes", Need.WITNESS)
def _cathodic(session: GeneratorSession) -> None:
    for amplitude, what in ((-1, "cathodic"), (1, "anodic")):
        before = len(session.pulses())
        wanted = amplitude * abs(session.train.amplitude)
        session.play_out(replace(session.train, amplitude=wanted))
        seen = session.pulses()[before:]
        require(bool(seen), "the witness saw no pulse")
        right = all(p.current_na * amplitude > 0 for pulse in seen for p in pulse.first)
        require(right, f"a pulse that was ordered {what} begins the other way round")


@means(Kind.GENERATOR, "every_pulse_is_balanced_on_each_contact", Need.WITNESS)
def _balanced(session: GeneratorSession) -> None:
    session.play_out(session.train)
    pulses = session.pulses()
    require(bool(pulses), "the witness saw no pulse")
    exact = Need.CURRENT in session.abilities
    for pulse in pulses:
        charge_fc = sum(abs(p.current_na) * p.duration_us for p in pulse.first)
        allowed_fc = 0 if exact else charge_fc * LEAK_PERMILLE // 1000
        left_fc = max(map(abs, pulse.net_fc.values()))
        require(left_fc <= allowed_fc, f"a pulse of {charge_fc} fC left {left_fc} fC behind")


@means(Kind.GENERATOR, "pulses_come_at_the_period_ordered", Need.WITNESS)
def _period(session: GeneratorSession) -> None:
    session.play_out(session.train)
    apart_us = {after.t_us - before.t_us for before, after in pairwise(session.pulses())}
    require_equal("times between pulses in µs", apart_us, {session.train.period_us})
