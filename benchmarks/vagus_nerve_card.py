"""The model card of the simulated patient of vagus nerve stimulation.

python benchmarks/vagus_nerve_card.py            prints the page
python benchmarks/vagus_nerve_card.py --write    and writes it to docs/patients/vns.md
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from stimloop_sim import cohort
from stimloop_sim.parameter import table
from stimloop_sim.seizures import RAISED_BEFORE_END
from stimloop_sim.vns import NERVES, STILL, VnsModel, VnsPatient

PAGE = Path(__file__).parent.parent / "docs" / "patients" / "vns.md"
SEEDS = range(20)
HOURS = 8
PUBLISHED = {
    "temporal": ("74.9 ± 17.2", "60.0 ± 26.3"),
    "frontal": ("70.7 ± 11.5", "22.8 ± 26.2"),
}

TEXT = """\
# Model card: the patient of vagus nerve stimulation

Made by `python benchmarks/vagus_nerve_card.py --write` from the declarations in
[`vns`](../../firmware_sim/stimloop_sim/vns.py),
[`activity`](../../firmware_sim/stimloop_sim/activity.py) and
[`seizures`](../../firmware_sim/stimloop_sim/seizures.py). Virtual patients: no clinical
claim.

## What it is

A heart that a person's day, breath, seizures and stimulation move, sensed as an
electrocardiogram by an implant in the chest; seizures that trains end or shorten; a nerve,
and the brainstem behind it. Reached by `sim://vns?patient=NAME&seed=N`. Names: {names}, or a
member of a cohort.
`cluster` sits still and has a seizure about every ten minutes: a demonstration.

## Equations

Every 0.1 s of the patient's own time, under the stimulation of the 0.1 s before, the heart
rate is

    HR = (rest + A + I - S) (1 + vlf V + v (rsa sin phi + lf L)),      30 to 200 bpm
    v  = (140 - (rest + A + I - S)) / (140 - rest), between 0 and 1    (vagal withdrawal)

- A goes to what the day asks for with `climb_s` up and `calm_s` down: night, posture,
  exertion, exercise and arousals, each kind of bout a Poisson process with exponentially
  distributed strength and length, where bouts overlap the strongest.
- I is a seizure's: a smooth climb by its `rise` from where the heart begins to rise, level
  until the seizure ends, then a smooth return. A seizure that nobody treats ends when
  {before:.0%} of the raised time is over.
- S follows `slowing_bpm` times the recruitment with 3 s.
- V is an Ornstein-Uhlenbeck process of 2 min, L a stochastic oscillation at 0.1 Hz, phi the
  phase of breathing, whose rate wanders.

A sinus node integrates the rate and discharges at every whole number. The R wave follows 0.25
s x sqrt(min(RR, 0.8 s) / 0.8 s) later; five Gaussian waves stand around it, of which P and T
move with the same root (McSharry et al. 2003, in time instead of angle). On top come white
noise, muscle noise with exertion, and a baseline that breathes.

The effect of a steady train of amplitude A, width PW and rate f is

    rho = x^4 / (1 + x^4) min(1, f / 20 Hz),
    x   = A / half_ma (1 + chronaxie / 250 µs) / (1 + chronaxie / PW)

A train that has lasted `act_s` within a seizure acts on it once, by its mean rho there: begun
within `in_time_s` of the onset it ends it with the chance `p_stop` rho; otherwise, or if it
does not, it takes away `shorten_least` to `shorten_most`, times rho, of what is left. The
chance that a train alters the voice, or makes the patient cough, is logistic in its
amplitude.

Noradrenaline follows rho; serotonin follows noradrenaline over days. **Both are
illustrative**: they drive nothing, and are compared with nothing.

Treated and untreated arms of one seed live through the same day, seizures and noise. Blocks
of any length give the same bits.

## Statistics

Seizures with a rise of the heart rate, lived through untreated and with variability, without
activity: seeds {first_seed} to {last_seed}, {hours} h each, a seizure every half hour or so.
Baseline is the mean of the minute before onset and rise, the change the highest mean of 10 s
until the seizure's end less that. Mean ± standard deviation, and the mean's 95 % bootstrap
interval over the seizures.

| | seizures | baseline [bpm] | published | change [bpm] | published |
|---|---|---|---|---|---|
{statistics}

## Parameters

Heart:

{heart}
Activity:

{activity}
Seizures (temporal):

{temporal}
Seizures (frontal):

{frontal}
Stimulation:

{nerve}
## Cohorts

Member K of the cohort of a seed is called KIND-SEED-K, as `vns-7-12`. The distributions are
design choices that spread what differs between patients, and are no estimate of a population.

