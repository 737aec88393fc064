/* One call of the CTC loss, as plain data, and what is known about one of its sequences.
 *
 * Design. A sequence is read frame by frame in its own type (`ctc_rows.c`): the softmax of a frame, and its logits of the
 * labels as doubles. The sum over all paths is one of doubles, whatever the type (`ctc_lattice.c`). Then the entries of the
 * labels are written into the gradient, which holds the softmax already. Frames can be read and written side by side. */
#ifndef FASTLOSS_CTC_JOB_H
#define FASTLOSS_CTC_JOB_H

#include "job.h"

#include <stdint.h>

typedef struct {
    int logits; /* or log-probabilities */
    ptrdiff_t classes, blank, most_frames, most_labels;
    operand f, gradient;     /* strides: of sequences, frames, classes; no data: no gradient */
    const ptrdiff_t *label;  /* those of all sequences, one after the other */
    const ptrdiff_t *first;  /* where those of a sequence begin, and where the last ones end */
    const ptrdiff_t *frames; /* of each sequence; 0: left out, with a gradient of 0 */
    const double *factor;    /* of the gradient of each sequence */
} ctc_job;

typedef enum { CTC_FINITE, CTC_INFEASIBLE, CTC_UNDEFINED } ctc_state;

/* The states of a lattice are blank_0, label_0, blank_1, ..., blank_S: two arrays of `width` numbers, which pad S + 1. */
typedef struct {
    ptrdiff_t frames, labels, width;
    const ptrdiff_t *label;
    /* different classes among blank and labels, blank first: which they are, where their first label is; of each label */
    ptrdiff_t distinct;
    ptrdiff_t *class_of, *position_of;
    int32_t *slot;
    double *sum;              /* by frame: of the exponentials of the softmax, relative to its largest logit; NaN: undefined */
    double *blank, *label_at; /* logits relative to the largest one, or log-probabilities; by frame, and by frame and label */
    /* what the lattice leaves */
    double *e_blank, *e_label; /* exponentials relative to that of the largest needed class of the frame, */
    double *shift;             /* which is this one */
    double *unit;              /* p = e unit */
    double *at_blank;          /* posteriors: of all blanks of a frame, and in the lattice, of each label; */
    double *share;             /* both times this */
    double *lattice;           /* by frame, after one that is not there */
    double *ahead;             /* two more frames */
    double *skip;              /* 1 where a label differs from the one before */
    double *grown;             /* by frame: the power of two by which the lattice is scaled */
    double loss;
    ctc_state state;
    int in_logs; /* as probabilities underflow */
} ctc_space;

enum { WIDE = 8 }; /* doubles in a step of the lattice, and of the margins around its arrays */

/* A frame of the lattice: labels, blanks, and margins before, between and behind. */
static inline ptrdiff_t ctc_stride(const ctc_space *s) { return 2 * s->width + 3 * WIDE; }
static inline double *ctc_labels_at(const ctc_space *s, ptrdiff_t frame)
{
    return s->lattice + (frame + 1) * ctc_stride(s) + WIDE;
}

/* Whole steps around the pairs (blank_i, label_i) from which the end can be reached in time and which can be reached. */
typedef struct {
    ptrdiff_t from, to;
} ctc_window;

static inline ctc_window ctc_window_at(const ctc_space *s, ptrdiff_t t)
{
    const ptrdiff_t least = s->labels - s->frames + t, most = t < s->labels ? t : s->labels;
    return (ctc_window){ least > 0 ? least / WIDE * WIDE : 0, (most + WIDE) / WIDE * WIDE };
}

/* In double only. */
typedef struct {
    ptrdiff_t (*room)(ptrdiff_t frames, ptrdiff_t labels); /* bytes for a sequence */
    void (*open)(const ctc_job *, ptrdiff_t sequence, char *memory, int32_t *by_class, ctc_space *);
    void (*sum_paths)(ctc_space *, int posteriors);
} ctc_lattice_functions;

typedef struct {
    ptrdiff_t (*scratch)(const ctc_job *); /* bytes for a thread */
    void (*read)(const ctc_job *, ptrdiff_t sequence, const ctc_space *, ptrdiff_t from, ptrdiff_t to, char *scratch);
    void (*write)(const ctc_job *, ptrdiff_t sequence, const ctc_space *, ptrdiff_t from, ptrdiff_t to, char *scratch);
    void (*clear)(const ctc_job *, ptrdiff_t sequence, ptrdiff_t from, ptrdiff_t to);
} ctc_row_functions;

#endif
