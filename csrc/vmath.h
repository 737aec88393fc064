/* Elementary functions without branches, tables or calls, so that every loop over them vectorises.
 *
 * Design. Argument reduction by rounding with a magic constant and by arithmetic on the exponent field (nothing that
 * SSE2 lacks: no conversion between integers and reals, no arithmetic shift of 64-bit lanes), then a polynomial or
 * rational minimax function from tools/minimax.py. Every last step adds a small correction to a part that is exact or rounded
 * once: that, not a high degree, keeps the error near one unit in the last place (ULP). NaN passes through.
 *
 * "Error" is the largest found in float64 / float32 with SSE2, AVX2 and AVX-512 over some millions of arguments of all
 * sizes, against a quadruple-precision reference. Where nothing else is said it holds for every x, subnormals included.
 *
 * Literature: W. Cody, W. Waite, Software Manual for the Elementary Functions (1980); P. Tang, ACM TOMS 15 and 16
 * (1989-90); fdlibm (Sun Microsystems, 1993); J.-M. Muller, Elementary Functions (3rd ed. 2016). */
#ifndef FASTLOSS_VMATH_H
#define FASTLOSS_VMATH_H

#include "real.h"

/* ---- bits ---- */
#ifdef FASTLOSS_F32
typedef uint32_t real_word;
#define FRACTION_BITS 23
#define EXPONENT_BIAS ((real_word)127)
#else
typedef uint64_t real_word;
#define FRACTION_BITS 52
#define EXPONENT_BIAS ((real_word)1023)
#endif
#define FRACTION_MASK (((real_word)1 << FRACTION_BITS) - 1)

/* 2^52: reals from here to twice that are the integers, so that their low bits are the integer. */
#define UNIT_SPACING BY_TYPE(0x1p52, 0x1p23)

INLINE real_word word_of(real x) { return (real_word)bits_of(x); }
INLINE real from_word(real_word w) { return from_bits((real_bits)w); }

/* c0 + c1 x + ... : Horner's rule in x^4 over groups of four, each as two pairs (after Estrin): the chain of dependent
 * operations, which is what limits these functions, is about a third of Horner's. */
#define POLY_1(x, w, v, a) (a)
#define POLY_2(x, w, v, a, b) multiply_add(b, x, a)
#define POLY_3(x, w, v, a, b, c) multiply_add(c, w, multiply_add(b, x, a))
#define POLY_4(x, w, v, a, b, c, d) multiply_add(multiply_add(d, x, c), w, multiply_add(b, x, a))
#define POLY_5(x, w, v, a, b, c, d, ...) multiply_add(POLY_1(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_6(x, w, v, a, b, c, d, ...) multiply_add(POLY_2(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_7(x, w, v, a, b, c, d, ...) multiply_add(POLY_3(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_8(x, w, v, a, b, c, d, ...) multiply_add(POLY_4(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_9(x, w, v, a, b, c, d, ...) multiply_add(POLY_5(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_10(x, w, v, a, b, c, d, ...) multiply_add(POLY_6(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_11(x, w, v, a, b, c, d, ...) multiply_add(POLY_7(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_12(x, w, v, a, b, c, d, ...) multiply_add(POLY_8(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_16(x, w, v, a, b, c, d, ...) multiply_add(POLY_12(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_20(x, w, v, a, b, c, d, ...) multiply_add(POLY_16(x, w, v, __VA_ARGS__), v, POLY_4(x, w, v, a, b, c, d))
#define POLY_COUNT(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, count, ...) count
#define POLY_JOIN(n, ...) POLY_##n(__VA_ARGS__)
#define POLY_CALL(n, ...) POLY_JOIN(n, __VA_ARGS__)
/* POLY(x, c0, c1, ...) */
#define POLY(x, ...)                                                                                                             \
    POLY_CALL(POLY_COUNT(__VA_ARGS__, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), x, ((x) * (x)), \
              (((x) * (x)) * ((x) * (x))), __VA_ARGS__)

