/* Tiles of losses of regions: some pixels of a sample with all classes, plane by plane, in scratch that stays in the cache.
 *
 * Design. Pixels are the lanes of all loops, so that few classes and many are alike: maxima, sums and reciprocals are planes,
 * too. Targets that are labels are compared with the class of each plane; no one-hot array exists anywhere. What takes no part -
 * ignored pixels, and the padding of the last tile - has the label or target NOT_COUNTED and the prediction 0. */
#ifndef FASTLOSS_REGION_TILE_H
#define FASTLOSS_REGION_TILE_H

#include "region_job.h"
#include "row_load.h"

#define NOT_COUNTED R(-1.)
#define BAD_LABEL R(-2.)
#define HIGHEST_BIT ((real_word)1 << (8 * sizeof(real) - 1))

typedef struct {
    const region_job *job;
    ptrdiff_t sample, first, n, padded; /* pixels; padded to whole groups of LANES */
    ptrdiff_t plane;                    /* elements from one plane to the next */
    int checked, status;                /* checked: a pass before has looked at everything */
    int partial;                        /* something takes no part */
    int z_here, t_here;                 /* predictions or dense targets are read where they lie */
    real *z, *t;                        /* [class]: predictions, then exponentials; targets, then slopes */
    real *label;
    real *top, *rest, *inverse; /* of the softmax: maximum, sum of all exponentials but for the largest, 1/(1 + rest) */
    real *work;
    double *lanes; /* [class][REGION_SUMS][LANES]: sums of a block */
} region_tile;

enum { SINGLE_PLANES = 5 };

/* Planes are a line apart within a page: at equal offsets loads wait for stores to other planes. */
INLINE ptrdiff_t plane_size(const region_job *j) { return j->tile + 16; }

INLINE size_t lane_bytes(const region_job *j) { return (size_t)(j->classes * REGION_SUMS * LANES) * sizeof(double); }

INLINE ptrdiff_t tile_bytes(const region_job *j)
{
    const ptrdiff_t planes = 2 * j->classes + SINGLE_PLANES;
    return planes * plane_size(j) * (ptrdiff_t)sizeof(real) + (ptrdiff_t)lane_bytes(j) + 64;
}

INLINE region_tile tile_in(const region_job *j, char *scratch)
{
    region_tile t = { .job = j, .plane = plane_size(j) };
    real *at = (real *)(((uintptr_t)scratch + 63) / 64 * 64);
    real **single[SINGLE_PLANES] = { &t.label, &t.top, &t.rest, &t.inverse, &t.work };
    for (int k = 0; k < SINGLE_PLANES; k++, at += t.plane) *single[k] = at;
    t.z = at, t.t = at + j->classes * t.plane;
    t.lanes = (double *)(t.t + j->classes * t.plane);
    return t;
}

#define FOR_PIXELS(t, i)                                        \
    for (ptrdiff_t i##_ = 0; i##_ < (t)->padded; i##_ += LANES) \
    _Pragma("omp simd") for (ptrdiff_t i = i##_; i < i##_ + LANES; i++)

/* ---- where pixels lie ------------------------------------------------------------------------------------------------ */

INLINE char *plane_of(const region_job *j, region_operand k, ptrdiff_t sample, ptrdiff_t class)
{
    return j->operands[k].data + sample * j->sample_stride[k] + class * j->class_stride[k];
}

/* Calls BODY for runs along the last axis: `run` pixels from pixel `done` of the tile on, the first at `at`. */
#define FOR_PIXEL_RUNS(t, k, base, BODY)                                                    \
    for (ptrdiff_t done = 0, run; done < (t)->n; done += run) {                             \
        const region_job *job_ = (t)->job;                                                  \
        char *at = (base);                                                                  \
        ptrdiff_t left = (t)->first + done, inner = 0;                                      \
        for (int axis = job_->ndim - 1; axis >= 0; axis--) {                                \
            const ptrdiff_t length = job_->shape[axis], here = axis ? left % length : left; \
            at += here * job_->operands[k].strides[axis];                                   \
            left = axis ? left / length : 0;                                                \
            if (axis == job_->ndim - 1) inner = length - here;                              \
        }                                                                                   \
        run = inner < (t)->n - done ? inner : (t)->n - done;                                \
        const ptrdiff_t stride = job_->operands[k].strides[job_->ndim - 1];                 \
        BODY                                                                                \
    }

/* The pixels of a plane that lies as tiles do, and ends where a group of LANES does. */
INLINE int in_place(const region_tile *t, region_operand k) { return t->job->operands[k].contiguous && t->n == t->padded; }
INLINE real *pixels_of(const region_tile *t, region_operand k, ptrdiff_t class)
{
    return (real *)plane_of(t->job, k, t->sample, class) + t->first;
}

INLINE const real *scores_of(const region_tile *t, ptrdiff_t class)
{
    return t->z_here ? pixels_of(t, REGION_F, class) : t->z + class * t->plane;
}
INLINE const real *targets_of(const region_tile *t, ptrdiff_t class)
{
    return t->t_here ? pixels_of(t, REGION_Y, class) : t->t + class * t->plane;
}

/* Classes are neighbours in memory, and pixels in one line. */
INLINE int interleaved(const region_job *j, region_operand k)
{
    return j->native[k] && j->ndim == 1 && j->classes >= SIDE && j->class_stride[k] == sizeof(real);
}

/* Rows of all classes of a pixel to planes, and back; a square of pixels and classes at a time, the last ones overlapping. */
static void transpose_planes(const region_tile *t, region_operand k, real *planes, int in)
{
    const region_job *j = t->job;
    const ptrdiff_t stride = j->operands[k].strides[0], size = sizeof(real), down = t->plane * size;
    char *pixels = plane_of(j, k, t->sample, 0) + t->first * stride;
    const ptrdiff_t squares = t->n / SIDE * SIDE;
    for (ptrdiff_t i = 0; i < squares; i += SIDE)
        for (ptrdiff_t c = 0; c < j->classes; c += SIDE) {
            const ptrdiff_t class = c + SIDE <= j->classes ? c : j->classes - SIDE;
            char *row = pixels + i * stride + class * size, *column = (char *)(planes + class * t->plane + i);
            if (in) move_square(row, stride, column, down);
            else move_square(column, down, row, stride);
        }
    for (ptrdiff_t i = squares; i < t->n; i++)
        for (ptrdiff_t c = 0; c < j->classes; c++) {
            real *row = (real *)(pixels + i * stride) + c, *column = planes + c * t->plane + i;
            if (in) *column = *row;
            else *row = *column;
        }
}

static void read_plane(const region_tile *t, region_operand k, ptrdiff_t class, real *to)
{
    const operand *op = &t->job->operands[k];
    char *base = plane_of(t->job, k, t->sample, class);
    if (op->contiguous) memcpy(to, (const real *)base + t->first, (size_t)t->n * sizeof(real));
    else FOR_PIXEL_RUNS(t, k, base, read_run(to + done, op, at, stride, run);)
}

/* Pixels of block `index` in tiles, each loaded. */
INLINE int next_tile(region_tile *t, ptrdiff_t index, ptrdiff_t *done)
{
    const region_job *j = t->job;
    const ptrdiff_t from = index * j->in_block, end = from + j->in_block < j->pixels ? from + j->in_block : j->pixels;
    t->first = from + *done;
    if (t->first >= end) return 0;
    t->n = end - t->first < j->tile ? end - t->first : j->tile;
    t->padded = (t->n + LANES - 1) / LANES * LANES;
    *done += t->n;
    return 1;
}

#endif
