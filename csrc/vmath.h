/* Elementary functions without branches, tables or calls, so that every loop over them vectorises.
 *
 * Design. Argument reduction by the classic magic-constant rounding and exponent-field arithmetic on the bits (nothing that
 * SSE2 lacks: no conversion between integers and reals, no arithmetic shift of 64-bit lanes), then a minimax polynomial or
 * rational function from tools/minimax.py. In every last step a small correction is added to a part that is exact or
 * correctly rounded: that, and not a high degree, keeps the error near half a unit in the last place (ULP).
 * NaN passes through everywhere. "Error" is the measured maximum in ULP, float64 / float32, over all instruction sets.
 *
 * Literature: W. Cody, W. Waite, Software Manual for the Elementary Functions (1980); P. Tang, ACM TOMS 15, 16 (1989-90);
 * fdlibm (Sun Microsystems, 1993); J.-M. Muller, Elementary Functions (3rd ed. 2016). */
#ifndef FASTLOSS_VMATH_H
#define FASTLOSS_VMATH_H

#include "real.h"

/* ---- bits ---- */
#ifdef FASTLOSS_F32
typedef uint32_t real_word;
#else
typedef uint64_t real_word;
#endif

#define FRACTION_BITS BY_WORD(52, 23)
#define EXPONENT_BIAS BY_WORD(1023, 127)
#define FRACTION_MASK (((real_word)1 << FRACTION_BITS) - 1)
#ifdef FASTLOSS_F32
#define BY_WORD(f64, f32) ((real_word)f32)
#else
#define BY_WORD(f64, f32) ((real_word)f64)
#endif

/* 2^52: reals from here to twice that are the integers, so that their low bits are the integer. */
#define UNIT_SPACING BY_TYPE(0x1p52, 0x1p23)

INLINE real_word word_of(real x) { return (real_word)bits_of(x); }
INLINE real from_word(real_word w) { return from_bits((real_bits)w); }

/* c0 + c1 x + ... : Horner's rule in x^2 over the pairs c0 + c1 x, which halves the chain of dependent operations
 * at no further cost (Estrin's first step). */
#define POLY_1(x, w, a) (a)
#define POLY_2(x, w, a, b) multiply_add(b, x, a)
#define POLY_3(x, w, a, b, ...) multiply_add(POLY_1(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_4(x, w, a, b, ...) multiply_add(POLY_2(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_5(x, w, a, b, ...) multiply_add(POLY_3(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_6(x, w, a, b, ...) multiply_add(POLY_4(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_7(x, w, a, b, ...) multiply_add(POLY_5(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_8(x, w, a, b, ...) multiply_add(POLY_6(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_9(x, w, a, b, ...) multiply_add(POLY_7(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_10(x, w, a, b, ...) multiply_add(POLY_8(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_11(x, w, a, b, ...) multiply_add(POLY_9(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_12(x, w, a, b, ...) multiply_add(POLY_10(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_13(x, w, a, b, ...) multiply_add(POLY_11(x, w, __VA_ARGS__), w, multiply_add(b, x, a))
#define POLY_COUNT(a, b, c, d, e, f, g, h, i, j, k, l, m, n, ...) n
#define POLY_JOIN(n, ...) POLY_##n(__VA_ARGS__)
#define POLY_CALL(n, ...) POLY_JOIN(n, __VA_ARGS__)
#define POLY(x, ...) POLY_CALL(POLY_COUNT(__VA_ARGS__, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), x, (x) * (x), __VA_ARGS__)

