/* Inlining and function clones: one portable build that runs at the width of the machine.
 *
 * INLINE  is compiled into its caller, to be compiled for its caller's processor. A build that
 *         does not optimize keeps each function by itself, once: gcov counts its branches there,
 *         and not those of every caller whose constants leave some of them out.
 * CLONED  exists twice, for AVX2 and for every x86-64; the loader chooses. AVX2 alone, without
 *         the fused multiplications of x86-64-v3: gcc 12 vectorises some sums to vfmaddsub even
 *         under -ffp-contract=off, and both clones must give the same bits. It needs the
 *         indirect functions of glibc, which start before a sanitizer does. Elsewhere, on a
 *         Cortex-M for one, there is one function.
 */
#ifndef STIMLOOP_CLONES_H
#define STIMLOOP_CLONES_H

#include <stdint.h> /* of glibc, tells __GLIBC__ */

#if defined(__GNUC__) && defined(__OPTIMIZE__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#if defined(__x86_64__) && defined(__ELF__) && defined(__GLIBC__) && !defined(ONE_TARGET) && \
    !defined(__SANITIZE_ADDRESS__) && \
    (defined(__clang__) ? __clang_major__ >= 14 : defined(__GNUC__))
#define CLONED __attribute__((target_clones("avx2", "default"), unused)) static
#elif defined(__GNUC__)
#define CLONED __attribute__((unused)) static
#else
#define CLONED static
#endif

/* Before a loop that gcc would unroll, its length being constant, before it vectorises. */
#if defined(__GNUC__) && !defined(__clang__)
#define ROLLED _Pragma("GCC unroll 1")
#else
#define ROLLED
#endif

#endif
