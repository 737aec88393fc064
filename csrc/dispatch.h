/* The instruction sets that were built and that this machine can run. */
#ifndef FASTLOSS_DISPATCH_H
#define FASTLOSS_DISPATCH_H

#include "batch_job.h"
#include "ctc_job.h"
#include "group_job.h"
#include "pair_job.h"
#include "region_job.h"
#include "row_job.h"
#include "similarity_job.h"
#include "soft_dtw_job.h"

#ifdef _OPENMP
#define FASTLOSS_OPENMP _OPENMP
#else
#define FASTLOSS_OPENMP 0
#endif

#ifdef __clang__
#define FASTLOSS_COMPILER "clang " __clang_version__
#else
#define FASTLOSS_COMPILER "gcc " __VERSION__
#endif

typedef struct {
    const char *name;
    void (*function)(ptrdiff_t n, const void *x, void *out);
} vmath_row;

typedef struct {
    const char *name;
    block_function *run[2]; /* by element type: FLOAT32, FLOAT64 */
    row_block_function *run_rows[2];
    ptrdiff_t (*row_scratch[2])(const row_job *); /* bytes for one thread */
    const long_row_functions *long_rows[2];
    group_function *run_group;                     /* float64 inside */
    ptrdiff_t (*group_scratch)(ptrdiff_t largest); /* bytes for one thread */
    pair_block_function *run_pairs[2];
    ptrdiff_t (*pair_scratch[2])(const pair_job *);
    const batch_functions *batch[2];
    const similarity_functions *similarity[2];
    const region_functions *regions[2];
    const ctc_row_functions *ctc_rows[2];
    const ctc_lattice_functions *ctc_lattice; /* in double */
    const soft_dtw_functions *soft_dtw;       /* in double */
    const vmath_row *vmath[2];                /* ends with a NULL name */
    double (*probe[2])(ptrdiff_t n, const void *y, const void *f, void *g, void *h, int stream);
} instruction_set;

typedef struct {
    const char *name;
    int parameters, predictions, curvatures; /* bits: 1 majorizer, 2 fisher, 4 scaled, 8 none at all */
} loss_row;

extern const loss_row fastloss_losses[]; /* ends with a NULL name */
extern const loss_row fastloss_row_losses[];

/* Usable ones, worst first; returns how many. */
int fastloss_instruction_sets(const instruction_set **sets);

/* Bytes of the last-level cache: larger outputs are streamed past it. */
ptrdiff_t fastloss_cache_size(void);

/* In a forked child of a process whose OpenMP threads are gone with the fork, parallel regions would wait for them for
 * ever. `note_threads` is called before a region; `forked` is 1 in such a child. */
void fastloss_note_threads(void);
int fastloss_forked(void);

/* Whether the threads come when they are called. Where processors are busy, a parallel region of microseconds waits for
 * the slice of time of some other process: after such a wait, the next calls that would gain little do without threads.
 * `now` is in seconds; `waited` is told when a region began, when the calling thread was done with its share, and when
 * all were; `alone` counts a call and says whether it should do without. */
double fastloss_now(void);
void fastloss_waited(double began, double done, double all_done);
int fastloss_alone(void);

#endif
