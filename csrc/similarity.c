/* Losses of the similarities of all rows of one matrix with all rows of another. Compiled per instruction set and type.
 *
 * Design. A tile of similarities comes from a matrix product and lies in the last-level cache. Softmaxes of rows and columns
 * are gathered tile by tile (online: a maximum, and the sum of exponentials relative to it); a second visit of the tile turns
 * it into the slopes in place, for two more products. A row that has one positive keeps it apart: the similarity of the
 * positive, and the sum of the exponentials of all others, which a small loss is made of. To be left out of loops that
 * have no branches, an entry becomes -inf. */
#include "kernels.h"
#include "pairs.h"
#include "read.h"
#include "similarity_job.h"
#include "vmath.h"

#include <math.h>

enum { ROWS_AT_ONCE = 16, COLUMNS_AT_ONCE = 128, REAL_TYPE = sizeof(real) == sizeof(float) ? FLOAT32 : FLOAT64 };

INLINE real *row_of(const similarity_job *j, ptrdiff_t i) { return (real *)j->s + i * j->stride; }

/* The place in its tile of a column of the whole matrix, or -1. */
INLINE ptrdiff_t column_in_tile(const similarity_job *j, ptrdiff_t column)
{
    const ptrdiff_t k = column - j->first_column;
    return column >= 0 && k >= 0 && k < j->columns ? k : -1;
}

/* 1 / temperature: bounded, as 0 times it has to be 0, and as it times -inf has to be -inf. */
INLINE real factor_of(const similarity_job *j)
{
    const real factor = within_real(j->factor);
    return factor < REAL_TINY ? REAL_TINY : factor;
}

/* ---- softmax ---------------------------------------------------------------------------------------------------------- */

static real largest(const real *s, ptrdiff_t n, real top)
{
    _Pragma("omp simd reduction(max : top)") for (ptrdiff_t k = 0; k < n; k++) top = s[k] > top ? s[k] : top;
    return top;
}

static double sum_of_exponentials(const real *s, ptrdiff_t n, real top, real factor)
{
    double total = 0;
    for (ptrdiff_t from = 0; from < n; from += SUMMED_IN_LANES) {
        const ptrdiff_t to = from + SUMMED_IN_LANES < n ? from + SUMMED_IN_LANES : n;
        real sum = 0;
        _Pragma("omp simd reduction(+ : sum)") for (ptrdiff_t k = from; k < to; k++) sum +=
            exp_of_negative((s[k] - top) * factor);
        total += (double)sum;
    }
    return total;
}

typedef real_bits label_type;

static double sum_of_label(const real *s, const label_type *label, label_type own, ptrdiff_t n)
{
    double total = 0;
    for (ptrdiff_t from = 0; from < n; from += SUMMED_IN_LANES) {
        const ptrdiff_t to = from + SUMMED_IN_LANES < n ? from + SUMMED_IN_LANES : n;
        real sum = 0;
        _Pragma("omp simd reduction(+ : sum)") for (ptrdiff_t k = from; k < to; k++)
        {
            const real other = label[k] == own ? s[k] : R(0.);
            sum += other;
        }
        total += (double)sum;
    }
    return total;
}

/* What a sum is relative to; nothing but -inf has the sum 0. */
INLINE real reference(real top) { return top > -REAL_INFINITY ? top : R(0.); }

/* A sum relative to `old`, as one relative to `top`. */
INLINE double moved(double sum, real old, real top, double factor)
{
    return old == top || sum == 0 ? sum : sum * exp(((double)old - (double)top) * factor);
}

static void sum_rows(const similarity_job *j, ptrdiff_t first, ptrdiff_t last)
{
    const real factor = factor_of(j);
    const label_type *label = j->label;
    for (ptrdiff_t i = first; i < last; i++) {
        real *s = row_of(j, i), *top = (real *)j->top + j->first_row + i;
        double *rest = j->rest + j->first_row + i;
        const ptrdiff_t row = j->first_row + i, positive = column_in_tile(j, j->positive[row]);
        const ptrdiff_t self = j->same ? column_in_tile(j, row) : -1;
        if (positive >= 0) {
            ((real *)j->own)[row] = s[positive];
            s[positive] = -REAL_INFINITY;
        }
        if (self >= 0) s[self] = 0;
        if (label && j->positive[row] < 0) j->near[row] += sum_of_label(s, label + j->first_column, label[row], j->columns);
        if (self >= 0) s[self] = -REAL_INFINITY;
        const real old = *top, now = largest(s, j->columns, old);
        *rest = moved(*rest, old, now, j->factor) + sum_of_exponentials(s, j->columns, reference(now), factor);
        *top = now;
    }
}

