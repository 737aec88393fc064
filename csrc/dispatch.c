/* Design. Everything compiled for an instruction set is static C behind one table per set: nothing that the linker could
 * merge with code for older processors. The compiler's cpu check also looks at what the operating system saves. */
#include "dispatch.h"

#include "losses/list.h"
#include "losses/row_list.h"

#include <stdatomic.h>
#include <stdio.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#define HAVE_FORK 1
#endif

#define DECLARE_TYPE(suffix)                                  \
    extern block_function run_block_##suffix;                 \
    extern row_block_function run_row_block_##suffix;         \
    extern ptrdiff_t row_scratch_##suffix(const row_job *);   \
    extern const long_row_functions long_row_table_##suffix;  \
    extern pair_block_function run_pair_block_##suffix;       \
    extern ptrdiff_t pair_scratch_##suffix(const pair_job *); \
    extern const ctc_row_functions ctc_rows_##suffix;         \
    extern const batch_functions batch_table_##suffix;        \
    extern const similarity_functions similarity_##suffix;    \
    extern const region_functions region_table_##suffix;      \
    extern const vmath_row vmath_table_##suffix[];            \
    extern double probe_##suffix(ptrdiff_t, const void *, const void *, void *, void *, int);
#define DECLARE_GROUPS(isa)                    \
    extern group_function run_group_f64_##isa; \
    extern ptrdiff_t group_scratch_f64_##isa(ptrdiff_t);
#define DECLARE_SEQUENCES(isa)                                \
    extern const ctc_lattice_functions ctc_lattice_f64_##isa; \
    extern const soft_dtw_functions soft_dtw_f64_##isa;
#define DECLARE(isa) DECLARE_TYPE(f32_##isa) DECLARE_TYPE(f64_##isa) DECLARE_GROUPS(isa) DECLARE_SEQUENCES(isa)
#define BOTH_TYPES(name, isa) { name##_f32_##isa, name##_f64_##isa }
#define FOR_DOUBLE(name, isa) name##_f64_##isa
#define SET(isa)                                         \
    {                                                    \
        .name = #isa,                                    \
        .run = BOTH_TYPES(run_block, isa),               \
        .run_rows = BOTH_TYPES(run_row_block, isa),      \
        .row_scratch = BOTH_TYPES(row_scratch, isa),     \
        .long_rows = BOTH_TYPES(&long_row_table, isa),   \
        .run_group = FOR_DOUBLE(run_group, isa),         \
        .group_scratch = FOR_DOUBLE(group_scratch, isa), \
        .run_pairs = BOTH_TYPES(run_pair_block, isa),    \
        .pair_scratch = BOTH_TYPES(pair_scratch, isa),   \
        .batch = BOTH_TYPES(&batch_table, isa),          \
        .similarity = BOTH_TYPES(&similarity, isa),      \
        .regions = BOTH_TYPES(&region_table, isa),       \
        .ctc_rows = BOTH_TYPES(&ctc_rows, isa),          \
        .ctc_lattice = &ctc_lattice_f64_##isa,           \
        .soft_dtw = &soft_dtw_f64_##isa,                 \
        .vmath = BOTH_TYPES(vmath_table, isa),           \
        .probe = BOTH_TYPES(probe, isa),                 \
    }

#if defined(__x86_64__)
DECLARE(baseline)
DECLARE(avx2)
DECLARE(avx512)
static const instruction_set sets_[] = { SET(baseline), SET(avx2), SET(avx512) };
#define HAS __builtin_cpu_supports

int fastloss_instruction_sets(const instruction_set **sets)
{
    *sets = sets_;
    __builtin_cpu_init();
    if (!(HAS("avx2") && HAS("fma") && HAS("bmi") && HAS("bmi2"))) return 1;
    return HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl") ? 3 : 2;
}
#elif defined(__aarch64__)
DECLARE(neon)
static const instruction_set sets_[] = { SET(neon) };

int fastloss_instruction_sets(const instruction_set **sets)
{
    *sets = sets_;
    return 1;
}
#else
DECLARE(baseline)
static const instruction_set sets_[] = { SET(baseline) };

int fastloss_instruction_sets(const instruction_set **sets)
{
    *sets = sets_;
    return 1;
}
#endif

#define EXACT 0
#define MAJORIZER 1
#define FISHER 2
#define BOTH 3
#define ROW(name, parameters, curvatures, ...) { #name, parameters, 1, curvatures },
#define ROW2(name, parameters, curvatures) { #name, parameters, 2, curvatures },
const loss_row fastloss_losses[] = { POINTWISE_LOSSES(ROW, ROW2){ 0 } };

#define SCALED 7
#define NO_HESSIAN 8
#define CLASSES(name, parameters, curvatures, kind, formula) { #name, parameters, 0, curvatures },
const loss_row fastloss_row_losses[] = { ROW_LOSSES(CLASSES){ 0 } };

/* Linux knows the cache that this processor shares; sysconf adds up those of all sockets on some machines. */
static ptrdiff_t read_cache_size(void)
{
    const ptrdiff_t usual = 32 << 20;
    long size = 0;
#if defined(__linux__)
    FILE *file = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
    if (file) {
        const int read = fscanf(file, "%ldK", &size);
        fclose(file);
        if (read == 1 && size > 0) return (ptrdiff_t)size << 10;
    }
#endif
#if defined(_SC_LEVEL3_CACHE_SIZE)
    size = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return size > 0 && size < usual ? size : usual;
}

ptrdiff_t fastloss_cache_size(void)
{
    static _Atomic ptrdiff_t known; /* the same value whoever writes it first */
    ptrdiff_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (!size) atomic_store_explicit(&known, size = read_cache_size(), memory_order_relaxed);
    return size;
}

static _Atomic int forked;

#ifdef HAVE_FORK
static void in_child(void) { forked = 1; }
static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }
#endif

void fastloss_note_threads(void)
{
#ifdef HAVE_FORK
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
#endif
}

int fastloss_forked(void) { return forked; }

double fastloss_now(void)
{
#ifdef _OPENMP
    return omp_get_wtime();
#else
    return 0;
#endif
}

/* After a wait, FEWEST calls do without threads, and twice as many after each further one: fewer than one in a hundred wait. */
enum { FEWEST = 512, MOST = 1 << 16 };
static _Atomic int calls_alone, next_alone = FEWEST;

void fastloss_waited(double began, double done, double all_done)
{
    const double usual = 3e-4; /* seconds: more than waking threads costs */
    const int next = atomic_load_explicit(&next_alone, memory_order_relaxed);
    if (all_done - done > (done - began) + usual) {
        atomic_store_explicit(&calls_alone, next, memory_order_relaxed);
        atomic_store_explicit(&next_alone, next < MOST ? 2 * next : MOST, memory_order_relaxed);
    } else if (next > FEWEST) atomic_store_explicit(&next_alone, next - 1, memory_order_relaxed);
}

int fastloss_alone(void)
{
    const int left = atomic_load_explicit(&calls_alone, memory_order_relaxed);
    if (left > 0) atomic_store_explicit(&calls_alone, left - 1, memory_order_relaxed);
    return left > 0;
}
