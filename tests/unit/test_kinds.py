"""Controllers and detectors by name: ours, somebody else's, and what is no name."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.device import LIMITS

from stimloop import prescription
from stimloop.catalogue import markdown
from stimloop.decision import CONTROLLERS, DETECTORS
from stimloop.errors import PrescriptionError
from stimloop_dsp import CONTROLLERS as OWN

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_controller"
TEXT = """\
schema = 1
[stimulation]
amplitude_ma = 3.0
pulse_width_us = 60
rate_hz = 130.0
slew_ma_per_s = 12.0
cathodes = ["1"]
anodes = ["case"]
[detector]
threshold_uv = 2.0
[controller]
kind = "KIND"
"""

OVERLAPPING = """\
begins = "22:00"
ends = "06:00"
controller = { kind = "continuous" }
[[schedule.entries]]
begins = "05:30"
ends = "07:00"
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a package: the text of its module `theirs` and its entry points."""

    def install(module: str, entry_points: str, name: str = "theirs") -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(module), "utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


def refusal(text: str) -> str:
    with pytest.raises(PrescriptionError) as refused:
        prescription.loads(text)
    return str(refused.value)


def test_the_example_runs_under_the_name_that_its_package_gives_it(
    installed: Callable[[str, str], None], tmp_path: Path
) -> None:
    import stimloop  # noqa: PLC0415

    module = (EXAMPLE / "square_law.py").read_text("utf-8")
    entries = (EXAMPLE / "pyproject.toml").read_text("utf-8")
    assert 'square_law = "square_law:SquareLaw"' in entries
    assert 'mean_square = "square_law:MeanSquare"' in entries
    installed(
        module,
        "[stimloop.controllers]\nsquare_law = theirs:SquareLaw\n"
        "[stimloop.detectors]\nmean_square = theirs:MeanSquare\n",
    )
    asked = stimloop.load_prescription(EXAMPLE / "square_law.toml")
    assert asked.controller.values() == {"gain_ua": 500.0}
    directory = stimloop.run_session(
        asked, "sim://dbs?seed=7", seconds=5, directory=tmp_path / "record"
    )
    record = stimloop.Record.open(directory)
    assert record.column("steps", "wanted_ua").max() > 0
    assert stimloop.replay_record(record).identical


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    told = refusal(TEXT.replace("KIND", "on_of"))
    assert "controller.kind" in told
    assert "write on_off, if that is meant" in told
    text = TEXT.replace("KIND", "on_off")
    told = refusal(text.replace("[detector]", "[detector]\nkind = 'bta'"))
    assert "detector.kind" in told
    assert "write beta, if that is meant" in told


def test_an_installed_name_is_offered_too_and_a_misspelt_key_of_its_own(
    installed: Callable[[str, str], None],
) -> None:
    installed(
        '''
        from dataclasses import dataclass
        from stimloop_dsp import AmplitudeController

        @dataclass(kw_only=True, eq=False)
        class Half(AmplitudeController):
            """Half of the range."""

            share: float = 0.5

            def wanted_ua(self, reading):
                return self.share * self.amplitude_max_ua
        ''',
        "[stimloop.controllers]\nhalf_of_it = theirs:Half\n",
    )
    assert "write half_of_it, if that is meant" in refusal(TEXT.replace("KIND", "half_off_it"))
    told = refusal(TEXT.replace("KIND", "half_of_it") + "shares = 0.4\n")
    assert "controller.shares" in told
    assert "write share, if that is meant" in told
    assert "Half of the range." in markdown(CONTROLLERS, ["half_of_it"])


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("import nowhere_to_be_found", "mend theirs:Law: ModuleNotFoundError"),
        ("", "mend theirs:Law: AttributeError"),
        ("def Law(*, when: complex): ...", "change the type <class 'complex'>"),
        ("def Law(*, when: 'Nothing'): ...", "mend its signature"),
    ],
)
def test_a_package_that_is_broken_is_told_and_breaks_nothing_else(
    installed: Callable[[str, str], None], module: str, sentence: str
) -> None:
    installed(module, "[stimloop.controllers]\ntheir_law = theirs:Law\n")
    assert sentence in refusal(TEXT.replace("KIND", "their_law"))
    assert prescription.loads(TEXT.replace("KIND", "on_off")).controller.kind == "on_off"


def test_our_own_names_cannot_be_taken(installed: Callable[[str, str], None]) -> None:
    installed("raise RuntimeError", "[stimloop.controllers]\non_off = theirs:Law\n")
    asked = prescription.loads(TEXT.replace("KIND", "on_off"))
    assert asked.controller.make is OWN["on_off"]


def test_what_a_controller_itself_refuses_is_a_reason_like_any_other() -> None:
    detector = 'kind = "rcs"\nbins = [1, 2]\nthresholds = [1, 2]'
    text = TEXT.replace("threshold_uv = 2.0", detector)
    states = "states_ma = [0, 0, 0, 0, 0, 0, 0, 0, 4]\nrise_ma_per_s = 1\nfall_ma_per_s = 1\n"
    asked = prescription.loads(text.replace("KIND", "nine_states") + states)
    with pytest.raises(PrescriptionError, match=re.escape("controller: asked A state of 4 mA")):
        asked.check(LIMITS)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ('begins = "22:10"\nends = "06:00"', "schedule.entries[0].begins"),
        ('begins = "22:00"\nends = "6:00"', "schedule.entries[0].ends"),
        ('begins = "22:00"\nends = "06:00"\namplitude_ma = 4', "schedule.entries[0]"),
        (
            'begins = "22:00"\nends = "06:00"\ncontroller = { kind = "on_of" }',
            "schedule.entries[0].controller.kind",
        ),
        (
            'begins = "22:00"\nends = "06:00"\ncontroller = { kind = "on_off", ramp_ms = 1 }',
            "schedule.entries[0].controller.ramp_ms",
        ),
        (OVERLAPPING, "schedule.entries"),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused_by_the_name_of_its_key(
    entry: str, field: str
) -> None:
    if "controller" not in entry.rpartition("[[")[2]:
        entry += '\ncontroller = { kind = "continuous" }'
    text = TEXT.replace("KIND", "on_off")
    text += f'[schedule]\nstarts_at = "21:00"\n[[schedule.entries]]\n{entry}\n'
    with pytest.raises(PrescriptionError) as refused:
        prescription.loads(text)
    assert refused.value.violations[0].field == field


@pytest.mark.parametrize("kinds", [CONTROLLERS, DETECTORS], ids=lambda kinds: kinds.what)
def test_the_page_of_controllers_is_that_of_their_signatures(kinds: object) -> None:
    page = (ROOT / "docs" / "controllers.md").read_text("utf-8")
    assert isinstance(kinds, type(CONTROLLERS))
    assert markdown(kinds, list(kinds.own)) in page
