/* From tiles to arrays: weights, scale and floor are applied while results leave. */
#ifndef FASTLOSS_ROW_WRITE_H
#define FASTLOSS_ROW_WRITE_H

#include "row_load.h"
#include "stream.h"

/* A tile to rows that lie end to end, past the cache; there are at most MOST_STREAMED classes. */
enum { MOST_STREAMED = 64 };

__attribute__((noinline)) static void stream_rows(const real *from, ptrdiff_t classes, char *at)
{
    _Alignas(64) real rows[MOST_STREAMED * LANES];
    transpose_out(from, classes, (char *)rows, classes * (ptrdiff_t)sizeof(real));
    stream_scaled(classes * LANES, rows, 1, (real *)at);
}

/* Finished entries [k_from, k_to) of the classes to their places. */
static void scatter(const row_job *j, int operand_index, ptrdiff_t first, int n, const real *from, ptrdiff_t k_from,
                    ptrdiff_t k_to)
{
    const operand *op = &j->lead.operands[operand_index];
    const ptrdiff_t step = j->class_stride[operand_index], size = sizeof(real), lanes = j->across ? LANES : 1;
    const ptrdiff_t stride = sample_stride(j, operand_index);
    const int line = in_one_line(j, first, n), same = op->type == REAL_TYPE;
    char *at = address_of(j, operand_index, first);
    if (j->across && line && same && step == size && n == LANES) {
        const int end_to_end = stride == j->classes * size && k_to - k_from == j->classes;
        if (j->lead.stream && end_to_end && j->classes <= MOST_STREAMED) stream_rows(from, j->classes, at);
        else transpose_out(from + k_from * LANES, k_to - k_from, at + k_from * size, stride);
        return;
    }
    for (int l = 0; l < n; l++) {
        char *row = line ? at + l * stride : address_of(j, operand_index, first + l);
        if (op->type == FLOAT32)
            for (ptrdiff_t k = k_from; k < k_to; k++) *(float *)(row + k * step) = (float)from[k * lanes + l];
        else
            for (ptrdiff_t k = k_from; k < k_to; k++) *(double *)(row + k * step) = (double)from[k * lanes + l];
    }
}

static void scatter_side_by_side(const tile *t, int tiles, int operand_index)
{
    const row_job *j = t->job;
    char *at = address_of(j, operand_index, t->first);
    for (ptrdiff_t k = 0; k < j->classes; k++, at += j->class_stride[operand_index])
        for (int i = 0; i < tiles; i++) {
            char *line_ = at + i * LANES * (ptrdiff_t)sizeof(real);
            __builtin_prefetch(line_ + CLASSES_AHEAD * j->class_stride[operand_index], 1);
            memcpy(line_, (operand_index == HESSIAN ? t[i].hessian_scratch : t[i].gradient_scratch) + k * LANES,
                   LANES * sizeof(real));
        }
}

/* A step of an output: factor x array, 0 where the factor is; then the floor. */
INLINE void finish_step(const real *x, const real *factor, const real *floor, int magnitudes, real *to)
{
    FOR_LANES
    {
        const real product = factor[l] == 0 ? R(0.) : x[l] * factor[l], size = magnitudes ? absolute(product) : product;
        to[l] = maximum(size, floor[l]);
    }
}

/* The entries at a class of each sample, where that class is among [k_from, k_to). */
static void write_entries(const tile *t, const real *at, const real *weight, const real *floor, int magnitudes,
                          const ptrdiff_t *k, ptrdiff_t k_from, ptrdiff_t k_to, real *target)
{
    real entry[LANES];
    finish_step(at, weight, floor, magnitudes, entry);
    for (int l = 0; l < t->samples; l++)
        if (k[l] >= k_from && k[l] < k_to) target[offset_of(t, k[l], l)] = entry[l];
}

