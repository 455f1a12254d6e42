"""What pulse generators can do and cannot do, declared once; and what a driver has to offer.

Drivers of devices that keep no lease, check nothing and repeat nothing are the safety shell
around them: stimulation comes in finite trains, which end without any host; what the device
cannot represent is refused; and where a driver cannot know what the device does, it says so.

Resistor or saline loads only, never a person or an animal: no device that these drivers reach
has an isolation certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum, unique
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, Self

from stimloop_hw.errors import TrainRefused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType


@unique
class Unit(StrEnum):
    """What a generator regulates, and so the unit of its amplitudes."""

    UA = "µA"
    MV = "mV"


@unique
class Lease(StrEnum):
    """What ends the output when nobody asks for it any more."""

    COUNTED = "the device counts it, heartbeats renew it"
    TRAIN = "a finite train, started again when it has ended"


@dataclass(frozen=True, slots=True)
class Capability:
    """What one kind of generator can do.

    Attributes
    ----------
    name : str
        As people call it.
    unit : Unit
        Of amplitudes.
    channels : int
        Outputs.
    amplitude_max : int
        Largest amplitude of either sign, in `unit`. 0: the device tells it (`Limits`).
    resolution : Fraction
        Between two neighbouring amplitudes, in `unit`.
    time_step_us : int
        Every time is a multiple of this, µs.
    width_min_us : int
        Shortest phase of a pulse, µs.
    time_max_us : int
        Longest phase, gap, period and train, µs.
    order_us : int
        Fastest control: time between two changes of amplitude, at least, µs.
    lease : Lease
    lease_max_ms : int
        The longest that the driver lets the device go on without being asked again, ms.
    checks : bool
        Whether it tells a damaged order from an intact one.
    reads_back : bool
        Whether what it holds can be compared with what it was sent, in the session.
    watchdog : bool
        Whether its output ends when its firmware hangs.
    measures : bool
        Whether it measures what it delivers.
    """

    name: str
    unit: Unit
    channels: int
    amplitude_max: int
    resolution: Fraction
    time_step_us: int
    width_min_us: int
    time_max_us: int
    order_us: int
    lease: Lease
    lease_max_ms: int
    checks: bool
    reads_back: bool
    watchdog: bool
    measures: bool


# Facts on Pulse Pal and StimJim are those of their firmware: sanworks/PulsePal @ ecdbcf4 and
# open-ephys/stimjim @ d3ee6ad.
_PULSE_PAL_2 = Capability(
    "Pulse Pal 2",
    Unit.MV,
    channels=4,
    amplitude_max=10_000,
    resolution=Fraction(20_000, 65_535),
    time_step_us=50,
    width_min_us=50,
    time_max_us=1_800_000_000,
    order_us=100_000,
    lease=Lease.TRAIN,
    lease_max_ms=1_000,
    checks=False,
    reads_back=False,
    watchdog=False,
    measures=False,
)

GENERATORS: dict[str, Capability] = {
    "sl1": Capability(
        "SL1 implant",
        Unit.UA,
        channels=1,
        amplitude_max=0,
        resolution=Fraction(1),
        time_step_us=1,
        width_min_us=1,
        time_max_us=(1 << 32) - 1,
        order_us=1_000,
        lease=Lease.COUNTED,
        lease_max_ms=10_000,
        checks=True,
        reads_back=True,
        watchdog=True,
        measures=True,
    ),
    "pulsepal-1": replace(_PULSE_PAL_2, name="Pulse Pal 1", resolution=Fraction(20_000, 255)),
    "pulsepal-2": _PULSE_PAL_2,
    "stimjim": Capability(
        "StimJim",
        Unit.UA,
        channels=2,
        amplitude_max=3_330,
        resolution=Fraction(1),  # as told: its converter has 0.1017 µA,
        time_step_us=1,
        width_min_us=20,
        time_max_us=1_800_000_000,
        order_us=20_000,
        lease=Lease.TRAIN,
        lease_max_ms=1_000,
        checks=False,
        reads_back=True,
        watchdog=False,
        measures=True,
    ),
}
"""By the name of the driver, and the model where a driver knows several."""


@dataclass(frozen=True, slots=True)
class Train:
    """A finite train of biphasic pulses whose two phases carry the same charge.

    Attributes
    ----------
    amplitude : int
        Of the first phase, in the generator's unit; cathodic is negative. 0 is a train of
        nothing.
    width_us : int
        Of the first phase, µs.
    period_us : int
        From pulse to pulse, µs.
    pulses : int
        How many.
    interphase_us : int
        Gap between the phases, µs.
    recharge_ratio : int
        The second phase has 1/ratio of the amplitude for ratio times the width.
    """

    amplitude: int
    width_us: int
    period_us: int
    pulses: int
    interphase_us: int = 0
    recharge_ratio: int = 1

    @property
    def pulse_us(self) -> int:
        """From the beginning of a pulse to its end, µs."""
        return self.width_us * (1 + self.recharge_ratio) + self.interphase_us

    @property
    def duration_us(self) -> int:
        """From the first pulse to the end of the last period, µs."""
        return self.pulses * self.period_us

    def lasting(self, duration_us: int) -> Self:
        """The same train with as many whole periods as fit a time, but one at least."""
        return replace(self, pulses=max(1, duration_us // self.period_us))

    def check(self, capability: Capability) -> None:
        """Compare with what a generator can do; nothing is rounded.

        Parameters
        ----------
        capability : Capability

        Raises
        ------
        TrainRefused
            In one sentence: what was asked, what is allowed, what to do.
        """
        known = capability
        for name, value_us, low_us in (
            ("width_us", self.width_us, known.width_min_us),
            ("period_us", self.period_us, known.time_step_us),
            ("interphase_us", self.interphase_us, 0),
        ):
            if not low_us <= value_us <= known.time_max_us:
                raise TrainRefused(
                    f"{name} {value_us} was asked for; a {known.name} has {low_us} to "
                    f"{known.time_max_us} µs: choose a time in that range"
                )
            below_us = value_us - value_us % known.time_step_us
            if below_us != value_us:
                raise TrainRefused(
                    f"{name} {value_us} was asked for; a {known.name} has multiples of "
                    f"{known.time_step_us} µs: write {max(below_us, low_us)} or "
                    f"{below_us + known.time_step_us}"
                )
        if known.amplitude_max and abs(self.amplitude) > known.amplitude_max:
            raise TrainRefused(
                f"{self.amplitude} {known.unit} were asked for; a {known.name} has "
                f"-{known.amplitude_max} to {known.amplitude_max} {known.unit}: lower it"
            )
        if self.recharge_ratio < 1:
            raise TrainRefused(
                f"recharge_ratio {self.recharge_ratio} was asked for; 1 or more is allowed, "
                "since nothing else would take the charge back: ask for an active recharge"
            )
        if self.pulse_us >= self.period_us:
            raise TrainRefused(
                f"period_us {self.period_us} was asked for; a pulse of {self.pulse_us} µs "
                "needs a longer one: lengthen it, or shorten the pulse"
            )
        if not 0 < self.duration_us <= known.lease_max_ms * 1000:
            raise TrainRefused(
                f"a train of {self.duration_us} µs was asked for; the train is the lease, of "
                f"at most {known.lease_max_ms} ms: ask for 1 to "
                f"{max(1, known.lease_max_ms * 1000 // self.period_us)} pulses, and play again"
            )


@dataclass(frozen=True, slots=True)
class Played:
    """A train that was started.

    Attributes
    ----------
    train : Train
        As the device plays it: the amplitude is the nearest one below that it has.
    first_ns, last_ns : int
        Between these two times of the port's clock the first pulse began, ns.
    """

    train: Train
    first_ns: int
    last_ns: int


class Measured(Protocol):
    """What a generator that measures its output says of a train that has ended."""

    @property
    def train(self) -> Train:
        """As it was played."""

    @property
    def pulses(self) -> int:
        """Delivered."""

    @property
    def amplitude(self) -> int:
        """Mean of the first phases, in the generator's unit."""

    @property
    def difference(self) -> str:
        """In one sentence, how it differs from what was asked; empty where it does not."""


