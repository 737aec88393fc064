/* Binary classification.   y is 1 for the positive class, 0 or -1 for the other (cross-entropy: any y in [0, 1]).
 *
 * Design. A formula with the suffix _logits takes the logit z, the plain one the probability p; margin losses take the
 * decision value. All of a logistic loss comes from one e^-|z| (vm_logistic), so nothing is clipped there. */
#ifndef FASTLOSS_BINARY_H
#define FASTLOSS_BINARY_H

#include "../terms.h"
#include "../vmath.h"

/* A term with coefficient 0 contributes 0, also where its other factor is infinite: 0 log 0 = 0. */
INLINE real coefficient_times(real coefficient, real x) { return coefficient == 0 ? R(0.) : coefficient * x; }

INLINE real label_sign(real y) { return y > 0 ? R(1.) : R(-1.); }

/* tanh(z/2) / (2z): Jaakkola and Jordan (2000), the least quadratic that lies above log(1 + e^z) everywhere.
 * sigma(z) - sigma(-z) = tanh(z/2) cancels near 0, where two terms of the series are enough for a curvature. */
INLINE real logistic_bound(real z, logistic t)
{
    const real z2 = z * z, series = R(0.25) - z2 * ((R(1.) / R(48.)) - z2 * (R(1.) / R(480.)));
    return absolute(z) < BY_TYPE(0.02, 0.25) ? series : R(0.5) * (t.p - t.q) / z;
}

/* The two coefficients of the cross-entropy: smoothing first, then the weight of the positive class. */
INLINE real positive_part(real y, real smoothing, real pos_weight)
{
    return pos_weight * (y * (1 - smoothing) + R(0.5) * smoothing);
}
INLINE real negative_part(real one_minus_y, real smoothing) { return one_minus_y * (1 - smoothing) + R(0.5) * smoothing; }

/* Good (1952), on logits.   value a softplus(-z) + b softplus(z), gradient b sigma(z) - a sigma(-z),
 * hessian (a + b) sigma(z) sigma(-z); fisher: the same with y = sigma(z). */
STAGE(binary_cross_entropy_logits) { return (void)y, (void)param, vm_decay(f); }
LOSS_STAGED(binary_cross_entropy_logits)
{
    const real smoothing = param[0], pos_weight = param[1];
    const real a = positive_part(y, smoothing, pos_weight), b = negative_part(1 - y, smoothing);
    const logistic t = vm_logistic_from(f, stage);
    const real pq = t.p * t.q;
    return (terms){
        .value = coefficient_times(a, t.softplus_neg) + coefficient_times(b, t.softplus),
        .gradient = b * t.p - a * t.q,
        .hessian = (a + b) * pq,
        .majorizer = (a + b) * logistic_bound(f, t),
        .fisher = (positive_part(t.p, smoothing, pos_weight) + negative_part(t.q, smoothing)) * pq,
    };
}

/* Good (1952), on probabilities.   value -a log p - b log(1-p), gradient b/(1-p) - a/p, hessian a/p^2 + b/(1-p)^2.
 * p is f clipped to [eps, 1 - eps]; the clipped function is constant outside. f - f makes p = NaN at f = +-inf. */
LOSS(binary_cross_entropy)
{
    const real smoothing = param[0], pos_weight = param[1], eps = param[2];
    const real a = positive_part(y, smoothing, pos_weight), b = negative_part(1 - y, smoothing);
    const real p = non_negative(clip(f, eps, 1 - eps) + (f - f)), q = 1 - p, over_p = 1 / p, over_q = 1 / q;
    const real ap = coefficient_times(a, over_p), bq = coefficient_times(b, over_q);
    const real hessian = coefficient_times(ap, over_p) + coefficient_times(bq, over_q);
    const real half = R(0.5) * smoothing, slope = 1 - smoothing;
    const real fisher =
        pos_weight * (slope + coefficient_times(half, over_p)) * over_p + (slope + coefficient_times(half, over_q)) * over_q;
    const real outside = absolute(f - p);
    return (terms){
        .value = -coefficient_times(a, vm_log(p)) - coefficient_times(b, vm_log1p(-p)),
        .gradient = outside > 0 ? R(0.) : bq - ap,
        .hessian = outside > 0 ? R(0.) : hessian,
        .fisher = outside > 0 ? R(0.) : fisher,
    };
}

