/* From arrays to tiles: where samples lie, labels, loading, checks. */
#ifndef FASTLOSS_ROW_LOAD_H
#define FASTLOSS_ROW_LOAD_H

#include "read.h"
#include "rows.h"
#include "transpose.h"

enum { REAL_TYPE = sizeof(real) == sizeof(float) ? FLOAT32 : FLOAT64 };

/* ---- where a sample lies --------------------------------------------------------------------------------------------- */

static char *address_of(const row_job *j, int operand_index, ptrdiff_t sample)
{
    char *at = j->lead.operands[operand_index].data;
    for (int axis = j->lead.ndim - 1; axis >= 0; axis--) {
        const ptrdiff_t length = j->lead.shape[axis], k = axis ? sample % length : sample;
        at += k * j->lead.operands[operand_index].strides[axis];
        sample = axis ? sample / length : 0;
    }
    return at;
}

/* `n` samples from `first` on lie at equal distances: all of a tile, mostly. */
static int in_one_line(const row_job *j, ptrdiff_t first, int n)
{
    return j->lead.ndim == 1 || first % j->lead.shape[j->lead.ndim - 1] + n <= j->lead.shape[j->lead.ndim - 1];
}

static ptrdiff_t sample_stride(const row_job *j, int operand_index)
{
    return j->lead.operands[operand_index].strides[j->lead.ndim - 1];
}

/* One number for each sample. */
static void load_column(const row_job *j, int operand_index, ptrdiff_t first, int n, real *to)
{
    const operand *op = &j->lead.operands[operand_index];
    if (in_one_line(j, first, n)) read_run(to, op, address_of(j, operand_index, first), sample_stride(j, operand_index), n);
    else
        for (int i = 0; i < n; i++) read_run(to + i, op, address_of(j, operand_index, first + i), 0, 1);
}

/* ---- labels ---------------------------------------------------------------------------------------------------------- */

/* An integer of any type, or an integral float; NOT_A_LABEL for other floats and those beyond the range. */
#define NOT_A_LABEL PTRDIFF_MIN

static ptrdiff_t label_at(const operand *op, const char *at)
{
    char bytes[sizeof(long double)];
    double x;
    static const int sizes[] = { 4, 8, 2, sizeof(long double), 1, 2, 4, 8, 1, 2, 4, 8 };
    if (op->swapped) {
        for (int k = 0; k < sizes[op->type]; k++) bytes[k] = at[sizes[op->type] - 1 - k];
        at = bytes;
    }
#define AS(type)                          \
    {                                     \
        type value;                       \
        memcpy(&value, at, sizeof value); \
        return (ptrdiff_t)value;          \
    }
#define AS_REAL(type, convert)            \
    {                                     \
        type value;                       \
        memcpy(&value, at, sizeof value); \
        x = (double)convert(value);       \
        break;                            \
    }
    switch (op->type) {
    case INT8: AS(int8_t)
    case INT16: AS(int16_t)
    case INT32: AS(int32_t)
    case INT64: AS(int64_t)
    case UINT8: AS(uint8_t)
    case UINT16: AS(uint16_t)
    case UINT32: AS(uint32_t)
    case UINT64: {
        uint64_t value;
        memcpy(&value, at, sizeof value);
        return value > INT64_MAX ? NOT_A_LABEL : (ptrdiff_t)value;
    }
    case FLOAT32: AS_REAL(float, )
    case FLOAT64: AS_REAL(double, )
    case FLOAT16: AS_REAL(uint16_t, from_half)
    default: AS_REAL(long double, )
    }
    return x >= -0x1p62 && x <= 0x1p62 && x == (double)(int64_t)x ? (ptrdiff_t)x : NOT_A_LABEL;
}

/* Labels of a tile; samples that do not count get the weight 0 and label 0. */
static int load_labels(const row_job *j, ptrdiff_t first, int n, ptrdiff_t *label, real *weight)
{
    const operand *op = &j->lead.operands[Y];
    const int line = in_one_line(j, first, n);
    const char *at = address_of(j, Y, first);
    int status = 0;
    const int plain = op->type == INT64 && !op->swapped;
    for (int i = 0; i < n; i++) {
        const char *here = line ? at + i * sample_stride(j, Y) : address_of(j, Y, first + i);
        int64_t integer;
        if (plain) memcpy(&integer, here, sizeof integer);
        ptrdiff_t k = plain ? (ptrdiff_t)integer : label_at(op, here);
        if (j->has_ignore_index && k == j->ignore_index && k != NOT_A_LABEL) weight[i] = 0, k = 0;
        if (k < 0 || k >= j->classes) status = BAD_Y, k = 0;
        label[i] = k;
    }
    return status;
}

/* ---- load ------------------------------------------------------------------------------------------------------------ */

/* The samples of a tile, transposed: class k of sample l to [k][l]. */
static void load_across(const row_job *j, int operand_index, ptrdiff_t first, int n, real *to)
{
    const operand *op = &j->lead.operands[operand_index];
    const ptrdiff_t classes = j->classes, step = j->class_stride[operand_index];
    const ptrdiff_t stride = sample_stride(j, operand_index), size = sizeof(real);
    const int line = in_one_line(j, first, n), native = line && j->native[operand_index];
    const char *at = address_of(j, operand_index, first);
    if (native && step == size && n == LANES) {
        transpose_in(at, stride, classes, to);
        return;
    }
    for (int l = 0; l < n; l++) {
        const char *row = line ? at + l * stride : address_of(j, operand_index, first + l);
        if (native)
            for (ptrdiff_t k = 0; k < classes; k++) memcpy(to + k * LANES + l, row + k * step, sizeof(real));
        else
            for (ptrdiff_t k = 0; k < classes; k++) read_run(to + k * LANES + l, op, row + k * step, 0, 1);
    }
    for (int l = n; l < LANES; l++)
        for (ptrdiff_t k = 0; k < classes; k++) to[k * LANES + l] = to[k * LANES + n - 1];
}

