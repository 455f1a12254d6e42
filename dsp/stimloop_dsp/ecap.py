"""The evoked compound action potential on paper (tier: offline, NumPy).

A model of the wave and of its artefact, for templates, tests and simulators, and two
readings other than the detector's for comparison. No recording with a usable licence is known:
every result on these signals is simulated.
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from stimloop_dsp.design import check_rate

FloatArray = npt.NDArray[np.float64]

WAVES: Final = ((0.35, -0.33, 0.10), (-1.0, 0.0, 0.15), (0.55, 0.45, 0.22))
"""P1, N1 and P2: height over that of N1, time from N1 in ms, width (sd) in ms."""


def ecap_uv(t_ms: FloatArray, amplitude_uv: float, n1_ms: float) -> FloatArray:
    """Evoked compound action potential of three Gaussian waves.

    Parameters
    ----------
    t_ms : ndarray of float64
        Time after the pulse, ms.
    amplitude_uv : float
        From N1 to P2, µV.
    n1_ms : float
        Time of N1, ms.

    References
    ----------
    J. Parker et al., Pain 153, 2012, doi 10.1016/j.pain.2011.11.023 (names and order of the
    waves); their shapes are a design choice of this project.
    """
    return amplitude_uv / _N1_TO_P2 * _waves(t_ms - n1_ms)


def _waves(t_ms: FloatArray) -> FloatArray:
    total = np.zeros_like(t_ms)
    for height, at, width in WAVES:
        total += height * np.exp(-0.5 * ((t_ms - at) / width) ** 2)
    return total


_FINE = np.arange(-2, 2, 1e-3)
_N1_TO_P2 = float(_waves(_FINE).max() - _waves(_FINE).min())


def artefact_uv(t_ms: FloatArray, size_uv: float) -> FloatArray:
    """Stimulation artefact: two exponentials of opposite sign, 0.4 and 2 ms.

    Parameters
    ----------
    t_ms : ndarray of float64
        Time after the pulse, ms, >= 0.
    size_uv : float
        Of the fast one, µV.
    """
    return size_uv * (np.exp(-t_ms / 0.4) - 0.4 * np.exp(-t_ms / 2.0))


def templates(
    fs_hz: float,
    lobe_hz: float = 1000.0,
    window: Literal["triangular", "hann", "rectangular"] = "triangular",
) -> FloatArray:
    """Four half cycles under a window, and the same in quadrature.

    A triangular window over a whole number of cycles gives a template whose sum and whose first
    moment are zero, so that an offset and a linear drift are not seen at all; what rounding
    leaves of them is projected out.

    Parameters
    ----------
    fs_hz : float
        Sampling rate of a sweep, Hz, at least eight times `lobe_hz`.
    lobe_hz : float
        Frequency of the lobes, Hz, > 0.
    window : {'triangular', 'hann', 'rectangular'}
        The last two are for comparison: they see a drift.

    Returns
    -------
    ndarray of float64, shape (2, samples)
        In phase and in quadrature, ``2 fs / lobe`` samples; of unit energy.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    References
    ----------
    Four-lobe templates under a window are described in US 11337658, which claims their use.
    """
    check_rate(fs_hz)
    if not 0 < 8 * lobe_hz <= fs_hz:
        raise ValueError(
            f"Lobes of {lobe_hz} Hz were asked for at {fs_hz} Hz; they must be above 0 and at "
            f"most {fs_hz / 8:g} Hz. Choose lower ones or a higher rate."
        )
    samples = round(2 * fs_hz / lobe_hz)
    place = np.arange(samples) + 0.5
    tapers = {
        "triangular": 1 - np.abs(2 * place / samples - 1),
        "hann": np.sin(np.pi * place / samples) ** 2,
        "rectangular": np.ones(samples),
    }
    if window not in tapers:
        raise ValueError(f"A window {window!r} was asked for; choose one of {list(tapers)}.")
    turn = 4 * np.pi * place / samples
    pair = tapers[window] * np.stack([np.sin(turn), np.cos(turn)])
    if window == "triangular":
        drift = np.stack([np.ones(samples), place - samples / 2])
        drift[1] /= np.linalg.norm(drift[1])
        drift[0] /= np.linalg.norm(drift[0])
        for _ in range(2):  # the second pass takes what the first one's rounding left
            pair -= (pair @ drift.T) @ drift
    return np.asarray(pair / np.linalg.norm(pair, axis=1, keepdims=True))


def n1_p2_uv(sweep_uv: FloatArray, fs_hz: float, n1_ms: float, near_ms: float = 0.25) -> float:
    """Read N1 to P2: greatest value within 1 ms after the least value near N1.

    Parameters
    ----------
    sweep_uv : ndarray of float64, shape (n,)
        One sweep that begins with the pulse, µV.
    fs_hz : float
        Sampling rate, Hz.
    n1_ms : float
        Where N1 is expected, ms.
    near_ms : float
        How far from there it is searched, ms.

    Returns
    -------
    float
        µV; noise makes it positive where there is no response.

    Raises
    ------
    ValueError
        If the sweep ends before P2 may come.
    """
    first = max(0, round((n1_ms - near_ms) * fs_hz / 1000))
    last = round((n1_ms + near_ms) * fs_hz / 1000) + 1
    after = round(fs_hz / 1000)
    if last + after > len(sweep_uv):
        raise ValueError(
            f"A sweep of {len(sweep_uv)} samples was given; N1 at {n1_ms} ms needs "
            f"{last + after}. Record for longer."
        )
    n1 = first + int(np.argmin(sweep_uv[first:last]))
    return float(sweep_uv[n1 : n1 + after + 1].max() - sweep_uv[n1])


def without_artefact(
    sweep_uv: FloatArray, fs_hz: float, tau_ms: float = 0.4, slow_ms: float = 2.0
) -> FloatArray:
    """Subtract two exponentials and a line, fitted by least squares.

    Parameters
    ----------
    sweep_uv : ndarray of float64, shape (n,)
        One sweep that begins with the pulse, µV, n >= 8.
    fs_hz : float
        Sampling rate, Hz.
    tau_ms, slow_ms : float
        Time constants, ms, > 0.
    """
    t_ms = np.arange(len(sweep_uv)) * 1000 / fs_hz
    model = np.stack(
        [np.ones_like(t_ms), t_ms, np.exp(-t_ms / tau_ms), np.exp(-t_ms / slow_ms)], axis=1
    )
    factors, *_ = np.linalg.lstsq(model, sweep_uv, rcond=None)
    return np.asarray(sweep_uv - model @ factors)
