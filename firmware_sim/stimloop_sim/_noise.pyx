# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""Normal deviates, a few nanoseconds each (tier: core, float64).

A patient draws several at every sample, and NumPy's would take most of its time.
"""

cimport cython
from libc.math cimport exp, log, sqrt
from libc.stdint cimport int64_t, uint64_t

import numpy as np

cdef ziggurat_t ZIGGURAT


cdef void build(ziggurat_t* z):
    """256 layers of equal area: Marsaglia and Tsang (2000), doi:10.18637/jss.v005.i08."""
    cdef double area = 0.00492867323399
    cdef int i
    z.tail = 3.6541528853610088
    z.x[0] = area / exp(-0.5 * z.tail * z.tail)
    z.x[1] = z.tail
    for i in range(2, LAYERS):
        z.x[i] = sqrt(-2.0 * log(area / z.x[i - 1] + exp(-0.5 * z.x[i - 1] * z.x[i - 1])))
    z.x[LAYERS] = 0.0
    for i in range(LAYERS + 1):
        z.density[i] = exp(-0.5 * z.x[i] * z.x[i])


build(&ZIGGURAT)


cdef drawn_t beyond(
    stream_t s, const ziggurat_t* z, int layer, double side, double x
) noexcept nogil:
    """What `normal` gives in the one case of eighty where a layer's edge decides."""
    cdef drawn_t told
    cdef uint64_t drawn
    cdef double y
    while True:
        if layer == 0:
            while True:
                x = -log(uniform(&s)) / z.tail
                y = -log(uniform(&s))
                if 2.0 * y > x * x:
                    told.value = side * (z.tail + x)
                    told.stream = s
                    return told
        y = z.density[layer] + uniform(&s) * (z.density[layer + 1] - z.density[layer])
        if y < exp(-0.5 * x * x):
            break
        drawn = word(&s)
        layer = drawn & 255
        side = <double>(<int64_t>((drawn >> 7) & 2) - 1)
        x = <int64_t>(drawn >> 11) * (1.0 / 9007199254740992.0) * z.x[layer]
        if x < z.x[layer + 1]:
            break
    told.value = side * x
    told.stream = s
    return told


@cython.final
cdef class Noise:
    """A stream of independent standard normal deviates.

    Parameters
    ----------
    *key : int
        Seed, and whatever tells this stream from the others of that seed, each 0 or more.

    Raises
    ------
    ValueError
        If one of them is negative.
    """

    def __init__(self, *key):
        a, b, c, d = np.random.SeedSequence(key).generate_state(4, np.uint64).tolist()
        self.stream = stream_t(a, b, c, d)
        self.ziggurat = &ZIGGURAT

    def normals(self, Py_ssize_t n):
        """The next `n` deviates, ndarray of float64, (n,)."""
        drawn = np.empty(n)
        cdef double[::1] view = drawn
        cdef Py_ssize_t i
        for i in range(n):
            view[i] = normal(&self.stream, self.ziggurat)
        return drawn

    def uniforms(self, Py_ssize_t n):
        """The next `n` numbers of (0, 1], ndarray of float64, (n,)."""
        drawn = np.empty(n)
        cdef double[::1] view = drawn
        cdef Py_ssize_t i
        for i in range(n):
            view[i] = uniform(&self.stream)
        return drawn
