"""The Program page: what it shows of a draft and of the device, sides, groups, files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from stimloop import prescription
from stimloop.app.addresses import of_recording, offered
from stimloop.app.recording_sheet import RecordingSheet
from stimloop.station import Phase, Snapshot, StationError

if TYPE_CHECKING:
    from tests.app.operator import Operator

    from stimloop.app.editor import Editor

EXAMPLES = Path(__file__).parents[2] / "examples"
DIRECTIONAL = "sim://dbs-v?seed=7&pace=real"


def editor_of(operator: Operator) -> Editor:
    assert operator.program.editor is not None
    return operator.program.editor


def dropped(path: Path) -> QDropEvent:
    """The event of a file that is let go over a page."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    event.kept = data  # type: ignore[attr-defined]  # Qt does not keep it
    return event


def test_without_a_device_the_page_says_so_and_takes_nothing(operator: Operator) -> None:
    operator.window.show_page("program")
    assert operator.program.editor is None
    operator.program.dropEvent(dropped(EXAMPLES / "dbs_pi.toml"))
    operator.program.tools.undo.trigger()
    assert operator.program.editor is None


def test_amplitude_can_be_raised_only_with_both_poles_and_contacts_set_it_to_zero(
    operator: Operator,
) -> None:
    operator.connect()
    operator.window.show_page("program")
    page = operator.program
    amplitude = page.pane.steppers["amplitude_ma"]
    assert not amplitude.more.isEnabled()
    assert not page.bar.stage.isEnabled()
    operator.choose()
    assert amplitude.more.isEnabled()
    assert page.bar.stage.isEnabled()
    operator.click(page.leads["left"].view.drawing.contacts["2"])
    assert amplitude.value.text() == "0 mA"
    page.tools.undo.trigger()
    assert amplitude.value.text() == "2 mA"
    assert page.leads["left"].view.drawing.contacts["2"].pole == ""


def test_a_value_that_the_device_has_not_is_marked_and_cannot_be_staged(
    operator: Operator,
) -> None:
    operator.connect()
    operator.choose()
    page = operator.program
    page.pane.steppers["pulse_width_us"].typed.emit("pulse_width_us", 65.0)
    width = page.pane.steppers["pulse_width_us"].value
    assert width.property("wrong")
    assert "write 60 or 70" in width.toolTip()
    assert not page.bar.stage.isEnabled()
    page.pane.steppers["pulse_width_us"].typed.emit("pulse_width_us", 70.0)
    assert not width.property("wrong")
    assert page.bar.stage.isEnabled()


def test_a_copy_to_the_other_side_has_the_contacts_and_no_amplitude(
    operator: Operator,
) -> None:
    operator.connect(DIRECTIONAL)
    operator.choose()
    page = operator.program
    page.tools.copy.trigger()
    operator.click(page.leads["right"].title)
    assert page.leads["right"].view.drawing.contacts["1"].pole == "cathodes"
    assert page.pane.steppers["amplitude_ma"].value.text() == "0 mA"
    assert not page.bar.stage.isEnabled()
    page.tools.mine.trigger()
    assert page.bar.stage.isEnabled()
    assert "this device" in page.leads["right"].title.text()


def test_groups_are_drafts_of_their_own_and_name_themselves(operator: Operator) -> None:
    operator.connect()
    operator.choose()
    page = operator.program
    page.tools.group_chosen.emit("C")
    assert editor_of(operator).draft.locked()
    assert editor_of(operator).draft.tables["group"] == "C"
    page.tools.group_chosen.emit("A")
    assert not editor_of(operator).draft.locked()


def test_a_further_program_shares_the_rate_of_its_group(operator: Operator) -> None:
    operator.connect()
    operator.choose()
    page = operator.program
    operator.click(page.tools.add)
    page.tools.program_chosen.emit(1)
    assert not page.pane.steppers["rate_hz"].more.isEnabled()
    assert not page.pane.steppers["amplitude_ma"].more.isEnabled()
    contacts = page.leads["left"].view.drawing.contacts
    operator.click(contacts["2"])
    operator.click(contacts["case"])
    operator.click(contacts["case"])
    operator.click(page.pane.steppers["amplitude_ma"].more)
    asked = editor_of(operator).asked
    assert asked is not None
    assert (asked.cathodes, asked.amplitude_ma) == (("2",), 0.1)
    assert not page.pane.forms["stimulation"].editors["lease_ms"].isEnabled()
    operator.click(page.tools.remove)
    assert len(editor_of(operator).draft.programs) == 1


