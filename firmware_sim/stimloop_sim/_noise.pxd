"""Normal deviates, a few nanoseconds each."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    LAYERS = 256

cdef struct stream_t:
    uint64_t a, b, c, d

cdef struct ziggurat_t:
    double tail
    double[LAYERS + 1] x        # right edge of each layer, from the base up
    double[LAYERS + 1] density  # exp(-x^2 / 2) there


cdef struct drawn_t:
    stream_t stream
    double value


@cython.final
cdef class Noise:
    cdef stream_t stream
    cdef const ziggurat_t* ziggurat


cdef drawn_t beyond(
    stream_t s, const ziggurat_t* z, int layer, double side, double x
) noexcept nogil


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
    # Signed, as every integer in use here: processors convert those faster.
    return <int64_t>((word(s) >> 11) + 1) * (1.0 / 9007199254740992.0)


cdef inline double normal(stream_t* s, const ziggurat_t* z) noexcept nogil:
    """Ziggurat: Marsaglia and Tsang (2000), doi:10.18637/jss.v005.i08."""
    # Eight bits choose the layer, one the side, and 53 others the place in it. The side is no
    # branch: half of them would be predicted wrong.
    cdef uint64_t drawn = word(s)
    cdef int layer = drawn & 255
    cdef double side = <double>(<int64_t>((drawn >> 7) & 2) - 1)
    cdef double x = <int64_t>(drawn >> 11) * (1.0 / 9007199254740992.0) * z.x[layer]
    cdef drawn_t rare
    if x < z.x[layer + 1]:
        return side * x
    # By value, so that the caller's state can stay in registers.
    rare = beyond(s[0], z, layer, side, x)
    s[0] = rare.stream
    return rare.value
