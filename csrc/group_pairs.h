/* Two rows of a group, of equal relevance, against a run of rows.
 *
 * Design. A group has rows of equal relevance side by side, so that a run holds partners only. Logistic pairs need
 * e = exp(-sigma (s_i - s_k)). It is the product of exp(-sigma (s_i - c)) and exp(sigma (s_k - c)), so a row takes two
 * exponentials and a pair takes none. The two pairs of a row of the run share a division, and the sums that are kept for it.
 * Scores that lie too far apart, or are infinite, take the exponential of the difference. */
#ifndef FASTLOSS_GROUP_PAIRS_H
#define FASTLOSS_GROUP_PAIRS_H

#include "group.h"

/* Of a first row, over the pairs of a run: losses, and what to take from its gradient and add to its hessian; of LambdaRank
 * also the sum of the sizes of slopes. */
typedef struct {
    double value, slope, curvature, size;
} pair_sums;

/* Adds to the sums by place of the rows [from, to), and to those of the two rows. Steps are whole: the last may reach into
 * padding. */
typedef void pair_run(const group *, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *);

#define FOR_STEP _Pragma("omp simd") for (int l = 0; l < STEP; l++)

INLINE double folded(double *x)
{
    for (int half = STEP / 2; half > 0; half /= 2) _Pragma("omp simd") for (int l = 0; l < half; l++) x[l] += x[l + half];
    return x[0];
}

/* Differences of scores, which may be squared together with exponentials. */
#define MUCH 1e20

/* ---- exponentials by row ----------------------------------------------------------------------------------------------- */

/* a b - p, p the rounded product: what it has lost (Dekker 1971, where there is no FMA). */
INLINE double lost_in_product(double a, double b, double p)
{
#if defined(__FMA__) || defined(__aarch64__)
    return multiply_add(a, b, -p);
#else
    const double x = 134217729 * a, y = 134217729 * b, a1 = x - (x - a), b1 = y - (y - b), a2 = a - a1, b2 = b - b1;
    return ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2;
#endif
}

/* Of the rows [from, to), c being `middle`. What differences and their multiples round away is given back to first order, so
 * that products are as good as exponentials of differences. */
static void set_exponentials(const group *g, ptrdiff_t from, ptrdiff_t to, double middle)
{
    const double sigma = g->job->scale, *restrict s = g->s;
    double *restrict rise = g->rise, *restrict fall = g->fall;
    _Pragma("omp simd") for (ptrdiff_t k = from; k < to; k++)
    {
        const double t = s[k] - middle, back = t + middle, rest = (s[k] - back) + ((back - t) - middle); /* Knuth's sum */
        const double z = sigma * t, low = lost_in_product(sigma, t, z) + sigma * rest, up = vm_exp(z), down = vm_exp(-z);
        rise[k] = multiply_add(up, low, up), fall[k] = multiply_add(-down, low, down);
    }
}

/* Products of (1 + exp) |s_i - s_k| of two pairs, and of `together` factors 1 + exp, must be finite. */
static void look_how_close(group *g)
{
    const double span = g->job->scale * (g->high - g->low), middle = 0.5 * g->low + 0.5 * g->high;
    g->close = g->finite && g->high - g->low < MUCH && g->job->scale < MUCH && span <= 300;
    if (!g->close) return;
    g->together = (int)minimum(690 / (span + 0.7), 32);
    set_exponentials(g, 0, g->top, middle);
    set_exponentials(g, g->rest, g->end, middle);
}

/* ---- logistic ---------------------------------------------------------------------------------------------------------- */

