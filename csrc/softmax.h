/* The softmax of a row:   m = max z,   e_k = exp(z_k - m),   R = sum of e_k over all but the largest,
 *     p_k = e_k / (1 + R),   1 - p_k = R / (1 + R) where z_k = m,   -log p_k = (m - z_k) + log1p(R).
 *
 * Design. No 1 - p of the largest entry and no logarithm of a sum that contains a 1: a loss of 1e-18 comes out right.
 * The largest entry needs no index: entries equal to m are counted instead of added, and R gets their number less one.
 *
 * z - m rounds, and an error of half a unit there would be d/2 units in e^-d. So m is split, m = near + delta, with `near`
 * on a grid on which near + k ln2_high is exact for every k that matters; then z - (near + k ln2_high) is the reduced
 * argument, exact by Sterbenz's lemma, and delta is a factor 1 - delta of the whole row. Where m is so large that z - m
 * itself is exact for every z that matters, m is subtracted first (base = m, near = 0). */
#ifndef FASTLOSS_SOFTMAX_H
#define FASTLOSS_SOFTMAX_H

#include "rows.h"
#include "vmath.h"

/* Beyond these m every z with e^(z - m) > 0 is within a factor of 2 of m. */
#define SPLIT_HIGHEST (-2 * EXP_LOWEST)
#define SPLIT_LOWEST EXP_LOWEST
/* Adding and subtracting it rounds to the grid of ln2_high. */
#define SPLIT_GRID BY_TYPE(3072., 768.)

/* A factor that keeps e^(z - m) a normal number wherever it is not 0. */
#define HELD BY_TYPE(0x1p64, 0x1p32)

/* HELD e^(z - near) for z - near below about 2^-14, in two stages: the reduced argument with the power of two, and the rest.
 * Loops of one stage overlap more steps than a loop of both, whose chain of operations fills the processor's window. */
INLINE exp_parts exp_split(real z, real near)
{
    const real magic = R(1.5) * UNIT_SPACING + BY_TYPE(64., 32.);
    const real bounded = maximum(z, near + EXP_LOWEST);
    const real shifted = multiply_add(bounded - near, LOG2_E, magic), k = shifted - magic;
    return (exp_parts){ multiply_add(k, -LN2_LOW, bounded - multiply_add(k, LN2_HIGH, near)), word_of(shifted) };
}
INLINE real exp_joined(real r, real_word word)
{
    const real e = R(1.) + expm1_reduced(r);
    return from_word(word_of(e) + (word << FRACTION_BITS));
}

static void softmax_top(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    real top[LANES];
    FOR_LANES top[l] = -REAL_INFINITY;
    FOR_STEPS(step, from, to)
    {
        const real *z = step_of(t, t->x, step);
        FOR_LANES top[l] = z[l] > top[l] ? z[l] : top[l];
    }
    FOR_LANES s->top[l] = top[l];
}

/* A row with infinite logits, as one that has the same limit and needs no care: a single +inf is certain, two of them mean
 * nothing, and so does a row of -inf, unless there is but one class. */
static void softmax_limits(tile *t, real *top)
{
    const ptrdiff_t classes = t->job->classes;
    real *z = t->x_scratch;
    FOR_STEPS(step, 0, t->steps)
    {
        const real *x = step_of(t, t->x, step);
        for (int l = 0; l < LANES; l++) z[step * LANES + l] = x[l];
    }
    t->x = (row_array){ z, z + t->whole_steps * LANES };
    for (int l = 0; l < (t->job->across ? LANES : 1); l++) {
        if (absolute(top[l]) < REAL_INFINITY) continue;
        ptrdiff_t certain = 0;
        for (ptrdiff_t k = 0; k < classes; k++) certain += z[offset_of(t, k, l)] == top[l];
        const int undefined = top[l] < 0 ? classes > 1 : certain > 1;
        for (ptrdiff_t k = 0; k < classes; k++) {
            real *at = &z[offset_of(t, k, l)];
            *at = undefined || *at != *at ? REAL_NAN : *at == top[l] ? R(0.) : -REAL_INFINITY;
        }
        top[l] = 0;
    }
    if (!t->job->across) FOR_LANES top[l] = top[0];
}