/* Focal losses on logits, in terms of the true class: u = s z, P = sigma(u), Q = sigma(-u), c = max(Q - m, 0),
 *     l = c^gamma L,   L = -log(1 - c),   1 - c = P + m.
 * With A = P Q / c and B = P Q / (1 - c) (P and Q for m = 0) no power of c is negative:
 *     -dl/du = c^gamma K,   K = gamma A L + B,
 *     hessian c^gamma (2 gamma A B + gamma A L (gamma A - Q - P m/c) + B (P - Q m/(1-c))),
 *     majorizer c^gamma max(gamma (gamma-1) A^2 L + 2 gamma A B + B^2 + K max(0, P - Q), K):
 * the hessian without its negative part, and never below |gradient|. For m = 0 c^gamma is e^(-gamma softplus(u)).
 * Where the power is 0, c is 1/2, so that the other factors are finite.
 * With m the constant 0 the compiler leaves no trace of the clipping. */
INLINE terms focal_logits(real s, real z, real decay, real weight, real gamma, real m)
{
    const real u = s * z;
    const logistic t = vm_logistic_from(u, decay);
    const real P = t.p, Q = t.q;
    const real c = Q <= m ? R(0.5) : Q - m;
    const real L = m > 0 ? -vm_log1p(-c) : t.softplus_neg, bounded_L = minimum(L, HUGE_LINEAR);
    const real log_c = m > 0 ? vm_log(c) : -t.softplus;
    const real power = Q <= m ? R(0.) : weight * vm_exp(gamma * log_c);
    const real over_c = 1 / c, over_rest = 1 / (P + m);
    const real A = m > 0 ? P * (Q * over_c) : P, below = m > 0 ? Q + P * (m * over_c) : Q;
    const real B = m > 0 ? Q * (P * over_rest) : Q, above = m > 0 ? P - Q * (m * over_rest) : P;
    const real AL = gamma * (A * bounded_L), AB = 2 * gamma * (A * B), K = AL + B;
    return (terms){
        .value = power * L,
        .gradient = -s * (power * K),
        .hessian = power * (AB + AL * (gamma * A - below) + B * above),
        .majorizer = power * maximum((gamma - 1) * (A * AL) + AB + B * B + K * maximum(P - Q, 0), K),
    };
}

/* The same losses on probabilities: t = max(p - m, 0), c = 1 - t (y = 1) or t (y = 0), and with M = L/c (1 at c = 0)
 *     l = c^gamma L,   dl/dc = c^gamma (gamma M + 1/(1-c)),
 *     d2l/dc2 = gamma c^(gamma-1) ((gamma-1) M + 2/(1-c)) + c^gamma / (1-c)^2.
 * One power serves all: c^gamma for gamma < 1, c^(gamma-1) from there, so that neither grows nor underflows before its use;
 * as c <= 1, a maximum with `from_one` chooses (gcc does not vectorise a select on a parameter).
 * f - f makes p = NaN at f = +-inf. All is 0 for p <= m if m > 0; m = 0 for y = 1. */
INLINE terms focal_probability(real y, real f, real weight, real gamma, real m)
{
    const real p = non_negative(f + (f - f)), t = maximum(p - m, 0);
    const real c = y > 0 ? 1 - p : t, rest = y > 0 ? p : (1 - p) + m;
    const real log_t = vm_log(t), log_rest = vm_log1p(-t);
    const real L = y > 0 ? -log_t : -log_rest, log_c = maximum(y > 0 ? log_rest : log_t, -HUGE_LINEAR);
    const real from_one = gamma < 1 ? R(0.) : R(1.), pole = gamma > 0 ? REAL_INFINITY : R(0.);
    const real power = vm_exp((gamma - from_one) * log_c);
    const real c_gamma = power * maximum(c, 1 - from_one);
    const real gamma_c_gamma1 = c + from_one == 0 ? pole : gamma * power / maximum(c, from_one);
    const real M = c == 0 ? R(1.) : minimum(L, HUGE_LINEAR) / c, over = 1 / rest;
    const real bend = gamma_c_gamma1 * ((gamma - 1) * M + 2 * minimum(over, HUGE_LINEAR));
    const real free_of_cost = m > 0 ? m : R(-1.);
    return (terms){
        .value = weight * (c_gamma * L),
        .gradient = p <= free_of_cost ? R(0.) : -label_sign(y) * weight * (c_gamma * (gamma * M + over)),
        .hessian = p <= free_of_cost ? R(0.) : weight * (bend + c_gamma * over * over),
    };
}

