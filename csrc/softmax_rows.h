/* Phases of the losses of a softmax row: the chain rule, and the formulas at the label or over all classes. */
#ifndef FASTLOSS_SOFTMAX_ROWS_H
#define FASTLOSS_SOFTMAX_ROWS_H

#include "losses/multiclass.h"
#include "softmax.h"

/* Gradient and hessian of a label y, T = A_y:   g_k = -T p_k and g_y = T q_y;
 *     exact      h_k = p_k (B q_y) (p_k / q_y) - T p_k q_k      h_y = q_y (B q_y - T p_y)
 *     majorizer  h_k = 2 p_k (max(B q_y, 0) - T q_k)            h_y = 2 q_y (max(B q_y, 0) - T p_y) */
INLINE void label_outputs(tile *t, int l, real p, real q, in_log y)
{
    const int major = t->job->policy == MAJORIZER_H;
    const real bend = major ? maximum(y.bend, R(0.)) : y.bend, twice = major ? R(2.) : R(1.);
    t->gradient.factor[l] = -y.slope * t->over[l];
    t->gradient.at_label[l] = y.slope * q;
    t->hessian.at_label[l] = twice * (q * multiply_add(-y.slope, p, bend));
    t->slope[l] = -y.slope * twice;
    t->bend[l] = twice * bend;
    t->at[l] = major || q < REAL_TINY ? R(0.) : R(1.) / q;
}

static void label_hessian(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    (void)s;
    if (!t->curved) return;
    const int major = t->job->policy == MAJORIZER_H;
    real over[LANES], rest[LANES], unit[LANES], slope[LANES], bend[LANES], squared[LANES], once[LANES];
    FOR_LANES
    {
        over[l] = t->over[l], rest[l] = t->rest[l], unit[l] = t->unit[l], slope[l] = t->slope[l], bend[l] = t->bend[l];
        squared[l] = t->at[l], once[l] = major ? R(1.) : R(0.);
    }
    FOR_STEPS(step, from, to)
    {
        const real *e = t->gradient.array + step * LANES;
        real *h = t->hessian.array + step * LANES;
        FOR_LANES
        {
            const real p = e[l] * over[l], q = e[l] == unit[l] ? rest[l] : R(1.) - p;
            h[l] = p * multiply_add(bend[l], multiply_add(p, squared[l], once[l]), slope[l] * q);
        }
    }
}

/* Gradient and hessian of dense targets, T the sum of A:
 *     g_k = A_k q_k - p_k (T - A_k)
 *     exact      h_k = q_k (B_k q_k) + p_k^2 (sum of B - B_k) - T p_k q_k
 *     majorizer  h_k = 2 q_k b_k + 2 p_k (sum of b - b_k) - 2 T p_k q_k,   b_k = max(B_k q_k, 0)
 * A sum less one of its terms is not rounded to the size of that term. */
static void chain(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    (void)s;
    if (t->job->lead.want == WANT_VALUE) return;
    const int hessian = t->curved, major = t->job->policy == MAJORIZER_H;
    const real twice = major ? R(2.) : R(1.), inverse = major ? R(0.) : R(1.);
    FOR_STEPS(step, from, to)
    {
        real *g = t->gradient.array + step * LANES, *A = t->work + step * LANES, p[LANES], q[LANES];
        FOR_LANES
        {
            p[l] = g[l] * t->over[l], q[l] = g[l] == t->unit[l] ? t->rest[l] : R(1.) - p[l];
            g[l] = multiply_add(A[l], q[l], -p[l] * ((t->slope[l] - A[l]) + t->slope_low[l]));
        }
        if (!hessian) continue;
        real *h = t->hessian.array + step * LANES; /* B q */
        FOR_LANES
        {
            const real T = t->slope[l] + t->slope_low[l], b = major ? maximum(h[l], R(0.)) : h[l];
            const real own = major ? b : b / maximum(q[l], REAL_TINY), other = (t->bend[l] - own) + t->bend_low[l];
            const real square = multiply_add(inverse, p[l], R(1.) - inverse) * other;
            h[l] = twice * multiply_add(q[l], b, p[l] * (square - T * q[l]));
        }
    }
}

static void close_dense(tile *t, const lane_sums *s)
{
    FOR_LANES
    {
        const real low = s->sum[1].low[l], bend_low = s->sum[2].low[l];
        t->value[l] = total_of(&s->sum[0], l);
        t->slope[l] = s->sum[1].high[l];
        t->slope_low[l] = absolute(low) < REAL_INFINITY ? low : R(0.);
        t->bend[l] = s->sum[2].high[l];
        t->bend_low[l] = absolute(bend_low) < REAL_INFINITY ? bend_low : R(0.);
    }
}

