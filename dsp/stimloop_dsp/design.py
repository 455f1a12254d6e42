"""Filters on paper: coefficients, delays and settling times (tier: offline, SciPy).

Everything transcendental is computed here, once, and handed to the kernels.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import signal

SETTLED: Final = 1e-3
"""What may be left of a transient when a filter counts as settled."""

FLAT_MS: Final = 1000.0
"""A channel that repeats one number for so long, ms, has no lead: noise alone would move it."""


@dataclass(frozen=True, slots=True, eq=False)
class BandPass:
    """A band-pass whose every section has its zeros at +1 and -1.

    ``H(z) = gain * prod((1 - z**-2) / (1 + a1 * z**-1 + a2 * z**-2))``

    Attributes
    ----------
    gain : float
        Gain of the whole cascade.
    sections : ndarray of float64, shape (order, 2)
        ``a1`` and ``a2`` of each section, the most damped poles first.
    delay_ms : float
        Group delay at the band's centre, ``sqrt(low * high)``, ms.
    settling_ms : float
        Time in which the slowest pole decays to ``SETTLED``, ms.
    """

    gain: float
    sections: npt.NDArray[np.float64]
    delay_ms: float
    settling_ms: float


@dataclass(frozen=True, slots=True)
class Smoother:
    """A smoother of the rectified signal; exactly one of the first two is not zero.

    Attributes
    ----------
    window : int
        Length of the moving average, samples.
    alpha : float
        Coefficient of the one pole, ``y += alpha * (x - y)``.
    delay_ms : float
        Group delay at 0 Hz, ms.
    settling_ms : float
        Length of the window, or time in which the pole decays to ``SETTLED``, ms.
    """

    window: int
    alpha: float
    delay_ms: float
    settling_ms: float


def band_pass(fs_hz: float, band_hz: tuple[float, float], order: int) -> BandPass:
    """Design a Butterworth band-pass by the bilinear transform.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz, > 0.
    band_hz : tuple of float
        Lower and upper -3 dB frequency, Hz, 0 < lower < upper < fs_hz / 2.
    order : int
        Order of the low-pass prototype, 1 to 4: the number of sections, and half the number
        of poles, as in `scipy.signal.butter`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Butterworth, "On the theory of filter amplifiers", Experimental Wireless 7, 1930.
    """
    check_rate(fs_hz)
    low, high = band_hz
    if not 0 < low < high < fs_hz / 2:
        raise ValueError(
            f"A band of {low} to {high} Hz was asked for; at {fs_hz} Hz it must satisfy "
            f"0 < lower < upper < {fs_hz / 2} Hz. Choose another band or a higher rate."
        )
    if order not in (1, 2, 3, 4):
        raise ValueError(
            f"A band-pass of order {order} was asked for; 1, 2, 3 and 4 are allowed. "
            "Choose a lower order for less delay, a higher one for steeper edges."
        )
    _, poles, gain = signal.butter(order, band_hz, "bandpass", fs=fs_hz, output="zpk")
    # A wide band of odd order has one pair of real poles; all others come in conjugates.
    real = poles[poles.imag == 0]
    pairs = [np.array([p, p.conjugate()]) for p in poles[poles.imag > 0]]
    pairs += [real] if real.size else []
    pairs.sort(key=lambda pair: float(np.abs(pair).max()))
    # A pole p delays by Re(u / (1 - u)) samples, u = p exp(-jw); a pair of zeros at +1 and -1
    # delays by one sample at every frequency.
    u = poles * np.exp(-2j * np.pi * math.sqrt(low * high) / fs_hz)
    delay = order + float(np.sum(u / (1 - u)).real)
    settling = math.log(SETTLED) / math.log(float(np.abs(poles).max()))
    return BandPass(
        gain=float(gain),
        sections=np.array([np.poly(pair).real[1:] for pair in pairs]),
        delay_ms=1000 * delay / fs_hz,
        settling_ms=1000 * settling / fs_hz,
    )


def smoother(
    fs_hz: float, smoothing: Literal["moving_average", "one_pole"], smooth_ms: float
) -> Smoother:
    """Design the smoother of a rectified signal.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz, > 0.
    smoothing : {'moving_average', 'one_pole'}
        Kind of smoother.
    smooth_ms : float
        Length of the moving average, or time constant of the one pole, ms, >= 0.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    """
    check_rate(fs_hz)
    if smoothing not in ("moving_average", "one_pole"):
        raise ValueError(
            f"Smoothing by {smoothing!r} was asked for; choose 'moving_average' or 'one_pole'."
        )
    if not 0 <= smooth_ms < math.inf:
        raise ValueError(
            f"Smoothing over {smooth_ms} ms was asked for; give a finite time of 0 ms or more."
        )
    if smoothing == "moving_average":
        window = sample_count(fs_hz, smooth_ms)
        return Smoother(window, 0.0, 500 * (window - 1) / fs_hz, 1000 * window / fs_hz)
    decay = math.exp(-1000 / (fs_hz * smooth_ms)) if smooth_ms > 0 else 0.0
    return Smoother(
        window=0,
        alpha=1 - decay,
        delay_ms=1000 * decay / (1 - decay) / fs_hz,
        settling_ms=-math.log(SETTLED) * smooth_ms,
    )


def sample_count(fs_hz: float, duration_ms: float) -> int:
    """Number of samples nearest to a duration, at least one."""
    return max(1, round(fs_hz * duration_ms / 1000))


def notches(
    fs_hz: float, mains_hz: float, width_hz: float, harmonics: int
) -> npt.NDArray[np.float64]:
    """Design a notch at a frequency and one at each of its harmonics.

    Parameters
    ----------
    fs_hz, mains_hz, width_hz : float
        Sampling rate; first notch, below 0.495 of the rate; width of each at -3 dB, Hz, above
        0 and up to half of `mains_hz`.
    harmonics : int
        How many, the first included, 1 to 20; those above 0.495 of the rate are left out.

    Returns
    -------
    ndarray of float64, shape (sections, 5)
        ``b0, b1, b2, a1, a2`` of each.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Orfanidis, Introduction to Signal Processing, 1996, section 11.3, as in
    `scipy.signal.iirnotch`.
    """
    check_rate(fs_hz)
    greatest_hz = 0.495 * fs_hz
    if not 0 < mains_hz < greatest_hz:
        raise ValueError(
            f"A notch at {mains_hz} Hz was asked for; at {fs_hz} Hz it must lie between 0 and "
            f"{greatest_hz:g} Hz. Sample faster, or leave the notch out."
        )
    if not 0 < width_hz <= mains_hz / 2:
        raise ValueError(
            f"A notch {width_hz} Hz wide was asked for; above 0 and up to {mains_hz / 2} Hz is "
            "allowed."
        )
    if not 1 <= harmonics <= 20:
        raise ValueError(f"{harmonics} harmonics were asked for; 1 to 20 are allowed.")
    sections = []
    for i in range(1, harmonics + 1):
        if i * mains_hz < greatest_hz:
            b, a = signal.iirnotch(i * mains_hz, i * mains_hz / width_hz, fs=fs_hz)
            sections.append([*b, *a[1:]])
    return np.array(sections)


def check_rate(fs_hz: float) -> None:
    """Refuse a sampling rate that is not a positive, finite number.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not 0 < fs_hz < math.inf:
        raise ValueError(
            f"A sampling rate of {fs_hz} Hz was asked for; give a finite rate above 0 Hz."
        )