def test_what_is_exported_is_a_prescription_and_what_is_dropped_is_read(
    operator: Operator, tmp_path: Path
) -> None:
    operator.connect()
    operator.window.show_page("program")
    page = operator.program
    page.dropEvent(dropped(EXAMPLES / "dbs_interleaved.toml"))
    assert len(editor_of(operator).draft.programs) == 2
    page.save(tmp_path / "out.toml")
    kept = prescription.load(tmp_path / "out.toml")
    assert dict(kept) == dict(prescription.load(EXAMPLES / "dbs_interleaved.toml"))


def test_a_file_that_is_no_prescription_changes_nothing(
    operator: Operator, tmp_path: Path
) -> None:
    operator.connect()
    operator.choose()
    before = editor_of(operator).draft.text
    (tmp_path / "bad.toml").write_text("schema = 1\n[stimulation]\n")
    operator.program.load(tmp_path / "bad.toml")
    assert "is refused" in operator.window.notice.text
    assert editor_of(operator).draft.text == before


def test_fields_and_forms_write_the_keys_of_the_file(operator: Operator) -> None:
    operator.connect()
    operator.choose()
    form = operator.program.pane.forms["stimulation"]
    form.changed.emit("soft_start_ms", 2000)
    form.changed.emit("recharge", "1:2")
    draft = editor_of(operator).draft
    assert draft.tables["stimulation"]["soft_start_ms"] == 2000
    form.changed.emit("recharge", None)
    assert "recharge" not in draft.tables["stimulation"]
    patient = operator.program.pane.forms["patient"]
    for key, value in (("min_ma", 1.0), ("max_ma", 2.0), ("step_ma", 0.1)):
        patient.changed.emit(key, value)
    prescribed = editor_of(operator).prescribed
    assert prescribed is not None
    assert prescribed.patient is not None


# Connect ------------------------------------------------------------------------------------


def test_simulated_implants_are_offered_before_ports() -> None:
    urls = [address.url for address in offered()]
    assert urls[0].startswith("sim://dbs?")
    simulated = [url.startswith("sim://") for url in urls]
    assert simulated == sorted(simulated, reverse=True)
    assert all("pace=real" in url for url in urls if url.startswith("sim://"))


def test_a_recording_becomes_a_patient_that_the_banner_tells_of(
    operator: Operator, tmp_path: Path
) -> None:
    path = tmp_path / "a recording.csv"
    path.write_text("\n".join(f"{sample % 40}" for sample in range(4000)))
    page = operator.window.pages["connect"]
    page.dropEvent(dropped(path))
    sheet = operator.sheet(RecordingSheet)
    sheet.rate.setValue(500.0)
    operator.click(sheet.buttons[-1])
    address = of_recording(path, 500.0, "")
    operator.connect(address.url)
    operator.until(lambda: "RECORDED SIGNAL" in operator.window.banner.text)


class Gone:
    """A station that has died."""

    process = None

    def send(self, *_: object) -> None:
        raise StationError("the station is gone; look at the device")

    poll = send

    def snapshot(self) -> Snapshot:
        return Snapshot()


def test_a_station_that_is_gone_is_an_alarm_and_its_device_not_known(
    operator: Operator,
) -> None:
    operator.connect()
    operator.until(lambda: "Off" in operator.window.safety.state_text)
    operator.window.watch.station = Gone()  # type: ignore[assignment]
    operator.until(lambda: "station is gone" in operator.window.notice.text)
    assert "Not known" in operator.window.safety.state_text
    assert operator.window.safety.stop.isEnabled()
    assert operator.shown.phase is Phase.EMPTY