/* A row: in place but for its last step, or in scratch, padded. */
static row_array load_along(const row_job *j, int operand_index, ptrdiff_t sample, real *scratch, real pad)
{
    const ptrdiff_t whole = j->classes / LANES * LANES, rest = j->classes - whole;
    const char *at = address_of(j, operand_index, sample);
    real *last = scratch + whole;
    row_array a = { scratch, last };
    if (j->native[operand_index] && j->class_stride[operand_index] == sizeof(real)) {
        a.whole = (const real *)at;
        for (ptrdiff_t i = 0; i < rest; i++) memcpy(last + i, at + (whole + i) * (ptrdiff_t)sizeof(real), sizeof(real));
    } else read_run(scratch, &j->lead.operands[operand_index], at, j->class_stride[operand_index], j->classes);
    for (ptrdiff_t i = rest; i < LANES; i++) last[i] = pad;
    return a;
}

/* No prefetcher follows strides beyond a page. */
enum { CLASSES_AHEAD = 8 };

/* The samples of several tiles lie side by side, class after class: whole lines of memory are moved at a time. */
static int side_by_side(const row_job *j, int operand_index, ptrdiff_t first, int samples)
{
    const operand *op = &j->lead.operands[operand_index];
    return j->across && op->type == REAL_TYPE && sample_stride(j, operand_index) == sizeof(real) && !op->swapped &&
           samples % LANES == 0 && in_one_line(j, first, samples);
}

static void load(tile *t, int tiles, int operand_index, real pad)
{
    const row_job *j = t->job;
    const int samples = (tiles - 1) * LANES + t[tiles - 1].samples, predictions = operand_index == F;
    if (j->native[operand_index] && side_by_side(j, operand_index, t->first, samples)) {
        const char *at = address_of(j, operand_index, t->first);
        for (ptrdiff_t k = 0; k < j->classes; k++, at += j->class_stride[operand_index])
            for (int i = 0; i < tiles; i++) {
                const char *line_ = at + i * LANES * (ptrdiff_t)sizeof(real);
                __builtin_prefetch(line_ + CLASSES_AHEAD * j->class_stride[operand_index]);
                memcpy((predictions ? t[i].x_scratch : t[i].t_scratch) + k * LANES, line_, LANES * sizeof(real));
            }
    } else if (j->across)
        for (int i = 0; i < tiles; i++)
            load_across(j, operand_index, t[i].first, t[i].samples, predictions ? t[i].x_scratch : t[i].t_scratch);
    for (int i = 0; i < tiles; i++) {
        real *scratch = predictions ? t[i].x_scratch : t[i].t_scratch;
        const row_array a = j->across
                                ? (row_array){ scratch, scratch }
                                : load_along(j, operand_index, t[i].first, scratch, j->form == VALUE_ROWS ? t[i].y[0] : pad);
        if (predictions) t[i].x = a;
        else t[i].t = a;
    }
}

/* Coefficients of the classes: targets, smoothed, times the class vector. */
static void spread_targets(tile *t, real *to)
{
    const row_job *j = t->job;
    const real keep = (real)(1 - j->smoothing), share = (real)(j->smoothing / (double)j->classes);
    FOR_STEPS(step, 0, t->steps)
    {
        const real *given = j->form == LABEL_ROWS ? NULL : step_of(t, t->t, step);
        for (int l = 0; l < LANES; l++) {
            const int inside = j->across || step * LANES + l < j->classes;
            const real mass = given ? multiply_add(keep, given[l], share) : share;
            to[step * LANES + l] = inside ? mass * (t->vector ? t->vector[j->vector_size > 1 ? step * LANES + l : 0] : 1) : 0;
        }
    }
    if (j->form == LABEL_ROWS)
        for (int l = 0; l < t->samples; l++) to[offset_of(t, t->label[l], l)] = t->c[l] * (keep + share);
    t->t = (row_array){ to, to + t->whole_steps * LANES };
}

/* ---- check ----------------------------------------------------------------------------------------------------------- */

static int check_predictions(const tile *t)
{
    int bad = 0;
    if (t->job->unit_range) FOR_STEPS(step, 0, t->steps)
        {
            const real *x = step_of(t, t->x, step);
            _Pragma("omp simd reduction(|:bad)") for (int l = 0; l < LANES; l++) bad |=
                ((x[l] < 0) | (x[l] > 1)) & (absolute(x[l]) <= REAL_MAX);
        }
    return bad ? BAD_F : 0;
}

static int check_targets(const tile *t, row_array a, ptrdiff_t steps)
{
    const real low = (real)t->job->lead.y_low, high = (real)t->job->lead.y_high;
    int bad = 0;
    if (t->job->lead.label == INTERVAL) FOR_STEPS(step, 0, steps)
        {
            const real *x = step_of(t, a, step);
            _Pragma("omp simd reduction(|:bad)") for (int l = 0; l < LANES; l++) bad |= !(x[l] >= low) | !(x[l] <= high);
        }
    return bad ? BAD_Y : 0;
}

#endif
