/* Blocks of samples of a row loss: labels -> load -> phases -> write. Compiled per instruction set and type.
 *
 * Design. Kernels see tiles (rows.h). A row that lies as it should is read in place, all else is gathered into scratch, and
 * across samples a tile is the transpose of 16 rows, small enough for the L1 cache. Weights, scales and floors are applied
 * while results leave for their arrays. Labels are looked at before they index anything. */
#include "row_write.h"

enum { ALIGNMENT = 64 };

static ptrdiff_t steps_of(const row_job *j) { return j->across ? j->classes : (j->classes + LANES - 1) / LANES; }

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
#define HALVE(half) _Pragma("omp simd") for (int l = 0; l < half; l++) fold_lane(s, l, s, l + half, folds)

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
    t->ahead =
        followed ? address_of(j, F, first) + j->group * (j->across ? LANES : 1) * sample_stride(j, F) : (char *)t->x_scratch;
    t->below =
        followed && !j->lead.stream && j->lead.operands[GRADIENT].data ? address_of(j, GRADIENT, first) : (char *)t->x_scratch;
    t->job = j, t->first = first, t->samples = n, t->steps = steps;
    t->whole_steps = j->across ? steps : j->classes / LANES;
    t->curved = j->lead.want & WANT_HESSIAN && j->lead.curvature <= FISHER_H;
    t->gradient.array = t->gradient_scratch = carve(&scratch, reals);
    t->hessian.array = t->hessian_scratch = carve(&scratch, reals);
    t->work = carve(&scratch, reals);
    t->vector = j->vector;
    t->gradient.has_label = t->gradient.has_other = t->hessian.has_label = t->hessian.has_other = 0;
    const row_kernel *kernel = &SYMBOL(row_table)[j->lead.formulas->row];
    t->phases = labels && j->smoothing == 0 ? kernel->label : kernel->dense;
    for (int k = 0; k < MAX_PARAM; k++) t->param[k] = (real)j->lead.formulas->param[k];
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
        for (int l = 1; l < LANES; l++)
            t->weight[l] = t->weight[0], t->label[l] = t->label[0], t->c[l] = t->c[0], t->y[l] = t->y[0];
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
