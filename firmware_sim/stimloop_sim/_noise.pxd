"""Normal deviates, a few nanoseconds each."""

cimport cython
from libc.math cimport exp, log
from libc.stdint cimport uint64_t

cdef enum:
    LAYERS = 256

cdef struct stream_t:
    uint64_t a, b, c, d

cdef struct ziggurat_t:
    double tail
    double[LAYERS + 1] x        # right edge of each layer, from the base up
    double[LAYERS + 1] density  # exp(-x^2 / 2) there


@cython.final
cdef class Noise:
    cdef stream_t stream
    cdef const ziggurat_t* ziggurat


cdef inline uint64_t turned(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


cdef inline uint64_t word(stream_t* s) noexcept nogil:
    """Xoshiro256++: Blackman and Vigna (2021), doi:10.1145/3460772."""
    cdef uint64_t drawn = turned(s.a + s.d, 23) + s.a
    cdef uint64_t shifted = s.b << 17
    s.c ^= s.a
    s.d ^= s.b
    s.b ^= s.c
    s.a ^= s.d
    s.c ^= shifted
    s.d = turned(s.d, 45)
    return drawn


cdef inline double uniform(stream_t* s) noexcept nogil:
    """In (0, 1]."""
    return ((word(s) >> 11) + 1) * (1.0 / 9007199254740992.0)


cdef inline double normal(stream_t* s, const ziggurat_t* z) noexcept nogil:
    """Ziggurat: Marsaglia and Tsang (2000), doi:10.18637/jss.v005.i08."""
    cdef uint64_t drawn
    cdef double side, x, y
    cdef int layer
    while True:
        # Eight bits choose the layer, one the side, and 53 others the place in it.
        drawn = word(s)
        layer = drawn & 255
        side = 1.0 if drawn & 256 else -1.0
        x = (drawn >> 11) * (1.0 / 9007199254740992.0) * z.x[layer]
        if x < z.x[layer + 1]:
            return side * x
        if layer == 0:
            while True:
                x = -log(uniform(s)) / z.tail
                y = -log(uniform(s))
                if 2.0 * y > x * x:
                    return side * (z.tail + x)
        y = z.density[layer] + uniform(s) * (z.density[layer + 1] - z.density[layer])
        if y < exp(-0.5 * x * x):
            return side * x