/* The same by Horner's rule: fewer multiplications, one long chain. */
#define HORNER_1(x, a) (a)
#define HORNER_2(x, a, ...) multiply_add(HORNER_1(x, __VA_ARGS__), x, a)
#define HORNER_3(x, a, ...) multiply_add(HORNER_2(x, __VA_ARGS__), x, a)
#define HORNER_4(x, a, ...) multiply_add(HORNER_3(x, __VA_ARGS__), x, a)
#define HORNER_5(x, a, ...) multiply_add(HORNER_4(x, __VA_ARGS__), x, a)
#define HORNER_6(x, a, ...) multiply_add(HORNER_5(x, __VA_ARGS__), x, a)
#define HORNER_7(x, a, ...) multiply_add(HORNER_6(x, __VA_ARGS__), x, a)
#define HORNER_8(x, a, ...) multiply_add(HORNER_7(x, __VA_ARGS__), x, a)
#define HORNER_9(x, a, ...) multiply_add(HORNER_8(x, __VA_ARGS__), x, a)
#define HORNER_10(x, a, ...) multiply_add(HORNER_9(x, __VA_ARGS__), x, a)
#define HORNER_JOIN(n, ...) HORNER_##n(__VA_ARGS__)
#define HORNER_CALL(n, ...) HORNER_JOIN(n, __VA_ARGS__)
#define HORNER(x, ...) \
    HORNER_CALL(POLY_COUNT(__VA_ARGS__, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), x, __VA_ARGS__)

/* ---- coefficients: the output of tools/minimax.py; u = 2^-53 or 2^-24 ---- */
#ifdef FASTLOSS_F32
/* EXP_TAIL: degree 4 on [-0.346608, 0.346608], error 0.22 u, rounded 0.24 u */
#define EXP_TAIL 0x1.fffffep-2, 0x1.5554aap-3, 0x1.5557ap-5, 0x1.122c2cp-7, 0x1.6ab7d8p-10
/* EXPM1MX_TAIL: degree 5 on [-0.693216, 0.693216], error 0.12 u, rounded 0.13 u */
#define EXPM1MX_TAIL 0x1.55555ap-3, 0x1.55555p-5, 0x1.110c48p-7, 0x1.6c1a3ep-10, 0x1.a5075ap-13, 0x1.a0e82p-16
/* LOG_TAIL: degree 2 on [0.0, 0.0294402], error 0.014 u, rounded 0.014 u */
#define LOG_TAIL 0x1.55557ap-1, 0x1.995ed4p-2, 0x1.31e0dcp-2
/* LOG_WIDE_TAIL: degree 3 on [0.0, 0.111111], error 0.076 u, rounded 0.077 u */
#define LOG_WIDE_TAIL 0x1.5555p-1, 0x1.99d2ap-2, 0x1.1eb374p-2, 0x1.1f0678p-2
/* LOG1P_UNIT: degree 8 on [-0.5, 0.5], error 0.086 u, rounded 0.13 u */
#define LOG1P_UNIT                                                                                                             \
    0x1.833704p-2, -0x1.6f0d78p-3, 0x1.7de0f2p-4, -0x1.a28356p-5, 0x1.d97fap-6, -0x1.111a68p-6, 0x1.4ec87ep-7, -0x1.c3c2d2p-8, \
        0x1.a58cb2p-9
/* TANH_TAIL: degree 1/1 on [0.0, 0.30184], error 0.028 u, rounded 0.057 u */
#define TANH_TAIL -0x1.55554ep-2, -0x1.96d3p-10
#define TANH_TAIL_BELOW 0x1p0, 0x1.9e5c24p-2
/* ERF_INNER: degree 6 on [0.0, 1.0], error 0.02 u, rounded 0.024 u */
#define ERF_INNER 0x1.06eba8p-3, -0x1.81273ep-2, 0x1.ce2ce6p-4, -0x1.b7f71ap-6, 0x1.53f224p-8, -0x1.a3516p-11, 0x1.477212p-14
/* ERF_OUTER: degree 2/3 on [1.0, 4.0], error 0.003 u, rounded 0.027 u */
#define ERF_OUTER 0x1.00419cp0, 0x1.8566f8p-1, 0x1.f69988p-3
#define ERF_OUTER_BELOW 0x1p0, 0x1.e538aap0, 0x1.5d5988p0, 0x1.bc18acp-2
/* LGAMMA_INNER: degree 4/4 on [0.0, 4.0], error 0.067 u, rounded 0.24 u */
#define LGAMMA_INNER 0x1.9e233ep-3, 0x1.acda56p-4, -0x1.519ep-4, -0x1.40f95ep-5, -0x1.4e26bp-9
#define LGAMMA_INNER_BELOW 0x1p0, 0x1.bb07aep0, 0x1.d8639ap-1, 0x1.509214p-3, 0x1.d1b74ap-8
/* STIRLING: degree 1 on [0.0, 0.0625], error 0.11 u, rounded 0.11 u */
#define STIRLING 0x1.5553d6p-4, -0x1.630a9ap-9
#else
/* EXP_TAIL: degree 9 on [-0.346608, 0.346608], error 0.16 u, rounded 0.17 u */
#define EXP_TAIL                                                                                                   \
    0x1.0000000000005p-1, 0x1.555555555553dp-3, 0x1.5555555551fffp-5, 0x1.11111111178f6p-7, 0x1.6c16c17f97432p-10, \
        0x1.a01a017fe2acap-13, 0x1.a019a5230ef94p-16, 0x1.71de68aa4c1c4p-19, 0x1.28a43da7982d7p-22, 0x1.aea8db8f19d15p-26
