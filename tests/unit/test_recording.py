import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from stimloop_dsp.recordings import Recording, RecordingError, read_recording
from stimloop_sim.patient import DbsPatient
from stimloop_sim.recording import ImplantedRecording

if TYPE_CHECKING:
    from stimloop_sim.source import Source

PULSES = np.zeros(5, np.int32)


@pytest.fixture
def recordings() -> Path:
    folder = os.environ.get("STIMLOOP_RECORDINGS")
    if folder is None:
        pytest.skip("STIMLOOP_RECORDINGS is not set; docs/DATA.md says what belongs there")
    return Path(folder)


def write_brainvision(
    folder: Path, names: list[str], samples: NDArray[np.int16], fs_hz: int = 500
) -> Path:
    """Multiplexed int16 at 0.5 µV a step."""
    pytest.importorskip("mne")
    header = folder / "lead.vhdr"
    channels = "\n".join(f"Ch{i}={name},,0.5,µV" for i, name in enumerate(names, start=1))
    header.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n"
        "[Common Infos]\nCodepage=UTF-8\nDataFile=lead.eeg\nMarkerFile=lead.vmrk\n"
        "DataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(names)}\nSamplingInterval={1e6 / fs_hz}\n\n"
        f"[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )
    (folder / "lead.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n"
        "[Common Infos]\nCodepage=UTF-8\nDataFile=lead.eeg\n\n[Marker Infos]\n",
        encoding="utf-8",
    )
    samples.astype("<i2").tofile(folder / "lead.eeg")
    return header


def write_edf(folder: Path, channels: dict[str, tuple[int, NDArray[np.int16]]]) -> Path:
    """Records of one second, 0.1 µV a step; a rate and its samples by channel."""
    pytest.importorskip("mne")
    path = folder / "chest.edf"
    rates = [rate for rate, _ in channels.values()]
    seconds = len(next(iter(channels.values()))[1]) // rates[0]

    def fields(width: int, *values: object) -> str:
        return "".join(f"{value!s:<{width}}" for value in values)

    count = len(channels)
    header = (
        fields(8, "0")
        + fields(80, "X X X X", "Startdate 01-JAN-2020 X X X")
        + fields(8, "01.01.20", "00.00.00", 256 * (count + 1))
        + fields(44, "")
        + fields(8, seconds, 1)
        + fields(4, count)
        + fields(16, *channels)
        + fields(80, *[""] * count)
        + fields(8, *["uV"] * count)
        + fields(8, *["-3276.8"] * count)
        + fields(8, *["3276.7"] * count)
        + fields(8, *["-32768"] * count)
        + fields(8, *["32767"] * count)
        + fields(80, *[""] * count)
        + fields(8, *rates)
        + fields(32, *[""] * count)
    )
    body = b"".join(
        samples[second * rate : (second + 1) * rate].astype("<i2").tobytes()
        for second in range(seconds)
        for rate, samples in channels.values()
    )
    path.write_bytes(header.encode("ascii") + body)
    return path


def a_recording(
    samples: NDArray[np.float64], fs_hz: float = 250.0, gain: float = 1.0
) -> Recording:
    return Recording("lead.npy", "0", fs_hz, gain, samples)


# --- reading -----------------------------------------------------------------------------


def test_an_array_is_read_as_microvolts_and_scaled_by_the_gain(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1, 2, 3], np.int16))
    recording = read_recording(tmp_path / "a.npy", rate_hz=250, gain=2.0)
    assert recording.samples_uv.tolist() == [2.0, 4.0, 6.0]
    assert recording.samples_uv.dtype == np.float64
    assert (recording.name, recording.channel, recording.fs_hz) == ("a.npy", "0", 250.0)


def test_columns_of_an_array_are_channels_by_number(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1.0, 10.0], [2.0, 30.0], [3.0, 60.0]]))
    one = read_recording(tmp_path / "a.npy", rate_hz=250, channel="1")
    both = read_recording(tmp_path / "a.npy", rate_hz=250, channel="1-0")
    assert one.samples_uv.tolist() == [10.0, 30.0, 60.0]
    assert both.samples_uv.tolist() == [9.0, 28.0, 57.0]
    assert both.channel == "1-0"


