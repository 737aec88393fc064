/* Regression losses.   r = f - y throughout.
 *
 * Design. Here are the convex losses and those of relative errors; robust.h holds the bounded and redescending ones.
 * Formulas are arranged so that f = +-inf gives the limit without a special case: the growing factor is either bounded or
 * meets a factor that stays positive. */
#ifndef FASTLOSS_REGRESSION_H
#define FASTLOSS_REGRESSION_H

#include "../terms.h"
#include "../vmath.h"

/* The curvature 1/|r| of the MM majorizer of |r| (Hunter and Lange 2004), capped at 2^10: a tie gets a finite weight. */
INLINE real capped_inverse(real r) { return 1 / maximum(absolute(r), R(1.) / R(1024.)); }

/* r - clip(r, -width, width), the soft threshold: the part of the residual that sticks out of the tolerance band. */
INLINE real outside_band(real r, real width) { return r - clip(r, -width, width); }

/* Gauss (1809).   value r^2, gradient 2r, hessian 2 */
LOSS(mean_squared_error)
{
    (void)param;
    const real r = f - y;
    return (terms){ .value = r * r, .gradient = 2 * r, .hessian = 2, .majorizer = 2, .fisher = 2 };
}

/* Gauss (1809).   value r^2/2, gradient r, hessian 1 */
LOSS(half_squared_error)
{
    (void)param;
    const real r = f - y;
    return (terms){ .value = R(0.5) * r * r, .gradient = r, .hessian = 1, .majorizer = 1, .fisher = 1 };
}

/* Laplace (1774).   value |r|, gradient sgn r; fisher of the Laplace distribution of scale 1 */
LOSS(mean_absolute_error)
{
    (void)param;
    const real r = f - y;
    return (terms){
        .value = absolute(r),
        .gradient = sign(r),
        .hessian = 0,
        .majorizer = capped_inverse(r),
        .fisher = 1,
    };
}

/* Huber (1964): quadratic for |r| <= delta, linear beyond.   c = clip(r, -delta, delta)
 * value c (r - c/2), gradient c, hessian 1 inside and 0 outside. Clipping avoids the branch. */
LOSS(huber)
{
    const real delta = param[0], r = f - y, c = clip(r, -delta, delta);
    return (terms){
        .value = c * (r - R(0.5) * c),
        .gradient = c,
        .hessian = absolute(r) <= delta ? R(1.) : R(0.),
        .majorizer = delta / maximum(absolute(r), delta),
    };
}

/* Girshick (2015): Huber(beta) / beta.   c = clip(r, -beta, beta)
 * value (c/beta)(r - c/2), gradient c/beta, hessian 1/beta inside and 0 outside */
LOSS(smooth_l1)
{
    const real beta = param[0], r = f - y, c = clip(r, -beta, beta), slope = c / beta;
    return (terms){
        .value = slope * (r - R(0.5) * c),
        .gradient = slope,
        .hessian = absolute(r) <= beta ? 1 / beta : R(0.),
        .majorizer = 1 / maximum(absolute(r), beta),
    };
}

/* Charbonnier et al. (1997).   x = r/delta, s = sqrt(1 + x^2): value delta^2 (s - 1), gradient delta x/s, hessian s^-3
 * s - 1 = x^2/(1 + s) does not cancel. The bound, whose square is finite, acts where x/s = 1 already. */
LOSS(pseudo_huber)
{
    const real bound = BY_TYPE(1e153, 1e19);
    const real delta = param[0], r = f - y, x = clip(r * (1 / delta), -bound, bound);
    const real s = square_root(1 + x * x), inverse = 1 / s;
    return (terms){
        .value = delta * absolute(r) * (absolute(x) / (1 + s)),
        .gradient = delta * (x * inverse),
        .hessian = inverse * inverse * inverse,
        .majorizer = inverse,
    };
}

/* Green (1990).   value log cosh r, gradient tanh r, hessian sech^2 r; majorizer tanh(r)/r
 * With u = expm1|r|: cosh r - 1 = u^2/(2(1 + u)) and tanh|r| = w/(w + 2), w = u(u + 2) = expm1(2|r|), all without
 * cancellation. At a = 20 both have reached their asymptotes; sech^2 fades further and is taken from exp(-2|r|). */
