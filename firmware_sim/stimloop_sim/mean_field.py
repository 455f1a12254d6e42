"""A patient with two nuclei: subthalamic nucleus and globus pallidus as delayed rates.

The model of Nevado Holgado, Terry and Bogacz (2010), Journal of Neuroscience 30:12340 (open
text: PMC6633459), with noise added to the subthalamic nucleus, and a stimulation that takes
cortical input away:

    tau_S dS = (F_S(-w_GS G(t - 6 ms) + w_CS (1 - block R) Ctx) - S) dt + sigma dW
    tau_G dG = (F_G(w_SG S(t - 6 ms) - w_GG G(t - 4 ms) - w_XG Str) - G) dt
    F(x)     = M / (1 + (M - B) / B exp(-4 x / M))
    w        = healthy + disease (Parkinson - healthy)

Without noise it is quiet while the disease is mild and oscillates at 20 to 26 Hz beyond; noise
makes bursts of it near the onset. Amplitude and phase, its ground truth, are those of S and its
slope at the frequency of the linearised model, around the rest under the present recruitment:
exact for small oscillations.
"""

import cmath
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root

from stimloop_sim._mean_field import MeanField
from stimloop_sim.background import Background
from stimloop_sim.parameter import Origin, check, parameter
from stimloop_sim.patient import check_rate