/* EXPM1MX_TAIL: degree 11 on [-0.693216, 0.693216], error 0.029 u, rounded 0.049 u */
#define EXPM1MX_TAIL                                                                                                       \
    0x1.5555555555554p-3, 0x1.5555555555551p-5, 0x1.11111111115cep-7, 0x1.6c16c16c18093p-10, 0x1.a01a019ee92c8p-13,        \
        0x1.a01a019c4f098p-16, 0x1.71de3c613e666p-19, 0x1.27e5003f2a2dcp-22, 0x1.ae60ec76d039bp-26, 0x1.1ee7f8e9b59f6p-29, \
        0x1.63e0390ee46f6p-33, 0x1.993dfbdc499e7p-37
/* LOG_TAIL: degree 6 on [0.0, 0.0294402], error 0.011 u, rounded 0.011 u */
#define LOG_TAIL                                                                                                  \
    0x1.5555555555592p-1, 0x1.999999997ff02p-2, 0x1.24924941e3debp-2, 0x1.c71c521171fddp-3, 0x1.74663da56a2dbp-3, \
        0x1.39a1d39352429p-3, 0x1.2f04a5e580eaep-3
/* LOG_WIDE_TAIL: degree 9 on [0.0, 0.111111], error 0.012 u, rounded 0.012 u */
#define LOG_WIDE_TAIL                                                                                           \
    0x1.5555555555535p-1, 0x1.99999999a078bp-2, 0x1.2492492089c2bp-2, 0x1.c71c741dd9a03p-3, 0x1.745cb3ce027p-3, \
        0x1.3b1ddf7bb49e5p-3, 0x1.1067932d7379bp-3, 0x1.efdb24b7dabd9p-4, 0x1.55a5bed41b42fp-4, 0x1.5c824ba214aa7p-3
/* LOG1P_UNIT: degree 19 on [-0.5, 0.5], error 0.085 u, rounded 0.12 u */
#define LOG1P_UNIT                                                                                                           \
    0x1.833704d019edp-2, -0x1.6f0d7bd624becp-3, 0x1.7ddf1fe86ad83p-4, -0x1.a279c04c7970fp-5, 0x1.da34824857f66p-6,           \
        -0x1.131116fb30bd9p-6, 0x1.44ba45e7e24d4p-7, -0x1.84904f5e71f85p-8, 0x1.d5faedd9dfd2ep-9, -0x1.1ebd2e76ea1a5p-9,     \
        0x1.60764478a8242p-10, -0x1.b3e0bc83cff9cp-11, 0x1.0ecd5cf51585bp-11, -0x1.5300287ef1ca9p-12, 0x1.add0269033fa9p-13, \
        -0x1.08530715f87b3p-13, 0x1.29c87198525bcp-14, -0x1.b1593a15512dfp-15, 0x1.ad0d3b9cd8d88p-15, -0x1.b685c3e0fdabbp-16
/* TANH_TAIL: degree 2/3 on [0.0, 0.30184], error 0.00086 u, rounded 0.0089 u */
#define TANH_TAIL -0x1.5555555555555p-2, -0x1.4fe1233277029p-6, -0x1.a1dc46ea5be56p-13
#define TANH_TAIL_BELOW 0x1p0, 0x1.d893d0330fe57p-2, 0x1.7da42d6077b8p-6, 0x1.b14c22915c1f3p-13
/* ERF_INNER: degree 11 on [0.0, 1.0], error 0.066 u, rounded 0.12 u */
#define ERF_INNER                                                                                                             \
    0x1.06eba8214db68p-3, -0x1.812746b0379b1p-2, 0x1.ce2f21a040824p-4, -0x1.b82ce311eb601p-6, 0x1.565bccf78d3cep-8,           \
        -0x1.c02db0082b305p-11, 0x1.f9a2b632d5af3p-14, -0x1.f4ca0f47022e9p-17, 0x1.b97d9fd0531edp-20, -0x1.5bfa9bb029697p-23, \
        0x1.d6c9b1c307fbap-27, -0x1.aac8f1ce4de33p-31
