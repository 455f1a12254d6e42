"""What a session did, in a page of numbers computed from its record alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from stimloop import dose, gate, prescription
from stimloop.step import Latency
from stimloop_dsp import MISSING, find_bursts, find_peak, summarise
from stimloop_hw.vocabulary import Build, Refusal, SensedFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from stimloop.record import Record
    from stimloop_hw.messages import Status

NOMINAL_OHM = 500.0
"""Load of TEED where none was measured (Fleming et al. 2020)."""

BURST_PERCENTILE = 75.0
"""Of the level, where no burst threshold is given (Tinkhauser et al. 2017)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Numbers of the therapy part of a session: from its ``start`` to its last whole step.

    What cannot be told (no therapy, no status, too short for a spectrum) is None.

    Attributes
    ----------
    record : str
        Directory of the record.
    authentication : str
        What protected the link: ``signed``, ``DEVELOPMENT KEY`` (public) or ``UNSIGNED``.
    seconds, capture_seconds : float
        Length of the therapy part and of what was sensed before it, lost samples included, s.
    samples, lost_samples : int
        Samples sensed and missing.
    orders : int
        Setpoints sent to the program that the loop moves.
    refused, stale : int
        Refusals of the device in the whole record, and those of them that came too late.
    time_on_fraction : float or None
        Fraction of the samples whose block saw a stimulation pulse, 0 to 1.
    mean_amplitude_ma : float or None
        Amplitude averaged over time, pauses included as zero, and over the programs of the
        group, each weighted by its width, mA; see Notes.
    delivered_charge_uc : float or None
        Charge of all cathodic phases, µC, by the device's account.
    delivered_fraction : float or None
        That charge over the programmed one; below 1 where the supply could not drive the load.
    net_charge_nc : float or None
        What the recharge did not take back, nC, by the device's account.
    peak_hz : float or None
        Beta peak of the detector's channel, Hz; None if there is no clear one.
    burst_threshold_uv : float or None
        Level above which a burst is counted, µV.
    burst_rate_hz, mean_burst_ms, long_bursts_per_min : float or None
        Bursts of at least 100 ms: rate, mean duration, rate of those longer than 600 ms.
    teed_uw : float or None
        Total electrical energy delivered, as power, µW; see Notes.
    ecap_median_uv, ecap_deviation_uv, dose_accuracy_uv : float or None
        Evoked response, N1 to P2: its median, mean distance and root mean squared distance from
        the setpoint, µV; see `stimloop.dose`.
    dose_median_nc, dose_least_nc, dose_most_nc : float or None
        Charge of a pulse where the evoked response is sensed, nC.
    latency_us : dict
        For each stage ``p50``, ``p99`` and ``max``, µs.

    Notes
    -----
    Charge is the difference of the device's counters between the first and the last Status of
    the record, the ramp down at the end included. Mean amplitude and energy take the last
    Status before therapy ended instead. Between the start of therapy and that Status, a time T,
    there is room for T / period pulses; each pulse of amplitude A delivers the charge
    A * width. Hence the mean amplitude, in which a pulse that was not delivered counts as zero,
    is ``charge / (width * T / period)``. The counters are those of all programs of a group
    together; `width` is the sum of theirs.

    TEED is the published A² * width * rate * R [1]_: the counter sums A² * width over pulses in
    µA²·µs, times R in Ω this is 1e-18 J, over T in s it is a power. R is 500 Ω. 2.5 mA of
    60 µs at 130 Hz are 24.4 µW.

    References
    ----------
    .. [1] A. M. Koss et al., Annals of Neurology 58, 2005, doi 10.1002/ana.20525.
    .. [2] G. Tinkhauser et al., Brain 140, 2017, doi 10.1093/brain/awx010 (bursts).
    """

    record: str
    authentication: str
    seconds: float
    capture_seconds: float
    samples: int
    lost_samples: int
    orders: int
    refused: int
    stale: int
    time_on_fraction: float | None
    mean_amplitude_ma: float | None
    delivered_charge_uc: float | None
    delivered_fraction: float | None
    net_charge_nc: float | None
    peak_hz: float | None
    burst_threshold_uv: float | None
    burst_rate_hz: float | None
    mean_burst_ms: float | None
    long_bursts_per_min: float | None
    teed_uw: float | None
    ecap_median_uv: float | None
    ecap_deviation_uv: float | None
    dose_accuracy_uv: float | None
    dose_median_nc: float | None
    dose_least_nc: float | None
    dose_most_nc: float | None
    latency_us: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """All attributes by name, ready for JSON."""
        return asdict(self)


def summarize(record: Record, *, burst_threshold_uv: float | None = None) -> Summary:
    """Summarise a session.

    Parameters
    ----------
    record : Record
    burst_threshold_uv : float, optional
        Level above which a burst is counted, µV; one for all sessions that are compared. If
        not given, the session's own 75th percentile.

    Returns
    -------
    Summary

    Raises
    ------
    PrescriptionError
        If the record's prescription is none that this stimloop reads.
    """
    whole = record.whole_steps
    started, start_us = therapy_start(record)
    end_us = int(record.column("steps", "t_us")[:whole].max(initial=0))
    counts = record.column("sensed", "count")[:whole].astype(np.int64)
    lost = record.column("sensed", "lost")[:whole].astype(np.int64)
    stim = record.column("sensed", "flags")[:whole] & SensedFlag.STIM != 0
    level_uv = record.column("steps", "level")[started:whole]
    refusals = [event.code for event in record.events() if event.kind == "refused"]
    asked = prescription.loads(record.session["prescription"])
    of_brain = asked.evoked is None and not asked.senses_heart
    rate_hz = record.session["rate_hz"]
    if asked.evoked is not None:  # a sweep stands for the time of its pulse
        counts, rate_hz = np.ones_like(counts), 1e6 / record.session["tick_us"]
    samples = int(counts[started:].sum())
    return Summary(
        record=str(record.directory),
        authentication=Build(record.session["identity"]["build"]).authentication,
        seconds=float((counts + lost)[started:].sum() / rate_hz),
        capture_seconds=float((counts + lost)[:started].sum() / rate_hz),
        samples=samples,
        lost_samples=int(lost[started:].sum()),
        orders=int(np.count_nonzero(record.column("steps", "sp")[started:whole])),
        refused=len(refusals),
        stale=refusals.count(Refusal.EXPIRED),
        time_on_fraction=float((counts * stim)[started:].sum() / samples) if samples else None,
        peak_hz=_peak_hz(record, int(counts[:started].sum()), int(counts.sum()))
        if of_brain
        else None,
        latency_us=_latency_us(record),
        **delivered(
            [status for _, status in record.statuses()],
            start_us,
            end_us,
            pulse_width_us=sum(program.pulse_width_us for program in asked.members),
            period_us=gate.nearest_period_us(
                asked.stimulation.rate_hz, record.session["limits"]["period_step_us"]
            ),
        ),
        **_bursts(
            level_uv if of_brain else level_uv[:0],
            1e6 / record.session["tick_us"],
            burst_threshold_uv,
        ),
        **dose.told(record, asked, started),
    )


def therapy_start(record: Record) -> tuple[int, int]:
    """Where therapy began.

    Returns
    -------
    step : int
        Number of steps before it; all of them if it never began.
    t_us : int
        Device time, µs.
    """
    for event in record.events():
        if event.kind == "operator" and event.text == "start":
            return min(event.step, record.whole_steps), event.t_us
    times_us = record.column("steps", "t_us")
    return record.whole_steps, int(times_us[-1]) if times_us.size else 0


def delivered(
    statuses: Sequence[Status],
    start_us: int,
    end_us: int,
    *,
    pulse_width_us: int,
    period_us: int,
) -> dict[str, float | None]:
    """What the device's own counters say that therapy gave; see the notes of `Summary`.

    Parameters
    ----------
    statuses : sequence of Status
        In the order of their arrival; only the first, the last, and the last of therapy count.
    start_us, end_us : int
        Device time of therapy's start and of its last step, µs.
    pulse_width_us : int
        Of the pulses of one period together, µs.
    period_us : int
        Between them, µs.

    Returns
    -------
    dict
        `Summary`'s ``delivered_charge_uc``, ``delivered_fraction``, ``net_charge_nc``,
        ``mean_amplitude_ma`` and ``teed_uw``, None where it cannot be told.
    """
    charge_uc = fraction = net_nc = amplitude_ma = teed_uw = None
    if statuses:
        first, last = statuses[0], statuses[-1]
        charge_uc = (last.delivered_nc - first.delivered_nc) / 1e3
        programmed_nc = last.programmed_nc - first.programmed_nc
        fraction = charge_uc * 1e3 / programmed_nc if programmed_nc else None
        net_nc = (last.net_fc - first.net_fc) / 1e6
    within = [status for status in statuses if start_us < status.t_us <= end_us]
    if within:
        first, last = statuses[0], within[-1]
        span_us = last.t_us - start_us
        pulses = span_us / period_us
        amplitude_ma = (last.delivered_nc - first.delivered_nc) / (pulse_width_us * pulses)
        energy_j = (last.i2t_ua2_us - first.i2t_ua2_us) * NOMINAL_OHM * 1e-18
        teed_uw = energy_j * 1e6 / (span_us / 1e6)
    return {
        "delivered_charge_uc": charge_uc,
        "delivered_fraction": fraction,
        "net_charge_nc": net_nc,
        "mean_amplitude_ma": amplitude_ma,
        "teed_uw": teed_uw,
    }


def _peak_hz(record: Record, begin: int, end: int) -> float | None:
    # A session streams the detector's channel, so that is the first column.
    nv = record.samples().nv[begin:end, 0]
    rate_hz = record.session["rate_hz"]
    # A missing sample shifts the phase of what follows, which a power spectrum forgives.
    known = nv[nv != MISSING]
    if rate_hz <= 90 or known.size < 3 * rate_hz:
        return None
    peak = find_peak(known / 1000, rate_hz)
    return None if peak is None else peak.frequency_hz


def _bursts(
    level_uv: npt.NDArray[np.float64], rate_hz: float, threshold_uv: float | None
) -> dict[str, float | None]:
    if not level_uv.size:
        return dict.fromkeys(
            ("burst_threshold_uv", "burst_rate_hz", "mean_burst_ms", "long_bursts_per_min")
        )
    if threshold_uv is None:
        threshold_uv = float(np.percentile(level_uv, BURST_PERCENTILE))
    bursts = find_bursts(level_uv, threshold_uv, rate_hz)
    found = summarise(bursts, level_uv.size, rate_hz)
    return {
        "burst_threshold_uv": threshold_uv,
        "burst_rate_hz": found.bursts_per_s,
        "mean_burst_ms": found.mean_ms if bursts else None,
        "long_bursts_per_min": found.long_per_min,
    }


def _latency_us(record: Record) -> dict[str, dict[str, float]]:
    stages = {}
    for field in fields(Latency):
        us = record.column("latency", field.name) / 1000
        if us.size:
            p50, p99, most = np.percentile(us, (50, 99, 100)).tolist()
            stages[field.name] = {"p50": p50, "p99": p99, "max": most}
    return stages
