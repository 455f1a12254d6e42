"""The device that a station holds: watched first, led only when something asks for it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from stimloop import assembly, impedance, programming
from stimloop import prescription as prescriptions
from stimloop.errors import PrescriptionError
from stimloop.station.attention import AttentivePort
from stimloop.station.errors import StationError
from stimloop.station.requests import Checked, Held, ReadBack
from stimloop.station.ring import CHANNELS
from stimloop_hw import Link
from stimloop_hw.groups import place_name
from stimloop_hw.messages import (
    ArmChallenge,
    ArmRequest,
    BatteryState,
    ClearFault,
    GetBattery,
    Status,
    StreamConfig,
)
from stimloop_hw.ports import open_port
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import evoked_of
from stimloop_hw.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.group import Group
    from stimloop.prescription import Prescription
    from stimloop.station.callers import Callers
    from stimloop_hw.messages import Limits


@dataclass(frozen=True, slots=True)
class Plan:
    """A prescription, and what it is on the device.

    Attributes
    ----------
    prescription : Prescription
    group : Group
    """

    prescription: Prescription
    group: Group


class HeldDevice:
    """A device behind an open link.

    Attributes
    ----------
    url : str
    key : bytes
    link : Link
    limits : Limits
    battery : BatteryState
    role : Role
        OBSERVER, until `take_lead`.
    staged, committed : Plan or None
        By this station, since it leads.
    """

    def __init__(self, url: str, key: bytes, callers: Callers) -> None:
        self.url = url
        self.key = key
        self._port = AttentivePort(open_port(url), callers)
        self.link = Link(self._port, url, key=key)
        self.role = Role.OBSERVER
        self.staged: Plan | None = None
        self.committed: Plan | None = None

    @classmethod
    def open(cls, url: str, key: bytes, callers: Callers) -> Self:
        """Connect as an observer: a therapy under way does not notice.

        Raises
        ------
        LinkError
            If it does not answer, or does not accept the key.
        """
        device = cls(url, key, callers)
        try:
            device.link.hello(Role.OBSERVER)
            device.limits = device.link.limits()
            device.battery = device.ask_battery()
        except BaseException:
            device.close()
            raise
        return device

    limits: Limits
    battery: BatteryState

    def close(self) -> None:
        """Let go; what the device does then is the lease's affair."""
        self.link.close()

    @contextmanager
    def undisturbed(self) -> Iterator[Link]:
        """The link while a STOP is sent over it: no other STOP may get in between."""
        self._port.attentive = False
        try:
            yield self.link
        finally:
            self._port.attentive = True

    def take_lead(self) -> None:
        """Become the controller, if nobody else leads.

        Raises
        ------
        OrderRefused
            If somebody leads a therapy.
        """
        if self.role is not Role.CONTROLLER:
            self.link.hello(Role.CONTROLLER)
            self.role = Role.CONTROLLER

    def ask_battery(self) -> BatteryState:
        """What is left of the battery."""
        return self.link.request(GetBattery(), BatteryState)

    # Programming ---------------------------------------------------------------------------

    def stage(self, text: str) -> ReadBack:
        """Send a prescription's programs, and compare what the device holds.

        Raises
        ------
        PrescriptionError, OrderRefused, ReadBackDiffers
            As they say; what was committed stays so.
        """
        plan = self._planned(text)
        self.take_lead()
        self.staged = None
        held = programming.stage(self.link, plan.group)
        self.staged = plan
        return ReadBack(self._parameters(plan, held), plan.group.set.crc())

    def check(self, text: str) -> Checked:
        """Say what a prescription would be on this device; nothing is sent."""
        try:
            plan = self._planned(text)
        except PrescriptionError as problem:
            return Checked(list(problem.violations), [], 0, "")
        held = programming.values_of(plan.group.set.entries())
        return Checked(
            [],
            self._parameters(plan, held),
            assembly.tick_us(plan.prescription, self.limits),
            assembly.detector(plan.prescription, self.limits).unit,
        )

    def commit(self) -> Plan:
        """Make what was staged the device's program.

        Raises
        ------
        StationError
            If nothing is staged.
        OrderRefused, ReadBackDiffers
            As they say.
        """
        if self.staged is None:
            raise StationError(
                "a commit was asked for and nothing is staged; stage a prescription, look at "
                "its read-back, then commit"
            )
        plan = self.staged
        programming.commit(self.link, plan.group)
        self.staged, self.committed = None, plan
        return plan

    def check_arm(self) -> None:
        """Ask the device whether it would let itself be armed now; it is not armed by that.

        Raises
        ------
        OrderRefused
            If it would not.
        """
        crc = 0 if self.committed is None else self.committed.group.set.crc()
        self.take_lead()
        self.link.request(ArmRequest(crc), ArmChallenge)

    def _planned(self, text: str) -> Plan:
        prescription = prescriptions.loads(text)
        prescription.check_device(self.link.identity)
        return Plan(prescription, prescription.programs(self.limits))

    def _parameters(self, plan: Plan, held: dict[tuple[int, int], int]) -> list[Held]:
        stimulation = plan.prescription.stimulation
        asked = {
            Parameter.PERIOD_MIN_US.value: 1e6 / stimulation.rate_hz,
            Parameter.PERIOD_MAX_US.value: 1e6
            / (stimulation.rate_min_hz or stimulation.rate_hz),
        }
        known = self.committed
        before = {} if known is None else programming.values_of(known.group.set.entries())
        return [
            Held(
                place_name(place),
                programming.NAMES[number],
                asked.get(number, float(value)),
                value,
                before.get((number, place), value),
            )
            for (number, place), value in held.items()
        ]

    # Sensing, measuring, faults --------------------------------------------------------------

    def stream(self, channels: list[int]) -> int:
        """Stream these channels without therapy, or an evoked one behind them; none ends it.

        Returns
        -------
        int
            Samples per second.

        Raises
        ------
        StationError
            If there are no such channels.
        OrderRefused
            If the device does not stream now.
        """
        limits, evoked = self.limits, evoked_of(self.limits)
        count = limits.sense_channels
        sensed = all(0 <= channel < min(count, CHANNELS) for channel in channels)
        single = len(channels) == 1 and 0 <= channels[0] - count < len(evoked)
        if not (sensed or single) or sorted(set(channels)) != channels:
            raise StationError(
                f"channels {channels} were asked for; the device senses "
                f"{list(range(min(count, CHANNELS)))} together, and after pulses each of "
                f"{list(range(count, count + len(evoked)))} alone: name them in rising order"
            )
        self.take_lead()
        if not channels:
            self.link.request(StreamConfig(0, 0, 0), Status)
            return 0
        if not sensed:
            channel = evoked[channels[0] - count]
            self.link.stream_evoked(channels[0], channel)
            return channel.rate_hz
        mask = sum(1 << channel for channel in channels)
        self.link.stream(mask, limits.sense_rate_hz, limits.sense_block)
        return limits.sense_rate_hz

    def is_evoked(self, channel: int) -> bool:
        """Whether a channel listens after pulses: those behind the sensing channels do."""
        return channel >= self.limits.sense_channels

    def channel_of(self, plan: Plan) -> int:
        """The channel that a plan's session streams."""
        evoked = plan.prescription.evoked
        if evoked is None:
            return plan.prescription.detector.channel
        return self.limits.sense_channels + evoked.channel

    def survey(self) -> dict[str, object]:
        """Let the device measure its lead; see `stimloop.impedance.survey`."""
        self.take_lead()
        return impedance.survey(self.link, self.limits.contacts)

    def clear_fault(self, faults: int) -> Status:
        """Leave FAULT, if these are the faults."""
        self.take_lead()
        return self.link.request(ClearFault(faults), Status)


def check_alone(text: str) -> Checked:
    """Judge a prescription where no device is connected: by itself."""
    try:
        prescriptions.loads(text)
    except PrescriptionError as problem:
        return Checked(list(problem.violations), [], 0, "")
    return Checked([], [], 0, "")
