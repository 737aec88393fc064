/* All pointwise losses, and the penalties: each family header ends with its rows, this page joins them.
 *
 * A row names the formula, the number of its parameters and the curvatures that it gives beside the exact one:
 * EXACT (none), MAJORIZER, FISHER or BOTH; then STAGED for a formula in two loops. ROW is for one prediction per sample,
 * ROW2 for two. */
#ifndef FASTLOSS_LIST_H
#define FASTLOSS_LIST_H

#include "binary.h"
#include "counts.h"
#include "distributions.h"
#include "penalties.h"
#include "ranking.h"
#include "regression.h"

#define POINTWISE_LOSSES(ROW, ROW2) \
    REGRESSION_LOSSES(ROW)          \
    COUNTS_LOSSES(ROW)              \
    BINARY_LOSSES(ROW)              \
    PENALTIES(ROW)                  \
    DISTRIBUTIONS_LOSSES(ROW2)      \
    RANKING_LOSSES(ROW2)

#endif