class PulseGenerator(Protocol):
    """What a session needs of a generator that keeps no lease of its own.

    Attributes
    ----------
    capability : Capability
    firmware : int
        Version that it told.
    name : str
        How errors call it.
    doubt : str
        Why the device may do something else than it was told, in one sentence; empty while
        that is not so. Only `stop` may end a doubt.
    """

    capability: Capability
    firmware: int
    name: str
    doubt: str

    @property
    def now_ns(self) -> int:
        """Time of the port's clock: the host's monotonic one, or that of a simulation."""

    @property
    def idle_ns(self) -> int:
        """From when on the train in play has certainly ended, by the port's clock, ns."""

    def check(self, train: Train) -> None:
        """Refuse a train that this device must not get.

        Raises
        ------
        TrainRefused
            In one sentence: what was asked, what is allowed, what to do.
        """

    def play(self, train: Train) -> Played:
        """Program and start a finite train; it ends by itself.

        Parameters
        ----------
        train : Train

        Raises
        ------
        TrainRefused
            If the device cannot represent it, or its lease does not allow it yet; nothing was
            sent then.
        LinkError
            If it is not certain that the device does this and no more; `doubt` says why then.
        """

    def take_measured(self) -> Sequence[Measured]:
        """What it has measured of trains that have ended since this was last asked."""

    def listen(self, for_us: int) -> None:
        """Let so much time of the port's clock pass, and hear what the device says unasked.

        Raises
        ------
        LinkError
            If it says something that nobody understands; `doubt` says why then.
        """

    def stop(self) -> None:
        """End the output by every means that the device has.

        Raises
        ------
        LinkError
            If it is not certain that it ended; says where to switch off by hand.
        """

    def close(self) -> None:
        """Release the port; the train in play still ends by itself."""

    def __enter__(self) -> Self:
        """It is open already."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the port."""


