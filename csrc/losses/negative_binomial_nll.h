/* Negative binomial with mean mu and dispersion alpha (Lawless 1987; Hilbe 2011).   rho = 1/alpha, psi = digamma
 *
 *   l = (y + rho) log(1 + alpha mu) - y log mu - D0,     D0 = log Gamma(y + rho) - log Gamma(rho) - y log rho
 *   L = dl/drho  = log(1 + alpha mu) - D1 + e,           D1 = psi(y + rho) - psi(rho),     e = (y - mu)/(rho + mu)
 *   M = -dL/drho = D2 - mu/(rho (rho + mu)) - (y - mu)/(rho + mu)^2,   D2 = psi'(rho) - psi'(y + rho)
 *
 * Design. Differences of gamma functions lose every digit near the Poisson limit (alpha = 1e-8); the sums below are
 * multiples of y instead. The arguments are moved up, rho to u = rho + n and y + rho to v = y + u, where the Stirling
 * series holds. The first shift is y/rho and the like. The others are taken in pairs: with sigma = rho + 1, N = n - 2,
 *   (sigma + k)(sigma + N-k) = t + c,     t = sigma (sigma + N),   c = k (N - k)
 *   (y + sigma + k)(y + sigma + N-k) = t + c + delta,     delta = y (A + y),   A = 2 sigma + N
 * so that 2 shifts cost hardly more than one. */
#ifndef FASTLOSS_NEGATIVE_BINOMIAL_NLL_H
#define FASTLOSS_NEGATIVE_BINOMIAL_NLL_H

#include "../terms.h"
#include "../vmath.h"

/* n, PAIR(c, (N - 2k)^2), and how many terms of the series: what is left out is below the rounding of D0, D1 and D2. */
#ifdef FASTLOSS_F32
#define NB_N R(3.)
#define NB_PAIRS(PAIR) PAIR(0, 1)
#define NB_SERIES(TERM, B2, B4, B6, B8, ...) TERM(B8) TERM(B6) TERM(B4) TERM(B2)
#else
#define NB_N R(7.)
#define NB_PAIRS(PAIR) PAIR(0, 25) PAIR(4, 9) PAIR(6, 1)
#define NB_SERIES(TERM, B2, B4, B6, B8, B10, B12, B14, B16, B18, B20) \
    TERM(B20) TERM(B18) TERM(B16) TERM(B14) TERM(B12) TERM(B10) TERM(B8) TERM(B6) TERM(B4) TERM(B2)
#endif

/* A polynomial p in Y = 1/v^2 and its divided difference (p(X) - p(Y))/(X - Y), X = 1/u^2, both by Horner's rule. */
typedef struct {
    real at_Y, slope;
} nb_series;

#define NB_TERM(coefficient)                    \
    p.slope = multiply_add(p.slope, X, p.at_Y); \
    p.at_Y = multiply_add(p.at_Y, Y, coefficient);
#define NB_DEFINE_SERIES(name, ...)       \
    INLINE nb_series name(real X, real Y) \
    {                                     \
        nb_series p = { 0, 0 };           \
        NB_SERIES(NB_TERM, __VA_ARGS__)   \
        return p;                         \
    }

/* Bernoulli numbers B_2j over 2j (2j - 1), over 2j, and alone: the tails of log Gamma, psi and psi'. */
NB_DEFINE_SERIES(nb_log_gamma, R(1.) / 12, R(-1.) / 360, R(1.) / 1260, R(-1.) / 1680, R(1.) / 1188, R(-691.) / 360360,
                 R(1.) / 156, R(-3617.) / 122400, R(43867.) / 244188, R(-174611.) / 125400)
NB_DEFINE_SERIES(nb_digamma, R(1.) / 12, R(-1.) / 120, R(1.) / 252, R(-1.) / 240, R(1.) / 132, R(-691.) / 32760, R(1.) / 12,
                 R(-3617.) / 8160, R(43867.) / 14364, R(-174611.) / 6600)
NB_DEFINE_SERIES(nb_trigamma, R(1.) / 6, R(-1.) / 30, R(1.) / 42, R(-1.) / 30, R(5.) / 66, R(-691.) / 2730, R(7.) / 6,
                 R(-3617.) / 510, R(43867.) / 798, R(-174611.) / 330)

/* y log(v/rho) - D0. With a = 1/u, b = 1/v, x = y/u and the series p, Stirling gives log Gamma(v) - log Gamma(u) =
 *   y log v + (u - 1/2)(log1p(x) - x) - x/2 - (a p(X) - b p(Y)),   a p(X) - b p(Y) = (a - b)(p(Y) + a (a + b) slope).
 * `shifts` is the product of the v/u of all shifts, less 1: a sum of positive terms. */
INLINE real nb_gamma_part(real y, real rho, real alpha)
{
    const real N = NB_N - 2, u = rho + NB_N, a = 1 / u, b = 1 / (y + u), x = y * a;
    const real sigma = rho + 1, t = sigma * (sigma + N), delta = y * (2 * sigma + N + y);
    real shifts = y * alpha, pair;
#define NB_PRODUCT(c, square) pair = delta / (t + c), shifts = shifts * pair + (shifts + pair);
    NB_PAIRS(NB_PRODUCT)
    const nb_series p = nb_log_gamma(a * a, b * b);
    const real tail = x * b * multiply_add(a * (a + b), p.slope, p.at_Y);
    return vm_log1p(minimum(shifts, HUGE_LINEAR)) + tail + R(0.5) * x - (u - R(0.5)) * vm_log1pmx(x);
}

