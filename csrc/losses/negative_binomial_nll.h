/* Negative binomial with mean mu and dispersion alpha (Lawless 1987; Hilbe 2011).   rho = 1/alpha
 *
 *   l = (y + rho) log(1 + alpha mu) - y log mu - D0,     D0 = log Gamma(y + rho) - log Gamma(rho) - y log rho
 *   L = dl/drho  = log(1 + alpha mu) - D1 + e,           D1 = psi(y + rho) - psi(rho),     e = (y - mu)/(rho + mu)
 *   M = -dL/drho = D2 - mu/(rho (rho + mu)) - (y - mu)/(rho + mu)^2,   D2 = psi'(rho) - psi'(y + rho)
 *
 * Design. D0, D1 and D2 must not be differences of gamma functions: near the Poisson limit (alpha = 1e-8) these would
 * lose every digit. Everything below is a multiple of y instead.
 *
 * The argument is first moved up, rho to u = rho + n and y + rho to v = y + u, where the Stirling series holds.
 * The factors rho + k and rho + n-1-k are taken together: with N = n - 1, A = 2 rho + N and c = k (N - k)
 *   (rho + k)(rho + N-k) = t + c,   t = rho (rho + N);     (y + rho + k)(y + rho + N-k) = t + c + delta,   delta = y (A + y)
 * so n shifts are n/2 factors 1 + delta/(t + c), and their first and second derivatives are as short. */
#ifndef FASTLOSS_NEGATIVE_BINOMIAL_NLL_H
#define FASTLOSS_NEGATIVE_BINOMIAL_NLL_H

#include "../terms.h"
#include "../vmath.h"

/* n, the c of the pairs, and the terms of the Stirling series: the first one left out is below 1e-16 (1e-8) at u = n. */
#ifdef FASTLOSS_F32
#define NB_SHIFT R(4.)
#define NB_PAIRS(PAIR) PAIR(R(0.)) PAIR(R(2.))
#define NB_SERIES(TERM, B2, B4, B6, B8, B10, B12, B14, B16, B18) TERM(B8) TERM(B6) TERM(B4) TERM(B2)
#else
#define NB_SHIFT R(8.)
#define NB_PAIRS(PAIR) PAIR(R(0.)) PAIR(R(6.)) PAIR(R(10.)) PAIR(R(12.))
#define NB_SERIES(TERM, B2, B4, B6, B8, B10, B12, B14, B16, B18) \
    TERM(B18) TERM(B16) TERM(B14) TERM(B12) TERM(B10) TERM(B8) TERM(B6) TERM(B4) TERM(B2)
#endif

/* A polynomial Q in Y = 1/v^2 and its divided difference (Q(X) - Q(Y))/(X - Y), X = 1/u^2, by Horner's rule. */
typedef struct {
    real at_y, slope;
} nb_series;

#define NB_TERM(coefficient)                      \
    q.slope = multiply_add(q.slope, X, q.at_y);   \
    q.at_y = multiply_add(q.at_y, Y, coefficient);
#define NB_DEFINE_SERIES(name, ...)               \
    INLINE nb_series name(real X, real Y)         \
    {                                             \
        nb_series q = { 0, 0 };                   \
        NB_SERIES(NB_TERM, __VA_ARGS__)           \
        return q;                                 \
    }

/* Bernoulli numbers B_2k over 2k (2k - 1), over 2k, and alone: the tails of log Gamma, psi and psi'. */
NB_DEFINE_SERIES(nb_log_gamma, R(1.) / 12, R(-1.) / 360, R(1.) / 1260, R(-1.) / 1680, R(1.) / 1188, R(-691.) / 360360,
                 R(1.) / 156, R(-3617.) / 122400, R(43867.) / 244188)
NB_DEFINE_SERIES(nb_digamma, R(1.) / 12, R(-1.) / 120, R(1.) / 252, R(-1.) / 240, R(1.) / 132, R(-691.) / 32760,
                 R(1.) / 12, R(-3617.) / 8160, R(43867.) / 14364)
NB_DEFINE_SERIES(nb_trigamma, R(1.) / 6, R(-1.) / 30, R(1.) / 42, R(-1.) / 30, R(5.) / 66, R(-691.) / 2730,
                 R(7.) / 6, R(-3617.) / 510, R(43867.) / 798)

/* y log(v/rho) - D0. With a = 1/u, b = 1/v and x = y/u, Stirling gives log Gamma(v) - log Gamma(u) =
 *   y log v + (u - 1/2)(log1p(x) - x) - x/2 - (a Q(X) - b Q(Y)),   a Q(X) - b Q(Y) = (a - b)(Q(Y) + a (a + b) slope).
 * `product` collects the shifts as (factor)(factor)... - 1, a sum of positive terms. */
INLINE real nb_gamma_part(real y, real rho)
{
    const real n = NB_SHIFT, u = rho + n, v = y + u, a = 1 / u, b = 1 / v, x = y * a;
    const real t = rho * (rho + (n - 1)), delta = y * (2 * rho + (n - 1) + y);
    real product = 0, factor;
#define NB_PRODUCT(c) factor = delta / (t + c), product = product * factor + (product + factor);
    NB_PAIRS(NB_PRODUCT)
    const nb_series q = nb_log_gamma(a * a, b * b);
    const real tail = x * b * multiply_add(a * (a + b), q.slope, q.at_y);
    return vm_log1p(minimum(product, HUGE_LINEAR)) + tail + R(0.5) * x - (u - R(0.5)) * vm_log1pmx(x);
}