{cohorts}
## Sources

- Rise of the heart rate, how long it stays raised, rate at rest: Son et al. (2016), 83
  temporal and 115 frontal seizures, doi:10.14581/jer.16003. The spread of the rate at rest is
  one between patients; a patient here has the mean.
- Share of seizures with a rise: Eggleston et al. (2014), Seizure 23, review of 34 articles:
  71 % of partial onset seizures.
- Share of rises that come before the onset: 36 of 100, pooled over 30 studies,
  doi:10.1016/j.seizure.2018.01.003. Half of the tachycardias begin within 10 s: Garcia et al.
  (2001); taken here as the median of those that do not come before the onset.
- Shape of the electrocardiogram: McSharry et al. (2003), doi:10.1109/TBME.2003.808805.
- That trains end or shorten seizures: of 17 seizures that a train met, 10 stopped during it
  (Boon et al. 2015, doi:10.1016/j.seizure.2015.08.011). The curve is a design choice.
- Order of the brainstem's responses: noradrenaline within the stimulation (Roosevelt et al.
  2006, rat, PMC1751174), firing of the locus coeruleus within hours and of the raphe within
  weeks (Dorr and Debonnel 2006, rat, J. Pharmacology and Experimental Therapeutics 318).

## Calibrated, predicted, illustrative

- **Published** and taken over: what the tables call so. That the means above come back is no
  finding.
- **Calibrated**: how often and how hard people exert themselves, so that a detector of rises
  of 20 to 70 % has false alarms in the range that Boon et al. (2015) report, 0.5 to 7.2 per
  hour.
- **Predicted**: sensitivity and latency of any detector, and what AutoStim makes of the
  seizures.
- **Illustrative**: noradrenaline and serotonin.

## What it is not

No electroencephalogram and no model of how a seizure begins or spreads; no arrhythmia,
ectopic beats, heart block or seizure bradycardia; no change of seizure frequency by weeks of
therapy; no posture of the electrode, no electromyogram of the larynx in the recording; no
clusters but the named patient's, no relation of seizures to the time of day. Bouts of
activity and their strength are guesses of a person's day, not measurements.
"""


def statistics(name: str) -> str:
    """A row: what seizures of one kind do to the heart."""
    model = NERVES[name]
    often = replace(model.epilepsy, per_day=60.0, first_s=120.0)
    still = VnsModel(heart=model.heart, activity=STILL, epilepsy=often, nerve=model.nerve)
    found = []
    for seed in SEEDS:
        patient = VnsPatient(still, seed=seed)
        rates = np.empty(HOURS * 3600)
        nothing = np.zeros(patient.fs_hz, np.int32)
        for second in range(len(rates)):
            patient.sense(nothing, 0, 0)
            rates[second] = patient.truth.rate_bpm
        for seizure in patient.seizures:
            begin_s = int(min(seizure.onset_s, seizure.rise_at_s))
            if seizure.rise_bpm and seizure.end_s < len(rates):
                before_bpm = rates[begin_s - 60 : begin_s].mean()
                during = rates[begin_s : max(int(seizure.end_s), begin_s + 10) + 1]
                peak_bpm = np.convolve(during, np.full(10, 0.1), "valid").max()
                found.append((before_bpm, peak_bpm - before_bpm))
    table_bpm = np.array(found)
    rng = np.random.default_rng(0)
    drawn = table_bpm[rng.integers(0, len(found), (2000, len(found)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    mean, sd = table_bpm.mean(axis=0), table_bpm.std(axis=0)
    cells = [
        f"{mean[k]:.1f} ± {sd[k]:.1f} [{low[k]:.1f}, {high[k]:.1f}] | {PUBLISHED[name][k]}"
        for k in range(2)
    ]
    return f"| {name} | {len(found)} | {' | '.join(cells)} |"


def page() -> str:
    """The whole card."""
    temporal, frontal = NERVES["temporal"], NERVES["frontal"]
    return TEXT.format(
        names=", ".join(f"`{name}`" for name in NERVES),
        before=RAISED_BEFORE_END,
        first_seed=SEEDS[0],
        last_seed=SEEDS[-1],
        hours=HOURS,
        statistics="\n".join(statistics(name) for name in PUBLISHED),
        cohorts=cohort.table("vns"),
        heart=table(temporal.heart),
        activity=table(temporal.activity),
        temporal=table(temporal.epilepsy),
        frontal=table(frontal.epilepsy),
        nerve=table(temporal.nerve),
    )


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true")
    text = page()
    print(text)
    if parser.parse_args().write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
