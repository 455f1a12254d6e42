"""The host's gate at the electrode: what each contact and the output stage may carry.

Without shares the contacts of a pole are tied together, and each is judged as if it carried the
whole current: no credit is given for how the tissue may share it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from stimloop.errors import Violation
from stimloop.quantities import exact
from stimloop_hw.program import PASSIVE, Parameter
from stimloop_hw.ranges import Bounding, contacts_of, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stimloop.tables import Stimulation
    from stimloop_hw.messages import Limits
    from stimloop_hw.ranges import Contact

_UM2_PER_CM2 = 10**8
_FIELD = "stimulation.amplitude_ma × pulse_width_us"


def missing_contacts(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    """Find the contacts that the lead has not."""
    for key, names in (("cathodes", asked.cathodes), ("anodes", asked.anodes)):
        missing = [
            name
            for name in names
            if (not limits.case_pole if name == "case" else int(name) >= limits.contacts)
        ]
        if missing:
            yield Violation(
                f"stimulation.{key}",
                ", ".join(missing),
                f'"0" to "{limits.contacts - 1}"' + (' and "case"' if limits.case_pole else ""),
                "choose contacts that the lead has",
            )


def violations(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    """Find everything that contacts and output stage do not allow.

    Parameters
    ----------
    asked : Stimulation
        Whose contacts the lead has.
    limits : Limits

    Yields
    ------
    Violation
    """
    parts = asked.parts
    yield from _shares(asked, limits)
    contacts = contacts_of(limits)
    loads = {name: contacts[int(name)] for name in parts if name != "case"}
    found = [
        violation
        for name, contact in loads.items()
        for violation in _load(asked, limits, name, contact)
    ]
    # Of contacts that are alike one speaks for all.
    yield from {(v.field, v.asked, v.allowed): v for v in found}.values()
    yield from _compliance(asked, limits)


def _shares(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    step = limits.share_step_percent
    off = [f"{n} = {p}" for n, p in asked.shares_percent.items() if step and p % step]
    if asked.shares_percent and (off or not step):
        yield Violation(
            "stimulation.shares_percent",
            ", ".join(off) or "shares",
            f"steps of {step} %" if step else "none on this device",
            "write whole steps, or leave shares_percent out and tie the contacts together",
        )
        return
    ratio = asked.recharge_ratio_on(limits)
    if ratio == PASSIVE:
        return
    for run in runs_of(limits, Parameter.AMPLITUDE_MAX_UA):
        for part in asked.parts.values():
            step_na = run.step * 1000 * part
            if (step_na / ratio).denominator != 1:
                yield Violation(
                    "stimulation.recharge",
                    f"1:{ratio} with a contact's {float(part * 100):g} % of each {run.step} µA",
                    "a recharge of whole nA, which balances exactly",
                    "choose another ratio or other shares",
                )
                return


def _load(
    asked: Stimulation, limits: Limits, name: str, contact: Contact
) -> Iterator[Violation]:
    width_us, part = asked.pulse_width_us, asked.parts[name]
    current_ma = exact(asked.amplitude_ma) * part
    charge_nc = current_ma * width_us  # mA · µs = nC
    area_cm2 = Fraction(contact.area_um2, _UM2_PER_CM2)
    by_density_nc = limits.density_max_nc_cm2 * area_cm2
    top_ma = Fraction(contact.amplitude_max_ua, 1000)
    remedy = _remedy(asked, limits, min(Fraction(contact.charge_max_nc), by_density_nc), part)
    product = f"{asked.amplitude_ma:g} mA × {width_us} µs"
    if part != 1:
        product = f"{float(part * 100):g} % of {product} on contact {name}"
    if current_ma > top_ma:
        yield Violation(
            "stimulation.amplitude_ma",
            f"{float(current_ma):g} mA on contact {name}",
            f"at most {float(top_ma):g} mA on a contact",
            "lower it or share it among more contacts",
        )
    if charge_nc > contact.charge_max_nc:
        of = "Shannon's limit" if contact.bounding is Bounding.SHANNON else "density"
        yield Violation(
            _FIELD,
            f"{product} = {float(charge_nc):g} nC per phase",
            f"at most {contact.charge_max_nc} nC per phase on a contact, by {of}",
            remedy,
        )
    if charge_nc > by_density_nc:
        density_uc_cm2 = float(charge_nc / area_cm2) / 1000 if area_cm2 else float("inf")
        yield Violation(
            _FIELD,
            f"{product} on {float(area_cm2):.3g} cm² = {density_uc_cm2:.4g} µC/cm² per phase",
            f"at most {limits.density_max_nc_cm2 / 1000:g} µC/cm² per phase",
            remedy,
        )


def _remedy(asked: Stimulation, limits: Limits, most_nc: Fraction, part: Fraction) -> str:
    width_us = asked.pulse_width_us
    most_ua = most_nc * 1000 / width_us / part
    runs = runs_of(limits, Parameter.AMPLITUDE_MAX_UA)
    run = next(run for run in reversed(runs) if run.low <= most_ua)
    best_ua = min(run.high, run.low + (most_ua - run.low) // run.step * run.step)
    if not best_ua:
        return "use a narrower pulse"
    return f"at {width_us} µs use at most {best_ua / 1000:g} mA, or a narrower pulse"


def _compliance(asked: Stimulation, limits: Limits) -> Iterator[Violation]:
    parts = asked.parts
    worst = sum(
        max((parts[name] for name in names if name != "case"), default=Fraction(0))
        for names in (asked.cathodes, asked.anodes)
    )
    # mA · kΩ = V, and mA · µs / nF = V; in mV
    ohm = limits.impedance_ohm + Fraction(1000 * asked.pulse_width_us, limits.capacitance_nf)
    volts_mv = exact(asked.amplitude_ma) * worst * ohm
    if volts_mv > limits.compliance_mv:
        yield Violation(
            "stimulation.amplitude_ma",
            f"{asked.amplitude_ma:g} mA, which takes {float(volts_mv) / 1000:.3g} V at "
            f"{limits.impedance_ohm} Ω per contact",
            f"at most {limits.compliance_mv / 1000:g} V",
            "lower it, use the case, or share it among more contacts",
        )
