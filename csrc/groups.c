/* Ranking losses: one group of rows at a time. Compiled per instruction set and type.
 *
 * Design. Rows are sorted so that all partners of a row in pairs lie in one run: for pair losses by relevance, so that the
 * losers to row i are the rows behind its level; for LambdaRank by score, whose ranks it needs. The inner loop runs over
 * whole vectors: the arrays are padded with rows whose scores are so low that they add nothing. Sums are float64.
 * Groups with infinite scores, where inf - inf must give NaN to its pair alone, take the same loops without padding.
 * List losses need a few exponentials a row, not a pair: they are computed in float64 with the C library. */
#include "group_job.h"
#include "kernels.h"
#include "vmath.h"

#include <math.h>
#include <string.h>

static const double LN2 = 0x1.62e42fefa39efp-1;

#define FAR (-REAL_MAX / 4) /* a score below all others, whose differences stay finite */

typedef struct {
    ptrdiff_t n;
    int finite;
    ptrdiff_t *order, *spare;              /* row of the group at each position                       */
    double *y, *gain, *gradient, *hessian; /* by position, as is s                                      */
    real *s;
} sorted;

/* ---- sorting ---------------------------------------------------------------------------------------------------------- */

/* Stable, descending by key: merges of runs that double, from pairs on. */
static void sort_descending(ptrdiff_t n, const double *key, ptrdiff_t *order, ptrdiff_t *spare)
{
    ptrdiff_t *from = order, *to = spare;
    for (ptrdiff_t i = 0; i < n; i++) order[i] = i;
    for (ptrdiff_t width = 1; width < n; width *= 2) {
        for (ptrdiff_t low = 0; low < n; low += 2 * width) {
            const ptrdiff_t middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            ptrdiff_t a = low, b = middle;
            for (ptrdiff_t k = low; k < high; k++)
                to[k] = a < middle && (b >= high || key[from[a]] >= key[from[b]]) ? from[a++] : from[b++];
        }
        ptrdiff_t *swap = from;
        from = to, to = swap;
    }
    if (from != order) memcpy(order, from, (size_t)n * sizeof *order);
}

