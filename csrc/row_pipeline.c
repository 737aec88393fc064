/* Blocks of samples of a row loss: labels -> load -> phases -> write. Compiled per instruction set and type.
 *
 * Design. Kernels see tiles (rows.h). A row that lies as it should is read in place, all else is gathered into scratch, and
 * across samples a tile is the transpose of 16 rows, small enough for the L1 cache. Weights, scales and floors are applied
 * while results leave for their arrays. Labels are looked at before they index anything. */
#include "read.h"
#include "rows.h"
#include "stream.h"
#include "transpose.h"

#define REAL_MAX BY_TYPE(1.7976931348623157e308, 3.4028234663852886e38)

enum { ALIGNMENT = 64, REAL_TYPE = sizeof(real) == sizeof(float) ? FLOAT32 : FLOAT64 };

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
    } else
        read_run(scratch, &j->lead.operands[operand_index], at, j->class_stride[operand_index], j->classes);
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
        const row_array a = j->across ? (row_array){ scratch, scratch }
                                      : load_along(j, operand_index, t[i].first, scratch, j->pad_with_target ? t[i].y[0] : pad);
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
#define HALVE(half) \
    _Pragma("omp simd") for (int l = 0; l < half; l++) fold_lane(s, l, s, l + half, folds)

INLINE void fold_halves(lane_sums *s, int folds)
{
    HALVE(8);
    HALVE(4);
    HALVE(2);
    fold_lane(s, 0, s, 1, folds);
    const real top = s->top[0], second = s->second[0], count = s->count[0];
    if (folds & TOPS) FOR_LANES s->top[l] = top;
    if (folds & SECONDS) FOR_LANES s->second[l] = second;
    if (folds & COUNTS) FOR_LANES s->count[l] = count;
    for (int i = 0; i < (folds & 16 ? 3 : folds & 8 ? 1 : 0); i++) {
        const real high = s->sum[i].high[0], low = s->sum[i].low[0];
        FOR_LANES s->sum[i].high[l] = high, s->sum[i].low[l] = low;
    }
}

static void fold_lanes(lane_sums *s, int folds)
{
    switch (folds) {
    case 0: return;
    case TOPS: fold_halves(s, TOPS); return;
    case ONE_SUM: fold_halves(s, ONE_SUM); return;
    case COUNTS | ONE_SUM: fold_halves(s, COUNTS | ONE_SUM); return;
    default: fold_halves(s, folds);
    }
}

/* ---- write ----------------------------------------------------------------------------------------------------------- */

/* Finished entries [k_from, k_to) of the classes to their places. */
static void scatter(const row_job *j, int operand_index, ptrdiff_t first, int n, const real *from, ptrdiff_t k_from, ptrdiff_t k_to)
{
    const operand *op = &j->lead.operands[operand_index];
    const ptrdiff_t step = j->class_stride[operand_index], size = sizeof(real), lanes = j->across ? LANES : 1;
    const ptrdiff_t stride = sample_stride(j, operand_index);
    const int line = in_one_line(j, first, n), same = op->type == REAL_TYPE;
    char *at = address_of(j, operand_index, first);
    if (j->across && line && same && step == size && n == LANES) {
        transpose_out(from + k_from * LANES, k_to - k_from, at + k_from * size, stride);
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
            memcpy(line_,
                   (operand_index == HESSIAN ? t[i].hessian_scratch : t[i].gradient_scratch) + k * LANES, LANES * sizeof(real));
        }
}

/* Steps of an output: factor x array + a constant, 0 in samples of weight 0; then the floor. */
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

/* Like memcpy, past the cache. */
static void stream_copy(real *to, const real *from, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i < n && ((uintptr_t)(to + i) & 63); i++) to[i] = from[i];
    for (; i + STEP <= n; i += STEP) stream(to + i, vector_at(from + i));
    for (; i < n; i++) to[i] = from[i];
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

    const int in_place = !j->across && op->type == REAL_TYPE &&
                         j->class_stride[operand_index] == sizeof(real) && !j->lead.stream;
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
        stream_copy((real *)address_of(j, operand_index, t->first) + k_from, staging + k_from, k_to - k_from);
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

/* ---- one tile -------------------------------------------------------------------------------------------------------- */

