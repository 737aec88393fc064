/* `real` is float or double: every source here is compiled once for each.
 *
 * Design. Contraction of a*b + c into an FMA is switched off for the compiler and asked for by hand (`multiply_add`),
 * so a term has the same bits whichever other terms a kernel computes beside it, and on whichever compiler. */
#ifndef FASTLOSS_REAL_H
#define FASTLOSS_REAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef FASTLOSS_F32
typedef float real;
typedef int32_t real_bits;
#define R(x) x##f
#define BY_TYPE(f64, f32) ((real)f32)
#define BUILTIN(name) __builtin_##name##f
#else
typedef double real;
typedef int64_t real_bits;
#define R(x) x
#define BY_TYPE(f64, f32) ((real)f64)
#define BUILTIN(name) __builtin_##name
#endif

#define REAL_INFINITY BUILTIN(inf)()
#define REAL_NAN BUILTIN(nan)("")
#define REAL_MAX BY_TYPE(1.7976931348623157e308, 3.4028234663852886e38)
#define REAL_TINY BY_TYPE(2.2250738585072014e-308, 1.17549435e-38) /* the smallest normal number */

/* Bounds for a factor that grows while another one fades, so that their product has its limit instead of inf * 0:
 * HUGE_SQUARE may be squared, HUGE_LINEAR may be multiplied by small constants. */
#define HUGE_SQUARE BY_TYPE(1e140, 1e18)
#define HUGE_LINEAR BY_TYPE(1e290, 1e37)

#define INLINE static inline __attribute__((always_inline))

INLINE real absolute(real x) { return BUILTIN(fabs)(x); }
INLINE real square_root(real x) { return BUILTIN(sqrt)(x); }

/* The first argument may be NaN and then passes through; the second may not. */
INLINE real minimum(real x, real bound) { return x > bound ? bound : x; }
INLINE real maximum(real x, real bound) { return x < bound ? bound : x; }
INLINE real clip(real x, real low, real high) { return minimum(maximum(x, low), high); }

/* -1, 0, 1; NaN stays. */
INLINE real sign(real x) { return x > 0 ? R(1.) : x < 0 ? R(-1.) : x; }

/* a*b + c in one rounding where the instruction set has it. */
INLINE real multiply_add(real a, real b, real c)
{
#if defined(__FMA__) || defined(__aarch64__)
    return BUILTIN(fma)(a, b, c);
#else
    return a * b + c;
#endif
}

INLINE real_bits bits_of(real x)
{
    real_bits bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE real from_bits(real_bits bits)
{
    real x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

/* A quantity that lives on [0, inf]: less becomes NaN, and -0 becomes 0, so that 1/x is +inf there. On the bits, since the
 * signs of zeros are the compiler's to change. */
INLINE real non_negative(real x)
{
    const real_bits all_but_sign = (real_bits)(((uint64_t)1 << (8 * sizeof(real) - 1)) - 1);
    return x < 0 ? REAL_NAN : from_bits(bits_of(x) & all_but_sign);
}

#endif
