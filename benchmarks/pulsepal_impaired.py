"""A million commands to a Pulse Pal on a bad line, by our driver and by one without rules.

python -m benchmarks.pulsepal_impaired [--commands 1000000] [--seed 1] [--write]

Both play the same kind of trains on the simulated device, all hazards of its firmware included,
over the same lines. The client without rules writes parameter by parameter, triggers, reads an
acknowledgement after each, goes on whatever it was, and aborts once; that is how the public
clients are used. An oracle at the outputs knows which train was asked for and looks at every
voltage. ``--write`` makes docs/pulsepal_impaired.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import Counter, deque
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol

from stimloop_hw.errors import LinkError, TrainRefused, UnknownState, WrongPeer
from stimloop_hw.generator import Train
from stimloop_hw.pulsepal import PulsePal
from stimloop_hw.pulsepal_exchange import FILL
from stimloop_hw.pulsepal_protocol import CYCLE_US, START, TIMES, Code, Op
from stimloop_sim.pulsepal import PulsePal as Device
from stimloop_sim.pulsepal_port import PulsePalPort
from stimloop_sim.scenario import NEVER_US, Direction, Entry, Scenario

if TYPE_CHECKING:
    from stimloop_hw.pulsepal_protocol import Model

COMMANDS_A_ROUND = 2_000
"""Then comes a new device, under another seed and another mixture of faults."""
HUMAN_US = 2_000_000
"""Somebody who is told, or who looks by chance, comes so much later."""
RECENT = 64
FELT_UV = 100_000
"""Less is no voltage: what our driver fills with is 39 mV."""
STRAY = "voltages nobody asked for"


def scenario_of(seed: int) -> Scenario:
    """A line of its own for each round."""
    random = Random(f"line {seed}")

    def entry(kind: str, at_ms: int = 0, until_ms: int = 0, **values: int) -> Entry:
        until_us = until_ms * 1000 if until_ms else NEVER_US
        directions = frozenset(Direction)
        if kind in ("half_open", "stall"):
            directions = frozenset({random.choice(list(Direction))})
        return Entry(kind, at_ms * 1000, until_us, directions, values)

    entries = [
        entry(kind, rate_ppm=random.randint(1, 300))
        for kind in ("flip", "drop", "duplicate", "insert")
    ]
    entries.append(
        entry("burst", rate_ppm=random.randint(1, 50), length_bytes=random.randint(2, 60))
    )
    entries.append(
        entry("delay", delay_us=random.randint(0, 2_000), jitter_us=random.randint(0, 4_000))
    )
    if random.random() < 0.3:
        entries.append(entry("chunk", longest_bytes=random.randint(1, 64), gap_us=100))
    for kind, most_ms in (("stall", 700), ("half_open", 700), ("unplug", 300)):
        at_ms = random.randint(1_000, 10_000)
        values = {"after_bytes": random.randint(0, 200)} if kind == "unplug" else {}
        entries.append(entry(kind, at_ms, at_ms + random.randint(10, most_ms), **values))
    entries.append(entry("reset", random.randint(1_000, 10_000)))
    return Scenario(seed, tuple(entries))


def train_of(random: Random) -> Train:
    """Something that somebody might want."""
    return Train(
        random.choice((-1, 1)) * random.randint(100, 5_000),
        width_us=50 * random.randint(1, 6),
        period_us=50 * random.randint(100, 200),
        pulses=random.randint(2, 8),
        interphase_us=50 * random.randint(0, 2),
    )


class Tapped(PulsePalPort):
    """A port whose bytes an oracle reads.

    Attributes
    ----------
    written : int
        Commands written.
    """

    def __init__(self, device: Device, scenario: Scenario) -> None:
        super().__init__(device, scenario)
        self.written = 0
        self.lately: deque[bytes] = deque(maxlen=RECENT)

    def write(self, data: bytes, /) -> int:
        """Write a command."""
        if data[1] == Op.TRIGGER and len(data) > 3:  # with a handshake behind it
            self.lately += (data[1:3], data[4:])
            self.written += 2
        elif not data.startswith(FILL):
            self.lately.append(data[1:])
            self.written += 1
        return super().write(data)


class Oracle:
    """What came out, against what was asked.

    Attributes
    ----------
    counts : Counter of str
    longest_us : int
        At a voltage that nobody asked for, in one go, µs.
    told_us : int
        Since when somebody has been told that the state is not known, µs; 0 while it is.
    """

    def __init__(self, device: Device, port: Tapped) -> None:
        self.counts: Counter[str] = Counter()
        self.told_us = 0
        self.longest_us = 0
        self._device = device
        self._port = port
        self._model: Model = device.outputs.model
        self._asked: Train | None = None
        self._since_us = [0] * 4
        self._codes = [self._model.zero] * 4
        self._pulses = self._strays = 0
        device.executed = []

    def ask(self, train: Train) -> None:
        """Somebody asks for a train now."""
        self.look()
        self._asked = train
        self._pulses = 0
        self._strays = self.counts[STRAY]

    def look(self) -> None:
        """See all that has happened since it last looked."""
        device = self._device
        assert device.executed is not None
        for command in device.executed:
            self.counts["commands executed"] += 1
            self.counts["wrong commands executed"] += command not in self._port.lately
        device.executed.clear()
        changes = device.outputs.changes
        while changes:
            t_us, channel, code = changes.popleft()
            self._judge(channel, t_us)
            self._codes[channel] = code
            self._since_us[channel] = t_us
            self._pulses += channel == 0 and code == self._phases()[0]

    def _phases(self) -> tuple[int, ...]:
        """Codes of the train that is asked for."""
        if self._asked is None:
            return (-1,)
        steps = self._model.steps_of(self._asked.amplitude)
        return self._model.zero + steps, self._model.zero - steps

    def _judge(self, channel: int, now_us: int) -> None:
        """A voltage of a channel ends now."""
        code, lasted_us = self._codes[channel], now_us - self._since_us[channel]
        if abs(self._model.uv_of(code - self._model.zero)) < FELT_UV:
            return
        asked = self._asked if channel == 0 and code in self._phases() else None
        allowed_us = asked.width_us if asked else 0
        if lasted_us > allowed_us:
            self.counts[STRAY] += 1
            self.counts["stray us"] += lasted_us - allowed_us
            if self.told_us:
                self.counts["stray us, told"] += now_us - max(
                    self.told_us, self._since_us[channel] + allowed_us
                )
            self.longest_us = max(self.longest_us, lasted_us - allowed_us)

    def close(self, train: Train) -> None:
        """A train that was confirmed has had its time."""
        self.look()
        right = self._pulses == train.pulses and self._strays == self.counts[STRAY]
        silent = not self._pulses and self._strays == self.counts[STRAY]
        fate = "right" if right else "silent" if silent else "another"
        self.counts[f"trains: {fate}"] += 1

    def tell(self) -> None:
        """Somebody is told, unless he has been already."""
        self.look()
        self.told_us = self.told_us or self._port.now_us

    def is_odd(self) -> bool:
        """Whether the device is not at rest, ready and as it was told, when it should be."""
        self.look()
        device = self._device
        self.told_us = 0
        away = any(
            abs(self._model.uv_of(code - self._model.zero)) >= FELT_UV
            for code in device.outputs.codes
        )
        return device.failed or device.outputs.playing or away

    def end(self) -> None:
        """Nothing comes any more."""
        self.look()
        for channel in range(4):
            self._judge(channel, self._port.now_us)
        self.counts["writes beyond its memory"] += self._device.outputs.damaged


class Client(Protocol):
    """Who plays trains."""

    def play(self, train: Train) -> None:
        """Play one, and wait until it is over."""


class WithRules:
    """Our driver, and somebody who does what it says."""

    def __init__(self, port: Tapped, oracle: Oracle, random: Random) -> None:
        self._port = port
        self._oracle = oracle
        self._random = random
        self._driver: PulsePal | None = None

    def play(self, train: Train) -> None:
        """Play one; of a doubt somebody is told, and of nothing else."""
        counts, port, oracle = self._oracle.counts, self._port, self._oracle
        oracle.ask(train)
        try:
            if self._driver is None:
                self._driver = PulsePal(port, "it", clock_ns=port.clock_ns)
                self._driver.hello()
            driver = self._driver
            driver.play(train)
            if self._random.random() < 0.1:
                driver.listen(self._random.randint(0, train.duration_us))
                driver.stop()
                driver.listen(max(0, driver.idle_ns - driver.now_ns) // 1000)
                counts["trains: stopped"] += 1
            else:
                driver.listen(max(0, driver.idle_ns - driver.now_ns) // 1000)
                oracle.close(train)
        except UnknownState:
            oracle.tell()
            counts["doubts told"] += 1
            self._bring_back()
            return
        except WrongPeer:  # it does not answer, as after COMM. FAILURE
            oracle.tell()
            self._call()
            return
        except LinkError:
            oracle.tell()
            counts["links lost, told"] += 1
            self._driver = None
            port.now_us += 300_000
            return
        except TrainRefused:
            self._driver = None
            return
        counts["unknown states unsaid"] += oracle.is_odd()

    def _bring_back(self) -> None:
        driver = self._driver
        try:
            if driver is not None:
                driver.stop()
                driver.listen(max(0, driver.idle_ns - driver.now_ns) // 1000)
                self._oracle.counts["unknown states unsaid"] += self._oracle.is_odd()
                return
        except LinkError:
            pass
        self._call()

    def _call(self) -> None:
        """Somebody comes and switches the device off and on, as the sentence says."""
        self._oracle.counts["a human called for"] += 1
        self._driver = None
        self._port.now_us += HUMAN_US
        self._port.device.reset(self._port.now_us)


class WithoutRules:
    """A client that believes that what it writes is what happens."""

    def __init__(self, port: Tapped, oracle: Oracle, _random: Random) -> None:
        self._port = port
        self._oracle = oracle
        self._model = port.device.outputs.model

    def play(self, train: Train) -> None:
        """Write parameters, trigger, wait, abort; whatever is answered."""
        port, model, oracle = self._port, self._model, self._oracle
        oracle.ask(train)
        steps, width = model.steps_of(train.amplitude), train.width_us // CYCLE_US
        try:
            for code, value in (
                (Code.BIPHASIC, 1),
                (Code.PHASE1_CODE, model.zero + steps),
                (Code.PHASE2_CODE, model.zero - steps),
                (Code.PHASE1, width),
                (Code.INTERPHASE, train.interphase_us // CYCLE_US),
                (Code.PHASE2, width),
                (Code.INTERVAL, (train.period_us - train.pulse_us) // CYCLE_US),
                (Code.TRAIN, train.duration_us // CYCLE_US),
            ):
                size = 4 if code in TIMES else 1 if code == Code.BIPHASIC else model.code_size
                argument = value.to_bytes(size, "little")
                port.write(bytes((START, Op.PARAMETER, code, 1)) + argument)
                port.timeout = 1.0
                port.read(1)
            port.write(bytes((START, Op.TRIGGER, 1)))
            port.timeout = train.duration_us * 1e-6 + 0.01
            port.read(RECENT)
            oracle.close(train)
            port.write(bytes((START, Op.ABORT)))
            port.wait(1_000)
        except OSError:
            port.now_us += 300_000
        odd = oracle.is_odd()
        oracle.counts["unknown states unsaid"] += odd
        if port.device.failed:
            oracle.counts["a human came by chance"] += 1
            port.now_us += HUMAN_US
            port.device.reset(port.now_us)


class Campaign:
    """Rounds until enough commands were written.

    Parameters
    ----------
    client : type
        `WithRules` or `WithoutRules`.
    model : int

    Attributes
    ----------
    counts : Counter of str
    longest_us : int
        Longest time at a voltage that nobody asked for, µs.
    """

    def __init__(self, client: type[WithRules | WithoutRules], model: int) -> None:
        self.counts: Counter[str] = Counter()
        self.longest_us = 0
        self._client = client
        self._model = model

    def run(self, commands: int, seed: int) -> None:
        """Write at least so many commands."""
        begun = seed
        while self.counts["commands written"] < commands:
            self._round(seed * 1_000_003 + begun, min(COMMANDS_A_ROUND, commands))
            begun += 1

    def _round(self, seed: int, commands: int) -> None:
        device = Device(self._model)
        port = Tapped(device, scenario_of(seed))
        oracle = Oracle(device, port)
        random = Random(seed)
        client: Client = self._client(port, oracle, random)
        while port.written < commands:
            client.play(train_of(random))
        port.now_us += HUMAN_US
        device.advance_to(port.now_us)
        oracle.end()
        self.counts += oracle.counts
        self.counts["commands written"] += port.written
        self.longest_us = max(self.longest_us, oracle.longest_us)


ROWS = (
    "commands written",
    "commands executed",
    "wrong commands executed",
    "trains: right",
    "trains: silent",
    "trains: another",
    "trains: stopped",
    "voltages nobody asked for",
    "writes beyond its memory",
    "doubts told",
    "links lost, told",
    "a human called for",
    "a human came by chance",
    "unknown states unsaid",
)
COLUMNS = (
    ("without rules, model 2", WithoutRules, 2),
    ("our driver, model 2", WithRules, 2),
    ("our driver, model 1", WithRules, 1),
)


def table(campaigns: dict[str, Campaign]) -> str:
    """The results side by side as Markdown."""
    lines = [f"| | {' | '.join(campaigns)} |", "|---" * (len(campaigns) + 1) + "|"]
    for name in ROWS:
        cells = " | ".join(str(campaign.counts[name]) for campaign in campaigns.values())
        lines.append(f"| {name} | {cells} |")
    stray = " | ".join(f"{c.counts['stray us'] / 1e6:.3g} s" for c in campaigns.values())
    lines.append(f"| time at voltages nobody asked for, all channels | {stray} |")
    told = " | ".join(f"{c.counts['stray us, told'] / 1e6:.3g} s" for c in campaigns.values())
    lines.append(f"| … after somebody was told of a doubt | {told} |")
    longest = " | ".join(f"{c.longest_us / 1000:g} ms" for c in campaigns.values())
    lines.append(f"| the longest of them | {longest} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table; write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="docs/pulsepal_impaired.md")
    options = parser.parse_args()
    begun_s = time.perf_counter()
    campaigns = {}
    for name, client, model in COLUMNS:
        campaigns[name] = Campaign(client, model)
        campaigns[name].run(options.commands, options.seed)
    took_s = time.perf_counter() - begun_s
    result = table(campaigns)
    print(result, f"\n{took_s:.0f} s")
    if options.write:
        page = Path(__file__).parent.parent / "docs" / "pulsepal_impaired.md"
        command = f"python -m benchmarks.pulsepal_impaired --commands {options.commands}"
        head = PAGE.format(
            command=f"{command} --seed {options.seed} --write",
            took=f"{took_s:.0f} s (Python {platform.python_version()}, {platform.machine()})",
            commands=COMMANDS_A_ROUND,
        )
        page.write_text(head + result + "\n" + MEANING, "utf-8")


PAGE = """# A Pulse Pal on a bad line