static real *carve(char **scratch, ptrdiff_t reals)
{
    real *array = (real *)*scratch;
    /* 320 bytes apart within a page: at equal offsets loads wait for stores to other arrays */
    *scratch += (reals * (ptrdiff_t)sizeof(real) + 320 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return array;
}

enum { ARRAYS = 5 };

static ptrdiff_t scratch_of_tile(const row_job *j)
{
    const ptrdiff_t reals = (steps_of(j) + 1) * LANES;
    return ARRAYS * ((reals * (ptrdiff_t)sizeof(real) + 320 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT) + ALIGNMENT;
}

ptrdiff_t SYMBOL(row_scratch)(const row_job *j) { return j->group * scratch_of_tile(j); }

/* Everything up to the first phase: labels, weights, arrays. Returns what is wrong with them. */
static int open_tile(const row_job *j, ptrdiff_t first, int n, char *scratch, tile *t)
{
    const ptrdiff_t steps = steps_of(j), reals = (steps + 1) * LANES;
    const int dense = j->form == DENSE_ROWS, labels = j->form == LABEL_ROWS;
    int status = 0;
    scratch = (char *)(((uintptr_t)scratch + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    t->x_scratch = carve(&scratch, reals), t->t_scratch = carve(&scratch, reals);
    const int followed = !j->across || j->class_stride[F] == sizeof(real); /* the next row or tile lies behind this one */
    t->ahead = followed ? address_of(j, F, first) + j->group * (j->across ? LANES : 1) * sample_stride(j, F) : (char *)t->x_scratch;
    t->below = followed && j->lead.operands[GRADIENT].data ? address_of(j, GRADIENT, first) : (char *)t->x_scratch;
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
        load(t, 1, Y, (real)j->y_pad);
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
    return status;
}

/* Predictions and coefficients of tiles without fault; what is wrong with them. */
static int load_tiles(tile *t, int tiles)
{
    const row_job *j = t->job;
    const int labels = j->form == LABEL_ROWS, dense = j->form == DENSE_ROWS;
    int status = 0;
    if (!j->lead.want && labels && !j->unit_range) return 0;
    load(t, tiles, F, (real)j->pad);
    for (int i = 0; i < tiles; i++) {
        status |= check_predictions(&t[i]);
        if ((dense && t->vector) || ((dense || labels) && j->smoothing != 0)) spread_targets(&t[i], t[i].t_scratch);
    }
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

INLINE double lanes_total(double *x)
{
    _Pragma("omp simd") for (int l = 0; l < 8; l++) x[l] += x[l + 8];
    _Pragma("omp simd") for (int l = 0; l < 4; l++) x[l] += x[l + 4];
    return (x[0] + x[2]) + (x[1] + x[3]);
}

/* Values, and what the tile adds to the sums of its block. */
static void finish_tile(tile *t, partial *result)
{
    const row_job *j = t->job;
    const operand *op = &j->lead.operands[VALUE];
    if (!(j->lead.want & WANT_VALUE) || result->status) FOR_LANES t->value[l] = 0;
    if (j->across) {
        double value[LANES], weight[LANES];
        FOR_LANES
        {
            const double w = (double)t->weight[l], v = w * (double)t->value[l];
            value[l] = w == 0 ? 0. : v;
            weight[l] = w * (double)t->count[l];
        }
        result->value += lanes_total(value);
        result->weight += lanes_total(weight);
    } else {
        const double w = (double)t->weight[0];
        result->value += w == 0 ? 0. : w * (double)t->value[0];
        result->weight += w * (double)t->count[0];
    }
    for (int l = 0; op->data && !result->status && l < t->samples; l++) {
        char *at = address_of(j, VALUE, t->first + l);
        const real v = t->weight[l] == 0 ? R(0.) : t->weight[l] * t->value[l];
        if (op->type == FLOAT32) *(float *)at = (float)v;
        else *(double *)at = (double)v;
    }
}

/* ---- blocks ---------------------------------------------------------------------------------------------------------- */

/* A few tiles at a time, phase by phase: what ends one phase, long chains of operations, overlaps with that of the next tile. */
void SYMBOL(run_row_block)(const row_job *j, ptrdiff_t index, char *scratch, partial *result)
{
    const ptrdiff_t first = index * j->rows, left = j->lead.size - first, n = left < j->rows ? left : j->rows;
    const ptrdiff_t side = j->across ? LANES : 1, size = scratch_of_tile(j);
    result->value = result->weight = 0, result->status = 0;
    for (ptrdiff_t i = 0; i < n;) {
        tile t[GROUP];
        lane_sums sums[GROUP], one;
        int tiles = 0;
        for (; tiles < j->group && i < n; tiles++, i += side)
            result->status |= open_tile(j, first + i, n - i < side ? (int)(n - i) : (int)side, scratch + tiles * size, &t[tiles]);
        if (!result->status) result->status |= load_tiles(t, tiles);
        if (!j->lead.want || result->status) {
            for (int g = 0; g < tiles; g++) finish_tile(&t[g], result);
            continue;
        }
        const ptrdiff_t segments = segments_of(t);
        for (int k = 0; k < MAX_PHASES && t->phases[k].pass; k++) {
            for (int g = 0; g < tiles; g++) {
                run_pass(&t[g], k, 0, &sums[g]);
                for (ptrdiff_t s = 1; s < segments; s++) {
                    run_pass(&t[g], k, s, &one);
                    if (t->phases[k].close) FOR_LANES fold_lane(&sums[g], l, &one, l, t->phases[k].folds);
                }
            }
            for (int g = 0; g < tiles; g++) close_phase(&t[g], k, &sums[g], 1);
        }
        write_tiles(t, tiles, segments);
        for (int g = 0; g < tiles; g++) finish_tile(&t[g], result);
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
    if (!result->status) result->status = load_tiles(t, 1);
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
static void write_row(void *row, ptrdiff_t segment)
{
    write_segment(&((long_row *)row)->tile, HESSIAN, segment);
    write_segment(&((long_row *)row)->tile, GRADIENT, segment);
}
static void finish_row(void *row, partial *result) { finish_tile(&((long_row *)row)->tile, result); }

const long_row_functions SYMBOL(long_row_table) = {
    size_of_row, open_row, segments_of_row, has_phase, pass_row, close_row, write_row, finish_row,
};
