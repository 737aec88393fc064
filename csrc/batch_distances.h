/* Distances of a block of anchors to all rows.
 *
 * Design. Squared differences are summed directly: a matrix product would need |a|^2 + |b|^2 - 2 a.b, in which near rows cancel,
 * and decisions would differ from those of the definition. Rows lie transposed in panels, lanes are partners, four anchors share
 * what is loaded: two operations for an entry of a pair. All pairs go the same way, so d(a, b) and d(b, a) have the same bits. */
#ifndef FASTLOSS_BATCH_DISTANCES_H
#define FASTLOSS_BATCH_DISTANCES_H

#include "batch_job.h"
#include "pairs.h"
#include "stream.h"

#include <math.h>

#if defined(__AVX512F__)
enum { ACROSS = 4 };
#else
enum { ACROSS = 2 };
#endif
enum { PANEL = ACROSS * STEP, TOGETHER = 4, ENTRIES_AT_ONCE = 64 };

/* a*b + c in one rounding where the instruction set has it. */
INLINE vector fused(vector a, vector b, vector c)
{
#if defined(__AVX512F__) && defined(FASTLOSS_F32)
    return (vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX512F__)
    return (vector)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__) && defined(FASTLOSS_F32)
    return (vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__FMA__)
    return (vector)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
    return a * b + c;
#endif
}

/* Sums of squared differences of TOGETHER rows to those of a panel, ENTRIES_AT_ONCE at a time: no long chains of roundings. */
INLINE void sums_of_squares(const real *x, ptrdiff_t stride, const real *panel, ptrdiff_t n, real *to, ptrdiff_t to_stride)
{
    vector total[TOGETHER][ACROSS] = { 0 };
    for (ptrdiff_t from = 0; from < n; from += ENTRIES_AT_ONCE) {
        const ptrdiff_t end = from + ENTRIES_AT_ONCE < n ? from + ENTRIES_AT_ONCE : n;
        vector sum[TOGETHER][ACROSS] = { 0 };
        for (ptrdiff_t k = from; k < end; k++) {
            vector partner[ACROSS];
            _Pragma("GCC unroll 4") for (int c = 0; c < ACROSS; c++) partner[c] = vector_at(panel + k * PANEL + c * STEP);
            _Pragma("GCC unroll 4") for (int a = 0; a < TOGETHER; a++)
            {
                const real anchor = x[a * stride + k];
                _Pragma("GCC unroll 4") for (int c = 0; c < ACROSS; c++)
                {
                    const vector d = partner[c] - anchor;
                    sum[a][c] = fused(d, d, sum[a][c]);
                }
            }
        }
        for (int a = 0; a < TOGETHER; a++)
            for (int c = 0; c < ACROSS; c++) total[a][c] += sum[a][c];
    }
    for (int a = 0; a < TOGETHER; a++)
        for (int c = 0; c < ACROSS; c++) *(vector *)(to + a * to_stride + c * STEP) = total[a][c];
}

static void pack_panel(const batch_job *j, ptrdiff_t number)
{
    const real *x = (const real *)j->x + number * PANEL * j->stride;
    real *to = (real *)j->panels + number * PANEL * j->entries;
    for (ptrdiff_t k = 0; k < j->entries; k++)
        for (ptrdiff_t i = 0; i < PANEL; i++) to[k * PANEL + i] = x[i * j->stride + k];
    for (ptrdiff_t i = 0; i < PANEL; i++)
        if (j->kind[number * PANEL + i] == BAD_ROW)
            for (ptrdiff_t k = 0; k < j->entries; k++) to[k * PANEL + i] = REAL_NAN;
}

/* The distance of finite rows whose squares may leave the range of reals; 0 for equal rows only. */
static double wide_norm(const batch_job *j, ptrdiff_t a, ptrdiff_t b)
{
    const real *x = j->x;
    return scaled_gap(x + a * j->stride, x + b * j->stride, j->entries).norm;
}

/* The root of a sum of squares that has lost nothing that counts to underflow. */
#define LEAST_DISTANCE BY_TYPE(0x1p-480, 0x1p-50)

/* What sums of squares mean as distances of row i. Returns 1 where squares have overflown. */
static int close_distances(const batch_job *j, ptrdiff_t i, real *restrict d)
{
    const ptrdiff_t n = j->rows;
    if (j->kind[i] == BAD_ROW) {
        for (ptrdiff_t k = 0; k < n; k++) d[k] = REAL_NAN;
        return 0;
    }
    d[i] = 1; /* not a pair */
    int unsure = 0;
    if (j->distance == BY_NORM) {
        _Pragma("omp simd reduction(+ : unsure)") for (ptrdiff_t k = 0; k < n; k++)
        {
            const real norm = square_root(d[k]);
            d[k] = norm;
            unsure += !(norm >= LEAST_DISTANCE && norm <= REAL_MAX);
        }
        for (ptrdiff_t k = 0; unsure > 0 && k < n; k++)
            if (!(d[k] >= LEAST_DISTANCE && d[k] <= REAL_MAX) && j->kind[k] != BAD_ROW) d[k] = (real)wide_norm(j, i, k);
    } else if (j->distance == BY_ANGLE) {
        _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++) d[k] = R(0.5) * d[k];
        if (j->mixed)
            for (ptrdiff_t k = 0; k < n; k++)
                if (j->kind[k] == ZERO_ROW || (j->kind[i] == ZERO_ROW && j->kind[k] != BAD_ROW)) d[k] = 1;
    } else {
        _Pragma("omp simd reduction(+ : unsure)") for (ptrdiff_t k = 0; k < n; k++) unsure += d[k] > REAL_MAX;
        return unsure > 0;
    }
    return 0;
}

/* From dl/dd = slope to the factor of x_i - x_k in the gradient; in place of the distances. BY_ANGLE what lies along x_i is
 * taken out later. */
static void close_slopes(const batch_job *j, ptrdiff_t i, const real *restrict slope, real *restrict d)
{
    const ptrdiff_t n = j->rows;
    const real w = (real)j->weight[i];
    if (j->distance == BY_NORM) {
        _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++)
        {
            const real distance = d[k], by = distance > 0 ? distance : R(1.); /* of a bad row: the slope is NaN, if used */
            const real c = clip(w * slope[k] / by, -REAL_MAX, REAL_MAX);
            d[k] = distance == 0 ? R(0.) : c;
        }
    } else {
        const real c = j->distance == BY_SQUARE ? 2 * w : w;
        _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++) d[k] = c * slope[k];
        if (j->mixed && j->distance == BY_ANGLE)
            for (ptrdiff_t k = 0; k < n; k++)
                if (d[k] == d[k] && (j->kind[k] == ZERO_ROW || j->kind[i] == ZERO_ROW)) d[k] = 0;
    }
}

#endif
