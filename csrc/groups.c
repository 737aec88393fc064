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
    double key;
    ptrdiff_t row;
} entry;

typedef struct {
    ptrdiff_t n;
    int finite;
    ptrdiff_t *order, *spare;              /* row of the group at each position                       */
    double *y, *gain, *gradient, *hessian; /* by position, as is s                                      */
    real *s;
    entry *entries, *more_entries; /* for sorting                                             */
} sorted;

/* ---- sorting ---------------------------------------------------------------------------------------------------------- */

/* Stable, descending by key: runs of four by insertion, then merges that take the next entry without a branch. */
static void sort_descending(ptrdiff_t n, const double *key, ptrdiff_t *order, entry *from, entry *to)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const entry e = { key[i], i };
        ptrdiff_t k = i;
        for (; k % 4 && from[k - 1].key < e.key; k--) from[k] = from[k - 1];
        from[k] = e;
    }
    for (ptrdiff_t width = 4; width < n; width *= 2) {
        for (ptrdiff_t low = 0; low < n; low += 2 * width) {
            const ptrdiff_t middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            ptrdiff_t a = low, b = middle, k = low;
            while (a < middle && b < high) {
                const int first = from[a].key >= from[b].key;
                to[k++] = from[first ? a : b];
                a += first, b += !first;
            }
            memcpy(to + k, from + (a < middle ? a : b), (size_t)(high - k) * sizeof *to);
        }
        entry *swap = from;
        from = to, to = swap;
    }
    for (ptrdiff_t i = 0; i < n; i++) order[i] = from[i].row;
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
INLINE pair_terms logistic_pair(real u, int with_value)
{
    const real e = vm_exp(-absolute(u)), inverse = 1 / (1 + e), numerator = u < 0 ? R(1.) : e;
    return (pair_terms){
        .value = with_value ? maximum(-u, 0) + vm_log1p(e) : R(0.),
        .slope = numerator * inverse,
        .curvature = e * inverse * inverse,
    };
}

/* Row i against the rows [from, to) below it in relevance. `sums` gets value, slope and curvature of row i. */
INLINE void logistic_pairs(const sorted *g, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to, real sigma, int with_value, double *sums)
{
    const real si = g->s[i];
    const real *restrict s = g->s;
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    double value = 0, slope = 0, curvature = 0;
    _Pragma("omp simd reduction(+:value, slope, curvature)") for (ptrdiff_t j = from; j < to; j++)
    {
        const pair_terms t = logistic_pair(sigma * (si - s[j]), with_value);
        gradient[j] += (double)t.slope;
        hessian[j] += (double)t.curvature;
        value += (double)t.value, slope += (double)t.slope, curvature += (double)t.curvature;
    }
    sums[0] = value, sums[1] = slope, sums[2] = curvature;
}

static void logistic_run(const sorted *g, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to, real sigma, double *sums)
{
    logistic_pairs(g, i, from, to, sigma, 0, sums);
}

