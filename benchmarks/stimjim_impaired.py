"""Trains on a StimJim over a bad line, by our driver and by a client without rules.

python -m benchmarks.stimjim_impaired [--trains 20000] [--seed 1] [--write]

Both ask for the same trains of the simulated device, all hazards of its firmware included, over
the lines of `benchmarks.pulsepal_impaired`. The client without rules defines a train, starts
it, and goes on whatever the answers are. An oracle at the outputs knows what was asked for.
``--write`` makes docs/stimjim_impaired.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol

from benchmarks.pulsepal_impaired import scenario_of

from stimloop_hw.errors import LinkError, UnknownState
from stimloop_hw.generator import Train
from stimloop_hw.stimjim import StimJim
from stimloop_hw.stimjim_train import phases, stored
from stimloop_sim.bath import Bath
from stimloop_sim.cable import Cable
from stimloop_sim.patient import DbsPatient
from stimloop_sim.stand import Stand
from stimloop_sim.stimjim import StimJim as Device

if TYPE_CHECKING:
    from stimloop_sim.stimjim_output import Delivered

TRAINS_A_ROUND = 150
"""Then comes a new device, on a line of its own."""
APART_US = 60_000
LEASE_US = 1_100_000
"""Whatever was started before a doubt has ended then."""
ROWS = (
    ("right", "trains: right"),
    ("silent", "trains: silent"),
    ("another", "trains: another"),
    ("told", "trains: a doubt was told"),
    ("unasked", "pulses nobody asked for"),
    ("unsaid", "of these without a doubt"),
    ("unbalanced", "pulses that leave charge"),
    ("endless", "devices left playing or hung, nothing said"),
    ("by_hand", "devices that only a hand could stop, told"),
    ("lost", "links lost, told"),
)


class Port:
    """A device behind a line of its own."""

    def __init__(self, seed: int) -> None:
        bath = Bath(DbsPatient(fs_hz=1000))
        self.device = Device(bath.tissue, seed=seed)
        bath.generator = self.device
        stand = Stand(self.device, bath, real=False, scenario=scenario_of(seed))
        self._cable = Cable(stand)
        self.timeout: float | None = 0.05
        self.clock_ns = self._cable.clock_ns

    @property
    def in_waiting(self) -> int:
        """Bytes that have come."""
        return self._cable.in_waiting

    def read(self, size: int, /) -> bytes:
        """Let time pass until they are there."""
        return self._cable.read(size, self.timeout)

    def write(self, data: bytes, /) -> int:
        """Hand bytes to the line."""
        return self._cable.write(data)

    def close(self) -> None:
        """Nothing to release."""

    def switch_off(self) -> None:
        """A hand at its switch, off and on."""
        self.device.reset(self._cable.bench.now_us)

    def wait(self, for_us: int) -> None:
        """Let time pass."""
        bench = self._cable.bench
        bench.advance_to(bench.now_us + for_us)


class Client(Protocol):
    """Who asks for trains."""

    def play(self, train: Train) -> None:
        """Ask for one."""


class Careless:
    """A client without rules."""

    def __init__(self, port: Port) -> None:
        self._port = port

    def play(self, train: Train) -> None:
        """Define, start, and read what there is."""
        for line in (stored(train, 0).command(0), "T0"):
            self._port.write(line.encode() + b"\n")
            self._port.wait(5_000)
            self._port.read(self._port.in_waiting)
        self._port.wait(APART_US)


class Careful:
    """Our driver."""

    def __init__(self, port: Port) -> None:
        self._driver = StimJim(port, "the line", clock_ns=port.clock_ns)
        self._known = False

    def play(self, train: Train) -> None:
        """As a session does."""
        known, self._known = self._known, False
        if not known:
            self._driver.hello()
        try:
            self._driver.play(train)
            self._driver.listen(APART_US)
        except UnknownState:
            self._driver.stop()
            self._known = True
            raise
        self._known = True


def train_of(random: Random) -> Train:
    """Something that somebody might want."""
    ua = random.choice((-1, 1)) * random.randint(100, 3_300)
    period_us = random.randint(5_000, 10_000)
    return Train(ua, random.randint(20, 300), period_us, random.randint(2, 5), 50)


def judge(counts: Counter[str], train: Train, came: list[Delivered], *, told: bool) -> None:
    """Compare what came with what was asked for."""
    wanted = tuple((float(ua), us) for ua, us in phases(train))
    strangers = [one for one in came if one.stages != wanted]
    counts["unasked"] += len(strangers)
    counts["unbalanced"] += sum(abs(one.net_pc) > 1.0 for one in came)
    if told:
        counts["told"] += 1
        return
    counts["unsaid"] += len(strangers)
    if not came:
        counts["silent"] += 1
    else:
        counts["right" if not strangers and len(came) == train.pulses else "another"] += 1


def play_round(kind: type[Careless | Careful], seed: int, trains: int) -> Counter[str]:
    """One device, one line, one client."""
    counts: Counter[str] = Counter()
    port, random = Port(seed), Random(f"trains {seed}")
    client: Client = kind(port)
    output = port.device.output
    for _ in range(trains):
        train, before, told = train_of(random), output.pulses, False
        try:
            client.play(train)
        except LinkError as problem:
            told = True
            counts["lost"] += not isinstance(problem, UnknownState)
            if "switch it off" in str(problem):
                counts["by_hand"] += 1
                port.switch_off()
            port.wait(LEASE_US)
        except OSError:
            counts["lost"] += 1  # pyserial tells any client
            told = True
            port.wait(LEASE_US)
        new = output.pulses - before
        judge(counts, train, list(output.recent)[-new:] if new else [], told=told)
    port.wait(LEASE_US)
    counts["endless"] += port.device.playing and not told
    return counts


def page(columns: dict[str, Counter[str]], command: str, took_s: float) -> str:
    """The page with the table."""
    machine = f"Python {platform.python_version()}, {platform.machine()}"
    head = " | ".join(columns)
    rows = "\n".join(
        f"| {text} | {' | '.join(str(counts[key]) for counts in columns.values())} |"
        for key, text in ROWS
    )
    return f"""# A StimJim on a bad line

