"""Drawings of a record as inline SVG, decimated so that a day costs no more than a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from stimloop import prescription
from stimloop.drawing import ADMITTED, DELIVERED, GRID, LEVEL, LIMIT, SIGNAL, STYLE, svg
from stimloop.summary import therapy_start
from stimloop_dsp import MISSING

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from stimloop.record import Record

EXCERPT_S = 30.0
LEAST_TICKS = 0.7
"""Where the logarithmic axis of the latencies begins: below a single tick."""
BINS = 900
"""Minimum and maximum are drawn for so many bins across a plot; more cannot be seen."""


def excerpt(record: Record) -> str:
    """Draw signal, level and amplitude of the middle `EXCERPT_S` of therapy, one above another.

    Parameters
    ----------
    record : Record

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    _, start_us = therapy_start(record)
    step_s = (record.column("steps", "t_us") - start_us) / 1e6
    end_s = float(step_s[-1]) if step_s.size else 0.0
    begin_s = max((end_s - EXCERPT_S) / 2, 0.0 if end_s > 0 else -EXCERPT_S)
    span = (begin_s, min(begin_s + EXCERPT_S, end_s))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 5.6), layout="constrained")
        signal, level, amplitude = figure.subplots(
            3, 1, sharex=True, gridspec_kw={"height_ratios": (3, 3, 2)}
        )
        _draw_signal(signal, record, start_us, span)
        shown = (step_s >= span[0]) & (step_s <= span[1])
        level.plot(step_s[shown], record.column("steps", "level")[shown], color=LEVEL)
        _draw_thresholds(level, record)
        level.set_ylabel(f"level, {unit_of(record)}")
        level.set_ylim(bottom=0)
        admitted_ma = record.column("steps", "admitted_ua")[shown] / 1000
        amplitude.step(
            step_s[shown],
            admitted_ma,
            where="post",
            color=ADMITTED,
            label="admitted by the host",
        )
        status_s = (record.column("status", "t_us") - start_us) / 1e6
        told = (status_s >= span[0]) & (status_s <= span[1])
        delivered_ma = record.column("status", "amplitude_ua")[told] / 1000
        amplitude.plot(
            status_s[told],
            delivered_ma,
            ".",
            markersize=4,
            zorder=1.5,  # below the line, which it fringes where both agree
            color=DELIVERED,
            label="delivered by the device",
        )
        _finish_amplitude(amplitude, record)
        amplitude.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)
        amplitude.set_xlabel("time since therapy began, s")
        if span[1] > span[0]:
            amplitude.set_xlim(*span)
        return svg(figure, "Signal, level and amplitude, 30 s from the middle of therapy")


def overview(record: Record) -> str:
    """Draw level and amplitude of the whole session as bands from minimum to maximum.

    Parameters
    ----------
    record : Record

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    _, start_us = therapy_start(record)
    minutes = (record.column("steps", "t_us") - start_us) / 60e6
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.0), layout="constrained")
        level, amplitude = figure.subplots(2, 1, sharex=True)
        for axes, name, scale, colour in (
            (level, "level", 1.0, LEVEL),
            (amplitude, "admitted_ua", 1000.0, ADMITTED),
        ):
            values = record.column("steps", name) / scale
            at, low, high = _band(minutes, values)
            axes.fill_between(at, low, high, color=colour, linewidth=0.8)
            if minutes.size and minutes[0] < 0:
                axes.axvspan(minutes[0], 0, color=GRID, alpha=0.5, linewidth=0, zorder=0)
        if minutes.size and minutes[-1] > minutes[0]:
            amplitude.set_xlim(minutes[0], minutes[-1])
        _draw_thresholds(level, record)
        level.set_ylabel(f"level, {unit_of(record)}")
        level.set_ylim(bottom=0)
        _finish_amplitude(amplitude, record)
        amplitude.set_xlabel("time since therapy began, min (grey: sensed before)")
        return svg(figure, "Level and amplitude of the whole session")


def latency(record: Record) -> str:
    """Draw how often a tick took how long, from bytes in hand to the order's last byte.

    Parameters
    ----------
    record : Record

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    us = np.maximum(record.column("latency", "total") / 1000, 0.1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 2.2), layout="constrained")
        axes = figure.subplots()
        if us.size:
            edges = np.geomspace(us.min() / 1.05, us.max() * 1.05, 80)
            counts, _ = np.histogram(us, edges)
            # From the axis upwards: not everything that shows an SVG cuts what is below it.
            axes.stairs(
                np.maximum(counts, LEAST_TICKS),
                edges,
                baseline=LEAST_TICKS,
                fill=True,
                color=SIGNAL,
                alpha=0.8,
            )
            for name, value in zip(
                ("p50", "p99"), np.percentile(us, (50, 99)).tolist(), strict=True
            ):
                axes.axvline(value, color=LIMIT, linewidth=1)
                axes.annotate(
                    f" {name} {value:.0f} µs",
                    (value, 1),
                    xycoords=("data", "axes fraction"),
                    verticalalignment="bottom",
                )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        axes.set_ylim(bottom=LEAST_TICKS)
        axes.set_ylabel("ticks")
        axes.set_xlabel(f"{latency_name(record)} of a tick, µs")
        return svg(figure, "Histogram of the latency")