/* The end of a run of rows from `from` on: whole vectors, the last of which may reach into the padding. */
INLINE ptrdiff_t end_of_run(const sorted *g, ptrdiff_t from)
{
    return g->finite ? from + (g->n - from + LANES - 1) / LANES * LANES : g->n;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------ */

/* What a pair of scores that differ by u / scale, in favour of the right order, adds. */
typedef struct {
    real value, slope, curvature;
} pair_terms;

/* softplus(-u), its slope -sigmoid(-u) without the sign, and its curvature: one exponential, no cancellation. */
INLINE pair_terms logistic_pair(real u)
{
    const real e = vm_exp(-absolute(u)), inverse = 1 / (1 + e), numerator = u < 0 ? R(1.) : e;
    return (pair_terms){ maximum(-u, 0) + vm_log1p(e), numerator * inverse, e * inverse * inverse };
}

/* Row i against the rows [from, to) below it in relevance. `sums` gets value, slope and curvature of row i. */
static void logistic_run(const sorted *g, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to, real sigma, double *sums)
{
    const real si = g->s[i];
    const real *restrict s = g->s;
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    double value = 0, slope = 0, curvature = 0;
    _Pragma("omp simd reduction(+:value, slope, curvature)") for (ptrdiff_t j = from; j < to; j++)
    {
        const pair_terms t = logistic_pair(sigma * (si - s[j]));
        gradient[j] += (double)t.slope;
        hessian[j] += (double)t.curvature;
        value += (double)t.value, slope += (double)t.slope, curvature += (double)t.curvature;
    }
    sums[0] = value, sums[1] = slope, sums[2] = curvature;
}

static void hinge_run(const sorted *g, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to, real margin, double *sums)
{
    const real si = g->s[i], least = R(0x1p-10);
    const real *restrict s = g->s;
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    double value = 0, slope = 0, curvature = 0;
    _Pragma("omp simd reduction(+:value, slope, curvature)") for (ptrdiff_t j = from; j < to; j++)
    {
        const real u = margin - (si - s[j]), loss = maximum(u, 0), steep = 1 / maximum(absolute(u), least);
        const real undefined = u != u ? u : R(0.), active = (u > 0 ? R(1.) : R(0.)) + undefined;
        gradient[j] += (double)active;
        hessian[j] += (double)steep;
        value += (double)loss, slope += (double)active, curvature += (double)steep;
    }
    sums[0] = value, sums[1] = slope, sums[2] = curvature;
}

/* Losses of all pairs y_i > y_j. */
static void run_pairs(const group_job *j, sorted *g, double *value, double *count)
{
    const int hinge = j->loss == PAIRWISE_HINGE;
    const real scale = (real)j->scale;
    double pairs = 0, total = 0, sums[3];
    for (ptrdiff_t i = 0, behind = 0; i < g->n; i++) {
        while (behind < g->n && g->y[behind] >= g->y[i]) behind++;
        if (behind == g->n) break;
        pairs += (double)(g->n - behind);
        if (hinge) hinge_run(g, i, behind, end_of_run(g, behind), scale, sums);
        else logistic_run(g, i, behind, end_of_run(g, behind), scale, sums);
        total += sums[0];
        g->gradient[i] -= sums[1];
        g->hessian[i] += sums[2];
    }
    const double share = j->average && pairs > 0 ? 1 / pairs : 1;
    const double slope = share * (hinge ? 1 : j->scale);
    const double curvature = hinge ? (j->majorizer ? share : 0) : slope * j->scale;
    for (ptrdiff_t i = 0; i < g->n; i++) g->gradient[i] *= slope, g->hessian[i] *= curvature;
    *value = total * share;
    *count = j->average ? pairs > 0 : pairs;
}

/* ---- LambdaRank ------------------------------------------------------------------------------------------------------- */

/* The row at rank i against all behind it; |gain differences| times those of discounts weigh the pairs, in float64, as
 * discounts of neighbours far down nearly cancel. */
static void lambda_run(const group_job *j, const sorted *g, ptrdiff_t i, ptrdiff_t to, double factor, int spread, double *sums)
{
    const real si = g->s[i], sigma = (real)j->scale;
    const real *restrict s = g->s;
    const double yi = g->y[i], gi = g->gain[i], di = j->discounts[i];
    const double *restrict y = g->y, *restrict gain = g->gain, *restrict discount = j->discounts;
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    double value = 0, slope = 0, curvature = 0, size = 0;
    _Pragma("omp simd reduction(+:value, slope, curvature, size)") for (ptrdiff_t k = i + 1; k < to; k++)
    {
        const double sign = yi >= y[k] ? 1. : -1., difference = fabs(gi - gain[k]);
        const real apart = si - s[k];
        const double near = spread ? 1 / (0.01 + fabs((double)apart)) : 1;
        const double weight = difference * (di - discount[k]) * factor * near;
        const pair_terms t = logistic_pair(sigma * (real)sign * apart);
        const double push = weight * (double)t.slope, bend = weight * (double)t.curvature;
        gradient[k] += sign * push;
        hessian[k] += bend;
        value += weight * (double)t.value, slope += sign * push, curvature += bend, size += push;
    }
    sums[0] += value, sums[3] += size;
    g->gradient[i] -= slope;
    g->hessian[i] += curvature;
}

static void lambda_pairs_with_infinities(const group_job *j, const sorted *g, ptrdiff_t i, double factor, int spread,
                                         double *sums)
{
    for (ptrdiff_t k = i + 1; k < g->n; k++) {
        const double difference = fabs(g->gain[i] - g->gain[k]), sign = g->y[i] >= g->y[k] ? 1 : -1;
        if (difference == 0) continue; /* not a pair, whatever the scores */
        const double apart = (double)(g->s[i] - g->s[k]), near = spread ? 1 / (0.01 + fabs(apart)) : 1;
        const double weight = difference * (j->discounts[i] - j->discounts[k]) * factor * near;
        const pair_terms t = logistic_pair((real)(j->scale * sign * apart));
        const double push = weight * (double)t.slope, bend = weight * (double)t.curvature;
        g->gradient[k] += sign * push, g->gradient[i] -= sign * push;
        g->hessian[k] += bend, g->hessian[i] += bend;
        sums[0] += weight * (double)t.value, sums[3] += push;
    }
}

static void run_lambda(const group_job *j, sorted *g, double *value, double *count)
{
    const ptrdiff_t top = j->top < g->n ? j->top : g->n;
    double least = g->n ? g->y[0] : 0, most = least, ideal = 0, sums[4] = { 0 };
    for (ptrdiff_t i = 0; i < g->n; i++) least = fmin(least, g->y[i]), most = fmax(most, g->y[i]);
    *count = most > least;
    if (!(most > least)) return;

    /* The largest gains, in order: the gradient array is free until the pairs. */
    sort_descending(g->n, g->gain, g->spare, (ptrdiff_t *)g->hessian);
    for (ptrdiff_t i = 0; i < top; i++) ideal += g->gain[g->spare[i]] * j->discounts[i];
    memset(g->hessian, 0, (size_t)(g->n + 2 * LANES) * sizeof *g->hessian);
    const double factor = ideal > 0 ? 1 / ideal : 0;
    const int spread = j->normalize && g->s[0] != g->s[g->n - 1];
    for (ptrdiff_t i = 0; i < top; i++)
        if (g->finite) lambda_run(j, g, i, end_of_run(g, i + 1), factor, spread, sums);
        else lambda_pairs_with_infinities(j, g, i, factor, spread, sums);
    const double size = 2 * j->scale * sums[3], whole = j->normalize && size > 0 ? log1p(size) / (LN2 * size) : 1;
    for (ptrdiff_t i = 0; i < g->n; i++) g->gradient[i] *= whole * j->scale, g->hessian[i] *= whole * j->scale * j->scale;
    *value = sums[0] * whole;
}

/* ---- lists ------------------------------------------------------------------------------------------------------------ */

/* Softmax of x: p, 1 - p and log(1 / p), each to full accuracy; the sum of all but one maximum is kept apart. */
static void softmax(ptrdiff_t n, const double *x, double *p, double *not_p, double *minus_log)
{
    ptrdiff_t best = 0;
    double rest = 0;
    for (ptrdiff_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
    for (ptrdiff_t i = 0; i < n; i++) {
        minus_log[i] = x[i] == x[best] ? 0 : x[best] - x[i];
        p[i] = exp(-minus_log[i]);
        if (i != best) rest += p[i];
    }
    const double log_sum = log1p(rest), sum = 1 + rest;
    for (ptrdiff_t i = 0; i < n; i++) {
        minus_log[i] += log_sum;
        p[i] /= sum;
        not_p[i] = i == best ? rest / sum : (sum - p[i] * sum) / sum;
    }
}

/* Cao et al. (2007).   - sum t log softmax(s); gradient p - t as p (1 - t) - t (1 - p). */
static void run_list_net(const group_job *j, sorted *g, double *scratch, double *value, double *count)
{
    const ptrdiff_t n = g->n;
    double *s = scratch, *p = s + n, *not_p = p + n, *cost = not_p + n, *t = cost + n, *not_t = t + n, total = 0;
    for (ptrdiff_t i = 0; i < n; i++) s[i] = (double)g->s[i], total += g->y[i];
    *count = n > 0 && (!j->proportional || total > 0);
    if (!*count) return;
    if (j->proportional)
        for (ptrdiff_t i = 0; i < n; i++) t[i] = g->y[i] / total, not_t[i] = (total - g->y[i]) / total;
    else softmax(n, g->y, t, not_t, cost);
    softmax(n, s, p, not_p, cost);
    for (ptrdiff_t i = 0; i < n; i++) {
        if (t[i] != 0) *value += t[i] * cost[i];
        g->gradient[i] = p[i] * not_t[i] - t[i] * not_p[i];
        g->hessian[i] = p[i] * not_p[i];
    }
}

/* x - y, and 0 where they are equal, infinite ones too. */
static double apart(double x, double y) { return x == y ? 0 : x - y; }

/* Xia et al. (2008), by position in the ideal order.   Softmax of what is left at each position i: the largest score
 * top_i, and the sum of exp(s_j - top_i) of the others, rest_i, so that nothing is lost where that is tiny. */
static void run_list_mle(const group_job *j, sorted *g, double *scratch, double *value, double *count)
{
    const ptrdiff_t n = g->n;
    double *s = scratch, *top = s + n, *rest = top + n, *others = rest + n, sum = 0;
    ptrdiff_t *best = g->spare;
    *count = n > 0;
    for (ptrdiff_t i = n; i-- > 0;) {
        s[i] = (double)g->s[i];
        if (i + 1 == n || s[i] > top[i + 1]) {
            top[i] = s[i], best[i] = i;
            rest[i] = others[i] = i + 1 == n ? 0 : (1 + rest[i + 1]) * exp(apart(top[i + 1], s[i]));
        } else {
            top[i] = top[i + 1], best[i] = best[i + 1];
            rest[i] = rest[i + 1] + exp(apart(s[i], top[i]));
            others[i] = 1 + rest[i + 1];
        }
        *value += apart(top[i], s[i]) + log1p(rest[i]);
    }
    for (ptrdiff_t i = 0; i < n; i++) { /* sum: over k < i of exp(top_i - top_k) / (1 + rest_k) */
        if (i) sum *= exp(apart(top[i], top[i - 1]));
        const double e = exp(apart(s[i], top[i])), own = others[i] / (1 + rest[i]);
        double bend = own * e / (1 + rest[i]);
        for (ptrdiff_t k = 0; k < i && j->want & WANT_HESSIAN; k++) {
            const double all = 1 + rest[k], mine = exp(apart(s[i], top[k]));
            bend += mine / all * (best[k] == i ? rest[k] : all - mine) / all;
        }
        g->gradient[i] = sum * e - own;
        g->hessian[i] = bend;
        sum += 1 / (1 + rest[i]);
    }
}

/* ---- a group ---------------------------------------------------------------------------------------------------------- */

ptrdiff_t SYMBOL(group_scratch)(ptrdiff_t largest)
{
    const ptrdiff_t padded = largest + 2 * LANES;
    return 64 + padded * (ptrdiff_t)(2 * sizeof(ptrdiff_t) + 12 * sizeof(double) + sizeof(real));
}

void SYMBOL(run_group)(const group_job *j, ptrdiff_t index, char *scratch)
{
    const ptrdiff_t first = j->start[index], n = j->start[index + 1] - first, room = n + 2 * LANES;
    const real *scores = (const real *)j->scores + first;
    const int by_score = j->loss == LAMBDA_RANK, by_row = j->loss == LIST_NET;
    double *key = (double *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    sorted g = { .n = n, .finite = 1, .y = key + room };
    g.gain = g.y + room, g.gradient = g.gain + room, g.hessian = g.gradient + room;
    double *more = g.hessian + room;
    g.order = (ptrdiff_t *)(more + 7 * room), g.spare = g.order + room, g.s = (real *)(g.spare + room);
    double value = 0, count = 0;
    int nan = 0;

    for (ptrdiff_t i = 0; i < n; i++) {
        g.finite &= absolute(scores[i]) <= REAL_MAX;
        nan |= scores[i] != scores[i];
        key[i] = by_score ? (double)scores[i] : j->y[first + i];
    }
    if (by_row || (by_score && nan))
        for (ptrdiff_t i = 0; i < n; i++) g.order[i] = i;
    else sort_descending(n, key, g.order, g.spare);
    for (ptrdiff_t i = 0; i < n; i++) {
        g.y[i] = j->y[first + g.order[i]];
        g.s[i] = scores[g.order[i]];
        g.gain[i] = by_score ? j->gains[first + g.order[i]] : 0;
    }
    for (ptrdiff_t i = n; i < room; i++) g.y[i] = -HUGE_VAL, g.s[i] = FAR, g.gain[i] = 0;
    for (ptrdiff_t i = 0; i < room; i++) g.gradient[i] = g.hessian[i] = 0;

    if (n) switch (j->loss) {
        case PAIRWISE_HINGE:
        case PAIRWISE_LOGISTIC: run_pairs(j, &g, &value, &count); break;
        case LAMBDA_RANK: run_lambda(j, &g, &value, &count); break;
        case LIST_NET: run_list_net(j, &g, more, &value, &count); break;
        case LIST_MLE: run_list_mle(j, &g, more, &value, &count); break;
        }
    /* The sum of slopes of a group with NaN is NaN throughout, if the group counts at all. */
    const double spoilt = nan && count > 0 ? (double)NAN : 0;
    j->value[index] = value + spoilt;
    j->count[index] = count;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (j->gradient) ((real *)j->gradient)[first + g.order[i]] = (real)(g.gradient[i] + spoilt);
        if (j->hessian) ((real *)j->hessian)[first + g.order[i]] = (real)(g.hessian[i] + spoilt);
    }
}
