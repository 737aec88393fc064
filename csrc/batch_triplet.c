/* The triplet loss of a batch: blocks of anchors, and blocks of rows of the gradient. Compiled per instruction set and type.
 *
 * Design. The gradient in x_i is the sum over k of m_ik (x_i - x_k), where m is symmetric: what the anchors i and k say about
 * their distance. Differences are formed before they are multiplied, so nothing cancels where rows lie far from the origin.
 * A row of the gradient is summed by one thread in the order of its partners, PARTNERS at a time in `real`, these in double. */
#include "batch_mining.h"
#include "kernels.h"

/* ---- values ----------------------------------------------------------------------------------------------------------- */

static ptrdiff_t to_line(size_t bytes) { return (ptrdiff_t)((bytes + 63) / 64 * 64); }

static ptrdiff_t width_of(const batch_job *j) { return j->padded + APART; }

static ptrdiff_t power_of_two_above(ptrdiff_t n)
{
    ptrdiff_t size = 1;
    while (size <= n) size *= 2;
    return size;
}

/* Cuts scratch memory into arrays; returns its size. */
static ptrdiff_t divide(const batch_job *j, char *scratch, workspace *w)
{
    const size_t n = (size_t)j->rows + 1, real_size = sizeof(real);
    ptrdiff_t at = 0;
#define CUT(array, bytes) (array) = (void *)(scratch + at), at += to_line(bytes)
    CUT(w->rows, ROWS_IN_BLOCK * (size_t)width_of(j) * real_size);
    CUT(w->slope, n * real_size);
    CUT(w->threshold, (size_t)power_of_two_above(j->rows) * real_size);
    CUT(w->rank, n * sizeof(int32_t));
    CUT(w->sorted, n * sizeof(entry));
    CUT(w->other, n * sizeof(entry));
    CUT(w->distance, n * real_size);
    CUT(w->norm, n * sizeof(double));
    CUT(w->ends, n * sizeof(ptrdiff_t));
    CUT(w->nearest, n * sizeof(ptrdiff_t));
#undef CUT
    return at;
}

static ptrdiff_t scratch_of_batch(const batch_job *j)
{
    workspace w;
    return divide(j, NULL, &w);
}

static int in_tile(const batch_job *j) { return j->want & WANT_GRADIENT && j->mining != MINE_HARD; }

/* The factors of the differences to the two rows that MINE_HARD has chosen. */
static void note_chosen(const anchor *a)
{
    const batch_job *j = a->j;
    for (int c = 0; c < 2; c++) {
        const ptrdiff_t k = a->chosen[c];
        const double d = (double)a->d[k], slope = (double)a->w->slope[k] * j->weight[a->i];
        const int none = j->distance == BY_NORM ? d == 0 : j->distance == BY_ANGLE && (j->kind[a->i] | j->kind[k]) == ZERO_ROW;
        j->chosen[2 * a->i + c] = k;
        j->slope[2 * a->i + c] = none ? 0 : j->distance == BY_NORM ? slope / d : j->distance == BY_SQUARE ? 2 * slope : slope;
    }
}

static void mine_row(const batch_job *j, ptrdiff_t i, real *d, workspace *w)
{
    anchor a = { .j = j, .i = i, .start = j->start[i], .stop = j->stop[i], .d = d, .w = w };
    a.positives = a.stop - a.start - 1, a.negatives = j->rows - (a.stop - a.start);
    memset(w->slope, 0, (size_t)j->rows * sizeof(real));
    if (close_distances(j, i, d)) mine_wide(&a);
    else if (j->mining == MINE_ALL) mine_all(&a);
    else if (j->mining == MINE_HARD) mine_hard(&a);
    else mine_semihard(&a);
    j->value[i] = total_long(a.value);
    j->active[i] = a.active;
    if (!(j->want & WANT_GRADIENT)) return;
    if (j->mining == MINE_HARD) note_chosen(&a);
    else close_slopes(j, i, w->slope, d);
}

static void SYMBOL(mine_block)(const batch_job *j, ptrdiff_t block, char *scratch)
{
    workspace w;
    divide(j, scratch, &w);
    const ptrdiff_t first = block * ROWS_IN_BLOCK, width = width_of(j);
    real *rows = in_tile(j) ? (real *)j->tile + (first - j->first) * width : w.rows;
    int anchors[ROWS_IN_BLOCK / TOGETHER] = { 0 };
    for (ptrdiff_t i = 0; i < ROWS_IN_BLOCK; i++) anchors[i / TOGETHER] |= first + i < j->rows && j->weight[first + i] > 0;
    for (ptrdiff_t k = 0; k < j->padded; k += PANEL)
        for (ptrdiff_t i = 0; i < ROWS_IN_BLOCK; i += TOGETHER)
            if (anchors[i / TOGETHER])
                sums_of_squares((const real *)j->x + (first + i) * j->stride, j->stride, (const real *)j->panels + k * j->entries,
                                j->entries, rows + i * width + k, width);
    for (ptrdiff_t i = 0; i < ROWS_IN_BLOCK; i++) {
        real *d = rows + i * width;
        if (first + i < j->rows && j->weight[first + i] > 0) mine_row(j, first + i, d, &w);
        else if (in_tile(j)) memset(d, 0, (size_t)j->padded * sizeof(real));
    }
}

