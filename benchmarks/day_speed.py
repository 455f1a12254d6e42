"""How long a day of closed-loop therapy takes: patient, tissue, firmware, and the loop in it.

python benchmarks/day_speed.py [--hours 24] [--runs 3]

The loop of examples/dbs_embedded.toml closes on the device, which senses at 250 Hz and runs
alone: orders are handed to the firmware as they are, and nobody listens, so that no byte is
framed, signed or sent. Memory is that of the process at its largest.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from pathlib import Path
from time import perf_counter, process_time

from stimloop import prescription as prescriptions
from stimloop_hw.groups import ProgramSet
from stimloop_hw.messages import (
    AloneRequest,
    ArmAlone,
    ArmChallenge,
    Commit,
    GetLimits,
    Limits,
    StartAlone,
)
from stimloop_hw.staging import stages_of
from stimloop_hw.vocabulary import State
from stimloop_sim.firmware import Firmware
from stimloop_sim.patient import DbsPatient
from stimloop_sim.profile import Profile
from stimloop_sim.sensing import FrontEnd

EXAMPLE = Path(__file__).parents[1] / "examples" / "dbs_embedded.toml"
HOUR_SAMPLES = 250 * 3600


def power_on(seed: int) -> Firmware:
    """An implant in its patient, whose therapy has been started to run alone."""
    profile = Profile.named("dbs")
    firmware = Firmware(profile, FrontEnd(DbsPatient(seed=seed), profile.sense_range_uv, 5))
    limits = firmware.obey(GetLimits(0))
    assert isinstance(limits, Limits)
    program = prescriptions.load(EXAMPLE).program(limits)
    stages = stages_of(ProgramSet.single(program), 1)
    for stage in stages:
        firmware.obey(stage)
    firmware.obey(Commit(1, program.crc()))
    challenge = firmware.obey(AloneRequest(program.crc()))
    assert isinstance(challenge, ArmChallenge)
    firmware.obey(ArmAlone(program.crc(), challenge.nonce))
    firmware.obey(StartAlone(program.crc()))
    assert firmware.therapy.state is State.ALONE
    return firmware


def main() -> None:
    """Print the duration of each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    walls = []
    for seed in range(1, 1 + options.runs):
        firmware = power_on(seed)
        begin, begin_core = perf_counter(), process_time()
        for _ in range(options.hours):
            firmware.advance(HOUR_SAMPLES)
        walls.append(perf_counter() - begin)
        pulses = firmware.therapy.pulses
        assert firmware.therapy.state is State.ALONE
        assert not pulses.net_fc
        print(
            f"seed {seed}: {options.hours} h in {walls[-1]:.1f} s "
            f"({process_time() - begin_core:.1f} s of a core), {pulses.pulses} pulses, "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
        )
    print(f"{options.hours} h in {statistics.median(walls):.1f} s, median of {len(walls)}")


if __name__ == "__main__":
    main()
