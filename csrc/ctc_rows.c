/* CTC: what is read from the frames of a sequence, and what is written. Compiled per instruction set and type.
 *
 * Design. A logit is read once and its gradient written once: the softmax goes straight to where the gradient belongs, and only
 * the entries of the labels are written again, from the double values that the lattice has. Log-probabilities of other
 * classes are not read at all. Frames that do not lie as they should go through scratch. */
#include "ctc_job.h"
#include "kernels.h"
#include "read.h"
#include "vmath.h"

enum { STEPS_IN_LANES = 16 }; /* steps that are summed as reals, before they are added as doubles */
enum { REAL_TYPE = sizeof(real) == sizeof(float) ? FLOAT32 : FLOAT64 };

#define FOR_LANES _Pragma("omp simd") for (int l = 0; l < LANES; l++)

INLINE int is_plain(const operand *op, ptrdiff_t classes)
{
    return op->contiguous && (op->strides[2] == (ptrdiff_t)sizeof(real) || classes == 1);
}

/* Bytes of a frame in scratch: 320 apart within a page, as at equal offsets loads wait for stores to other arrays. */
INLINE ptrdiff_t bytes_of(ptrdiff_t reals) { return ((reals + LANES) * (ptrdiff_t)sizeof(real) + 320 + 63) / 64 * 64; }

/* Two frames or a number for each label, and what `open` needs by class. */
static ptrdiff_t scratch_for(const ctc_job *j)
{
    const ptrdiff_t frames = 2 * bytes_of(j->classes), by_class = j->classes * (ptrdiff_t)sizeof(int32_t);
    const ptrdiff_t labels = (j->most_labels + 1) * (ptrdiff_t)sizeof(double);
    return frames + by_class + labels + 64;
}

INLINE char *place(const operand *op, ptrdiff_t i, ptrdiff_t t) { return op->data + i * op->strides[0] + t * op->strides[1]; }

INLINE void store(const operand *op, char *to, double x)
{
    if (op->type == FLOAT32) *(float *)to = (float)x;
    else *(double *)to = x;
}

static void store_frame(const operand *op, char *to, ptrdiff_t n, const real *x)
{
    const ptrdiff_t stride = op->strides[2];
    if (op->type == FLOAT32)
        for (ptrdiff_t k = 0; k < n; k++) *(float *)(to + k * stride) = (float)x[k];
    else
        for (ptrdiff_t k = 0; k < n; k++) *(double *)(to + k * stride) = (double)x[k];
}

/* The same number for all classes. */
static void fill_frame(const operand *op, char *to, ptrdiff_t n, double x)
{
    const ptrdiff_t stride = op->strides[2];
    if (op->type == FLOAT32 && stride == sizeof(float))
        for (ptrdiff_t k = 0; k < n; k++) ((float *)to)[k] = (float)x;
    else
        for (ptrdiff_t k = 0; k < n; k++) store(op, to + k * stride, x);
}

/* ---- the softmax of a frame ------------------------------------------------------------------------------------------- */

/* A row as steps of LANES entries; the last one may lie elsewhere, with -inf behind the end. */
typedef struct {
    const real *z, *last;
    ptrdiff_t whole, classes;
} row;

static row row_of(const real *z, ptrdiff_t classes, real *last)
{
    const ptrdiff_t whole = classes / LANES, rest = classes % LANES;
    if (rest) {
        FOR_LANES last[l] = -REAL_INFINITY;
        for (ptrdiff_t k = 0; k < rest; k++) last[k] = z[whole * LANES + k];
    }
    return (row){ z, last, whole, classes };
}

INLINE void raise(real *top, const real *z) { FOR_LANES top[l] = z[l] > top[l] ? z[l] : top[l]; }