def test_a_table_with_names_keeps_missing_samples_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("left,right\n1,2\n,3\nnan,4.5\n", encoding="utf-8")
    left = read_recording(tmp_path / "a.csv", rate_hz=250, channel="left")
    right = read_recording(tmp_path / "a.csv", rate_hz=250, channel="right")
    assert np.array_equal(left.samples_uv, [1.0, np.nan, np.nan], equal_nan=True)
    assert right.samples_uv.tolist() == [2.0, 3.0, 4.5]


def test_a_table_without_names_loses_no_first_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeff1.5\n-2e-1\n", encoding="utf-8")
    recording = read_recording(tmp_path / "a.csv", rate_hz=250)
    assert recording.samples_uv.tolist() == [1.5, -0.2]


def test_brainvision_volts_become_microvolts(tmp_path: Path) -> None:
    path = write_brainvision(tmp_path, ["L0", "L1"], np.array([[2, 4], [-6, 9]], np.int16))
    recording = read_recording(path, channel="L1")
    assert recording.samples_uv == pytest.approx([2.0, 4.5])
    assert recording.fs_hz == 500.0
    assert read_recording(path, channel="L1", gain=-2.0).samples_uv == pytest.approx([-4, -9])
    assert read_recording(path, channel="L0-L1").samples_uv == pytest.approx([-1.0, -7.5])


def test_a_channel_whose_name_has_a_hyphen_is_found_before_a_difference(
    tmp_path: Path,
) -> None:
    samples = np.array([[2, 4, 100, 8]], np.int16)
    path = write_brainvision(tmp_path, ["A", "B", "A-B", "C"], samples)
    assert read_recording(path, channel="A-B").samples_uv == pytest.approx([50.0])
    assert read_recording(path, channel="A-B-C").samples_uv == pytest.approx([46.0])
    assert read_recording(path, channel="C-A-B").samples_uv == pytest.approx([-46.0])


def test_a_difference_that_reads_two_ways_is_refused(tmp_path: Path) -> None:
    samples = np.zeros((1, 4), np.int16)
    path = write_brainvision(tmp_path, ["A", "B-C", "A-B", "C"], samples)
    with pytest.raises(RecordingError, match="two ways to read 'A-B-C'"):
        read_recording(path, channel="A-B-C")


def test_edf_channels_keep_their_own_rates(tmp_path: Path) -> None:
    slow = np.arange(50, dtype=np.int16)
    fast = np.arange(500, dtype=np.int16)
    path = write_edf(tmp_path, {"RESP": (25, slow), "ECG": (250, fast)})
    resp = read_recording(path, channel="RESP")
    ecg = read_recording(path, channel="ECG", rate_hz=250)
    assert (resp.fs_hz, ecg.fs_hz) == (25.0, 250.0)
    assert resp.samples_uv == pytest.approx(slow / 10)
    assert ecg.samples_uv == pytest.approx(fast / 10)


def test_channels_of_different_rates_are_not_subtracted(tmp_path: Path) -> None:
    channels = {"RESP": (25, np.ones(25, np.int16)), "ECG": (250, np.ones(250, np.int16))}
    path = write_edf(tmp_path, channels)
    with pytest.raises(RecordingError, match="RESP and ECG differ in sampling rate"):
        read_recording(path, channel="RESP-ECG")


def test_a_rate_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    path = write_brainvision(tmp_path, ["L0"], np.ones((4, 1), np.int16))
    with pytest.raises(RecordingError, match="states 500 Hz, not 250 Hz; leave rate out"):
        read_recording(path, rate_hz=250)


def test_without_mne_the_refusal_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.edf").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(RecordingError, match=r"pip install 'stimloop\[recordings\]'"):
        read_recording(tmp_path / "a.edf")


@pytest.mark.parametrize("name", ["a.npy", "a.csv", "a.edf", "a.vhdr"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe no recording \x00\n1,\xff"])
def test_an_unreadable_file_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes
) -> None:
    if name.endswith((".edf", ".vhdr")):
        pytest.importorskip("mne")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=name):
        read_recording(tmp_path / name, rate_hz=None if name[2] in "ev" else 250)