/* rho L and rho^2 M. Near the Poisson limit their terms cancel to first and second order in alpha, so
 *   log(1 + alpha mu) - log(v/u) = log1p(eta),   eta = (rho (mu - y) + n mu)/(rho v)
 *   eta + e = ((mu - y)^2 + n (y + alpha mu^2))/(v (rho + mu))
 *   y/(u v) - mu/(rho (rho + mu)) - (y - mu)/(rho + mu)^2 = -e^2/(rho + y) - n y (2 rho + y + n)/(u v rho (rho + y))
 * which leaves sums of small terms. A pair of shifts adds, with P = 1/(t + c), Q = 1/(t + c + delta), (N - 2k)^2 = N^2 - 4c,
 *   w = (2 + ((N - 2k)^2 + A y) P) Q   to D1/y,     y w (A P + (A + 2y) Q) - 2 delta P Q   to D2. */
typedef struct {
    real rho_L, rho2_M;
} nb_slopes;

INLINE nb_slopes nb_dispersion_slopes(real y, real mu, real rho)
{
    const real n = NB_SHIFT, N = n - 1, u = rho + n, v = y + u, a = 1 / u, b = 1 / v;
    const real t = rho * (rho + N), A = 2 * rho + N, delta = y * (A + y);
    real shifts1 = 0, shifts2 = 0, P, Q, w;
#define NB_SLOPES(c)                                                       \
    P = 1 / (t + c), Q = 1 / (t + c + delta);                              \
    w = (2 + (N * N - 4 * c + A * y) * P) * Q;                             \
    shifts1 += w, shifts2 += w * (A * P + (A + 2 * y) * Q) - 2 * (A + y) * P * Q;
    NB_PAIRS(NB_SLOPES)

    const real X = a * a, Y = b * b, ab = a * b, sum = a + b;
    const nb_series q1 = nb_digamma(X, Y), q2 = nb_trigamma(X, Y);
    const real tail1 = ab * (R(0.5) + sum * multiply_add(X, q1.slope, q1.at_y));
    const real tail2 = ab * (R(0.5) * sum + (X + ab + Y) * q2.at_y + a * X * sum * q2.slope);

    const real r = mu - y, k = 1 / (rho + mu), e = -r * k, eta = (r + n * mu / rho) * b;
    const real eta_plus_e = (r * r + n * (y + mu * (mu / rho))) * b * k;
    const real logs = eta > 1 ? vm_log1p(eta) + e : vm_log1pmx(eta) + eta_plus_e;
    const real excess = e * e + y * n * (2 * rho + y + n) * ab / rho;
    return (nb_slopes){
        .rho_L = rho * (logs - y * (shifts1 + tail1)),
        .rho2_M = rho * rho * (y * (shifts2 + tail2) - excess / (rho + y)),
    };
}

/* Natural scale: m = mu, s = alpha.   d/dalpha = -rho^2 d/drho */
LOSS2(negative_binomial_nll)
{
    (void)param;
    const real rho = 1 / s, k = 1 / multiply_add(s, m, 1), share = y == 0 ? R(1.) : (m - y) / m;
    const real log_term = y == 0 ? R(0.) : y * vm_log(m * multiply_add(s, y + NB_SHIFT, 1));
    const nb_slopes d = nb_dispersion_slopes(y, m, rho);
    const real h1 = (y == 0 ? R(0.) : y / m / m) - s * k * (multiply_add(s, y, 1) * k);
    const real g2 = -rho * d.rho_L, h2 = rho * rho * (2 * d.rho_L + d.rho2_M);
    return (terms2){
        .value = (y + rho) * vm_log1p(s * m) - log_term + nb_gamma_part(y, rho),
        .gradient = { share * k, g2 },
        .hessian = { h1, h2 },
        .majorizer = { maximum(k / m, h1), maximum(absolute(g2), h2) },
    };
}

/* Log scale: m = log mu, s = log alpha. */
LOSS2(negative_binomial_nll_log)
{
    (void)param;
    const real mu = vm_exp(m), alpha = vm_exp(s), rho = 1 / alpha, k = 1 / multiply_add(alpha, mu, 1);
    const nb_slopes d = nb_dispersion_slopes(y, mu, rho);
    const real h1 = mu * k * (multiply_add(alpha, y, 1) * k), g2 = -d.rho_L, h2 = d.rho_L + d.rho2_M;
    return (terms2){
        .value = (y + rho) * vm_log1p(alpha * mu) - y * (m + vm_log1p(alpha * (y + NB_SHIFT))) + nb_gamma_part(y, rho),
        .gradient = { (mu - y) * k, g2 },
        .hessian = { h1, h2 },
        .majorizer = { h1, maximum(absolute(g2), h2) },
    };
}

/* With log Gamma(y + 1), the part of the likelihood that depends on y only. */
LOSS2(negative_binomial_nll_full)
{
    terms2 t = negative_binomial_nll(y, m, s, param);
    t.value += vm_lgamma1p(y);
    return t;
}

LOSS2(negative_binomial_nll_full_log)
{
    terms2 t = negative_binomial_nll_log(y, m, s, param);
    t.value += vm_lgamma1p(y);
    return t;
}

#endif