/* Results of the steps [from, to): in their place, or finished in scratch, which is then to be scattered. */
static int finish_output(tile *t, int operand_index, ptrdiff_t from, ptrdiff_t to)
{
    static const real constants[2][LANES] = { { 0 }, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } };
    const row_job *j = t->job;
    const operand *op = &j->lead.operands[operand_index];
    const int hessian = operand_index == HESSIAN;
    const int magnitudes = hessian && j->lead.curvature == ABSOLUTE_GRADIENT_H, unit = hessian && j->lead.curvature == UNIT_H;
    const row_output *o = hessian && !magnitudes ? &t->hessian : &t->gradient;
    const real scale = (real)(j->lead.scale * (hessian ? j->hessian_factor : 1.));
    const int floored = hessian && j->lead.min_hessian == j->lead.min_hessian;
    real factor[LANES], weight[LANES], floor[LANES];
    FOR_LANES
    {
        weight[l] = t->weight[l] * scale;
        floor[l] = floored && t->weight[l] != 0 ? (real)j->lead.min_hessian : -REAL_INFINITY;
        factor[l] = t->weight[l] == 0 ? R(0.) : unit ? weight[l] : o->factor[l] * weight[l];
    }

    const int in_place = !j->across && op->type == REAL_TYPE && j->class_stride[operand_index] == sizeof(real) && !j->lead.stream;
    real *staging = hessian ? t->hessian_scratch : t->gradient_scratch;
    real *target = in_place ? (real *)address_of(j, operand_index, t->first) : staging;
    const real *source = unit || !o->array ? constants[unit] : o->array;
    const ptrdiff_t advance = unit || !o->array ? 0 : LANES, whole = in_place && to > t->whole_steps ? t->whole_steps : to;
    int plain = !floored && !magnitudes;
    for (int l = 0; l < LANES; l++) plain &= t->weight[l] != 0;
    if (plain) FOR_STEPS(step, from, whole) FOR_LANES target[step * LANES + l] = source[step * advance + l] * factor[l];
    else FOR_STEPS(step, from, whole) finish_step(source + step * advance, factor, floor, magnitudes, target + step * LANES);
    if (whole < to) {
        real last[LANES];
        finish_step(source + whole * advance, factor, floor, magnitudes, last);
        for (ptrdiff_t k = whole * LANES; k < j->classes; k++) target[k] = last[k - whole * LANES];
    }

    const ptrdiff_t k_from = j->across ? from : from * LANES, last = j->across ? to : to * LANES;
    const ptrdiff_t k_to = last < j->classes ? last : j->classes;
    if (o->has_other && !unit) write_entries(t, o->at_other, weight, floor, magnitudes, t->other, k_from, k_to, target);
    if (o->has_label && !unit) write_entries(t, o->at_label, weight, floor, magnitudes, t->label, k_from, k_to, target);
    if (in_place) return 0;
    if (j->lead.stream && !j->across && op->type == REAL_TYPE && j->class_stride[operand_index] == sizeof(real)) {
        stream_scaled(k_to - k_from, staging + k_from, 1, (real *)address_of(j, operand_index, t->first) + k_from);
        return 0;
    }
    return 1;
}

static void write_segment(tile *t, int operand_index, ptrdiff_t segment)
{
    const ptrdiff_t from = segment * SEGMENT_STEPS, end = from + SEGMENT_STEPS, to = end < t->steps ? end : t->steps;
    const ptrdiff_t k_to = t->job->across ? to : to * LANES;
    if (t->job->lead.operands[operand_index].data && finish_output(t, operand_index, from, to))
        scatter(t->job, operand_index, t->first, t->samples, operand_index == HESSIAN ? t->hessian_scratch : t->gradient_scratch,
                t->job->across ? from : from * LANES, k_to < t->job->classes ? k_to : t->job->classes);
}

/* The hessian first: absolute gradients are read from the array that the gradient is finished in. */
static void write_tiles(tile *t, int tiles, ptrdiff_t segments)
{
    static const int outputs[] = { HESSIAN, GRADIENT };
    const int samples = (tiles - 1) * LANES + t[tiles - 1].samples;
    for (int o = 0; o < 2; o++) {
        if (!t->job->lead.operands[outputs[o]].data) continue;
        if (side_by_side(t->job, outputs[o], t->first, samples)) {
            for (int i = 0; i < tiles; i++) finish_output(&t[i], outputs[o], 0, t->steps);
            scatter_side_by_side(t, tiles, outputs[o]);
        } else
            for (int i = 0; i < tiles; i++)
                for (ptrdiff_t s = 0; s < segments; s++) write_segment(&t[i], outputs[o], s);
    }
}

#endif
