/* One block through load -> check -> terms -> store. Compiled per instruction set and type, like the kernels.
 *
 * Design. Strides, element types, weights, scaling, in-place calls and non-temporal stores live here, once for all losses:
 * kernels see contiguous columns of `real` only. Blocks of contiguous native input are read where they lie;
 * everything else, and the last block, passes through scratch columns that stay in the L1 cache. */
#include "kernels.h"
#include "read.h"
#include "stream.h"

extern const kernels SYMBOL(kernel_table)[];

/* ---- where an element lies ------------------------------------------------------------------------------------------- */

/* Calls BODY for runs along the last axis: `run` samples from sample `done` of the block on, the first at `at`. */
#define FOR_RUNS(j, op, start, n, BODY)                                                 \
    for (ptrdiff_t done = 0, run; done < (n); done += run) {                            \
        char *at = (op)->data;                                                          \
        ptrdiff_t rest = (start) + done, inner = 0;                                     \
        for (int axis = (j)->ndim - 1; axis >= 0; axis--) {                             \
            const ptrdiff_t length = (j)->shape[axis], k = axis ? rest % length : rest; \
            at += k * (op)->strides[axis];                                              \
            rest = axis ? rest / length : 0;                                            \
            if (axis == (j)->ndim - 1) inner = length - k;                              \
        }                                                                               \
        run = inner < (n) - done ? inner : (n) - done;                                  \
        const ptrdiff_t stride = (op)->strides[(j)->ndim - 1];                          \
        BODY                                                                            \
    }

/* ---- load ------------------------------------------------------------------------------------------------------------ */

/* The block as a contiguous column: in place where possible, else in scratch, padded with copies of its last element. */
static const real *load(const job *j, const operand *op, ptrdiff_t start, ptrdiff_t n, real *scratch)
{
    if (op->contiguous && n % LANES == 0) return (const real *)op->data + start;
    if (op->contiguous) memcpy(scratch, (const real *)op->data + start, (size_t)n * sizeof(real));
    else FOR_RUNS(j, op, start, n, read_run(scratch + done, op, at, stride, run);)
    for (ptrdiff_t i = n; i % LANES; i++) scratch[i] = scratch[n - 1];
    return scratch;
}

/* ---- check ----------------------------------------------------------------------------------------------------------- */

static int check_labels(const job *j, ptrdiff_t n, const real *y)
{
    int bad = 0, zero = 0, minus = 0;
    const real low = maximum((real)j->y_low, -REAL_MAX), high = minimum((real)j->y_high, REAL_MAX);
    switch (j->label) {
    case ANY: return 0;
    case INTERVAL:
        _Pragma("omp simd reduction(|:bad)") for (ptrdiff_t i = 0; i < n; i++) bad |= !(y[i] >= low) | !(y[i] <= high);
        return bad ? BAD_Y : 0;
    case BINARY:
        _Pragma("omp simd reduction(|:bad)") for (ptrdiff_t i = 0; i < n; i++) bad |= (y[i] != 0) & (y[i] != 1);
        return bad ? BAD_Y : 0;
    case SIGNED:
        _Pragma("omp simd reduction(|:bad, zero, minus)") for (ptrdiff_t i = 0; i < n; i++)
        {
            bad |= (y[i] != 0) & (y[i] != 1) & (y[i] != -1);
            zero |= y[i] == 0;
            minus |= y[i] == -1;
        }
        return (bad ? BAD_Y : 0) | (zero ? SAW_ZERO : 0) | (minus ? SAW_MINUS : 0);
    }
    return 0;
}

/* A finite prediction outside [low, high]; infinite bounds need no look at the data. */
static int check_range(ptrdiff_t n, const real *f, double low_, double high_, int bit)
{
    const real low = (real)low_, high = (real)high_;
    int bad = 0;
    if (low == -REAL_INFINITY && high == REAL_INFINITY) return 0;
    _Pragma("omp simd reduction(|:bad)") for (ptrdiff_t i = 0; i < n; i++) bad |=
        ((f[i] < low) | (f[i] > high)) & (absolute(f[i]) <= REAL_MAX);
    return bad ? bit : 0;
}