Made by `{command}` in
{took_s:.0f} s ({machine}); the counts are the same on any machine.

Trains to the simulated device, with every hazard of its firmware, over the lines of
[a Pulse Pal](pulsepal_impaired.md): bytes flip, vanish, come twice, are joined by others and
buried in bursts (1 to 300 per million of each), come late and in pieces, the line stalls, goes
half open and is unplugged, and the device is reset once; a new device and another line every
{TRAINS_A_ROUND} trains. Our driver is asked as a session asks it; the client without rules
defines, starts and goes on. An oracle at the outputs knows what was asked for.

| | {head} |
|---|{"---|" * len(columns)}
{rows}

*Right*, *silent* and *another* are trains of which nobody said anything: delivered whole and
with nothing besides, not at all, or otherwise. With our driver *another* is a train in whose
midst the device was reset, which is told with the next one. A pulse *nobody asked for* has
another amplitude or width than the train that was asked for.

The first version of this driver used places 0 and 1: a stop that lost its sign started what
place 1 held, once a damaged definition, and 2 of 20 000 trains left charge, each with a doubt.
Now no single damaged byte of a start or a stop starts what another place holds; several may.
"""


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trains", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    begun_s = time.perf_counter()
    columns: dict[str, Counter[str]] = {}
    kinds: dict[str, type[Careless | Careful]] = {
        "without rules": Careless,
        "our driver": Careful,
    }
    for name, kind in kinds.items():
        columns[name] = Counter()
        for number in range(options.trains // TRAINS_A_ROUND):
            columns[name] += play_round(kind, 1_000 * options.seed + number, TRAINS_A_ROUND)
    command = (
        f"python -m benchmarks.stimjim_impaired --trains {options.trains} "
        f"--seed {options.seed} --write"
    )
    text = page(columns, command, time.perf_counter() - begun_s)
    print(text)
    if options.write:
        Path("docs/stimjim_impaired.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
