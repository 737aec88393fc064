/* Distributions: location m and second parameter s per sample.   r = m - y, i the reciprocal scale (1/s or e^-s),
 * z the standardised residual. A formula named _log reads s as the logarithm of the other one's second parameter. */
#ifndef FASTLOSS_DISTRIBUTIONS_H
#define FASTLOSS_DISTRIBUTIONS_H

#include "../terms.h"
#include "../vmath.h"
#include "negative_binomial_nll.h"

/* Nix and Weigend (1994), variance v = max(s, floor): (log v + r^2/v) / 2 + constant.
 * With i = 1/v and z^2 = r^2 i:   dl/dv = i (1 - z^2) / 2,   d2l/dv2 = i^2 (2 z^2 - 1) / 2.
 * Below the floor v does not depend on s, so that the derivatives with respect to s are 0. */
LOSS2(gaussian_nll)
{
    s = non_negative(s);
    const real floor = param[0], constant = param[1];
    const real v = maximum(s, floor), i = 1 / v, r = m - y, z2 = r * i * r;
    const real g2 = R(0.5) * i * (1 - z2), h2 = R(0.5) * i * (i * (2 * z2 - 1)), fisher2 = R(0.5) * i * i;
    return (terms2){
        .value = R(0.5) * (vm_log(v) + z2) + constant,
        .gradient = { r * i, s < floor ? R(0.) : g2 },
        .hessian = { i, s < floor ? R(0.) : h2 },
        .fisher = { i, s < floor ? R(0.) : fisher2 },
    };
}

/* The same in s = log v: (s + z^2) / 2, whose derivatives in s are (1 - z^2) / 2 and z^2 / 2. */
LOSS2(gaussian_nll_log)
{
    const real constant = param[0], i = vm_exp(-s), r = m - y, z2 = r * i * r;
    return (terms2){
        .value = R(0.5) * (s + z2) + constant,
        .gradient = { r * i, R(0.5) * (1 - z2) },
        .hessian = { i, R(0.5) * z2 },
        .fisher = { i, R(0.5) },
    };
}

/* Kotz, Kozubowski and Podgorski (2001), scale s: log s + z, z = |r|/s.   The kink at r = 0 has slope 0. */
LOSS2(laplace_nll)
{
    s = non_negative(s);
    const real constant = param[0], i = 1 / s, r = m - y, z = absolute(r) * i;
    return (terms2){
        .value = vm_log(s) + z + constant,
        .gradient = { sign(r) * i, i * (1 - z) },
        .hessian = { 0, i * (i * (2 * z - 1)) },
        .fisher = { i * i, i * i },
    };
}

LOSS2(laplace_nll_log)
{
    const real constant = param[0], i = vm_exp(-s), r = m - y, z = absolute(r) * i;
    return (terms2){
        .value = s + z + constant,
        .gradient = { sign(r) * i, 1 - z },
        .hessian = { 0, z },
        .fisher = { i * i, 1 },
    };
}

/* Lange, Little and Taylor (1989), scale b: log b + (nu + 1)/2 log(1 + r^2/P) with P = nu b^2. With Q = 1/(P + r^2)
 *   dl/dm = (nu + 1) r Q,   d2l/dm2 = (nu + 1) (P - r^2) Q^2,
 *   dl/dlog b = G = (P - nu r^2) Q,   dG/dlog b = H = 2 (nu + 1) P r^2 Q^2.
 * T = min(P, r^2) Q <= 1/2 gives (P - r^2) Q = +-(1 - 2T) and P r^2 Q^2 = T (1 - T), where the roundings of Q count
 * once instead of twice. The bounds keep factors from being inf * 0. */
typedef struct {
    real k, gradient, hessian, G, H;
} student_t;

INLINE student_t student_t_at(real r, real b2, real nu)
{
    const real P = clip(nu * b2, REAL_TINY, HUGE_LINEAR), r2 = minimum(r * r, HUGE_LINEAR), Q = 1 / (P + r2);
    const real T = minimum(r2, P) * Q, balance = 1 - 2 * T;
    return (student_t){
        .k = R(0.5) * (nu + 1) * vm_log1p(r * r / P),
        .gradient = (nu + 1) * r * Q,
        .hessian = (nu + 1) * Q * (r2 > P ? -balance : balance),
        .G = (P - nu * r2) * Q,
        .H = 2 * (nu + 1) * (T * (1 - T)),
    };
}

