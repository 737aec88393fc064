/* Losses of a list as a whole. */
#ifndef FASTLOSS_GROUP_LISTS_H
#define FASTLOSS_GROUP_LISTS_H

#include "group.h"

#define FOR_ROWS(n) _Pragma("omp simd") for (ptrdiff_t i = 0; i < n; i++)

/* Softmax of x: p, 1 - p and log(1 / p), each to full accuracy; the sum of all but one maximum is kept apart. */
static void softmax(ptrdiff_t n, const double *restrict x, double *restrict p, double *restrict not_p, double *restrict minus_log)
{
    double top = x[0], rest = 0;
    ptrdiff_t best = 0;
    _Pragma("omp simd reduction(max:top)") for (ptrdiff_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    while (x[best] != top) best++;
    FOR_ROWS(n)
    {
        minus_log[i] = x[i] == top ? 0. : top - x[i];
        p[i] = vm_exp(-minus_log[i]);
    }
    p[best] = 0;
    _Pragma("omp simd reduction(+:rest)") for (ptrdiff_t i = 0; i < n; i++) rest += p[i];
    p[best] = 1;
    const double log_sum = log1p(rest), sum = 1 + rest;
    FOR_ROWS(n)
    {
        minus_log[i] += log_sum;
        p[i] /= sum;
        not_p[i] = 1 - p[i];
    }
    not_p[best] = rest / sum;
}

/* Cao et al. (2007).   - sum t log softmax(s); gradient p - t as p (1 - t) - t (1 - p). */
static void run_list_net(group *g)
{
    const ptrdiff_t n = g->n;
    const double *y = g->y;
    double *p = g->more[0], *not_p = g->more[1], *cost = g->more[2], *t = g->gain, *not_t = g->discount, total = 0, value = 0;
    for (ptrdiff_t i = 0; i < n; i++) total += y[i];
    g->count = n > 0 && (!g->job->proportional || total > 0);
    if (!g->count) return;
    if (g->job->proportional) FOR_ROWS(n) t[i] = y[i] / total, not_t[i] = (total - y[i]) / total;
    else softmax(n, y, t, not_t, cost);
    softmax(n, g->scores, p, not_p, cost);
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    _Pragma("omp simd reduction(+:value)") for (ptrdiff_t i = 0; i < n; i++)
    {
        const double term = t[i] * cost[i], counted = t[i] > 0 ? term : 0.;
        value += counted;
        gradient[i] = p[i] * not_t[i] - t[i] * not_p[i];
        hessian[i] = p[i] * not_p[i];
    }
    g->value = value;
}

/* x - y, and 0 where they are equal, infinite ones too. */
INLINE double apart(double x, double y) { return x == y ? 0 : x - y; }

/* Xia et al. (2008).   s_0, s_1, ... are the scores in the ideal order, L_j the log-sum-exp of place j and those behind it,
 * q_j = exp(s_j - L_j): the loss is the sum of L_j - s_j. With M_j the maximum from j on and R_j the sum of exp(s_k - M_j) of
 * all but it,
 *     L_j = M_j + log1p(R_j),   q_j = exp(s_j - M_j) / (1 + R_j),
 *     a_j = 1 - q_j = R_j / (1 + R_j) if s_j is the maximum, else (1 + R_(j+1)) / (1 + R_j), exp(L_(j+1) - L_j) = a_j.
 * With A_ij = a_i ... a_(j-1), i < j, exp(s_j - L_i) is q_j A_ij. Sums over i < j:
 *     B_j of A_ij = a_(j-1) (1 + B_(j-1)),   C_j of A_ij^2 = a_(j-1)^2 (1 + C_(j-1)),
 *     S_j of A_ij (1 - A_ij) = a_(j-1) (S_(j-1) + q_(j-1) (1 + C_(j-1))),
 *     gradient = q_j B_j - a_j,   hessian = sum over i <= j of q_j A_ij (1 - q_j A_ij) = q_j (a_j (1 + B_j) + q_j S_j):
 * nothing cancels but the two parts of the gradient. */
static void run_list_mle(group *g)
{
    const ptrdiff_t n = g->n;
    const double *s = g->s;
    double *restrict e = g->more[0], *restrict rest = g->more[1], *restrict q = g->more[2], *restrict a = g->more[3];
    double top = -HUGE_VAL, sum = 0, value = 0;
    g->count = n > 0;
    for (ptrdiff_t j = n; j-- > 0;) { /* exponents; those of places with the maximum from there on are marked */
        const int leads = s[j] > top || j == n - 1;
        e[j] = leads ? apart(top, s[j]) : apart(s[j], top);
        q[j] = leads;
        value += leads ? 0 : -e[j];
        top = leads ? s[j] : top;
    }
    e[n - 1] = -HUGE_VAL;
    FOR_ROWS(n) e[i] = vm_exp(e[i]);
    for (ptrdiff_t j = n; j-- > 0;) {
        const double others = q[j] != 0 ? (1 + sum) * e[j] : 1 + sum;
        sum = q[j] != 0 ? others : sum + e[j];
        rest[j] = sum, a[j] = others;
    }
    _Pragma("omp simd reduction(+:value)") for (ptrdiff_t i = 0; i < n; i++)
    {
        const double inverse = 1 / (1 + rest[i]);
        value += vm_log1p(rest[i]);
        q[i] = (q[i] != 0 ? 1. : e[i]) * inverse;
        a[i] *= inverse;
    }
    g->value = value;
    double B = 0, C = 0, S = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        g->gradient[j] = q[j] * B - a[j];
        g->hessian[j] = q[j] * (a[j] * (1 + B) + q[j] * S);
        S = a[j] * (S + q[j] * (1 + C)), B = a[j] * (1 + B), C = a[j] * a[j] * (1 + C);
    }
}

#endif
