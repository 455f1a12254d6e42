"""The RC+S pipeline beside a real device on a bench, from the device's own logs.

The recording has no licence: numbers leave this module, samples never do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop_dsp._rcs import LinearDetector, RcsDetector
from stimloop_dsp.rcs import (
    AdaptiveConfig,
    DetectorConfig,
    Feature,
    FftConfig,
    PowerBand,
    StateRamp,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

TICK_S = 1e-4
LAG_S = 0.030
"""A packet's tick lags the end of its window by this: the one fitted constant."""
SIZES = {0: 64, 1: 256, 3: 1024}
RATES_HZ = {0: 250, 1: 500, 2: 1000}


@dataclass(frozen=True, eq=False)
class Bench:
    """What the device logged, and how it was set.

    Attributes
    ----------
    samples_nv : ndarray of int32, shape (n, 1)
        Time domain, nV.
    ends : ndarray of int64, shape (packets,)
        Sample after the last of each packet's window, by the device's clock and `LAG_S`.
    power, output, state : ndarray of int64, shape (packets,)
        Band power, output of detector 0, combined state.
    amplitude_ma : ndarray of float64, shape (packets,)
        Delivered by program 0, mA.
    """

    fs_hz: int
    samples_nv: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]
    power: npt.NDArray[np.int64]
    output: npt.NDArray[np.int64]
    state: npt.NDArray[np.int64]
    amplitude_ma: npt.NDArray[np.float64]
    fft: FftConfig
    band: PowerBand
    detector: DetectorConfig
    adaptive: AdaptiveConfig
    trim: int


def read(recordings: Path) -> Bench:
    """Read the logs of the bench recording."""
    (folder,) = (recordings / "rcs_benchtop" / "ToTestPowerCalc").iterdir()

    def log(name: str) -> Any:  # noqa: ANN401  # JSON
        return json.loads((folder / f"{name}.json").read_text("utf-8"))

    settings: dict[str, Any] = {}
    for entry in log("DeviceSettings"):
        settings |= entry
    sensing, ld0 = settings["SensingConfig"], settings["DetectionConfig"]["Ld0"]
    adaptive = settings["AdaptiveConfig"]
    trims = {entry["name"]: entry["actualValue"][0] for entry in settings["FactorySettings"]}
    power = log("RawDataPower")[0]["PowerDomainData"]
    time = log("RawDataTD")[0]["TimeDomainData"]
    updates = [entry["AdaptiveUpdate"] for entry in log("AdaptiveLog")]

    millivolts = [packet["ChannelSamples"][0]["Value"] for packet in time]
    fs_hz = RATES_HZ[sensing["timeDomainChannels"][0]["sampleRate"]]
    begin = power[0]["Header"]["systemTick"]
    packet_s = unwrapped_s(power, begin)
    # A packet of samples is stamped about when its last one was taken; a line through all
    # stamps gives the time of any sample.
    lasts = np.cumsum([len(values) for values in millivolts]) - 1
    sample_s, first_s = np.polyfit(lasts, unwrapped_s(time, begin), 1)
    ends = np.floor((packet_s - LAG_S - first_s) / sample_s + 1).astype(np.int64)
    band = sensing["powerChannels"][0]
    return Bench(
        fs_hz=fs_hz,
        samples_nv=np.round(1e6 * np.concatenate(millivolts)).astype(np.int32)[:, None],
        ends=ends,
        power=np.array([packet["Bands"][0] for packet in power]),
        output=np.array([update["Ld0Status"]["output"] for update in updates]),
        state=np.array([update["CurrentAdaptiveState"] for update in updates]),
        amplitude_ma=np.array(
            [update["CurrentProgramAmplitudesInMilliamps"][0] for update in updates]
        ),
        fft=FftConfig(
            SIZES[sensing["fftConfig"]["size"]],
            sensing["fftConfig"]["interval"],
            sensing["fftConfig"]["windowLoad"],
            sensing["fftConfig"]["bandFormationConfig"],
        ),
        band=PowerBand(band["band0Start"], band["band0Stop"]),
        detector=DetectorConfig(
            biasTerm=tuple(ld0["biasTerm"]),
            features=(Feature(**ld0["features"][0]),),
            updateRate=ld0["updateRate"],
            onsetDuration=ld0["onsetDuration"],
            terminationDuration=ld0["terminationDuration"],
            holdoffTime=ld0["holdoffTime"],
            blankingDurationUponStateChange=ld0["blankingDurationUponStateChange"],
            dual=bool(ld0["detectionEnable"] & 1),
            blank_both=bool(ld0["detectionEnable"] & 2),
        ),
        adaptive=AdaptiveConfig(
            tuple(adaptive[f"state{i}"]["prog0AmpInMilliamps"] for i in range(9)),
            adaptive["deltas"][0]["rise"],
            adaptive["deltas"][0]["fall"],
        ),
        trim=trims["cfg_config_data.dev.HT_sns_amp1_gain250_trim"],
    )