/* After `sum_rows`, which leaves out what is to be. A few rows at a time, that the first cache holds. */
static void some_columns(const similarity_job *j, ptrdiff_t at, int n)
{
    const real factor = factor_of(j);
    real *top = (real *)j->column_top + j->first_column + at, now[COLUMNS_AT_ONCE], less[COLUMNS_AT_ONCE];
    double *rest = j->column_rest + j->first_column + at;
    for (ptrdiff_t from = 0; from < j->rows; from += ROWS_AT_ONCE) {
        const ptrdiff_t to = from + ROWS_AT_ONCE < j->rows ? from + ROWS_AT_ONCE : j->rows;
        for (int k = 0; k < n; k++) now[k] = top[k];
        for (ptrdiff_t i = from; i < to; i++) {
            const real *s = row_of(j, i) + at;
            _Pragma("omp simd") for (int k = 0; k < n; k++) now[k] = s[k] > now[k] ? s[k] : now[k];
        }
        for (int k = 0; k < n; k++) {
            if (now[k] != top[k]) rest[k] = moved(rest[k], top[k], now[k], j->factor);
            top[k] = now[k], less[k] = reference(now[k]);
        }
        real sum[COLUMNS_AT_ONCE] = { 0 };
        for (ptrdiff_t i = from; i < to; i++) {
            const real *s = row_of(j, i) + at;
            _Pragma("omp simd") for (int k = 0; k < n; k++) sum[k] += exp_of_negative((s[k] - less[k]) * factor);
        }
        for (int k = 0; k < n; k++) rest[k] += (double)sum[k];
    }
}

static void sum_columns(const similarity_job *j, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t at = first; at < last; at += COLUMNS_AT_ONCE)
        some_columns(j, at, (int)(last - at < COLUMNS_AT_ONCE ? last - at : COLUMNS_AT_ONCE));
}

/* ---- slopes ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    real top, factor, less; /* of the row */
    label_type label;
    const real *column_top, *column_factor, *column_less;
    const label_type *column_label;
} slope_terms;

/* A matrix times itself may differ from its transpose by rounding: similarities may exceed the maximum of a column. */
INLINE void row_of_slopes(real *s, ptrdiff_t n, real over, slope_terms t, int two_sided, int labelled)
{
    const real *top = t.column_top, *factor = t.column_factor, *less = t.column_less;
    const label_type *label = t.column_label;
    _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++)
    {
        real g = exp_of_negative((s[k] - t.top) * over) * t.factor;
        if (two_sided) g = multiply_add(exp_of_negative(minimum((s[k] - top[k]) * over, 0)), factor[k], g);
        if (labelled) {
            const real both = t.less + less[k], attraction = label[k] == t.label ? both : R(0.);
            g -= attraction;
        }
        s[k] = g;
    }
}

static void slopes_of_rows(real *s, ptrdiff_t n, real over, slope_terms t) { row_of_slopes(s, n, over, t, 0, 0); }
static void slopes_of_both(real *s, ptrdiff_t n, real over, slope_terms t) { row_of_slopes(s, n, over, t, 1, 0); }
static void slopes_of_labels(real *s, ptrdiff_t n, real over, slope_terms t) { row_of_slopes(s, n, over, t, 1, 1); }

static void slopes(const similarity_job *j, ptrdiff_t first, ptrdiff_t last)
{
    const real over = factor_of(j);
    const label_type *label = j->label;
    slope_terms t = { .label = 0 };
    if (j->column_factor) {
        t.column_top = (const real *)j->column_top + j->first_column;
        t.column_factor = (const real *)j->column_factor + j->first_column;
    }
    if (label) {
        t.column_label = label + j->first_column;
        t.column_less = (const real *)j->label_factor + j->first_column;
    }
    for (ptrdiff_t i = first; i < last; i++) {
        real *s = row_of(j, i);
        const ptrdiff_t row = j->first_row + i, positive = column_in_tile(j, j->positive[row]);
        const ptrdiff_t self = j->same ? column_in_tile(j, row) : -1;
        t.top = ((const real *)j->top)[row], t.factor = ((const real *)j->row_factor)[row];
        if (label) {
            t.label = label[row], t.less = ((const real *)j->label_factor)[row];
            slopes_of_labels(s, j->columns, over, t);
        } else if (j->column_factor) slopes_of_both(s, j->columns, over, t);
        else if (t.factor != 0) slopes_of_rows(s, j->columns, over, t);
        else memset(s, 0, (size_t)j->columns * sizeof *s);
        if (self >= 0) s[self] = 0;
        if (positive >= 0) s[positive] = ((const real *)j->at_positive)[row];
    }
}

