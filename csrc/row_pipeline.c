/* Blocks of samples of a row loss: labels -> load -> phases -> write. Compiled per instruction set and type.
 *
 * Design. Kernels see tiles (rows.h). A row that lies as it should is read in place, all else is gathered into scratch, and
 * across samples a tile is the transpose of 16 rows, small enough for the L1 cache. Weights, scales and floors are applied
 * while results leave for their arrays. Labels are looked at before they index anything. */
#include "read.h"
#include "rows.h"
#include "stream.h"

#define REAL_MAX BY_TYPE(1.7976931348623157e308, 3.4028234663852886e38)

enum { ALIGNMENT = 64 };

static ptrdiff_t steps_of(const row_job *j) { return j->across ? j->classes : (j->classes + LANES - 1) / LANES; }

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
    if (in_one_line(j, first, n))
        read_run(to, op, address_of(j, operand_index, first), sample_stride(j, operand_index), n);
    else
        for (int i = 0; i < n; i++) read_run(to + i, op, address_of(j, operand_index, first + i), 0, 1);
}

/* ---- labels ---------------------------------------------------------------------------------------------------------- */

/* An integer of any type, or an integral float; NOT_A_LABEL for other floats and those beyond the range. */
#define NOT_A_LABEL PTRDIFF_MIN

