"""The tables of a prescription: their keys, units, ranges, and how the values fit together.

No device is needed to judge what stands here; `stimloop.gate` judges the rest.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from stimloop.errors import Violation
from stimloop.quantities import Contacts, Milliamperes, Number, Table
from stimloop.violations import nested, refusals, shown
from stimloop_hw.program import PASSIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop_hw.messages import Limits

Recharge = Literal["passive", "1:1", "1:2", "1:3", "1:4", "1:5", "1:6", "1:7", "1:8"]
LEASE_MIN_MS = 500
"""A shorter lease could end between two heartbeats of a busy host."""
PASSIVE_WIDTHS = 8
"""A passive recharge needs the rest of at least so many pulse widths."""


class Pulses(Table):
    """What each program of a group has of its own.

    Attributes
    ----------
    amplitude_ma : float
        Upper limit of the amplitude, mA, in steps of 0.001 mA.
    pulse_width_us : int
        Width of the cathodic phase, µs.
    fallback_ma : float
        Amplitude that the device keeps when the host falls silent, mA: 0 or within the limits.
    cathodes, anodes : tuple of str
        ``"0"`` to ``"14"`` and ``"case"``; no contact is both.
    shares_percent : dict of str to int
        What part of its pole's current each contact carries, percent; 100 for each pole, and
        the whole for one that is alone. Without any the contacts of a pole are tied together.
    recharge : str or None
        ``"passive"``, or ``"1:1"`` to ``"1:8"``: at so small a part of the amplitude, for so
        many widths. None leaves it to the device.
    interphase_us : int or None
        Gap between cathodic phase and recharge, µs; None leaves it to the device.
    """

    amplitude_ma: Milliamperes
    pulse_width_us: int = Field(gt=0, le=1_000_000)
    fallback_ma: Milliamperes = 0.0
    cathodes: Contacts
    anodes: Contacts
    shares_percent: dict[str, Annotated[int, Field(ge=1, le=100)]] = Field(default_factory=dict)
    recharge: Recharge | None = None
    interphase_us: int | None = Field(default=None, ge=0)

    @property
    def parts(self) -> dict[str, Fraction]:
        """What part of the amplitude each contact carries: the whole, if it is not shared."""
        return {
            name: Fraction(self.shares_percent.get(name, 100), 100)
            for name in (*self.cathodes, *self.anodes)
        }

    def recharge_ratio_on(self, limits: Limits) -> int:
        """Ratio of the recharge on a device, `stimloop_hw.program.PASSIVE` if it is passive."""
        if self.recharge is None:
            return limits.recharge_ratio
        return PASSIVE if self.recharge == "passive" else int(self.recharge.removeprefix("1:"))

    def interphase_us_on(self, limits: Limits) -> int:
        """Gap between the phases on a device, µs."""
        return limits.interphase_us if self.interphase_us is None else self.interphase_us

    def pulse_us_on(self, limits: Limits) -> int:
        """How long a pulse takes on a device with its recharge, µs."""
        ratio = self.recharge_ratio_on(limits)
        widths = PASSIVE_WIDTHS if ratio == PASSIVE else ratio
        return self.pulse_width_us * (1 + widths) + self.interphase_us_on(limits)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        found = list(self._violations())
        if found:
            raise nested(found)
        return self

    def _violations(self) -> Iterator[Violation]:
        """What does not fit; fields without the name of the table."""
        if self.fallback_ma > self.amplitude_ma:
            yield self._above("fallback_ma", self.fallback_ma)
        for key, names in (("cathodes", self.cathodes), ("anodes", self.anodes)):
            if len(set(names)) < len(names):
                yield Violation(key, shown(names), "each contact once", "remove the repetition")
        both = [name for name in self.cathodes if name in self.anodes]
        if both:
            yield Violation(
                "anodes",
                f"{shown(both)}, which are cathodes too",
                "other contacts than the cathodes",
                "choose for each contact what it is",
            )
        yield from self._share_violations()

    def _above(self, key: str, value_ma: float) -> Violation:
        return Violation(
            key,
            f"{value_ma:g} mA",
            f"0 to amplitude_ma, {self.amplitude_ma:g} mA",
            f"lower {key} or raise amplitude_ma",
        )

    def _share_violations(self) -> Iterator[Violation]:
        if not self.shares_percent:
            return
        strange = [n for n in self.shares_percent if n not in (*self.cathodes, *self.anodes)]
        if strange:
            yield Violation(
                "shares_percent",
                shown(strange),
                "shares of the cathodes and anodes",
                "name the contact there, or remove its share",
            )
        for key, names in (("cathodes", self.cathodes), ("anodes", self.anodes)):
            given = [self.shares_percent.get(n, 100 if len(names) == 1 else 0) for n in names]
            if sum(given) != 100 or 0 in given:
                yield Violation(
                    "shares_percent",
                    f"{' + '.join(map(str, given))} % of the {key}",
                    "100 % in all, and some for each contact",
                    "share out the whole, or leave shares_percent out",
                )


class Interleaved(Pulses):
    """A further program of the group, which the loop does not move.

    It rises to `amplitude_ma` at the slew of ``[stimulation]``, whose rate, ramps and pauses
    are the whole group's.

    Attributes
    ----------
    offset_us : int or None
        Start of its pulse after that of the first program, µs; None: where the pulse before it
        has ended.
    """

    offset_us: int | None = Field(default=None, ge=0)

    def beside(self, first: Stimulation) -> Stimulation:
        """The whole of what this program asks for, beside the first of its group."""
        own = {name: getattr(self, name) for name in Pulses.model_fields}
        return first.model_copy(update={**own, "amplitude_min_ma": 0.0})


class Stimulation(Pulses):
    """The envelope that is committed to the device.

    Attributes
    ----------
    amplitude_min_ma : float
        Lower limit of the amplitude, mA, whose upper one is `amplitude_ma`. A continuous
        prescription delivers the upper one. Zero is allowed besides.
    rate_hz : float
        Pulses per second; becomes the nearest period that the device has. For a controller of
        the rate it is the highest.
    rate_min_hz : float or None
        The lowest rate of a controller of the rate, below which it is off; None for all others.
    slew_ma_per_s : float
        Fastest change of the amplitude, mA/s.
    lease_ms : int
        The device ends the therapy so long after the last sign of the host, ms, >= 500.
    slew_down_ma_per_s : float or None
        Fastest decrease of the amplitude, mA/s; `slew_ma_per_s` if not given.
    soft_start_ms : int
        For so long after the start, and after each pause, nothing rises faster than to
        `amplitude_ma` within it, ms.
    soft_stop_ms : int
        Duration of the ramp at the end of a session, and into each pause, ms.
    cycle_on_ms, cycle_off_ms : int
        Pauses, ms: soft start, `cycle_on_ms`, soft stop, then silence until ``on + off`` are
        over. Zeros are none.
    """

    amplitude_min_ma: Milliamperes = 0.0
    rate_hz: Number = Field(gt=0)
    rate_min_hz: Annotated[Number, Field(gt=0)] | None = None
    slew_ma_per_s: Milliamperes = Field(gt=0)
    lease_ms: int = Field(default=2000, ge=LEASE_MIN_MS)
    slew_down_ma_per_s: Annotated[Milliamperes, Field(gt=0)] | None = None
    soft_start_ms: int = Field(default=0, ge=0)
    soft_stop_ms: int = Field(default=250, ge=1)
    cycle_on_ms: int = Field(default=0, ge=0)
    cycle_off_ms: int = Field(default=0, ge=0)

    def _violations(self) -> Iterator[Violation]:
        if self.amplitude_min_ma > self.amplitude_ma:
            yield self._above("amplitude_min_ma", self.amplitude_min_ma)
        if 0 < self.fallback_ma < self.amplitude_min_ma <= self.amplitude_ma:
            yield Violation(
                "fallback_ma",
                f"{self.fallback_ma:g} mA",
                f"0, or at least amplitude_min_ma, {self.amplitude_min_ma:g} mA",
                "fall back to 0, or to an amplitude of the therapy",
            )
        if self.rate_min_hz is not None and self.rate_min_hz > self.rate_hz:
            yield Violation(
                "rate_min_hz",
                f"{self.rate_min_hz:g} Hz",
                f"at most rate_hz, {self.rate_hz:g} Hz",
                "lower it",
            )
        yield from super()._violations()
        yield from self._cycle_violations()

    def _cycle_violations(self) -> Iterator[Violation]:
        edges_ms = self.soft_start_ms + self.soft_stop_ms
        if bool(self.cycle_on_ms) != bool(self.cycle_off_ms):
            yield Violation(
                "cycle_on_ms",
                f"{self.cycle_on_ms} ms on and {self.cycle_off_ms} ms off",
                "both, or neither",
                "write how long it stimulates, and how long it pauses",
            )
        elif self.cycle_on_ms and self.cycle_off_ms < edges_ms:
            yield Violation(
                "cycle_off_ms",
                f"{self.cycle_off_ms} ms",
                f"at least {edges_ms} ms: soft start and soft stop are part of it",
                "lengthen the pause, or shorten the ramps",
            )


class Magnet(Table):
    """How the device heeds a magnet, whether a host is there or not.

    Attributes
    ----------
    swipe_ms : int
        While a magnet is there the output is zero; one that was there for less than this starts
        a train when it is gone, ms.
    amplitude_ma : float
        Output of that train, mA; 0: the magnet inhibits, no more.
    pulse_width_us, on_ms : int
        Its width, µs, and its time on between soft start and soft stop, ms; 0 without a train.
    """

    swipe_ms: int = Field(gt=0, le=60_000)
    amplitude_ma: Milliamperes = 0.0
    pulse_width_us: int = Field(default=0, ge=0, le=1_000_000)
    on_ms: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = bool(self.amplitude_ma)
        found = [
            Violation(
                f"magnet.{key}",
                f"{value} with amplitude_ma = {self.amplitude_ma:g}",
                "a number above 0" if given else "0: there is no train",
                f"write {key}" if given else f"remove {key}, or write amplitude_ma",
            )
            for key, value in (
                ("pulse_width_us", self.pulse_width_us),
                ("on_ms", self.on_ms),
            )
            if bool(value) is not given
        ]
        if found:
            raise refusals(found)
        return self


class Evoked(Table):
    """Sense the response that each pulse evokes, instead of the beta detector's signal.

    Attributes
    ----------
    channel : int
        Evoked channel.
    n1_ms : float
        Where N1 is expected after the end of the pulse, ms.
    least_uv : float
        Least amplitude of a response, N1 to P2, µV.
    lobe_hz : float
        Frequency of the template's lobes, Hz.
    search : int
        Sweeps from one search for the response's place to the next; 0 is never.
    """

    channel: int = Field(default=0, ge=0)
    n1_ms: Number = Field(gt=0, le=10)
    least_uv: Number = Field(default=10.0, gt=0)
    lobe_hz: Number = Field(default=1000.0, gt=0)
    search: int = Field(default=50, ge=0, le=1_000_000)


class Patient(Table):
    """What is left to the patient, where a therapy runs alone.

    Attributes
    ----------
    min_ma, max_ma : float
        Between which levels the patient may choose the largest amplitude, mA; it begins at the
        upper one.
    step_ma : float
        By how much one step moves it, mA.
    """

    min_ma: Milliamperes = Field(gt=0)
    max_ma: Milliamperes = Field(gt=0)
    step_ma: Milliamperes = Field(gt=0)

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.min_ma > self.max_ma:
            raise refusals(
                [
                    Violation(
                        "patient.min_ma",
                        f"{self.min_ma:g} mA",
                        f"at most max_ma, {self.max_ma:g} mA",
                        "exchange them",
                    )
                ]
            )
        return self


class Governor(Table):
    """What the governor does not leave to the controller.

    Attributes
    ----------
    switches_per_min : int
        More swings of the wanted amplitude within 60 s, or more decisions of the detector where
        the controller follows them, are chatter: the fallback amplitude is ordered until the
        session ends. The default is a design choice: twice what on/off control does on the
        virtual patients.
    """

    switches_per_min: int = Field(default=240, ge=2, le=1200)
