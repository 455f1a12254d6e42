"""The model card of the simulated patients of deep brain stimulation, from their declarations.

python benchmarks/dbs_card.py            prints the page
python benchmarks/dbs_card.py --write    and writes it to docs/patients/dbs.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stimloop_sim import cohort
from stimloop_sim.cohort import DAY
from stimloop_sim.mean_field import WEIGHTS, MeanFieldModel
from stimloop_sim.parameter import table
from stimloop_sim.patient import PatientModel
from stimloop_sim.patients import OTHERS, PATIENTS
from stimloop_sim.population import PopulationModel

PAGE = Path(__file__).parent.parent / "docs" / "patients" / "dbs.md"

TEXT = """\
# Model card: the patients of deep brain stimulation

Made by `python benchmarks/dbs_card.py --write` from the declarations in
[`patient`](../../firmware_sim/stimloop_sim/patient.py),
[`day`](../../firmware_sim/stimloop_sim/day.py),
[`population`](../../firmware_sim/stimloop_sim/population.py),
[`mean_field`](../../firmware_sim/stimloop_sim/mean_field.py) and
[`cohort`](../../firmware_sim/stimloop_sim/cohort.py). What they show beside published values
is in [dbs_validation.md](../dbs_validation.md). Virtual patients: no clinical claim.

Three models, one seam: each is a source of samples that hears pulses, knows its true amplitude
(`envelope_uv`), and draws its noise in an order that stimulation does not change, so that arms
of one seed are compared sample by sample. `sim://dbs?patient=NAME&seed=N`:

| name | what it is |
|---|---|
{names}
| `dbs-SEED-K`, `dbs-day-SEED-K` | member K of the cohort of that seed |

Origin says where a default comes from: *published*; *fitted* by us to published statistics;
*design choice*; *illustrative*: without a source, and then it enters no comparison with
published values.

## The beta oscillator (default)

A noise-driven Stuart-Landau oscillator with slowly drifting damping; in the frame that rotates
with the oscillation at `peak_hz`:

    dm  = -m dt/tau_m + s_m sqrt(2 dt/tau_m) xi
    dz  = (lambda_0 + k m + d - kappa R - c |z|^2) z dt + dW,    E|dW|^2 = sigma^2 dt
    dR  = (rho(A, f, PW) - R) dt / tau,                          tau 0.10 s up, 0.30 s down
    LFP = gain (Re(z exp(i w t)) + pink + second band) + noise floor

rho is the share of cortical afferents that pulses entrain: the dose-response table of Fleming
et al. (2020, doi:10.3389/fnins.2020.00166) over `A sqrt(PW / 60 µs)`, times a factor of rate
that is 0 up to 60 Hz and 1 from 130 Hz. Root and factor are design choices. Beyond
`overdrive_from_ma` a patient may lose recruitment (off by default).

The drift is exact in steps of 0.1 s, recruitment exact per sample, z by the implicit midpoint
rule, so that statistics are the same at 250, 500 and 1000 Hz; 1/f noise is a chain of poles and
zeros, two per decade.

Fitted to the durations and rates of beta bursts off and on medication of Tinkhauser et al.
(2017, doi:10.1093/brain/awx252). kappa is a calibration: 3 mA leave about two fifths of beta,
and time on near the published 44 % of Little et al. (2013, doi:10.1002/ana.23951) follows from
that choice; it is no independent prediction.

{patient}
## Its day

Once a second d and k follow the clock, for both hemispheres; stimulation changes none:

    d = - tone_per_s M - night_per_s N + W + movement,      k = 1 - tone_calm M
    dG = -G dt / absorption,   dC = (G / absorption - C / elimination) dt     after `lag_min`
    M  = C^h / (C^h + half^h)

G and C are levodopa in the gut and at the site of its effect, one unit per dose, in closed
form. Half of the tone's peak is there 30 to 45 min after a dose. At full tone the patient is
`on_medication`. N is the night; that beta is lower then, and how much of the variance of its
ten-minute means the time of day explains, 41 ± 9 %, are from van Rheede et al. (2022,
doi:10.1038/s41531-022-00350-7); `night_per_s` and `wander_per_s` are chosen for that. W is an
Ornstein-Uhlenbeck process. During a movement beta is about 40 % lower, and 30 % higher for
`rebound_s` after it: a common finding, here without a source for its numbers.

The patient without a day has no doses, and `night_per_s`, `wander_per_s`, `moves_per_h` of 0.
These are the values of `day`, with doses at {doses}:

{day}
## Side effects, all illustrative

