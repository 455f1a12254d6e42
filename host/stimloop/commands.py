"""The commands of the command line: each takes its options and gives an exit status.

They import what they need themselves, so that `stop` does not wait for SciPy.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from stimloop import console

if TYPE_CHECKING:
    import argparse

    from stimloop_dsp import Peak

DONE, FAILED = 0, 1


def demo(options: argparse.Namespace) -> int:
    """Three arms on one simulated patient: table and report."""
    from stimloop.demo import ARMS, demonstrate
    from stimloop.run import fresh_directory

    directory = options.out or fresh_directory("stimloop-demo")
    with console.progress() as progress:
        tasks = {arm: progress.add_task(arm, total=options.seconds) for arm in ARMS}
        result = demonstrate(
            directory,
            seconds=options.seconds,
            seed=options.seed,
            on_progress=lambda arm, done: progress.update(tasks[arm], completed=done),
        )
    if options.json:
        console.print_json(result)
        return DONE
    console.print_sessions(
        f"Simulated patient, seed {options.seed}, {options.seconds:g} s each", result["arms"]
    )
    print(
        f"Adaptive threshold {result['threshold_uv']:.2f} µV: the median of the off arm, a "
        "calibration on the same seed, not a prediction.\n"
        "Latencies are compute time in one process, both ends of the wire included in 'read'.\n"
        f"{console.NOTICE}\n"
        f"Report: {result['report']}"
    )
    return DONE


def run(options: argparse.Namespace) -> int:
    """One session on a device."""
    from stimloop import prescription as prescriptions
    from stimloop.record import Record
    from stimloop.run import run_session
    from stimloop.summary import summarize
    from stimloop_hw.keys import find_key

    prescription = prescriptions.load(options.prescription)
    with console.progress() as progress:
        task = progress.add_task("therapy", total=options.seconds)
        directory = run_session(
            prescription,
            options.device,
            key=find_key(options.key),
            sense=options.sense,
            load_ohm=options.load_ohm,
            stop_key=options.stop_key,
            seconds=options.seconds,
            alone=options.alone,
            directory=options.out,
            on_progress=lambda done: progress.update(task, completed=done),
            on_alarm=lambda text: print(f"stimloop: {text}", file=sys.stderr),
        )
    values = summarize(Record.open(directory)).as_dict()
    if options.json:
        console.print_json(values)
    else:
        console.print_sessions(
            prescription.name or str(options.prescription),
            {"session": {**values, "bursts_per_s": values["burst_rate_hz"]}},
        )
        print(f"{console.NOTICE}\nRecord: {directory}")
    if options.alone:
        print(
            "stimloop: the therapy goes on alone, without this host; end it with "
            f"stimloop stop --device {options.device}",
            file=sys.stderr,
        )
    return DONE


def titrate(options: argparse.Namespace) -> int:
    """Raise the amplitude step by step until it is uncomfortable: a setpoint for a loop."""
    from stimloop import prescription as prescriptions
    from stimloop.titration import Given, Keyboard, titrate_device
    from stimloop_hw.keys import find_key

    prescription = prescriptions.load(options.prescription)
    given = (options.perception, options.comfort, options.discomfort)
    known = [ma for ma in given if ma is not None]
    if known and len(known) < len(given):
        raise ValueError(
            f"{len(known)} of --perception, --comfort and --discomfort were given; give all "
            "three, or none and tell at the terminal"
        )
    most_ma = prescription.stimulation.amplitude_ma
    if known and max(known) > most_ma:
        raise ValueError(
            f"{max(known):g} mA was given, and the prescription goes up to {most_ma:g} mA; "
            "raise its amplitude_ma, or give less"
        )
    told = titrate_device(
        prescription,
        options.device,
        Given(*known) if known else Keyboard(),
        key=find_key(options.key),
        directory=options.out,
    )
    values = {
        "perception_ma": told.perception_ma,
        "comfort_ma": told.comfort_ma,
        "discomfort_ma": told.discomfort_ma,
        "threshold_ma": told.found.threshold_ua / 1000,
        "slope_uv_ma": told.found.slope_uv_ma,
        "floor_uv": told.found.floor_uv,
        "setpoint_uv": told.found.setpoint_uv,
        "ended": told.ended,
        "record": str(told.record),
    }
    if options.json:
        console.print_json(values)
    else:
        console.print_pairs(values)
        print(
            f"For a loop: setpoint_uv = {told.found.setpoint_uv:.1f}, "
            f"open_loop_ma = {told.comfort_ma:g}\n{console.NOTICE}"
        )
    return DONE


def status(options: argparse.Namespace) -> int:
    """What a device says of itself."""
    from stimloop.devices import describe
    from stimloop_hw.keys import find_key

    values = describe(options.device, find_key(options.key))
    if options.json:
        console.print_json(values)
    else:
        identity = values.pop("identity")
        programs = {
            f"program {name}": ", ".join(f"{key} {value}" for key, value in output.items())
            for name, output in values.pop("programs").items()
        }
        console.print_pairs({**values, **programs, **identity})
    return DONE


def stop(options: argparse.Namespace) -> int:
    """End a device's output, whatever it is doing."""
    from stimloop.devices import stop_output

    print(stop_output(options.device))
    return DONE