/* ERF_OUTER: degree 5/6 on [1.0, 6.0], error 0.013 u, rounded 0.023 u */
#define ERF_OUTER                                                                                                \
    0x1.fffffc5d7f7c6p-1, 0x1.63ab95b1bbae3p0, 0x1.e55e87b84119ep-1, 0x1.7da1b806ae092p-2, 0x1.584f1aa523762p-4, \
        0x1.23377c7d928b7p-7
#define ERF_OUTER_BELOW                                                                                              \
    0x1p0, 0x1.42447bc11070ep1, 0x1.64fba5f354308p1, 0x1.c111b98abe0dep0, 0x1.5646985c7239p-1, 0x1.3120b5c78aedep-3, \
        0x1.02160efa7c584p-6
/* LGAMMA_INNER: degree 8/8 on [0.0, 4.0], error 0.33 u, rounded 0.4 u */
#define LGAMMA_INNER                                                                                                \
    0x1.9e233f1bed863p-3, 0x1.bcbeb021164c2p-2, 0x1.ea8f3896252c9p-3, -0x1.39e2583b50b38p-4, -0x1.e3fcd0aa4e1f1p-4, \
        -0x1.4ee2376c18f19p-5, -0x1.716135ce52d2ap-8, -0x1.31bf9e59c5339p-12, -0x1.0757ab8d90516p-18
#define LGAMMA_INNER_BELOW                                                                                          \
    0x1p0, 0x1.ae2934ad48935p1, 0x1.1f785d3b07eebp2, 0x1.87087d547d344p1, 0x1.202bbd4c88b68p0, 0x1.c6a775d920c2p-3, \
        0x1.64ba7291150e2p-6, 0x1.d88b0983e0eb9p-11, 0x1.63e9dbea03ce2p-17
/* STIRLING: degree 6 on [0.0, 0.0625], error 0.48 u, rounded 0.48 u */
#define STIRLING                                                                                                      \
    0x1.555555555301fp-4, -0x1.6c16c100ddebp-9, 0x1.a01926179cdc6p-11, -0x1.37dc3b3280002p-11, 0x1.b19332637ab65p-11, \
        -0x1.a5737f91d548p-10, 0x1.4ed599183c422p-9
#endif

/* ---- exponentials ---- */

/* ln 2 = LN2_HIGH + LN2_LOW, the first with so few bits that its product with any exponent is exact. */
#define LN2_HIGH BY_TYPE(0x1.62e42fefa38p-1, 0x1.63p-1)
#define LN2_LOW BY_TYPE(0x1.ef35793c7673p-45, -0x1.bd0106p-13)
#define LOG2_E BY_TYPE(0x1.71547652b82fep+0, 0x1.715476p+0)

/* Beyond these exp is 0 or infinite; the reduction needs a bound. */
#define EXP_LOWEST BY_TYPE(-746., -104.5)
#define EXP_HIGHEST BY_TYPE(710., 89.)

/* x = k ln 2 + r, |r| <= (ln 2)/2. The low bits of `word` are k + offset; more bits are in the way above. */
typedef struct {
    real r;
    real_word word;
} exp_parts;

INLINE exp_parts exp_reduce(real x, real offset)
{
    const real magic = R(1.5) * UNIT_SPACING + offset;
    const real shifted = multiply_add(x, LOG2_E, magic), k = shifted - magic;
    const real r = multiply_add(k, -LN2_LOW, multiply_add(k, -LN2_HIGH, x));
    return (exp_parts){ r, word_of(shifted) };
}

/* e^r - 1 of a reduced argument. */
INLINE real expm1_reduced(real r) { return multiply_add(r * r, POLY(r, EXP_TAIL), r); }

/* e^x. The power of two is applied in two factors, 2^(k/2) each, because 2^k itself need not be a normal number.
 * Error 1.03 / 1.03 ULP. */
