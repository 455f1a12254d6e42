"""The bench: a ``sim://`` URL becomes firmware, front end and patient on one virtual clock."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import unquote

from stimloop_dsp.recordings import read_recording
from stimloop_hw.keys import DEVELOPMENT_KEY, read_key
from stimloop_hw.vocabulary import ResetCause
from stimloop_sim.cord import ScsPatient, cord_model
from stimloop_sim.evoked import EvokedFrontEnd
from stimloop_sim.firmware import Firmware
from stimloop_sim.impairment import Impairment
from stimloop_sim.implant import Implant
from stimloop_sim.lead import SensingLead
from stimloop_sim.patient import RATES_HZ
from stimloop_sim.patients import patient_model
from stimloop_sim.posture import Course
from stimloop_sim.profile import Profile
from stimloop_sim.recording import ImplantedRecording
from stimloop_sim.scenario import Scenario
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.tissue import Tissue, TissueModel
from stimloop_sim.vns import VnsPatient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stimloop_sim.board import Board
    from stimloop_sim.source import Source

SCHEME = "sim://"
KEYS = (
    *("patient", "recording", "channel", "rate", "gain", "tissue", "seed", "pace", "fs"),
    *("block_ms", "key", "build", "faults", "postures"),
)
PACES = ("free", "real")
BUILDS = ("signed", "unsigned")
NO_FAULTS = Scenario()


class Bench:
    """A simulated implant on its virtual clock, and the line to it.

    Parameters
    ----------
    power_on : callable (board, cause) -> Firmware
        See `Implant`.
    real : bool
        Whether its clock should keep pace with the wall's.
    scenario : Scenario
        Faults on schedule.

    Attributes
    ----------
    implant : Implant
    line : Impairment
    real : bool
    """

    def __init__(
        self,
        power_on: Callable[[Board, ResetCause], Firmware],
        *,
        real: bool,
        scenario: Scenario,
    ) -> None:
        self.implant = Implant(power_on, scenario)
        self.line = Impairment(scenario)
        self.real = real
        self._impaired = any(not entry.on_device for entry in scenario.entries)

    @classmethod
    def of_url(cls, url: str) -> Bench:
        """Set up what a ``sim://PROFILE?key=value&…`` URL asks for.

        Raises
        ------
        ValueError
            One sentence, if a profile, key or value is unknown or does not fit another.
        """
        name, _, query = url.removeprefix(SCHEME).partition("?")
        options = _options(query)
        profile = Profile.named(name.strip("/"))
        fs_hz = _number(options, "fs", None, RATES_HZ)
        source = _source(options, fs_hz, profile)
        block_ms = _number(options, "block_ms", 20, None)
        assert block_ms is not None
        pace = options.get("pace", "free")
        if pace not in PACES:
            raise ValueError(f"pace={pace} is unknown; use pace=free or pace=real")
        build = options.get("build", "signed")
        if build not in BUILDS:
            raise ValueError(f"build={build} is unknown; use build=signed or build=unsigned")
        if build == "unsigned" and "key" in options:
            raise ValueError("key= protects nothing with build=unsigned; leave one of them out")
        seed = _number(options, "seed", 0, None)
        assert seed is not None
        return cls.around(
            source,
            profile,
            seed=seed,
            tissue=options.get("tissue", "default"),
            block_ms=block_ms,
            key=read_key(options["key"]) if "key" in options else DEVELOPMENT_KEY,
            signed=build == "signed",
            real=pace == "real",
            scenario=Scenario.load(options["faults"]) if "faults" in options else NO_FAULTS,
        )

    @classmethod
    def around(
        cls,
        source: Source,
        profile: Profile,
        *,
        seed: int = 0,
        tissue: str = "default",
        block_ms: int = 20,
        key: bytes = DEVELOPMENT_KEY,
        signed: bool = True,
        real: bool = False,
        scenario: Scenario = NO_FAULTS,
    ) -> Bench:
        """Put an implant on a patient or a recording.

        Parameters
        ----------
        source : Source
        profile : Profile
        seed : int
            Of what the tissue adds to the samples.
        tissue : str
            Name of a `TissueModel`.
        block_ms : int
            Length of a stream block, ms; a whole number of samples.
        key : bytes
            The device's, 32 bytes.
        signed : bool
            False for a build that takes unsigned orders.
        real : bool
            Whether its clock should keep pace with the wall's.
        scenario : Scenario
            Faults on schedule.

        Raises
        ------
        ValueError
            One sentence, if these do not fit each other.
        """
        block, rest = divmod(block_ms * source.fs_hz, 1000)
        if rest:
            raise ValueError(
                f"block_ms={block_ms} is no whole number of samples at {source.fs_hz} Hz; "
                "use a multiple of 4 ms (250 Hz), 2 ms (500 Hz) or 1 ms (1000 Hz)"
            )
        around = Tissue(TissueModel.named(tissue), profile.output)
        front_end = _front_end(source, profile, block, around, seed)

        def power_on(board: Board, cause: ResetCause) -> Firmware:
            return Firmware(
                profile, front_end, around, key=key, signed=signed, board=board, cause=cause
            )

        return cls(power_on, real=real, scenario=scenario)

    @property
    def firmware(self) -> Firmware:
        """The firmware that runs now; another one after each reset."""
        return self.implant.firmware

    @property
    def now_us(self) -> int:
        """The bench's time, µs: the device's, unless that was reset or drifts."""
        return self.implant.now_us

    @property
    def is_unplugged(self) -> bool:
        """Whether the scenario has pulled the plug."""
        return self._impaired and self.line.is_unplugged(self.now_us)

    @property
    def block_us(self) -> int:
        """Length of a stream block, µs."""
        front_end = self.firmware.front_end
        return front_end.block * front_end.sample_us

    @property
    def due_us(self) -> int:
        """When something has to be done next: a frame is complete, or bytes come out, µs."""
        front_end = self.firmware.front_end
        sample_us = front_end.sample_us
        due_us = self.now_us + self.firmware.samples_to_frame() * sample_us
        if self._impaired:
            line_us = min(self.line.due_us, self.line.to_host.due_us) - self.now_us
            due_us = min(due_us, self.now_us + max(1, -(-line_us // sample_us)) * sample_us)
        return due_us

    def magnet(self, *, present: bool) -> None:
        """Hold a magnet to the implant, or take it away."""
        self.implant.hold_magnet(present=present)

    def advance_block(self) -> None:
        """Let time pass until a block, or the sweep after a pulse, is complete."""
        self.advance(self.firmware.samples_to_frame())

    def advance_to(self, now_us: int) -> None:
        """Let time pass up to the last whole sample before this time of the bench."""
        samples = self.implant.samples_until(now_us)
        if samples > 0:
            self.advance(samples)

    def advance(self, samples: int) -> None:
        """Let so many sample intervals pass; bytes that are due on the way arrive."""
        if not self._impaired:
            self.implant.advance(samples)
            return
        sample_us = self.firmware.front_end.sample_us
        while samples:
            until_us = self.line.due_us if self.line.to_host.is_free(self.now_us) else 0
            count = min(samples, max(1, -(-(until_us - self.now_us) // sample_us)))
            self.implant.advance(count)
            samples -= count
            self._exchange()

    def _exchange(self) -> None:
        """Bytes that are due reach the device; what it has to say goes on its way."""
        line = self.line
        for _ in range(line.resets(self.now_us)):
            self.implant.reset(ResetCause.EXTERNAL)
        if data := line.to_device.take(self.now_us):
            self.implant.receive(data)
        while line.to_host.is_free(self.now_us) and (frame := self.implant.take_frame()):
            line.to_host.push(self.now_us, frame)

    # The host's end of the line --------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, now."""
        if not self._impaired:
            self.implant.receive(data)
            return
        self.line.to_device.push(self.now_us, data)
        self._exchange()

    def take(self) -> bytes:
        """Give the host all bytes that have come out by now."""
        if not self._impaired:
            return self.implant.take()
        self._exchange()
        return self.line.to_host.take(self.now_us)

    def take_frame(self) -> bytes:
        """Give the host what is most urgent: the rest may wait in the device."""
        return self.take() if self._impaired else self.implant.take_frame()


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"sim:// has no option {key!r}; {hint}known are: {', '.join(KEYS)}"
            )
        if not equals or not value:
            raise ValueError(f"the sim:// option {key!r} needs a value: write {key}=VALUE")
        if key in options:
            raise ValueError(f"the sim:// option {key!r} stands twice; write it once")
        options[key] = unquote(value)
    return options


