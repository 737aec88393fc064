/* What a tile of pixels reads: targets and predictions, with their checks. */
#ifndef FASTLOSS_REGION_LOAD_H
#define FASTLOSS_REGION_LOAD_H

#include "region_tile.h"

/* ---- targets --------------------------------------------------------------------------------------------------------- */

#define READ_LABELS(ctype)                                                                \
    for (ptrdiff_t i = 0; i < n; i++) {                                                   \
        ctype x;                                                                          \
        memcpy(&x, at + i * stride, sizeof x);                                            \
        const int64_t k = (int64_t)x;                                                     \
        const int32_t known = (k >= 0) & (k < classes) ? (int32_t)k : (int32_t)BAD_LABEL; \
        to[i] = (real)(has_ignored & (k == ignored) ? (int32_t)NOT_COUNTED : known);      \
    }                                                                                     \
    return;

/* Labels as reals, which hold them exactly. */
static void read_labels(const region_job *j, const char *at, ptrdiff_t stride, ptrdiff_t n, real *restrict to)
{
    const operand *op = &j->operands[REGION_Y];
    const int64_t classes = j->classes, ignored = j->ignored;
    const int has_ignored = j->has_ignored;
    switch (op->swapped ? LONGDOUBLE : op->type) {
    case INT8: READ_LABELS(int8_t)
    case INT16: READ_LABELS(int16_t)
    case INT32: READ_LABELS(int32_t)
    case INT64: READ_LABELS(int64_t)
    case UINT8: READ_LABELS(uint8_t)
    case UINT16: READ_LABELS(uint16_t)
    case UINT32: READ_LABELS(uint32_t)
    default:
        for (ptrdiff_t i = 0; i < n; i++) {
            const ptrdiff_t k = label_at(op, at + i * stride);
            const int known = k >= 0 && k < classes;
            to[i] = has_ignored && k == ignored && k != NOT_A_LABEL ? NOT_COUNTED : known ? (real)k : BAD_LABEL;
        }
    }
}

static void load_labels_of(region_tile *t)
{
    real *label = t->label;
    int bad = 0, left_out = t->n < t->padded;
    FOR_PIXEL_RUNS(t, REGION_Y, plane_of(t->job, REGION_Y, t->sample, 0), read_labels(t->job, at, stride, run, label + done);)
    for (ptrdiff_t i = t->n; i < t->padded; i++) label[i] = NOT_COUNTED;
    _Pragma("omp simd reduction(|:bad, left_out)") for (ptrdiff_t i = 0; i < t->padded; i++)
    {
        bad |= label[i] == BAD_LABEL;
        left_out |= label[i] == NOT_COUNTED;
    }
    t->partial = left_out;
    if (bad) t->status |= BAD_Y;
}

/* Finite, in [0, 1] or `hard`, or ignored. Soft targets that are read where they lie are checked as they are added up. */
static void check_dense(region_tile *t, const real *y)
{
    const real ignored = t->job->has_ignored ? (real)t->job->ignored : REAL_NAN;
    const int hard = t->job->hard;
    int bad = 0;
    _Pragma("omp simd reduction(|:bad)") for (ptrdiff_t i = 0; i < t->n; i++)
    {
        const int soft = (y[i] != 0) & (y[i] != 1);
        bad |= (!(y[i] >= 0) | !(y[i] <= 1) | (hard & soft)) & (y[i] != ignored);
    }
    if (bad) t->status |= BAD_Y;
}

static void mark_dense(region_tile *t, real *y)
{
    const real ignored = t->job->has_ignored ? (real)t->job->ignored : REAL_NAN;
    int left_out = t->n < t->padded;
    _Pragma("omp simd reduction(|:left_out)") for (ptrdiff_t i = 0; i < t->n; i++)
    {
        left_out |= y[i] == ignored;
        y[i] = y[i] == ignored ? NOT_COUNTED : y[i];
    }
    for (ptrdiff_t i = t->n; i < t->padded; i++) y[i] = NOT_COUNTED;
    t->partial |= left_out;
}

static void load_targets(region_tile *t)
{
    const region_job *j = t->job;
    if (j->labels) {
        load_labels_of(t);
        return;
    }
    const int turned = interleaved(j, REGION_Y);
    t->partial = 0;
    t->t_here = in_place(t, REGION_Y) && !j->has_ignored;
    if (turned) transpose_planes(t, REGION_Y, t->t, 1);
    for (ptrdiff_t c = 0; c < j->classes; c++) {
        real *y = t->t + c * t->plane;
        if (!turned && !t->t_here) read_plane(t, REGION_Y, c, y);
        if (!t->checked && !(t->t_here && !j->hard)) check_dense(t, targets_of(t, c));
        if (!t->t_here) mark_dense(t, y);
    }
}

/* ---- predictions ----------------------------------------------------------------------------------------------------- */

static void leave_out(const region_tile *t, ptrdiff_t class, real *z)
{
    const real *mark = t->job->labels ? t->label : targets_of(t, class);
    FOR_PIXELS(t, i) z[i] = mark[i] == NOT_COUNTED ? R(0.) : z[i];
}

static void load_predictions(region_tile *t)
{
    const region_job *j = t->job;
    const int turned = interleaved(j, REGION_F);
    t->z_here = in_place(t, REGION_F) && !t->partial && j->scores != SOFTMAX_SCORES;
    if (turned) transpose_planes(t, REGION_F, t->z, 1);
    int bad = 0;
    for (ptrdiff_t c = 0; c < j->classes; c++) {
        if (!t->z_here) {
            real *z = t->z + c * t->plane;
            if (!turned) read_plane(t, REGION_F, c, z);
            for (ptrdiff_t i = t->n; i < t->padded; i++) z[i] = 0;
            if (t->partial) leave_out(t, c, z);
        }
        const real *z = scores_of(t, c);
        if (j->scores == PROBABILITIES && !t->checked)
            _Pragma("omp simd reduction(|:bad)") for (ptrdiff_t i = 0; i < t->padded; i++) bad |=
                ((z[i] < 0) | (z[i] > 1)) & (absolute(z[i]) <= REAL_MAX);
    }
    if (bad) t->status |= BAD_F;
}

#endif