/* ---- gradients -------------------------------------------------------------------------------------------------------- */

/* Adds factor (x - partner) over some partners, for TOGETHER rows and a few vectors of entries, from `at` on. */
INLINE void add_differences(const real *factor, ptrdiff_t partners, const real *x, const real *partner, ptrdiff_t stride,
                            double *gradient, ptrdiff_t at, const int vectors)
{
    vector own[TOGETHER][2], sum[TOGETHER][2] = { 0 };
    _Pragma("GCC unroll 4") for (int a = 0; a < TOGETHER; a++) _Pragma("GCC unroll 2") for (int c = 0; c < vectors; c++)
        own[a][c] = vector_at(x + a * stride + at + c * STEP);
    for (ptrdiff_t k = 0; k < partners; k++) {
        vector other[2];
        _Pragma("GCC unroll 2") for (int c = 0; c < vectors; c++) other[c] = vector_at(partner + k * stride + at + c * STEP);
        _Pragma("GCC unroll 4") for (int a = 0; a < TOGETHER; a++)
        {
            const vector m = factor[k * ROWS_IN_BLOCK + a] - (vector){ 0 };
            _Pragma("GCC unroll 2") for (int c = 0; c < vectors; c++) sum[a][c] = fused(own[a][c] - other[c], m, sum[a][c]);
        }
    }
    for (int a = 0; a < TOGETHER; a++)
        for (int c = 0; c < vectors; c++) {
            double *to = gradient + a * stride + at + c * STEP;
            real lanes[STEP];
            *(vector *)lanes = sum[a][c];
            _Pragma("omp simd") for (int l = 0; l < (int)STEP; l++) to[l] += (double)lanes[l];
        }
}

/* What the tile knows about the distances of a block of rows to some partners: from both sides, or from the one that it has. */
static void collect(const batch_job *j, ptrdiff_t first, ptrdiff_t from, ptrdiff_t partners, real *restrict factor)
{
    const real *tile = j->tile;
    const ptrdiff_t width = width_of(j);
    memset(factor, 0, sizeof(real) * PARTNERS * ROWS_IN_BLOCK);
    if (first >= j->first && first < j->last)
        for (ptrdiff_t i = 0; i < ROWS_IN_BLOCK; i++)
            for (ptrdiff_t k = 0; k < partners; k++)
                factor[k * ROWS_IN_BLOCK + i] = tile[(first + i - j->first) * width + from + k];
    if (from >= j->first && from < j->last)
        for (ptrdiff_t k = 0; k < partners; k++)
            for (ptrdiff_t i = 0; i < ROWS_IN_BLOCK; i++)
                factor[k * ROWS_IN_BLOCK + i] += tile[(from + k - j->first) * width + first + i];
}

static void SYMBOL(add_gradient)(const batch_job *j, ptrdiff_t block)
{
    const ptrdiff_t first = block * ROWS_IN_BLOCK, stride = j->stride;
    const int inside = first >= j->first && first < j->last;
    const ptrdiff_t begin = inside ? 0 : j->first, end = inside ? j->rows : j->last;
    const real *x = j->x;
    real factor[PARTNERS * ROWS_IN_BLOCK];
    for (ptrdiff_t from = begin; from < end; from += PARTNERS) {
        const ptrdiff_t partners = from + PARTNERS < end ? PARTNERS : end - from;
        collect(j, first, from, partners, factor);
        for (ptrdiff_t i = 0; i < ROWS_IN_BLOCK; i += TOGETHER) {
            const real *own = x + (first + i) * stride, *partner = x + from * stride;
            double *gradient = j->gradient + (first + i) * stride;
            ptrdiff_t at = 0;
            for (; ACROSS == 4 && at + 2 * STEP <= stride; at += 2 * STEP)
                add_differences(factor + i, partners, own, partner, stride, gradient, at, 2);
            for (; at < stride; at += STEP) add_differences(factor + i, partners, own, partner, stride, gradient, at, 1);
        }
    }
}

static void add_gradient_of_chosen(const batch_job *j, ptrdiff_t column)
{
    const ptrdiff_t from = column * PARTNERS, to = from + PARTNERS < j->entries ? from + PARTNERS : j->entries;
    for (ptrdiff_t i = 0; i < j->rows; i++) {
        if (!(j->weight[i] > 0)) continue;
        for (int c = 0; c < 2; c++) {
            const ptrdiff_t k = j->chosen[2 * i + c];
            const double m = j->slope[2 * i + c];
            const real *x = (const real *)j->x + i * j->stride, *y = (const real *)j->x + k * j->stride;
            double *restrict own = j->gradient + i * j->stride, *restrict other = j->gradient + k * j->stride;
            if (m == 0) continue;
            _Pragma("omp simd") for (ptrdiff_t e = from; e < to; e++)
            {
                const double change = m * ((double)x[e] - (double)y[e]);
                own[e] += change;
                other[e] -= change;
            }
        }
    }
}

extern const batch_functions SYMBOL(batch_table);
const batch_functions SYMBOL(batch_table) = {
    .panel = PANEL,
    .step = STEP,
    .scratch = scratch_of_batch,
    .pack = pack_panel,
    .mine = SYMBOL(mine_block),
    .gradient = SYMBOL(add_gradient),
    .gradient_of_chosen = add_gradient_of_chosen,
};
