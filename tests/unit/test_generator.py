"""What a generator cannot represent is refused before anything is sent, in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop_hw.errors import TrainRefused
from stimloop_hw.generator import GENERATORS, Lease, Train, markdown

PULSEPAL = GENERATORS["pulsepal-2"]
TRAIN = Train(-2_000, width_us=100, period_us=7_700, pulses=60, interphase_us=50)


def test_a_train_that_a_device_has_passes() -> None:
    TRAIN.check(PULSEPAL)
    TRAIN.check(GENERATORS["stimjim"])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"width_us": 60}, "write 50 or 100"),
        ({"width_us": 0}, "width_us 0 was asked for; a Pulse Pal 2 has 50 to"),
        ({"interphase_us": 30}, "write 0 or 50"),
        ({"period_us": 7_692}, "write 7650 or 7700"),
        ({"period_us": 250}, "a pulse of 250 µs needs a longer one"),
        ({"amplitude": -10_001}, "-10000 to 10000 mV: lower it"),
        ({"pulses": 0}, "the train is the lease"),
        ({"pulses": 130}, "ask for 1 to 129 pulses, and play again"),
        ({"recharge_ratio": 0}, "ask for an active recharge"),
        ({"width_us": 1_800_000_050}, "choose a time in that range"),
    ],
)
def test_what_it_has_not_is_refused_with_what_it_has(
    changed: dict[str, int], sentence: str
) -> None:
    with pytest.raises(TrainRefused, match=sentence.replace("(", r"\(")):
        replace(TRAIN, **changed).check(PULSEPAL)


@given(st.integers(1, 2_000_000), st.integers(50, 2_000_000))
def test_a_train_that_lasts_a_time_is_no_longer_unless_it_is_one_pulse(
    duration_us: int, period_us: int
) -> None:
    train = replace(TRAIN, period_us=period_us).lasting(duration_us)
    assert train.duration_us <= duration_us or train.pulses == 1
    assert train.duration_us + period_us > duration_us


def test_who_keeps_no_lease_has_trains_of_a_second_at_most() -> None:
    for capability in GENERATORS.values():
        if capability.lease is not Lease.COUNTED:
            assert 0 < capability.lease_max_ms <= 1_000
            assert not capability.watchdog


def test_the_page_has_the_table_of_all_generators() -> None:
    page = Path(__file__).parents[2] / "docs" / "generators.md"
    assert markdown() in page.read_text("utf-8")