INLINE real vm_exp(real x)
{
    const exp_parts a = exp_reduce(clip(x, EXP_LOWEST, EXP_HIGHEST), 2 * (real)EXPONENT_BIAS);
    const real_word half = a.word >> 1;
    const real scale = from_word(half << FRACTION_BITS), other_scale = from_word((a.word - half) << FRACTION_BITS);
    return multiply_add(scale, expm1_reduced(a.r), scale) * other_scale;
}

/* e^x for x <= 0, cheaper: 2^k is a normal number once a constant factor is held back. Error as vm_exp. */
INLINE real exp_of_negative(real x)
{
    const exp_parts a = exp_reduce(maximum(x, EXP_LOWEST), (real)EXPONENT_BIAS + BY_TYPE(64., 32.));
    const real scale = from_word(a.word << FRACTION_BITS);
    return multiply_add(scale, expm1_reduced(a.r), scale) * BY_TYPE(0x1p-64, 0x1p-32);
}

/* 2^(k-1), the scale of both functions below: also normal for the largest k, for which 2^k is not. */
#define HALF_SCALE ((real)EXPONENT_BIAS - R(1.))

/* e^x - 1 = 2^k ((1 - 2^-k) + r + r^2 q(r)), the two leading parts summed first: near 0, k = 0 and r = x is exact.
 * Below -40 (float32: -18) it is -1. Error 1.63 / 1.34 ULP. */
INLINE real vm_expm1(real x)
{
    const exp_parts a = exp_reduce(clip(x, BY_TYPE(-40., -18.), EXP_HIGHEST), HALF_SCALE);
    const real_word scale = a.word << FRACTION_BITS, two = 2 * EXPONENT_BIAS << FRACTION_BITS;
    const real lead = multiply_add(R(-0.5), from_word(two - scale), R(1.)) + a.r;
    const real v = multiply_add(a.r * a.r, POLY(a.r, EXP_TAIL), lead);
    return (v + v) * from_word(scale);
}

/* e^x - 1 - x = r^2/2 + r^3 q(r) for |x| < ln 2, where k = 0 and r = x; else, with the same sum t,
 * 2 ((2^(k-1) - 1/2 - x/2) + 2^(k-1) (r + t)), in which the bracket is exact wherever it cancels.
 * Error 2.26 / 1.85 ULP. */
INLINE real vm_expm1mx(real x)
{
    const int inner = absolute(x) < R(0.693);
    const real above = minimum(x, EXP_HIGHEST);
    const exp_parts a = exp_reduce(inner ? R(0.) : maximum(above, EXP_LOWEST / 2), HALF_SCALE);
    const real r = inner ? x : a.r, w = r * r, scale = from_word(a.word << FRACTION_BITS);
    const real t = multiply_add(w * r, POLY(r, EXPM1MX_TAIL), R(0.5) * w);
    const real lead = multiply_add(scale, r, (scale - R(0.5)) - R(0.5) * above);
    return R(2.) * multiply_add(scale, t, lead);
}

/* ---- logarithms ---- */

/* x = 2^k m with sqrt(1/2) <= m < sqrt(2), x a positive normal number; k comes as the integer k + EXPONENT_BIAS. */
typedef struct {
    real m;
    real_word biased;
} log_parts;

INLINE log_parts log_reduce(real x)
{
    const real_word root = word_of(R(0x1.6a09e6p-1));
    const real_word w = word_of(x) + (word_of(R(1.)) - root);
    return (log_parts){ from_word((w & FRACTION_MASK) + root), w >> FRACTION_BITS };
}

/* The exponent k of a biased one, as a real. */
INLINE real unbiased(real_word biased)
{
    return from_word(biased | word_of(UNIT_SPACING)) - (UNIT_SPACING + (real)EXPONENT_BIAS);
}

/* f - log(1 + f) = s f - s^3 t(s^2), s = f/(2 + f): the series 2 atanh(s) = log(1 + f) around its exact term f. */
INLINE real log_deficit(real f, real s)
{
    const real w = s * s;
    return multiply_add(-(s * w), POLY(w, LOG_TAIL), s * f);
}

/* k ln 2 + log(1 + f) + offset, the offset a small integer */
INLINE real log_assemble(real k, real f, real offset)
{
    const real rest = multiply_add(k, -LN2_LOW, log_deficit(f, f / (R(2.) + f)));
    return multiply_add(k, LN2_HIGH, offset) + (f - rest);
}