def test_objects_in_an_array_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(RecordingError, match=r"a\.npy is not a readable \.npy array"):
        read_recording(tmp_path / "a.npy", rate_hz=250)


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.zeros(0), "no samples"),
        (np.full(3, np.nan), "no samples"),
        (np.array([1.0, np.inf]), "infinite"),
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        (np.zeros((2, 300)), r"shape \(2, 300\)"),
        (np.float64(1.0), r"shape \(\)"),
        (np.zeros(3, complex), "real numbers"),
        (np.array(["1", "2"]), "real numbers"),
    ],
)
def test_an_array_that_is_no_recording_is_refused(
    tmp_path: Path, array: NDArray[np.float64], fault: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(RecordingError, match=fault):
        read_recording(tmp_path / "a.npy", rate_hz=250)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name\n", "no samples"),
        ("1,2\n3\n", "not a table of numbers"),
        ("1\nx\n", "not a table of numbers"),
        ("left,right\n1\n2\n", "names 2 columns and holds 1"),
    ],
)
def test_a_text_that_is_no_table_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match=fault):
        read_recording(tmp_path / "a.csv", rate_hz=250, channel="0")


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ({}, "2 channels; choose one of 0, 1"),
        ({"channel": "2"}, "no channel '2'; choose one of 0, 1"),
        ({"channel": "0-0"}, "no channel '0-0'"),
        ({"channel": "0-2"}, "no channel '0-2'"),
        ({"channel": "0", "rate_hz": None}, "does not state its sampling rate; give rate"),
        ({"channel": "0", "rate_hz": 0.0}, "0 Hz is not a sampling rate"),
        ({"channel": "0", "rate_hz": float("nan")}, "nan Hz is not a sampling rate"),
        ({"channel": "0", "gain": 0.0}, "gain 0 scales nothing"),
        ({"channel": "0", "gain": float("inf")}, "gain inf scales nothing"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(
    tmp_path: Path, request_: dict[str, object], fault: str
) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 2)))
    with pytest.raises(RecordingError, match=fault):
        read_recording(tmp_path / "a.npy", **{"rate_hz": 250.0, **request_})  # type: ignore[arg-type]


def test_a_missing_file_and_an_unknown_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no recording"):
        read_recording(tmp_path / "a.npy", rate_hz=250)
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match=r"a\.wav is in no known format"):
        read_recording(tmp_path / "a.wav", rate_hz=250)


# --- implanting --------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[12], [5, 7], [1] * 12, [0, 11, 1]])
def test_any_block_size_plays_the_same_samples_to_the_end(sizes: list[int]) -> None:
    samples = np.arange(12.0)
    samples[3] = np.nan
    source = ImplantedRecording(a_recording(samples))
    blocks = [source.sense(np.full(n, 3000, np.int32), 60, 7692) for n in sizes]
    assert np.array_equal(np.concatenate(blocks)[:, 0], samples, equal_nan=True)
    assert source.remaining == 0
    assert source.channels == ("0",)


def test_a_patient_and_a_recording_are_sources_alike() -> None:
    sources: list[Source] = [DbsPatient(), ImplantedRecording(a_recording(np.zeros(5)))]
    for source in sources:
        sensed = source.sense(PULSES, 60, 7692)
        assert sensed.shape == (5, len(source.channels))
        assert sensed.dtype == np.float64
        assert source.fs_hz == 250
    assert [source.remaining for source in sources] == [None, 0]


def test_more_samples_than_remain_are_refused() -> None:
    source = ImplantedRecording(a_recording(np.zeros(7)))
    source.sense(PULSES, 60, 7692)
    with pytest.raises(ValueError, match="5 samples asked for and 2 remain"):
        source.sense(PULSES, 60, 7692)
    assert source.remaining == 2


def test_what_is_done_to_a_block_does_not_reach_the_recording() -> None:
    recording = a_recording(np.zeros(5))
    ImplantedRecording(recording).sense(PULSES, 60, 7692)[:] = 1.0
    assert not recording.samples_uv.any()


@pytest.mark.parametrize(
    ("fs_hz", "sensed_hz"),
    [
        (250, 250),
        (500, 500),
        (1000, 1000),
        (2000, 1000),
        (1500, 500),
        (750, 250),
        (24000, 1000),
    ],
)
def test_the_implant_senses_at_the_highest_of_its_rates_that_divides_the_recordings(
    fs_hz: float, sensed_hz: int
) -> None:
    source = ImplantedRecording(a_recording(np.zeros(48000), fs_hz))
    assert source.fs_hz == sensed_hz
    assert source.remaining == 48000 * sensed_hz / fs_hz


