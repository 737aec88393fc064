/* One call of a row loss, as plain data: samples are rows of K predictions, whose classes lie along one axis. */
#ifndef FASTLOSS_ROW_JOB_H
#define FASTLOSS_ROW_JOB_H

#include "job.h"

/* How the targets come: class indices; a row of numbers in [0, 1]; one number a sample; a row of any numbers. */
typedef enum { LABEL_ROWS, DENSE_ROWS, VALUE_ROWS, VECTOR_ROWS } target_form;

typedef struct {
    job lead;                         /* the axes of the samples; operands F and Y point at the first class             */
    ptrdiff_t classes;                /* K */
    ptrdiff_t class_stride[OPERANDS]; /* bytes between the classes of a sample                                          */
    int native[OPERANDS];             /* of type `real`, aligned, in native byte order                                  */
    int across;                       /* 1: a tile is LANES samples side by side; 0: a tile is one sample               */
    ptrdiff_t rows;                   /* samples in a block, whatever the number of threads                             */
    int group;                        /* tiles that go through the phases together, at most GROUP                       */
    target_form form;
    ptrdiff_t ignore_index;
    int has_ignore_index;
    double smoothing;
    ptrdiff_t vector_size; /* of the class vector: 0 (none), 1 or K                                                     */
    const void *vector;    /* its entries as `real`, repeated for each lane, one step after the other                   */
    int counted;           /* the entries of the class vector are weights of samples                                    */
    int unit_range;        /* finite predictions outside [0, 1] are an error                                            */
    int policy;            /* the curvature to compute: EXACT_H, MAJORIZER_H or FISHER_H                                */
    double hessian_factor; /* beside the scale                                                                          */
    double pad, y_pad; /* predictions and targets of the classes beyond the last, which must not matter; VALUE_ROWS: the target */
} row_job;

/* Runs the samples of block `index`; `scratch` is for one thread. */
typedef void row_block_function(const row_job *, ptrdiff_t index, char *scratch, partial *);

/* The same for one long row on many threads: it is opened, each phase runs over its segments and is closed, segments are
 * written, and the row is finished. `row` is memory of the size `size`. */
typedef struct {
    ptrdiff_t (*size)(const row_job *);
    void (*open)(const row_job *, ptrdiff_t sample, char *scratch, void *row, partial *);
    ptrdiff_t (*segments)(const void *row);
    int (*has_phase)(const void *row, int phase);
    void (*pass)(void *row, int phase, ptrdiff_t segment);
    void (*close)(void *row, int phase);
    void (*write)(void *row, ptrdiff_t segment);
    void (*finish)(void *row, partial *);
} long_row_functions;

/* Classes in a segment of a row. */
enum { SEGMENT = 8192, GROUP = 8 };

#endif