static void logistic_value_run(const sorted *g, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to, real sigma, double *sums)
{
    logistic_pairs(g, i, from, to, sigma, 1, sums);
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

static void tree_add(double *tree, ptrdiff_t size, ptrdiff_t at, double x)
{
    for (at++; at <= size; at += at & -at) tree[at] += x;
}

/* The sum of the entries before `end`. */
static double tree_sum(const double *tree, ptrdiff_t end)
{
    double sum = 0;
    for (; end > 0; end -= end & -end) sum += tree[end];
    return sum;
}

/* Value and slopes of all pairs of a large group in O(n log n), in the spirit of Joachims (2006): going down the scores,
 * the rows that are active against row i only become more; trees over the levels of relevance count them and add up
 * their scores. Scores are taken relative to the highest, so that common offsets do not cancel. */
static double hinge_sweep(sorted *g, real margin, double *scratch)
{
    const ptrdiff_t n = g->n, room = n + 2 * LANES;
    double *level = scratch, *counts = level + room, *sums = counts + room, *key = sums + room, total = 0;
    const real *s = g->s;
    const ptrdiff_t *order = g->spare;
    level[n - 1] = 0;
    for (ptrdiff_t i = n - 1; i-- > 0;) level[i] = level[i + 1] + (g->y[i] > g->y[i + 1]);
    const ptrdiff_t levels = (ptrdiff_t)level[0] + 1;
    for (ptrdiff_t i = 0; i < n; i++) key[i] = (double)s[i];
    sort_descending(n, key, g->spare, g->entries, g->more_entries);
    const double highest = key[order[0]];

    memset(counts, 0, (size_t)(levels + 1) * sizeof *counts);
    memset(sums, 0, (size_t)(levels + 1) * sizeof *sums);
    for (ptrdiff_t a = 0, next = 0; a < n; a++) {
        const ptrdiff_t i = order[a], below = (ptrdiff_t)level[i];
        for (; next < n && margin - (s[i] - s[order[next]]) > 0; next++) {
            tree_add(counts, levels, (ptrdiff_t)level[order[next]], 1);
            tree_add(sums, levels, (ptrdiff_t)level[order[next]], key[order[next]] - highest);
        }
        const double active = tree_sum(counts, below);
        g->gradient[i] -= active;
        total += active * ((double)margin - (key[i] - highest)) + tree_sum(sums, below);
    }
    memset(counts, 0, (size_t)(levels + 1) * sizeof *counts);
    for (ptrdiff_t a = n, next = n; a-- > 0;) {
        const ptrdiff_t k = order[a];
        for (; next > 0 && margin - (s[order[next - 1]] - s[k]) > 0; next--)
            tree_add(counts, levels, (ptrdiff_t)level[order[next - 1]], 1);
        g->gradient[k] += (double)(n - next) - tree_sum(counts, (ptrdiff_t)level[k] + 1);
    }
    return total;
}

/* Losses of all pairs y_i > y_j. */
static void run_pairs(const group_job *j, sorted *g, double *scratch, double *value, double *count)
{
    enum { LARGE = 1024 };
    const int hinge = j->loss == PAIRWISE_HINGE;
    const real scale = (real)j->scale;
    const int sweep = hinge && !j->majorizer && g->finite && g->n > LARGE;
    double pairs = 0, total = sweep ? hinge_sweep(g, scale, scratch) : 0, sums[3];
    for (ptrdiff_t i = 0, behind = 0; i < g->n; i++) {
        while (behind < g->n && g->y[behind] >= g->y[i]) behind++;
        if (behind == g->n) break;
        pairs += (double)(g->n - behind);
        if (sweep) continue;
        if (hinge) hinge_run(g, i, behind, end_of_run(g, behind), scale, sums);
        else if (j->want & WANT_VALUE) logistic_value_run(g, i, behind, end_of_run(g, behind), scale, sums);
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

/* The row at rank i against all behind it, whose scores are not higher: with e = exp(-sigma |s_i - s_k|) the slope of a
 * pair is e / (1 + e) where it is in order, and 1 / (1 + e) where not. Differences of gains, which tell the order, times
 * those of discounts weigh the pairs: in float64, as discounts of neighbours far down nearly cancel. */
INLINE void lambda_pairs(const group_job *j, const sorted *g, ptrdiff_t i, ptrdiff_t to, int with_value, int spread, double *sums)
{
    const real si = g->s[i], minus_sigma = -(real)j->scale;
    const real *restrict s = g->s;
    const double gi = g->gain[i], di = j->discounts[i];
    const double *restrict gain = g->gain, *restrict discount = j->discounts;
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    double value = 0, slope = 0, curvature = 0, size = 0;
    _Pragma("omp simd reduction(+:value, slope, curvature, size)") for (ptrdiff_t k = i + 1; k < to; k++)
    {
        const real apart = si - s[k], e = vm_exp(minus_sigma * apart), inverse = 1 / (1 + e);
        const double difference = gi - gain[k];
        const double weight = difference * (di - discount[k]) * (spread ? 1 / (0.01 + (double)apart) : 1);
        const double numerator = difference < 0 ? 1. : (double)e, below = (double)inverse, push = weight * numerator * below;
        const double bend = fabs(weight) * ((double)e * below) * below;
        gradient[k] += push;
        hessian[k] += bend;
        slope += push, curvature += bend, size += fabs(push);
        if (with_value) {
            const double lead = difference < 0 ? (double)(minus_sigma * apart) : 0.;
            value += fabs(weight) * ((double)vm_log1p(e) - lead);
        }
    }
    sums[0] += value, sums[3] += size;
    g->gradient[i] -= slope;
    g->hessian[i] += curvature;
}

typedef void lambda_run(const group_job *, const sorted *, ptrdiff_t, ptrdiff_t, double *);
#define LAMBDA_RUN(name, with_value, spread)                                                       \
    static void name(const group_job *j, const sorted *g, ptrdiff_t i, ptrdiff_t to, double *sums) \
    {                                                                                              \
        lambda_pairs(j, g, i, to, with_value, spread, sums);                                       \
    }
LAMBDA_RUN(lambda_slopes, 0, 0)
LAMBDA_RUN(lambda_slopes_spread, 0, 1)
LAMBDA_RUN(lambda_values, 1, 0)
LAMBDA_RUN(lambda_values_spread, 1, 1)

static void lambda_pairs_with_infinities(const group_job *j, const sorted *g, ptrdiff_t i, int spread, double *sums)
{
    for (ptrdiff_t k = i + 1; k < g->n; k++) {
        const double difference = fabs(g->gain[i] - g->gain[k]), sign = g->gain[i] >= g->gain[k] ? 1 : -1;
        if (difference == 0) continue; /* not a pair, whatever the scores */
        const double apart = (double)(g->s[i] - g->s[k]), near = spread ? 1 / (0.01 + fabs(apart)) : 1;
        const double weight = difference * (j->discounts[i] - j->discounts[k]) * near;
        const pair_terms t = logistic_pair((real)(j->scale * sign * apart), 1);
        const double push = weight * (double)t.slope, bend = weight * (double)t.curvature;
        g->gradient[k] += sign * push, g->gradient[i] -= sign * push;
        g->hessian[k] += bend, g->hessian[i] += bend;
        sums[0] += weight * (double)t.value, sums[3] += push;
    }
}

static double gain_of(const group_job *j, double y)
{
    if (!j->gains) return y;
    const int level = y < (double)j->n_gains ? (int)y : -1;
    return level == y ? j->gains[level] : exp2(y) - 1;
}

/* The sum of the largest gains times the discounts: by counting, if relevances are few whole numbers. */
static double ideal_gain(const group_job *j, sorted *g, ptrdiff_t top, double most)
{
    enum { LEVELS = 32 };
    ptrdiff_t count[LEVELS] = { 0 };
    double of_level[LEVELS] = { 0 }, ideal = 0;
    int whole = most < LEVELS;
    for (ptrdiff_t i = 0; i < g->n && whole; i++) {
        const int level = (int)g->y[i];
        whole = level == g->y[i];
        count[level]++, of_level[level] = g->gain[i];
    }
    if (whole) {
        ptrdiff_t r = 0;
        for (int level = LEVELS; level-- > 0;)
            for (ptrdiff_t k = 0; k < count[level] && r < top; k++) ideal += of_level[level] * j->discounts[r++];
        return ideal;
    }
    sort_descending(g->n, g->gain, g->spare, g->entries, g->more_entries);
    for (ptrdiff_t i = 0; i < top; i++) ideal += g->gain[g->spare[i]] * j->discounts[i];
    return ideal;
}

static void run_lambda(const group_job *j, sorted *g, double *value, double *count)
{
    const ptrdiff_t top = j->top < g->n ? j->top : g->n;
    double least = g->n ? g->y[0] : 0, most = least, sums[4] = { 0 };
    for (ptrdiff_t i = 0; i < g->n; i++) least = fmin(least, g->y[i]), most = fmax(most, g->y[i]);
    *count = most > least;
    if (!(most > least)) return;

    const double ideal = ideal_gain(j, g, top, most);
    static lambda_run *const runs[2][2] = { { lambda_slopes, lambda_slopes_spread }, { lambda_values, lambda_values_spread } };
    const int spread = j->normalize && g->s[0] != g->s[g->n - 1];
    lambda_run *run = runs[(j->want & WANT_VALUE) != 0][spread];
    for (ptrdiff_t i = 0; i < top; i++)
        if (g->finite) run(j, g, i, end_of_run(g, i + 1), sums);
        else lambda_pairs_with_infinities(j, g, i, spread, sums);
    const double factor = ideal > 0 ? 1 / ideal : 0, size = 2 * j->scale * factor * sums[3];
    const double whole = factor * (j->normalize && size > 0 ? log1p(size) / (LN2 * size) : 1);
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
    return 64 + padded * (ptrdiff_t)(2 * sizeof(ptrdiff_t) + 2 * sizeof(entry) + 12 * sizeof(double) + sizeof(real));
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
    g.order = (ptrdiff_t *)(more + 7 * room), g.spare = g.order + room;
    g.entries = (entry *)(g.spare + room), g.more_entries = g.entries + room, g.s = (real *)(g.more_entries + room);
    double value = 0, count = 0;
    int nan = 0;

    for (ptrdiff_t i = 0; i < n; i++) {
        g.finite &= absolute(scores[i]) <= REAL_MAX;
        nan |= scores[i] != scores[i];
        key[i] = by_score ? (double)scores[i] : j->y[first + i];
    }
    if (by_row || (by_score && nan))
        for (ptrdiff_t i = 0; i < n; i++) g.order[i] = i;
    else sort_descending(n, key, g.order, g.entries, g.more_entries);
    for (ptrdiff_t i = 0; i < n; i++) {
        g.y[i] = j->y[first + g.order[i]];
        g.s[i] = scores[g.order[i]];
        g.gain[i] = by_score ? gain_of(j, g.y[i]) : 0;
    }
    for (ptrdiff_t i = n; i < room; i++) g.y[i] = -HUGE_VAL, g.s[i] = FAR, g.gain[i] = 0;
    for (ptrdiff_t i = 0; i < room; i++) g.gradient[i] = g.hessian[i] = 0;

    if (n) switch (j->loss) {
        case PAIRWISE_HINGE:
        case PAIRWISE_LOGISTIC: run_pairs(j, &g, more, &value, &count); break;
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