static ptrdiff_t label_at(const operand *op, const char *at)
{
    int64_t i = 0;
    char bytes[sizeof(long double)];
    double x;
    static const int sizes[] = { 4, 8, 2, sizeof(long double), 1, 2, 4, 8, 1, 2, 4, 8 };
    if (op->swapped) {
        for (int k = 0; k < sizes[op->type]; k++) bytes[k] = at[sizes[op->type] - 1 - k];
        at = bytes;
    }
#define AS(type)                        \
    {                                   \
        type value;                     \
        memcpy(&value, at, sizeof value); \
        i = (int64_t)value;             \
        return (ptrdiff_t)i;            \
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
    case UINT64: memcpy(&i, at, sizeof i); return i < 0 ? NOT_A_LABEL : (ptrdiff_t)i;
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
    for (int i = 0; i < n; i++) {
        ptrdiff_t k = label_at(op, line ? at + i * sample_stride(j, Y) : address_of(j, Y, first + i));
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
    const int line = in_one_line(j, first, n);
    const char *at = address_of(j, operand_index, first);
    const ptrdiff_t stride = sample_stride(j, operand_index), size = sizeof(real);
    if (line && j->native[operand_index] && stride == size)
        for (ptrdiff_t k = 0; k < classes; k++) memcpy(to + k * LANES, at + k * step, (size_t)(n * size));
    else if (line && j->native[operand_index] && step == size)
        for (int l = 0; l < n; l++) {
            const real *row = (const real *)(at + l * stride);
            for (ptrdiff_t k = 0; k < classes; k++) to[k * LANES + l] = row[k];
        }
    else
        for (int l = 0; l < n; l++) {
            const char *row = line ? at + l * stride : address_of(j, operand_index, first + l);
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
        memcpy(last, at + whole * (ptrdiff_t)sizeof(real), (size_t)rest * sizeof(real));
    } else
        read_run(scratch, &j->lead.operands[operand_index], at, j->class_stride[operand_index], j->classes);
    for (ptrdiff_t i = rest; i < LANES; i++) last[i] = pad;
    return a;
}

static row_array load(const tile *t, int operand_index, real *scratch, real pad)
{
    const row_job *j = t->job;
    if (!j->across) return load_along(j, operand_index, t->first, scratch, pad);
    load_across(j, operand_index, t->first, t->samples, scratch);
    return (row_array){ scratch, scratch };
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

/* ---- sums ------------------------------------------------------------------------------------------------------------ */

INLINE void fold_lane(lane_sums *into, int l, const lane_sums *s, int k, int folds)
{
    if (folds & TOPS) into->top[l] = s->top[k] > into->top[l] ? s->top[k] : into->top[l];
    if (folds & SECONDS) into->second[l] = s->second[k] > into->second[l] ? s->second[k] : into->second[l];
    if (folds & COUNTS) into->count[l] += s->count[k];
    for (int i = 0; i < (folds & 16 ? 3 : folds & 8 ? 1 : 0); i++) {
        add_to(&into->sum[i], l, s->sum[i].high[k]);
        into->sum[i].low[l] += s->sum[i].low[k];
    }
}

/* All lanes into one, in halves, and back into all. */
static void fold_lanes(lane_sums *s, int folds)
{
    for (int half = LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++) fold_lane(s, l, s, l + half, folds);
    for (int l = 1; l < LANES; l++) {
        s->top[l] = s->top[0], s->second[l] = s->second[0], s->count[l] = s->count[0];
        for (int i = 0; i < SUMS; i++) s->sum[i].high[l] = s->sum[i].high[0], s->sum[i].low[l] = s->sum[i].low[0];
    }
}

/* ---- write ----------------------------------------------------------------------------------------------------------- */

static void scatter(const row_job *j, int operand_index, ptrdiff_t first, int n, const real *from, ptrdiff_t k_from, ptrdiff_t k_to)
{
    const operand *op = &j->lead.operands[operand_index];
    const ptrdiff_t step = j->class_stride[operand_index], size = sizeof(real);
    const int line = in_one_line(j, first, n), same = op->type == (size == 4 ? FLOAT32 : FLOAT64);
    const ptrdiff_t stride = sample_stride(j, operand_index), lanes = j->across ? LANES : 1;
    char *at = address_of(j, operand_index, first);
    if (j->across && line && same && stride == size) {
        for (ptrdiff_t k = k_from; k < k_to; k++) memcpy(at + k * step, from + k * LANES, (size_t)(n * size));
        return;
    }
    for (int l = 0; l < n; l++) {
        char *row = line ? at + l * stride : address_of(j, operand_index, first + l);
        if (same && step == size)
            for (ptrdiff_t k = k_from; k < k_to; k++) ((real *)row)[k] = from[k * lanes + l];
        else if (op->type == FLOAT32)
            for (ptrdiff_t k = k_from; k < k_to; k++) *(float *)(row + k * step) = (float)from[k * lanes + l];
        else
            for (ptrdiff_t k = k_from; k < k_to; k++) *(double *)(row + k * step) = (double)from[k * lanes + l];
    }
}

/* Steps of an output: factor x array + a constant, 0 in samples of weight 0; then the floor. */
static void finish_step(const real *x, const real *factor, const real *floor, int magnitudes, real *to)
{
    FOR_LANES
    {
        const real product = factor[l] == 0 ? R(0.) : x[l] * factor[l], size = magnitudes ? absolute(product) : product;
        to[l] = maximum(size, floor[l]);
    }
}

/* Like memcpy, past the cache. */
static void stream_copy(real *to, const real *from, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i < n && ((uintptr_t)(to + i) & 63); i++) to[i] = from[i];
    for (; i + STEP <= n; i += STEP) stream(to + i, vector_at(from + i));
    for (; i < n; i++) to[i] = from[i];
}

static void write_output(tile *t, int operand_index, ptrdiff_t from, ptrdiff_t to)
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

    const int in_place = !j->across && op->type == (sizeof(real) == 4 ? FLOAT32 : FLOAT64) &&
                         j->class_stride[operand_index] == sizeof(real) && !j->lead.stream;
    real *staging = hessian ? t->hessian_scratch : t->gradient_scratch;
    real *target = in_place ? (real *)address_of(j, operand_index, t->first) : staging;
    const real *source = unit || !o->array ? constants[unit] : o->array;
    const ptrdiff_t advance = unit || !o->array ? 0 : LANES, whole = in_place && to > t->whole_steps ? t->whole_steps : to;
    FOR_STEPS(step, from, whole) finish_step(source + step * advance, factor, floor, magnitudes, target + step * LANES);
    if (whole < to) {
        real last[LANES];
        finish_step(source + whole * advance, factor, floor, magnitudes, last);
        memcpy(target + whole * LANES, last, (size_t)(j->classes - whole * LANES) * sizeof(real));
    }

    const ptrdiff_t k_from = j->across ? from : from * LANES, last = j->across ? to : to * LANES;
    const ptrdiff_t k_to = last < j->classes ? last : j->classes;
    for (int l = 0; l < t->samples && !unit; l++) {
        if (t->weight[l] == 0) continue;
        const real at_other = o->at_other[l] * weight[l], at_label = o->at_label[l] * weight[l];
        if (o->has_other && t->other[l] >= k_from && t->other[l] < k_to)
            target[offset_of(t, t->other[l], l)] = maximum(magnitudes ? absolute(at_other) : at_other, floor[l]);
        if (o->has_label && t->label[l] >= k_from && t->label[l] < k_to)
            target[offset_of(t, t->label[l], l)] = maximum(magnitudes ? absolute(at_label) : at_label, floor[l]);
    }
    if (in_place) return;
    if (j->lead.stream && !j->across && op->type == (sizeof(real) == 4 ? FLOAT32 : FLOAT64) &&
        j->class_stride[operand_index] == sizeof(real))
        stream_copy((real *)address_of(j, operand_index, t->first) + k_from, staging + k_from, k_to - k_from);
    else
        scatter(j, operand_index, t->first, t->samples, staging, k_from, k_to);
}

/* ---- one tile -------------------------------------------------------------------------------------------------------- */

static real *carve(char **scratch, ptrdiff_t reals)
{
    real *array = (real *)*scratch;
    /* 320 bytes apart within a page: at equal offsets loads wait for stores to other arrays */
    *scratch += (reals * (ptrdiff_t)sizeof(real) + 320 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return array;
}

enum { ARRAYS = 6 };

ptrdiff_t SYMBOL(row_scratch)(const row_job *j)
{
    const ptrdiff_t reals = (steps_of(j) + 1) * LANES;
    return ARRAYS * ((reals * (ptrdiff_t)sizeof(real) + 320 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT) + ALIGNMENT;
}

/* Everything up to the first phase: labels, weights, arrays. Returns what is wrong with them. */
static int open_tile(const row_job *j, ptrdiff_t first, int n, char *scratch, tile *t)
{
    const ptrdiff_t steps = steps_of(j), reals = (steps + 1) * LANES;
    const int look_only = !j->lead.want, dense = j->form == DENSE_ROWS, labels = j->form == LABEL_ROWS;
    int status = 0;
    scratch = (char *)(((uintptr_t)scratch + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    real *x = carve(&scratch, reals), *targets = carve(&scratch, reals);
    t->job = j, t->first = first, t->samples = n, t->steps = steps;
    t->whole_steps = j->across ? steps : j->classes / LANES;
    t->curved = j->lead.want & WANT_HESSIAN && j->lead.curvature <= FISHER_H;
    t->gradient.array = t->gradient_scratch = carve(&scratch, reals);
    t->hessian.array = t->hessian_scratch = carve(&scratch, reals);
    t->work = carve(&scratch, reals);
    t->vector = j->vector;
    t->gradient.has_label = t->gradient.has_other = t->hessian.has_label = t->hessian.has_other = 0;
    const row_kernel *kernel = &SYMBOL(row_table)[j->lead.row];
    t->phases = labels && j->smoothing == 0 ? kernel->label : kernel->dense;
    for (int k = 0; k < MAX_PARAM; k++) t->param[k] = (real)j->lead.param[k];
    FOR_LANES
    {
        t->weight[l] = l < n ? R(1.) : R(0.);
        t->count[l] = t->c[l] = t->gradient.factor[l] = t->hessian.factor[l] = 1;
        t->label[l] = 0;
    }
    if (j->lead.operands[W].data) {
        load_column(j, W, first, n, t->weight);
        for (int l = 0; l < n; l++) status |= !(t->weight[l] >= 0 && t->weight[l] <= REAL_MAX) ? BAD_W : 0;
    }
    if (labels) {
        status |= load_labels(j, first, n, t->label, t->weight);
        if (t->vector)
            for (int l = 0; l < n; l++) t->c[l] = t->vector[j->vector_size > 1 ? offset_of(t, t->label[l], l) : 0];
    } else if (j->form == VALUE_ROWS) {
        load_column(j, Y, first, n, t->y);
        for (int l = n; l < LANES; l++) t->y[l] = t->y[n - 1];
    } else {
        t->t = load(t, Y, targets, (real)j->y_pad);
        status |= check_targets(t, t->t, steps);
    }
    if (!j->across)
        for (int l = 1; l < LANES; l++) t->weight[l] = t->weight[0], t->label[l] = t->label[0], t->c[l] = t->c[0], t->y[l] = t->y[0];
    if (j->counted && labels) FOR_LANES t->count[l] = t->c[l];
    if (j->counted && dense) {
        FOR_LANES t->count[l] = 0;
        FOR_STEPS(step, 0, steps)
        {
            const real *row = step_of(t, t->t, step), *v = t->vector + (j->vector_size > 1 ? step * LANES : 0);
            FOR_LANES t->count[l] += row[l] * v[l];
        }
        if (!j->across) {
            real sum = 0;
            for (int l = 0; l < LANES; l++) sum += t->count[l];
            FOR_LANES t->count[l] = sum;
        }
    }
    if (status || (look_only && labels && !j->unit_range)) return status;
    const real pad = j->pad_with_target ? t->y[0] : (real)j->pad;
    t->x = load(t, F, x, pad);
    status |= check_predictions(t);
    if (dense && (t->vector || j->smoothing != 0)) spread_targets(t, targets);
    else if (labels && j->smoothing != 0) spread_targets(t, targets);
    return status;
}

INLINE ptrdiff_t segments_of(const tile *t) { return (t->steps + SEGMENT_STEPS - 1) / SEGMENT_STEPS; }

static void run_pass(tile *t, int k, ptrdiff_t segment, lane_sums *s)
{
    const ptrdiff_t from = segment * SEGMENT_STEPS, end = from + SEGMENT_STEPS;
    t->phases[k].pass(t, from, end < t->steps ? end : t->steps, s);
}

static void close_phase(tile *t, int k, lane_sums *s, ptrdiff_t segments)
{
    const phase *p = &t->phases[k];
    if (!p->close) return;
    for (ptrdiff_t i = 1; i < segments; i++) FOR_LANES fold_lane(s, l, s + i, l, p->folds);
    if (!t->job->across) fold_lanes(s, p->folds);
    p->close(t, s);
}

static void write_tile(tile *t, ptrdiff_t segment)
{
    const ptrdiff_t from = segment * SEGMENT_STEPS, end = from + SEGMENT_STEPS, to = end < t->steps ? end : t->steps;
    if (t->job->lead.operands[HESSIAN].data) write_output(t, HESSIAN, from, to);
    if (t->job->lead.operands[GRADIENT].data) write_output(t, GRADIENT, from, to);
}

/* Values, and what the tile adds to the sums of its block. */
static void finish_tile(tile *t, partial *result)
{
    const row_job *j = t->job;
    const operand *op = &j->lead.operands[VALUE];
    const int wanted = j->lead.want & WANT_VALUE;
    for (int l = 0; l < t->samples; l++) {
        const double w = (double)t->weight[l], value = w == 0 || !wanted ? 0. : w * (double)t->value[l];
        result->value += value;
        result->weight += w * (double)t->count[l];
        if (op->data) {
            char *at = address_of(j, VALUE, t->first + l);
            const real v = w == 0 ? R(0.) : t->weight[l] * t->value[l];
            if (op->type == FLOAT32) *(float *)at = (float)v;
            else *(double *)at = (double)v;
        }
    }
}

/* ---- blocks ---------------------------------------------------------------------------------------------------------- */

void SYMBOL(run_row_block)(const row_job *j, ptrdiff_t index, char *scratch, partial *result)
{
    const ptrdiff_t first = index * j->rows, left = j->lead.size - first, n = left < j->rows ? left : j->rows;
    const ptrdiff_t side = j->across ? LANES : 1;
    result->value = result->weight = 0, result->status = 0;
    for (ptrdiff_t i = 0; i < n; i += side) {
        tile t;
        result->status |= open_tile(j, first + i, n - i < side ? (int)(n - i) : (int)side, scratch, &t);
        if (!j->lead.want || result->status) {
            for (int l = 0; l < t.samples; l++) result->weight += (double)t.weight[l] * (double)t.count[l];
            continue;
        }
        const ptrdiff_t segments = segments_of(&t);
        for (int k = 0; k < MAX_PHASES && t.phases[k].pass; k++) {
            lane_sums all, one;
            run_pass(&t, k, 0, &all);
            for (ptrdiff_t s = 1; s < segments; s++) {
                run_pass(&t, k, s, &one);
                if (t.phases[k].close) FOR_LANES fold_lane(&all, l, &one, l, t.phases[k].folds);
            }
            close_phase(&t, k, &all, 1);
        }
        for (ptrdiff_t s = 0; s < segments; s++) write_tile(&t, s);
        finish_tile(&t, result);
    }
}

/* ---- one long row on many threads ------------------------------------------------------------------------------------ */

typedef struct {
    tile tile;
    lane_sums sums[];
} long_row;

static void open_row(const row_job *j, ptrdiff_t index, char *scratch, void *row, partial *result)
{
    tile *t = &((long_row *)row)->tile;
    result->value = result->weight = 0;
    result->status = open_tile(j, index, 1, scratch, t);
}
static ptrdiff_t size_of_row(const row_job *j)
{
    return (ptrdiff_t)sizeof(long_row) + (steps_of(j) / SEGMENT_STEPS + 1) * (ptrdiff_t)sizeof(lane_sums);
}
static ptrdiff_t segments_of_row(const void *row) { return segments_of(&((const long_row *)row)->tile); }
static int has_phase(const void *row, int k) { return k < MAX_PHASES && ((const long_row *)row)->tile.phases[k].pass != NULL; }
static void pass_row(void *row, int k, ptrdiff_t segment)
{
    run_pass(&((long_row *)row)->tile, k, segment, &((long_row *)row)->sums[segment]);
}
static void close_row(void *row, int k)
{
    close_phase(&((long_row *)row)->tile, k, ((long_row *)row)->sums, segments_of_row(row));
}
static void write_row(void *row, ptrdiff_t segment) { write_tile(&((long_row *)row)->tile, segment); }
static void finish_row(void *row, partial *result) { finish_tile(&((long_row *)row)->tile, result); }

const long_row_functions SYMBOL(long_row_table) = {
    size_of_row, open_row, segments_of_row, has_phase, pass_row, close_row, write_row, finish_row,
};
