/* Packed samples: from a frame's bytes to microvolt.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  our own. Shifts, not casts: bytes have no alignment, and their order is not the
 *         processor's.
 *
 * size    bytes of a sample, 2 to 4
 */
INLINE void NAME(unpack_as)(const uint8_t *bytes, const int size, const int big_endian,
                            REAL uv_per_count, REAL *restrict row, int channels)
{
    /* The sample lies in the upper bytes: a power of two too large, which takes no rounding. */
    const REAL scale = uv_per_count / (REAL)((uint32_t)1 << (32 - 8 * size));
    for (int c = 0; c < channels; c++, bytes += size) {
        uint32_t raw = 0;
        for (int i = 0; i < size; i++)
            raw |= (uint32_t)bytes[i] << (big_endian ? 24 - 8 * i : 32 - 8 * (size - i));
        const int32_t upper = raw > INT32_MAX ? -(int32_t)~raw - 1 : (int32_t)raw;
        row[c] = (REAL)upper * scale;
    }
}

INLINE void NAME(unpack)(const uint8_t *bytes, int size, int big_endian, REAL uv_per_count,
                         REAL *restrict row, int channels)
{
    if (size == 2 && big_endian)
        NAME(unpack_as)(bytes, 2, 1, uv_per_count, row, channels);
    else if (size == 2)
        NAME(unpack_as)(bytes, 2, 0, uv_per_count, row, channels);
    else if (size == 3 && big_endian)
        NAME(unpack_as)(bytes, 3, 1, uv_per_count, row, channels);
    else if (size == 3)
        NAME(unpack_as)(bytes, 3, 0, uv_per_count, row, channels);
    else if (big_endian)
        NAME(unpack_as)(bytes, 4, 1, uv_per_count, row, channels);
    else
        NAME(unpack_as)(bytes, 4, 0, uv_per_count, row, channels);
}
