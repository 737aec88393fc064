/* Stable descending order of numbers without NaN.
 *
 * Design. Small whole numbers, which relevances mostly are, are counted. Some hundred others are ranked by comparing each
 * with all, which vectorises and has no branch to guess; more of them are sorted by bytes, the last first, but for bytes
 * that all have in common: scores that were float32 have three of those. */
#ifndef FASTLOSS_GROUP_ORDER_H
#define FASTLOSS_GROUP_ORDER_H

#include "real.h"

#include <string.h>

typedef struct {
    uint64_t key;
    ptrdiff_t row;
} entry;

/* 0 if a number is not whole, or not small. */
static int order_by_counting(ptrdiff_t n, const double *x, ptrdiff_t *order)
{
    enum { LEVELS = 64 };
    int others = 0;
    _Pragma("omp simd reduction(|:others)") for (ptrdiff_t i = 0; i < n; i++)
    {
        const double level = x[i] > 0 ? (x[i] < LEVELS - 1 ? x[i] : LEVELS - 1.) : 0.;
        others |= (double)(int)level != x[i];
    }
    if (others) return 0;
    ptrdiff_t next[LEVELS + 1] = { 0 };
    for (ptrdiff_t i = 0; i < n; i++) next[LEVELS - (int)x[i]]++;
    for (int k = 0; k < LEVELS; k++) next[k + 1] += next[k];
    for (ptrdiff_t i = 0; i < n; i++) order[next[LEVELS - 1 - (int)x[i]]++] = i;
    return 1;
}

/* The rank of a number: how many are larger, or equal and before it; of TOGETHER numbers at a time. */
static void order_by_ranking(ptrdiff_t n, const double *x, ptrdiff_t *order)
{
    enum { TOGETHER = 16 };
    for (ptrdiff_t first = 0; first < n; first += TOGETHER) {
        const ptrdiff_t count = n - first < TOGETHER ? n - first : TOGETHER;
        double own[TOGETHER] = { 0 };
        int64_t rank[TOGETHER] = { 0 }, at[TOGETHER];
        memcpy(own, x + first, (size_t)count * sizeof *own);
        for (int l = 0; l < TOGETHER; l++) at[l] = first + l;
        for (ptrdiff_t j = 0; j < first; j++) _Pragma("omp simd") for (int l = 0; l < TOGETHER; l++) rank[l] += x[j] >= own[l];
        for (ptrdiff_t j = first; j < first + count; j++)
            _Pragma("omp simd") for (int l = 0; l < TOGETHER; l++) rank[l] += (x[j] > own[l]) | ((x[j] == own[l]) & (j < at[l]));
        for (ptrdiff_t j = first + count; j < n; j++)
            _Pragma("omp simd") for (int l = 0; l < TOGETHER; l++) rank[l] += x[j] > own[l];
        for (ptrdiff_t l = 0; l < count; l++) order[rank[l]] = first + l;
    }
}

/* Whole numbers that rise where x falls; both zeros are one. */
INLINE uint64_t falling(double x)
{
    const uint64_t sign = (uint64_t)1 << 63;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bits == sign) bits = 0;
    return bits & sign ? bits : ~(bits | sign);
}

/* `from` and `to` have room for n entries each. */
static void order_by_bytes(ptrdiff_t n, const double *x, ptrdiff_t *order, entry *from, entry *to)
{
    enum { DIGITS = 8, VALUES = 256 };
    ptrdiff_t count[DIGITS][VALUES] = { { 0 } };
    for (ptrdiff_t i = 0; i < n; i++) {
        from[i] = (entry){ falling(x[i]), i };
        for (int d = 0; d < DIGITS; d++) count[d][from[i].key >> 8 * d & (VALUES - 1)]++;
    }
    for (int d = 0; d < DIGITS; d++) {
        ptrdiff_t *next = count[d], start = 0;
        if (next[from[0].key >> 8 * d & (VALUES - 1)] == n) continue;
        for (int k = 0; k < VALUES; k++) {
            const ptrdiff_t here = next[k];
            next[k] = start, start += here;
        }
        for (ptrdiff_t i = 0; i < n; i++) to[next[from[i].key >> 8 * d & (VALUES - 1)]++] = from[i];
        entry *swap = from;
        from = to, to = swap;
    }
    for (ptrdiff_t i = 0; i < n; i++) order[i] = from[i].row;
}

static void order_descending(ptrdiff_t n, const double *x, ptrdiff_t *order, entry *from, entry *to)
{
#ifdef __AVX2__
    enum { RANKED = 256 };
#else
    enum { RANKED = 64 }; /* two numbers in a register */
#endif
    if (order_by_counting(n, x, order)) return;
    if (n <= RANKED) order_by_ranking(n, x, order);
    else order_by_bytes(n, x, order, from, to);
}

#endif