_STEP_MS = 0.25
_SETTLE_S = 2.0
_RESTS = 65
"""Points at which the rest under stimulation is worked out."""
_STN = {"stn_tau": 6.0, "stn_top": 300.0, "stn_base": 17.0}
_GPE = {"gpe_tau": 14.0, "gpe_top": 400.0, "gpe_base": 75.0}
_DELAYS_MS = (6.0, 6.0, 4.0)
_CORTEX_PER_S, _STRIATUM_PER_S = 27.0, 2.0
# Weight from the first nucleus to the second, healthy and with Parkinson's disease.
WEIGHTS = {
    "sg": (19.0, 20.0),
    "gs": (1.12, 10.7),
    "gg": (6.60, 12.3),
    "cs": (2.42, 9.2),
    "xg": (15.1, 139.4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanFieldModel:
    """Parameters of the two nuclei; time constants, delays and rates are those published.

    Raises
    ------
    PatientError
        If a parameter is outside its range.
    """

    disease: float = parameter(
        0.35, "", 0, 1, Origin.CHOICE, "from the healthy weights, 0, to Parkinson's, 1"
    )
    noise: float = parameter(
        40.0, "1/s/√s", 0, 1000, Origin.CHOICE, "sigma, noise of the subthalamic rate"
    )
    block: float = parameter(
        0.5,
        "",
        0,
        1,
        Origin.ILLUSTRATIVE,
        "share of cortical input that stimulation takes away",
    )
    rise_s: float = parameter(
        0.10, "s", 0.001, 10, Origin.CHOICE, "time constant of recruitment upwards"
    )
    fall_s: float = parameter(
        0.30, "s", 0.001, 10, Origin.CHOICE, "time constant of recruitment downwards"
    )
    gain_uv: float = parameter(
        1.0, "µV s", 0.001, 100, Origin.CHOICE, "potential of one spike/s"
    )
    pink_uv: float = parameter(
        2.0, "µV", 0, 100, Origin.CHOICE, "1/f noise between 0.1 and 100 Hz"
    )
    floor_uv_rt_hz: float = parameter(
        0.1, "µV/√Hz", 0, 10, Origin.CHOICE, "density of the front end's white noise"
    )

    def __post_init__(self) -> None:
        check(self)

    def patient(self, *, seed: int = 0, fs_hz: int = 250) -> "MeanFieldPatient":
        """Bring the nuclei to life; see `MeanFieldPatient`."""
        return MeanFieldPatient(self, seed=seed, fs_hz=fs_hz)

    @property
    def rates(self) -> dict[str, float]:
        """Constants of the two equations, with the weights of this disease."""
        weight = {
            name: healthy + self.disease * (ill - healthy)
            for name, (healthy, ill) in WEIGHTS.items()
        }
        return {
            **_STN,
            **_GPE,
            "sg": weight["sg"],
            "gs": weight["gs"],
            "gg": weight["gg"],
            "cortex": weight["cs"] * _CORTEX_PER_S,
            "striatum": weight["xg"] * _STRIATUM_PER_S,
        }

    def rest(self, recruited: float = 0.0) -> tuple[float, float]:
        """Rates of STN and GPe at which nothing changes under a recruitment, spikes/s."""
        r = self.rates
        r["cortex"] *= 1.0 - self.block * recruited

        def change(rates: NDArray[np.float64]) -> list[float]:
            stn, gpe = rates
            return [
                _fired(r["cortex"] - r["gs"] * gpe, r["stn_top"], r["stn_base"]) - stn,
                _fired(
                    r["sg"] * stn - r["gg"] * gpe - r["striatum"], r["gpe_top"], r["gpe_base"]
                )
                - gpe,
            ]

        found = root(change, [20.0, 50.0], tol=1e-12).x
        return float(found[0]), float(found[1])

    def eigenvalue(self) -> complex:
        """Growth rate and angular frequency of the beta oscillation around rest, 1/s.

        A root of the characteristic equation of the linearised delayed equations, from 22 Hz
        by Newton's method. The rest is stable while its real part is negative.
        """
        r = self.rates
        stn, gpe = self.rest()
        # Slope of F at rest, 4 F (M - F) / M^2.
        stn_gain = 4.0 * stn * (r["stn_top"] - stn) / r["stn_top"] ** 2
        gpe_gain = 4.0 * gpe * (r["gpe_top"] - gpe) / r["gpe_top"] ** 2
        loop = stn_gain * gpe_gain * r["gs"] * r["sg"]
        out, back, own = _DELAYS_MS

        def equation(value: complex) -> complex:
            return (r["stn_tau"] * value + 1.0) * (
                r["gpe_tau"] * value + 1.0 + gpe_gain * r["gg"] * cmath.exp(-own * value)
            ) + loop * cmath.exp(-(out + back) * value)

        value = 2j * math.pi * 0.022
        for _ in range(50):
            slope = (equation(value + 1e-7) - equation(value - 1e-7)) / 2e-7
            value -= equation(value) / slope
        return 1000.0 * value


class MeanFieldPatient:
    """The two nuclei behind a lead, sensed on one channel; a `Source` without end.

    Arms of one seed live through the same noise whatever the stimulation. One patient belongs
    to one thread.

    Parameters
    ----------
    model : MeanFieldModel
    seed : int, optional
        Seed of the noise, 0 or more.
    fs_hz : int, optional
        Sampling rate in Hz, one of `stimloop_sim.patient.RATES_HZ`.

    Raises
    ------
    ValueError
        If the rate is not one of those, or the seed is negative.
    """

    channels: tuple[str, ...] = ("LFP",)
    remaining: int | None = None

    def __init__(self, model: MeanFieldModel, *, seed: int = 0, fs_hz: int = 250) -> None:
        check_rate(fs_hz)
        self.fs_hz = fs_hz
        background = Background.at(fs_hz)
        step_s = 1e-3 * _STEP_MS
        self._nuclei = MeanField(
            (seed, 41),
            fs_hz=fs_hz,
            rates=model.rates,
            stn=np.array([model.rest(share)[0] for share in np.linspace(0.0, 1.0, _RESTS)]),
            gpe=model.rest()[1],
            noise=model.noise * math.sqrt(step_s),
            block=model.block,
            rise=-math.expm1(-step_s / model.rise_s),
            fall=-math.expm1(-step_s / model.fall_s),
            omega_per_ms=1e-3 * model.eigenvalue().imag,
            settle=round(_SETTLE_S / step_s),
            gain_uv=model.gain_uv,
            floor_uv=model.floor_uv_rt_hz * math.sqrt(fs_hz / 2.0),
            pink_keep=background.keep,
            pink_weight=model.pink_uv * background.weight,
            pink_start=background.start,
        )

    @property
    def envelope_uv(self) -> NDArray[np.float64]:
        """True amplitude at the last block's samples, (n,), µV. A copy."""
        return self._nuclei.envelope_uv

    @property
    def phase_rad(self) -> NDArray[np.float64]:
        """True phase there, (n,), in (-pi, pi], 0 at the crests of small ones. A copy."""
        return self._nuclei.phase_rad

    @property
    def stn_per_s(self) -> NDArray[np.float64]:
        """Rate of the subthalamic nucleus there, (n,), spikes/s. A copy."""
        return self._nuclei.stn_per_s

    def sense(
        self, amplitude_ua: NDArray[np.int32], width_us: int, period_us: int
    ) -> NDArray[np.float64]:
        """Let the nuclei live through one block; see `Source.sense`."""
        return self._nuclei.advance(amplitude_ua, width_us, period_us)


def _fired(x: float, top: float, base: float) -> float:
    return top / (1.0 + (top - base) / base * math.exp(-4.0 * x / top))
