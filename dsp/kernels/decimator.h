/* Decimator: three integrators at the high rate, three combs at the low one, for many channels.
 *
 *     H(z) = ((1 - z^-R) / (1 - z^-1))^3 / R^3
 *
 * tier    kernel: C99, integers; one multiplication in float64 per sample that is left
 * source  E. B. Hogenauer, IEEE Trans. ASSP 29(2), 1981, doi 10.1109/TASSP.1981.1163535. The
 *         integrators overflow and the combs undo it, if the last result fits the word: 16
 *         bits and R <= 40 fit 32 bits, 32 bits and R <= 1024 fit 64.
 *
 * A sample that is the type's least or greatest is bad: missing, or a converter at its rail.
 * The last good one stands for it, and what its period leaves is MISSING.
 */
#define WORD uint32_t
#define SIGNED int32_t
#define SAMPLE int16_t
#define LEAST INT16_MIN
#define GREATEST INT16_MAX
#define NAME(noun) noun##_i16
#include "cic.h"
#undef NAME
#undef GREATEST
#undef LEAST
#undef SAMPLE
#undef SIGNED
#undef WORD

#define WORD uint64_t
#define SIGNED int64_t
#define SAMPLE int32_t
#define LEAST INT32_MIN
#define GREATEST INT32_MAX
#define NAME(noun) noun##_i32
#include "cic.h"
#undef NAME
#undef GREATEST
#undef LEAST
#undef SAMPLE
#undef SIGNED
#undef WORD