/* ---- coefficients: the output of tools/minimax.py; u = 2^-53 or 2^-24 ---- */
#ifdef FASTLOSS_F32
/* EXP_TAIL: degree 4/0 on [-0.346608, 0.346608], error 0.22 u, rounded 0.29 u */
#define EXP_TAIL 0x1.fffffep-2, 0x1.5554bp-3, 0x1.555672p-5, 0x1.122786p-7, 0x1.6bed1p-10
/* EXPM1MX_TAIL: degree 6/0 on [-0.693216, 0.693216], error 0.11 u, rounded 0.18 u */
#define EXPM1MX_TAIL 0x1p-1, 0x1.55555ap-3, 0x1.55554cp-5, 0x1.110c68p-7, 0x1.6c1aap-10, 0x1.a4f85cp-13, 0x1.a15ab2p-16
/* LOG_TAIL: degree 2/0 on [0.0, 0.0294402], error 0.014 u, rounded 0.015 u */
#define LOG_TAIL 0x1.55557ap-1, 0x1.995ebap-2, 0x1.31e316p-2
/* LOG_WIDE_TAIL: degree 3/0 on [0.0, 0.111111], error 0.076 u, rounded 0.083 u */
#define LOG_WIDE_TAIL 0x1.5555p-1, 0x1.99d27cp-2, 0x1.1eb604p-2, 0x1.1ef8e6p-2
/* TANH_TAIL: degree 1/1 on [0.0, 0.30184], error 0.028 u, rounded 0.057 u */
#define TANH_TAIL -0x1.55554ep-2, -0x1.96d3p-10
#define TANH_TAIL_BELOW 0x1p0, 0x1.9e5c24p-2
/* ERF_INNER: degree 6/0 on [0.0, 1.0], error 0.02 u, rounded 0.094 u */
#define ERF_INNER \
    0x1.06eba8p-3, -0x1.81273ep-2, 0x1.ce2cf6p-4, -0x1.b7f908p-6, 0x1.54059p-8, -0x1.a3f60cp-11, 0x1.4967ap-14
/* ERF_OUTER: degree 2/3 on [1.0, 4.0], error 0.003 u, rounded 0.027 u */
#define ERF_OUTER 0x1.00419cp0, 0x1.8566f8p-1, 0x1.f69988p-3
#define ERF_OUTER_BELOW 0x1p0, 0x1.e538aap0, 0x1.5d5988p0, 0x1.bc18acp-2
/* LGAMMA_INNER: degree 4/4 on [0.0, 4.0], error 0.067 u, rounded 0.28 u */
#define LGAMMA_INNER 0x1.2788dp-1, 0x1.81e10cp-1, 0x1.0de334p-2, 0x1.6fc38p-6, 0x1.e458f6p-14
#define LGAMMA_INNER_BELOW 0x1p0, 0x1.bb07aep0, 0x1.d8639ap-1, 0x1.509214p-3, 0x1.d1b74ap-8
/* STIRLING: degree 1/0 on [0.0, 0.0625], error 0.11 u, rounded 0.11 u */
#define STIRLING 0x1.5553d6p-4, -0x1.630c0cp-9
#else
/* EXP_TAIL: degree 9/0 on [-0.346608, 0.346608], error 0.16 u, rounded 0.3 u */
#define EXP_TAIL \
    0x1.0000000000005p-1, 0x1.555555555553ap-3, 0x1.55555555522b8p-5, 0x1.1111111118bbfp-7, 0x1.6c16c17edb569p-10, \
    0x1.a01a01768a156p-13, 0x1.a019a77044c7ep-16, 0x1.71de8487dd1f3p-19, 0x1.28a1df4f0e69ep-22, 0x1.ae717e3a343dp-26
/* EXPM1MX_TAIL: degree 12/0 on [-0.693216, 0.693216], error 0.029 u, rounded 0.18 u */
#define EXPM1MX_TAIL \
    0x1p-1, 0x1.5555555555554p-3, 0x1.555555555555cp-5, 0x1.11111111114f3p-7, 0x1.6c16c16c15a5dp-10, \
    0x1.a01a019f166a9p-13, 0x1.a01a01a253feep-16, 0x1.71de3c260f59p-19, 0x1.27e4f9a0a5455p-22, \
    0x1.ae612ebab987bp-26, 0x1.1eee866129f86p-29, 0x1.63c5ad482dba4p-33, 0x1.9474418fac693p-37
/* LOG_TAIL: degree 6/0 on [0.0, 0.0294402], error 0.011 u, rounded 0.016 u */
#define LOG_TAIL \
    0x1.5555555555592p-1, 0x1.999999997fd96p-2, 0x1.24924941f46e3p-2, 0x1.c71c5205cb12bp-3, 0x1.74663fc79945fp-3, \
    0x1.39a1a172a1de4p-3, 0x1.2f06786d9de5dp-3
/* LOG_WIDE_TAIL: degree 9/0 on [0.0, 0.111111], error 0.012 u, rounded 0.031 u */
#define LOG_WIDE_TAIL \
    0x1.5555555555535p-1, 0x1.99999999a0841p-2, 0x1.249249208550cp-2, 0x1.c71c741fa7551p-3, 0x1.745cb397175cdp-3, \
    0x1.3b1de386a0dd4p-3, 0x1.1067636b9311p-3, 0x1.efddd56ea0a55p-4, 0x1.559aeb9a274b2p-4, 0x1.5c8b9c4e8457bp-3