def _number(
    options: Mapping[str, str],
    key: str,
    default: int | None,
    allowed: tuple[int, ...] | None,
) -> int | None:
    text = options.get(key)
    if text is None:
        return default
    ok = text.isascii() and text.isdigit() and len(text) < 19
    if not ok or (allowed and int(text) not in allowed) or (key == "block_ms" and text == "0"):
        wanted = f"one of {', '.join(map(str, allowed))}" if allowed else "a whole number"
        raise ValueError(f"{key}={text} is not possible; {key} has to be {wanted}")
    return int(text)


def _real(options: Mapping[str, str], key: str) -> float | None:
    text = options.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{key}={text} is not possible; {key} has to be a positive number")
    return value


def _front_end(
    source: Source, profile: Profile, block: int, tissue: Tissue, seed: int
) -> FrontEnd:
    """What the device senses: through its lead, or after its pulses."""
    if isinstance(source, ScsPatient):
        last = tissue.case - 1
        evoked = EvokedFrontEnd(
            source, source.window, profile.sense_range_uv, tissue, (last - 1, last)
        )
        return FrontEnd(source, profile.sense_range_uv, block, [evoked])
    pickup = tissue.pickup(source.fs_hz, len(source.channels), seed)
    return FrontEnd(SensingLead(source, pickup), profile.sense_range_uv, block)


