/* Soft-DTW: minus gamma times the logarithm of the sum of exp(-cost / gamma) over all alignments of two series (Cuturi and
 * Blondel 2017). In double only.
 *
 * Design. Cells of an anti-diagonal do not depend on each other: steps of WIDE cells, along the shorter series, while the other
 * is stored backwards, so that cell i of a diagonal has entry i + shift of it. The shares that its three
 * predecessors have in the soft minimum of a cell are kept: going back, the expected visits of a cell are those of its
 * successors times these shares, without an exponential. Steps may go beyond the end of a diagonal: what lies there is
 * infinitely far and is visited by none. */
#include "kernels.h"
#include "read.h"
#include "soft_dtw_job.h"
#include "vmath.h"

#include <string.h>

enum { WIDE = 8 };

#define FOR_WIDE _Pragma("omp simd") for (int l = 0; l < WIDE; l++)

INLINE ptrdiff_t padded(ptrdiff_t n) { return (n + WIDE - 1) / WIDE * WIDE; }

/* A series feature by feature, from `at` on, with margins. */
typedef struct {
    double *at;
    ptrdiff_t frames, stride;
} series;

INLINE ptrdiff_t stride_of(ptrdiff_t frames) { return padded(frames) + 2 * WIDE; }

/* Two series, the shorter one forwards and the longer one backwards, and the gradient in one of them, or NULL. */
typedef struct {
    series a, b;
    ptrdiff_t features;
    double gamma, inverse;
    double *gradient_a, *gradient_b; /* to which `weight` times the derivative is added */
    double weight;
    double *rolling; /* diagonals in use */
    double *shares;  /* of all diagonals, or NULL */
} alignment;

/* Cells i from `from` to `to` of diagonal k: frame i of a, frame k - i of b, at i + shift. */
typedef struct {
    ptrdiff_t from, to, shift;
} diagonal;

INLINE diagonal diagonal_at(const alignment *x, ptrdiff_t k)
{
    const ptrdiff_t a = x->a.frames, b = x->b.frames;
    return (diagonal){ k >= b ? k - b + 1 : 0, k < a ? k + 1 : a, b - 1 - k };
}

INLINE ptrdiff_t steps_of(diagonal d) { return padded(d.to - d.from); }

enum { DIAGONALS = 7 };

INLINE ptrdiff_t diagonal_room(ptrdiff_t frames) { return padded(frames) + 2 * WIDE; }

/* Reals for the shares of all diagonals of a series of `a` frames, the shorter one, and one of `b`. */
INLINE ptrdiff_t shares_room(ptrdiff_t a, ptrdiff_t b) { return 3 * (a + b - 1) * padded(a); }

/* Squared distances of the cells of a diagonal. */
static void distances(const alignment *x, diagonal d, double *to)
{
    for (ptrdiff_t i = d.from; i < d.to; i += WIDE) {
        double sum[WIDE] = { 0 };
        const double *a = x->a.at + i, *b = x->b.at + i + d.shift;
        for (ptrdiff_t k = 0; k < x->features; k++, a += x->a.stride, b += x->b.stride) FOR_WIDE
            {
                const double r = a[l] - b[l];
                sum[l] = multiply_add(r, r, sum[l]);
            }
        FOR_WIDE to[i + l] = sum[l];
    }
}

/* d + softmin(up, left, across), and the shares of these in it. */
static void soft_minima(const alignment *x, diagonal d, const double *before, const double *before_that, const double *distance,
                        double *to, double *shares)
{
    const double gamma = x->gamma, inverse = x->inverse;
    for (ptrdiff_t i = d.from; i < d.to; i += WIDE, shares += shares ? 3 * WIDE : 0) {
        double share[3][WIDE];
        FOR_WIDE
        {
            const double up = before[i + l - 1], left = before[i + l], across = before_that[i + l - 1];
            const double lower = up < left ? up : left, least = lower < across ? lower : across;
            const double e_up = exp_of_negative((least - up) * inverse), e_left = exp_of_negative((least - left) * inverse);
            const double e_across = exp_of_negative((least - across) * inverse), sum = e_up + e_left + e_across;
            to[i + l] = distance[i + l] + (least - gamma * vm_log(sum));
            share[0][l] = e_up / sum, share[1][l] = e_left / sum, share[2][l] = e_across / sum;
        }
        if (shares)
            for (int s = 0; s < 3; s++) FOR_WIDE shares[s * WIDE + l] = share[s][l];
    }
}

