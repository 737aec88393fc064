/* The loops over a block, stamped for every row of losses/list.h.
 *
 * Design. One loop per set of outputs; the formula is inlined and what a set leaves out is removed by the compiler.
 * `groups * LANES` samples: no remainder loop, the pipeline pads the last block. `param` is copied so that stores
 * cannot alias it. The loops have no `restrict`: an output may be its own input. */
#include "kernels.h"
#include "losses/list.h"

/* KERNEL(function name, loop that comes first, call of the formula, statements that store) */
#define KERNEL(function, FIRST, formula_call, ...)                                      \
    static void SYMBOL(function)(ptrdiff_t groups, const real *param, const columns *b) \
    {                                                                                   \
        real p[MAX_PARAM];                                                              \
        for (int k = 0; k < MAX_PARAM; k++) p[k] = param[k];                            \
        const real *y = b->y, *m = b->f[0], *s = b->f[1];                               \
        real *v = b->value, *g = b->gradient[0], *g2 = b->gradient[1];                  \
        real *h = b->hessian[0], *h2 = b->hessian[1];                                   \
        (void)s, (void)v, (void)g, (void)g2, (void)h, (void)h2;                         \
        FIRST                                                                           \
        _Pragma("omp simd") for (ptrdiff_t i = 0; i < groups * LANES; i++)              \
        {                                                                               \
            const __auto_type t = formula_call;                                         \
            __VA_ARGS__                                                                 \
        }                                                                               \
    }

/* How a formula is called, by kind of row, and the loop before it. */
#define CALL_(name) name(y[i], m[i], p)
#define CALL_STAGED(name) name(y[i], m[i], first[i], p)
#define CALL_TWO(name) name(y[i], m[i], s[i], p)
#define FIRST_(name)
#define FIRST_TWO(name)
#define FIRST_STAGED(name) \
    real first[BLOCK];     \
    _Pragma("omp simd") for (ptrdiff_t i = 0; i < groups * LANES; i++) first[i] = name##_stage(y[i], m[i], p);

#define STORE_V v[i] = t.value;
#define STORE_G_ g[i] = t.gradient;
#define STORE_G_STAGED STORE_G_
#define STORE_G_TWO       \
    g[i] = t.gradient[0]; \
    g2[i] = t.gradient[1];
#define STORE_H_(which) h[i] = t.which;
#define STORE_H_STAGED STORE_H_
#define STORE_H_TWO(which) \
    h[i] = t.which[0];     \
    h2[i] = t.which[1];

/* All kernels of a row; `kind` is nothing, STAGED or TWO. */
#define STAMP(name, curvatures, kind)                                                \
    KERNEL(name##_v, FIRST_##kind(name), CALL_##kind(name), STORE_V)                 \
    KERNEL(name##_g, FIRST_##kind(name), CALL_##kind(name), STORE_G_##kind)          \
    KERNEL(name##_vg, FIRST_##kind(name), CALL_##kind(name), STORE_V STORE_G_##kind) \
    CURVATURE(name, hessian, kind)                                                   \
    CURVATURES_##curvatures(name, kind)
#define CURVATURE(name, which, kind) \
    KERNEL(name##_gh_##which, FIRST_##kind(name), CALL_##kind(name), STORE_G_##kind STORE_H_##kind(which))
#define CURVATURES_EXACT(name, kind)
#define CURVATURES_MAJORIZER(name, kind) CURVATURE(name, majorizer, kind)
#define CURVATURES_FISHER(name, kind) CURVATURE(name, fisher, kind)
#define CURVATURES_BOTH(name, kind) CURVATURE(name, majorizer, kind) CURVATURE(name, fisher, kind)

#define STAMP_ROW(name, parameters, curvatures, ...) STAMP(name, curvatures, __VA_ARGS__)
#define STAMP_ROW2(name, parameters, curvatures) STAMP(name, curvatures, TWO)
POINTWISE_LOSSES(STAMP_ROW, STAMP_ROW2)

#define POINTERS_EXACT(name) NULL, NULL
#define POINTERS_MAJORIZER(name) SYMBOL(name##_gh_majorizer), NULL
#define POINTERS_FISHER(name) NULL, SYMBOL(name##_gh_fisher)
#define POINTERS_BOTH(name) SYMBOL(name##_gh_majorizer), SYMBOL(name##_gh_fisher)
#define POINTERS(name, parameters, curvatures, ...) \
    { SYMBOL(name##_v), SYMBOL(name##_g), SYMBOL(name##_vg), { SYMBOL(name##_gh_hessian), POINTERS_##curvatures(name) } },

const kernels SYMBOL(kernel_table)[] = { POINTWISE_LOSSES(POINTERS, POINTERS) };