static real largest(const row *r)
{
    real top[LANES], other[LANES];
    FOR_LANES top[l] = other[l] = -REAL_INFINITY;
    ptrdiff_t step = 0;
    for (; step + 2 <= r->whole; step += 2) {
        raise(top, r->z + step * LANES);
        raise(other, r->z + (step + 1) * LANES);
    }
    if (step < r->whole) raise(top, r->z + step * LANES);
    if (r->classes % LANES) raise(other, r->last);
    raise(top, other);
    real most = -REAL_INFINITY;
    _Pragma("omp simd reduction(max : most)") for (int l = 0; l < LANES; l++) most = top[l] > most ? top[l] : most;
    return most;
}

/* e^(z - top) into `e`, which has room for whole steps, unless it is NULL; returns the sum. */
static double exponentials(const row *r, real top, real *e)
{
    double sums[LANES] = { 0 };
    const ptrdiff_t steps = r->whole + (r->classes % LANES > 0);
    real rest[LANES];
    for (ptrdiff_t start = 0; start < steps; start += STEPS_IN_LANES) {
        const ptrdiff_t end = start + STEPS_IN_LANES < steps ? start + STEPS_IN_LANES : steps;
        const ptrdiff_t whole = end < r->whole ? end : r->whole;
        real part[LANES] = { 0 };
        if (e)
            for (ptrdiff_t i = start * LANES; i < whole * LANES; i += LANES) FOR_LANES
                {
                    const real d = exp_of_negative(r->z[i + l] - top);
                    e[i + l] = d, part[l] += d;
                }
        else
            for (ptrdiff_t i = start * LANES; i < whole * LANES; i += LANES)
                FOR_LANES part[l] += exp_of_negative(r->z[i + l] - top);
        if (end > r->whole) {
            FOR_LANES rest[l] = exp_of_negative(r->last[l] - top);
            FOR_LANES part[l] += rest[l];
            if (e)
                for (ptrdiff_t k = 0; k < r->classes % LANES; k++) e[r->whole * LANES + k] = rest[k];
        }
        FOR_LANES sums[l] += (double)part[l];
    }
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += sums[l];
    return sum;
}

/* A row with infinite logits, as one that has the same limit and needs no care: a single +inf is certain, two of them mean
 * nothing, and so does a row of -inf, unless there is but one class. */
