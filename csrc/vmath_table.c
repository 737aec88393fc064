/* Every function of vmath.h as a loop over an array, so that the tests reach the very code that the kernels inline. */
#include "dispatch.h"
#include "kernels.h"
#include "vmath.h"

INLINE real vm_sigmoid(real z) { return vm_logistic(z).p; }
INLINE real vm_sigmoid_neg(real z) { return vm_logistic(z).q; }
INLINE real vm_softplus(real z) { return vm_logistic(z).softplus; }
INLINE real vm_softplus_neg(real z) { return vm_logistic(z).softplus_neg; }

/* clang-format off */
#define VMATH_FUNCTIONS(ROW)                                                                           \
    ROW(exp) ROW(expm1) ROW(expm1mx) ROW(log) ROW(log1p) ROW(log1pmx) ROW(tanh) ROW(erf) ROW(lgamma1p) \
    ROW(sigmoid) ROW(sigmoid_neg) ROW(softplus) ROW(softplus_neg)
/* clang-format on */

#define LOOP(name)                                                                      \
    static void loop_##name(ptrdiff_t n, const void *input, void *output)               \
    {                                                                                   \
        const real *x = input;                                                          \
        real *out = output;                                                             \
        _Pragma("omp simd") for (ptrdiff_t i = 0; i < n; i++) out[i] = vm_##name(x[i]); \
    }
VMATH_FUNCTIONS(LOOP)

#define ENTRY(name) { #name, loop_##name },
const vmath_row SYMBOL(vmath_table)[] = { VMATH_FUNCTIONS(ENTRY){ NULL, NULL } };
