/* One call of the triplet loss of a batch, as plain data: what the parallel driver hands to the kernels. */
#ifndef FASTLOSS_BATCH_JOB_H
#define FASTLOSS_BATCH_JOB_H

#include "job.h"

typedef enum { MINE_ALL, MINE_HARD, MINE_SEMIHARD } batch_mining;
typedef enum { BY_NORM, BY_SQUARE, BY_ANGLE } batch_distance;

/* ROWS_IN_BLOCK: anchors that one task takes. PARTNERS: of these a gradient adds up at a time in `real`, the heights of
 * tiles are multiples. */
enum { ROWS_IN_BLOCK = 16, PARTNERS = 64 };

/* Rows of a tile lie this much further apart than they are long: no power of two, which columns would collide in the cache by. */
enum { APART = 16 };

enum { FINITE_ROW = 0, BAD_ROW = 1, ZERO_ROW = 2 };

/* Rows are in the order of their classes, within a class as they came, so that the positives of an anchor are one run and its
 * negatives two. Arrays have one entry for each row unless they say otherwise. */
typedef struct {
    batch_mining mining;
    batch_distance distance;
    double margin;
    int want;
    int mixed;                     /* whether any row is bad, or zero where that matters                          */
    ptrdiff_t rows, entries;       /* of the embeddings                                                           */
    ptrdiff_t padded, stride;      /* rows and entries as they are stored, the rest being 0                       */
    const void *x;                 /* `real` [padded][stride]: embeddings; unit vectors BY_ANGLE; 0 for bad rows  */
    void *panels;                  /* `real` [padded * entries]: the same transposed in panels, NaN for bad rows  */
    const unsigned char *kind;     /* [padded] BAD_ROW: not all finite; ZERO_ROW: BY_ANGLE, without a direction   */
    const ptrdiff_t *start, *stop; /* the run of rows of the same class                                           */
    const ptrdiff_t *index;        /* the row as the caller counts                                                */
    const double *weight;          /* 0: not an anchor                                                            */
    double *value, *active;        /* sum of terms, and the number of those > 0                                   */
    ptrdiff_t first, last;         /* rows of the tile                                                            */
    void *tile;                    /* `real` [last - first][padded + APART]: the factors of differences of rows   */
    double *gradient;              /* [padded][stride]: its sums                                                  */
    ptrdiff_t *chosen;             /* MINE_HARD: [rows][2], positive and negative                                 */
    double *slope;                 /* MINE_HARD: [rows][2], as in a tile                                          */
} batch_job;

/* `block` counts from row 0. The rows that are mined lie in the tile or, where there is no gradient or one of MINE_HARD, in
 * scratch. */
typedef struct {
    ptrdiff_t panel, step;                                           /* rows in a panel, entries in a vector */
    ptrdiff_t (*scratch)(const batch_job *);                         /* bytes for one thread */
    void (*pack)(const batch_job *, ptrdiff_t panel);                /* fills a panel */
    void (*mine)(const batch_job *, ptrdiff_t block, char *scratch); /* values, and the rows of the tile */
    void (*gradient)(const batch_job *, ptrdiff_t block);            /* adds what the tile gives to that of a block */
    void (*gradient_of_chosen)(const batch_job *, ptrdiff_t column); /* MINE_HARD: of all rows, PARTNERS entries */
} batch_functions;

#endif
