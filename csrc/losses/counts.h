/* Counts and positive targets.   f is the rate; with the suffix _log it is the log-rate.
 *
 * Design. All are members of one family, gradient = (f - y) / variance(f), hence one helper for (f - y)/f and its limits.
 * Constant terms in y are dropped. An exponential is used at its own exponent, never as a quotient of two others: the
 * error of e^(k log f) grows with |k log f|, and the accuracy that we promise only with the exponent of the term itself. */
#ifndef FASTLOSS_COUNTS_H
#define FASTLOSS_COUNTS_H

#include "../terms.h"
#include "../vmath.h"
#include "binary.h" /* in log f the negative binomial is a logistic loss */

#define LARGEST BY_TYPE(1.7976931348623157e308, 3.40282347e38)

/* Beyond any logarithm and any finite exponential: a bound for the weaker of two infinite terms. */
#define LOG_BOUND R(1000.)

/* (f - y) / f, which is 1 at f = inf and at f = y = 0, and NaN at f = -inf. */
INLINE real relative_residual(real y, real f)
{
    const real finite = minimum(f, LARGEST);
    return f + y == 0 ? R(1.) : (finite - y) / finite;
}

/* y / f, 0 for y = 0 also at f = 0; y / f^2 likewise. */
INLINE real relative_target(real y, real f) { return y == 0 ? R(0.) : y / f; }
INLINE real target_curvature(real y, real f) { return relative_target(y, f) / (f + (y == 0 ? REAL_TINY : R(0.))); }

/* y log f with 0 log 0 = 0; bounded at f = inf, where f itself prevails. */
INLINE real target_times_log(real y, real f) { return coefficient_times(y, minimum(vm_log(f), LOG_BOUND)); }

/* Stirling's approximation of log Gamma(y + 1), used for y > 1 only (as torch does). */
INLINE real stirling(real y)
{
    const real log_y = vm_log(y);
    return y > 1 ? y * log_y - y + (R(0.5) * log_y + R(0.91893853320467274178)) : R(0.);
}

/* McCullagh and Nelder (1989), chapter 6.   value f - y log f, gradient (f - y)/f, hessian y/f^2, fisher 1/f;
 * majorizer max(y, f)/f^2. */
LOSS(poisson)
{
    (void)param;
    f = non_negative(f);
    const real t = relative_target(y, f);
    return (terms){
        .value = f - target_times_log(y, f),
        .gradient = relative_residual(y, f),
        .hessian = target_curvature(y, f),
        .majorizer = (y > f ? t : R(1.)) / f,
        .fisher = 1 / f,
    };
}

/* value e^f - y f, gradient e^f - y, hessian = fisher = e^f. */
LOSS(poisson_log)
{
    (void)param;
    const real rate = vm_exp(f);
    return (terms){
        .value = rate - coefficient_times(y, minimum(f, LOG_BOUND)),
        .gradient = rate - y,
        .hessian = rate,
        .fisher = rate,
    };
}

/* The complete likelihood, with log y! or its approximation: only the value changes. */
INLINE terms plus_constant(terms t, real constant)
{
    t.value += constant;
    return t;
}
LOSS(poisson_full) { return plus_constant(poisson(y, f, param), vm_lgamma1p(y)); }
LOSS(poisson_full_log) { return plus_constant(poisson_log(y, f, param), vm_lgamma1p(y)); }
LOSS(poisson_stirling) { return plus_constant(poisson(y, f, param), stirling(y)); }
LOSS(poisson_stirling_log) { return plus_constant(poisson_log(y, f, param), stirling(y)); }

/* McCullagh and Nelder (1989), chapter 8.   t = y/f: value log f + t, gradient (f - y)/f^2, hessian (2t - 1)/f^2,
 * fisher 1/f^2, majorizer max(2t - 1, 1)/f^2. At f = 0 the pole of t prevails over the logarithm.
 * (gamma alone is a function of the C library.) */
LOSS(gamma_nll)
{
    (void)param;
    f = non_negative(f);
    const real over_f = 1 / f, t = y / f;
    return (terms){
        .value = maximum(vm_log(f), -LOG_BOUND) + t,
        .gradient = relative_residual(y, f) * over_f,
        .hessian = (2 * t - 1) * over_f * over_f,
        .majorizer = maximum(2 * t - 1, 1) * over_f * over_f,
        .fisher = over_f * over_f,
    };
}

/* t = y e^-f: value f + t, gradient 1 - t, hessian t, fisher 1. */
LOSS(gamma_nll_log)
{
    (void)param;
    const real t = y * vm_exp(-f);
    return (terms){ .value = maximum(f, -LOG_BOUND) + t, .gradient = 1 - t, .hessian = t, .fisher = 1 };
}

