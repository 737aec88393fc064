/* Phases of the losses of scores: margins, the entry of a label, quantiles, the angle between two rows. */
#ifndef FASTLOSS_MARGIN_ROWS_H
#define FASTLOSS_MARGIN_ROWS_H

#include "rows.h"
#include "vmath.h"

/* ---- NegativeLogLikelihood   -c f_y ---------------------------------------------------------------------------------- */

static void nothing(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s) { (void)t, (void)from, (void)to, (void)s; }

static void negative_log_likelihood(tile *t, const lane_sums *s)
{
    real f[LANES];
    gather_label(t, t->x, f);
    FOR_LANES
    {
        const real poison = f[l] == f[l] ? R(0.) : f[l];
        t->value[l] = (t->c[l] == 0 ? R(0.) : -t->c[l] * f[l]) + poison;
        t->gradient.at_label[l] = poison - t->c[l];
        t->hessian.at_label[l] = poison;
        broadcast_outputs(t, l, poison + 1);
    }
    t->gradient.array = t->hessian.array = NULL;
    t->gradient.has_label = t->hessian.has_label = 1;
    (void)s;
}

/* ---- CategoricalHinge (Crammer and Singer 2001)   max(0, margin + max of the others - f_y) --------------------------- */

/* The index of each lane's class, that of its label, and the number of classes, as numbers that lanes can compare. */
typedef struct {
    real k[LANES], label[LANES], classes;
} class_lanes;

INLINE class_lanes lanes_of(const tile *t)
{
    class_lanes c = { .classes = (real)t->job->classes };
    for (int l = 0; l < LANES; l++) c.k[l] = t->job->across ? 0 : (real)l, c.label[l] = (real)t->label[l];
    return c;
}
INLINE real class_step(const tile *t, ptrdiff_t step) { return (real)(t->job->across ? step : step * LANES); }
INLINE int is_other(const class_lanes *c, real k, int l) { return (k != c->label[l]) & (k < c->classes); }

static void hinge_top(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    const class_lanes c = lanes_of(t);
    real top[LANES], nan[LANES] = { 0 };
    FOR_LANES top[l] = -REAL_INFINITY;
    FOR_STEPS(step, from, to)
    {
        const real *f = step_of(t, t->x, step);
        const real base = class_step(t, step);
        FOR_LANES
        {
            const real other = base + c.k[l] == c.label[l] ? -REAL_INFINITY : f[l]; /* as the classes beyond the last */
            top[l] = other > top[l] ? other : top[l];
        }
        FOR_LANES nan[l] = f[l] == f[l] ? nan[l] : f[l];
    }
    FOR_LANES s->top[l] = top[l], s->count[l] = nan[l];
}

INLINE void hinge_value(tile *t, const lane_sums *s, int zero_counts)
{
    const real margin = t->param[0];
    real f[LANES];
    gather_label(t, t->x, f);
    FOR_LANES
    {
        const real top = zero_counts ? maximum(s->top[l], R(0.)) : s->top[l];
        const real u = t->job->classes == 1 && !zero_counts ? -margin : margin + (top - f[l]), active = u <= 0 ? R(0.) : R(1.),
                   poison = s->count[l];
        t->top[l] = s->top[l];
        t->value[l] = (u <= 0 ? R(0.) : u) + poison;
        t->gradient.at_label[l] = (u == u ? -active : u) + poison;
        t->gradient.at_other[l] = (top == s->top[l] ? active : R(0.)) + poison;
        t->hessian.at_label[l] = poison;
        broadcast_outputs(t, l, poison + 1);
    }
    t->gradient.array = t->hessian.array = NULL;
    t->gradient.has_label = t->gradient.has_other = t->hessian.has_label = 1;
}
static void hinge_close(tile *t, const lane_sums *s) { hinge_value(t, s, 0); }
static void hinge_close_keras(tile *t, const lane_sums *s) { hinge_value(t, s, 1); }