/* Scale s = b: the chain rule gives G/b and (H - G)/b^2. */
LOSS2(student_t_nll)
{
    s = non_negative(s);
    const real nu = param[0], constant = param[1], information = 1 / (nu + 3), i = 1 / s;
    const student_t t = student_t_at(m - y, s * s, nu);
    return (terms2){
        .value = vm_log(s) + t.k + constant,
        .gradient = { t.gradient, t.G * i },
        .hessian = { t.hessian, (t.H - t.G) * i * i },
        .fisher = { (nu + 1) * information * i * i, 2 * nu * information * i * i },
    };
}

/* s = log b: one exponential, b^2. */
LOSS2(student_t_nll_log)
{
    const real nu = param[0], constant = param[1], information = 1 / (nu + 3), b2 = vm_exp(2 * s);
    const student_t t = student_t_at(m - y, b2, nu);
    return (terms2){
        .value = s + t.k + constant,
        .gradient = { t.gradient, t.G },
        .hessian = { t.hessian, t.H },
        .fisher = { (nu + 1) * information / b2, 2 * nu * information },
    };
}

/* Gneiting et al. (2005), deviation d and i = 1/d:   z = r i, phi the normal density at z, c = 1/sqrt(pi),
 *   E = erf(z/sqrt 2),   A = 2 phi - c,   B = 2 z^2 phi,   value d (z E + A). */
typedef struct {
    real value, E, density, A, B; /* density = 2 phi */
} gaussian_crps_parts;

#define CRPS_C R(0.5641895835477562869) /* 1/sqrt(pi) */

INLINE gaussian_crps_parts gaussian_crps_at(real r, real d, real i)
{
    const real z = r * i, w = minimum(z * z, HUGE_LINEAR);
    const real E = vm_erf(z * R(0.7071067811865475244)), density = vm_exp(R(-0.5) * w) * R(0.7978845608028653559);
    const real A = density - CRPS_C;
    return (gaussian_crps_parts){ .value = d * (z * E + A), .E = E, .density = density, .A = A, .B = w * density };
}

/* Variance s = d^2:   dl/ds = A/(2d),   d2l/ds2 = (B - A)/(4 d^3). */
LOSS2(gaussian_crps)
{
    s = non_negative(s);
    (void)param;
    const real d = square_root(s), i = 1 / d;
    const gaussian_crps_parts t = gaussian_crps_at(m - y, d, i);
    return (terms2){
        .value = t.value,
        .gradient = { t.E, R(0.5) * t.A * i },
        .hessian = { t.density * i, R(0.25) * (t.B - t.A) * i * i * i },
        .fisher = { CRPS_C * i, R(0.125) * CRPS_C * i * i * i },
    };
}

/* d = e^(s/2):   dl/ds = d A/2,   d2l/ds2 = d (A + B)/4. */
LOSS2(gaussian_crps_log)
{
    (void)param;
    const real d = vm_exp(R(0.5) * s), i = 1 / d;
    const gaussian_crps_parts t = gaussian_crps_at(m - y, d, i);
    return (terms2){
        .value = t.value,
        .gradient = { t.E, R(0.5) * d * t.A },
        .hessian = { t.density * i, R(0.25) * d * (t.A + t.B) },
        .fisher = { CRPS_C * i, R(0.125) * CRPS_C * d },
    };
}

#define DISTRIBUTIONS_LOSSES(ROW2)                 \
    ROW2(gaussian_nll, 2, FISHER)                  \
    ROW2(gaussian_nll_log, 1, FISHER)              \
    ROW2(laplace_nll, 1, FISHER)                   \
    ROW2(laplace_nll_log, 1, FISHER)               \
    ROW2(student_t_nll, 2, FISHER)                 \
    ROW2(student_t_nll_log, 2, FISHER)             \
    ROW2(gaussian_crps, 0, FISHER)                 \
    ROW2(gaussian_crps_log, 0, FISHER)             \
    ROW2(negative_binomial_nll, 0, MAJORIZER)      \
    ROW2(negative_binomial_nll_log, 0, MAJORIZER)  \
    ROW2(negative_binomial_nll_full, 0, MAJORIZER) \
    ROW2(negative_binomial_nll_full_log, 0, MAJORIZER)

#endif