/* Losses log(1 + e) are logarithms of products over first rows, of which `product` holds what exceeds 1: tiny ones count. */
INLINE void logistic_run(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, int with_value, pair_sums *sums)
{
    const double fall[2] = { g->fall[rows[0]], g->fall[rows[1]] };
    double slope[2][STEP], curvature[2][STEP];
    for (int r = 0; r < 2; r++) FOR_STEP slope[r][l] = curvature[r][l] = 0;
    for (ptrdiff_t k = from; k < to; k += STEP) {
        const double *restrict rise = g->rise + k;
        double *restrict gradient = g->gradient + k, *restrict hessian = g->hessian + k, *restrict product = g->more[0] + k;
        FOR_STEP
        {
            const double e = fall[0] * rise[l], f = fall[1] * rise[l], inverse = 1 / ((1 + e) * (1 + f));
            const double p = (1 + f) * inverse, q = (1 + e) * inverse, x = e * p, y = f * q;
            slope[0][l] += x, slope[1][l] += y, gradient[l] += x + y;
            curvature[0][l] += x * p, curvature[1][l] += y * q, hessian[l] += x * p + y * q;
            if (with_value) {
                const double one = multiply_add(e, 1 + product[l], product[l]);
                product[l] = multiply_add(f, 1 + one, one);
            }
        }
    }
    for (int r = 0; r < 2; r++) sums[r].slope += folded(slope[r]), sums[r].curvature += folded(curvature[r]);
}

static void logistic_slopes(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *sums)
{
    logistic_run(g, rows, from, to, 0, sums);
}

static void logistic_values(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *sums)
{
    logistic_run(g, rows, from, to, 1, sums);
}

/* The sum of the logarithms, which starts anew. */
static double take_products(const group *g)
{
    double *restrict product = g->more[0], sum = 0;
    _Pragma("omp simd reduction(+:sum)") for (ptrdiff_t k = 0; k < g->n; k++)
    {
        sum += vm_log1p(product[k]);
        product[k] = 0;
    }
    return sum;
}

/* ---- LambdaRank -------------------------------------------------------------------------------------------------------- */

/* What a pair adds whose rows differ by `lead` in gain and `gap` in discounts, divided by r = least + |apart| if it is `spread`;
 * `shared` is 1 / ((1 + e) r), and `least_e` the smaller one of e and 1/e. A negative lead turns the pair round. */
INLINE pair_sums lambda_terms(double lead, double gap, double apart, double e, double least_e, double r, double shared,
                              int with_value, int spread)
{
    const double weight = lead * absolute(gap), push = weight * shared, slope = push * (lead < 0 ? 1. : e);
    const double inverse = spread ? shared * r : shared, lost = lead < 0 ? apart : -apart;
    return (pair_sums){
        .value =
            with_value ? absolute(weight) * (spread ? (1 + e) * shared : 1.) * (maximum(lost, 0) + log1p_of_unit(least_e)) : 0.,
        .slope = slope,
        .curvature = absolute(push) * (e * inverse),
        .size = spread ? absolute(slope) : 0.,
    };
}

INLINE void lambda_run(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, int with_value, int spread,
                       pair_sums *sums)
{
    const ptrdiff_t i = rows[0], j = rows[1];
    const double sigma = g->job->scale, least = g->least, s_i = g->s[i], s_j = g->s[j];
    const double gain_i = g->gain[i], gain_j = g->gain[j], discount_i = g->discount[i], discount_j = g->discount[j];
    const double rise_i = g->rise[i], rise_j = g->rise[j], fall_i = g->fall[i], fall_j = g->fall[j];
    double value[2][STEP], slope[2][STEP], curvature[2][STEP], size[2][STEP];
    for (int r = 0; r < 2; r++) FOR_STEP value[r][l] = slope[r][l] = curvature[r][l] = size[r][l] = 0;
    for (ptrdiff_t k = from; k < to; k += STEP) {
        const double *restrict s = g->s + k, *restrict gain = g->gain + k, *restrict discount = g->discount + k;
        const double *restrict rise = g->rise + k, *restrict fall = g->fall + k;
        double *restrict gradient = g->gradient + k, *restrict hessian = g->hessian + k;
        FOR_STEP
        {
            const double e = fall_i * rise[l], f = fall_j * rise[l], x = s_i - s[l], y = s_j - s[l];
            const double r = spread ? least + absolute(x) : 1., t = spread ? least + absolute(y) : 1.;
            const double p = spread ? (1 + e) * r : 1 + e, q = spread ? (1 + f) * t : 1 + f, inverse = 1 / (p * q);
            const double least_e = with_value ? minimum(minimum(e, rise_i * fall[l]), 1) : 0.;
            const double least_f = with_value ? minimum(minimum(f, rise_j * fall[l]), 1) : 0.;
            const pair_sums u = lambda_terms(gain_i - gain[l], discount_i - discount[l], sigma * x, e, least_e, r, q * inverse,
                                             with_value, spread);
            const pair_sums v = lambda_terms(gain_j - gain[l], discount_j - discount[l], sigma * y, f, least_f, t, p * inverse,
                                             with_value, spread);
            slope[0][l] += u.slope, slope[1][l] += v.slope, gradient[l] += u.slope + v.slope;
            curvature[0][l] += u.curvature, curvature[1][l] += v.curvature, hessian[l] += u.curvature + v.curvature;
            if (with_value) value[0][l] += u.value, value[1][l] += v.value;
            if (spread) size[0][l] += u.size, size[1][l] += v.size;
        }
    }
    for (int r = 0; r < 2; r++) {
        if (with_value) sums[r].value += folded(value[r]);
        if (spread) sums[r].size += folded(size[r]);
        sums[r].slope += folded(slope[r]), sums[r].curvature += folded(curvature[r]);
    }
}

