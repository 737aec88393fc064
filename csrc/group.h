/* A group of rows in work. */
#ifndef FASTLOSS_GROUP_H
#define FASTLOSS_GROUP_H

#include "group_job.h"
#include "group_order.h"
#include "kernels.h"
#include "vmath.h"

#include <math.h>

/* Runs of rows are padded to whole steps of one register. */
#if defined(__AVX512F__)
enum { STEP = 8 };
#elif defined(__AVX2__)
enum { STEP = 4 };
#else
enum { STEP = 2 };
#endif

/* Rows stand in one or two lists, each from the highest relevance down: those from 0 to `top`, which have all their
 * partners, and those from `rest` to `end`, which make no pair with each other. STEP places behind each list hold rows that
 * add nothing; so does `none`, in the place of a first row. */
typedef struct {
    const group_job *job;
    ptrdiff_t n, top, rest, end, none;
    int finite, close; /* all scores; so near to each other that exponentials of differences are products */
    double low, high;  /* of the scores, if they are finite */
    double value, count;
    double *y, *scores;                   /* by row; */
    ptrdiff_t *order;                     /* by place: the row, */
    double *s, *gain, *discount;          /* what is known of it, */
    double *rise, *fall;                  /* exp(sigma (s - c)) and exp(-sigma (s - c)), c the middle of all scores, */
    double *gradient, *hessian, *more[4]; /* and what is found out */
    ptrdiff_t *spare[3];
    entry *entries[2];
    int together; /* how many factors 1 + exp may be multiplied */
    double least; /* LambdaRank, normalised: what is added to |s_i - s_k| */
} group;

#endif
