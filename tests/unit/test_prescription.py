from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import device

from stimloop import decision, prescription
from stimloop.errors import PrescriptionError
from stimloop.gate import nearest_period_us
from stimloop_hw.program import CASE, PASSIVE, Mode, Parameter, Program
from stimloop_hw.ranges import Bounding, Contact, Run, Shape, pack_rows
from stimloop_sim.bench import Bench
from stimloop_sim.datasheet import describe_limits
from stimloop_sim.limits import check_program
from stimloop_sim.profile import Profile

if TYPE_CHECKING:
    from stimloop_hw.messages import Limits

# Those of a bench are for a generator, and are tried on it in the tests of pairs.
EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[2] / "examples").glob("*.toml")
    if not path.stem.startswith("bench_")
)

LIMITS = replace(device.LIMITS, sense_channels=2)

CHARGE = "stimulation.amplitude_ma × pulse_width_us"
TIMING = "stimulation.rate_hz × pulse_width_us"
_SHARES, _SHARES_KEY = "shares_percent =", "stimulation.shares_percent"

TEXT = """\
schema = 1
name = "whole"
[stimulation]
amplitude_ma = 3.1
amplitude_min_ma = 0.5
pulse_width_us = 60
rate_hz = 130
slew_ma_per_s = 12.0
fallback_ma = 0.5
lease_ms = 2000
cathodes = ["1", "2"]
anodes = ["case"]
[detector]
channel = 0
band_hz = [17, 23.0]
threshold_uv = 6.5
[controller]
kind = "on_off"
"""


def refused(text: str, limits: Limits | None = None) -> PrescriptionError:
    if limits is None:
        with pytest.raises(PrescriptionError) as caught:
            prescription.loads(text)
    else:
        asked = prescription.loads(text)
        with pytest.raises(PrescriptionError) as caught:
            asked.check(limits)
    return caught.value


def changed(old: str, new: str, text: str = TEXT) -> str:
    assert old in text
    return text.replace(old, new, 1)


def with_key(line: str, text: str = TEXT) -> str:
    return changed("rate_hz", f"{line}\nrate_hz", text)


PAUSED = with_key(
    "soft_start_ms = 300\nsoft_stop_ms = 300\ncycle_on_ms = 1000\ncycle_off_ms = 2000"
)
SHARED = with_key("shares_percent = { 1 = 60, 2 = 40 }")
_RING = Contact(Shape.RING, 5_984_734, 25_500, 1_795, Bounding.DENSITY)


def timed_on(*times_ms: int) -> bytes:
    """Rows of a device that has these times on, and no other."""
    runs = tuple(Run(time_ms, time_ms, 1) for time_ms in times_ms)
    return pack_rows({Parameter.CYCLE_ON_MS: runs}, [])


# The second cathode may carry 1.2 mA, or 74 nC; SHARED asks 1.24 mA and 74.4 nC of it.
SMALL_SECOND = pack_rows(
    {}, [(2, _RING), (1, replace(_RING, amplitude_max_ua=1200)), (1, _RING)]
)
WEAK_SECOND = pack_rows(
    {},
    [(2, _RING), (1, replace(_RING, charge_max_nc=74, bounding=Bounding.SHANNON)), (1, _RING)],
)
COARSE = pack_rows({Parameter.AMPLITUDE_MAX_UA: (Run(0, 3000, 100), Run(3000, 4000, 200))}, [])
WIDTHS = pack_rows({Parameter.WIDTH_US: (Run(20, 50, 10), Run(70, 70, 10))}, [])
PERIODS = pack_rows({Parameter.PERIOD_MIN_US: (Run(7000, 7000, 1), Run(8000, 8000, 1))}, [])