STAGE(log_cosh) { return (void)param, vm_expm1(minimum(absolute(f - y), R(20.))); }
LOSS_STAGED(log_cosh)
{
    (void)param;
    const real r = f - y, a = minimum(absolute(r), R(20.)), u = stage, w = u * (u + 2);
    const real slope = w / (w + 2), e = vm_exp(-2 * absolute(r)), q = 1 / (1 + e);
    return (terms){
        .value = vm_log1p(R(0.5) * u * (u / (1 + u))) + (absolute(r) - a),
        .gradient = r < 0 ? -slope : slope,
        .hessian = 4 * e * q * q,
        .majorizer = maximum(slope, REAL_TINY) / maximum(absolute(r), REAL_TINY),
        .fisher = R(0.5),
    };
}

/* Koenker and Bassett (1978).   value max((1-q) r, -q r), gradient 1-q above and -q below the target
 * fisher q(1-q) of the asymmetric Laplace distribution */
LOSS(quantile)
{
    const real q = param[0], r = f - y;
    return (terms){
        .value = maximum((1 - q) * r, -q * r),
        .gradient = r > 0   ? 1 - q
                    : r < 0 ? -q
                            : r,
        .hessian = 0,
        .majorizer = R(0.5) * capped_inverse(r),
        .fisher = q * (1 - q),
    };
}

/* Newey and Powell (1987).   w = 1-tau above and tau below the target: value w r^2, gradient 2 w r, hessian 2 w */
LOSS(expectile)
{
    const real tau = param[0], r = f - y, w = r > 0 ? 1 - tau : tau;
    return (terms){
        .value = w * r * r,
        .gradient = 2 * w * r,
        .hessian = 2 * w,
        .majorizer = 2 * maximum(tau, 1 - tau),
    };
}

/* Vapnik (1995).   u = r outside of the band of half width epsilon: value |u|, gradient sgn u
 * The majorizer is that of |r - epsilon|/2 + |r + epsilon|/2, the same function up to a constant. */
LOSS(epsilon_insensitive)
{
    const real epsilon = param[0], r = f - y, u = outside_band(r, epsilon);
    return (terms){
        .value = absolute(u),
        .gradient = sign(u),
        .hessian = 0,
        .majorizer = R(0.5) * (capped_inverse(r - epsilon) + capped_inverse(r + epsilon)),
    };
}

/* Fan et al. (2008), LIBLINEAR.   value u^2, gradient 2u, hessian 2 outside of the band and 0 inside */
LOSS(squared_epsilon_insensitive)
{
    const real u = outside_band(f - y, param[0]);
    return (terms){ .value = u * u, .gradient = 2 * u, .hessian = u != 0 ? R(2.) : R(0.), .majorizer = 2 };
}

/* Varian (1975).   t = a r: value e^t - t - 1, gradient a (e^t - 1), hessian a^2 e^t
 * The bound, past the overflow of e^t, keeps inf - inf out of the value. */
LOSS(linex)
{
    const real a = param[0], t = a * (f - y);
    return (terms){
        .value = vm_expm1mx(minimum(t, BY_TYPE(1e3, 1e2))),
        .gradient = a * vm_expm1(t),
        .hessian = a * a * vm_exp(t),
    };
}

/* Zheng (2011); Fernandes, Guerre and Horta (2021).   x = r/s: value s((1-q) softplus(x) + q softplus(-x)), which is
 * s softplus(x) - q r without cancellation; gradient (1-q) sigma(x) - q sigma(-x), hessian sigma(x) sigma(-x)/s.
 * majorizer tanh(a/2)/(2 a s), a = |x|, with tanh(a/2) = -expm1(-a) sigma(a). The bound of a gives its limit 1/(4s). */
