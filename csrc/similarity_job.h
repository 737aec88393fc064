/* A tile of the similarities of the rows of two matrices, as plain data. */
#ifndef FASTLOSS_SIMILARITY_JOB_H
#define FASTLOSS_SIMILARITY_JOB_H

#include "job.h"

/* What `real *` says is void here: float or double. Arrays have an entry for each row, or column, of the whole matrix. */
typedef struct {
    void *s; /* of real: the tile, whose rows are `stride` reals apart */
    ptrdiff_t rows, columns, stride;
    ptrdiff_t first_row, first_column;
    double factor, bias; /* 1 / temperature */
    int same;            /* rows and columns are those of one matrix: s_ii does not count */

    const ptrdiff_t *positive; /* the column of the only positive of a row, or -1 */
    const void *label;         /* of integers as wide as real, or NULL: columns of its label are positives of a row */

    /* softmax: the running maximum of all but the only positive, their sum of exponentials relative to it, the positive */
    void *top, *column_top;     /* of real */
    double *rest, *column_rest; /* column_top and column_rest: NULL if only rows are normalised */
    void *own;                  /* of real: the similarity of the only positive */
    double *near;               /* with labels: sum of the similarities of positives */

    /* slopes: exp((s_ij - top_i) / T) row_factor_i + exp((s_ij - column_top_j) / T) column_factor_j */
    const void *row_factor, *column_factor; /* of real */
    const void *at_positive;                /* of real: the slope at the only positive */
    const void *label_factor;               /* of real: what columns of the same label get less, for row and column */

    /* sigmoid: sums of a row */
    double *value, *slope;
} similarity_job;

/* Rows of a matrix, or of the gradient in them. */
typedef struct {
    operand x;          /* strides: of rows, of entries */
    void *unit, *slope; /* of real, contiguous: unit rows; the gradient in them, which becomes that in x */
    ptrdiff_t entries;
    int normalize;
    double *inverse, *factor; /* x = unit / (inverse factor) */
    double *dot;              /* of unit rows and the gradient in them */
} unit_job;

/* Runs rows, or columns, [first, last) of the tile. */
typedef void similarity_function(const similarity_job *, ptrdiff_t first, ptrdiff_t last);
typedef void unit_function(const unit_job *, ptrdiff_t first, ptrdiff_t last);

typedef struct {
    similarity_function *rows, *columns, *slopes, *sigmoids;
    unit_function *units, *project;
} similarity_functions;

#endif
