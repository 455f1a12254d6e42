from __future__ import annotations

from dataclasses import replace

import pytest
from tests.device import LIMITS
from tests.peer import Hand, power_on

from stimloop_hw.messages import GetLimits, Limits
from stimloop_hw.program import Parameter
from stimloop_hw.ranges import Bounding, Run, Shape, contacts_of, runs_of, unpack_rows
from stimloop_sim.profile import Profile, names


def told_by(name: str) -> Limits:
    return Hand.linked(power_on(Profile.named(name))).ask(GetLimits(0), Limits)


@pytest.mark.parametrize("name", names())
def test_a_host_learns_every_value_and_every_contact_of_a_device(name: str) -> None:
    profile, limits = Profile.named(name), told_by(name)
    assert runs_of(limits, Parameter.AMPLITUDE_MAX_UA) == profile.amplitude_ua
    assert runs_of(limits, Parameter.WIDTH_US) == profile.width_us
    assert runs_of(limits, Parameter.PERIOD_MIN_US) == profile.period_us
    assert contacts_of(limits) == profile.contacts
    assert limits.contacts == len(profile.contacts)


def test_each_contact_is_told_with_the_bound_that_holds_on_it() -> None:
    directional = contacts_of(told_by("dbs-v"))
    assert [(c.shape, c.charge_max_nc) for c in directional] == [
        (Shape.RING, 1837),
        *[(Shape.SEGMENT, 540)] * 6,
        (Shape.RING, 1837),
    ]
    assert {c.bounding for c in directional} == {Bounding.DENSITY}
    spinal = contacts_of(told_by("scs"))
    assert {(c.charge_max_nc, c.bounding) for c in spinal} == {(2624, Bounding.SHANNON)}
    assert told_by("dbs-v").charge_max_nc == 540


def test_a_device_that_tells_no_rows_is_the_whole_of_its_limits() -> None:
    assert runs_of(LIMITS, Parameter.WIDTH_US) == (Run(20, 450, 10),)
    assert {c.charge_max_nc for c in contacts_of(LIMITS)} == {1795}
    assert len(contacts_of(LIMITS)) == LIMITS.contacts


@pytest.mark.parametrize(
    "rows", [b"\x09", b"\xff" + bytes(8), b"\x04\0", b"\x09\x01" + bytes(14)]
)
def test_rows_that_cannot_be_read_are_refused(rows: bytes) -> None:
    with pytest.raises(ValueError, match="rows of Limits are not readable"):
        unpack_rows(rows)
    with pytest.raises(ValueError, match="match the releases"):
        contacts_of(replace(LIMITS, rows=rows))
