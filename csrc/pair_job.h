/* One call of a loss of pairs or triplets of rows, as plain data. */
#ifndef FASTLOSS_PAIR_JOB_H
#define FASTLOSS_PAIR_JOB_H

#include "job.h"

typedef enum { CONTRASTIVE, COSINE_EMBEDDING, TRIPLET } pair_loss;
typedef enum { EUCLIDEAN, SQUARED_EUCLIDEAN, COSINE } pair_distance;

enum { MOST_INPUTS = 3 };

typedef struct {
    pair_loss loss;
    pair_distance distance;
    int inputs, swap; /* matrices that are compared row by row: 2, or 3 for triplets */
    double margin, scale;
    ptrdiff_t rows, entries;                       /* of each matrix */
    ptrdiff_t in_block;                            /* rows in a block */
    operand x[MOST_INPUTS], gradient[MOST_INPUTS]; /* strides: of rows, of entries; no data: no gradient */
    const unsigned char *same;                     /* labels: 1 where both rows belong together */
    const void *weight;                            /* as `real`, or NULL */
    void *value;                                   /* as `real`, or NULL */
} pair_job;

/* Runs the rows of block `index`; `scratch` is for one thread. The partial's weight is not used. */
typedef void pair_block_function(const pair_job *, ptrdiff_t index, char *scratch, partial *);

#endif
