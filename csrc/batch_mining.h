/* The terms of an anchor, from its distances: their sum, the number of those > 0, and dl/dd of all distances.
 *
 * Design. The positives are sorted; a binary search for each negative finds those that it is active with, which are the last
 * ones (or, semihard, those that it lies behind, which are the first ones). With counts of where the searches ended, an anchor
 * costs O(B log B), whatever the sizes of classes. A term is (d_ap - d_an) + margin in double, and > 0 or not by that: monotone
 * in both distances, so the search for exact thresholds decides as the definition does.
 *
 * A distance to a bad row is NaN: it is the farthest and the nearest of all, so every term that would have to know it is NaN. */
#ifndef FASTLOSS_BATCH_MINING_H
#define FASTLOSS_BATCH_MINING_H

#include "batch_distances.h"
#include "long_sum.h"

#include <string.h>

typedef struct {
    real key;
    int32_t row;
} entry;

typedef struct {
    real *rows;            /* [ROWS_IN_BLOCK][padded + APART], where they are not in a tile */
    real *slope;           /* dl/dd by row */
    entry *sorted, *other; /* positives */
    real *threshold;       /* of each positive, for distances of negatives */
    int32_t *rank;         /* thresholds that each negative has reached */
    ptrdiff_t *ends;       /* by rank: how many negatives have it */
    ptrdiff_t *nearest;    /* the nearest of them, */
    real *distance;        /* and its distance */
    double *norm;          /* by row, where squares overflow */
} workspace;

typedef struct {
    const batch_job *j;
    ptrdiff_t i, start, stop; /* the anchor, and the run of its class */
    const real *d;
    workspace *w;
    ptrdiff_t positives, negatives, undefined; /* undefined: positives whose distance is NaN; they are not in `sorted` */
    long_sum value;
    double active;
    ptrdiff_t chosen[2];
} anchor;

#define FOR_NEGATIVES(a, k)                    \
    for (int behind = 0; behind < 2; behind++) \
        for (ptrdiff_t k = behind ? (a)->stop : 0, end_ = behind ? (a)->j->rows : (a)->start; k < end_; k++)

#define FOR_POSITIVES(a, k)                            \
    for (ptrdiff_t k = (a)->start; k < (a)->stop; k++) \
        if (k != (a)->i)

/* A term that is not > 0, nor NaN, is not there. */
INLINE void take_term(anchor *a, ptrdiff_t p, ptrdiff_t n, double term)
{
    if (term <= 0) return;
    const real one = term == term ? R(1.) : REAL_NAN;
    add_long(&a->value, term);
    a->active += 1;
    a->w->slope[p] += one;
    a->w->slope[n] -= one;
}

INLINE double term_of(const anchor *a, ptrdiff_t p, ptrdiff_t n) { return ((double)a->d[p] - (double)a->d[n]) + a->j->margin; }

/* Whether row k is farther than row `best`: NaN farthest, then the lowest index. */
INLINE int farther(const batch_job *j, double dk, double db, ptrdiff_t k, ptrdiff_t best)
{
    if (dk == db || (dk != dk && db != db)) return j->index[k] < j->index[best];
    return dk != dk || dk > db;
}

/* Runs of four by insertion, then merges that take the next entry without a branch. */
static entry *sort_ascending(ptrdiff_t n, entry *from, entry *to)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const entry e = from[i];
        ptrdiff_t k = i;
        for (; k % 4 && from[k - 1].key > e.key; k--) from[k] = from[k - 1];
        from[k] = e;
    }
    for (ptrdiff_t width = 4; width < n; width *= 2) {
        for (ptrdiff_t low = 0; low < n; low += 2 * width) {
            const ptrdiff_t middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            ptrdiff_t a = low, b = middle, k = low;
            while (a < middle && b < high) {
                const int first = from[a].key <= from[b].key;
                to[k++] = from[first ? a : b];
                a += first, b += !first;
            }
            memcpy(to + k, from + (a < middle ? a : b), (size_t)(high - k) * sizeof *to);
        }
        entry *swap = from;
        from = to, to = swap;
    }
    return from;
}

/* Sorts the positives whose distances are numbers. */
static ptrdiff_t sort_positives(anchor *a)
{
    workspace *w = a->w;
    ptrdiff_t m = 0;
    FOR_POSITIVES(a, k)
    {
        w->sorted[m] = (entry){ a->d[k], (int32_t)k };
        m += a->d[k] == a->d[k];
    }
    a->undefined = a->positives - m;
    entry *sorted = sort_ascending(m, w->sorted, w->other);
    w->other = sorted == w->sorted ? w->other : w->sorted;
    w->sorted = sorted;
    return m;
}

