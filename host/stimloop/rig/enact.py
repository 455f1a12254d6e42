"""Playing a scenario on a device, and what came of it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stimloop.rig.actions import ACTIONS, Actor
from stimloop.rig.conduct import Verdict
from stimloop.rig.expectation import judge
from stimloop.rig.obligation import Broken
from stimloop.rig.session import open_session
from stimloop.rig.timeline import Timeline, Told
from stimloop_hw import StimloopError
from stimloop_hw.errors import LinkError, LinkLost, OrderRefused
from stimloop_hw.ports import DRIVERS, driver_of
from stimloop_hw.trace import pulse_line
from stimloop_hw.vocabulary import Bound, EventCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stimloop.rig.scenario import Action, Scenario
    from stimloop.rig.session import RigSession

SL1 = DRIVERS[0]
SIMULATED = ("sim://", "mutant://")
ANY_DEVICE = "sim://dbs"
"""A scenario of this profile is played on any other device as well."""
LOOKED_US = 1_500_000
"""After a device was lost, and at the end, its pulses are looked for twice so long: the rig's
lease and a ramp are over in the first one."""
READ = 1 << 16
READS = 100


@dataclass(frozen=True, slots=True)
class Enacted:
    """One scenario on one device.

    Attributes
    ----------
    name : str
    scenario : Scenario
    url : str
    verdict : Verdict
    said : tuple of str
        What was not as expected, or why nothing can be said.
    seen : Timeline
    seconds : float
        How long it took, of the host's time.
    """

    name: str
    scenario: Scenario
    url: str
    verdict: Verdict
    said: tuple[str, ...]
    seen: Timeline
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether it says nothing against the device."""
        return self.verdict in {Verdict.KEPT, Verdict.CANNOT}

    def lines(self) -> list[str]:
        """What was seen, as lines of JSON."""
        seen = self.seen
        lines = [json.dumps({"url": self.url, "ended": seen.ended, "quiet": seen.quiet})]
        lines += [json.dumps({"status": asdict(m)}, default=sorted) for m in seen.moments]
        lines += [json.dumps({"told": asdict(told)}) for told in seen.told]
        lines += [pulse_line(pulse).decode().strip() for pulse in seen.pulses or ()]
        return lines


def enact(
    name: str,
    scenario: Scenario,
    *,
    url: str | None = None,
    key: bytes,
    witness: str | None = None,
) -> Enacted:
    """Play one scenario.

    Parameters
    ----------
    name : str
    scenario : Scenario
    url : str, optional
        Of another device than the scenario's own.
    key : bytes
        The device's, 32 bytes.
    witness : str, optional
        Where a witness tells its pulses.
    """
    begun_s = perf_counter()
    device = url or scenario.device
    seen = Timeline()
    verdict, said = Verdict.KEPT, []
    if scenario.fault and not device.startswith(SIMULATED):
        verdict, said = Verdict.CANNOT, ["no faults on schedule: they need a simulated device"]
    elif driver_of(device)[0] != SL1:
        verdict, said = Verdict.CANNOT, ["made for devices that speak SL1"]
    elif url and not scenario.device.startswith(ANY_DEVICE):
        verdict, said = Verdict.CANNOT, [f"made for {scenario.device} alone"]
    else:
        with TemporaryDirectory() as folder:
            device = _with_faults(device, scenario, Path(folder))
            try:
                if scenario.prescription:
                    _run(scenario, device, key, Path(folder), seen)
                else:
                    _play(scenario, device, key, witness, seen)
                said = judge(scenario, seen)
                verdict = Verdict.BROKEN if said else Verdict.KEPT
            except LinkError as lost:
                verdict, said = Verdict.UNDECIDED, [str(lost)]
    seconds = perf_counter() - begun_s
    return Enacted(name, scenario, url or scenario.device, verdict, tuple(said), seen, seconds)


def _with_faults(url: str, scenario: Scenario, folder: Path) -> str:
    if not scenario.fault:
        return url
    path = folder / "faults.toml"
    path.write_text("schema = 1\nseed = 7\n" + _toml(scenario.fault), "utf-8")
    return f"{url}{'&' if '?' in url else '?'}faults={quote(str(path), safe='')}"


def _toml(faults: tuple[dict[str, Any], ...]) -> str:
    tables = []
    for fault in faults:
        lines = [f"{key} = {json.dumps(value)}" for key, value in fault.items()]
        tables.append("\n[[fault]]\n" + "\n".join(lines) + "\n")
    return "".join(tables)


