"""A million impaired frames from a real host to the firmware: none is obeyed wrongly.

python -m benchmarks.impaired_frames [--frames 1000000] [--seed 1] [--write]

The host is a real `Link` that greets, programs, starts, steers, stops and greets again; every
byte in both directions passes the impairment layer, and the device is reset now and then. The
oracle knows nothing of the firmware: it reads the bytes that the host wrote, and compares every
order that the firmware carries out with them. A book (`benchmarks.fates`) follows every frame
to the one fate that it must have. ``--write`` makes docs/impaired_frames.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.fates import ARRIVED, Book, Fate

from stimloop_hw.errors import LinkLost, OrderRefused, WrongKey, WrongPeer
from stimloop_hw.framing import Deframer, Flag
from stimloop_hw.link import Link
from stimloop_hw.messages import (
    TABLE_CRC,
    Commit,
    Committed,
    GetLimits,
    Heartbeat,
    Limits,
    Ping,
    Setpoint,
    Stage,
    Staged,
    Stop,
    Trigger,
)
from stimloop_hw.program import CASE, Mode, Program
from stimloop_hw.seal import TAG_SIZE
from stimloop_sim.bench import Bench
from stimloop_sim.cable import Cable
from stimloop_sim.limits import Breach
from stimloop_sim.orders import Orders
from stimloop_sim.scenario import KINDS, NEVER_US, Direction, Entry, Scenario
from stimloop_sim.sessions import Sessions
from stimloop_sim.therapy import Therapy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_hw.messages import Message, Status
    from stimloop_hw.vocabulary import Refusal, ResetCause, Role
    from stimloop_sim.board import Board
    from stimloop_sim.firmware import Firmware
    from stimloop_sim.sessions import HostSession

FRAMES_A_ROUND = 4000
"""Then comes a new device, under another seed and another mixture of faults."""
PROGRAM = Program(Mode.TRAIN, 0, 3000, 60, 5000, 20_000, 10_000, 500, 0b0010, CASE)


class Oracle:
    """What the host wrote, against what the firmware does.

    Attributes
    ----------
    wrong : Counter of str
        Orders carried out that must not have been, by why.
    """

    def __init__(self) -> None:
        self.wrong: Counter[str] = Counter()
        self.sent = self.executed = self.greeted = self.admitted = self.stops = 0
        self._deframer = Deframer(TABLE_CRC)
        # (number, payload) -> session -> counter's low bits -> latest time to carry it out
        self._orders: dict[tuple[int, bytes], dict[int, dict[int, int]]] = {}
        self._done: Counter[tuple[int, bytes]] = Counter()  # in the present session
        self._session = 0

    def hear(self, data: bytes) -> None:
        """The host writes."""
        for frame in self._deframer.feed(data):
            self.sent += 1
            latest_us = frame.time if frame.flags & Flag.EXPIRES else NEVER_US
            signed = frame.flags & Flag.SIGNED
            payload = frame.payload[:-TAG_SIZE] if signed else frame.payload
            of_order = self._orders.setdefault((frame.number, payload), {})
            of_order.setdefault(frame.session, {})[frame.seq] = latest_us

    def begin_session(self, session: int) -> None:
        """The device takes orders from another session now: the one before is over."""
        self.admitted += 1
        self._session = session
        self._done.clear()

    def judge(self, order: Message, now_us: int) -> None:
        """The device carries out an order."""
        self.executed += 1
        key = (order.number, order.encode())
        if key not in self._orders:
            self.wrong["never sent with those bytes"] += 1
            return
        of_session = self._orders[key].get(self._session)
        if of_session is None:
            self.wrong["in a foreign session"] += 1
            return
        if max(of_session.values()) < now_us:
            self.wrong["after its deadline"] += 1
        self._done[key] += 1
        if self._done[key] > len(of_session):
            self.wrong["twice"] += 1

    def stop(self) -> None:
        """The device stops: always allowed, if anybody ever asked for it."""
        self.stops += 1
        if not any(number == Stop.number for number, _ in self._orders):
            self.wrong["never sent with those bytes"] += 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look over the shoulder of every firmware."""
        obey, greet, admit, stop = Orders.obey, Sessions.greet, Sessions.admit, Therapy.stop

        def obeys(orders: Orders, order: Message, now_us: int) -> Any:  # noqa: ANN401
            outcome = obey(orders, order, now_us)
            if not isinstance(outcome, Breach):
                self.judge(order, now_us)
            return outcome

        def greets(sessions: Sessions, guest: HostSession) -> None:
            self.greeted += 1
            greet(sessions, guest)

        def admits(sessions: Sessions, session: HostSession, role: Role) -> None:
            self.begin_session(session.number)
            admit(sessions, session, role)

        def stops(therapy: Therapy, now_us: int, mode: int) -> None:
            self.stop()
            stop(therapy, now_us, mode)

        with (
            patch.object(Orders, "obey", obeys),
            patch.object(Sessions, "greet", greets),
            patch.object(Sessions, "admit", admits),
            patch.object(Therapy, "stop", stops),
        ):
            yield