def latency_name(record: Record) -> str:
    """What the stamps of a session measured: on a simulator only the host's computing."""
    url = str(record.session["url"])
    return "compute time" if "sim://" in url.partition("?")[0] else "latency"


def unit_of(record: Record) -> str:
    """Unit of the level."""
    asked = prescription.loads(record.session["prescription"])
    return "bpm" if asked.senses_heart else "µV"


def thresholds_uv(record: Record) -> list[float]:
    """Thresholds of the level in force, µV: captured or prescribed, the upper one first."""
    captured = {e.code: e.detail / 1000 for e in record.events() if e.kind == "captured"}
    if captured:
        return list(dict.fromkeys(captured[code] for code in sorted(captured)))
    asked = prescription.loads(record.session["prescription"])
    found = (
        asked.detector.threshold_uv,
        getattr(asked.detector, "release_uv", None),
        asked.detector.lower_uv,
        getattr(asked.controller, "setpoint_uv", None),
    )
    return [threshold for threshold in found if threshold is not None]


def _draw_signal(axes: Axes, record: Record, start_us: int, span: tuple[float, float]) -> None:
    counts = record.column("sensed", "count").astype(np.int64)
    last_us = np.repeat(record.column("sensed", "t_us") - start_us, counts)
    to_come = np.repeat(np.cumsum(counts), counts) - np.arange(counts.sum()) - 1
    seconds = last_us / 1e6 - to_come / record.session["rate_hz"]
    asked = prescription.loads(record.session["prescription"])
    channel = (asked.detector if asked.evoked is None else asked.evoked).channel
    nv = record.samples().nv[:, 0]  # a session streams the detector's channel alone
    uv = np.where(nv == MISSING, np.nan, nv / 1000)
    shown = (seconds >= span[0]) & (seconds <= span[1])
    at, low, high = _band(seconds[shown], uv[shown])
    axes.plot(
        np.repeat(at, 2), np.column_stack((low, high)).ravel(), color=SIGNAL, linewidth=0.7
    )
    axes.set_ylabel(f"channel {channel}, µV")


def _draw_thresholds(axes: Axes, record: Record) -> None:
    for threshold in thresholds_uv(record):
        axes.axhline(threshold, color=LIMIT, linewidth=1, linestyle=(0, (5, 3)))
        axes.annotate(
            f" {threshold:.3g}",
            (1, threshold),
            xycoords=("axes fraction", "data"),
            color=LIMIT,
            verticalalignment="center",
            annotation_clip=False,
        )


def _finish_amplitude(axes: Axes, record: Record) -> None:
    top_ma = prescription.loads(record.session["prescription"]).stimulation.amplitude_ma
    axes.set_ylim(0, max(top_ma, 0.1) * 1.1)
    axes.set_ylabel("amplitude, mA")


def _band(
    at: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """First time, minimum and maximum of each of `BINS` runs of equally many values."""
    if values.size <= 2 * BINS:
        return at, values, values
    begins = np.linspace(0, values.size, BINS, endpoint=False).astype(np.intp)
    low, high = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
    return at[begins], low, high
