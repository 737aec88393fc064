/* From scores to probabilities p and 1 - p of a tile of pixels. */
#ifndef FASTLOSS_REGION_SCORES_H
#define FASTLOSS_REGION_SCORES_H

#include "region_tile.h"
#include "vmath.h"

/* Pixels with infinite logits, as pixels that have the same limit and need no care: see softmax.h. */
static void pixel_limits(const region_tile *t, ptrdiff_t i)
{
    const ptrdiff_t classes = t->job->classes;
    ptrdiff_t certain = 0;
    for (ptrdiff_t c = 0; c < classes; c++) certain += t->z[c * t->plane + i] == t->top[i];
    const int undefined = t->top[i] < 0 ? classes > 1 : certain > 1;
    for (ptrdiff_t c = 0; c < classes; c++) {
        real *at = &t->z[c * t->plane + i];
        *at = undefined || *at != *at ? REAL_NAN : *at == t->top[i] ? R(0.) : -REAL_INFINITY;
    }
    t->top[i] = 0;
}

/* The largest logit of each pixel. */
static void find_top(region_tile *t)
{
    real *restrict top = t->top;
    int infinite = 0;
    FOR_PIXELS(t, i) top[i] = -REAL_INFINITY;
    for (ptrdiff_t c = 0; c < t->job->classes; c++) {
        const real *restrict z = t->z + c * t->plane;
        FOR_PIXELS(t, i) top[i] = z[i] > top[i] ? z[i] : top[i];
    }
    _Pragma("omp simd reduction(|:infinite)") for (ptrdiff_t i = 0; i < t->padded; i++) infinite |=
        !(absolute(top[i]) <= REAL_MAX);
    if (infinite)
        for (ptrdiff_t i = 0; i < t->padded; i++)
            if (!(absolute(top[i]) <= REAL_MAX)) pixel_limits(t, i);
}

/* Exponentials e = exp(z - top) in the place of logits; the largest is 1, and its 1 - p is rest / (1 + rest). */
static void softmax_planes(region_tile *t)
{
    real *restrict rest = t->rest, *restrict inverse = t->inverse, *restrict ones = t->work, *restrict top = t->top;
    find_top(t);
    FOR_PIXELS(t, i)
    {
        rest[i] = 0;
        ones[i] = R(-1.);
    }
    for (ptrdiff_t c = 0; c < t->job->classes; c++) {
        real *restrict z = t->z + c * t->plane;
        FOR_PIXELS(t, i)
        {
            const real e = exp_of_negative(z[i] - top[i]), one = e == 1 ? R(1.) : R(0.);
            z[i] = e;
            rest[i] += e - one;
            ones[i] += one;
        }
    }
    FOR_PIXELS(t, i)
    {
        rest[i] += ones[i];
        inverse[i] = R(1.) / (R(1.) + rest[i]);
    }
    if (t->partial && t->job->labels) FOR_PIXELS(t, i) inverse[i] = t->label[i] == NOT_COUNTED ? R(0.) : inverse[i];
}

/* exp(-|z|) of a sigmoid, as a stage of its own: two short loops overlap more steps than one whose chain of operations fills the
 * processor's window. */
INLINE void decay_plane(const region_tile *t, const real *z)
{
    real *restrict e = t->rest;
    FOR_PIXELS(t, i) e[i] = vm_decay(z[i]);
}

/* p, 1 - p and, of a sigmoid, their product */
typedef struct {
    real p, q, pq;
} chance;

/* Of a sigmoid, `rest` is exp(-|z|). */
INLINE chance chance_of(score_kind scores, real z, real rest, real inverse)
{
    if (scores == SOFTMAX_SCORES) {
        const real p = z * inverse, largest = z == 1 ? R(1.) : R(0.);
        return (chance){ p, largest * (rest * inverse) + (R(1.) - largest) * (R(1.) - p), R(0.) };
    }
    if (scores == SIGMOID_SCORES) {
        const real large = R(1.) / (R(1.) + rest), small = rest * large;
        return (chance){ z < 0 ? small : large, z < 0 ? large : small, small * large };
    }
    const real p = z + (z - z); /* infinities mean nothing */
    return (chance){ p, R(1.) - p, R(0.) };
}

/* Calls BODY(scores, labels) with constants for what the job is. */
#define FOR_KINDS(j, BODY)          \
    switch ((j)->scores) {          \
    case SOFTMAX_SCORES:            \
        if ((j)->labels) {          \
            BODY(SOFTMAX_SCORES, 1) \
        } else {                    \
            BODY(SOFTMAX_SCORES, 0) \
        }                           \
        break;                      \
    case SIGMOID_SCORES: {          \
        BODY(SIGMOID_SCORES, 0)     \
    } break;                        \
    case PROBABILITIES:             \
        if ((j)->labels) {          \
            BODY(PROBABILITIES, 1)  \
        } else {                    \
            BODY(PROBABILITIES, 0)  \
        }                           \
        break;                      \
    case HINGE_SCORES: {            \
        BODY(HINGE_SCORES, 0)       \
    } break;                        \
    }

/* The target of a pixel in the plane of a class, -1 where it takes no part: t holds dense targets. */
INLINE real target_of(int labels, real label, real class, real t)
{
    if (!labels) return t;
    const real inside = label == class ? R(1.) : R(0.);
    return label == NOT_COUNTED ? NOT_COUNTED : inside;
}

#endif