/* The first of the others that has the maximum: the largest of their negated indices. */
static void hinge_winner(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    const class_lanes c = lanes_of(t);
    real first[LANES], top[LANES];
    FOR_LANES first[l] = -REAL_INFINITY, top[l] = t->top[l];
    if (t->job->lead.want & WANT_GRADIENT || t->job->lead.curvature == ABSOLUTE_GRADIENT_H) FOR_STEPS(step, from, to)
        {
            const real *f = step_of(t, t->x, step);
            const real base = class_step(t, step);
            FOR_LANES
            {
                const real x = f[l], k = base + c.k[l], wins = (is_other(&c, k, l) & (x == top[l])) ? -k : -REAL_INFINITY;
                first[l] = wins > first[l] ? wins : first[l];
            }
        }
    FOR_LANES s->top[l] = first[l];
}

static void hinge_other(tile *t, const lane_sums *s)
{
    for (int l = 0; l < LANES; l++)
        t->other[l] = s->top[l] > -REAL_INFINITY ? (ptrdiff_t)-s->top[l] : t->label[l]; /* whose own entry comes last */
}

/* ---- MultiMargin (Weston and Watkins 1999)   c/K sum of max(0, u)^p,   u_j = margin + f_j - f_y ---------------------- */

INLINE void margins(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s, int squared)
{
    const real margin = t->param[0], classes = (real)t->job->classes;
    const real major = t->job->policy == MAJORIZER_H ? R(1.) : R(0.), exact = 1 - major;
    const class_lanes c = lanes_of(t);
    real f_y[LANES], share[LANES];
    lane_sum value = { { 0 }, { 0 } }, slope = value, bend = value;
    gather_label(t, t->x, f_y);
    FOR_LANES share[l] = t->c[l] / classes;
    FOR_STEPS(step, from, to)
    {
        const real *f = step_of(t, t->x, step);
        real *g = t->gradient.array + step * LANES, *h = t->hessian.array + step * LANES;
        const real base = class_step(t, step);
        real v[LANES], d[LANES], b[LANES];
        FOR_LANES
        {
            const real keep = is_other(&c, base + c.k[l], l) ? R(1.) : R(0.);
            const real u = margin + (f[l] - f_y[l]), excess = u <= 0 ? R(0.) : u, active = u <= 0 ? R(0.) : R(1.);
            const real inverse = 1 / maximum(absolute(u), R(0x1p-10));
            const real bound = squared ? major * R(4.) + exact * (2 * active) : major * inverse;
            v[l] = squared ? excess * excess : excess;
            v[l] = keep == 0 ? R(0.) : v[l];
            d[l] = squared ? 2 * excess : active;
            d[l] = keep == 0 ? R(0.) : share[l] * d[l];
            b[l] = keep == 0 ? R(0.) : share[l] * bound;
        }
        FOR_LANES g[l] = d[l], h[l] = b[l];
        FOR_LANES add_to(&value, l, v[l]);
        FOR_LANES add_to(&slope, l, d[l]);
        FOR_LANES add_to(&bend, l, b[l]);
    }
    s->sum[0] = value, s->sum[1] = slope, s->sum[2] = bend;
}
static void margins_1(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s) { margins(t, from, to, s, 0); }
static void margins_2(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s) { margins(t, from, to, s, 1); }

static void margins_close(tile *t, const lane_sums *s)
{
    real f[LANES], value[LANES], poison[LANES], share[LANES];
    gather_label(t, t->x, f);
    FOR_LANES
    {
        value[l] = total_of(&s->sum[0], l);
        poison[l] = (value[l] == value[l] ? R(0.) : value[l]) + (f[l] == f[l] ? R(0.) : f[l]);
        share[l] = t->c[l] / (real)t->job->classes;
        value[l] = share[l] == 0 ? R(0.) : share[l] * value[l];
    }
    FOR_LANES
    {
        t->value[l] = value[l] + poison[l];
        t->gradient.at_label[l] = poison[l] - total_of(&s->sum[1], l);
        t->hessian.at_label[l] = poison[l] + total_of(&s->sum[2], l);
        broadcast_outputs(t, l, poison[l] + 1);
    }
    t->gradient.has_label = t->hessian.has_label = 1;
}

