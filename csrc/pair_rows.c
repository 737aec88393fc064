/* Losses of two or three matrices that are compared row by row: contrastive, cosine, triplet. Compiled per instruction set
 * and type.
 *
 * Design. One row at a time: distances, the loss of the distances in double, gradients while the row is in the L1 cache.
 * Rows that lie as they should are read in place, others are gathered into scratch. Gradients go where they belong
 * or, where they are to be cast or scattered, through scratch. They do not bypass the cache: with a gradient for each input,
 * stores past it were slower even for matrices of some gigabytes.
 * Exchanging anchor and positive of a triplet swaps its distances: d(a,p) - d(p,n) is what the positive has as the anchor. */
#include "kernels.h"
#include "pair_job.h"
#include "pairs.h"
#include "read.h"

typedef struct {
    const pair_job *job;
    const real *x[MOST_INPUTS];
    real *scratch[MOST_INPUTS]; /* where rows may be gathered or scaled */
    double shrunk;              /* what the rows were divided by, as their differences overflow: mostly 1 */
    int same;                   /* the label */
    double weight;              /* with the scale: the factor of gradients */
    real *gradient[MOST_INPUTS];
} row;

/* The value of a row, and its derivative in the distance (in d(a,p), and minus that in d(a,n)). */
typedef struct {
    double value, slope;
} term;

INLINE term hinge(double u) { return u <= 0 ? (term){ 0, 0 } : (term){ u, 1 }; }

/* Hadsell, Chopra and LeCun (2006) without the factor 1/2: d^2, or max(margin - d, 0)^2. */
INLINE term contrastive(int same, double d, double square, double margin)
{
    if (same) return (term){ square, 2 * d };
    const term t = hinge(margin - d);
    return (term){ t.value * t.value, -2 * t.value };
}

INLINE void fill(const row *t, real x)
{
    for (int i = 0; i < t->job->inputs; i++)
        for (ptrdiff_t k = 0; k < t->job->entries; k++) t->gradient[i][k] = x;
}

/* Whether the gradient is 0, or NaN, in all entries: then it is written. */
INLINE int is_constant(const row *t, term loss)
{
    if (loss.value == loss.value && loss.slope * t->weight != 0) return 0;
    fill(t, loss.value == loss.value ? R(0.) : REAL_NAN);
    return 1;
}

/* ---- euclidean ------------------------------------------------------------------------------------------------------- */

/* Rows whose differences overflow, divided by a power of two. */
__attribute__((noinline)) static void shrink(row *t)
{
    t->shrunk = 16;
    for (int i = 0; i < t->job->inputs; i++) {
        for (ptrdiff_t k = 0; k < t->job->entries; k++) t->scratch[i][k] = t->x[i][k] / 16;
        t->x[i] = t->scratch[i];
    }
}

/* The derivative of a distance in x is (x - y) unit slope. The unit, a power of two, keeps the product from leaving the range
 * of reals on the way: the norm of (x - y) unit is about 1. */
typedef struct {
    real unit, slope;
} direction_factor;

INLINE direction_factor of_norm(gap g, double slope)
{
    const double unit = 1 / UNIT_BELOW(g.norm);
    return (direction_factor){ (real)unit, g.norm == 0 ? R(0.) : within_real(slope / (g.norm * unit)) };
}

INLINE direction_factor of_square(const row *t, double slope)
{
    return (direction_factor){ (real)t->shrunk, within_real(2 * slope) };
}

static void euclidean_pair_gradient(ptrdiff_t n, const real *x, const real *y, direction_factor d, real *gx, real *gy)
{
    _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++)
    {
        const real e = (x[k] - y[k]) * d.unit * d.slope;
        gx[k] = e;
        gy[k] = -e;
    }
}

static void euclidean_triplet_gradient(ptrdiff_t n, const real *a, const real *p, const real *q, direction_factor to_p,
                                       direction_factor to_q, real *ga, real *gp, real *gq)
{
    _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++)
    {
        const real e = (a[k] - p[k]) * to_p.unit * to_p.slope, f = (a[k] - q[k]) * to_q.unit * to_q.slope;
        ga[k] = e - f;
        gp[k] = -e;
        gq[k] = f;
    }
}

static double euclidean_pair(row *t)
{
    const pair_job *j = t->job;
    gap g = gap_between(t->x[0], t->x[1], j->entries);
    if (g.beyond) {
        shrink(t);
        g = gap_between(t->x[0], t->x[1], j->entries);
    }
    const double d = g.norm * t->shrunk, square = g.square * t->shrunk * t->shrunk;
    const term loss = contrastive(t->same, d, square, j->margin);
    if (t->gradient[0] && !is_constant(t, loss)) {
        const direction_factor f = t->same ? of_square(t, t->weight) : of_norm(g, loss.slope * t->weight);
        euclidean_pair_gradient(j->entries, t->x[0], t->x[1], f, t->gradient[0], t->gradient[1]);
    }
    return loss.value;
}