/* Outside (lowest, inf) a logarithm is -inf at `lowest`, NaN below, and x at inf and NaN. */
INLINE real log_limits(real x, real lowest, real inside)
{
    const real r = x > lowest ? inside : x == lowest ? -REAL_INFINITY : REAL_NAN;
    return x < REAL_INFINITY ? r : x;
}

/* log x, -inf at 0, NaN below. Subnormal numbers are scaled into the normal range first. Error 0.95 / 0.94 ULP. */
INLINE real vm_log(real x)
{
    const int subnormal = x < REAL_TINY;
    const log_parts a = log_reduce(subnormal ? x * BY_TYPE(0x1p54, 0x1p25) : x);
    const real k = unbiased(a.biased) - (subnormal ? BY_TYPE(54., 25.) : R(0.));
    return log_limits(x, R(0.), log_assemble(k, a.m - R(1.), R(0.)));
}

/* x^s for x >= 0 and small |s|: with x = 2^k m it is 2^n e^(ln2 (s k - n) + s log m), n = round(s k). s is split so that the
 * product with k is exact: without that the error would grow with log x. Error 1.1 + 2 |s| ULP; 0^s is 0, 1 or infinite. */
INLINE real vm_power(real x, real s)
{
    const int subnormal = x < REAL_TINY;
    const log_parts a = log_reduce(subnormal ? x * BY_TYPE(0x1p54, 0x1p25) : x);
    const real exponent = unbiased(a.biased) - (subnormal ? BY_TYPE(54., 25.) : R(0.));
    const real k = x == 0 ? BY_TYPE(-1e300, -1e30) : exponent; /* whose multiples are out of range, as they should */
    const real split = s * BY_TYPE(4097., 513.), high = split - (split - s), low = s - high; /* Veltkamp */
    const real magic = R(1.5) * UNIT_SPACING, n = clip((high * k + magic) - magic, BY_TYPE(-1500., -230.), BY_TYPE(1500., 230.));
    const real part = clip(multiply_add(low, k, high * k - n), R(-1.), R(1.));
    const real log_m = log_assemble(R(0.), a.m - R(1.), R(0.));
    const exp_parts e = exp_reduce(multiply_add(s, log_m, part * R(0x1.62e42fefa39efp-1)), 2 * (real)EXPONENT_BIAS + n);
    const real_word half = e.word >> 1;
    const real scale = from_word(half << FRACTION_BITS), other_scale = from_word((e.word - half) << FRACTION_BITS);
    return multiply_add(scale, expm1_reduced(e.r), scale) * other_scale + (x - x);
}

/* 1 + x = 2^k (1 + f) with one rounding in f, and none for k = 0, where f = x:   f = 2^-k x + (2^-k - 1).
 * The factor 2^(2-k) is applied instead, being normal for every k. */
typedef struct {
    real k, f;
} log1p_parts;

INLINE log1p_parts log1p_reduce(real x)
{
    const real_word biased = log_reduce(R(1.) + x).biased;
    const real scale = from_word((2 * EXPONENT_BIAS + 2 - biased) << FRACTION_BITS);
    const real f = multiply_add(x * scale, R(0.25), multiply_add(scale, R(0.25), R(-1.)));
    return (log1p_parts){ unbiased(biased), f };
}

/* log(1 + x), -inf at -1, NaN below. Error 1.37 / 1.48 ULP. */
INLINE real vm_log1p(real x)
{
    const log1p_parts a = log1p_reduce(x);
    return log_limits(x, R(-1.), log_assemble(a.k, a.f, R(0.)));
}

/* log(1 + x) - x. For -1/2 <= x <= 1 the series without its first term, with s f = f^2/2 - s f^2/2 so that the leading
 * part has one rounding only; beyond, nothing cancels any more as long as k ln 2 - x is formed first.
 * -inf at -1, NaN below. Error 2.57 / 2.59 ULP. */
INLINE real vm_log1pmx(real x)
{
    const log1p_parts a = log1p_reduce(x);
    const int inner = absolute(x - R(0.25)) <= R(0.75);
    const real k = inner ? R(0.) : a.k, f = inner ? x : a.f;
    const real s = f / (R(2.) + f), w = s * s, square = R(0.5) * f * f;
    const real rest = multiply_add(k, LN2_LOW, s * multiply_add(w, POLY(w, LOG_WIDE_TAIL), square));
    const real r = (multiply_add(k, LN2_HIGH, -x) + f) - (square - rest);
    return x < REAL_INFINITY ? log_limits(x, R(-1.), r) : -x;
}

