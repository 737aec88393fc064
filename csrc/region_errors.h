/* The Lovasz loss, tile by tile: the errors of pixels, and from their derivatives the gradient. */
#ifndef FASTLOSS_REGION_ERRORS_H
#define FASTLOSS_REGION_ERRORS_H

#include "region_gradient.h"

INLINE real *errors_of(const region_tile *t, ptrdiff_t class)
{
    const region_job *j = t->job;
    const ptrdiff_t slot = j->slot[class];
    return slot < 0
               ? NULL
               : (real *)j->errors + (t->sample - j->first_sample) * j->error_strides[0] + slot * j->error_strides[1] + t->first;
}

/* The size of an error, with the sign bit set in the foreground; what takes no part has an error that none of its kind can
 * have: 4, or 0 for the hinge, where that means inactive. */
INLINE void find_errors(const region_tile *t, ptrdiff_t class, score_kind scores, int labels)
{
    const real *restrict z = scores_of(t, class), *restrict y = targets_of(t, class), *restrict label = t->label;
    const real *restrict rest = t->rest, *restrict inverse = t->inverse;
    const real index = (real) class;
    real *restrict to = t->work;
    const real_bits sign = (real_bits)HIGHEST_BIT;
    FOR_PIXELS(t, i)
    {
        const real given = target_of(labels, label[i], index, y[i]);
        real error;
        if (scores == HINGE_SCORES) {
            const real inner = given == 1 ? R(1.) - z[i] : R(1.) + z[i];
            error = maximum(inner, R(0.));
        } else {
            const chance c = chance_of(scores, z[i], rest[i], inverse[i]);
            error = given == 1 ? c.q : c.p;
        }
        error = given < 0 ? (scores == HINGE_SCORES ? R(0.) : R(4.)) : error;
        const real_bits foreground = given == 1 ? sign : 0, size = bits_of(error) & ~sign;
        to[i] = from_bits(size | foreground);
    }
    memcpy(errors_of(t, class), to, (size_t)t->n * sizeof(real));
}

static void error_block(const region_job *j, ptrdiff_t sample, ptrdiff_t index, char *scratch)
{
    region_tile t = tile_in(j, scratch);
    t.sample = sample, t.checked = 1;
    for (ptrdiff_t done = 0; next_tile(&t, index, &done);) {
        load_targets(&t);
        load_predictions(&t);
        if (j->scores == SOFTMAX_SCORES) softmax_planes(&t);
#define ERRORS(scores, labels)                 \
    for (ptrdiff_t c = 0; c < j->classes; c++) \
        if (j->slot[c] >= 0) find_errors(&t, c, scores, labels);
        FOR_KINDS(j, ERRORS)
    }
}

/* Errors fall with the prediction in the foreground and rise outside. */
static void error_slopes(const region_tile *t, ptrdiff_t class)
{
    const region_job *j = t->job;
    const real *restrict label = t->label, index = (real) class;
    const real factor = (real)j->slopes[t->sample * j->classes + class], *restrict errors = errors_of(t, class);
    const real *given = targets_of(t, class);
    real *y = t->t + class * t->plane, *restrict slope = t->work;
    if (!errors || factor == 0) {
        fill_plane(t, y, 0);
        return;
    }
    memcpy(slope, errors, (size_t)t->n * sizeof(real));
    if (t->n < t->padded) memset(slope + t->n, 0, (size_t)(t->padded - t->n) * sizeof(real));
    if (j->labels) FOR_PIXELS(t, i) y[i] = target_of(1, label[i], index, R(0.));
    FOR_PIXELS(t, i)
    {
        const real target = j->labels ? y[i] : given[i], g = slope[i] * factor, signed_ = target == 1 ? -g : g;
        y[i] = target < 0 ? R(0.) : signed_;
    }
}

static void lovasz_gradient_block(const region_job *j, ptrdiff_t sample, ptrdiff_t index, char *scratch)
{
    region_tile t = tile_in(j, scratch);
    t.sample = sample, t.checked = 1;
    const int any = has_slopes(j, sample, 1);
    for (ptrdiff_t done = 0; next_tile(&t, index, &done);) {
        if (!any) {
            write_zeros(&t);
            continue;
        }
        load_targets(&t);
        if (j->scores == SOFTMAX_SCORES) {
            load_predictions(&t);
            softmax_planes(&t);
        }
        for (ptrdiff_t c = 0; c < j->classes; c++) error_slopes(&t, c);
        if (j->scores == SOFTMAX_SCORES) softmax_gradient(&t);
        else deliver_all(&t, t.t);
    }
}

#endif