INLINE void softmax_split(tile *t, const lane_sums *s)
{
    int infinite = 0;
    FOR_LANES t->top[l] = s->top[l];
    for (int l = 0; l < LANES; l++) infinite |= !(absolute(t->top[l]) < REAL_INFINITY);
    if (infinite) softmax_limits(t, t->top);
    FOR_LANES
    {
        const real top = t->top[l];
        const int split = (top < SPLIT_HIGHEST) & (top > SPLIT_LOWEST);
        const real near = split ? (top + SPLIT_GRID) - SPLIT_GRID : R(0.);
        t->base[l] = split ? R(0.) : top;
        t->near[l] = near;
        t->less[l] = split ? R(1.) - (top - near) : R(1.);
        const exp_parts e = exp_split(top - t->base[l], near);
        t->unit[l] = exp_joined(e.r, e.word);
    }
}

/* HELD (1 + delta) e_k into the array of the gradient; `unit` for the largest, which are counted apart: masked by a factor, as
 * a select would become a conditional store, for which the next step waits. */
typedef struct {
    real base[LANES], near[LANES], unit[LANES], others[LANES];
    lane_sum sum;
} exponentials;

INLINE void add_exponentials(exponentials *to, const real *z, real *e, ptrdiff_t steps, const char *ahead, const char *below)
{
    real others[LANES], base[LANES], near[LANES], unit[LANES];
    real_word word[CHUNK * LANES];
    FOR_LANES base[l] = to->base[l], near[l] = to->near[l], unit[l] = to->unit[l], others[l] = to->others[l];
    for (ptrdiff_t i = 0; i < steps * LANES; i += LANES) {
        __builtin_prefetch(ahead + i * (ptrdiff_t)sizeof(real), 0, 2);
        FOR_LANES
        {
            const exp_parts a = exp_split(z[i + l] - base[l], near[l]);
            e[i + l] = a.r, word[i + l] = a.word;
        }
    }
    for (ptrdiff_t start = 0; start < steps * LANES; start += CHUNK / 2 * LANES) {
        const ptrdiff_t half = start + CHUNK / 2 * LANES, end = half < steps * LANES ? half : steps * LANES;
        real part[LANES] = { 0 };
        for (ptrdiff_t i = start; i < end; i += LANES) {
            __builtin_prefetch(below + i * (ptrdiff_t)sizeof(real), 1, 2);
            FOR_LANES
            {
                const real d = exp_joined(e[i + l], word[i + l]), other = d == unit[l] ? R(0.) : R(1.);
                e[i + l] = d;
                part[l] = multiply_add(d, other, part[l]);
                others[l] += other;
            }
        }
        FOR_LANES add_to(&to->sum, l, part[l]);
    }
    FOR_LANES to->others[l] = others[l];
}

static void softmax_exponentials(tile *t, ptrdiff_t from, ptrdiff_t to, lane_sums *s)
{
    exponentials x = { .others = { 0 }, .sum = { { 0 }, { 0 } } };
    FOR_LANES x.base[l] = t->base[l], x.near[l] = t->near[l], x.unit[l] = t->unit[l];
    const ptrdiff_t whole = to < t->whole_steps ? to : t->whole_steps;
    for (ptrdiff_t first = from; first < to;) {
        const ptrdiff_t end = first < whole ? whole : to, last = first + CHUNK < end ? first + CHUNK : end, at = first * LANES;
        const ptrdiff_t bytes = at * (ptrdiff_t)sizeof(real);
        add_exponentials(&x, step_of(t, t->x, first), t->gradient.array + at, last - first, t->ahead + bytes, t->below + bytes);
        first = last;
    }
    FOR_LANES s->count[l] = (real)(to - from) - x.others[l];
    s->sum[0] = x.sum;
}

/* p_k = over e_k (in the array), 1 - p_k = rest where e_k = unit, -log p_k = (m - z_k) + log_sum. */
INLINE void softmax_close(tile *t, const lane_sums *s)
{
    FOR_LANES
    {
        const real less = t->less[l] * (1 / HELD); /* (1 - delta) / HELD */
        const real R_ = multiply_add(total_of(&s->sum[0], l), less, s->count[l] - R(1.)), over = R(1.) / (R(1.) + R_);
        t->over[l] = over * less;
        t->rest[l] = R_ * over;
        t->log_sum[l] = vm_log1p(R_);
    }
}

/* log p of an entry */
INLINE real softmax_log(real z, real top, real log_sum) { return (z == top ? R(0.) : z - top) - log_sum; }

#endif