/* Lin et al. (2017).   l = -w q_t^gamma log p_t; gamma, weights of the positive and the negative class. */
STAGE(binary_focal_logits) { return (void)y, (void)param, vm_decay(f); }
LOSS_STAGED(binary_focal_logits) { return focal_logits(label_sign(y), f, stage, y > 0 ? param[1] : param[2], param[0], 0); }
LOSS(binary_focal) { return focal_probability(y, f, y > 0 ? param[1] : param[2], param[0], 0); }

/* Ridnik, Ben-Baruch et al. (2021).   Each class has its gamma; negatives below the probability `clip` cost nothing. */
STAGE(asymmetric_focal_logits) { return (void)y, (void)param, vm_decay(f); }
LOSS_STAGED(asymmetric_focal_logits)
{
    return focal_logits(label_sign(y), f, stage, 1, y > 0 ? param[0] : param[1], y > 0 ? R(0.) : param[2]);
}
LOSS(asymmetric_focal) { return focal_probability(y, f, 1, y > 0 ? param[0] : param[1], y > 0 ? R(0.) : param[2]); }

/* Margin losses: m = s f, u = max(0, 1 - m). u > 0 exactly where m < 1, since 1 - m is exact near 1. */

/* The curvature 1/|r| of |r| (Groenen et al. 2008: half of it bounds the hinge), capped at its kink. */
INLINE real hinge_bound(real r) { return R(0.5) / maximum(absolute(r), BY_TYPE(0x1p-10, 0x1p-10f)); }

/* Cortes and Vapnik (1995).   value u, gradient -s for m < 1 and 0 from there. */
LOSS(hinge)
{
    (void)param;
    const real s = label_sign(y), margin = s * f, u = maximum(1 - margin, 0);
    return (terms){ .value = u, .gradient = u > 0 ? -s : u, .hessian = 0, .majorizer = hinge_bound(1 - margin) };
}

/* Fan et al. (2008).   value u^2, gradient -2 s u, hessian 2 for m < 1. */
LOSS(squared_hinge)
{
    (void)param;
    const real s = label_sign(y), u = maximum(1 - s * f, 0);
    return (terms){ .value = u * u, .gradient = -2 * s * u, .hessian = u > 0 ? R(2.) : R(0.), .majorizer = 2 };
}

/* Zhang (2004): u^2 for -1 <= m, -4m below.   c = min(u, 2): value c (2u - c), gradient -2 s c.
 * The hessian compares m, as 1 - m rounds to 2 already below -1. */
LOSS(modified_huber)
{
    (void)param;
    const real s = label_sign(y), margin = s * f, u = maximum(1 - margin, 0), c = minimum(u, 2);
    return (terms){
        .value = c * (2 * u - c),
        .gradient = -2 * s * c,
        .hessian = margin >= -1 && margin < 1 ? R(2.) : R(0.),
        .majorizer = 4 / maximum(u, 2),
    };
}

/* Freund and Schapire (1997).   value e^-m, gradient -s e^-m, hessian e^-m. */
LOSS(exponential)
{
    (void)param;
    const real s = label_sign(y), e = vm_exp(-s * f);
    return (terms){ .value = e, .gradient = -s * e, .hessian = e };
}

/* Rosenblatt (1958).   value max(0, -m), gradient -s for m <= 0: a zero margin counts as a mistake. */
LOSS(perceptron)
{
    (void)param;
    const real s = label_sign(y), margin = s * f, u = maximum(-margin, 0);
    return (terms){ .value = u, .gradient = margin <= 0 ? -s : u, .hessian = 0, .majorizer = hinge_bound(margin) };
}

/* binary_cross_entropy*: label_smoothing, pos_weight (, eps). binary_focal*: gamma, two class weights (1, 1 without alpha).
 * asymmetric_focal*: gamma_pos, gamma_neg, clip. */
#define BINARY_LOSSES(ROW)                             \
    ROW(binary_cross_entropy, 3, FISHER)               \
    ROW(binary_cross_entropy_logits, 2, BOTH, STAGED)  \
    ROW(binary_focal, 3, EXACT)                        \
    ROW(binary_focal_logits, 3, MAJORIZER, STAGED)     \
    ROW(asymmetric_focal, 3, EXACT)                    \
    ROW(asymmetric_focal_logits, 3, MAJORIZER, STAGED) \
    ROW(hinge, 0, MAJORIZER)                           \
    ROW(squared_hinge, 0, MAJORIZER)                   \
    ROW(modified_huber, 0, MAJORIZER)                  \
    ROW(exponential, 0, EXACT)                         \
    ROW(perceptron, 0, MAJORIZER)

#endif