/* TANH_TAIL: degree 2/3 on [0.0, 0.30184], error 0.00086 u, rounded 0.0089 u */
#define TANH_TAIL -0x1.5555555555555p-2, -0x1.4fe1233277029p-6, -0x1.a1dc46ea5be56p-13
#define TANH_TAIL_BELOW 0x1p0, 0x1.d893d0330fe57p-2, 0x1.7da42d6077b8p-6, 0x1.b14c22915c1f3p-13
/* ERF_INNER: degree 11/0 on [0.0, 1.0], error 0.066 u, rounded 0.21 u */
#define ERF_INNER \
    0x1.06eba8214db68p-3, -0x1.812746b0379bdp-2, 0x1.ce2f21a040d15p-4, -0x1.b82ce311fa9p-6, 0x1.565bccf92ad59p-8, \
    -0x1.c02db03dce1c4p-11, 0x1.f9a2baa87c4ffp-14, -0x1.f4ca4d6b5ec3fp-17, 0x1.b97fd3d1348efp-20, \
    -0x1.5c072744e6782p-23, 0x1.d71b140235e13p-27, -0x1.abae5cf1f6c74p-31
/* ERF_OUTER: degree 5/6 on [1.0, 6.0], error 0.013 u, rounded 0.023 u */
#define ERF_OUTER \
    0x1.fffffc5d7f7c6p-1, 0x1.63ab95b1bbae3p0, 0x1.e55e87b84119ep-1, 0x1.7da1b806ae092p-2, 0x1.584f1aa523762p-4, \
    0x1.23377c7d928b7p-7
#define ERF_OUTER_BELOW \
    0x1p0, 0x1.42447bc11070ep1, 0x1.64fba5f354308p1, 0x1.c111b98abe0dep0, 0x1.5646985c7239p-1, 0x1.3120b5c78aedep-3, \
    0x1.02160efa7c584p-6
/* LGAMMA_INNER: degree 8/8 on [0.0, 4.0], error 0.33 u, rounded 0.95 u */
#define LGAMMA_INNER \
    0x1.2788cfc6fb619p-1, 0x1.b1ce938a3c018p0, 0x1.ec8672eb508b9p0, 0x1.11a8387ba8dbfp0, 0x1.374267c83989fp-2, \
    0x1.5b18f95998317p-5, 0x1.4b6cec1699851p-9, 0x1.854546491be8fp-15, 0x1.cbdcb0f9449cep-25
#define LGAMMA_INNER_BELOW \
    0x1p0, 0x1.ae2934ad48935p1, 0x1.1f785d3b07eebp2, 0x1.87087d547d344p1, 0x1.202bbd4c88b68p0, 0x1.c6a775d920c2p-3, \
    0x1.64ba7291150e2p-6, 0x1.d88b0983e0eb9p-11, 0x1.63e9dbea03ce2p-17
/* STIRLING: degree 6/0 on [0.0, 0.0625], error 0.48 u, rounded 0.48 u */
#define STIRLING \
    0x1.555555555301fp-4, -0x1.6c16c100ce0b1p-9, 0x1.a01925f39ea42p-11, -0x1.37dc339703b58p-11, \
    0x1.b19270ac43fc7p-11, -0x1.a56eebaa09717p-10, 0x1.4ecafabecc407p-9
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
    real k, r;
    real_word word;
} exp_parts;

INLINE exp_parts exp_reduce(real x, real offset)
{
    const real magic = R(1.5) * UNIT_SPACING + offset;
    const real shifted = multiply_add(x, LOG2_E, magic), k = shifted - magic;
    const real r = multiply_add(k, -LN2_LOW, multiply_add(k, -LN2_HIGH, x));
    return (exp_parts){ k, r, word_of(shifted) };
}

/* exp(r) of a reduced argument. */
INLINE real exp_reduced(real r) { return R(1.) + multiply_add(r * r, POLY(r, EXP_TAIL), r); }

/* e^x. The power of two is applied in two factors, 2^(k/2) each, because 2^k itself need not be a normal number.
 * Error. */
INLINE real vm_exp(real x)
{
    const exp_parts a = exp_reduce(clip(x, EXP_LOWEST, EXP_HIGHEST), 2 * (real)EXPONENT_BIAS);
    const real_word half = a.word >> 1;
    return exp_reduced(a.r) * from_word(half << FRACTION_BITS) * from_word((a.word - half) << FRACTION_BITS);
}