/* ---- sigmoid ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    real value, slope;
} softplus_terms;

/* log(1 + e^u) and its slope 1 / (1 + e^-u): one exponential, no cancellation. */
INLINE softplus_terms softplus(real u)
{
    const real e = exp_of_negative(-absolute(u)), numerator = u < 0 ? e : R(1.);
    return (softplus_terms){ maximum(u, 0) + vm_log1p(e), numerator / (1 + e) };
}

static void sigmoids(const similarity_job *j, ptrdiff_t first, ptrdiff_t last)
{
    const real over = factor_of(j), bias = within_real(j->bias);
    for (ptrdiff_t i = first; i < last; i++) {
        real *s = row_of(j, i);
        const ptrdiff_t row = j->first_row + i, positive = column_in_tile(j, j->positive[row]);
        const real factor = j->row_factor ? ((const real *)j->row_factor)[row] : R(0.);
        softplus_terms own = { 0, 0 };
        if (positive >= 0) {
            own = softplus(-multiply_add(s[positive], over, bias));
            s[positive] = -REAL_INFINITY;
        }
        double value = (double)own.value, slope = -(double)own.slope;
        for (ptrdiff_t from = 0; from < j->columns; from += SUMMED_IN_LANES) {
            const ptrdiff_t to = from + SUMMED_IN_LANES < j->columns ? from + SUMMED_IN_LANES : j->columns;
            real values = 0, slopes = 0;
            _Pragma("omp simd reduction(+ : values, slopes)") for (ptrdiff_t k = from; k < to; k++)
            {
                const softplus_terms t = softplus(multiply_add(s[k], over, bias));
                values += t.value, slopes += t.slope;
                s[k] = t.slope * factor;
            }
            value += (double)values, slope += (double)slopes;
        }
        if (positive >= 0) s[positive] = -own.slope * factor;
        if (j->row_factor && factor == 0) memset(s, 0, (size_t)j->columns * sizeof *s);
        j->value[row] += value;
        j->slope[row] += slope;
    }
}

/* ---- unit rows -------------------------------------------------------------------------------------------------------- */

static void units(const unit_job *j, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t n = j->entries;
    for (ptrdiff_t i = first; i < last; i++) {
        real *u = (real *)j->unit + i * n;
        const char *at = j->x.data + i * j->x.strides[0];
        const real *x = u;
        if (j->x.contiguous && j->x.strides[1] == (ptrdiff_t)sizeof(real)) x = (const real *)at;
        else read_run(u, &j->x, at, j->x.strides[1], n);
        double inverse = 1;
        if (j->normalize) {
            const direction d = direction_of(&x, n, u);
            inverse = j->inverse[i] = d.inverse, j->factor[i] = d.factor;
        } else {
            int finite = 1;
            for (ptrdiff_t k = 0; k < n; k++) finite &= absolute(x[k]) <= REAL_MAX;
            if (!finite) inverse = __builtin_nan("");
        }
        _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++) u[k] = (real)((double)x[k] * inverse);
    }
}

/* The gradient g in a unit row u = x / |x| as that in x: (g - (g u) u) / |x|. Where nothing used a row that is NaN, it is 0. */
static void project(const unit_job *j, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t n = j->entries;
    for (ptrdiff_t i = first; i < last; i++) {
        const real *u = (const real *)j->unit + i * n;
        real *g = (real *)j->slope + i * n;
        int used = 0;
        for (ptrdiff_t k = 0; k < n; k++) used |= g[k] != 0;
        double dot = 0;
        if (used) {
            _Pragma("omp simd reduction(+ : dot)") for (ptrdiff_t k = 0; k < n; k++) dot += (double)g[k] * (double)u[k];
            if (j->normalize) {
                const double inverse = j->inverse[i], factor = j->factor[i];
                _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++) g[k] =
                    (real)(((double)g[k] - dot * (double)u[k]) * inverse * factor);
            }
        }
        j->dot[i] = dot;
    }
}

const similarity_functions SYMBOL(similarity) = { sum_rows, sum_columns, slopes, sigmoids, units, project };
