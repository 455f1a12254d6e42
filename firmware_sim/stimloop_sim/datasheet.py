"""The data sheet: what the device tells of a channel when it is asked for its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop_hw.messages import Limits
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import EvokedChannel, Room, Run, pack_rows

if TYPE_CHECKING:
    from stimloop_sim.profile import Profile
    from stimloop_sim.sensing import FrontEnd


def describe_limits(profile: Profile, front_end: FrontEnd) -> Limits:
    """Limits of channel 0: its whole, its most delicate contact, and row by row.

    Parameters
    ----------
    profile : Profile
    front_end : FrontEnd
        What senses beside it.

    Returns
    -------
    Limits
    """
    p = profile
    windows = [channel.window for channel in front_end.evoked]
    contacts = [(row.count, p.contact(row)) for row in p.lead]
    delicate = min((contact for _, contact in contacts), key=lambda c: c.charge_max_nc)
    scales = {
        Parameter.AMPLITUDE_MAX_UA: p.amplitude_ua,
        Parameter.WIDTH_US: p.width_us,
        Parameter.PERIOD_MIN_US: p.period_us,
    }
    amplitude, width, period = scales.values()
    scales[Parameter.CYCLE_ON_MS] = p.cycle_on_ms
    told = {k: runs for k, runs in scales.items() if len(runs) > 1}
    if p.magnet_swipe_max_ms:
        told[Parameter.MAGNET_SWIPE_MS] = (Run(0, p.magnet_swipe_max_ms, 1),)
    return Limits(
        channel=0,
        channels=1,
        amplitude_unit=0,
        amplitude_max_ua=amplitude[-1].high,
        amplitude_step_ua=amplitude[0].step,
        width_min_us=width[0].low,
        width_max_us=width[-1].high,
        width_step_us=width[0].step,
        period_min_us=period[0].low,
        period_max_us=period[-1].high,
        period_step_us=period[0].step,
        interphase_us=p.interphase_us,
        recharge_ratio=p.recharge_ratio,
        charge_max_nc=delicate.charge_max_nc,
        density_max_nc_cm2=p.density_max_nc_cm2,
        contact_area_um2=delicate.area_um2,
        contacts=len(p.contacts),
        slew_max_ua_s=p.slew_max_ua_s,
        lease_max_ms=p.lease_max_ms,
        sense_channels=len(front_end.source.channels),
        sense_rate_hz=front_end.source.fs_hz,
        sense_block=front_end.block,
        sense_range_uv=p.sense_range_uv,
        case_pole=p.case,
        share_step_percent=p.share_step_percent,
        interphase_max_us=p.interphase_max_us,
        recharge_max_ratio=p.recharge_max_ratio,
        soft_max_ms=p.soft_max_ms,
        cycle_max_ms=p.cycle_max_ms,
        duty_max_permille=p.duty_max_permille,
        compliance_mv=p.compliance_mv,
        impedance_ohm=p.impedance_ohm,
        capacitance_nf=p.capacitance_nf,
        rows=pack_rows(
            told,
            contacts,
            [EvokedChannel(w.fs_hz, w.samples, w.blank_us) for w in windows],
            Room(p.groups, p.programs),
        ),
    )