/* e^x for x <= 0, cheaper: here 2^k may be held back by a constant factor instead. Error as vm_exp. */
INLINE real exp_of_negative(real x)
{
    const exp_parts a = exp_reduce(maximum(x, EXP_LOWEST), (real)EXPONENT_BIAS + BY_TYPE(64., 32.));
    return exp_reduced(a.r) * from_word(a.word << FRACTION_BITS) * BY_TYPE(0x1p-64, 0x1p-32);
}

/* 2^(k-1), the scale of both functions below: also normal for the largest k, for which 2^k is not. */
#define HALF_SCALE ((real)EXPONENT_BIAS - R(1.))

/* e^x - 1 = 2^k ((1 - 2^-k) + r + r^2 q(r)), the two leading parts summed first: near 0, k = 0 and r = x is exact.
 * Below -40 (float32: -18) it is -1. Error. */
INLINE real vm_expm1(real x)
{
    const exp_parts a = exp_reduce(clip(x, BY_TYPE(-40., -18.), EXP_HIGHEST), HALF_SCALE);
    const real_word scale = a.word << FRACTION_BITS, two = 2 * EXPONENT_BIAS << FRACTION_BITS;
    const real lead = multiply_add(R(-0.5), from_word(two - scale), R(1.)) + a.r;
    const real v = multiply_add(a.r * a.r, POLY(a.r, EXP_TAIL), lead);
    return (v + v) * from_word(scale);
}

/* e^x - 1 - x = r^2 q(r) for |x| < ln 2, where k = 0 and r = x; else 2 ((2^(k-1) - 1/2 - x/2) + 2^(k-1) (r + r^2 q)), in
 * which the bracket is exact wherever it cancels. Error. */
