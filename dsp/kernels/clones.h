/* Function clones: one portable build that runs at the width of the machine.
 *
 * CLONES before a function makes gcc compile it twice, for AVX2 and for the baseline; the loader
 * chooses. Both give the same bits, since neither contracts nor reorders (-ffp-contract=off).
 * Where compiler or loader know no clones, on a Cortex-M for one, there is one function.
 */
#ifndef STIMLOOP_CLONES_H
#define STIMLOOP_CLONES_H

#include <stdlib.h> /* of glibc, tells __GLIBC__ */

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GLIBC__) && defined(__GNUC__) \
    && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