def test_what_a_prescription_says_of_the_pulse_becomes_the_program() -> None:
    text = with_key('recharge = "passive"\ninterphase_us = 0\nslew_down_ma_per_s = 3.5', SHARED)
    program = prescription.loads(text).program(LIMITS)
    assert (program.recharge_ratio, program.interphase_us) == (PASSIVE, 0)
    assert program.slew_down_ua_s == 3500
    assert program.shares_percent == (0, 60, 40, *[0] * 12, 100)
    paused = prescription.loads(PAUSED).program(LIMITS)
    assert (paused.soft_start_ms, paused.soft_stop_ms) == (300, 300)
    assert (paused.cycle_on_ms, paused.cycle_off_ms) == (1000, 2000)


@pytest.mark.parametrize(
    ("rows", "remedy"),
    [
        (COARSE, "write 3 or 3.2"),
        (WIDTHS, "write 50 or 70"),
        (PERIODS, "write 125 or 142.9"),
    ],
)
def test_a_value_that_the_device_has_not_is_refused_with_its_neighbours(
    rows: bytes, remedy: str
) -> None:
    assert refused(TEXT, replace(LIMITS, rows=rows)).violations[0].remedy == remedy


def test_a_program_carries_the_prescription_in_the_devices_integers() -> None:
    assert prescription.loads(TEXT).program(LIMITS) == Program(
        mode=Mode.TRAIN,
        amplitude_min_ua=500,
        amplitude_max_ua=3100,
        width_us=60,
        period_min_us=7690,
        period_max_us=7690,
        slew_ua_s=12_000,
        fallback_ua=500,
        cathodes=0b110,
        anodes=CASE,
    )


def test_the_text_is_kept_to_the_letter_for_the_record() -> None:
    assert prescription.loads(TEXT).source == TEXT


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_fits_the_simulated_implant_that_it_names(path: Path) -> None:
    named = re.search(r"--device 'sim://([a-z-]+)", path.read_text("utf-8"))
    assert named
    profile = Profile.named(named[1])
    limits = describe_limits(profile, Bench.of_url(f"sim://{named[1]}").firmware.front_end)
    asked = prescription.load(path)
    program = asked.program(limits)
    assert check_program(profile, program, profile.impedance_ohm) is None


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@given(st.integers(min_value=0, max_value=25_500))
def test_decimals_become_microamperes_exactly(microamperes: int) -> None:
    written = str(Decimal(microamperes) / 1000)
    text = changed("amplitude_ma = 3.1", f"amplitude_ma = {written}")
    text = text.replace("amplitude_min_ma = 0.5\n", "").replace("fallback_ma = 0.5\n", "")
    limits = replace(
        LIMITS,
        amplitude_step_ua=1,
        charge_max_nc=10**6,
        density_max_nc_cm2=10**9,
        compliance_mv=60_000,
    )
    assert prescription.loads(text).program(limits).amplitude_max_ua == microamperes


