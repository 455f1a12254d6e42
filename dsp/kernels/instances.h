/* Every kernel, once in float32 (suffix _f32) and once in float64 (suffix _f64).
 *
 * The kernels are templates: each names its number type REAL and its functions NAME(...).
 * + - * / and comparisons in IEEE 754 give the same bits on every machine, if the compiler
 * neither contracts nor reorders them: build with -ffp-contract=off, never -ffast-math.
 */
#ifndef STIMLOOP_KERNELS_H
#define STIMLOOP_KERNELS_H

#include <math.h> /* NAN; no function is called */
#include <stddef.h>
#include <stdint.h>

enum { NANOVOLT_INT32, MICROVOLT_FLOAT32, MICROVOLT_FLOAT64 }; /* what a block holds */

#define REAL float
#define NAME(noun) noun##_f32
#include "flush.h"
#include "intake.h"
#include "bandpass.h"
#include "smoothing.h"
#include "envelope.h"
#include "hysteresis.h"
#undef NAME
#undef REAL

#define REAL double
#define NAME(noun) noun##_f64
#include "flush.h"
#include "intake.h"
#include "bandpass.h"
#include "smoothing.h"
#include "envelope.h"
#include "hysteresis.h"
#undef NAME
#undef REAL

#include "bursts.h"

#endif
