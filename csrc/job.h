/* One call, as plain data: what the parallel driver hands to the block pipeline. */
#ifndef FASTLOSS_JOB_H
#define FASTLOSS_JOB_H

#include <stddef.h>

/* BLOCK_BYTES: a column of a block; three quarters of a page, as whole pages would alias (see pipeline.c). */
enum { MAX_DIMS = 64, MAX_PARAM = 8, BLOCK_BYTES = 3072 };

/* Element types that can be read; only FLOAT32 and FLOAT64 are written. */
typedef enum { FLOAT32, FLOAT64, FLOAT16, LONGDOUBLE, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64 } element_type;

typedef struct {
    char *data;                  /* NULL: absent                                                                     */
    ptrdiff_t strides[MAX_DIMS]; /* bytes                                                                            */
    element_type type;
    int swapped;    /* the other byte order                                                             */
    int contiguous; /* native, aligned, one dimension, unit stride: its blocks can be used in place     */
} operand;

enum { Y, F, F2, W, VALUE, GRADIENT, GRADIENT2, HESSIAN, HESSIAN2, OPERANDS };

/* What a loss allows in y: anything; a closed interval of finite numbers; 0 and 1; or 1 with either 0 or -1. */
typedef enum { ANY, INTERVAL, BINARY, SIGNED } label_rule;

typedef enum { EXACT_H, MAJORIZER_H, FISHER_H, ABSOLUTE_GRADIENT_H, UNIT_H } curvature;

enum { WANT_VALUE = 1, WANT_GRADIENT = 2, WANT_HESSIAN = 4 };

/* A row of losses/list.h (or row_list.h) with its parameters; `factor` counts where formulas are summed. */
typedef struct {
    int row;
    double factor, param[MAX_PARAM];
} formula;

typedef struct {
    int ndim;
    ptrdiff_t size, shape[MAX_DIMS]; /* samples, in an order of axes chosen for the memory layout */
    operand operands[OPERANDS];
    const formula *formulas;
    int n_formulas; /* pointwise losses: the loss is their weighted sum */
    int want;
    curvature curvature;
    label_rule label;
    double y_low, y_high;       /* INTERVAL */
    double f_low[2], f_high[2]; /* a finite prediction outside is an error */
    double scale;               /* of gradients and hessians: 1 or 1 / sum of weights */
    double min_hessian;         /* a floor; NaN: none */
    int stream;                 /* outputs bypass the cache */
} job;

/* What went wrong or was seen in a block. */
enum { BAD_Y = 1, BAD_F = 2, BAD_F2 = 4, BAD_W = 8, SAW_ZERO = 16, SAW_MINUS = 32 };

typedef struct {
    double value, weight; /* sum of w l and of w */
    int status;
} partial;

/* Runs block number `index` of the job: load -> check -> terms -> store. */
typedef void block_function(const job *, ptrdiff_t index, partial *);

#endif