@given(st.decimals(min_value="0.001", max_value="10000", places=3), st.integers(1, 1000))
def test_the_period_is_the_nearest_that_the_device_has(rate_hz: Decimal, step_us: int) -> None:
    period_us = nearest_period_us(float(rate_hz), step_us)
    assert period_us % step_us == 0
    assert abs(Fraction(10**6) / Fraction(rate_hz) - period_us) <= Fraction(step_us, 2)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("amplitude_ma = 3.1", "amplitude_ma = 3.0001", "stimulation.amplitude_ma"),
        (
            "amplitude_ma = 3.1",
            "amplitude_ma = 3.1000000000000000001",
            "stimulation.amplitude_ma",
        ),
        ("amplitude_ma = 3.1", "amplitude_ma = nan", "stimulation.amplitude_ma"),
        ("amplitude_ma = 3.1", "amplitude_ma = inf", "stimulation.amplitude_ma"),
        ("amplitude_ma = 3.1", "amplitude_ma = 1e400", "stimulation.amplitude_ma"),
        ("amplitude_ma = 3.1", "amplitude_ma = true", "stimulation.amplitude_ma"),
        ("amplitude_ma = 3.1", 'amplitude_ma = "3.1"', "stimulation.amplitude_ma"),
        ("amplitude_ma = 3.1", "amplitude_ma = -3.1", "stimulation.amplitude_ma"),
        ("amplitude_ma = 3.1\n", "", "stimulation.amplitude_ma"),
        ("amplitude_min_ma = 0.5", "amplitude_min_ma = 4", "stimulation.amplitude_min_ma"),
        ("fallback_ma = 0.5", "fallback_ma = 3.2", "stimulation.fallback_ma"),
        ("fallback_ma = 0.5", "fallback_ma = 0.4", "stimulation.fallback_ma"),
        ("pulse_width_us = 60", "pulse_width_us = 60.0", "stimulation.pulse_width_us"),
        ("pulse_width_us = 60", "pulse_width_us = true", "stimulation.pulse_width_us"),
        ("rate_hz = 130", "rate_hz = 0", "stimulation.rate_hz"),
        ("slew_ma_per_s = 12.0", "slew_ma_per_s = 0.0", "stimulation.slew_ma_per_s"),
        ("lease_ms = 2000", "lease_ms = 499", "stimulation.lease_ms"),
        ('["1", "2"]', "[]", "stimulation.cathodes"),
        ('["1", "2"]', '["1", "1"]', "stimulation.cathodes"),
        ('["1", "2"]', '["1", "15"]', "stimulation.cathodes[1]"),
        ('["1", "2"]', "[1]", "stimulation.cathodes[0]"),
        ('["1", "2"]', '["1", "case"]', "stimulation.anodes"),
        ("band_hz = [17, 23.0]", "band_hz = [23.0, 17]", "detector.band_hz"),
        ("band_hz = [17, 23.0]", "band_hz = [17]", "detector.band_hz[1]"),
        ("threshold_uv = 6.5", "threshold_uv = 6.5\norder = 5", "detector.order"),
        ("threshold_uv = 6.5", "threshold_uv = 6.5\nrelease_uv = 6.6", "detector.release_uv"),
        ("threshold_uv = 6.5\n", "", "detector.threshold_uv"),
        (
            "threshold_uv = 6.5",
            'threshold_uv = 6.5\nsmoothing = "median"',
            "detector.smoothing",
        ),
        ("rate_hz = 130", 'rate_hz = 130\nrecharge = "1:9"', "stimulation.recharge"),
        ("rate_hz = 130", "rate_hz = 130\ninterphase_us = -1", "stimulation.interphase_us"),
        ("rate_hz = 130", "rate_hz = 130\nsoft_stop_ms = 0", "stimulation.soft_stop_ms"),
        ("rate_hz = 130", "rate_hz = 130\ncycle_on_ms = 5", "stimulation.cycle_on_ms"),
        (
            "rate_hz = 130",
            "rate_hz = 130\ncycle_on_ms = 5\ncycle_off_ms = 249",
            "stimulation.cycle_off_ms",
        ),
        ("rate_hz = 130", f"rate_hz = 130\n{_SHARES} {{ 1 = 60 }}", _SHARES_KEY),
        ("rate_hz = 130", f"rate_hz = 130\n{_SHARES} {{ 1 = 60, 2 = 41 }}", _SHARES_KEY),
        (
            "rate_hz = 130",
            f"rate_hz = 130\n{_SHARES} {{ 0 = 60, 1 = 60, 2 = 40 }}",
            _SHARES_KEY,
        ),
        ("rate_hz = 130", f"rate_hz = 130\n{_SHARES} {{ 1 = 0, 2 = 100 }}", f"{_SHARES_KEY}.1"),
        ('kind = "on_off"', 'kind = "onoff"', "controller.kind"),
        ('kind = "on_off"', "ramp_up_ms = 1", "controller"),
        ('kind = "on_off"', 'kind = "on_off"\nkp_ma = 1', "controller.kp_ma"),
        ('kind = "on_off"', 'kind = "proportional"', "controller.kp_ma"),
        ('kind = "on_off"', 'kind = "dual_threshold"', "detector.lower_uv"),
        ("threshold_uv = 6.5", "threshold_uv = 6.5\nlower_uv = 3", "detector.lower_uv"),
        ("rate_hz = 130", "rate_hz = 130\nrate_min_hz = 2", "stimulation.rate_min_hz"),
        ("rate_hz = 130", "rate_hz = 130\nrate_min_hz = 140", "stimulation.rate_min_hz"),
        (
            'kind = "on_off"',
            'kind = "proportional_rate"\nkp_hz = 100',
            "stimulation.rate_min_hz",
        ),
        ('kind = "on_off"', 'kind = "percept_dual"\nsuspend_ma = 1', "detector.kind"),
        ('kind = "on_off"', 'kind = "phase_targeted"\npeak_hz = 20', "detector.kind"),
        (
            "[controller]",
            "[capture]\nseconds = 5\npercentile = 50\n[controller]",
            "detector.threshold_uv",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_key(
    old: str, new: str, field: str
) -> None:
    assert refused(changed(old, new)).violations[0].field == field


@pytest.mark.parametrize(
    ("percentiles", "kind", "field"),
    [
        ("percentile = 75", 'kind = "dual_threshold"', "capture.lower_percentile"),
        (
            "percentile = 75\nlower_percentile = 80",
            'kind = "dual_threshold"',
            "capture.lower_percentile",
        ),
        (
            "percentile = 75\nlower_percentile = 25",
            'kind = "on_off"',
            "capture.lower_percentile",
        ),
        (
            "percentile = 75\nlower_percentile = 25",
            'kind = "dual_threshold"\nlower_uv = 3',
            "controller.lower_uv",
        ),
    ],
)
def test_a_captured_lower_threshold_belongs_to_dual_threshold_control(
    percentiles: str, kind: str, field: str
) -> None:
    text = changed("threshold_uv = 6.5", f"[capture]\nseconds = 5\n{percentiles}")
    assert [v.field for v in refused(changed('kind = "on_off"', kind, text)).violations] == [
        field
    ]


def test_a_misspelt_key_is_refused_with_the_nearest_one() -> None:
    error = refused(changed("threshold_uv", "treshold_uv"))
    assert "detector.treshold_uv" in str(error)
    assert "write threshold_uv, if that is meant" in str(error)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = changed("rate_hz = 130", "rate_hz = 300")
    text = changed("slew_ma_per_s = 12.0", "slew_ma_per_s = 30", text)
    text = changed("channel = 0", "channel = 2", text)
    text = changed("[17, 23.0]", "[17, 125]", text)
    error = refused(text, LIMITS)
    assert [violation.field for violation in error.violations] == [
        "stimulation.rate_hz",
        "stimulation.slew_ma_per_s",
        "detector.channel",
        "detector.band_hz",
    ]
    assert all(violation.sentence in str(error) for violation in error.violations)


def test_eleven_microcoulombs_are_refused_with_the_amplitude_that_would_do() -> None:
    text = changed("amplitude_ma = 3.1", "amplitude_ma = 25.5")
    error = refused(changed("pulse_width_us = 60", "pulse_width_us = 450", text), LIMITS)
    charge = error.violations[0]
    assert charge.field == CHARGE
    assert "11475 nC" in charge.asked
    assert "1795 nC" in charge.allowed
    assert "at 450 µs use at most 3.9 mA" in charge.remedy
    at_that = changed("amplitude_ma = 25.5", "amplitude_ma = 3.9", text)
    prescription.loads(changed("width_us = 60", "width_us = 450", at_that)).check(LIMITS)


@pytest.mark.parametrize(
    ("limits", "text", "field"),
    [
        ({"amplitude_max_ua": 3000}, TEXT, "stimulation.amplitude_ma"),
        ({"amplitude_step_ua": 200}, TEXT, "stimulation.amplitude_ma"),
        ({"amplitude_unit": 1}, TEXT, "stimulation.amplitude_ma"),
        ({"width_min_us": 70}, TEXT, "stimulation.pulse_width_us"),
        ({"width_step_us": 50}, TEXT, "stimulation.pulse_width_us"),
        ({"period_min_us": 8000}, TEXT, "stimulation.rate_hz"),
        ({"recharge_ratio": 200}, TEXT, TIMING),
        ({"charge_max_nc": 185}, TEXT, CHARGE),
        ({"density_max_nc_cm2": 3107}, TEXT, CHARGE),
        ({"slew_max_ua_s": 11_999}, TEXT, "stimulation.slew_ma_per_s"),
        ({"lease_max_ms": 1999}, TEXT, "stimulation.lease_ms"),
        ({"compliance_mv": 3156}, TEXT, "stimulation.amplitude_ma"),
        ({"impedance_ohm": 4000}, TEXT, "stimulation.amplitude_ma"),
        ({"case_pole": 0}, TEXT, "stimulation.anodes"),
        ({"contacts": 2}, TEXT, "stimulation.cathodes"),
        (
            {"duty_max_permille": 999, "rows": timed_on(1000, 2000)},
            TEXT,
            "stimulation.cycle_on_ms",
        ),
        ({"rows": timed_on(900, 1800)}, PAUSED, "stimulation.cycle_on_ms"),
        ({"duty_max_permille": 500}, PAUSED, "stimulation.cycle_off_ms"),
        ({"cycle_max_ms": 999}, PAUSED, "stimulation.cycle_on_ms"),
        ({"soft_max_ms": 299}, PAUSED, "stimulation.soft_start_ms"),
        ({}, PAUSED.replace("= 300", "= 258"), "stimulation.soft_start_ms"),
        ({}, with_key("slew_down_ma_per_s = 25.1"), "stimulation.slew_down_ma_per_s"),
        ({}, with_key("interphase_us = 101"), "stimulation.interphase_us"),
        ({}, with_key('recharge = "1:3"'), "stimulation.recharge"),
        ({"recharge_max_ratio": 4}, with_key('recharge = "1:5"'), "stimulation.recharge"),
        (
            {"period_min_us": 500},
            with_key('recharge = "passive"', changed("130", "1850")),
            TIMING,
        ),
        ({"share_step_percent": 100}, SHARED, _SHARES_KEY),
        ({"share_step_percent": 0}, SHARED, _SHARES_KEY),
        ({"rows": SMALL_SECOND}, SHARED, "stimulation.amplitude_ma"),
        ({"rows": WEAK_SECOND}, SHARED, CHARGE),
        ({"rows": COARSE}, TEXT, "stimulation.amplitude_ma"),
        ({"rows": WIDTHS}, TEXT, "stimulation.pulse_width_us"),
        ({"rows": PERIODS}, TEXT, "stimulation.rate_hz"),
        ({"sense_channels": 0}, TEXT, "detector.channel"),
        ({"sense_rate_hz": 46}, TEXT, "detector.band_hz"),
        (
            {},
            changed("threshold_uv = 6.5", "threshold_uv = 6.5\nsaturation_uv = 5001"),
            "detector.saturation_uv",
        ),
    ],
)
def test_what_the_device_does_not_allow_is_refused_by_the_name_of_its_key(
    limits: dict[str, Any], text: str, field: str
) -> None:
    error = refused(text, replace(LIMITS, **limits))
    assert error.violations[0].field == field
    with pytest.raises(PrescriptionError):
        prescription.loads(text).program(replace(LIMITS, **limits))


@pytest.mark.parametrize(
    "limits",
    [
        {"charge_max_nc": 186},
        {"density_max_nc_cm2": 3108},
        {"amplitude_max_ua": 3100},
        {"recharge_ratio": 125},
        {"slew_max_ua_s": 12_000},
        {"lease_max_ms": 2000},
        {"period_min_us": 7690, "period_max_us": 7690},
    ],
)
def test_what_the_device_just_allows_passes(limits: dict[str, Any]) -> None:
    prescription.loads(TEXT).check(replace(LIMITS, **limits))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            changed("schema = 1", "schema = 2"),
            "schema 2 is newer than this stimloop, which reads",
        ),
        (changed("schema = 1\n", ""), "write schema = 1 as the first line"),
        (changed("schema = 1", "schema = true"), "asked true"),
        (changed("rate_hz = 130", "rate_hz = 130 Hz"), "line 7"),
        (changed('kind = "on_off"', 'kind = "on_off'), "line 18"),
        ("schema = [", "line 1"),
        (f"schema = 1\nx = {'[' * 5000}", "nesting"),
        (changed("amplitude_ma = 3.1", "amplitude_ma = 1e99999999999999999999"), "beyond all"),
        ("", "write schema = 1"),
    ],
)
def test_a_text_that_is_no_prescription_is_refused_in_one_sentence(
    text: str, words: str
) -> None:
    error = refused(text)
    assert words in str(error)
    assert len(error.violations) == 1