/* Jorgensen (1987), power 0: half the squared error of the mean, f or e^f. */
LOSS(tweedie_normal)
{
    (void)param;
    const real r = f - y;
    return (terms){ .value = R(0.5) * r * r, .gradient = r, .hessian = 1, .majorizer = 1, .fisher = 1 };
}
LOSS(tweedie_normal_log)
{
    (void)param;
    const real mean = vm_exp(f), r = mean - y, hessian = (mean + r) * mean, fisher = mean * mean;
    return (terms){
        .value = R(0.5) * r * r,
        .gradient = r * mean,
        .hessian = hessian,
        .majorizer = maximum(hessian, fisher),
        .fisher = fisher,
    };
}

/* Jorgensen (1987), powers p > 1 other than 2 (1 and 2 are poisson and gamma_nll).
 * value y f^(1-p)/(p-1) + f^(2-p)/(2-p), gradient (f - y) f^-p, hessian (p y/f + 1 - p) f^-p, fisher f^-p;
 * majorizer max(hessian, fisher). For p > 2 both terms of the value have a pole at 0; the first prevails. */
LOSS(tweedie)
{
    f = non_negative(f);
    const real p = param[0], log_f = vm_log(f);
    const real f1 = vm_exp((1 - p) * log_f), f2 = vm_exp((2 - p) * log_f), over = f1 / f;
    const real shape = p * relative_target(y, f) + (1 - p);
    return (terms){
        .value = coefficient_times(y, f1) / (p - 1) + maximum(f2 / (2 - p), -LARGEST),
        .gradient = relative_residual(y, f) * f1,
        .hessian = shape * over,
        .majorizer = maximum(shape, 1) * over,
        .fisher = over,
    };
}

/* a = y e^((1-p) f), b = e^((2-p) f): value a/(p-1) + b/(2-p), gradient b - a, hessian (p-1) a + (2-p) b, fisher b.
 * For p > 2 both grow as f -> -inf; a, the faster one, prevails. The majorizer is needed for p > 2 only. */
LOSS(tweedie_log)
{
    const real p = param[0];
    const real a = coefficient_times(y, vm_exp((1 - p) * f)), b = vm_exp((2 - p) * f);
    const real hessian = (p - 1) * a + maximum((2 - p) * b, -LARGEST);
    return (terms){
        .value = a / (p - 1) + maximum(b / (2 - p), -LARGEST),
        .gradient = a > LARGEST ? -a : b - a,
        .hessian = hessian,
        .majorizer = maximum(hessian, b),
        .fisher = b,
    };
}

/* Lawless (1987), NB2: variance f + alpha f^2.   c = 1 + alpha f: value (y + 1/alpha) log c - y log f,
 * gradient (f - y)/(f c), hessian y/f^2 - alpha (1 + alpha y)/c^2, fisher 1/(f c), majorizer max(hessian, fisher). */
LOSS(negative_binomial)
{
    f = non_negative(f);
    const real alpha = param[0], over_c = 1 / (1 + alpha * f);
    const real hessian = target_curvature(y, f) - alpha * (1 + alpha * y) * over_c * over_c, fisher = over_c / f;
    return (terms){
        .value = (y + 1 / alpha) * vm_log1p(alpha * f) - target_times_log(y, f),
        .gradient = relative_residual(y, f) * over_c,
        .hessian = hessian,
        .majorizer = maximum(hessian, fisher),
        .fisher = fisher,
    };
}

/* A logistic loss in t = f + log alpha: value y (softplus(-t) + log alpha) + softplus(t)/alpha,
 * gradient sigma(t)/alpha - y sigma(-t), hessian (y + 1/alpha) sigma(t) sigma(-t), fisher sigma(t)/alpha. */
STAGE(negative_binomial_log) { return (void)y, vm_decay(f + param[1]); }
LOSS_STAGED(negative_binomial_log)
{
    const real shape = 1 / param[0], log_alpha = param[1], z = f + log_alpha;
    const logistic t = vm_logistic_from(z, stage);
    return (terms){
        .value = coefficient_times(y, t.softplus_neg) + shape * t.softplus + y * log_alpha,
        .gradient = shape * t.p - y * t.q,
        .hessian = (y + shape) * (t.p * t.q),
        .majorizer = (y + shape) * logistic_bound(z, t),
        .fisher = shape * t.p,
    };
}

/* tweedie*: power. negative_binomial: dispersion; negative_binomial_log: dispersion and its logarithm. */
#define COUNTS_LOSSES(ROW)               \
    ROW(poisson, 0, BOTH)                \
    ROW(poisson_log, 0, FISHER)          \
    ROW(poisson_full, 0, BOTH)           \
    ROW(poisson_full_log, 0, FISHER)     \
    ROW(poisson_stirling, 0, BOTH)       \
    ROW(poisson_stirling_log, 0, FISHER) \
    ROW(gamma_nll, 0, BOTH)              \
    ROW(gamma_nll_log, 0, FISHER)        \
    ROW(tweedie_normal, 0, BOTH)         \
    ROW(tweedie_normal_log, 0, BOTH)     \
    ROW(tweedie, 1, BOTH)                \
    ROW(tweedie_log, 1, BOTH)            \
    ROW(negative_binomial, 1, BOTH)      \
    ROW(negative_binomial_log, 2, BOTH, STAGED)

#endif
