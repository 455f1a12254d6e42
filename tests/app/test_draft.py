"""Editing a prescription: contacts, shares, locks, undo, files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stimloop import prescription
from stimloop.app.binder import Binder, blank
from stimloop.app.bounds import said, stepped
from stimloop.app.draft import Draft, copied
from stimloop.app.fields import Kind, fields_of
from stimloop.app.geometry import Picture, patches, pictures
from stimloop.decision import CONTROLLERS, DETECTORS
from stimloop.errors import PrescriptionError
from stimloop.tables import Governor, Magnet, Patient, Stimulation
from stimloop_hw import Link

if TYPE_CHECKING:
    from stimloop_hw.messages import Limits

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
PROFILES = ("dbs", "dbs-v", "scs", "drg", "vns")


def limits_of(profile: str) -> Limits:
    with Link.open(f"sim://{profile}") as link:
        link.hello()
        return link.limits()


LIMITS = {profile: limits_of(profile) for profile in PROFILES}


@pytest.fixture
def draft() -> Draft:
    return Draft(blank(LIMITS["dbs-v"]))


def chosen(draft: Draft) -> Draft:
    """The draft with contact 1 as cathode and the case as anode, at 2 mA."""
    draft.cycle("1", 1)
    draft.cycle("case", 1)
    draft.cycle("case", 1)
    draft.put("stimulation", "amplitude_ma", 2.0)
    return draft


def test_a_contact_cycles_from_off_to_cathode_to_anode_to_off(draft: Draft) -> None:
    found = []
    for _ in range(4):
        found.append(draft.pole("3"))
        draft.cycle("3", 1)
    assert found == ["", "cathodes", "anodes", ""]


def test_the_amplitude_is_locked_until_there_are_a_cathode_and_an_anode(
    draft: Draft,
) -> None:
    with pytest.raises(ValueError, match="at least one cathode and one anode"):
        draft.put("stimulation", "amplitude_ma", 1.0)
    draft.cycle("1", 1)
    assert draft.locked()
    draft.cycle("2", 1)
    draft.cycle("2", 1)
    assert not draft.locked()
    draft.put("stimulation", "amplitude_ma", 1.0)
    assert draft.programs[0]["amplitude_ma"] == 1.0


def test_contacts_that_change_set_every_amplitude_to_zero(draft: Draft) -> None:
    chosen(draft)
    draft.put("stimulation", "fallback_ma", 1.0)
    draft.cycle("2", 1)
    assert draft.programs[0]["amplitude_ma"] == 0.0
    assert draft.programs[0]["fallback_ma"] == 0.0


@given(
    contacts=st.lists(st.sampled_from("0123456"), min_size=2, max_size=7, unique=True),
    wishes=st.lists(st.tuples(st.integers(0, 6), st.integers(-20, 130)), max_size=6),
    step=st.sampled_from([1, 5, 10]),
)
def test_shares_of_a_pole_always_sum_to_a_hundred(
    contacts: list[str], wishes: list[tuple[int, int]], step: int
) -> None:
    draft = Draft(blank(LIMITS["dbs-v"]))
    for contact in contacts:
        draft.cycle(contact, step)
    for number, percent in wishes:
        draft.share(contacts[number % len(contacts)], percent, step)
        shares = draft.programs[0]["shares_percent"]
        assert sum(shares[contact] for contact in contacts) == 100
        assert all(shares[contact] >= step for contact in contacts)
        assert all(shares[contact] % step == 0 for contact in contacts)


def test_a_device_that_ties_contacts_together_gets_no_shares(draft: Draft) -> None:
    draft.cycle("1", 100)
    draft.cycle("2", 100)
    assert "shares_percent" not in draft.programs[0]


def test_undo_and_redo_walk_through_every_edit(draft: Draft) -> None:
    before = draft.text
    chosen(draft)
    after = draft.text
    while draft.can_undo:
        draft.undo()
    assert draft.text == before
    while draft.can_redo:
        draft.redo()
    assert draft.text == after


def test_writing_what_is_written_is_no_edit(draft: Draft) -> None:
    draft.put("stimulation", "rate_hz", draft.value("stimulation", "rate_hz"))
    assert not draft.can_undo


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_survives_import_and_export(path: Path) -> None:
    draft = Draft.of_text(path.read_text("utf-8"))
    assert dict(draft.prescribed()) == dict(prescription.load(path))


def test_a_copy_for_the_other_lead_has_no_amplitude_and_names_no_device(
    draft: Draft,
) -> None:
    chosen(draft)
    draft.put("", "device_id", "0" * 16)
    other = copied(draft.tables)
    assert other["stimulation"]["cathodes"] == ["1"]
    assert other["stimulation"]["amplitude_ma"] == 0.0
    assert "device_id" not in other


def test_programs_are_added_without_contacts_and_removed(draft: Draft) -> None:
    chosen(draft)
    draft.add_program()
    assert draft.locked(1)
    draft.cycle("5", 1, program=1)
    assert draft.programs[0]["amplitude_ma"] == 2.0
    draft.remove_program(1)
    assert "interleaved" not in draft.tables


@pytest.mark.parametrize("profile", PROFILES)
def test_a_blank_draft_with_two_contacts_is_a_prescription_of_its_device(
    profile: str,
) -> None:
    limits = LIMITS[profile]
    draft = Draft(blank(limits))
    draft.cycle("0", limits.share_step_percent)
    for _ in range(2):
        draft.cycle("1", limits.share_step_percent)
    lowest = stepped("amplitude_ma", 0.0, 1, limits)
    draft.put("stimulation", "amplitude_ma", lowest)
    if profile == "vns":  # it rests half of the time
        for key, value in (
            ("cycle_on_ms", 30_000),
            ("cycle_off_ms", 300_000),
            ("soft_start_ms", 2_000),
            ("soft_stop_ms", 2_000),
        ):
            draft.put("stimulation", key, value)
    draft.prescribed().check(limits)


def test_drafts_are_kept_as_they_are_typed(tmp_path: Path) -> None:
    limits = LIMITS["dbs-v"]
    binder = Binder(limits, tmp_path)
    chosen(binder.draft("left", "B"))
    binder.keep("left", "B")
    again = Binder(limits, tmp_path)
    assert again.draft("left", "B").tables == binder.draft("left", "B").tables
    assert again.draft("left", "B").tables["group"] == "B"
    assert again.draft("left", "A").locked()


def test_a_draft_file_that_is_damaged_is_a_blank_draft(tmp_path: Path) -> None:
    (tmp_path / "left-A.toml").write_text("schema = 1\n[stimulation")
    assert Binder(LIMITS["dbs"], tmp_path).draft("left", "A").locked()


# What the device tells of a key, and how a key is shown --------------------------------------


@pytest.mark.parametrize(
    ("profile", "name", "text"),
    [
        ("dbs", "amplitude_ma", "0 – 25.5, by 0.1"),
        ("dbs", "pulse_width_us", "20 – 450, by 10"),
        ("dbs", "rate_hz", "2 – 250"),
        ("vns", "amplitude_ma", "0 – 3.5, by 0.125 and 0.25"),
        ("vns", "pulse_width_us", "130, 250, 500, 750, 1000"),
        ("vns", "rate_hz", "1, 2, 5, 10, 15, 20, 25, 30"),
        ("dbs", "soft_start_ms", "0 – 10000"),
        ("dbs", "cathodes", ""),
    ],
)
def test_the_range_beside_a_key_is_the_device_s(profile: str, name: str, text: str) -> None:
    assert said(name, LIMITS[profile]) == text


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ["amplitude_ma", "pulse_width_us", "rate_hz"])
def test_steps_up_and_down_stay_on_what_the_device_has(profile: str, name: str) -> None:
    limits = LIMITS[profile]
    draft = Draft(blank(limits))
    for _ in range(2):
        draft.cycle("1", limits.share_step_percent)
    draft.cycle("0", limits.share_step_percent)
    value = float(draft.value("stimulation", name))
    for direction in (1, 1, 1, -1, -1):
        moved = stepped(name, value, direction, limits)
        assert (moved - value) * direction > 0 or moved == value
        value = moved
        draft.put("stimulation", name, int(value) if name.endswith("_us") else value)
        assert f"stimulation.{name}" not in refused(draft, limits)
    assert stepped(name, stepped(name, value, 1, limits), -1, limits) == pytest.approx(value)


def refused(draft: Draft, limits: Limits) -> set[str]:
    """Keys of the draft that format or device refuse."""
    try:
        draft.prescribed().check(limits)
    except PrescriptionError as problem:
        return {violation.field for violation in problem.violations}
    return set()


@pytest.mark.parametrize(
    "table",
    [
        *(Stimulation, Patient, Magnet, Governor),
        *(CONTROLLERS.table_of(name) for name in CONTROLLERS.own),
        *(DETECTORS.table_of(name) for name in DETECTORS.own),
    ],
    ids=lambda table: table.__name__,
)
def test_every_number_of_a_table_is_a_field_with_its_meaning(table: type[Stimulation]) -> None:
    fields = {field.name: field for field in fields_of(table)}
    left_out = set(table.model_fields) - set(fields) - {"kind"}
    assert left_out <= {"cathodes", "anodes", "shares_percent"}
    for field in fields.values():
        assert field.meaning, f"{field.name} is not described"
        assert (field.kind is Kind.CHOICE) == bool(field.choices)


def test_a_field_knows_its_unit_and_whether_it_may_be_left_out() -> None:
    fields = {field.name: field for field in fields_of(Stimulation)}
    assert (fields["rate_hz"].label, fields["rate_hz"].unit) == ("Rate", "Hz")
    assert fields["slew_ma_per_s"].unit == "mA/s"
    assert not fields["rate_hz"].optional
    assert fields["interphase_us"].optional
    assert fields["lease_ms"].low == 500


@pytest.mark.parametrize(
    ("profile", "likeliest", "places"),
    [
        ("dbs", Picture.BRAIN, ["", "", "", ""]),
        ("dbs-v", Picture.BRAIN, ["", "2a", "2b", "2c", "3a", "3b", "3c", ""]),
        ("scs", Picture.PERCUTANEOUS, [""] * 8),
        ("vns", Picture.CUFF, ["", ""]),
    ],
)
def test_a_lead_is_drawn_by_its_contacts(
    profile: str, likeliest: Picture, places: list[str]
) -> None:
    limits = LIMITS[profile]
    assert pictures(limits)[0] is likeliest
    assert [patch.place for patch in patches(likeliest, limits)] == places


@pytest.mark.parametrize("profile", PROFILES)
def test_no_two_contacts_of_a_picture_overlap(profile: str) -> None:
    limits = LIMITS[profile]
    for picture in pictures(limits):
        found = patches(picture, limits)
        assert {patch.contact for patch in found} == set(range(limits.contacts))
        for one in found:
            assert one.x >= 0
            assert one.x + one.width <= 1 + 1e-9
            assert one.y >= 0
            assert one.y + one.height <= 1 + 1e-9
            for other in found:
                apart = (
                    one.x + one.width <= other.x + 1e-9
                    or other.x + other.width <= one.x + 1e-9
                    or one.y + one.height <= other.y + 1e-9
                    or other.y + other.height <= one.y + 1e-9
                )
                assert one is other or apart