INLINE real vm_expm1mx(real x)
{
    const real above = minimum(x, EXP_HIGHEST);
    const exp_parts a = exp_reduce(maximum(above, EXP_LOWEST / 2), HALF_SCALE);
    const int inner = absolute(x) < R(0.693);
    const real r = inner ? x : a.r, scale = inner ? R(0.5) : from_word(a.word << FRACTION_BITS);
    const real lead = multiply_add(scale, r, (scale - R(0.5)) - R(0.5) * above);
    const real v = multiply_add(scale, r * r * POLY(r, EXPM1MX_TAIL), lead);
    return v + v;
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

/* The integer n >= 0 as a real, less `offset`. */
INLINE real real_of_word(real_word n, real offset) { return from_word(n | word_of(UNIT_SPACING)) - (UNIT_SPACING + offset); }

/* f - log(1 + f) = s (f - s^2 t(s^2)), s = f/(2 + f): the series 2 atanh(s) = log(1 + f) around its exact first term f. */
INLINE real log_deficit(real f, real s)
{
    const real w = s * s;
    return s * (f - w * POLY(w, LOG_TAIL));
}
INLINE real log_deficit_wide(real f, real s)
{
    const real w = s * s;
    return s * (f - w * POLY(w, LOG_WIDE_TAIL));
}

/* k ln 2 + log(1 + f) */
INLINE real log_assemble(real k, real f)
{
    const real rest = multiply_add(k, -LN2_LOW, log_deficit(f, f / (R(2.) + f)));
    return multiply_add(k, LN2_HIGH, f - rest);
}

/* Outside (lowest, inf) a logarithm is -inf at `lowest`, NaN below, and x at inf and NaN. */
INLINE real log_limits(real x, real lowest, real inside)
{
    const real r = x > lowest ? inside : x == lowest ? -REAL_INFINITY : REAL_NAN;
    return x < REAL_INFINITY ? r : x;
}

/* log x. Subnormal numbers are scaled into the normal range first. Error. */
INLINE real vm_log(real x)
{
    const int subnormal = x < REAL_TINY;
    const log_parts a = log_reduce(subnormal ? x * BY_TYPE(0x1p54, 0x1p25) : x);
    const real k = real_of_word(a.biased, (real)EXPONENT_BIAS) - (subnormal ? BY_TYPE(54., 25.) : R(0.));
    return log_limits(x, R(0.), log_assemble(k, a.m - R(1.)));
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
    return (log1p_parts){ real_of_word(biased, (real)EXPONENT_BIAS), f };
}

/* log(1 + x). Error. */
INLINE real vm_log1p(real x)
{
    const log1p_parts a = log1p_reduce(x);
    return log_limits(x, R(-1.), log_assemble(a.k, a.f));
}

/* log(1 + x) - x, for -1/2 <= x <= 1 from the series without its first term; beyond, nothing cancels any more as long as
 * f - x is formed first. Error. */
INLINE real vm_log1pmx(real x)
{
    const log1p_parts a = log1p_reduce(x);
    const int inner = absolute(x - R(0.25)) <= R(0.75);
    const real k = inner ? R(0.) : a.k, f = inner ? x : a.f;
    const real rest = multiply_add(k, -LN2_LOW, log_deficit_wide(f, f / (R(2.) + f)));
    const real r = multiply_add(k, LN2_HIGH, f - x) - rest;
    return x < REAL_INFINITY ? log_limits(x, R(-1.), r) : -x;
}

/* ---- what a logistic loss needs ---- */

/* sigma(z), sigma(-z), log(1 + e^z), log(1 + e^-z), exp(-|z|) */
typedef struct {
    real p, q, softplus, softplus_neg, e;
} logistic;

/* One exponential and one division: with e in [0, 1], 1/((1 + e)(2 + e)) gives both a = 1/(1 + e) and s = e/(2 + e), the
 * argument of log(1 + e) = 2 atanh(s). A Newton step, exact in 1 - a, makes a as good as the correctly rounded quotient.
 *  */
INLINE logistic vm_logistic(real z)
{
    const real e = exp_of_negative(-absolute(z)), one_e = R(1.) + e, two_e = R(2.) + e;
    const real reciprocal = R(1.) / (one_e * two_e);
    const real rough = two_e * reciprocal;
    const real a = multiply_add(rough, multiply_add(-e, rough, R(1.) - rough), rough), b = e * a;
    const real l = e - log_deficit_wide(e, e * (one_e * reciprocal));
    return (logistic){
        .p = z < 0 ? b : a,
        .q = z < 0 ? a : b,
        .softplus = maximum(z, R(0.)) + l,
        .softplus_neg = maximum(-z, R(0.)) + l,
        .e = e,
    };
}

/* ---- functions of two regions: both are computed up to their division, which is shared ---- */

INLINE real with_sign_of(real magnitude, real x) { return BUILTIN(copysign)(magnitude, x); }

/* tanh x = x + x^3 P/Q(x^2) up to (log 3)/2, where it is 1/2; beyond, 1 - 2E/(1 + E) with E = exp(-2|x|).
 * Error. */
INLINE real vm_tanh(real x)
{
    const real w = x * x, e = exp_of_negative(R(-2.) * absolute(x));
    const int inner = absolute(x) < R(0.5493);
    const real ratio = (inner ? w * POLY(w, TANH_TAIL) : R(2.) * e) / (inner ? POLY(w, TANH_TAIL_BELOW) : R(1.) + e);
    return inner ? multiply_add(x, ratio, x) : with_sign_of(R(1.) - ratio, x);
}

/* erf x = x + x P(x^2) up to 1; beyond, 1 - exp(-x^2) A/B(|x|) (W. Cody, Math. Comp. 23, 1969). Error. */
INLINE real vm_erf(real x)
{
    const real t = minimum(absolute(x), BY_TYPE(6., 4.)), w = t * t;
    const real outer = R(1.) - exp_of_negative(-w) * (POLY(t, ERF_OUTER) / POLY(t, ERF_OUTER_BELOW));
    return t < 1 ? multiply_add(x, POLY(w, ERF_INNER), x) : with_sign_of(outer, x);
}

/* log Gamma(1 + x), x >= 0: x (x - 1) P/Q(x) up to 4, which is exact at its zeros 0 and 1; beyond, Stirling's series
 * (x + 1/2)(log x - 1) + (1 + log 2 pi)/2 + S(1/x^2)/x, arranged so that no sum cancels.
 * Error. */
INLINE real vm_lgamma1p(real x)
{
    const int inner = x < 4;
    const real ratio = (inner ? POLY(x, LGAMMA_INNER) : R(1.)) / (inner ? POLY(x, LGAMMA_INNER_BELOW) : x);
    const real v = ratio * ratio, constant = BY_TYPE(1.4189385332046727, 1.4189385332046727);
    const real stirling = multiply_add(x + R(0.5), vm_log(x) - R(1.), multiply_add(ratio, POLY(v, STIRLING), constant));
    return inner ? x * (x - R(1.)) * ratio : stirling;
}

#endif
