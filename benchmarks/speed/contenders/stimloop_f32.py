"""stimloop, float32: the work of `stimloop_f64` in half the bits."""

from functools import partial

from contenders import stimloop_f64

make = partial(stimloop_f64.make, precision="float32")
