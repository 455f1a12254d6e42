"""The bench: a ``sim://`` URL becomes firmware, front end and patient on one virtual clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.keys import DEVELOPMENT_KEY, read_key
from stimloop_hw.vocabulary import ResetCause
from stimloop_sim.evoked import Answering, EvokedFrontEnd
from stimloop_sim.firmware import Firmware
from stimloop_sim.impairment import Impairment
from stimloop_sim.implant import Implant
from stimloop_sim.lead import SensingLead
from stimloop_sim.profile import Profile
from stimloop_sim.scenario import Scenario
from stimloop_sim.sensing import FrontEnd
from stimloop_sim.sim_url import Host, one_of, source_of, split, whole_number
from stimloop_sim.tissue import Tissue, TissueModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from stimloop_sim.board import Board
    from stimloop_sim.source import Source

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
        name, options = split(url, KEYS)
        profile = Profile.named(name)
        source = source_of(
            options, Host(profile.model, profile.patients, profile.sense_range_uv)
        )
        block_ms = whole_number(options, "block_ms", 20)
        if not block_ms:
            raise ValueError("block_ms=0 is not possible; block_ms has to be a whole number")
        pace = one_of(options, "pace", PACES)
        build = one_of(options, "build", BUILDS)
        if build == "unsigned" and "key" in options:
            raise ValueError("key= protects nothing with build=unsigned; leave one of them out")
        seed = whole_number(options, "seed", 0)
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
    def model(self) -> str:
        """As the device calls itself."""
        return self.firmware.profile.model

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


def _front_end(
    source: Source, profile: Profile, block: int, tissue: Tissue, seed: int
) -> FrontEnd:
    """What the device senses: through its lead, or after its pulses."""
    if isinstance(source, Answering):
        last = tissue.case - 1
        evoked = EvokedFrontEnd(
            source, source.window, profile.sense_range_uv, tissue, (last - 1, last)
        )
        return FrontEnd(source, profile.sense_range_uv, block, [evoked])
    pickup = tissue.pickup(source.fs_hz, len(source.channels), seed)
    return FrontEnd(SensingLead(source, pickup), profile.sense_range_uv, block)
