/* Every kernel, once in float32 (suffix _f32) and once in float64 (suffix _f64).
 *
 * The kernels are templates: each names its number type REAL, an integer of the same width
 * INTEGER, and its functions NAME(...). + - * / and comparisons in IEEE 754 give the same bits
 * on every machine, if the compiler neither contracts nor reorders them: build with
 * -ffp-contract=off, never -ffast-math.
 *
 * Speed comes from three habits, none of which changes a bit. Channels are worked on in groups
 * of WIDTH, and rows in tiles of TILE, so that everything a group needs stays in the first
 * cache. A loop over the lanes of a group is innermost, or has only loops of constant length
 * within, and reaches all its state through one pointer at constant distances, so that the
 * compiler vectorises it without tests for overlap. And state is loaded and stored once for
 * several rows.
 */
#ifndef STIMLOOP_KERNELS_H
#define STIMLOOP_KERNELS_H

#include <math.h> /* NAN, and fabs, which is one instruction: no function is called */
#include <stddef.h>
#include <stdint.h>

#include "clones.h"

enum { WIDTH = 32, TILE = 16 }; /* of band-pass and decision: lanes, rows */
enum { BAND = 64, SLICE = 8 };  /* of the decimator */

enum { NANOVOLT_INT32, MICROVOLT_FLOAT32, MICROVOLT_FLOAT64 }; /* what a block holds */

#define REAL float
#define INTEGER int32_t
#define MAGNITUDE fabsf
#define MICROVOLT_REAL MICROVOLT_FLOAT32
#define NAME(noun) noun##_f32
#include "flush.h"
#include "intake.h"
#include "bandpass.h"
#include "average.h"
#include "hysteresis.h"
#include "bank.h"
#include "envelope.h"
#include "packed.h"
#undef NAME
#undef MICROVOLT_REAL
#undef MAGNITUDE
#undef INTEGER
#undef REAL

#define REAL double
#define INTEGER int64_t
#define MAGNITUDE fabs
#define MICROVOLT_REAL MICROVOLT_FLOAT64
#define NAME(noun) noun##_f64
#include "flush.h"
#include "intake.h"
#include "bandpass.h"
#include "average.h"
#include "hysteresis.h"
#include "bank.h"
#include "envelope.h"
#include "packed.h"
#undef NAME
#undef MICROVOLT_REAL
#undef MAGNITUDE
#undef INTEGER
#undef REAL

#include "bursts.h"
#include "decimator.h"

#endif
