/* Ranking: two scores and a label y, +1 where the first should win and -1 where the second should. */
#ifndef FASTLOSS_RANKING_H
#define FASTLOSS_RANKING_H

#include "../terms.h"

/* max(0, margin - y (m - s)), 0 being inactive. */
LOSS2(margin_ranking)
{
    const real margin = param[0], u = margin - y * (m - s), slope = u > 0 ? y : u <= 0 ? R(0.) : u;
    return (terms2){ .value = maximum(u, 0), .gradient = { -slope, slope } };
}

#define RANKING_LOSSES(ROW2) ROW2(margin_ranking, 1, EXACT)

#endif