def impedance(options: argparse.Namespace) -> int:
    """Let an idle device measure every pair of its contacts."""
    from stimloop.impedance import measure_impedance
    from stimloop_hw.keys import find_key

    values = measure_impedance(options.device, find_key(options.key))
    if options.json:
        console.print_json(values)
    else:
        console.print_matrix(values)
        print(console.NOTICE)
    return DONE


def trends(options: argparse.Namespace) -> int:
    """Ten-minute means of a device's last sixty days."""
    from stimloop.trends import read_trends, write_csv
    from stimloop_hw.keys import find_key

    values = read_trends(options.device, find_key(options.key))
    if options.out:
        write_csv(options.out, values["rows"])
    if options.json:
        console.print_json(values)
    else:
        console.print_trends(values)
    return DONE


def patient(options: argparse.Namespace) -> int:
    """What a patient may do: move the level inside the clinician's limits, set a mark."""
    from stimloop.patient import adjust, mark
    from stimloop_hw.keys import find_key

    key = find_key(options.key)
    values = (
        adjust(options.device, options.up or -options.down, key)
        if options.mark is None
        else mark(options.device, options.mark, key)
    )
    if options.json:
        console.print_json(values)
    else:
        console.print_pairs(values)
    return DONE


def devices(options: argparse.Namespace) -> int:
    """Ports, profiles and drivers."""
    from stimloop.devices import available

    values = available()
    if options.json:
        console.print_json(values)
    else:
        console.print_pairs({name: ", ".join(items) or "-" for name, items in values.items()})
    return DONE


def detect(options: argparse.Namespace) -> int:
    """Beta peak and bursts of a recording, or a score of every detector."""
    from dataclasses import asdict

    from stimloop.detect import detect as detect_bursts
    from stimloop_dsp import folded_harmonics
    from stimloop_dsp.recordings import read_recording

    if options.score:
        return _score(options)
    if options.file is None:
        raise ValueError("nothing to detect in; give a FILE, or --score for a score card")
    recording = read_recording(
        options.file, channel=options.channel, rate_hz=options.rate, gain=options.gain
    )
    found = detect_bursts(
        recording,
        band_hz=tuple(options.band),
        order=options.order,
        smooth_ms=options.smooth_ms,
        percentile=options.percentile,
    )
    rate_hz = found.rate_hz
    folded = (
        folded_harmonics(options.stimulation, rate_hz, found.band_hz)
        if options.stimulation
        else []
    )
    values: dict[str, Any] = {
        "file": str(options.file),
        "channel": recording.channel,
        "rate_hz": rate_hz,
        "seconds": len(recording.samples_uv) / rate_hz,
        "band_hz": list(found.band_hz),
        "delay_ms": found.delay_ms,
        "peak_hz": found.peak and found.peak.frequency_hz,
        "peak": found.peak and asdict(found.peak),
        "threshold_uv": found.threshold_uv,
        "bursts": [
            {"onset_s": burst.onset / rate_hz, "duration_s": burst.duration / rate_hz}
            for burst in found.bursts
        ],
        "burst_rate_hz": found.burst_rate_hz,
        "median_burst_ms": found.median_burst_ms,
        "held": found.held,
        "folded": folded,
    }
    if options.json:
        console.print_json(values)
    else:
        values["bursts"] = len(found.bursts)
        values["peak_hz"] = found.peak and round(found.peak.frequency_hz, 1)
        values["peak"] = _in_words(found.peak)
        told = ", ".join(f"harmonic {number} at {hz:g} Hz" for number, hz in folded)
        values["folded"] = told or "none" if options.stimulation else "give --stimulation HZ"
        console.print_pairs(values)
    return DONE