static int check_weights(ptrdiff_t n, const real *w)
{
    int bad = 0;
    _Pragma("omp simd reduction(|:bad)") for (ptrdiff_t i = 0; i < n; i++) bad |= !(w[i] >= 0) | !(w[i] <= REAL_MAX);
    return bad ? BAD_W : 0;
}

/* ---- store ----------------------------------------------------------------------------------------------------------- */

/* x := w x scale, where a weight of 0 gives 0 whatever x is; then the floor. */
static void weigh(ptrdiff_t n, const real *x, const real *w, real scale, real floor, real *to)
{
    if (w) _Pragma("omp simd") for (ptrdiff_t i = 0; i < n; i++) to[i] = w[i] == 0 ? R(0.) : maximum(x[i] * w[i] * scale, floor);
    else _Pragma("omp simd") for (ptrdiff_t i = 0; i < n; i++) to[i] = maximum(x[i] * scale, floor);
}

static void store(const job *j, const operand *op, ptrdiff_t start, ptrdiff_t n, real *x, const real *w, double scale,
                  double floor_)
{
    const real floor = floor_ != floor_ ? -REAL_INFINITY : (real)floor_;
    real *in_place = op->contiguous ? (real *)op->data + start : NULL;
    const int plain = !w && floor == -REAL_INFINITY;
    if (in_place && !j->stream) {
        weigh(n, x, w, (real)scale, floor, in_place);
        return;
    }
    if (!(plain && in_place)) weigh(n, x, w, (real)scale, floor, x);
    if (in_place) stream_scaled(n, x, plain ? (real)scale : 1, in_place);
    else
        FOR_RUNS(j, op, start, n, {
            if (op->type == FLOAT32)
                for (ptrdiff_t i = 0; i < run; i++) *(float *)(at + i * stride) = (float)x[done + i];
            else
                for (ptrdiff_t i = 0; i < run; i++) *(double *)(at + i * stride) = (double)x[done + i];
        })
}

/* float64 whatever the type; pairwise, so that rounding errors grow with the logarithm of n and no addition waits for many. */
#define SUMMAND(i) (w ? (w[i] == 0 ? 0. : (double)x[i] * (double)w[i]) : (double)x[i])
#define PAIR(i) (SUMMAND(i) + SUMMAND((i) + LANES))
#define FOUR(i) (PAIR(i) + PAIR((i) + 2 * LANES))

INLINE double sum_of(ptrdiff_t n, const real *x, const real *w)
{
    double lane[LANES] = { 0 };
    ptrdiff_t i = 0;
    for (; i + 8 * LANES <= n; i += 8 * LANES)
        _Pragma("omp simd") for (int k = 0; k < LANES; k++) lane[k] += FOUR(i + k) + FOUR(i + k + 4 * LANES);
    for (; i < n; i++) lane[i % LANES] += SUMMAND(i);
    for (int width = LANES / 2; width; width /= 2)
        for (int k = 0; k < width; k++) lane[k] += lane[k + width];
    return lane[0];
}

static double weighted_sum(ptrdiff_t n, const real *x, const real *w) { return w ? sum_of(n, x, w) : sum_of(n, x, NULL); }

/* ---- the block ------------------------------------------------------------------------------------------------------- */

/* Columns at different offsets within a page: at equal ones, loads wait for stores to other columns (4K aliasing). */
enum { STAGGERED = BLOCK + 320 / sizeof(real) };

static void run_formula(const job *j, const formula *one, ptrdiff_t groups, const columns *b)
{
    const kernels *k = &SYMBOL(kernel_table)[one->row];
    real param[MAX_PARAM];
    for (int i = 0; i < MAX_PARAM; i++) param[i] = (real)one->param[i];

    if (j->want & WANT_HESSIAN && j->curvature <= FISHER_H) {
        k->gradient_hessian[j->curvature](groups, param, b);
        if (j->want & WANT_VALUE) k->value(groups, param, b);
        return;
    }
    const int gradient = j->want & WANT_GRADIENT || (j->want & WANT_HESSIAN && j->curvature == ABSOLUTE_GRADIENT_H);
    if (gradient && j->want & WANT_VALUE) k->value_gradient(groups, param, b);
    else if (gradient) k->gradient(groups, param, b);
    else if (j->want & WANT_VALUE) k->value(groups, param, b);

    if (j->want & WANT_HESSIAN)
        for (int c = 0; c < (j->operands[F2].data ? 2 : 1); c++)
            for (ptrdiff_t i = 0; i < groups * LANES; i++)
                b->hessian[c][i] = j->curvature == UNIT_H ? R(1.) : absolute(b->gradient[c][i]);
}