class Tapped(Cable[Bench]):
    """A cable on which the oracle hears what the host writes."""

    def __init__(self, bench: Bench, oracle: Oracle) -> None:
        super().__init__(bench)
        self._oracle = oracle

    def write(self, data: bytes, /) -> int:
        """Write all bytes, if there is somebody to write to."""
        if not self.bench.is_unplugged:
            self._oracle.hear(data)
        return super().write(data)


def scenario_of(seed: int) -> Scenario:
    """A mixture of every fault of the wire."""
    random = Random(f"campaign {seed}")

    def entry(kind: str, at_ms: int = 0, until_ms: int = 0, **values: int) -> Entry:
        until_us = until_ms * 1000 if until_ms else NEVER_US
        directions = frozenset(Direction)
        if kind in ("half_open", "stall"):
            directions = frozenset({random.choice(list(Direction))})
        return Entry(kind, at_ms * 1000, until_us, directions, values)

    def rate(top_ppm: int) -> int:
        return random.randint(1, top_ppm)

    entries = [
        entry("flip", rate_ppm=rate(2000)),
        entry("drop", rate_ppm=rate(1000)),
        entry("duplicate", rate_ppm=rate(1000)),
        entry("insert", rate_ppm=rate(1000)),
        entry("burst", rate_ppm=rate(500), length_bytes=random.randint(2, 60)),
        entry("delay", delay_us=random.randint(0, 10_000), jitter_us=random.randint(0, 30_000)),
        entry("reorder", rate_ppm=rate(50_000)),
        entry("replay", rate_ppm=rate(100_000), kept_frames=4096),
    ]
    if random.random() < 0.5:
        entries.append(entry("baud", bits_per_s=460_800))
    if random.random() < 0.3:
        entries.append(entry("chunk", longest_bytes=random.randint(1, 64), gap_us=100))
    for kind, most_ms in (("stall", 600), ("half_open", 600), ("unplug", 300)):
        at_ms = random.randint(1000, 15_000)
        values = {"after_bytes": random.randint(0, 200)} if kind == "unplug" else {}
        entries.append(entry(kind, at_ms, at_ms + random.randint(10, most_ms), **values))
    entries.append(entry("reset", random.randint(1000, 15_000)))
    return Scenario(seed, tuple(entries))


