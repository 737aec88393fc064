/* Losses of regions, as functions of four sums over the pixels (region_job.h):
 *     T = sum t,   I = sum t p,   M = sum t (1-p),   X = sum (1-t) p.
 *
 * With l = 1 - N/D, D - N is a sum of M and X: a nearly perfect mask keeps its relative accuracy. Other overlaps are cases of
 * Tversky's: Dice with smooth s is alpha = beta = 1/2 with s/2, the Jaccard loss is alpha = beta = 1. */
#ifndef FASTLOSS_SEGMENTATION_H
#define FASTLOSS_SEGMENTATION_H

#include "../region_job.h"

#include <math.h>

/* Slopes: see REGION_SLOPES. */
typedef struct {
    double value, slope[REGION_SLOPES];
} region_terms;

/* Salehi et al. (2017):   N = I + s,   D - N = alpha X + beta M,
 * dl/dp = -(D - N + beta N)/D^2 in the foreground, alpha N/D^2 outside. */
static inline region_terms tversky(const double *sums, double alpha, double beta, double smooth)
{
    const double wrong = alpha * sums[EXTRA_SUM] + beta * sums[MISSED_SUM], right = sums[HIT_SUM] + smooth, all = right + wrong;
    if (all == 0) return (region_terms){ 0, { 0 } };
    return (region_terms){ wrong / all, { -(wrong + beta * right) / all / all, 0, alpha * right / all / all, 0 } };
}

/* Milletari et al. (2016):   N = 2 I + s,   D - N = Q = sum (t - p)^2,
 * dl/dp = 2 (p N - t D)/D^2 = t (-2 Q - 2 N (1-p))/D^2 + (1-t) 2 N p/D^2. */
static inline region_terms squared_dice(const double *sums, double smooth)
{
    const double wrong = sums[MISSED_SUM], right = 2 * sums[HIT_SUM] + smooth, all = right + wrong;
    if (all == 0) return (region_terms){ 0, { 0 } };
    const double slope = 2 * right / all / all;
    return (region_terms){ wrong / all, { -2 * wrong / all / all, -slope, 0, slope } };
}

/* Abraham and Khan (2019): l^gamma; at l = 0 and gamma != 1 the gradient is 0. */
static inline region_terms focal(region_terms t, double gamma)
{
    const double factor = gamma == 1 ? 1 : t.value == 0 ? 0 : gamma * pow(t.value, gamma - 1);
    region_terms result = { t.value == 0 ? 0 : pow(t.value, gamma), { 0 } };
    for (int k = 0; k < REGION_SLOPES; k++) result.slope[k] = factor * t.slope[k];
    return result;
}

#endif