STAGE(smooth_quantile) { return vm_decay((f - y) * (1 / param[1])); }
LOSS_STAGED(smooth_quantile)
{
    const real q = param[0], s = param[1], inverse = 1 / s, x = (f - y) * inverse, a = maximum(absolute(x), REAL_TINY);
    const logistic at = vm_logistic_from(x, stage);
    return (terms){
        .value = s * ((1 - q) * at.softplus + q * at.softplus_neg),
        .gradient = (1 - q) * at.p - q * at.q,
        .hessian = at.p * at.q * inverse,
        .majorizer = -vm_expm1(-a) / a * maximum(at.p, at.q) * (R(0.5) * inverse),
    };
}

/* Tofallis (2015).   d = log1p(f) - log1p(y): value d^2, gradient 2d/(1+f), hessian 2(1-d)/(1+f)^2
 * |d| = log1p(|r| / (1 + min(f, y))): a positive argument passes its rounding error on undiminished at most.
 * Only the positive side is bounded: there 1/(1+f) fades to 0, at f = -1 both factors are infinite. */
LOSS(mean_squared_logarithmic_error)
{
    (void)param;
    const real r = f - y, distance = vm_log1p(absolute(r) / (1 + minimum(f, y)));
    const real d = r < 0 ? -distance : minimum(distance, HUGE_LINEAR), slope = 1 / (1 + f), square = 2 * (slope * slope);
    return (terms){
        .value = distance * distance,
        .gradient = 2 * d * slope,
        .hessian = (1 - d) * square,
        .majorizer = (1 + maximum(-d, 0)) * square,
        .fisher = square,
    };
}

/* Gneiting (2011).   s = max(|y|, eps): value |r|/s, gradient sgn(r)/s. 1/s would overflow for the smallest s. */
LOSS(mean_absolute_percentage_error)
{
    const real s = maximum(absolute(y), param[0]), r = f - y;
    return (terms){
        .value = absolute(r) / s,
        .gradient = sign(r) / s,
        .hessian = 0,
        .majorizer = capped_inverse(r) / s,
    };
}

/* Makridakis (1993).   s = |y| + |f|: value 2|r|/s; where f lies on the side of y, gradient 4|y| sgn(r)/s^2 and
 * hessian -8 y sgn(r)/s^3, elsewhere the value is constant. f = 0 belongs to the side of y, so that training can leave it;
 * powers of s would overflow, and s = 0 means y = f = 0, where all is 0. */
LOSS(symmetric_mean_absolute_percentage_error)
{
    (void)param;
    const real bounded = clip(f, -HUGE_LINEAR, HUGE_LINEAR), r = bounded - y, sum = absolute(y) + absolute(bounded);
    const real s = sum == 0 ? R(1.) : sum, opposite = y < 0 ? -f : f;
    const real gradient = opposite < 0 ? R(0.) : 4 * absolute(y) * sign(r) / s / s;
    const real hessian = (y < 0 ? R(2.) : R(-2.)) * gradient / s;
    return (terms){
        .value = 2 * absolute(r) / s,
        .gradient = gradient,
        .hessian = hessian,
        .majorizer = sum == 0 ? R(0.) : maximum(hessian, 2 * capped_inverse(r) / s),
    };
}

#include "robust.h"

#define REGRESSION_LOSSES(ROW)                                  \
    ROW(mean_squared_error, 0, BOTH)                            \
    ROW(half_squared_error, 0, BOTH)                            \
    ROW(mean_absolute_error, 0, BOTH)                           \
    ROW(huber, 1, MAJORIZER)                                    \
    ROW(smooth_l1, 1, MAJORIZER)                                \
    ROW(pseudo_huber, 1, MAJORIZER)                             \
    ROW(log_cosh, 0, BOTH, STAGED)                              \
    ROW(quantile, 1, BOTH)                                      \
    ROW(expectile, 1, MAJORIZER)                                \
    ROW(epsilon_insensitive, 1, MAJORIZER)                      \
    ROW(squared_epsilon_insensitive, 1, MAJORIZER)              \
    ROW(linex, 1, EXACT)                                        \
    ROW(smooth_quantile, 2, MAJORIZER, STAGED)                  \
    ROW(mean_squared_logarithmic_error, 0, BOTH)                \
    ROW(mean_absolute_percentage_error, 1, MAJORIZER)           \
    ROW(symmetric_mean_absolute_percentage_error, 0, MAJORIZER) \
    ROBUST_LOSSES(ROW)

#endif