Once a second, from the mean amplitude A (as at 60 µs) and the mean power P of beta:

    tremor      T -> P / (P + P_half)  with `tremor_s`: it lags beta
    dyskinesia  hazard = M / (1 + exp(-(A - 1.3 comfort_ma) / 0.2 mA))
    paraesthesia  while A > tingling_ma, or A is rise_ma above a mean of `habit_s`

A ramp is felt if it rises faster than `rise_ma` per `habit_s` for long enough: 1 mA/s.

{side_effects}
## The population (`population`)

N phase oscillators, coupled to their mean, each moved by each pulse (Kuramoto with a phase
response), as in Weerasinghe et al. (2019, doi:10.1371/journal.pcbi.1006575):

    d theta_i = (w_i + K r sin(psi - theta_i)) dt + sigma dW_i
    r exp(i psi) = mean exp(i theta)
    pulse:      theta_i += rho(A, PW) (-kick sin(theta_i - alpha_i) + scatter xi)
    LFP       = gain r cos(psi) + pink + noise floor

A pulse at the phase alpha gathers the phases; half a cycle away it scatters them. No patient's
response is known here: it is a bench for phase-targeted stimulation, not a prediction.

{population}
## Two nuclei (`mean_field`)

Subthalamic nucleus S and globus pallidus G as delayed rates: Nevado Holgado, Terry and Bogacz
(2010), Journal of Neuroscience 30:12340 (open text PMC6633459), with noise added and with
stimulation that takes cortical input away (both ours):

    tau_S dS = (F_S(-w_GS G(t - 6 ms) + w_CS (1 - block R) Ctx) - S) dt + sigma dW
    tau_G dG = (F_G(w_SG S(t - 6 ms) - w_GG G(t - 4 ms) - w_XG Str) - G) dt
    F(x) = M / (1 + (M - B) / B exp(-4 x / M)),       w = healthy + disease (ill - healthy)

tau 6 and 14 ms; M 300 and 400, B 17 and 75 spikes/s; Ctx 27, Str 2 spikes/s. Heun's method in
steps of 0.25 ms. True amplitude and phase are those of S and its slope around the rest, at the
frequency of the linearised model: exact for small oscillations only.

| weight | healthy | Parkinson's disease |
|---|---|---|
{weights}

{mean_field}
## Cohorts

`stimloop_sim.cohort.cohort(kind, n, seed)`. The distributions are design choices that spread
what differs between patients around the fitted one; they are no estimate of a population.

{cohorts}
## What they are not

- No model of a person: one number stands for all of beta, and nothing ties it to a motor score.
- Not fitted to amplitudes: µV are a choice of gain. Durations, rates and ratios are compared.
- No anatomy: which contact stimulates or senses makes no difference to the patient; what
  electrode and tissue do to pulses and samples is the [bench's](../../firmware_sim/README.md).
- No plasticity, no disease progression, no learning, no effect that outlasts recruitment.
- Levodopa and stimulation add up on the growth rate, however they interact in people.
- Movements hear neither tremor nor dyskinesia, and the night does not hear the patient's sleep.
- Pulses act as a rate on oscillator and nuclei: pattern and phase of pulses matter only to the
  population.
"""

WHAT = {
    "default": "off medication",
    "on_medication": "on medication, the whole time",
    "full_suppression": "off medication, with a stronger effect of stimulation",
    "day": "a day of levodopa, movement, wandering and sleep, from eight in the morning",
    "overdriven": "too much stimulation brings beta back (illustrative)",
    "bilateral": "two hemispheres on two channels, peaks at 20 and 23 Hz, the same pulses",
    "bilateral_day": "the same through a day",
    "population": "coupled oscillators that answer every pulse",
    "mean_field": "subthalamic nucleus and globus pallidus",
}


def page() -> str:
    """The card."""
    model = PatientModel()
    return TEXT.format(
        names="\n".join(f"| `{name}` | {WHAT[name]} |" for name in (*PATIENTS, *OTHERS)),
        patient=table(model),
        doses=", ".join(f"{hour:g}" for hour in DAY.doses_h) + " h",
        day=table(DAY),
        side_effects=table(model.side_effects),
        population=table(PopulationModel()),
        weights="\n".join(
            f"| w_{name.upper()} | {healthy:g} | {ill:g} |"
            for name, (healthy, ill) in WEIGHTS.items()
        ),
        mean_field=table(MeanFieldModel()),
        cohorts=cohort.table("dbs"),
    )


def main() -> None:
    """Print the page, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    if parser.parse_args().write:
        PAGE.write_text(page(), "utf-8")
    print(page())


if __name__ == "__main__":
    main()