def _source(options: Mapping[str, str], fs_hz: int | None, profile: Profile) -> Source:
    seed = _number(options, "seed", 0, None)
    assert seed is not None
    if "recording" not in options:
        for key in ("channel", "rate", "gain"):
            if key in options:
                raise ValueError(
                    f"{key}= belongs to a recording; add recording=PATH, or leave {key}= out"
                )
        if "postures" in options and profile.patients != "scs":
            raise ValueError(
                f"postures= belongs to spinal cord stimulation, and {profile.model} is another "
                "device; use sim://scs, or leave postures= out"
            )
        return _patient(options, profile, seed, fs_hz or 250)
    for key in ("patient", "postures", "seed"):
        if key in options and not (key == "seed" and "tissue" in options):
            raise ValueError(f"{key}= and recording= exclude each other; leave one of them out")
    recording = read_recording(
        options["recording"],
        channel=options.get("channel"),
        rate_hz=_real(options, "rate"),
        gain=_real(options, "gain") or 1.0,
    )
    implanted = ImplantedRecording(recording, range_uv=profile.sense_range_uv)
    if fs_hz not in (None, implanted.fs_hz):
        raise ValueError(
            f"fs={fs_hz} is not possible; {recording.name} is sensed at {implanted.fs_hz} Hz: "
            "leave fs= out"
        )
    return implanted


def _patient(options: Mapping[str, str], profile: Profile, seed: int, fs_hz: int) -> Source:
    match profile.patients:
        case "vns":
            return VnsPatient.named(options.get("patient", "temporal"), seed=seed, fs_hz=fs_hz)
        case "scs":
            cord = cord_model(options.get("patient", "default"))
            if "postures" in options:
                cord = replace(cord, course=Course.parse(options["postures"]))
            return ScsPatient(cord, seed=seed, fs_hz=fs_hz)
        case _:
            model = patient_model(options.get("patient", "default"))
            source: Source = model.patient(seed=seed, fs_hz=fs_hz)
            return source
