/* Sums over regions and the gradients that follow from them. Compiled per instruction set and type.
 *
 * Design. Two passes over the predictions, each tile by tile: the first leaves four sums for each class, none of which needs
 * a difference of others; between the passes they become the value of each region and its slopes; the second computes
 * probabilities again, which is cheaper than to store them, and writes the gradient. Sums are of `real` lanes within a tile and
 * of doubles over tiles. */
#include "region_errors.h"

/* Labels of a class as targets, as a loop of its own: gcc makes branches of products with the result of a comparison. */
INLINE const real *indicator_of(const region_tile *t, ptrdiff_t class)
{
    const real *restrict label = t->label, index = (real) class;
    real *restrict to = t->work;
    FOR_PIXELS(t, i) to[i] = label[i] == index ? R(1.) : R(0.);
    return to;
}

/* Has its highest bit set where x < 0, x > 1 or x is NaN, and for -0, which is looked at again: without a comparison, which gcc
 * would make a branch of. */
INLINE real_word beyond_unit(real x) { return word_of(x) | (word_of(R(1.)) - word_of(x)); }

/* Adds lanes of a tile to those of a block. */
INLINE void fold_lanes(double *into, const real *x) { FOR_LANES into[l] += (double)x[l]; }

/* `marked`: some targets may be NOT_COUNTED. */
INLINE void add_class(region_tile *t, ptrdiff_t class, score_kind scores, int labels, int marked, int squared)
{
    const real *restrict z = scores_of(t, class), *restrict y = labels ? indicator_of(t, class) : targets_of(t, class);
    const real *restrict rest = t->rest, *restrict inverse = t->inverse;
    if (scores == SIGMOID_SCORES) decay_plane(t, z);
    real targets[LANES] = { 0 }, hit[LANES] = { 0 }, missed[LANES] = { 0 }, extra[LANES] = { 0 };
    real_word beyond[LANES] = { 0 };
    for (ptrdiff_t i = 0; i < t->padded; i += LANES) FOR_LANES
        {
            const chance c = chance_of(scores, z[i + l], rest[i + l], inverse[i + l]);
            const real given = y[i + l], counted = given < 0 ? R(0.) : R(1.);
            const real x = marked ? given * counted : given, p = marked ? c.p * counted : c.p;
            const real d = x * c.q - (R(1.) - x) * p;
            targets[l] += x;
            hit[l] += x * p;
            missed[l] += squared ? d * d : x * c.q;
            extra[l] += squared ? R(0.) : (R(1.) - x) * p;
            beyond[l] |= labels || marked ? 0 : beyond_unit(given);
        }
    real_word any = 0;
    for (int l = 0; l < LANES; l++) any |= beyond[l];
    if (any & HIGHEST_BIT) check_dense(t, y);
    double *lanes = t->lanes + class * REGION_SUMS * LANES;
    fold_lanes(lanes + TARGET_SUM * LANES, targets);
    fold_lanes(lanes + HIT_SUM * LANES, hit);
    fold_lanes(lanes + MISSED_SUM * LANES, missed);
    fold_lanes(lanes + EXTRA_SUM * LANES, extra);
}

static void clear_lanes(const region_tile *t) { memset(t->lanes, 0, lane_bytes(t->job)); }

static void sum_lanes(const region_tile *t, double *sums)
{
    for (ptrdiff_t k = 0; k < t->job->classes * REGION_SUMS; k++) {
        sums[k] = 0;
        for (int l = 0; l < LANES; l++) sums[k] += t->lanes[k * LANES + l];
    }
}

INLINE void add_classes(region_tile *t, score_kind scores, int labels)
{
    const int marked = !labels && !t->t_here, squared = t->job->squared;
    for (ptrdiff_t c = 0; c < t->job->classes; c++)
        if (marked && squared) add_class(t, c, scores, labels, 1, 1);
        else if (marked) add_class(t, c, scores, labels, 1, 0);
        else if (squared) add_class(t, c, scores, labels, 0, 1);
        else add_class(t, c, scores, labels, 0, 0);
}

static int sum_block(const region_job *j, ptrdiff_t sample, ptrdiff_t index, char *scratch, double *sums)
{
    region_tile t = tile_in(j, scratch);
    t.sample = sample;
    clear_lanes(&t);
    for (ptrdiff_t done = 0; next_tile(&t, index, &done);) {
        load_targets(&t);
        load_predictions(&t);
        if (j->scores == SOFTMAX_SCORES) softmax_planes(&t);
#define ADD(scores, labels) add_classes(&t, scores, labels);
        FOR_KINDS(j, ADD)
    }
    sum_lanes(&t, sums);
    return t.status;
}

/* Targets alone, for losses whose other work is done elsewhere, and the checks. */
static int count_block(const region_job *j, ptrdiff_t sample, ptrdiff_t index, char *scratch, double *sums)
{
    region_tile t = tile_in(j, scratch);
    t.sample = sample;
    clear_lanes(&t);
    for (ptrdiff_t done = 0; next_tile(&t, index, &done);) {
        load_targets(&t);
        if (j->scores == PROBABILITIES) load_predictions(&t);
        for (ptrdiff_t c = 0; c < j->classes; c++) {
            const real *restrict y = targets_of(&t, c), *restrict label = t.label, class = (real)c;
            real targets[LANES] = { 0 };
            for (ptrdiff_t i = 0; i < t.padded; i += LANES) FOR_LANES
                {
                    const real inside = label[i + l] == class ? R(1.) : R(0.), counted = y[i + l] < 0 ? R(0.) : R(1.);
                    targets[l] += j->labels ? inside : y[i + l] * counted;
                }
            fold_lanes(t.lanes + (c * REGION_SUMS + TARGET_SUM) * LANES, targets);
        }
    }
    sum_lanes(&t, sums);
    return t.status;
}

extern lovasz_function SYMBOL(lovasz);

static ptrdiff_t scratch_size(const region_job *j) { return tile_bytes(j); }

const region_functions SYMBOL(region_table) = {
    .scratch = scratch_size,
    .count = count_block,
    .sum = sum_block,
    .gradient = gradient_block,
    .errors = error_block,
    .lovasz_gradient = lovasz_gradient_block,
    .lovasz = SYMBOL(lovasz),
    .key_size = sizeof(real) == sizeof(float) ? 8 : 16,
};