class Host:
    """Someone who programs, steers and stops all day, and never sends the same order twice."""

    def __init__(self, link: Link, random: Random) -> None:
        self._link = link
        self._random = random
        self._number = 0
        self._program = PROGRAM
        self._linked = self._started = False

    def act(self) -> None:
        """One thing or a few; what fails on a bad line is given up."""
        try:
            if not self._linked or self._random.random() < 0.001:
                self._greet()
            elif not self._started:
                self._begin()
            else:
                for _ in range(self._random.randint(1, 12)):
                    self._order()
                self._link.sensed()
        except (WrongPeer, WrongKey, LinkLost):
            self._linked = self._started = False
        except OrderRefused:
            self._started = False
        self._link.notices.clear()

    def _greet(self) -> None:
        self._started = self._linked = False
        self._link.hello()
        self._link.stream(1, 250, 5)
        self._linked = True

    def _begin(self) -> None:
        link, entries = self._link, self._program.entries()
        self._number += 1
        staged = link.request(Stage(self._number & 0xFFFF, 0, 1, entries), Staged)
        order = Commit(self._number & 0xFFFF, staged.staged_crc)
        link.request(order, Committed, link.t_us + 200_000)
        link.start(staged.staged_crc, 2000)
        self._started = True

    def _order(self) -> None:
        self._number += 1
        draw = self._random.random()
        latest_us = self._link.t_us + self._random.randint(1000, 120_000)
        if draw < 0.70:
            amplitude_ua = self._random.randrange(0, 3100, 100)
            period_us = self._random.randrange(5000, 20_010, 10)
            order = Setpoint(self._number, 0, amplitude_ua, period_us, 0)
            self._link.send(order, latest_us)
        elif draw < 0.95:
            self._link.send(Heartbeat(2000, self._number & 0xFFFF, self._number))
        elif draw < 0.97:
            self._link.send(Trigger(0, self._number & 0xFFFF, 0), latest_us)
        elif draw < 0.995:
            self._link.send(Ping(self._number, 0))
        elif draw < 0.998:
            self._link.request(GetLimits(0), Limits)
        else:
            self._link.send(Stop(self._random.randrange(2)))
            self._started = False


class Campaign:
    """Rounds until enough frames were sent.

    Attributes
    ----------
    totals : Counter of str
        What the device counted, and what was sent to it and by it.
    fates : Counter of Fate
        What became of each frame that was sent, by the host and by the attacker.
    refusals : Counter of Refusal
        Refused frames by reason.
    faults : Counter of str
        What the line and the device did to them, by kind.
    wrong : Counter of str
        Orders carried out that must not have been, by why.
    problems : list of str
        Where the book does not close.
    """

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.fates: Counter[Fate] = Counter()
        self.refusals: Counter[Refusal] = Counter()
        self.faults: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.problems: list[str] = []

    def run(self, frames: int, seed: int) -> None:
        """Send at least so many frames."""
        begun = seed
        while self.totals["sent"] < frames:
            self._round(seed * 1_000_003 + begun, min(FRAMES_A_ROUND, frames))
            begun += 1

    def _round(self, seed: int, frames: int) -> None:
        # Everything as `sim://` does it, but for the file of the scenario.
        start = Bench.of_url(f"sim://dbs?seed={seed}").implant._power_on
        devices: list[Firmware] = []

        def power_on(board: Board, cause: ResetCause) -> Firmware:
            devices.append(start(board, cause))
            return devices[-1]

        bench = Bench(power_on, real=False, scenario=scenario_of(seed))
        oracle = Oracle()
        book = Book(bench, oracle)
        with (
            patch("os.urandom", Random(f"nonces {seed}").randbytes),
            oracle.watching(),
            book.watching(),
        ):
            host = Host(Link(Tapped(bench, oracle), "the cable"), Random(seed))
            while oracle.sent < frames:
                host.act()
                if bench.is_unplugged:
                    bench.advance_block()  # nobody else makes time pass then
            for _ in range(100):  # what is still on the way arrives
                bench.advance_block()
        book.close()
        self._gather(oracle, book, bench, [device.status() for device in devices])

    def _gather(self, oracle: Oracle, book: Book, bench: Bench, statuses: list[Status]) -> None:
        counted = {
            name: sum(getattr(status, name) for status in statuses)
            for name in ("received", "damaged", "foreign", "bad_tags", "repeated", "stale")
        }
        counted["refused"] = sum(s.refused - s.stale for s in statuses)
        fates = book.fates
        told = {
            "received": sum(fates[fate] for fate in ARRIVED),
            "damaged": book.broken,
            "foreign": fates[Fate.FOREIGN] + fates[Fate.LOCKED_OUT],
            "bad_tags": fates[Fate.BAD_TAG],
            "repeated": fates[Fate.REPEATED],
            "stale": fates[Fate.STALE],
            "refused": fates[Fate.REFUSED],
        }
        self.problems += book.problems
        self.problems += [
            f"{name}: {told[name]} in the book, {count} by the device"
            for name, count in counted.items()
            if told[name] != count
        ]
        if oracle.sent != book.sent:
            self.problems.append(f"{oracle.sent} frames were sent, {book.sent} in the book")
        self.totals += Counter(
            {
                **counted,
                "sent": book.sent,
                "replayed": book.replayed,
                "from_device": bench.line.to_host.writes,
                "resets": len(statuses) - 1,
            }
        )
        self.fates += fates
        self.refusals += book.refusals
        self.faults += bench.line.to_device.counts + bench.line.to_host.counts
        self.wrong += oracle.wrong