/* The derivatives on the log scale: g and h in log mu, -rho L and rho L + rho^2 M in log alpha.   k = 1/(1 + alpha mu)
 * Near the Poisson limit the terms of L and M cancel to first and second order in alpha; that is done on paper:
 *   log(1 + alpha mu) - log(v/u) = log1p(eta),   eta = (mu - y + n alpha mu)/v
 *   eta + e = ((mu - y)^2 + n (y + alpha mu^2)) k / (v rho)
 *   y/(u v) - mu/(rho (rho + mu)) - (y - mu)/(rho + mu)^2 = -e^2/(rho + y) - n y (2 rho + y + n)/(u v rho (rho + y))
 * and rho e = -g. Pairs of shifts add, with P = 1/(t + c), Q = 1/(t + c + delta) and N^2 - 4c = (N - 2k)^2,
 *   w = (2 + ((N - 2k)^2 + A y) P) Q   to D1/y,     w (A P + (A + 2y) Q) - 2 (A + y) P Q   to D2/y. */
typedef struct {
    real k, gradient[2], hessian[2];
} nb_slopes;

INLINE nb_slopes nb_slopes_at(real y, real mu, real rho, real alpha)
{
    const real n = NB_N, N = n - 2, u = rho + n, v = y + u, a = 1 / u, b = 1 / v, X = a * a, Y = b * b, ab = a * b;
    const real sigma = rho + 1, t = sigma * (sigma + N), A = 2 * sigma + N, delta = y * (A + y);
    real shifts1 = 0, shifts2 = 0, P, Q, w;
#define NB_SLOPES(c, square)                  \
    P = 1 / (t + c), Q = 1 / (t + c + delta); \
    w = (2 + (square * P + A * P * y)) * Q;   \
    shifts1 += w;                             \
    shifts2 += w * (A * P + (A + 2 * y) * Q) - 2 * (A + y) * P * Q;
    NB_PAIRS(NB_SLOPES)

    const nb_series p1 = nb_digamma(X, Y), p2 = nb_trigamma(X, Y);
    const real tail1 = ab * (R(0.5) + (a + b) * multiply_add(X, p1.slope, p1.at_Y));
    const real tail2 = ab * (a + b) * (R(0.5) + a * X * p2.slope) + ab * (X + ab + Y) * p2.at_Y;

    const real spread = multiply_add(alpha, mu, 1), k = 1 / spread, r = mu - y, g = r * k;
    const real first = y / (rho + y), s = rho * y;
    const real eta = minimum(r * b + n * (alpha * mu) * b, HUGE_LINEAR);
    const real eta_plus_e = r * b * g + n * (y * b + alpha * mu * (mu * b)) * k;
    const real logs = eta > 1 ? rho * vm_log1p(eta) - g : rho * vm_log1pmx(eta) + eta_plus_e;
    const real rho_L = logs - (first + s * (shifts1 + tail1));
    const real excess = g / (rho + y) * g + first * (n * (2 * rho + y + n)) * ab * rho;
    const real rho2_M = first * (2 - first) + rho * (s * (shifts2 + tail2)) - excess;
    return (nb_slopes){
        .k = k,
        .gradient = { g, -rho_L },
        .hessian = { mu / spread * (multiply_add(alpha, y, 1) / spread), rho_L + rho2_M },
    };
}

/* Natural scale: m = mu, s = alpha.   The chain rule for f = log x: l' = l_f/x, l'' = (l_ff - l_f)/x^2. */
LOSS2(negative_binomial_nll)
{
    (void)param;
    m = non_negative(m), s = maximum(non_negative(s), 1 / HUGE_LINEAR); /* the Poisson limit is reached long before */
    const real rho = 1 / s;
    const nb_slopes t = nb_slopes_at(y, m, rho, s);
    const real log_term = y == 0 ? R(0.) : y * vm_log(m * multiply_add(s, y + NB_N, 1));
    const real h1 = (y == 0 ? R(0.) : y / m / m) - s * t.k * (multiply_add(s, y, 1) * t.k);
    const real g2 = rho * t.gradient[1], h2 = rho * (rho * (t.hessian[1] - t.gradient[1]));
    return (terms2){
        .value = (y + rho) * vm_log1p(s * m) - log_term + nb_gamma_part(y, rho, s),
        .gradient = { y == 0 ? t.k : t.gradient[0] / m, g2 },
        .hessian = { h1, h2 },
        .majorizer = { maximum(t.k / m, h1), maximum(absolute(g2), h2) },
    };
}

/* Log scale: m = log mu, s = log alpha. */
LOSS2(negative_binomial_nll_log)
{
    (void)param;
    const real mu = vm_exp(m), alpha = clip(vm_exp(s), 1 / HUGE_LINEAR, HUGE_LINEAR), rho = 1 / alpha;
    const nb_slopes t = nb_slopes_at(y, mu, rho, alpha);
    const real log_term = y * (m + vm_log1p(alpha * (y + NB_N)));
    return (terms2){
        .value = (y + rho) * vm_log1p(minimum(alpha * mu, HUGE_LINEAR)) - log_term + nb_gamma_part(y, rho, alpha),
        .gradient = { t.gradient[0], t.gradient[1] },
        .hessian = { t.hessian[0], t.hessian[1] },
        .majorizer = { t.hessian[0], maximum(absolute(t.gradient[1]), t.hessian[1]) },
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