/* ---- what a logistic loss needs ---- */

/* sigma(z), sigma(-z), log(1 + e^z), log(1 + e^-z), exp(-|z|) */
typedef struct {
    real p, q, softplus, softplus_neg, e;
} logistic;

/* log(1 + e) = e - e^2 q(e - 1/2) for e in [0, 1]. As many operations as a series in e/(2 + e), but none of them waits
 * for a division. */
INLINE real log1p_of_unit(real e)
{
    const real t = e - R(0.5);
    return multiply_add(-(e * e), POLY(t, LOG1P_UNIT), e);
}

/* One exponential e = exp(-|z|) (vm_decay), one division a = 1/(1 + e), to which a Newton step that is exact in 1 - a gives back
 * what the rounding of 1 + e took. Errors: p, q 1.91 / 1.89 ULP; softplus 1.85 / 1.90 ULP, on SSE2, which has no FMA, 2.13 / 2.21
 * ULP. */
INLINE real vm_decay(real z) { return exp_of_negative(-absolute(z)); }
INLINE logistic vm_logistic_from(real z, real e)
{
    const real rough = R(1.) / (R(1.) + e), l = log1p_of_unit(e);
    const real a = multiply_add(rough, multiply_add(-e, rough, R(1.) - rough), rough), b = e * a;
    return (logistic){
        .p = z < 0 ? b : a,
        .q = z < 0 ? a : b,
        .softplus = maximum(z, R(0.)) + l,
        .softplus_neg = maximum(-z, R(0.)) + l,
        .e = e,
    };
}
INLINE logistic vm_logistic(real z) { return vm_logistic_from(z, vm_decay(z)); }

/* ---- functions of two regions ---- */

INLINE real with_sign_of(real magnitude, real x) { return BUILTIN(copysign)(magnitude, x); }

/* tanh x = x + x^3 P/Q(x^2) up to (log 3)/2, where it is 1/2; beyond, 1 - 2E/(1 + E) with E = exp(-2|x|). The two share
 * one division. Error 1.50 / 1.49 ULP. */
INLINE real vm_tanh(real x)
{
    const real w = x * x, e = exp_of_negative(R(-2.) * absolute(x));
    const int inner = absolute(x) < R(0.5493);
    const real ratio = (inner ? w * POLY(w, TANH_TAIL) : R(2.) * e) / (inner ? POLY(w, TANH_TAIL_BELOW) : R(1.) + e);
    return inner ? multiply_add(x, ratio, x) : with_sign_of(R(1.) - ratio, x);
}

/* erf x = x + x P(x^2) up to 1; beyond, 1 - exp(-x^2) A/B(|x|) (W. Cody, Math. Comp. 23, 1969).
 * Error 1.42 / 1.25 ULP. */
INLINE real vm_erf(real x)
{
    const real t = minimum(absolute(x), BY_TYPE(6., 4.)), w = t * t;
    const real outer = R(1.) - exp_of_negative(-w) * (POLY(t, ERF_OUTER) / POLY(t, ERF_OUTER_BELOW));
    return t < 1 ? multiply_add(x, POLY(w, ERF_INNER), x) : with_sign_of(outer, x);
}

/* log Gamma(1 + x), x >= 0: x (x - 1) (3/8 + P/Q(x)) up to 4, which is exact at its zeros 0 and 1; beyond, Stirling's
 * series (x + 1/2)(log x - 1) + (1 + log 2 pi)/2 + S(1/x^2)/x, arranged so that no sum cancels.
 * Error 3.33 / 3.25 ULP, relative to the result 1.98 / 2.06 eps. For x < 0 the result means nothing. */
INLINE real vm_lgamma1p(real x)
{
    const int inner = x < 4;
    const real ratio = (inner ? POLY(x, LGAMMA_INNER) : R(1.)) / (inner ? POLY(x, LGAMMA_INNER_BELOW) : x);
    const log_parts a = log_reduce(x);
    const real log_less_one = log_assemble(unbiased(a.biased), a.m - R(1.), R(-1.));
    const real correction = multiply_add(ratio, POLY(ratio * ratio, STIRLING), R(1.4189385332046727));
    const real stirling = multiply_add(x + R(0.5), log_less_one, correction);
    return inner ? x * (x - R(1.)) * (R(0.375) + ratio) : stirling;
}

#endif
