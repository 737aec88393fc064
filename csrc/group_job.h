/* One call of a ranking loss, as plain data: what the parallel driver hands to the kernels of groups. */
#ifndef FASTLOSS_GROUP_JOB_H
#define FASTLOSS_GROUP_JOB_H

#include "job.h"

typedef enum { PAIRWISE_HINGE, PAIRWISE_LOGISTIC, LAMBDA_RANK, LIST_NET, LIST_MLE } group_loss;

/* Contiguous; FLOAT32 or FLOAT64. */
typedef struct {
    void *data; /* NULL: not wanted */
    element_type type;
} row_array;

/* Arrays hold all rows, those of group g from start[g] on. */
typedef struct {
    group_loss loss;
    int want;
    int majorizer;       /* where it is not a multiple of the exact hessian */
    int average;         /* pairs: 1 where the value of a group is the mean over its pairs */
    int normalize;       /* LAMBDA_RANK: as the boosters do by default */
    int proportional;    /* LIST_NET: targets y / sum y instead of softmax(y) */
    double scale;        /* sigma, or the margin */
    ptrdiff_t top;       /* LAMBDA_RANK: a pair has one row among the first `top` */
    const double *gains; /* LAMBDA_RANK: of the labels 0 ... n_gains - 1, of others 2^y - 1; NULL: y itself */
    ptrdiff_t n_gains;
    const double *discounts; /* of the ranks in the largest group */
    row_array y, scores, gradient, hessian;
    const ptrdiff_t *start;
    double *value, *count; /* one for each group */
} group_job;

/* Runs one group: reads all its rows before it writes any. `scratch` has group_scratch bytes for the largest. */
typedef void group_function(const group_job *, ptrdiff_t group, char *scratch);

#endif
