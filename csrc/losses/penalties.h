/* Penalties of coefficients f, in the form of losses so that they share the pipeline; see penalties.py.
 *
 * Design. One formula serves L1 (param l1, 0), L2 (0, l2) and their sum, the elastic net. */
#ifndef FASTLOSS_PENALTIES_H
#define FASTLOSS_PENALTIES_H

#include "regression.h" /* the soft threshold */

/* Zou and Hastie (2005).   value l1 |f| + l2 f^2/2, gradient l1 sgn f + l2 f, hessian l2; y is not used.
 * The bounds of both terms are infinite, but 0 where the factor is 0: 0 times inf is 0 here. */
LOSS(elastic_net)
{
    (void)y;
    const real l1 = param[0], l2 = param[1], bound1 = param[2], bound2 = param[3], c = clip(f, -bound2, bound2);
    return (terms){
        .value = l1 * minimum(absolute(f), bound1) + R(0.5) * l2 * c * c,
        .gradient = l1 * sign(f) + l2 * c,
        .hessian = l2,
    };
}

/* Parikh and Boyd (2014), section 6.5.   As gradient the proximal map of the elastic net for a step s: the soft threshold
 * s l1, then the factor 1/(1 + s l2). Both stay finite and above 0, so that f = inf gives inf for every step. */
INLINE terms shrunk(real f, real threshold, real factor)
{
    const real u = outside_band(f, minimum(threshold, REAL_MAX)) * maximum(factor, REAL_TINY);
    return (terms){ .value = u, .gradient = u };
}

/* One step for all entries, in the parameters; y is not used. */
LOSS(elastic_net_prox)
{
    (void)y;
    return shrunk(f, param[0], param[1]);
}

/* y is the step of the entry. */
LOSS(elastic_net_prox_by_entry) { return shrunk(f, y * param[0], 1 / (1 + y * param[1])); }

#define PENALTIES(ROW)              \
    ROW(elastic_net, 4, EXACT)      \
    ROW(elastic_net_prox, 2, EXACT) \
    ROW(elastic_net_prox_by_entry, 2, EXACT)

#endif