def test_a_file_that_is_missing_or_no_text_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(PrescriptionError, match=r"no\.toml .*check the name"):
        prescription.load(tmp_path / "no.toml")
    with pytest.raises(PrescriptionError, match="check the name"):
        prescription.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'schema = 1\nname = "\xe9"')
    with pytest.raises(PrescriptionError, match="byte 19 is not UTF-8"):
        prescription.load(tmp_path / "latin.toml")


def test_a_prescription_cannot_be_changed() -> None:
    asked = prescription.loads(TEXT)
    with pytest.raises(ValueError, match="frozen"):
        asked.stimulation.amplitude_ma = 9.0  # type: ignore[misc]


VALUES = st.one_of(
    st.integers(),
    st.floats().map(repr),
    st.sampled_from(
        ["true", '"x"', "[]", "[1, 2]", '["case"]', "{}", "1979-05-27", "inf", "''"]
    ),
)


@given(st.sampled_from([line for line in TEXT.splitlines() if "=" in line]), VALUES)
def test_whatever_stands_in_a_line_passes_or_is_refused_but_never_fails(
    line: str, value: object
) -> None:
    text = changed(line, f"{line.split(' = ', maxsplit=1)[0]} = {value}")
    with suppress(PrescriptionError):
        prescription.loads(text).program(LIMITS)


