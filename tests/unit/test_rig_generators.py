"""Devices of other makers under the same obligations, each as far as it can be asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stimloop.rig.conduct import Verdict, conduct, selected
from stimloop.rig.enact import enact
from stimloop.rig.generator_session import open_generator
from stimloop.rig.obligation import OBLIGATIONS
from stimloop.rig.scenario import chosen
from stimloop_hw.cyton import Cyton
from stimloop_hw.errors import LinkError
from stimloop_hw.keys import DEVELOPMENT_KEY
from stimloop_hw.pulsepal import PulsePal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_hw.blocks import Block
    from stimloop_hw.generator import Played, Train

ROOT = Path(__file__).parents[2]
PULSE_PAL = "pulsepal+sim://pulsepal"
STIMJIM = "stimjim+sim://stimjim"


@pytest.mark.parametrize(
    ("url", "kept"), [(PULSE_PAL, 10), (f"{PULSE_PAL}?model=1", 10), (STIMJIM, 10)]
)
def test_a_generator_keeps_what_it_can_be_asked_and_the_rest_is_told(
    url: str, kept: int
) -> None:
    conducted = conduct(url, selected(), key=DEVELOPMENT_KEY)
    assert len(conducted.outcomes) == len(OBLIGATIONS)
    assert conducted.is_good
    assert conducted.count(Verdict.KEPT) == kept
    said = {o.obligation.name: o.said for o in conducted.outcomes}
    assert said["heartbeats_keep_the_therapy"] == "no watchdog"
    assert said["an_observer_gives_no_orders"] == "no authentication"
    assert conducted.device["model"] in {"Pulse Pal 1", "Pulse Pal 2", "StimJim"}


def test_an_amplifier_keeps_what_it_can_be_asked_and_has_no_output() -> None:
    conducted = conduct("cyton+sim://cyton", selected(), key=DEVELOPMENT_KEY)
    assert conducted.is_good
    assert conducted.count(Verdict.KEPT) == 4
    said = {o.obligation.name: o.said for o in conducted.outcomes}
    assert said["stop_ends_the_output_at_once"] == "no output"
    assert said["heartbeats_keep_the_therapy"] == "no watchdog"
    assert conducted.device["model"] == "OpenBCI Cyton"


def test_the_page_of_the_rig_says_how_many_are_asked() -> None:
    page = " ".join((ROOT / "docs" / "rig.md").read_text("utf-8").split())
    assert "Pulse Pal is asked 10, StimJim 10, Cyton 4." in page


def test_an_amplifier_that_skips_samples_in_silence_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sensed, seen = Cyton.sensed, []

    def skips(board: Cyton) -> Block | None:
        seen.append(sensed(board))
        return sensed(board) if len(seen) == 20 else seen[-1]

    monkeypatch.setattr(Cyton, "sensed", skips)
    name = "samples_come_without_a_gap_on_the_devices_clock"
    assert "the first sample's number" in broken(name, "cyton+sim://cyton")


def broken(name: str, url: str = PULSE_PAL) -> str:
    (outcome,) = conduct(url, selected([name]), key=DEVELOPMENT_KEY).outcomes
    assert outcome.verdict is Verdict.BROKEN
    return outcome.said


def play_otherwise(change: Callable[[Train], Train]) -> Callable[[PulsePal, Train], Played]:
    play = PulsePal.play
    return lambda driver, train: play(driver, change(train))


def test_a_driver_whose_stop_does_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, played = PulsePal.stop, PulsePal.play

    def once(driver: PulsePal, train: Train) -> Played:
        monkeypatch.setattr(PulsePal, "stop", lambda _: None)
        return played(driver, train)

    monkeypatch.setattr(PulsePal, "play", once)
    monkeypatch.setattr(PulsePal, "stop", stop)
    assert "began after the stop" in broken("stop_ends_the_output_at_once")


def test_a_train_that_is_longer_than_ordered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = play_otherwise(lambda train: replace(train, pulses=train.pulses + 1))
    monkeypatch.setattr(PulsePal, "play", longer)
    said = broken("silence_alone_ends_the_output")
    assert said == "pulses of a train is 21, and has to be 20"


def test_poles_the_wrong_way_round_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = play_otherwise(lambda train: replace(train, amplitude=-train.amplitude))
    monkeypatch.setattr(PulsePal, "play", turned)
    assert "the other way round" in broken("every_pulse_begins_cathodic_at_its_cathodes")


def test_another_period_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    later = play_otherwise(lambda train: replace(train, period_us=train.period_us + 50))
    monkeypatch.setattr(PulsePal, "play", later)
    assert "{10050}" in broken("pulses_come_at_the_period_ordered")


def test_what_is_clamped_and_not_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = play_otherwise(lambda train: replace(train, width_us=train.width_us // 50 * 50))
    monkeypatch.setattr(PulsePal, "play", rounded)
    assert "width_us between two steps was accepted" in broken(
        "a_value_between_its_steps_is_refused"
    )


def test_scenarios_are_made_for_sl1_and_say_so() -> None:
    scenario = chosen(["stop_at_once"])["stop_at_once"]
    played = enact("stop_at_once", scenario, url=PULSE_PAL, key=DEVELOPMENT_KEY)
    assert (played.verdict, played.said) == (
        Verdict.CANNOT,
        ("made for devices that speak SL1",),
    )


def test_another_device_on_the_port_is_told() -> None:
    with pytest.raises(LinkError, match="Pulse Pal"), open_generator("pulsepal+sim://stimjim"):
        pass