/* d(a,p) and d(a,n), in whichever role the first two rows are. */
static void triplet_gaps(const row *t, gap *to_p, gap *to_q, int *pivot)
{
    const ptrdiff_t n = t->job->entries;
    *to_p = gap_between(t->x[0], t->x[1], n), *to_q = gap_between(t->x[0], t->x[2], n);
    *pivot = 0;
    if (!t->job->swap) return;
    const gap other = gap_between(t->x[1], t->x[2], n);
    if (other.norm < to_q->norm) *to_q = other, *pivot = 1;
}

static double euclidean_triplet(row *t)
{
    const pair_job *j = t->job;
    gap to_p, to_q;
    int pivot;
    triplet_gaps(t, &to_p, &to_q, &pivot);
    if (to_p.beyond | to_q.beyond) {
        shrink(t);
        triplet_gaps(t, &to_p, &to_q, &pivot);
    }
    const int squared = j->distance == SQUARED_EUCLIDEAN;
    const double s = t->shrunk, difference = to_p.norm - to_q.norm;
    const double u = !squared                  ? difference * s
                     : to_p.plain & to_q.plain ? to_p.square - to_q.square
                                               : /* squares over- or underflow */ difference * s * ((to_p.norm + to_q.norm) * s);
    const term loss = hinge(u + j->margin);
    if (t->gradient[0] && !is_constant(t, loss)) {
        const direction_factor p = squared ? of_square(t, t->weight) : of_norm(to_p, t->weight);
        const direction_factor q = squared ? p : of_norm(to_q, t->weight);
        euclidean_triplet_gradient(j->entries, t->x[pivot], t->x[!pivot], t->x[2], p, q, t->gradient[pivot], t->gradient[!pivot],
                                   t->gradient[2]);
    }
    return loss.value;
}

/* ---- cosine ---------------------------------------------------------------------------------------------------------- */

/* d = 1 - cos of x and y has in x the derivative (cos u - v) / |x|, u and v the unit vectors. `slope` holds the factor of the
 * bracket: nearly the reciprocal norm. */
typedef struct {
    real unit, slope;
} unit_factor;

INLINE unit_factor unit_of(direction d, double slope)
{
    return (unit_factor){ (real)d.inverse, within_real(slope * d.inverse * d.factor) };
}

static void cosine_pair_gradient(ptrdiff_t n, const real *x, const real *y, unit_factor i, unit_factor j, real cos, real *gx,
                                 real *gy)
{
    _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++)
    {
        const real u = x[k] * i.unit, v = y[k] * j.unit;
        gx[k] = (cos * u - v) * i.slope;
        gy[k] = (cos * v - u) * j.slope;
    }
}

static void cosine_triplet_gradient(ptrdiff_t n, const real *a, const real *p, const real *q, const unit_factor *f, double to_p,
                                    double to_q, real *ga, real *gp, real *gq)
{
    const unit_factor of_a = f[0], of_p = f[1], of_q = f[2];
    const real cos_p = (real)to_p, cos_q = (real)to_q, difference = (real)(to_p - to_q);
    _Pragma("omp simd") for (ptrdiff_t k = 0; k < n; k++)
    {
        const real u = a[k] * of_a.unit, v = p[k] * of_p.unit, w = q[k] * of_q.unit;
        ga[k] = (difference * u - (v - w)) * of_a.slope;
        gp[k] = (cos_p * v - u) * of_p.slope;
        gq[k] = (u - cos_q * w) * of_q.slope;
    }
}

static double cosine_pair(row *t)
{
    const pair_job *j = t->job;
    const direction dx = direction_of(&t->x[0], j->entries, t->scratch[0]);
    const direction dy = direction_of(&t->x[1], j->entries, t->scratch[1]);
    const angle a = angle_between(t->x[0], t->x[1], dx, dy, j->entries);
    term loss;
    if (j->loss == CONTRASTIVE) loss = contrastive(t->same, a.distance, a.distance * a.distance, j->margin);
    else if (t->same) loss = (term){ a.distance, 1 };
    else {
        loss = hinge(a.near ? (1 - j->margin) - a.distance : a.cos - j->margin);
        loss.slope = -loss.slope;
    }
    if (t->gradient[0] && !is_constant(t, loss)) {
        const double slope = loss.slope * t->weight;
        cosine_pair_gradient(j->entries, t->x[0], t->x[1], unit_of(dx, slope), unit_of(dy, slope), (real)a.cos, t->gradient[0],
                             t->gradient[1]);
    }
    return loss.value;
}