@pytest.mark.parametrize("fs_hz", [50.0, 256.0, 360.0, 1250.5])
def test_a_rate_that_does_not_divide_is_refused_with_the_rates_allowed(fs_hz: float) -> None:
    with pytest.raises(RecordingError, match=f"{fs_hz:g} Hz; the implant senses at 250, 500"):
        ImplantedRecording(a_recording(np.zeros(100), fs_hz))


def test_decimation_keeps_beta_in_place_and_removes_what_would_alias() -> None:
    t = np.arange(20000) / 2000
    beta = 10.0 * np.sin(2 * np.pi * 20.0 * t)
    alias = 50.0 * np.sin(2 * np.pi * 700.0 * t)
    source = ImplantedRecording(a_recording(100.0 + beta + alias, 2000.0))
    sensed = source.sense(np.zeros(10000, np.int32), 60, 7692)[:, 0]
    assert np.max(np.abs(sensed - 100.0 - beta[::2])[20:-20]) < 0.5


def test_a_missing_sample_stays_missing_through_decimation_and_only_around_it() -> None:
    samples = np.ones(20000)
    samples[10000] = np.nan
    source = ImplantedRecording(a_recording(samples, 2000.0))
    missing = np.flatnonzero(np.isnan(source.sense(np.zeros(10000, np.int32), 60, 7692)))
    assert 5000 in missing
    assert np.all(np.abs(missing - 5000) <= 11)


def test_a_recording_beyond_the_range_is_refused_with_a_gain_that_fits(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([0.0, -7.3e6]))
    recording = read_recording(tmp_path / "a.npy", rate_hz=250, gain=0.5)
    with pytest.raises(
        RecordingError, match=r"reaches 3.65e\+06 µV .* use gain=0.0006 or less"
    ):
        ImplantedRecording(recording)
    fitting = read_recording(tmp_path / "a.npy", rate_hz=250, gain=0.0006)
    assert ImplantedRecording(fitting).remaining == 2


def test_the_range_is_the_front_ends() -> None:
    recording = a_recording(np.array([100.0, -100.0]))
    assert ImplantedRecording(recording, range_uv=100.0).remaining == 2
    with pytest.raises(RecordingError, match=r"±99 µV; use gain=0\.9 or less"):
        ImplantedRecording(recording, range_uv=99.0)


# --- public recordings -------------------------------------------------------------------


def test_a_cortical_recording_of_an_old_numpy_is_read_without_a_warning(
    recordings: Path,
) -> None:
    path = recordings / "ecog_pd_m1" / "exampledata.npy"
    recording = read_recording(path, rate_hz=1000)
    assert len(recording.samples_uv) == 88889
    assert float(recording.samples_uv.std()) == pytest.approx(140.0, abs=1.0)
    assert ImplantedRecording(recording).fs_hz == 1000


def test_a_subthalamic_recording_whose_volts_are_microvolts_is_mended_by_the_gain(
    recordings: Path,
) -> None:
    pytest.importorskip("mne")
    folder = recordings / "lfp_pd_stn_grip/sub-testsub/ses-EphysMedOff/ieeg"
    path = folder / "sub-testsub_ses-EphysMedOff_task-gripforce_run-0_ieeg.vhdr"
    single = read_recording(path, channel="LFP_RIGHT_0", gain=1e-6)
    bipolar = read_recording(path, channel="LFP_RIGHT_0-LFP_RIGHT_2", gain=1e-6)
    other = read_recording(path, channel="LFP_RIGHT_2", gain=1e-6)
    assert float(single.samples_uv.std()) == pytest.approx(18.2, abs=0.1)
    assert bipolar.samples_uv == pytest.approx(single.samples_uv - other.samples_uv)
    with pytest.raises(RecordingError, match="use gain=6e-05 or less"):
        ImplantedRecording(read_recording(path, channel="LFP_RIGHT_0"))


def test_a_seizure_is_read_at_its_own_rate_and_not_implanted_at_it(recordings: Path) -> None:
    pytest.importorskip("mne")
    path = recordings / "ecg_seizure/sub-002_ses-01_task-szMonitoring_run-10_ecg.edf"
    recording = read_recording(path)
    assert recording.fs_hz == 256.0
    assert len(recording.samples_uv) / 256 == pytest.approx(6216, abs=1)
    with pytest.raises(RecordingError, match="recorded at 256 Hz"):
        ImplantedRecording(recording)