def unwrapped_s(packets: list[dict[str, Any]], begin: int) -> npt.NDArray[np.float64]:
    """Time of each packet, s after the tick `begin`, from ticks that wrap at 16 bits."""
    ticks = np.array([packet["Header"]["systemTick"] for packet in packets])
    first = (ticks[0] - begin + 2**15) % 2**16 - 2**15
    since = np.concatenate([[0], np.cumsum(np.diff(ticks) % 2**16)])
    return np.asarray(TICK_S * (first + since))


def decided(bench: Bench) -> tuple[int, int, int, int]:
    """Packets in all; with the device's output, state and amplitude from its logged power."""
    detector = LinearDetector(bench.detector)
    ramp = StateRamp(bench.adaptive, bench.fft.interval, float(bench.amplitude_ma[0]))
    outputs, states, amplitudes_ma = [], [], []
    for power in bench.power.tolist():
        detector.push([power])
        outputs.append(detector.output)
        states.append(detector.state)
        amplitudes_ma.append(ramp.update(detector.state))
    return (
        len(bench.power),
        int(np.sum(np.array(outputs) == bench.output)),
        int(np.sum(np.array(states) == bench.state)),
        int(np.sum(np.abs(np.array(amplitudes_ma) - bench.amplitude_ma) < 1e-12)),
    )


@dataclass(frozen=True)
class Agreement:
    """Band power and state from the samples, beside the device's."""

    packets: int
    r2: float
    median_ratio: float
    low_ratio: float
    high_ratio: float
    states: int


def agreement(bench: Bench) -> Agreement:
    """Run the detector over the samples and compare it packet by packet.

    The stream begins so that its windows end where the device's did; the device spaces them by
    its interval exactly.
    """
    detector = RcsDetector(bench.fs_hz, bench.fft, [bench.band], [bench.detector], [bench.trim])
    shift = bench.fft.interval * bench.fs_hz // 1000
    phase = int(np.median(bench.ends % shift))
    begin = (phase - bench.fft.samples) % shift
    powers: dict[int, int] = {}
    states: dict[int, int] = {}
    for end in range(begin + bench.fft.samples, len(bench.samples_nv) + 1, shift):
        first = begin if not powers else end - shift
        detector.push(bench.samples_nv[first:end], first, 0)
        powers[end], states[end] = detector.powers[0], detector.state
    # A tick's jitter moves a packet's window by a few samples, never to another window.
    nearest = phase + shift * np.round((bench.ends - phase) / shift).astype(np.int64)
    inside = [i for i, end in enumerate(nearest.tolist()) if end in powers]
    ours = np.array([powers[int(nearest[i])] for i in inside], dtype=np.float64)
    device = bench.power[inside].astype(np.float64)
    ratio = (ours / np.maximum(device, 1))[device > 1000]
    residue = float(np.sum((ours - device) ** 2) / np.sum((device - device.mean()) ** 2))
    low, middle, high = np.percentile(ratio, [5, 50, 95])
    told = np.array([states[int(nearest[i])] for i in inside])
    return Agreement(
        len(inside),
        1 - residue,
        float(middle),
        float(low),
        float(high),
        int(np.sum(told == bench.state[inside])),
    )


def section(recordings: Path) -> str:
    """Return the Markdown section."""
    bench = read(recordings)
    packets, outputs, states, amplitudes = decided(bench)
    found = agreement(bench)
    changes = int(np.count_nonzero(np.diff(bench.state)))
    return f"""\
## RC+S pipeline beside the device

A Medtronic Summit RC+S on a bench, {len(bench.samples_nv) / bench.fs_hz:.2f} s at
{bench.fs_hz} Hz; settings from its own logs. One constant is fitted: a packet's tick lags the
end of its window by {1000 * LAG_S:.0f} ms. Windows are spaced by the device's interval exactly.

| what | from | result |
|---|---|---|
| detector output | logged power | {outputs} of {packets} exact |
| state | logged power | {states} of {packets} exact |
| delivered amplitude | logged power | {amplitudes} of {packets} within 1e-12 mA |
| band power | samples | R² = {found.r2:.5f} over {found.packets} packets; ratio above 1000 \
counts {found.median_ratio:.4f} in the median, {found.low_ratio:.3f} to \
{found.high_ratio:.3f} from the 5th to the 95th percentile |
| state | samples | {found.states} of {found.packets} |

The recording has {changes} changes of state, one threshold value, and onset, termination and
blanking of 0: it says nothing about debounce, blanking, a second detector or HOLD. Those are
compared with an oracle written from the published rules, on random settings and powers.
"""