/* ---- MultiQuantile (Koenker and Bassett 1978)   sum of max(q r, (q - 1) r),   r = y - f ------------------------------ */

static void quantiles(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    const real major = t->job->policy == MAJORIZER_H ? R(1.) : R(0.), fisher = t->job->policy == FISHER_H ? R(1.) : R(0.);
    lane_sum value = { { 0 }, { 0 } };
    FOR_STEPS(step, from, to)
    {
        const real *f = step_of(t, t->x, step), *level = t->vector + step * LANES;
        real *g = t->gradient.array + step * LANES, *h = t->hessian.array + step * LANES;
        FOR_LANES
        {
            const real q = level[l], r = t->y[l] - f[l];
            const real slope = r > 0 ? -q : r < 0 ? 1 - q : r;
            add_to(&value, l, r == 0 ? r : -slope * r);
            g[l] = slope;
            h[l] = (r == r ? R(0.) : r) + major * (R(0.5) / maximum(absolute(r), R(0x1p-10))) + fisher * (q * (1 - q));
        }
    }
    s->sum[0] = value;
}

/* ---- CosineSimilarity   -cos(y, f);   gradient -(u_y - cos u_f) / |f|. Rows are divided by their largest entry first. - */

static void angle_tops(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    real top[LANES] = { 0 }, second[LANES] = { 0 };
    FOR_STEPS(step, from, to)
    {
        const real *f = step_of(t, t->x, step), *y = step_of(t, t->t, step);
        FOR_LANES
        {
            top[l] = absolute(f[l]) > top[l] ? absolute(f[l]) : top[l];
            second[l] = absolute(y[l]) > second[l] ? absolute(y[l]) : second[l];
        }
    }
    FOR_LANES s->top[l] = top[l], s->second[l] = second[l];
}

static void angle_scales(tile *t, const lane_sums *s)
{
    FOR_LANES
    {
        t->top[l] = s->top[l] > 0 ? s->top[l] : R(1.);
        t->at[l] = s->second[l] > 0 ? s->second[l] : R(1.);
        t->unit[l] = s->top[l] > 0 && s->second[l] > 0 ? R(1.) : R(0.);
    }
}

static void angle_products(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    lane_sum product = { { 0 }, { 0 } }, ff = product, yy = product;
    FOR_STEPS(step, from, to)
    {
        const real *x = step_of(t, t->x, step), *z = step_of(t, t->t, step);
        FOR_LANES
        {
            const real f = x[l] / t->top[l], y = z[l] / t->at[l];
            add_to(&product, l, f * y);
            add_to(&ff, l, f * f);
            add_to(&yy, l, y * y);
        }
    }
    s->sum[0] = product, s->sum[1] = ff, s->sum[2] = yy;
}

static void angle_close(tile *t, const lane_sums *s)
{
    FOR_LANES
    {
        const real product = total_of(&s->sum[0], l), ff = total_of(&s->sum[1], l), yy = total_of(&s->sum[2], l);
        const int zero = t->unit[l] == 0 && ff + yy == ff + yy;
        const real over_f = 1 / square_root(ff), over_y = 1 / square_root(yy), cosine = product * over_f * over_y;
        t->value[l] = zero ? R(0.) : -cosine;
        t->slope[l] = zero ? R(0.) : over_y * over_f;
        t->bend[l] = zero ? R(0.) : cosine * over_f * over_f;
        t->gradient.factor[l] = zero ? R(0.) : 1 / t->top[l];
    }
}

static void angle_gradient(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    (void)s;
    FOR_STEPS(step, from, to)
    {
        const real *x = step_of(t, t->x, step), *z = step_of(t, t->t, step);
        real *g = t->gradient.array + step * LANES;
        FOR_LANES g[l] = t->bend[l] * (x[l] / t->top[l]) - t->slope[l] * (z[l] / t->at[l]);
    }
}

#endif
