/* Packed samples: from a frame's bytes to microvolt.
 *
 * tier    kernel: C99, + - * /, no libm, no malloc
 * source  our own. Shifts, not casts: bytes have no alignment, and their order is not the
 *         processor's.
 *
 * size    bytes of a sample, 2 to 4
 */
INLINE void NAME(unpack)(const uint8_t *bytes, int size, int big_endian, REAL uv_per_count,
                         REAL *restrict row, int channels)
{
    for (int c = 0; c < channels; c++, bytes += size) {
        uint32_t raw = 0; /* the sample, in the upper bytes */
        for (int i = 0; i < size; i++)
            raw |= (uint32_t)bytes[i] << (big_endian ? 24 - 8 * i : 32 - 8 * (size - i));
        const int32_t upper = raw > INT32_MAX ? -(int32_t)~raw - 1 : (int32_t)raw;
        row[c] = (REAL)(upper / ((int32_t)1 << (32 - 8 * size))) * uv_per_count;
    }
}
