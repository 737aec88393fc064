/* One call of the soft-DTW loss, as plain data. */
#ifndef FASTLOSS_SOFT_DTW_JOB_H
#define FASTLOSS_SOFT_DTW_JOB_H

#include "job.h"

typedef struct {
    int divergence;
    double gamma;
    ptrdiff_t features, most_pred;        /* of each frame; frames that y_pred has room for */
    operand y, f, gradient;               /* strides: of series, frames, features; no data: no gradient */
    const ptrdiff_t *y_frames, *f_frames; /* of each series; 0: left out, with a gradient of 0 */
    const double *factor;                 /* of the gradient of each series */
    double *value;                        /* of each series */
} soft_dtw_job;

typedef struct {
    ptrdiff_t (*scratch)(const soft_dtw_job *, ptrdiff_t series); /* bytes */
    void (*run)(const soft_dtw_job *, ptrdiff_t series, char *scratch);
} soft_dtw_functions;

#endif