/* The real next to x, which is >= 0 and no NaN, above or below. */
INLINE real next(real x, int above)
{
    return x == 0 ? from_bits(above) * (above ? 1 : -1) : from_bits(bits_of(x) + (above ? 1 : -1));
}

/* The least distance of a negative at which the term with a positive is not > 0. */
INLINE real end_of_terms(double d, double margin)
{
    real end = (real)(d + margin);
    while ((d - (double)end) + margin > 0) end = next(end, 1);
    while (end > 0 && !((d - (double)next(end, 0)) + margin > 0)) end = next(end, 0);
    return end;
}

/* How many of m ascending thresholds each distance in [from, to) has reached; all, for NaN. Bit by bit, in vectors. */
static void search(const workspace *w, ptrdiff_t m, const real *restrict d, ptrdiff_t from, ptrdiff_t to)
{
    const real *restrict threshold = w->threshold;
    int32_t *restrict rank = w->rank, step = 1, most = (int32_t)m;
    while (step <= most) step *= 2;
    for (ptrdiff_t k = from; k < to; k++) rank[k] = 0;
    while (step /= 2) {
        _Pragma("omp simd") for (ptrdiff_t k = from; k < to; k++)
        {
            const int32_t r = rank[k], next = r + step;
            rank[k] = threshold[next - 1] > d[k] ? r : next;
        }
    }
    _Pragma("omp simd") for (ptrdiff_t k = from; k < to; k++) rank[k] = rank[k] < most ? rank[k] : most;
}

/* `threshold` is padded with infinities up to a power of two. */
static void search_negatives(anchor *a, ptrdiff_t m)
{
    ptrdiff_t size = 1;
    while (size <= m) size *= 2;
    for (ptrdiff_t r = m; r < size; r++) a->w->threshold[r] = REAL_INFINITY;
    search(a->w, m, a->d, 0, a->start);
    search(a->w, m, a->d, a->stop, a->j->rows);
}

/* Terms of the negatives in [from, to), whose ranks are the numbers of positives that they have none with; with `origin` in
 * the place of each d_ap. */
static void count_terms(anchor *a, ptrdiff_t m, double origin, ptrdiff_t from, ptrdiff_t to)
{
    const real *restrict d = a->d;
    const int32_t *restrict rank = a->w->rank, most = (int32_t)m;
    real *restrict slope = a->w->slope;
    const double margin = a->j->margin;
    double sum = 0, active = 0;
    _Pragma("omp simd reduction(+ : sum, active)") for (ptrdiff_t k = from; k < to; k++)
    {
        const int32_t n = most - rank[k];
        sum += (double)n * ((origin - (double)d[k]) + margin);
        active += (double)n;
        slope[k] = -(real)n;
    }
    add_long(&a->value, sum);
    a->active += active;
}

/* Every positive with every negative. The sum over pairs is one over negatives, in which d_ap is replaced by that of the
 * farthest positive, and one over positives, of what that was too much: small numbers, if distances are alike. */
static void mine_all(anchor *a)
{
    workspace *w = a->w;
    const ptrdiff_t m = sort_positives(a);
    const double origin = m ? (double)w->sorted[m - 1].key : 0;
    for (ptrdiff_t r = 0; r < m; r++) w->threshold[r] = end_of_terms((double)w->sorted[r].key, a->j->margin);
    search_negatives(a, m);
    count_terms(a, m, origin, 0, a->start);
    count_terms(a, m, origin, a->stop, a->j->rows);
    memset(w->ends, 0, (size_t)(m + 1) * sizeof *w->ends);
    FOR_NEGATIVES(a, k) w->ends[w->rank[k]]++;
    ptrdiff_t reached = 0;
    for (ptrdiff_t r = 0; r < m; r++) {
        reached += w->ends[r];
        w->slope[w->sorted[r].row] = (real)reached;
        add_long(&a->value, (double)reached * ((double)w->sorted[r].key - origin));
    }
    if (!a->j->mixed) return;
    ptrdiff_t undefined = 0;
    FOR_NEGATIVES(a, k) undefined += a->d[k] != a->d[k];
    if (a->undefined == 0 && undefined == 0) return;
    a->value.high = (double)REAL_NAN;
    a->active += (double)a->undefined * (double)a->negatives + (double)m * (double)undefined;
    FOR_NEGATIVES(a, k) if (a->undefined || a->d[k] != a->d[k]) w->slope[k] = REAL_NAN;
    FOR_POSITIVES(a, k) if (undefined || a->d[k] != a->d[k]) w->slope[k] = REAL_NAN;
}