def table(campaign: Campaign) -> str:
    """The result as Markdown."""
    t = campaign.totals
    rows = [
        ("sent by the host", t["sent"]),
        ("sent again by the attacker", t["replayed"]),
        *((f"… {fate.value}", campaign.fates[fate]) for fate in Fate),
        ("without a fate, or with two", len(campaign.problems)),
        ("broken pieces that the device counted", t["damaged"]),
        ("frames of the device, impaired likewise", t["from_device"]),
        ("resets of the device", t["resets"]),
    ]
    lines = ["| host → device | frames |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in rows]
    lines += ["", "| refused for | frames |", "|---|---|"]
    lines += [
        f"| {reason.name} | {count} |" for reason, count in campaign.refusals.most_common()
    ]
    lines += ["", "| fault, both directions | struck | unit |", "|---|---|---|"]
    for kind, count in sorted(campaign.faults.items()):
        unit = "times" if "rate_ppm" in KINDS[kind].parameters else "bytes"
        lines.append(f"| {kind} | {count} | {'pieces' if kind == 'chunk' else unit} |")
    names = (
        "never sent with those bytes",
        "twice",
        "after its deadline",
        "in a foreign session",
    )
    lines += ["", "| carried out wrongly | orders |", "|---|---|"]
    lines += [f"| {name} | {campaign.wrong[name]} |" for name in names]
    return "\n".join(lines)


def main() -> None:
    """Print the tables; write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="docs/impaired_frames.md")
    options = parser.parse_args()
    campaign = Campaign()
    begun_s = time.perf_counter()
    campaign.run(options.frames, options.seed)
    took_s = time.perf_counter() - begun_s
    result = table(campaign)
    print(result, f"\n{took_s:.0f} s", *campaign.problems, sep="\n")
    if campaign.problems or campaign.wrong:
        raise SystemExit(1)
    if options.write:
        page = Path(__file__).parent.parent / "docs" / "impaired_frames.md"
        command = f"python -m benchmarks.impaired_frames --frames {options.frames}"
        head = f"""# Impaired frames

Made by `{command} --seed {options.seed} --write` in {took_s:.0f} s (Python
{platform.python_version()}, {platform.machine()}; the counts are the same on any machine).

A real `Link` greets, programs, starts, steers and stops a simulated implant over a line that
flips, drops, doubles, inserts and bursts bytes, delays, stalls, unplugs, overtakes and replays
frames; every {FRAMES_A_ROUND} frames a new device begins under another seed. An oracle reads
the bytes that the host wrote and compares every order that the firmware carries out with them.
A book follows each copy of a frame, byte by byte, through the line and into the device. No
exception was raised, and the book closes: each frame that was sent, by the host or by the
attacker, has exactly one fate, and the device's own counters say the same.

"""
        page.write_text(head + result + "\n", "utf-8")


if __name__ == "__main__":
    main()