Made by `{command}` in
{took}; the counts are the same on any machine.

Commands to the simulated device, with every hazard of its firmware, over a line that flips,
drops, doubles, inserts and bursts bytes (1 to 300 per million of each), delays, cuts into
pieces, stalls, goes half open and is unplugged; every {commands} commands a new device begins
under another seed, with an empty card, and each is reset once. Trains of 2 to 8 pulses of up to
5 V are played by our driver, and by a client that writes parameter by parameter, reads an
acknowledgement after each and goes on whatever it was. An oracle at the outputs knows what was
asked.

"""
MEANING = """
*Wrong commands* are those executed with bytes that nobody sent; with our driver they include
those that it completes with filling, so that the device does not take zeros for what was lost.
*Right*, *silent* and *another* are trains that were confirmed (by the client without rules:
all): delivered whole and with nothing besides, not at all, or otherwise; trains of which our
driver told a doubt are not among them. One that a reset cuts off is *another*. A *voltage
nobody asked for* is any of 0.1 V or more at another channel, of another height, or for longer
than a phase of the train; once somebody was told it lasts until he has come, which takes two
seconds here. An *unknown state unsaid* is a device that has failed, plays, or is
not at 0 V when the client thinks that it rests.

The facts do not say when a voltage at rest begins to act; here it does so at once, which is
worse. So the first version of this driver, which wrote the whole program before every train,
left -10 V at outputs for 80 s in 20 000 commands: a byte lost from 178 shifts every voltage
behind it. Now the whole program is written once, all of it 0 V, and a train begins 5 ms after
its trigger, since a handshake whose two bytes came apart had held pulses for milliseconds.

Model 1 cannot be read back: what it holds after a damaged byte is played, once. A silent train
is a trigger whose bytes were lost and of which no answer can tell. Real USB corrects its bytes;
what is left of such faults there are cables that are pulled, hosts that die and hubs that
stall.
"""


if __name__ == "__main__":
    main()
