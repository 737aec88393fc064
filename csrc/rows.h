/* Tiles: what the loops of the row losses run over.
 *
 * Design. A tile is a matrix of steps x LANES reals, and all sums, maxima and factors are kept per lane. Across samples, a
 * step is a class and a lane a sample: small rows, and predictions that lie class by class. Along a row, a tile is one
 * sample, a step holds LANES neighbouring classes, and lanes are folded into one after each phase. So every loop is
 * written once, is LANES wide, and its result does not depend on the number of threads: long rows are cut into segments,
 * whose sums are folded in order.
 *
 * A row loss is a list of phases: `pass` reads the steps and adds to the sums, `close` turns the folded sums into what the
 * next phase needs. What it leaves is written by the pipeline: gradient = factor x array, but for the class of the label,
 * which has an entry of its own (`at_label`), since there the formulas differ. */
#ifndef FASTLOSS_ROWS_H
#define FASTLOSS_ROWS_H

#include "kernels.h"
#include "row_job.h"

enum { SUMS = 3, SEGMENT_STEPS = SEGMENT / LANES, CHUNK = 32 };

/* A sum and its rounding errors: NaN or infinite errors mean nothing. */
typedef struct {
    real high[LANES], low[LANES];
} lane_sum;

typedef struct {
    real top[LANES], second[LANES]; /* maxima, or a maximum and a minimum */
    real count[LANES];
    lane_sum sum[SUMS];
} lane_sums;

/* Loads: the array itself, or copies of its last step where it ends inside one. */
typedef struct {
    const real *whole, *last;
} row_array;

/* What is written to one output: factor x array (0 without one), with an entry of its own at the label and another class. */
typedef struct {
    real *array;
    real factor[LANES], at_label[LANES], at_other[LANES];
    int has_label, has_other;
} row_output;

/* `folds`: which of the sums the pass leaves. */
enum { TOPS = 1, SECONDS = 2, COUNTS = 4, ONE_SUM = 8, THREE_SUMS = 8 | 16 };

typedef struct tile tile;

typedef struct {
    void (*pass)(tile *, ptrdiff_t from, ptrdiff_t to, lane_sums *);
    void (*close)(tile *, const lane_sums *);
    int folds;
} phase;

struct tile {
    const row_job *job;
    ptrdiff_t first, steps, whole_steps; /* index of the first sample; steps that lie in the arrays themselves */
    int samples, curved;                 /* in the tile; whether the hessian is wanted */
    const phase *phases;
    row_array x, t;
    const char *ahead, *below; /* the next row, and where this one goes: worth fetching meanwhile */
    const real *vector;        /* the class vector, laid out like the tile, or NULL */
    ptrdiff_t label[LANES], other[LANES];
    real c[LANES]; /* the coefficient of the label: its entry of the class vector, or 1 */
    real y[LANES]; /* real targets */
    real weight[LANES], count[LANES], value[LANES];
    real param[MAX_PARAM];
    row_output gradient, hessian;
    real *x_scratch, *t_scratch, *gradient_scratch, *hessian_scratch;
    real *work; /* a third array, for passes that need one */
    /* of a softmax row: see softmax.h */
    real top[LANES], base[LANES], near[LANES], less[LANES], unit[LANES];
    real over[LANES], rest[LANES], log_sum[LANES];
    /* of the chain rule, and of margins */
    real slope[LANES], slope_low[LANES], bend[LANES], bend_low[LANES], at[LANES];
};

enum { MAX_PHASES = 4 };

/* Phases for targets that are labels, and for dense ones; a phase without a pass ends the list. */
typedef struct {
    phase label[MAX_PHASES], dense[MAX_PHASES];
} row_kernel;

#define FOR_LANES _Pragma("omp simd") for (int l = 0; l < LANES; l++)
#define FOR_STEPS(step, from, to) for (ptrdiff_t step = (from); step < (to); step++)

INLINE const real *step_of(const tile *t, row_array a, ptrdiff_t step)
{
    return step < t->whole_steps ? a.whole + step * LANES : a.last;
}

/* Where class k of sample l lies within the tile. */
INLINE ptrdiff_t offset_of(const tile *t, ptrdiff_t k, int l) { return t->job->across ? k * LANES + l : k; }

INLINE real entry_of(const tile *t, row_array a, ptrdiff_t k, int l)
{
    const ptrdiff_t offset = offset_of(t, k, l);
    return offset < t->whole_steps * LANES ? a.whole[offset] : a.last[offset - t->whole_steps * LANES];
}

/* The entry of an array at the label of each lane. */
INLINE void gather_label(const tile *t, row_array a, real *to)
{
    if (t->job->across)
        for (int l = 0; l < LANES; l++) to[l] = entry_of(t, a, t->label[l], l);
    else {
        const real x = entry_of(t, a, t->label[0], 0);
        for (int l = 0; l < LANES; l++) to[l] = x;
    }
}

/* Knuth (1969): a + b = s + error, exactly. */
INLINE void add_to(lane_sum *sum, int l, real x)
{
    const real a = sum->high[l], s = a + x, b = s - a;
    sum->low[l] += (a - (s - b)) + (x - b);
    sum->high[l] = s;
}

INLINE real total_of(const lane_sum *sum, int l)
{
    const real high = sum->high[l], low = sum->low[l];
    return absolute(low) < REAL_INFINITY ? high + low : high;
}

/* One factor for all classes of a sample, in both outputs: 1, or NaN where a NaN spoils the row. */
INLINE void broadcast_outputs(tile *t, int l, real factor) { t->gradient.factor[l] = t->hessian.factor[l] = factor; }

extern const row_kernel SYMBOL(row_table)[];

#endif
