/* Gradients of losses of regions, given the slopes of the regions. */
#ifndef FASTLOSS_REGION_GRADIENT_H
#define FASTLOSS_REGION_GRADIENT_H

#include "region_load.h"
#include "region_scores.h"
#include "stream.h"

/* The gradient of a class from its plane to its place. */
static void deliver(const region_tile *t, ptrdiff_t class, const real *from)
{
    const region_job *j = t->job;
    const operand *op = &j->operands[REGION_GRADIENT];
    char *base = plane_of(j, REGION_GRADIENT, t->sample, class);
    if (op->contiguous && j->stream) stream_scaled(t->n, from, R(1.), (real *)base + t->first);
    else if (op->contiguous) memcpy((real *)base + t->first, from, (size_t)t->n * sizeof(real));
    else
        FOR_PIXEL_RUNS(t, REGION_GRADIENT, base, {
            if (op->type == FLOAT32)
                for (ptrdiff_t i = 0; i < run; i++) *(float *)(at + i * stride) = (float)from[done + i];
            else
                for (ptrdiff_t i = 0; i < run; i++) *(double *)(at + i * stride) = (double)from[done + i];
        })
}

static void deliver_all(const region_tile *t, real *planes)
{
    if (interleaved(t->job, REGION_GRADIENT)) transpose_planes(t, REGION_GRADIENT, planes, 0);
    else
        for (ptrdiff_t c = 0; c < t->job->classes; c++) deliver(t, c, planes + c * t->plane);
}

INLINE void fill_plane(const region_tile *t, real *to, real x) { FOR_PIXELS(t, i) to[i] = x; }

/* What one class needs of the slopes: derivatives in the foreground and outside, and their factors of 1 - p and p. */
typedef struct {
    real inside, inside_missed, outside, outside_hit;
} class_slopes;

INLINE class_slopes slopes_of(const region_tile *t, ptrdiff_t class)
{
    const double *s = t->job->slopes + (t->sample * t->job->classes + class) * REGION_SLOPES;
    return (class_slopes){ (real)s[0], (real)s[1], (real)s[2], (real)s[3] };
}

INLINE int are_zero(class_slopes s) { return s.inside == 0 && s.inside_missed == 0 && s.outside == 0 && s.outside_hit == 0; }

/* The derivative of the loss in a probability; 0 for what takes no part, if targets are marked so. */
INLINE real slope_at(class_slopes s, int labels, int marked, int squared, real label, real index, real y, chance c)
{
    const real in = squared ? multiply_add(s.inside_missed, c.q, s.inside) : s.inside;
    const real out = squared ? multiply_add(s.outside_hit, c.p, s.outside) : s.outside;
    const real hard = label == index ? in : out, soft = multiply_add(y, in, (R(1.) - y) * out);
    const real slope = labels ? hard : soft, mark = labels ? label : y;
    return marked && mark < 0 ? R(0.) : slope;
}

/* Slopes of a softmax, over dense targets. */
INLINE void find_slopes(const region_tile *t, ptrdiff_t class, int labels, int squared)
{
    const real *restrict z = t->z + class * t->plane, *restrict label = t->label;
    const real *restrict rest = t->rest, *restrict inverse = t->inverse;
    const real index = (real) class, *given = targets_of(t, class);
    real *to = t->t + class * t->plane;
    const class_slopes s = slopes_of(t, class);
    if (are_zero(s)) fill_plane(t, to, 0);
    else FOR_PIXELS(t, i)
    to[i] = slope_at(s, labels, 1, squared, label[i], index, labels ? R(0.) : given[i],
                     chance_of(SOFTMAX_SCORES, z[i], rest[i], inverse[i]));
}

/* The gradient where each prediction stands for itself, `to` being its place, which may be that of an input. */
INLINE void find_gradient(const region_tile *t, ptrdiff_t class, score_kind scores, int labels, int marked, int squared, real *to)
{
    const real *z = scores_of(t, class), *y = targets_of(t, class), *label = t->label, index = (real) class;
    const class_slopes s = slopes_of(t, class);
    if (are_zero(s)) {
        fill_plane(t, to, 0);
        return;
    }
    const real *restrict rest = t->rest, *restrict inverse = t->inverse;
    if (scores == SIGMOID_SCORES) decay_plane(t, z);
    FOR_PIXELS(t, i)
    {
        const chance c = chance_of(scores, z[i], rest[i], inverse[i]);
        const real slope = slope_at(s, labels, marked, squared, labels ? label[i] : R(0.), index, labels ? R(0.) : y[i], c);
        to[i] = scores == SIGMOID_SCORES ? slope * c.pq : slope;
    }
}