/* The weighted sum of several formulas, each evaluated on the block while it is in the L1 cache. */
__attribute__((noinline)) static void run_sum(const job *j, ptrdiff_t groups, const columns *b)
{
    _Alignas(64) real scratch[5][STAGGERED];
    const columns part = { b->y, { b->f[0], b->f[1] }, scratch[0], { scratch[1], scratch[2] }, { scratch[3], scratch[4] } };
    real *const to[] = { b->value, b->gradient[0], b->gradient[1], b->hessian[0], b->hessian[1] };
    const int bits[] = { WANT_VALUE, WANT_GRADIENT, WANT_GRADIENT, WANT_HESSIAN, WANT_HESSIAN };
    const int pair = j->operands[F2].data != NULL;

    for (int k = 0; k < 5; k++) memset(to[k], 0, (size_t)(groups * LANES) * sizeof(real));
    for (int m = 0; m < j->n_formulas; m++) {
        const real factor = (real)j->formulas[m].factor;
        run_formula(j, &j->formulas[m], groups, &part);
        for (int k = 0; k < 5; k++)
            if (j->want & bits[k] && (pair || k % 2 || !k))
                _Pragma("omp simd") for (ptrdiff_t i = 0; i < groups * LANES; i++) to[k][i] += factor * scratch[k][i];
    }
}

void SYMBOL(run_block)(const job *j, ptrdiff_t index, partial *result)
{
    _Alignas(64) real scratch[OPERANDS][STAGGERED];
    const operand *op = j->operands;
    const ptrdiff_t start = index * BLOCK, left = j->size - start, n = left < BLOCK ? left : BLOCK;
    const int pair = op[F2].data != NULL;

    const real *y = load(j, &op[Y], start, n, scratch[Y]);
    const real *f = load(j, &op[F], start, n, scratch[F]);
    const real *f2 = pair ? load(j, &op[F2], start, n, scratch[F2]) : f;
    const real *w = op[W].data ? load(j, &op[W], start, n, scratch[W]) : NULL;

    const columns block = {
        .y = y,
        .f = { f, f2 },
        .value = scratch[VALUE],
        .gradient = { scratch[GRADIENT], scratch[GRADIENT2] },
        .hessian = { scratch[HESSIAN], scratch[HESSIAN2] },
    };
    /* Before the checks: they are quick only on data that is in the cache, formulas have time to wait for memory. */
    const ptrdiff_t groups = (n + LANES - 1) / LANES;
    if (j->want && j->n_formulas == 1 && j->formulas->factor == 1) run_formula(j, j->formulas, groups, &block);
    else if (j->want) run_sum(j, groups, &block);

    result->status = check_labels(j, n, y) | check_range(n, f, j->f_low[0], j->f_high[0], BAD_F);
    if (pair) result->status |= check_range(n, f2, j->f_low[1], j->f_high[1], BAD_F2);
    if (w) result->status |= check_weights(n, w);
    result->weight = w ? weighted_sum(n, w, NULL) : (double)n;
    result->value = 0;
    if (!j->want || result->status & (BAD_Y | BAD_F | BAD_F2 | BAD_W)) return;

    if (j->want & WANT_VALUE) {
        result->value = weighted_sum(n, scratch[VALUE], w);
        if (op[VALUE].data) store(j, &op[VALUE], start, n, scratch[VALUE], w, 1, REAL_NAN);
    }
    for (int k = GRADIENT; k <= HESSIAN2; k++)
        if (op[k].data) store(j, &op[k], start, n, scratch[k], w, j->scale, k < HESSIAN ? REAL_NAN : j->min_hessian);
}
