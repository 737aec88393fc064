/* The row losses: their phases, in the order of losses/row_list.h. */
#include "class_rows.h"
#include "losses/row_list.h"
#include "margin_rows.h"
#include "softmax_rows.h"

#define TOP { softmax_top, softmax_split, TOPS }
#define SOFTMAX_AT_LABEL(name)                                                                    \
    {                                                                                             \
        TOP, { softmax_exponentials, name##_label, COUNTS | ONE_SUM }, { label_hessian, NULL, 0 } \
    }
#define SOFTMAX_OVER_CLASSES(name)                                                                                 \
    {                                                                                                              \
        TOP, { softmax_exponentials, softmax_close, COUNTS | ONE_SUM }, { name##_dense, close_dense, THREE_SUMS }, \
        {                                                                                                          \
            chain, NULL, 0                                                                                         \
        }                                                                                                          \
    }
#define PROBABILITY_AT_LABEL(name)        \
    {                                     \
        {                                 \
            look, name##_at_label, COUNTS \
        }                                 \
    }
#define PROBABILITY_OVER_CLASSES(name)           \
    {                                            \
        {                                        \
            name##_classes, close_terms, ONE_SUM \
        }                                        \
    }

#define PHASES_SOFTMAX(name) { SOFTMAX_AT_LABEL(name), SOFTMAX_OVER_CLASSES(name) },
#define PHASES_SOFTMAX_DENSE(name) { .dense = SOFTMAX_OVER_CLASSES(name) },
#define PHASES_PROBABILITY(name) { PROBABILITY_AT_LABEL(name), PROBABILITY_OVER_CLASSES(name) },
#define PHASES_PROBABILITY_DENSE(name) { .dense = PROBABILITY_OVER_CLASSES(name) },
#define PHASES_ENTRY(name) { .label = { { nothing, name, 0 } } },
#define PHASES_HINGE(close) { .label = { { hinge_top, close, TOPS | COUNTS }, { hinge_winner, hinge_other, TOPS } } },
#define PHASES_MARGINS(pass) { .label = { { pass, margins_close, THREE_SUMS } } },
#define PHASES_QUANTILES(name) { .dense = { { quantiles, close_terms, ONE_SUM } } },
#define PHASES_ANGLE(name)                                     \
    { .dense = { { angle_tops, angle_scales, TOPS | SECONDS }, \
                 { angle_products, angle_close, THREE_SUMS },  \
                 { angle_gradient, NULL, 0 } } },

#define PHASES(name, parameters, curvatures, KIND, formula) PHASES_##KIND(formula)
const row_kernel SYMBOL(row_table)[] = { ROW_LOSSES(PHASES) };