def markdown() -> str:
    """The table of all generators, for people."""
    yes_no = {True: "yes", False: "no"}
    rows: list[tuple[str, list[str]]] = [
        ("", [c.name for c in GENERATORS.values()]),
        ("---", ["---"] * len(GENERATORS)),
        ("regulates", [f"{c.unit}" for c in GENERATORS.values()]),
        ("outputs", [f"{c.channels}" for c in GENERATORS.values()]),
        (
            "largest amplitude",
            [
                f"±{c.amplitude_max} {c.unit}" if c.amplitude_max else "as it tells"
                for c in GENERATORS.values()
            ],
        ),
        ("resolution", [f"{float(c.resolution):.4g} {c.unit}" for c in GENERATORS.values()]),
        ("step of times", [f"{c.time_step_us} µs" for c in GENERATORS.values()]),
        ("shortest phase", [f"{c.width_min_us} µs" for c in GENERATORS.values()]),
        ("fastest control", [f"{c.order_us / 1000:g} ms" for c in GENERATORS.values()]),
        ("lease", [f"{c.lease}" for c in GENERATORS.values()]),
        ("longest lease", [f"{c.lease_max_ms} ms" for c in GENERATORS.values()]),
        ("tells damaged orders", [yes_no[c.checks] for c in GENERATORS.values()]),
        ("read-back", [yes_no[c.reads_back] for c in GENERATORS.values()]),
        ("watchdog", [yes_no[c.watchdog] for c in GENERATORS.values()]),
        ("measures its output", [yes_no[c.measures] for c in GENERATORS.values()]),
    ]
    return "".join(f"| {' | '.join((head, *cells))} |\n" for head, cells in rows)