static const real *limit(const real *z, ptrdiff_t classes, real top, real *to)
{
    ptrdiff_t certain = 0;
    for (ptrdiff_t k = 0; k < classes; k++) certain += z[k] == top;
    const int undefined = top < 0 ? classes > 1 : certain > 1;
    for (ptrdiff_t k = 0; k < classes; k++) to[k] = undefined || z[k] != z[k] ? REAL_NAN : z[k] == top ? R(0.) : -REAL_INFINITY;
    return to;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static void gather(const ctc_space *s, ptrdiff_t t, const real *z, ptrdiff_t blank, double top)
{
    double *to = s->label_at + t * s->width;
    s->blank[t] = (double)z[blank] - top;
    for (ptrdiff_t k = 0; k < s->labels; k++) to[k] = (double)z[s->label[k]] - top;
    for (ptrdiff_t k = s->labels; k < s->width; k++) to[k] = -(double)REAL_INFINITY;
}

/* Infinite where a log-probability is NaN or +inf, which mean nothing. */
INLINE double checked(double x) { return x < (double)REAL_INFINITY ? 0 : (double)REAL_INFINITY; }

static void read_log_probabilities(const ctc_job *j, ptrdiff_t i, const ctc_space *s, ptrdiff_t t, double *of_slot)
{
    const char *at = place(&j->f, i, t);
    const ptrdiff_t stride = j->f.strides[2];
    double *to = s->label_at + t * s->width, undefined = 0;
    for (ptrdiff_t d = 0; d < s->distinct; d++) {
        real x;
        if (is_plain(&j->f, j->classes)) x = ((const real *)at)[s->class_of[d]];
        else read_run(&x, &j->f, at + s->class_of[d] * stride, 0, 1);
        of_slot[d] = (double)x;
        undefined += checked((double)x);
    }
    s->blank[t] = of_slot[0];
    for (ptrdiff_t k = 0; k < s->labels; k++) to[k] = of_slot[s->slot[k]];
    for (ptrdiff_t k = s->labels; k < s->width; k++) to[k] = -(double)REAL_INFINITY;
    s->sum[t] = undefined == 0 ? 1 : __builtin_nan("");
}

static void read_logits(const ctc_job *j, ptrdiff_t i, const ctc_space *s, ptrdiff_t t, real *scratch, real *other)
{
    const ptrdiff_t classes = j->classes;
    const char *at = place(&j->f, i, t);
    const real *z = (const real *)at;
    real last[LANES];
    if (!is_plain(&j->f, classes)) {
        read_run(scratch, &j->f, at, j->f.strides[2], classes);
        z = scratch;
    }
    row r = row_of(z, classes, last);
    real top = largest(&r);
    if (!(absolute(top) < REAL_INFINITY)) {
        r = row_of(limit(z, classes, top, scratch), classes, last);
        top = 0;
    }
    gather(s, t, r.z, j->blank, (double)top);
    real *e = NULL;
    const operand *g = &j->gradient;
    if (g->data) e = is_plain(g, classes) ? (real *)place(g, i, t) : other;
    s->sum[t] = exponentials(&r, top, e);
    if (!e) return;
    const real factor = (real)(j->factor[i] / s->sum[t]);
    _Pragma("omp simd") for (ptrdiff_t k = 0; k < classes; k++) e[k] *= factor;
    if (e == other) store_frame(g, place(g, i, t), classes, e);
}

static void read_frames(const ctc_job *j, ptrdiff_t i, const ctc_space *s, ptrdiff_t from, ptrdiff_t to, char *scratch)
{
    scratch = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
    for (ptrdiff_t t = from; t < to; t++)
        if (j->logits) read_logits(j, i, s, t, (real *)scratch, (real *)(scratch + bytes_of(j->classes)));
        else read_log_probabilities(j, i, s, t, (double *)scratch);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static void clear_frames(const ctc_job *j, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to)
{
    for (ptrdiff_t t = from; t < to; t++) fill_frame(&j->gradient, place(&j->gradient, i, t), j->classes, 0);
}

/* The entries of blank and labels: p minus the posterior, or minus it alone. */
static void write_frame(const ctc_job *j, ptrdiff_t i, const ctc_space *s, ptrdiff_t t, double *collected)
{
    const operand *g = &j->gradient;
    const double *at_label = ctc_labels_at(s, t), *e = s->e_label + t * s->width;
    const double share = s->share[t], unit = j->logits ? s->unit[t] : 0, factor = j->factor[i];
    char *to = place(g, i, t);
    if (!j->logits) fill_frame(g, to, j->classes, 0);
    const ctc_window w = ctc_window_at(s, t);
    const ptrdiff_t end = w.to < s->labels ? w.to : s->labels;
    for (ptrdiff_t k = w.from; k < end; k++) collected[s->slot[k]] += at_label[k];
    store(g, to + j->blank * g->strides[2], factor * (s->e_blank[t] * unit - s->at_blank[t] * share));
    for (ptrdiff_t d = 1; d < s->distinct; d++) {
        const double p = e[s->position_of[d]] * unit;
        store(g, to + s->class_of[d] * g->strides[2], factor * (p - collected[d] * share));
        collected[d] = 0;
    }
}

static void write_frames(const ctc_job *j, ptrdiff_t i, const ctc_space *s, ptrdiff_t from, ptrdiff_t to, char *scratch)
{
    double *collected = (double *)(((uintptr_t)scratch + 63) / 64 * 64);
    for (ptrdiff_t d = 0; d < s->distinct; d++) collected[d] = 0;
    if (s->state == CTC_FINITE)
        for (ptrdiff_t t = from; t < to; t++) write_frame(j, i, s, t, collected);
    else {
        const double x = s->state == CTC_INFEASIBLE ? 0 : __builtin_nan("");
        for (ptrdiff_t t = from; t < to; t++) fill_frame(&j->gradient, place(&j->gradient, i, t), j->classes, x);
    }
}

const ctc_row_functions SYMBOL(ctc_rows) = { scratch_for, read_frames, write_frames, clear_frames };