# By hand ---------------------------------------------


def _play(
    scenario: Scenario, url: str, key: bytes, witness: str | None, seen: Timeline
) -> None:
    with suppress(LinkLost), open_session(url, key=key, witness=witness) as session:
        seen.step_ua = session.limits.amplitude_step_ua
        seen.begun_us = session.link.t_us
        fallback_ua = scenario.fallback_steps * seen.step_ua
        program = replace(session.program, fallback_ua=fallback_ua)
        _Play(scenario, Actor(session, program), seen).play()
        if session.witness is not None:
            seen.pulses = session.witness.pulses


class _Play:
    """Actions at their times, and everything that is seen between them."""

    def __init__(self, scenario: Scenario, actor: Actor, seen: Timeline) -> None:
        self._left = sorted(scenario.action, key=lambda action: action.at_ms)
        self._seconds = scenario.seconds
        self._actor = actor
        self._link = actor.link
        self._seen = seen
        self._zero_us = seen.begun_us

    @property
    def _now_ms(self) -> float:
        return (self._link.t_us - self._zero_us) / 1000

    def play(self) -> None:
        while self._now_ms < self._seconds * 1000:
            try:
                while self._left and self._left[0].at_ms <= self._now_ms:
                    self._act(self._left.pop(0))
                if self._actor.beats:
                    self._actor.beat()
                status = self._link.status()
            except LinkLost as lost:
                self._seen.ended = str(lost)
                self._seen.quiet = _falls_quiet(self._actor.session)
                if not self._left:
                    return
                self._meet_again()
                continue
            self._seen.see(self._now_ms, status)
            self._hear()
        self._actor.beats = False
        self._seen.quiet = _falls_quiet(self._actor.session)

    def _meet_again(self) -> None:
        """The device was lost: its clock may be another one, and the next action sets ours."""
        self._actor.beats = False
        action = self._left[0]
        if action.do in {"hello", "observe"}:
            self._act(self._left.pop(0))
        self._zero_us = self._link.t_us - action.at_ms * 1000

    def _act(self, action: Action) -> None:
        try:
            ACTIONS[action.do](self._actor, action.steps * self._seen.step_ua)
        except OrderRefused as no:
            self._seen.told.append(Told(self._now_ms, "refusal", no.reason.name, no.detail))
        except Broken as broken:
            self._seen.ended = str(broken)
        self._hear()

    def _hear(self) -> None:
        while self._link.notices:
            self._seen.hear(self._now_ms, self._link.notices.popleft())


def _falls_quiet(session: RigSession) -> bool | None:
    """Say nothing for two looks of the witness; whether it saw no pulse in the second one.

    A device that is switched off has no clock: it is looked at as often as `READS` allow.
    """
    witness = session.witness
    if witness is None:
        return None
    for _ in range(2):
        before, until_us = len(witness.pulses), witness.until_us + LOOKED_US
        for _ in range(READS):
            with suppress(OSError):
                session.link.port.read(READ)
            witness.look(0)
            if witness.until_us >= until_us:
                break
    return len(witness.pulses) == before


# By prescription ---------------------------------------------


def _run(scenario: Scenario, url: str, key: bytes, folder: Path, seen: Timeline) -> None:
    from stimloop import prescription as prescriptions  # noqa: PLC0415  SciPy and Arrow
    from stimloop.record import Record  # noqa: PLC0415
    from stimloop.run import run_session  # noqa: PLC0415
    from stimloop.summary import summarize  # noqa: PLC0415

    directory = folder / "record"
    try:
        prescription = prescriptions.loads(scenario.prescription)
        run_session(prescription, url, key=key, seconds=scenario.seconds, directory=directory)
    except StimloopError as end:
        seen.ended = str(end)
    if not directory.exists():
        return
    record = Record.open(directory)
    seen.begun_us = record.session["device_us"]
    seen.step_ua = record.session["limits"]["amplitude_step_ua"]
    for _, status in record.statuses():
        seen.see((status.t_us - seen.begun_us) / 1000, status)
    for row in record.events():
        t_ms = (row.t_us - seen.begun_us) / 1000
        names: Mapping[str, tuple[str, type]] = {
            "device": ("event", EventCode),
            "refused": ("refusal", Refusal),
            "governor": ("governor", Bound),
        }
        if row.kind in names:
            kind, words = names[row.kind]
            seen.told.append(Told(t_ms, kind, words(row.code).name, row.detail))
    seen.summary = summarize(record).as_dict()