static double align(alignment *x)
{
    const ptrdiff_t last = x->a.frames + x->b.frames - 2, room = diagonal_room(x->a.frames);
    double *here = x->rolling + WIDE, *before = here + room, *before_that = before + room, *distance = before_that + room;
    double *shares = x->shares;
    for (ptrdiff_t k = 0; k < 4 * room; k++) x->rolling[k] = REAL_INFINITY;
    for (ptrdiff_t k = 0; k <= last; k++) {
        const diagonal d = diagonal_at(x, k);
        distances(x, d, distance);
        if (k == 0) here[0] = distance[0];
        else soft_minima(x, d, before, before_that, distance, here, shares);
        here[d.from - 1] = here[d.to] = REAL_INFINITY;
        if (shares) shares += 3 * steps_of(d);
        double *unused = before_that;
        before_that = before, before = here, here = unused;
    }
    return before[x->a.frames - 1];
}

/* Expected visits of the cells, and by them the gradient. */
static void go_back(alignment *x)
{
    const ptrdiff_t last = x->a.frames + x->b.frames - 2, room = diagonal_room(x->a.frames);
    double *visits = x->rolling + WIDE, *up = visits + room, *left = up + room;
    double *across = left + room, *across_before = across + room; /* of the diagonals k + 1 and k + 2 */
    const double *shares = x->shares;
    for (ptrdiff_t k = 0; k < DIAGONALS * room; k++) x->rolling[k] = 0;
    for (ptrdiff_t k = 0; k <= last; k++) shares += 3 * steps_of(diagonal_at(x, k));
    for (ptrdiff_t k = last; k >= 0; k--) {
        const diagonal d = diagonal_at(x, k);
        shares -= 3 * steps_of(d);
        for (ptrdiff_t i = d.from; i < d.to; i += WIDE)
            FOR_WIDE visits[i + l] = up[i + l + 1] + left[i + l] + across_before[i + l + 1];
        if (k == last) visits[d.from] = 1;
        for (int l = 0; l < WIDE; l++) visits[d.to + l] = 0;
        double *unused = across_before;
        across_before = across, across = unused;
        const double *share = shares;
        if (k > 0)
            for (ptrdiff_t i = d.from; i < d.to; i += WIDE, share += 3 * WIDE) FOR_WIDE
                {
                    const double e = visits[i + l];
                    up[i + l] = e * share[l], left[i + l] = e * share[WIDE + l], across[i + l] = e * share[2 * WIDE + l];
                }
        up[d.to] = left[d.from - 1] = across[d.from - 1] = across[d.to] = 0;

        const double weight = 2 * x->weight;
        for (ptrdiff_t f = 0; f < x->features; f++) {
            const double *a = x->a.at + f * x->a.stride, *b = x->b.at + f * x->b.stride + d.shift;
            double *to = x->gradient_a ? x->gradient_a + f * x->a.stride : x->gradient_b + f * x->b.stride + d.shift;
            const double sign = x->gradient_a ? weight : -weight;
            for (ptrdiff_t i = d.from; i < d.to; i += WIDE) FOR_WIDE to[i + l] += sign * visits[i + l] * (a[i + l] - b[i + l]);
        }
    }
}

/* ---- series ----------------------------------------------------------------------------------------------------------- */

/* Frames of an operand, feature by feature; returns whether all are finite. */
static int read_series(const operand *op, ptrdiff_t i, ptrdiff_t features, series *to)
{
    double wrong = 0;
    memset(to->at - WIDE, 0, (size_t)(features * to->stride) * sizeof(double));
    for (ptrdiff_t k = 0; k < features; k++) {
        double *at = to->at + k * to->stride;
        read_run(at, op, op->data + i * op->strides[0] + k * op->strides[2], op->strides[1], to->frames);
        for (ptrdiff_t t = 0; t < to->frames; t++) wrong += at[t] - at[t];
    }
    return wrong == 0;
}

static series backwards(const series *from, ptrdiff_t features, double *memory)
{
    series to = { memory + WIDE, from->frames, from->stride };
    memset(memory, 0, (size_t)(features * to.stride) * sizeof(double));
    for (ptrdiff_t k = 0; k < features; k++)
        for (ptrdiff_t t = 0; t < to.frames; t++) to.at[k * to.stride + t] = from->at[k * to.stride + to.frames - 1 - t];
    return to;
}

static void store(const operand *op, char *to, double x)
{
    if (op->type == FLOAT32) *(float *)to = (float)x;
    else *(double *)to = x;
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    double *y, *f, *gradient; /* the series, and the gradient in the second one */
    double *backwards, *gradient_backwards;
    double *rolling, *shares;
    ptrdiff_t size; /* in doubles */
} memory;