/* The farthest positive with the nearest negative. */
static void mine_hard(anchor *a)
{
    ptrdiff_t p = -1, n = -1;
    FOR_POSITIVES(a, k) if (p < 0 || farther(a->j, (double)a->d[k], (double)a->d[p], k, p)) p = k;
    FOR_NEGATIVES(a, k) if (n < 0 || farther(a->j, -(double)a->d[k], -(double)a->d[n], k, n)) n = k;
    a->chosen[0] = p, a->chosen[1] = n;
    take_term(a, p, n, term_of(a, p, n));
}

/* Every positive with the nearest negative behind it, or with the farthest. A negative that has reached r positives is behind
 * the first r of them; the nearest one of these is what later ones compete with. */
static void mine_semihard(anchor *a)
{
    workspace *w = a->w;
    const ptrdiff_t m = sort_positives(a);
    for (ptrdiff_t r = 0; r < m; r++) w->threshold[r] = next(w->sorted[r].key, 1);
    search_negatives(a, m);
    for (ptrdiff_t r = 0; r <= m; r++) w->nearest[r] = -1, w->distance[r] = REAL_INFINITY;
    ptrdiff_t farthest = -1, nearest = -1;
    FOR_NEGATIVES(a, k)
    {
        const int32_t r = w->rank[k];
        const real d = a->d[k];
        if (farthest < 0 || !(d < a->d[farthest])) /* rarely */
            if (farthest < 0 || farther(a->j, (double)d, (double)a->d[farthest], k, farthest)) farthest = k;
        if (d <= w->distance[r])
            if (d < w->distance[r] || w->nearest[r] < 0 || a->j->index[k] < a->j->index[w->nearest[r]])
                w->distance[r] = d, w->nearest[r] = k;
    }
    const int known = a->d[farthest] == a->d[farthest];
    for (ptrdiff_t r = m - 1; r >= 0; r--) {
        const ptrdiff_t k = w->nearest[r + 1], p = w->sorted[r].row;
        if (k >= 0 && (nearest < 0 || farther(a->j, -(double)a->d[k], -(double)a->d[nearest], k, nearest))) nearest = k;
        const ptrdiff_t n = known && nearest >= 0 ? nearest : farthest;
        take_term(a, p, n, term_of(a, p, n));
    }
    if (a->undefined) FOR_POSITIVES(a, k) if (a->d[k] != a->d[k]) take_term(a, k, farthest, (double)REAL_NAN);
}

/* The same where squares have overflown: d_ap - d_an as a product of norms, pair by pair. */
static void mine_wide(anchor *a)
{
    const batch_job *j = a->j;
    double *norm = a->w->norm;
    for (ptrdiff_t k = 0; k < j->rows; k++) norm[k] = j->kind[k] == BAD_ROW ? (double)REAL_NAN : wide_norm(j, a->i, k);
    ptrdiff_t hardest = -1;
    FOR_POSITIVES(a, p) if (hardest < 0 || farther(j, norm[p], norm[hardest], p, hardest)) hardest = p;
    FOR_POSITIVES(a, p)
    {
        if (j->mining == MINE_HARD && p != hardest) continue;
        ptrdiff_t farthest = -1, nearest = -1;
        FOR_NEGATIVES(a, n)
        {
            const double gap = norm[p] == norm[n] ? 0 : (norm[p] - norm[n]) * (norm[p] + norm[n]);
            if (j->mining == MINE_ALL) take_term(a, p, n, gap + j->margin);
            if (farthest < 0 || farther(j, norm[n], norm[farthest], n, farthest)) farthest = n;
            if (j->mining == MINE_SEMIHARD && norm[n] <= norm[p]) continue;
            if (nearest < 0 || farther(j, -norm[n], -norm[nearest], n, nearest)) nearest = n;
        }
        if (j->mining == MINE_ALL) continue;
        const ptrdiff_t n = nearest >= 0 && norm[p] == norm[p] ? nearest : farthest;
        const double gap = norm[p] == norm[n] ? 0 : (norm[p] - norm[n]) * (norm[p] + norm[n]);
        take_term(a, p, n, gap + j->margin);
        a->chosen[0] = p, a->chosen[1] = n;
    }
}

#endif
