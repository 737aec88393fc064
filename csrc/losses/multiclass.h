/* Losses of class probabilities, a sum over classes:   l = sum_k l_k(c_k, p_k).
 *
 * c is the target: its share of the class times the weight of the class; for a label all but one c_k are 0, and formulas
 * that are proportional to c are evaluated there only.
 *
 * Design. PROBABILITY(name) takes p as it was given. SOFTMAX(name) gets p, q = 1 - p and u = log p of a softmax row, each
 * to full accuracy, and returns derivatives in u, A = dl/du and B = d2l/du2, the latter times q, where no term has a pole.
 * The chain rule through the softmax is the same for all (row_kernels.c). */
#ifndef FASTLOSS_MULTICLASS_H
#define FASTLOSS_MULTICLASS_H

#include "../terms.h"
#include "../vmath.h"
#include "binary.h"

typedef struct {
    real value, difference; /* l, in two parts where they cancel over the row */
    real slope, bend;       /* A, B q */
} in_log;

#define PROBABILITY(name) INLINE terms name(real c, real p, const real *param)
#define SOFTMAX(name) INLINE in_log name##_logits(real c, real p, real q, real u, const real *param)

/* A loss of p clipped to [eps, 1 - eps]: constant, with derivatives 0, outside. */
INLINE terms where_inside(real f, real p, terms t)
{
    const real outside = absolute(f - p);
    return (terms){
        .value = t.value,
        .gradient = outside > 0 ? R(0.) : t.gradient,
        .hessian = outside > 0 ? R(0.) : t.hessian,
    };
}

/* All terms 0 where c is, and NaN where f is not finite. */
INLINE terms where_counted(real c, real f, terms t)
{
    const real zero = f - f;
    return (terms){
        .value = c == 0 ? zero : t.value + zero,
        .gradient = c == 0 ? zero : t.gradient + zero,
        .hessian = c == 0 ? zero : t.hessian + zero,
    };
}

/* Bishop, PRML (2006), 4.3.4.   -c log p */
SOFTMAX(cross_entropy) { return (void)p, (void)q, (void)param, (in_log){ .value = -coefficient_times(c, u), .slope = -c }; }
PROBABILITY(cross_entropy)
{
    const real eps = param[0], inside = non_negative(clip(p, eps, 1 - eps)), over = 1 / inside, c_over = c * over;
    const terms t = { .value = -c * vm_log(inside), .gradient = -c_over, .hessian = c_over * over };
    return where_counted(c, p, where_inside(p, inside, t));
}

/* Lin et al. (2017).   -c q^g log p;   psi = p log p / q, in [-1, 0]:
 *     A = c q^g (g psi - 1),   B q = c q^g g (2p + psi (1 - g p)). */
SOFTMAX(categorical_focal)
{
    const real gamma = param[0];
    const real ratio = p * u / q, from_0 = p == 0 ? R(0.) : ratio, psi = q == 0 ? R(-1.) : from_0;
    const real power = c * vm_exp(gamma * maximum(vm_log(q), -HUGE_LINEAR));
    return (in_log){
        .value = -coefficient_times(power, u),
        .slope = power * multiply_add(gamma, psi, R(-1.)),
        .bend = power * (gamma * multiply_add(psi, R(1.) - gamma * p, R(2.) * p)),
    };
}
PROBABILITY(categorical_focal)
{
    const real eps = param[1], inside = clip(p, eps, 1 - eps);
    return where_counted(c, p, where_inside(p, inside, focal_probability(1, inside, c, param[0], 0)));
}

/* Zhang and Sabuncu (2018).   c (1 - p^r) / r;   A = -c p^r,   B = -c r p^r */
SOFTMAX(generalized_cross_entropy)
{
    const real r = param[0], power = c * vm_exp(r * u);
    return (void)p, (in_log){ .value = -c * vm_expm1(r * u) / r, .slope = -power, .bend = -r * power * q };
}
PROBABILITY(generalized_cross_entropy)
{
    const real r = param[0], eps = param[1], inside = non_negative(clip(p, eps, 1 - eps)), u = vm_log(inside);
    const real slope = vm_power(inside, r - 1);
    const terms t = {
        .value = -c * vm_expm1(r * u) / r,
        .gradient = -c * slope,
        .hessian = coefficient_times(c * (1 - r), slope / inside),
    };
    return where_counted(c, p, where_inside(p, inside, t));
}

/* Leng et al. (2022).   c (-log p + e q);   A = -c (1 + e p),   B = -c e p. Near p = 1 and e = -1 both cancel:
 * -log p + e q = (-log(1-q) - q) + (1 + e) q   and   1 + e p = (1 + e) - e q. */
