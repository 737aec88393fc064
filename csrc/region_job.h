/* One call of a loss of regions (segmentation masks), as plain data. */
#ifndef FASTLOSS_REGION_JOB_H
#define FASTLOSS_REGION_JOB_H

#include "job.h"

/* What predictions are: logits of classes, of which one holds; logits, each for itself; probabilities; scores of a hinge. */
typedef enum { SOFTMAX_SCORES, SIGMOID_SCORES, PROBABILITIES, HINGE_SCORES } score_kind;

typedef enum { REGION_F, REGION_Y, REGION_GRADIENT, REGION_OPERANDS } region_operand;

/* Of one class in one sample: sum t, sum t p, sum t (1-p), sum (1-t) p. For a squared denominator the third is sum (t-p)^2, and
 * there is no fourth. */
enum { TARGET_SUM, HIT_SUM, MISSED_SUM, EXTRA_SUM, REGION_SUMS };

/* The derivative in p is t (s0 + s1 (1-p)) + (1-t) (s2 + s3 p). */
enum { REGION_SLOPES = 4 };

typedef struct {
    score_kind scores;
    int labels;      /* targets are class indices, one for each pixel; otherwise numbers in [0, 1], one for each prediction */
    int hard;        /* such numbers must be 0 or 1 */
    int squared;     /* the sums are those of a squared denominator */
    int has_ignored; /* pixels or entries whose target is `ignored` take no part */
    ptrdiff_t ignored;
    ptrdiff_t samples, classes, pixels;
    int ndim; /* of the pixels, in C order; axes that lie in one line are merged */
    ptrdiff_t shape[MAX_DIMS];
    operand operands[REGION_OPERANDS]; /* strides: of pixels */
    ptrdiff_t sample_stride[REGION_OPERANDS], class_stride[REGION_OPERANDS];
    int native[REGION_OPERANDS]; /* of type `real`, aligned, in native byte order */
    int stream;                  /* the gradient bypasses the cache */
    ptrdiff_t tile, in_block;    /* pixels, in_block of them a multiple of tile */
    const double *slopes;        /* [sample][class][REGION_SLOPES] */

    /* Lovasz: errors, and in their place their derivatives, of the classes that take part, in planes of pixels. `slopes` has one
     * factor for each class. */
    ptrdiff_t first_sample;     /* of the errors */
    void *errors;               /* `real` */
    ptrdiff_t error_strides[2]; /* of samples and of slots, in elements */
    const ptrdiff_t *slot;      /* of a class, -1 where it takes no part */
} region_job;

/* Block `index` of a sample is its pixels [index in_block, ...). Sums are [class][REGION_SUMS]; the result is 0, or BAD_Y, BAD_F.
 */
typedef int region_sum_function(const region_job *, ptrdiff_t sample, ptrdiff_t index, char *scratch, double *sums);
typedef void region_block_function(const region_job *, ptrdiff_t sample, ptrdiff_t index, char *scratch);

/* The value of a region of n errors with `positive` pixels of foreground; with `want_gradient` the errors become derivatives.
 * `scratch` holds two arrays of n keys. */
typedef double lovasz_function(int hinge, ptrdiff_t n, double positive, void *errors, int want_gradient, char *scratch);

typedef struct {
    ptrdiff_t (*scratch)(const region_job *); /* bytes for one thread */
    region_sum_function *count, *sum;         /* targets alone, with checks of everything; all sums */
    region_block_function *gradient;
    region_block_function *errors, *lovasz_gradient;
    lovasz_function *lovasz;
    ptrdiff_t key_size; /* bytes of the key of an error */
} region_functions;

#endif