#define LAMBDA(name, with_value, spread)                                                                   \
    static void name(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *sums) \
    {                                                                                                      \
        lambda_run(g, rows, from, to, with_value, spread, sums);                                           \
    }
LAMBDA(lambda_slopes, 0, 0)
LAMBDA(lambda_slopes_spread, 0, 1)
LAMBDA(lambda_values, 1, 0)
LAMBDA(lambda_values_spread, 1, 1)

/* ---- scores that lie far apart ----------------------------------------------------------------------------------------- */

/* The same without products and padding; infinite scores give NaN to the pairs that they should and to no other. */
INLINE void far_run(const group *g, ptrdiff_t i, ptrdiff_t from, ptrdiff_t to, int weighted, int spread, pair_sums *sums)
{
    const double si = g->s[i], gi = g->gain[i], di = g->discount[i], sigma = g->job->scale, least = g->least;
    const double *restrict s = g->s, *restrict gain = g->gain, *restrict discount = g->discount;
    double *restrict gradient = g->gradient, *restrict hessian = g->hessian;
    double value = 0, slope = 0, curvature = 0, size = 0;
    _Pragma("omp simd reduction(+:value, slope, curvature, size)") for (ptrdiff_t k = from; k < to; k++)
    {
        const double apart = si - s[k], lead = weighted ? gi - gain[k] : 1., x = sigma * (lead < 0 ? -apart : apart);
        const double gap = weighted ? absolute(di - discount[k]) : 1., near = spread ? 1 / (least + absolute(apart)) : 1.;
        const double e = vm_exp(-absolute(x)), inverse = 1 / (1 + e), weight = lead * gap * near, push = weight * inverse;
        const double signed_slope = push * (x < 0 ? 1. : e), bend = absolute(push) * (e * inverse);
        gradient[k] += signed_slope, hessian[k] += bend;
        value += absolute(weight) * (maximum(-x, 0) + vm_log1p(e));
        slope += signed_slope, curvature += bend, size += absolute(signed_slope);
    }
    sums->value += value, sums->slope += slope, sums->curvature += curvature, sums->size += size;
}

#define FAR_PAIRS(name, weighted, spread)                                                                            \
    static void name(const group *g, const ptrdiff_t *rows, ptrdiff_t from, ptrdiff_t to, pair_sums *sums)           \
    {                                                                                                                \
        for (int r = 0; r < 2 && rows[r] != g->none; r++) far_run(g, rows[r], from, to, weighted, spread, sums + r); \
    }
FAR_PAIRS(logistic_far, 0, 0)
FAR_PAIRS(lambda_far, 1, 0)
FAR_PAIRS(lambda_far_spread, 1, 1)

#endif
