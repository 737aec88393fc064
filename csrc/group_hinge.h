/* Pairs of the hinge: in a loop over the partners of a row, or all at once. */
#ifndef FASTLOSS_GROUP_HINGE_H
#define FASTLOSS_GROUP_HINGE_H

#include "group_pairs.h"

INLINE void hinge_run(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, int steepness, pair_sums *sums)
{
    const double s_i = g->s[rows[0]], s_j = g->s[rows[1]], margin = g->job->scale, least = 0x1p-10;
    double value[2][STEP], slope[2][STEP], curvature[2][STEP];
    for (int r = 0; r < 2; r++) FOR_STEP value[r][l] = slope[r][l] = curvature[r][l] = 0;
    for (ptrdiff_t k = from; k < to; k += STEP) {
        const double *restrict s = g->s + k;
        double *restrict gradient = g->gradient + k, *restrict hessian = g->hessian + k;
        double active[2][STEP]; /* a select into a sum would become a branch */
        FOR_STEP active[0][l] = margin - (s_i - s[l]) > 0 ? 1. : 0., active[1][l] = margin - (s_j - s[l]) > 0 ? 1. : 0.;
        FOR_STEP
        {
            const double u = margin - (s_i - s[l]), v = margin - (s_j - s[l]), x = active[0][l], y = active[1][l];
            slope[0][l] += x, slope[1][l] += y, gradient[l] += x + y;
            value[0][l] += u * x, value[1][l] += v * y;
            if (steepness) {
                const double p = maximum(absolute(u), least), q = maximum(absolute(v), least), inverse = 1 / (p * q);
                curvature[0][l] += q * inverse, curvature[1][l] += p * inverse, hessian[l] += (p + q) * inverse;
            }
        }
    }
    for (int r = 0; r < 2; r++)
        sums[r].value += folded(value[r]), sums[r].slope += folded(slope[r]), sums[r].curvature += folded(curvature[r]);
}

static void hinge_slopes(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *sums)
{
    hinge_run(g, rows, from, to, 0, sums);
}

static void hinge_steep(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *sums)
{
    hinge_run(g, rows, from, to, 1, sums);
}

/* Scores that are infinite, or nearly so. */
INLINE void hinge_far_run(const group *g, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to, pair_sums *sums)
{
    const double si = g->s[i], margin = g->job->scale;
    const double *restrict s = g->s;
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    double value = 0, slope = 0, curvature = 0;
    _Pragma("omp simd reduction(+:value, slope, curvature)") for (ptrdiff_t k = from; k < to; k++)
    {
        const double u = margin - (si - s[k]), steep = 1 / maximum(absolute(u), 0x1p-10), undefined = u != u ? u : 0.;
        const double active = (u > 0 ? 1. : 0.) + undefined;
        gradient[k] += active, hessian[k] += steep;
        value += maximum(u, 0), slope += active, curvature += steep;
    }
    sums->value += value, sums->slope += slope, sums->curvature += curvature;
}

static void hinge_far(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *sums)
{
    for (int r = 0; r < 2 && rows[r] != g->none; r++) hinge_far_run(g, rows[r], from, to, sums + r);
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
static double hinge_sweep(group *g)
{
    const ptrdiff_t n = g->n;
    double *level = g->more[0], *counts = g->more[1], *sums = g->more[2], margin = g->job->scale, total = 0;
    const double *s = g->s;
    ptrdiff_t *order = g->spare[0];
    level[n - 1] = 0;
    for (ptrdiff_t i = n - 1; i-- > 0;) level[i] = level[i + 1] + (g->gain[i] > g->gain[i + 1]);
    const ptrdiff_t levels = (ptrdiff_t)level[0] + 1;
    order_descending(n, s, order, g->entries[0], g->entries[1]);

    memset(counts, 0, (size_t)(levels + 1) * sizeof *counts);
    memset(sums, 0, (size_t)(levels + 1) * sizeof *sums);
    for (ptrdiff_t a = 0, next = 0; a < n; a++) {
        const ptrdiff_t i = order[a], below = (ptrdiff_t)level[i];
        for (; next < n && margin - (s[i] - s[order[next]]) > 0; next++) {
            tree_add(counts, levels, (ptrdiff_t)level[order[next]], 1);
            tree_add(sums, levels, (ptrdiff_t)level[order[next]], s[order[next]] - g->high);
        }
        const double active = tree_sum(counts, below);
        g->gradient[i] -= active;
        total += active * (margin - (s[i] - g->high)) + tree_sum(sums, below);
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

#endif
