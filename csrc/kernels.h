/* What a compiled formula looks like to the block pipeline, and the table of all of them. */
#ifndef FASTLOSS_KERNELS_H
#define FASTLOSS_KERNELS_H

#include "job.h"
#include "real.h"

/* A block holds at most BLOCK samples, whatever the number of threads; kernels run on whole groups of LANES. */
enum { BLOCK = BLOCK_BYTES / sizeof(real), LANES = 16 };

/* One block: contiguous columns of `real`. The second f, gradient and hessian belong to losses with two predictions. */
typedef struct {
    const real *y, *f[2];
    real *value, *gradient[2], *hessian[2];
} columns;

typedef void kernel(ptrdiff_t groups, const real *param, const columns *block);

/* NULL where the loss has no such curvature. */
typedef struct {
    kernel *value, *gradient, *value_gradient;
    kernel *gradient_hessian[3]; /* exact, majorizer, fisher */
} kernels;

#define SYMBOL_(name, type, isa) name##_##type##_##isa
#define SYMBOL__(name, type, isa) SYMBOL_(name, type, isa)
#ifdef FASTLOSS_F32
#define SYMBOL(name) SYMBOL__(name, f32, FASTLOSS_ISA)
#else
#define SYMBOL(name) SYMBOL__(name, f64, FASTLOSS_ISA)
#endif

#endif