/* With s_k the slopes and any s:   dz_c = p_c ((s_c - s) - sum p_k (s_k - s)),   s being that of the largest p, so that nothing
 * cancels where one class is nearly certain. */
static void softmax_gradient(region_tile *t)
{
    const ptrdiff_t classes = t->job->classes;
    real *restrict pivot = t->top, *restrict mean = t->work, *restrict inverse = t->inverse;
    FOR_PIXELS(t, i) pivot[i] = mean[i] = 0;
    for (ptrdiff_t c = 0; c < classes; c++) {
        const real *restrict z = t->z + c * t->plane, *restrict s = t->t + c * t->plane;
        FOR_PIXELS(t, i) pivot[i] = z[i] == 1 ? s[i] : pivot[i];
    }
    for (ptrdiff_t c = 0; c < classes; c++) {
        const real *restrict z = t->z + c * t->plane, *restrict s = t->t + c * t->plane;
        FOR_PIXELS(t, i) mean[i] = multiply_add(z[i], s[i] - pivot[i], mean[i]);
    }
    FOR_PIXELS(t, i) mean[i] *= inverse[i];
    for (ptrdiff_t c = 0; c < classes; c++) {
        real *restrict z = t->z + c * t->plane, *restrict s = t->t + c * t->plane;
        FOR_PIXELS(t, i) z[i] = z[i] * inverse[i] * ((s[i] - pivot[i]) - mean[i]);
        if (t->partial && t->job->labels) FOR_PIXELS(t, i) z[i] = t->label[i] < 0 ? R(0.) : z[i];
    }
    deliver_all(t, t->z);
}

/* Where all slopes of a sample are 0, nothing needs to be read. */
static int has_slopes(const region_job *j, ptrdiff_t sample, int slopes)
{
    const double *s = j->slopes + sample * j->classes * slopes;
    for (ptrdiff_t k = 0; k < j->classes * slopes; k++)
        if (s[k] != 0) return 1;
    return 0;
}

INLINE void write_zeros(const region_tile *t)
{
    for (ptrdiff_t c = 0; c < t->job->classes; c++) fill_plane(t, t->z + c * t->plane, 0);
    deliver_all(t, t->z);
}

static void gradient_block(const region_job *j, ptrdiff_t sample, ptrdiff_t index, char *scratch)
{
    region_tile t = tile_in(j, scratch);
    t.sample = sample, t.checked = 1;
    const int any = has_slopes(j, sample, REGION_SLOPES);
    for (ptrdiff_t done = 0; next_tile(&t, index, &done);) {
        if (!any) {
            write_zeros(&t);
            continue;
        }
        load_targets(&t);
        load_predictions(&t);
        if (j->scores == SOFTMAX_SCORES) {
            softmax_planes(&t);
            for (ptrdiff_t c = 0; c < j->classes; c++)
                if (j->labels && j->squared) find_slopes(&t, c, 1, 1);
                else if (j->labels) find_slopes(&t, c, 1, 0);
                else if (j->squared) find_slopes(&t, c, 0, 1);
                else find_slopes(&t, c, 0, 0);
            softmax_gradient(&t);
            continue;
        }
        const int direct = in_place(&t, REGION_GRADIENT) && !j->stream, marked = j->labels ? t.partial : !t.t_here;
        for (ptrdiff_t c = 0; c < j->classes; c++) {
            real *to = direct ? pixels_of(&t, REGION_GRADIENT, c) : t.z + c * t.plane;
#define GRADIENT_OF(scores, labels)                                           \
    if (marked && j->squared) find_gradient(&t, c, scores, labels, 1, 1, to); \
    else if (marked) find_gradient(&t, c, scores, labels, 1, 0, to);          \
    else if (j->squared) find_gradient(&t, c, scores, labels, 0, 1, to);      \
    else find_gradient(&t, c, scores, labels, 0, 0, to);
            if (j->scores == SIGMOID_SCORES) {
                GRADIENT_OF(SIGMOID_SCORES, 0)
            } else if (j->labels) {
                GRADIENT_OF(PROBABILITIES, 1)
            } else {
                GRADIENT_OF(PROBABILITIES, 0)
            }
        }
        if (!direct) deliver_all(&t, t.z);
    }
}

#endif