def check_times(**times_ms: float) -> None:
    """Refuse times of a decision that are not 0 ms to an hour; the keyword names the time.

    Raises
    ------
    ValueError
        If one is not.
    """
    for name, time_ms in times_ms.items():
        if not 0 <= time_ms <= 3_600_000:
            raise ValueError(
                f"{name} of {time_ms} ms was asked for; 0 ms to an hour is allowed. "
                "Give 0 to decide at once."
            )


def endpoint_weights(
    fs_hz: float, peak_hz: float, window_ms: float
) -> npt.NDArray[np.complex128]:
    """Weights whose product with a window is its endpoint-corrected analytic signal now.

    Transform, double the positive frequencies and drop the negative ones, multiply by the
    response of a causal Butterworth band-pass of order 2 from 3/4 to 5/4 of the peak, transform
    back, keep the last sample: each step is linear, so their product is one row of weights. One
    complex gain makes amplitude and phase of an oscillation at the peak exact.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, Hz, > 0.
    peak_hz : float
        Centre of the band, Hz, > 0, below 0.4 of the rate.
    window_ms : float
        Length of the window, ms, two cycles of the peak or more.

    Returns
    -------
    ndarray of complex128, shape (samples,)
        The oldest sample's weight first.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    S. Schreglmann et al., Nature Communications 12, 2021, doi 10.1038/s41467-020-20581-7.
    arXiv 2601.13962 (the calibrating gain).
    """
    check_rate(fs_hz)
    if not 0 < peak_hz < 0.4 * fs_hz:
        raise ValueError(
            f"A peak of {peak_hz} Hz was asked for; at {fs_hz} Hz it must lie between 0 and "
            f"{0.4 * fs_hz:g} Hz. Choose another peak or a higher rate."
        )
    if not 2000 / peak_hz <= window_ms <= 60_000:
        raise ValueError(
            f"A window of {window_ms} ms was asked for; two cycles, {2000 / peak_hz:g} ms, to "
            "60000 ms are allowed. Choose another window."
        )
    samples = sample_count(fs_hz, window_ms)
    hz = np.arange(samples) * fs_hz / samples
    sections = signal.butter(
        2, (0.75 * peak_hz, 1.25 * peak_hz), "bandpass", fs=fs_hz, output="sos"
    )
    kept = (
        np.where((hz > 0) & (hz < fs_hz / 2), 2.0, 0.0)
        * signal.freqz_sos(sections, hz, fs=fs_hz)[1]
    )
    ages = np.arange(samples - 1, -1, -1)
    turns = np.outer(ages, np.arange(samples)) % samples
    weights = np.exp(2j * np.pi * turns / samples) @ kept / samples
    gain = np.sum(weights * np.exp(-2j * np.pi * peak_hz / fs_hz * ages)) / 2
    return np.asarray(weights / gain)