def _in_words(peak: Peak | None) -> str:
    if peak is None:
        return "no clear beta peak"
    low_hz, high_hz = peak.interval_hz
    return (
        f"{low_hz:.1f} to {high_hz:.1f} Hz, {peak.height_db:.1f} dB high, in "
        f"{peak.confidence:.0%} of resamples"
    )


def trial(options: argparse.Namespace) -> int:
    """Virtual patients × arms × seeds × durations: results and a report."""
    with console.progress() as progress:
        task = progress.add_task("trial", total=None)
        values = _lab("trial")(
            options.trial,
            workers=options.workers,
            scheduler=options.scheduler,
            directory=options.out,
            unblind=options.unblind,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if options.json:
        console.print_json(values)
    else:
        console.print_trial(values)
    return FAILED if values["failed"] else DONE


def _lab(name: str) -> Any:  # noqa: ANN401  a function of a package that may not be there
    from importlib.metadata import entry_points

    found = entry_points(group="stimloop.lab", name=name)
    if not found:
        raise ValueError(f"{name} needs stimloop_lab; install stimloop whole")
    (lab,) = found
    return lab.load()


def _score(options: argparse.Namespace) -> int:
    if options.file is not None:
        raise ValueError(
            f"--score was asked for with {options.file}; it takes the virtual patient alone. "
            "Leave the file out."
        )
    values = _lab("score")(range(options.seeds), options.seconds, options.out)
    if options.json:
        console.print_json(values)
    else:
        console.print_scores(values)
    return DONE


def replay(options: argparse.Namespace) -> int:
    """A record through today's code; exit status 1 if it decides otherwise."""
    from dataclasses import asdict

    from stimloop import prescription as prescriptions
    from stimloop.record import Record
    from stimloop.replay import replay_record

    other = None if options.prescription is None else prescriptions.load(options.prescription)
    result = replay_record(Record.open(options.record), other)
    first = result.first_difference
    values = {
        "identical": result.identical,
        "steps": result.steps,
        "orders": result.orders,
        "uncompared": result.uncompared,
        "first_difference": None if first is None else asdict(first),
        "torn": list(result.torn),
    }
    if options.json:
        console.print_json(values)
    elif first is None:
        print(f"identical: {result.steps} steps, {result.orders} orders")
        if result.uncompared:
            print(f"not compared: {result.uncompared} steps behind a sample that was lost")
    else:
        print(
            f"different from step {first.step} on, at {first.t_us / 1e6:.3f} s: {first.field} "
            f"was {first.recorded}, is {first.replayed} now"
        )
    return DONE if result.identical or other is not None else FAILED


def report(options: argparse.Namespace) -> int:
    """The report of a record."""
    from stimloop.record import Record
    from stimloop.report import write_report

    record = Record.open(options.record)
    path = options.out or options.record / "report.html"
    write_report(path, {options.record.name or "session": record}, title="Session")
    print(path)
    return DONE


def protocol(options: argparse.Namespace) -> int:
    """The wire's documentation."""
    from stimloop_hw.protocol import c_header, markdown

    print(c_header() if options.c else markdown(), end="")
    return DONE


def controllers(options: argparse.Namespace) -> int:  # noqa: ARG001  it takes none
    """Controllers and detectors that a prescription may name, with their keys."""
    from stimloop.catalogue import markdown
    from stimloop.decision import CONTROLLERS, DETECTORS

    for kinds in (CONTROLLERS, DETECTORS):
        print(f"## {kinds.what.capitalize()}s\n")
        print(markdown(kinds, kinds.names))
    return DONE


def simulate(options: argparse.Namespace) -> int:
    """A simulated implant in a process of its own; its options are that program's."""
    return _program("stimloop_sim", options)


def impair(options: argparse.Namespace) -> int:
    """A bad line in front of a real port; its options are that program's."""
    return _program("stimloop_sim.proxy", options)


def app(options: argparse.Namespace) -> int:
    """The programmer, a window in a process of its own; its options are that program's."""
    return _program("stimloop.app", options)


def _program(module: str, options: argparse.Namespace) -> int:
    command = [sys.executable, "-m", module, *options.rest]
    with subprocess.Popen(command) as process:  # noqa: S603  # our own program
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()
