"""A device as the host knows it: the limits it tells."""

from stimloop_hw.messages import Limits

LIMITS = Limits(
    channel=0,
    channels=1,
    amplitude_unit=0,
    amplitude_max_ua=25_500,
    amplitude_step_ua=100,
    width_min_us=20,
    width_max_us=450,
    width_step_us=10,
    period_min_us=4_000,
    period_max_us=500_000,
    period_step_us=10,
    interphase_us=30,
    recharge_ratio=1,
    charge_max_nc=1_795,
    density_max_nc_cm2=30_000,
    contact_area_um2=5_984_734,
    contacts=4,
    slew_max_ua_s=25_000,
    lease_max_ms=10_000,
    sense_channels=1,
    sense_rate_hz=250,
    sense_block=5,
    sense_range_uv=5_000,
)