/* The formula at the label, or over all classes; BENDS says whether B is not 0, PARTS whether the value has two parts. */
#define SOFTMAX_LABEL(name)                                                                                       \
    static void name##_label(tile *t, const lane_sums *s)                                                         \
    {                                                                                                             \
        real z[LANES], e[LANES];                                                                                  \
        softmax_close(t, s);                                                                                      \
        gather_label(t, t->x, z);                                                                                 \
        gather_label(t, (row_array){ t->gradient.array, t->gradient.array + t->whole_steps * LANES }, e);         \
        FOR_LANES                                                                                                 \
        {                                                                                                         \
            const real p = e[l] * t->over[l], q = z[l] == t->top[l] ? t->rest[l] : R(1.) - p;                     \
            const in_log y = name##_logits(t->c[l], p, q, softmax_log(z[l], t->top[l], t->log_sum[l]), t->param); \
            t->value[l] = y.value;                                                                                \
            label_outputs(t, l, p, q, y);                                                                         \
        }                                                                                                         \
        t->gradient.has_label = t->hessian.has_label = 1;                                                         \
    }
#define SOFTMAX_DENSE(name, BENDS, PARTS)                                                         \
    static void name##_dense(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)                 \
    {                                                                                             \
        const int bends = BENDS && t->curved, major = t->job->policy == MAJORIZER_H;              \
        real param[MAX_PARAM], over[LANES], unit[LANES], rest[LANES], top[LANES], log_sum[LANES]; \
        lane_sum value = { { 0 }, { 0 } }, slope = value, bend = value, parts = value;            \
        for (int k = 0; k < MAX_PARAM; k++) param[k] = t->param[k];                               \
        FOR_LANES over[l] = t->over[l], unit[l] = t->unit[l], rest[l] = t->rest[l];               \
        FOR_LANES top[l] = t->top[l], log_sum[l] = t->log_sum[l];                                 \
        FOR_STEPS(step, from, to)                                                                 \
        {                                                                                         \
            const real *z = step_of(t, t->x, step), *c = step_of(t, t->t, step);                  \
            const real *e = t->gradient.array + step * LANES;                                     \
            real *A = t->work + step * LANES;                                                     \
            real p[LANES], q[LANES], u[LANES], v[LANES], d[LANES], a[LANES], b[LANES];            \
            FOR_LANES                                                                             \
            {                                                                                     \
                p[l] = e[l] * over[l];                                                            \
                q[l] = e[l] == unit[l] ? rest[l] : R(1.) - p[l];                                  \
                u[l] = softmax_log(z[l], top[l], log_sum[l]);                                     \
            }                                                                                     \
            FOR_LANES                                                                             \
            {                                                                                     \
                const in_log k = name##_logits(c[l], p[l], q[l], u[l], param);                    \
                v[l] = k.value, d[l] = k.difference, a[l] = k.slope, b[l] = k.bend;               \
            }                                                                                     \
            FOR_LANES A[l] = a[l];                                                                \
            FOR_LANES add_to(&value, l, v[l]);                                                    \
            FOR_LANES add_to(&slope, l, a[l]);                                                    \
            if (PARTS) FOR_LANES add_to(&parts, l, d[l]);                                         \
            if (!t->curved) continue;                                                             \
            real *h = t->hessian.array + step * LANES;                                            \
            FOR_LANES h[l] = b[l];                                                                \
            if (!bends) continue;                                                                 \
            if (major) FOR_LANES add_to(&bend, l, maximum(b[l], R(0.)));                          \
            else FOR_LANES add_to(&bend, l, b[l] / maximum(q[l], REAL_TINY));                     \
        }                                                                                         \
        if (PARTS) FOR_LANES                                                                      \
            {                                                                                     \
                add_to(&value, l, parts.high[l]);                                                 \
                value.low[l] += parts.low[l];                                                     \
            }                                                                                     \
        s->sum[0] = value, s->sum[1] = slope, s->sum[2] = bend;                                   \
    }
#define SOFTMAX_ROW(name, BENDS, PARTS) SOFTMAX_LABEL(name) SOFTMAX_DENSE(name, BENDS, PARTS)

SOFTMAX_ROW(cross_entropy, 0, 0)
SOFTMAX_ROW(categorical_focal, 1, 0)
SOFTMAX_ROW(generalized_cross_entropy, 1, 0)
SOFTMAX_ROW(poly1_cross_entropy, 1, 0)
SOFTMAX_DENSE(kl_divergence, 0, 1)
SOFTMAX_DENSE(kl_divergence_target, 0, 1)
SOFTMAX_DENSE(jensen_shannon, 1, 0)

#endif
