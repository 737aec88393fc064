/* The loops over a block, stamped for every row of losses/list.h.
 *
 * Design. One loop per set of outputs; the formula is inlined and what a set leaves out is removed by the compiler.
 * `groups * LANES` samples: no remainder loop, the pipeline pads the last block. `param` is copied so that stores
 * cannot alias it. The loops have no `restrict`: an output may be its own input. */
#include "kernels.h"
#include "losses/list.h"

enum { MAX_PARAM = 8 };

/* KERNEL(function name, call of the formula, statements that store) */
#define KERNEL(function, formula_call, ...)                                                 \
    static void SYMBOL(function)(ptrdiff_t groups, const real *param, const columns *b)     \
    {                                                                                       \
        real p[MAX_PARAM];                                                                  \
        for (int k = 0; k < MAX_PARAM; k++) p[k] = param[k];                                \
        const real *y = b->y, *m = b->f[0], *s = b->f[1];                                   \
        real *v = b->value, *g = b->gradient[0], *g2 = b->gradient[1];                      \
        real *h = b->hessian[0], *h2 = b->hessian[1];                                       \
        (void)s, (void)v, (void)g, (void)g2, (void)h, (void)h2;                             \
        _Pragma("omp simd")                                                                 \
        for (ptrdiff_t i = 0; i < groups * LANES; i++) {                                    \
            const __auto_type t = formula_call;                                             \
            __VA_ARGS__                                                                     \
        }                                                                                   \
    }

#define ONE(name) name(y[i], m[i], p)
#define TWO(name) name(y[i], m[i], s[i], p)
#define STORE_V v[i] = t.value;
#define STORE_G1 g[i] = t.gradient;
#define STORE_G2 g[i] = t.gradient[0]; g2[i] = t.gradient[1];
#define STORE_H1(which) h[i] = t.which;
#define STORE_H2(which) h[i] = t.which[0]; h2[i] = t.which[1];

#define STAMP(name, CALL, STORE_G, STORE_H, curvatures)          \
    KERNEL(name##_v, CALL(name), STORE_V)                        \
    KERNEL(name##_g, CALL(name), STORE_G)                        \
    KERNEL(name##_vg, CALL(name), STORE_V STORE_G)               \
    KERNEL(name##_gh_hessian, CALL(name), STORE_G STORE_H(hessian)) \
    STAMP_##curvatures(name, CALL, STORE_G, STORE_H)
#define STAMP_EXACT(name, CALL, STORE_G, STORE_H)
#define STAMP_MAJORIZER(name, CALL, STORE_G, STORE_H) KERNEL(name##_gh_majorizer, CALL(name), STORE_G STORE_H(majorizer))
#define STAMP_FISHER(name, CALL, STORE_G, STORE_H) KERNEL(name##_gh_fisher, CALL(name), STORE_G STORE_H(fisher))
#define STAMP_BOTH(...) STAMP_MAJORIZER(__VA_ARGS__) STAMP_FISHER(__VA_ARGS__)

#define STAMP1(name, parameters, curvatures) STAMP(name, ONE, STORE_G1, STORE_H1, curvatures)
#define STAMP2(name, parameters, curvatures) STAMP(name, TWO, STORE_G2, STORE_H2, curvatures)
POINTWISE_LOSSES(STAMP1, STAMP2)

#define POINTERS_EXACT(name) NULL, NULL
#define POINTERS_MAJORIZER(name) SYMBOL(name##_gh_majorizer), NULL
#define POINTERS_FISHER(name) NULL, SYMBOL(name##_gh_fisher)
#define POINTERS_BOTH(name) SYMBOL(name##_gh_majorizer), SYMBOL(name##_gh_fisher)
#define POINTERS(name, parameters, curvatures) \
    { SYMBOL(name##_v), SYMBOL(name##_g), SYMBOL(name##_vg), { SYMBOL(name##_gh_hessian), POINTERS_##curvatures(name) } },

const kernels SYMBOL(kernel_table)[] = { POINTWISE_LOSSES(POINTERS, POINTERS) };
