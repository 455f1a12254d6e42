"""Who the device is, and what it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stimloop.rig.obligation import Need, Suite, obliges, refused, require, require_equal
from stimloop.rig.session import LEASE_MS
from stimloop_hw.messages import TABLE_CRC, GetLimits, Limits
from stimloop_hw.vocabulary import Refusal

if TYPE_CHECKING:
    from stimloop.rig.session import RigSession


@obliges(Suite.IDENTITY, "H6", "H8")
def it_says_who_it_is(session: RigSession) -> None:
    """It tells its protocol, its message table and its model."""
    identity = session.link.identity
    require_equal("the protocol's version", identity.version, 1)
    require_equal("the CRC of its message table", identity.table_crc, TABLE_CRC)
    require(bool(identity.model.rstrip(b"\0").decode("ascii")), "it has no model")


@obliges(Suite.IDENTITY, "H6", "H7", needs=(Need.AUTHENTICATION,))
def two_sessions_meet_the_same_device(session: RigSession) -> None:
    """Two handshakes meet the same device, boot and limits, with a new nonce each."""
    first = session.link.identity
    again = session.link.hello()
    require_equal("the device of a second handshake", again.device_id, first.device_id)
    require_equal("the boot of a second handshake", again.boot, first.boot)
    require_equal("the limits of a second handshake", again.limits_crc, first.limits_crc)
    require(again.nonce != first.nonce, "it used a nonce twice")


@obliges(Suite.IDENTITY, "H1", needs=(Need.LIMITS,))
def its_limits_are_sane(session: RigSession) -> None:
    """Its limits contain a range, and charge stays below the density that it names."""
    limits = session.limits
    require(limits.channels >= 1, "it has no channel")
    require(
        0 < limits.amplitude_step_ua <= limits.amplitude_max_ua, "it has no range of amplitude"
    )
    require(0 < limits.width_min_us <= limits.width_max_us, "it has no range of pulse width")
    require(0 < limits.period_min_us <= limits.period_max_us, "it has no range of period")
    by_density_nc = limits.density_max_nc_cm2 * limits.contact_area_um2 / 1e8
    require(
        0 < limits.charge_max_nc <= by_density_nc,
        f"it allows {limits.charge_max_nc} nC per phase, its density {by_density_nc:.0f} nC",
    )
    require(limits.lease_max_ms >= LEASE_MS, f"it allows no lease of {LEASE_MS} ms")


@obliges(Suite.IDENTITY, "H6", needs=(Need.LIMITS,))
def a_channel_that_it_has_not_is_refused(session: RigSession) -> None:
    """Asked for a channel that it has not, it says so."""
    with refused("a channel that it has not", Refusal.UNKNOWN):
        session.link.request(GetLimits(session.limits.channels), Limits)
