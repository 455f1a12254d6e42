"""The model card of the simulated patient of spinal cord stimulation, from its declarations.

python benchmarks/spinal_cord_card.py            prints the page
python benchmarks/spinal_cord_card.py --write    and writes it to docs/patients/scs.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stimloop_sim import cohort
from stimloop_sim.cord import CORDS, CordModel
from stimloop_sim.evoked import Window
from stimloop_sim.parameter import table
from stimloop_sim.posture import POSTURES, PUBLISHED

PAGE = Path(__file__).parent.parent / "docs" / "patients" / "scs.md"

TEXT = """\
# Model card: the patient of spinal cord stimulation

Made by `python benchmarks/spinal_cord_card.py --write` from the declarations in
[`cord`](../../firmware_sim/stimloop_sim/cord.py) and
[`posture`](../../firmware_sim/stimloop_sim/posture.py). Virtual patients: no clinical claim.

## What it is

Fibres of the dorsal columns that answer every pulse with a compound action potential, in a body
that sits, stands, walks, lies, breathes and coughs. Reached by `sim://scs?patient=NAME&seed=N`;
`postures=sitting:30,supine:60` gives it another course. Names: {names},
or a member of a cohort.

## Equations

A pulse of amplitude I and width PW carries the charge `Q = I PW`, counted as
`Q (PW0 + c) / (PW + c)` against thresholds that are for the width PW0 (Weiss; c the chronaxie).
In a posture of threshold T and slope S it evokes, from N1 to P2,

    V = S w ln(1 + exp((Q - T) / w)),        w = knee T
    T = T(t) (1 - cough_threshold g) (1 + sum of depth sin(2 pi f t + phase))
    S = S(t) (1 + cough_slope g)

T(t) and S(t) approach those of each posture with `transition_s`; g is half a sine during a
cough and 0 else; breath and heart sway always, steps while walking. With t from the end of the
pulse in ms, the front end sees

    V wave(t - N1) + artefact_uv_uc Q (exp(-t / 0.4) - 0.4 exp(-t / 2)) + drift t
      + late_uv_uc T max(0, Q/T - late_ratio) late(t) + noise,
    N1 = distance / velocity + delay

where the wave is P1, N1 and P2 of [`stimloop_dsp.ecap`](../../dsp/stimloop_dsp/ecap.py).
Each pulse's noise and drift are drawn anew; every phase and cough comes from the seed. All of
it is a function of time, evaluated at the pulse: block lengths change nothing.

Sensation is 0 up to Q/T = `perception`, 1 at `comfort`, 2 at `discomfort`, linear between and
beyond. Relief R of pain follows `relief * min(1, sensation, 3 - sensation)`, at least 0, with
`relief_min` upwards and `carry_min` downwards: gating with carry-over, **illustrative**.

## Postures

| posture | T [µC] | S [µV/µC] | steps |
|---|---|---|---|
{postures}

The default course, repeated: {course}: {seconds:g} s, the published experiment's length and
postures.

## Parameters

{parameters}
Sampled by default at {fs_hz} Hz, {samples} samples from {blank_us} µs after the pulse on.

## Sources

- Growth above a threshold, P1-N1-P2, late responses at high charge: Parker et al. (2012),
  doi:10.1016/j.pain.2011.11.023.
- The response's threshold goes with that of perception and of discomfort (r = .93): Pilitsis et
  al. (2021); hence sensations by Q/T.
- The single-patient posture experiment: PMC11041592, figure 1.

## Calibrated, predicted, illustrative

- **Calibrated**: the posture table, by hand, to the open loop of the published experiment (a
  fixed charge of 1.1 µC: 68 µV mean deviation from 50 µV).
- **Predicted**: everything that a closed loop does on it ([page](../spinal_cord.md)).
- **Illustrative**, in no comparison with published values: pain and its relief, what the
  accelerometer feels, chronaxie, growth of the late response.

## Cohorts

Member K of the cohort of a seed is called KIND-SEED-K, as `scs-7-12`. The distributions are
design choices that spread what differs between patients, and are no estimate of a population.

{cohorts}
## What it is not

No volume conductor, no fibre populations, no saturation of the response at high charge, no
change of conduction velocity or of the lead's place; one lead, one sensing pair, pulses that do
not interact. One published patient, not a population: factors on T and S make others.
"""


def page() -> str:
    """The documentation page."""
    window = Window()
    return TEXT.format(
        names=", ".join(f"`{name}`" for name in CORDS),
        postures="\n".join(
            f"| {name} | {p.threshold_uc:g} | {p.slope_uv_uc:g} | {['no', 'yes'][p.walks]} |"
            for name, p in POSTURES.items()
        ),
        course=", ".join(f"{name} {seconds:g} s" for name, seconds in PUBLISHED.stays),
        seconds=PUBLISHED.seconds,
        parameters=table(CordModel()),
        cohorts=cohort.table("scs"),
        fs_hz=window.fs_hz,
        samples=window.samples,
        blank_us=window.blank_us,
    )


def main() -> None:
    """Print the page, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    text = page()
    if parser.parse_args().write:
        PAGE.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