INLINE real poly1_value(real q, real u, real e)
{
    return q < R(0.5) ? multiply_add(R(1.) + e, q, -vm_log1pmx(-q)) : multiply_add(e, q, -u);
}
INLINE real poly1_slope(real p, real q, real e)
{
    return p > R(0.5) ? multiply_add(-e, q, R(1.) + e) : multiply_add(e, p, R(1.));
}
SOFTMAX(poly1_cross_entropy)
{
    const real e = param[0];
    return (in_log){
        .value = coefficient_times(c, poly1_value(q, u, e)),
        .slope = -c * poly1_slope(p, q, e),
        .bend = -c * e * p * q,
    };
}
PROBABILITY(poly1_cross_entropy)
{
    const real e = param[0], f = non_negative(p), q = 1 - p, over = 1 / f;
    const terms t = {
        .value = c * poly1_value(q, vm_log(f), e),
        .gradient = -c * poly1_slope(p, q, e) * over,
        .hessian = c * over * over,
    };
    return where_counted(c, p, t);
}

/* ---- divergences: c is the target distribution t ---- */

/* Kullback and Leibler (1951).   t (log t - log p). Where the two are close it is t (r - log(1 + r)) + (t - p) with
 * r = (p - t)/t: the first part is of second order, the second exact, and as these cancel over the row they are summed
 * apart.   A = -t. From probabilities: gradient -t/p, hessian t/p^2. */
INLINE in_log kl_terms(real t, real p, real log_t, real log_p)
{
    const real difference = t - p, ratio = -difference / t, distance = log_t - log_p;
    const real r = t == 0 ? R(0.) : ratio, far = t == 0 ? R(0.) : distance; /* 0 log 0 = 0 */
    const int near = absolute(difference) < R(0.5) * p;
    const real close = -vm_log1pmx(r);
    return (in_log){ .value = t * (near ? close : far), .difference = near ? difference : R(0.), .slope = -t };
}
SOFTMAX(kl_divergence) { return (void)q, (void)param, kl_terms(c, p, vm_log(c), u); }
SOFTMAX(kl_divergence_target) { return (void)q, (void)param, kl_terms(vm_exp(c), p, c, u); }

/* Four pairs of scales: the suffix _log says that predictions are logarithms, _target that targets are. */
typedef struct {
    real value, difference, gradient, hessian;
} kl_parts;

INLINE kl_parts kl_of_probability(real t, real log_t, real f, real eps)
{
    const real p = non_negative(maximum(f, eps)), zero = f - f, inside = f < eps ? R(0.) : R(1.);
    const in_log v = kl_terms(t, p, log_t, vm_log(p));
    const real slope = t / p, bend = slope / p;
    const real gradient = t == 0 ? R(0.) : slope, hessian = t == 0 ? R(0.) : bend;
    return (kl_parts){ v.value + zero, v.difference, zero - inside * gradient, zero + inside * hessian };
}
INLINE kl_parts kl_divergence(real c, real f, const real *param) { return kl_of_probability(c, vm_log(c), f, param[0]); }
INLINE kl_parts kl_divergence_target(real c, real f, const real *param) { return kl_of_probability(vm_exp(c), c, f, param[0]); }

INLINE kl_parts kl_of_log(real t, real log_t, real f)
{
    const in_log v = kl_terms(t, vm_exp(f), log_t, f);
    const real nan = f == f ? R(0.) : f;
    return (kl_parts){ v.value + nan, v.difference, nan - t, nan };
}
INLINE kl_parts kl_divergence_log(real c, real f, const real *param) { return (void)param, kl_of_log(c, vm_log(c), f); }
INLINE kl_parts kl_divergence_log_target(real c, real f, const real *param) { return (void)param, kl_of_log(vm_exp(c), c, f); }

/* Lin (1991).   (t log(t/m) + p log(p/m)) / 2, m = (t + p)/2;   gradient log(p/m) / 2, hessian t / (2 p (t + p)). */
INLINE real log_of_ratio(real a, real b) /* log(a/m) */
{
    const real r = (a - b) / (a + b);
    return absolute(r) <= R(0.5) ? vm_log1p(r) : vm_log(R(2.) * a / (a + b));
}
PROBABILITY(jensen_shannon)
{
    const real t = c, f = non_negative(p), zero = p - p, both = t + f;
    const real from_t = t == 0 ? R(0.) : t * log_of_ratio(t, f), log_p = log_of_ratio(f, t);
    return (void)param, (terms){
        .value = R(0.5) * (from_t + (f == 0 ? zero : f * log_p)),
        .gradient = both == 0 ? zero : R(0.5) * log_p,
        .hessian = t == 0 ? zero : R(0.5) * (t / both) / f,
    };
}
SOFTMAX(jensen_shannon)
{
    const terms t = jensen_shannon(c, p, param);
    const real slope = p == 0 ? R(0.) : p * t.gradient;
    const real square = c == 0 ? R(0.) : R(0.5) * p * (c / (c + p)); /* hessian p^2 */
    return (void)u, (in_log){ .value = t.value, .slope = slope, .bend = (square + slope) * q };
}

#endif