static memory lay_out(const soft_dtw_job *j, ptrdiff_t i, double *at)
{
    const ptrdiff_t y = j->y_frames[i], f = j->f_frames[i], longer = y > f ? y : f, shorter = y > f ? f : y;
    const ptrdiff_t room_y = stride_of(y) * j->features, room_f = stride_of(f) * j->features, room = y > f ? room_y : room_f;
    const ptrdiff_t shares = shares_room(shorter, longer), own_shares = j->divergence ? shares_room(f, f) : 0;
    memory m = { .y = at };
    m.f = m.y + room_y, m.gradient = m.f + room_f;
    m.backwards = m.gradient + room_f, m.gradient_backwards = m.backwards + room;
    m.rolling = m.gradient_backwards + room, m.shares = m.rolling + DIAGONALS * diagonal_room(longer);
    m.size = m.shares - at + (!j->gradient.data ? 0 : shares > own_shares ? shares : own_shares);
    return m;
}

static ptrdiff_t scratch_for(const soft_dtw_job *j, ptrdiff_t i)
{
    return (lay_out(j, i, (double *)64).size + WIDE) * (ptrdiff_t)sizeof(double);
}

/* ---- losses ----------------------------------------------------------------------------------------------------------- */

/* Of two series; with a weight, that times the derivative in the second one is added to the gradient. */
static double loss_of(const soft_dtw_job *j, const memory *m, const series *first, const series *second, double weight)
{
    const int swap = second->frames <= first->frames;
    const series *shorter = swap ? second : first, *longer = swap ? first : second;
    alignment x = {
        .a = *shorter,
        .b = backwards(longer, j->features, m->backwards),
        .features = j->features,
        .gamma = j->gamma,
        .inverse = j->gamma > 1e-300 ? 1 / j->gamma : 1e300, /* times 0 it must be 0 */
        .weight = weight,
        .rolling = m->rolling,
        .shares = weight != 0 ? m->shares : NULL,
    };
    const double value = align(&x);
    if (weight == 0) return value;
    if (swap) {
        x.gradient_a = m->gradient + WIDE;
        go_back(&x);
        return value;
    }
    const ptrdiff_t stride = second->stride, frames = second->frames;
    memset(m->gradient_backwards, 0, (size_t)(j->features * stride) * sizeof(double));
    x.gradient_b = m->gradient_backwards + WIDE;
    go_back(&x);
    for (ptrdiff_t k = 0; k < j->features; k++)
        for (ptrdiff_t t = 0; t < frames; t++) m->gradient[WIDE + k * stride + t] += x.gradient_b[k * stride + frames - 1 - t];
    return value;
}

static void write_gradient(const soft_dtw_job *j, ptrdiff_t i, const double *from, ptrdiff_t frames, ptrdiff_t stride,
                           double fill)
{
    const operand *g = &j->gradient;
    for (ptrdiff_t t = 0; t < j->most_pred; t++)
        for (ptrdiff_t k = 0; k < j->features; k++) {
            char *to = g->data + i * g->strides[0] + t * g->strides[1] + k * g->strides[2];
            store(g, to, t >= frames ? 0 : from ? from[k * stride + t] : fill);
        }
}

static void run(const soft_dtw_job *j, ptrdiff_t i, char *scratch)
{
    const memory m = lay_out(j, i, (double *)(((uintptr_t)scratch + 63) / 64 * 64));
    const ptrdiff_t y_frames = j->y_frames[i], f_frames = j->f_frames[i];
    const double weight = j->gradient.data ? j->factor[i] : 0;
    series y = { m.y + WIDE, y_frames, stride_of(y_frames) }, f = { m.f + WIDE, f_frames, stride_of(f_frames) };
    j->value[i] = 0;
    if (f_frames == 0) {
        if (j->gradient.data) write_gradient(j, i, NULL, 0, 0, 0);
        return;
    }
    double value = REAL_NAN;
    const int y_is_finite = read_series(&j->y, i, j->features, &y), f_is_finite = read_series(&j->f, i, j->features, &f);
    if (y_is_finite && f_is_finite) {
        memset(m.gradient, 0, (size_t)(j->features * f.stride) * sizeof(double));
        value = loss_of(j, &m, &y, &f, weight);
        if (value != value) value = REAL_INFINITY; /* squares overflow */
        /* Visits of f with itself are symmetric: half the derivative in both arguments is that in one. */
        if (j->divergence) value -= 0.5 * (loss_of(j, &m, &y, &y, 0) + loss_of(j, &m, &f, &f, -weight));
    }
    j->value[i] = value;
    if (j->gradient.data) write_gradient(j, i, value - value == 0 ? m.gradient + WIDE : NULL, f_frames, f.stride, REAL_NAN);
}

const soft_dtw_functions SYMBOL(soft_dtw) = { scratch_for, run };