static double cosine_triplet(row *t)
{
    const pair_job *j = t->job;
    const ptrdiff_t n = j->entries;
    direction d[MOST_INPUTS];
    for (int i = 0; i < MOST_INPUTS; i++) d[i] = direction_of(&t->x[i], n, t->scratch[i]);
    const angle to_p = angle_between(t->x[0], t->x[1], d[0], d[1], n);
    angle to_q = angle_between(t->x[0], t->x[2], d[0], d[2], n);
    int pivot = 0;
    if (j->swap) {
        const angle other = angle_between(t->x[1], t->x[2], d[1], d[2], n);
        if (other.distance < to_q.distance) to_q = other, pivot = 1;
    }
    const term loss = hinge(to_p.distance - to_q.distance + j->margin);
    if (t->gradient[0] && !is_constant(t, loss)) {
        const unit_factor f[] = { unit_of(d[pivot], t->weight), unit_of(d[!pivot], t->weight), unit_of(d[2], t->weight) };
        cosine_triplet_gradient(n, t->x[pivot], t->x[!pivot], t->x[2], f, to_p.cos, to_q.cos, t->gradient[pivot],
                                t->gradient[!pivot], t->gradient[2]);
    }
    return loss.value;
}

/* ---- blocks ---------------------------------------------------------------------------------------------------------- */

enum { REAL_TYPE = sizeof(real) == sizeof(float) ? FLOAT32 : FLOAT64 };

INLINE int is_plain(const operand *op) { return op->contiguous && op->strides[1] == (ptrdiff_t)sizeof(real); }

/* Bytes of an array in scratch: 320 apart within a page, as at equal offsets loads wait for stores to other arrays. */
INLINE ptrdiff_t bytes_of(ptrdiff_t reals) { return (reals * (ptrdiff_t)sizeof(real) + 320 + 63) / 64 * 64; }

ptrdiff_t SYMBOL(pair_scratch)(const pair_job *j) { return 2 * MOST_INPUTS * bytes_of(j->entries) + 64; }

/* The gradient of row i from scratch to its place. */
static void deliver(const pair_job *j, const operand *op, ptrdiff_t i, const real *from)
{
    char *to = op->data + i * op->strides[0];
    const ptrdiff_t stride = op->strides[1];
    if (op->type == FLOAT32)
        for (ptrdiff_t k = 0; k < j->entries; k++) *(float *)(to + k * stride) = (float)from[k];
    else
        for (ptrdiff_t k = 0; k < j->entries; k++) *(double *)(to + k * stride) = (double)from[k];
}

static double run_row(row *t, ptrdiff_t i)
{
    const pair_job *j = t->job;
    t->shrunk = 1;
    t->same = j->same ? j->same[i] : 1;
    for (int m = 0; m < j->inputs; m++) {
        const operand *op = &j->x[m];
        const char *at = op->data + i * op->strides[0];
        t->x[m] = is_plain(op) ? (const real *)at : t->scratch[m];
        if (!is_plain(op)) read_run(t->scratch[m], op, at, op->strides[1], j->entries);
    }
    if (j->inputs == 3) return j->distance == COSINE ? cosine_triplet(t) : euclidean_triplet(t);
    return j->distance == COSINE ? cosine_pair(t) : euclidean_pair(t);
}

void SYMBOL(run_pair_block)(const pair_job *j, ptrdiff_t index, char *scratch, partial *result)
{
    const ptrdiff_t first = index * j->in_block, left = j->rows - first, end = first + (left < j->in_block ? left : j->in_block);
    const real *weight = j->weight;
    real *value = j->value, *staging[MOST_INPUTS];
    row t = { .job = j };
    scratch = (char *)(((uintptr_t)scratch + 63) / 64 * 64);
    for (int m = 0; m < MOST_INPUTS; m++, scratch += bytes_of(j->entries)) t.scratch[m] = (real *)scratch;
    for (int m = 0; m < MOST_INPUTS; m++, scratch += bytes_of(j->entries)) staging[m] = (real *)scratch;

    long_sum sum = { 0, 0 };
    for (ptrdiff_t i = first; i < end; i++) {
        const double w = weight ? (double)weight[i] : 1;
        for (int m = 0; m < j->inputs && j->gradient[m].data; m++) {
            const operand *op = &j->gradient[m];
            t.gradient[m] = is_plain(op) ? (real *)(op->data + i * op->strides[0]) : staging[m];
        }
        t.weight = w * j->scale;
        double weighted = 0;
        if (w != 0) weighted = w * run_row(&t, i);
        else if (t.gradient[0]) fill(&t, 0);
        if (value) value[i] = (real)weighted;
        add_long(&sum, weighted);
        for (int m = 0; m < j->inputs; m++)
            if (t.gradient[m] == staging[m]) deliver(j, &j->gradient[m], i, staging[m]);
    }
    result->value = total_long(sum), result->weight = 0, result->status = 0;
}
