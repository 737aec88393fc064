/* Robust regression losses: slowly growing, redescending, bounded.   r = f - y, x = r/c throughout.
 *
 * Design. All are scaled so that the value is r^2/2 near the target. The IRLS weight g/r is the majorizer (Huber 1981),
 * so a gradient is r times it; r is bounded there, and the unbounded x gives a weight of exactly 0 at infinity. */
#ifndef FASTLOSS_ROBUST_H
#define FASTLOSS_ROBUST_H

#include "regression.h"

INLINE real weighted_residual(real r, real weight) { return clip(r, -HUGE_LINEAR, HUGE_LINEAR) * weight; }

/* Beaton and Tukey (1974).   t = min(x^2, 1), u = 1 - t: value (c^2/6)(1 - u^3), gradient r u^2, hessian u (1 - 5t)
 * 1 - u^3 = t (1 + u + u^2) does not cancel; c - |r| is exact near the border, so u is 0 from there on. */
LOSS(tukey_biweight)
{
    const real c = param[0], inverse = 1 / c, r = clip(f - y, -c, c), a = absolute(r);
    const real u = (c - a) * inverse * ((c + a) * inverse), t = (r * inverse) * (r * inverse);
    return (terms){
        .value = r * r * (R(1.) / R(6.)) * (1 + u * (1 + u)),
        .gradient = r * (u * u),
        .hessian = u * (1 - 5 * t),
        .majorizer = u * u,
    };
}

/* Holland and Welsch (1977).   k = 1/(1 + x^2): value (c^2/2) log(1 + x^2), gradient r k,
 * hessian (1 - x^2) k^2 = (2k - 1) k, which cannot overflow */
LOSS(cauchy)
{
    const real c = param[0], r = f - y, x = r * (1 / c), k = 1 / (1 + x * x);
    return (terms){
        .value = R(0.5) * c * c * vm_log1p(x * x),
        .gradient = weighted_residual(r, k),
        .hessian = (2 * k - 1) * k,
        .majorizer = k,
    };
}

/* Dennis and Welsch (1978).   e = exp(-x^2): value (c^2/2)(1 - e), gradient r e, hessian (1 - 2x^2) e */
LOSS(welsch)
{
    const real c = param[0], r = f - y, x = r * (1 / c), square = x * x, e = vm_exp(-square);
    return (terms){
        .value = R(-0.5) * c * c * vm_expm1(-square),
        .gradient = weighted_residual(r, e),
        .hessian = (1 - 2 * minimum(square, HUGE_LINEAR)) * e,
        .majorizer = e,
    };
}

/* Geman and McClure (1985).   k = 1/(1 + x^2): value (c^2/2) x^2 k, gradient r k^2, hessian (1 - 3x^2) k^3
 * The products are ordered so that no power of k underflows before its partner grows. */
LOSS(geman_mcclure)
{
    const real c = param[0], x = clip((f - y) * (1 / c), -HUGE_SQUARE, HUGE_SQUARE), square = x * x, k = 1 / (1 + square);
    return (terms){
        .value = R(0.5) * c * c * (square * k),
        .gradient = c * (x * k * k),
        .hessian = (1 - 3 * square) * k * k * k,
        .majorizer = k * k,
    };
}

/* Fair (1974).   a = |x|, k = 1/(1 + a): value c^2 (a - log(1 + a)), gradient r k, hessian k^2
 * The bound of a acts in the ratio only; the value gets back what it took off. */
LOSS(fair)
{
    const real c = param[0], free = (f - y) * (1 / c), x = clip(free, -HUGE_LINEAR, HUGE_LINEAR), a = absolute(x);
    const real k = 1 / (1 + a);
    return (terms){
        .value = c * c * ((absolute(free) - a) - vm_log1pmx(a)),
        .gradient = c * (x * k),
        .hessian = k * k,
        .majorizer = k,
    };
}

/* Barron (2019), finite alpha < 2.   b = 2 - alpha, q = x^2/b, m = (1+q)^(alpha/2 - 1), powers by exp and log1p:
 * value (b/alpha)((1+q)^(alpha/2) - 1), gradient (r/c^2) m, hessian (m/c^2)(1 + (alpha-1) q)/(1+q), majorizer m/c^2
 * alpha is not 0 (the Cauchy loss, which also stands for |alpha| < 1e-20); one that rounds to 2 is kept below. At infinity x m
 * grows for alpha > 1 (m fades more slowly than 1/x and meets its floor nowhere else) and fades for alpha < 1: two formulas,
 * since gcc does not vectorise a select on a parameter. */
INLINE terms barron(real y, real f, real c, real alpha, real bound, real least)
{
    const real b = 2 - alpha, inverse = 1 / c, x = (f - y) * inverse, q = x * x * (1 / b), L = vm_log1p(q);
    const real m = vm_exp((R(0.5) * alpha - 1) * L), bounded = minimum(q, HUGE_SQUARE);
    return (terms){
        .value = (b / alpha) * vm_expm1(R(0.5) * alpha * L),
        .gradient = clip(x, -bound, bound) * maximum(m, least) * inverse,
        .hessian = m * inverse * inverse * ((1 + (alpha - 1) * bounded) / (1 + bounded)),
        .majorizer = m * inverse * inverse,
    };
}
LOSS(general_robust) { return barron(y, f, param[0], param[1], HUGE_LINEAR, 0); }
LOSS(general_robust_convex)
{
    return barron(y, f, param[0], minimum(param[1], BY_TYPE(1.9999999999999998, 1.9999999)), REAL_INFINITY, REAL_TINY);
}

/* Members of Barron's family with a closed form, faster than powers: c^2 times the general loss is an older one. */
INLINE terms divided_by_square(terms t, real c)
{
    const real scale = 1 / c * (1 / c);
    return (terms){
        .value = t.value * scale,
        .gradient = t.gradient * scale,
        .hessian = t.hessian * scale,
        .majorizer = t.majorizer * scale,
    };
}

/* BARRON(name, its alpha, the older loss, width of that loss in units of c) */
#define BARRON(name, its_alpha, member, width)                \
    LOSS(name)                                                \
    {                                                         \
        const real c = R(width) * param[0];                   \
        return divided_by_square(member(y, f, &c), param[0]); \
    }
BARRON(general_robust_quadratic, 2, half_squared_error, 1.)
BARRON(general_robust_charbonnier, 1, pseudo_huber, 1.)
BARRON(general_robust_cauchy, 0, cauchy, 1.4142135623730951)
BARRON(general_robust_geman_mcclure, -2, geman_mcclure, 2.)
BARRON(general_robust_welsch, -inf, welsch, 1.4142135623730951)
#undef BARRON

#define ROBUST_LOSSES(ROW)                          \
    ROW(tukey_biweight, 1, MAJORIZER)               \
    ROW(cauchy, 1, MAJORIZER)                       \
    ROW(welsch, 1, MAJORIZER)                       \
    ROW(geman_mcclure, 1, MAJORIZER)                \
    ROW(fair, 1, MAJORIZER)                         \
    ROW(general_robust, 2, MAJORIZER)               \
    ROW(general_robust_convex, 2, MAJORIZER)        \
    ROW(general_robust_quadratic, 1, MAJORIZER)     \
    ROW(general_robust_charbonnier, 1, MAJORIZER)   \
    ROW(general_robust_cauchy, 1, MAJORIZER)        \
    ROW(general_robust_geman_mcclure, 1, MAJORIZER) \
    ROW(general_robust_welsch, 1, MAJORIZER)

#endif