UNITS = ("_ma", "_ms", "_us", "_uv", "_hz", "_s", "_rad", "_percent", "_per_min")
WITHOUT_UNIT = {
    *("order", "channel", "percentile", "lower_percentile", "seconds", "gain", "search"),
    # Counts, and a power in the device's own unit.
    *("pulses", "refractory_cycles", "bins", "thresholds", "fft_size", "update_rate"),
    *("onset", "termination", "blanking"),
    # A part of the rate at rest.
    "theta",
}


@pytest.mark.parametrize("written", ["53494D", "5354494d44425301", "0x5354494D44425301"])
def test_a_device_is_named_as_status_names_it_or_not_at_all(written: str) -> None:
    error = refused(changed('name = "whole"', f'device_id = "{written}"'))
    assert [violation.field for violation in error.violations] == ["device_id"]
    assert "copy it from stimloop status" in str(error)


def test_every_number_of_a_prescription_says_its_unit() -> None:
    kinds = (decision.CONTROLLERS, decision.DETECTORS)
    derived = [table for each in kinds for table in map(each.table_of, each.own)]
    numbers = {
        key
        for table in [*prescription._TABLES.values(), *derived]
        for key, field in table.model_fields.items()
        if re.search(r"\b(int|float)\b", str(field.annotation))
    }
    assert {"amplitude_ma", "band_hz", "lease_ms", "ti_s", *WITHOUT_UNIT} <= numbers
    assert not {key for key in numbers if not key.endswith(UNITS)} - WITHOUT_UNIT
