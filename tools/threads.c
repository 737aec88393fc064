/* Kernels of one job on several threads at once, for ThreadSanitizer: blocks must not share anything that is written, and
 * give the same bits as one thread. pthreads, because libgomp hides what it does from the sanitizer. */
#include "dispatch.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, SAMPLES = 20000, CLASSES = 7 };

typedef void run_one(const void *work, ptrdiff_t block);

typedef struct {
    const void *work;
    run_one *run;
    ptrdiff_t first, blocks;
} share;

static void *run_share(void *given)
{
    const share *s = given;
    (void)fastloss_cache_size();
    fastloss_note_threads();
    if (fastloss_forked()) abort();
    for (ptrdiff_t b = s->first; b < s->blocks; b += THREADS) s->run(s->work, b);
    return NULL;
}

static void on_threads(const void *work, run_one *run, ptrdiff_t blocks)
{
    pthread_t threads[THREADS];
    share shares[THREADS];
    for (int t = 0; t < THREADS; t++) {
        shares[t] = (share){ work, run, t, blocks };
        if (pthread_create(&threads[t], NULL, run_share, &shares[t])) abort();
    }
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
}

static double *numbers(ptrdiff_t n, unsigned seed)
{
    double *x = aligned_alloc(64, (size_t)(n * 8 + 63) / 64 * 64);
    for (ptrdiff_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (seed >> 8) / (double)(1 << 23) - 1;
    }
    return x;
}

static operand plain(void *data, ptrdiff_t stride)
{
    operand op = { .data = data, .type = FLOAT64, .contiguous = 1 };
    op.strides[0] = stride;
    return op;
}

static int row_named(const loss_row *rows, const char *name)
{
    for (int k = 0; rows[k].name; k++)
        if (!strcmp(rows[k].name, name)) return k;
    abort();
}

static const instruction_set *set;
static partial parts[SAMPLES];

static void run_pointwise(const void *work, ptrdiff_t block) { set->run[FLOAT64](work, block, &parts[block]); }

static void run_pairs(const void *work, ptrdiff_t block)
{
    char *scratch = malloc((size_t)set->pair_scratch[FLOAT64](work));
    set->run_pairs[FLOAT64](work, block, scratch, &parts[block]);
    free(scratch);
}

static int differ(const double *a, const double *b, ptrdiff_t n, const char *what)
{
    if (!memcmp(a, b, (size_t)n * 8)) return 0;
    printf("%s: threads change bits\n", what);
    return 1;
}

static int pointwise(void)
{
    double *y = numbers(SAMPLES, 1), *f = numbers(SAMPLES, 2), *g = numbers(SAMPLES, 3), *again = numbers(SAMPLES, 4);
    formula one = { .row = row_named(fastloss_losses, "log_cosh"), .factor = 1 };
    job j = { .ndim = 1, .size = SAMPLES, .shape = { SAMPLES }, .formulas = &one, .n_formulas = 1 };
    j.want = WANT_VALUE | WANT_GRADIENT, j.scale = 1, j.min_hessian = NAN;
    for (int k = 0; k < 2; k++) j.f_low[k] = -INFINITY, j.f_high[k] = INFINITY;
    j.operands[Y] = plain(y, 8), j.operands[F] = plain(f, 8), j.operands[GRADIENT] = plain(g, 8);
    const ptrdiff_t per_block = BLOCK_BYTES / 8, blocks = (SAMPLES + per_block - 1) / per_block;
    on_threads(&j, run_pointwise, blocks);
    j.operands[GRADIENT] = plain(again, 8);
    for (ptrdiff_t b = 0; b < blocks; b++) run_pointwise(&j, b);
    return differ(g, again, SAMPLES, "pointwise");
}

static int pairs(void)
{
    const ptrdiff_t rows = SAMPLES / CLASSES, n = rows * CLASSES;
    pair_job j = { .loss = TRIPLET, .distance = EUCLIDEAN, .inputs = 3, .swap = 1, .margin = 1, .scale = 1 };
    j.rows = rows, j.entries = CLASSES, j.in_block = 64;
    double *g[6];
    for (int k = 0; k < 6; k++) g[k] = numbers(n, 20 + (unsigned)k);
    for (int k = 0; k < 3; k++) {
        j.x[k] = plain(numbers(n, 10 + (unsigned)k), CLASSES * 8);
        j.gradient[k] = plain(g[k], CLASSES * 8);
        j.x[k].strides[1] = j.gradient[k].strides[1] = 8;
    }
    const ptrdiff_t blocks = (rows + 63) / 64;
    on_threads(&j, run_pairs, blocks);
    for (int k = 0; k < 3; k++) j.gradient[k].data = (char *)g[3 + k];
    for (ptrdiff_t b = 0; b < blocks; b++) run_pairs(&j, b);
    return differ(g[0], g[3], n, "pairs") | differ(g[2], g[5], n, "pairs");
}

int main(void)
{
    const instruction_set *sets;
    const int n = fastloss_instruction_sets(&sets);
    int bad = 0;
    for (int k = 0; k < n; k++) {
        set = &sets[k];
        bad |= pointwise() | pairs();
        printf("%s\n", set->name);
    }
    return bad;
}
