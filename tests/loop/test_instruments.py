"""Two instruments in one bath, each on a port of its own: one stimulates, the other senses."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from stimloop_hw.cyton import SAMPLE_US, Cyton
from stimloop_hw.generator import Train
from stimloop_hw.stimjim import StimJim

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAIN = Train(-3_000, width_us=60, period_us=7_700, pulses=60)


@contextmanager
def served(*instruments: str) -> Iterator[list[str]]:
    """Instruments in a process of their own, and their ports."""
    command = [sys.executable, "-m", "stimloop_sim", *instruments, "--pty"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in instruments]
        finally:
            process.kill()


@pytest.mark.parametrize("ppm", [0, 3_000, -3_000])
def test_a_train_lies_on_the_amplifiers_clock_where_its_digital_input_shows_it(
    ppm: int,
) -> None:
    bath = f"bath=aligned{ppm}"
    with (
        Cyton.open(
            f"cyton+sim://cyton?{bath}&patient=default&seed=1&fs=1000&clock_ppm={ppm}"
        ) as amplifier,
        StimJim.open(f"stimjim+sim://stimjim?{bath}") as generator,
    ):
        amplifier.stream(1, 5)
        for k in range(20):
            for _ in range(50 + k):  # at another place of the pulses' period each time
                amplifier.sensed()
            generator.listen(500_000)
            amplifier.edges.clear()
            played = generator.play(TRAIN)
            for _ in range(70):
                amplifier.sensed()
            known = amplifier.clock.estimate
            first_us = played.first_ns / 1000 + known.offset_us - known.bound_us
            last_us = played.last_ns / 1000 + known.offset_us + known.bound_us
            rising = next(edge for edge in amplifier.edges if edge.high)
            # The line rose between the sample that shows it and the one before.
            assert rising.t_us >= first_us
            assert rising.t_us - SAMPLE_US <= last_us
            assert known.bound_us < 25_000
        assert amplifier.clock.estimate.jumps == 0


def test_two_instruments_of_one_bath_are_driven_over_a_tty_each() -> None:
    bath = "cyton?bath=a&patient=default&seed=1", "stimjim?bath=a"
    with (
        served(*bath) as (sensing, stimulating),
        Cyton.open(sensing) as amplifier,
        StimJim.open(stimulating) as generator,
    ):
        amplifier.stream(1, 5)
        amplifier.sensed()
        for _ in range(2):
            amplifier.edges.clear()
            generator.play(TRAIN)
            while len(amplifier.edges) < 2:
                amplifier.sensed()
            generator.listen(20_000)
            rising, falling = amplifier.edges
            assert (rising.line, rising.high, falling.high) == (0, True, False)
            # It is told at most a period before its end, each edge to within a sample.
            lasted_us = falling.t_us - rising.t_us
            assert abs(lasted_us - TRAIN.duration_us) <= TRAIN.period_us + 2 * SAMPLE_US
        assert amplifier.lost_samples == 0
        assert [one.pulses for one in generator.measured] == [60] * 2
        assert not any(one.difference for one in generator.measured)
