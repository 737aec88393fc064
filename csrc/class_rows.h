/* Phases of the losses of given probabilities: the formula at the label, or over all classes. */
#ifndef FASTLOSS_CLASS_ROWS_H
#define FASTLOSS_CLASS_ROWS_H

#include "losses/multiclass.h"
#include "rows.h"

/* What a row that is NaN somewhere shares with its classes that are not. */
INLINE void poison(tile *t, int l) { broadcast_outputs(t, l, t->value[l] != t->value[l] ? REAL_NAN : R(1.)); }

static void close_terms(tile *t, const lane_sums *s)
{
    FOR_LANES t->value[l] = total_of(&s->sum[0], l);
    FOR_LANES poison(t, l);
}

/* A look at the row for entries that are not finite. */
static void look(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    real zero[LANES] = { 0 };
    FOR_STEPS(step, from, to)
    {
        const real *x = step_of(t, t->x, step);
        FOR_LANES zero[l] += x[l] - x[l];
    }
    FOR_LANES s->count[l] = zero[l];
}

#define AT_LABEL(name)                                          \
    static void name##_at_label(tile *t, const lane_sums *s)    \
    {                                                           \
        real f[LANES];                                          \
        gather_label(t, t->x, f);                               \
        FOR_LANES                                               \
        {                                                       \
            const terms y = name(t->c[l], f[l], t->param);      \
            t->value[l] = y.value + s->count[l];                \
            t->gradient.at_label[l] = y.gradient + s->count[l]; \
            t->hessian.at_label[l] = y.hessian + s->count[l];   \
        }                                                       \
        FOR_LANES poison(t, l);                                 \
        t->gradient.array = t->hessian.array = NULL;            \
        t->gradient.has_label = t->hessian.has_label = 1;       \
    }
/* `k` = formula(c, x, param) with terms value, gradient and hessian; MORE adds what else the value has. */
#define OVER_CLASSES(name, formula, MORE)                                                     \
    static void name##_classes(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)           \
    {                                                                                         \
        real param[MAX_PARAM];                                                                \
        lane_sum value = { { 0 }, { 0 } }, parts = value;                                     \
        for (int k = 0; k < MAX_PARAM; k++) param[k] = t->param[k];                           \
        FOR_STEPS(step, from, to)                                                             \
        {                                                                                     \
            const real *x = step_of(t, t->x, step), *c = step_of(t, t->t, step);              \
            real *g = t->gradient.array + step * LANES, *h = t->hessian.array + step * LANES; \
            FOR_LANES                                                                         \
            {                                                                                 \
                const __auto_type k = formula(c[l], x[l], param);                             \
                add_to(&value, l, k.value);                                                   \
                MORE g[l] = k.gradient;                                                       \
                h[l] = k.hessian;                                                             \
            }                                                                                 \
        }                                                                                     \
        FOR_LANES                                                                             \
        {                                                                                     \
            add_to(&value, l, parts.high[l]);                                                 \
            value.low[l] += parts.low[l];                                                     \
        }                                                                                     \
        s->sum[0] = value;                                                                    \
    }
#define PROBABILITY_ROW(name) AT_LABEL(name) OVER_CLASSES(name, name, )

PROBABILITY_ROW(cross_entropy)
PROBABILITY_ROW(categorical_focal)
PROBABILITY_ROW(generalized_cross_entropy)
PROBABILITY_ROW(poly1_cross_entropy)
OVER_CLASSES(jensen_shannon, jensen_shannon, )
OVER_CLASSES(kl_divergence, kl_divergence, add_to(&parts, l, k.difference);)
OVER_CLASSES(kl_divergence_target, kl_divergence_target, add_to(&parts, l, k.difference);)
OVER_CLASSES(kl_divergence_log, kl_divergence_log, add_to(&parts, l, k.difference);)
OVER_CLASSES(kl_divergence_log_target, kl_divergence_log_target, add_to(&parts, l, k.difference);)

#endif
