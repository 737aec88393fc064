/* What a formula returns: the terms of one sample. A kernel asks for some of them; the compiler removes the rest. */
#ifndef FASTLOSS_TERMS_H
#define FASTLOSS_TERMS_H

#include "real.h"

/* One prediction per sample. */
typedef struct {
    real value, gradient, hessian; /* l, dl/df, d2l/df2                                             */
    real majorizer, fisher;        /* other curvatures, where the row of list.h names them          */
} terms;

/* Two predictions per sample (distributions: location and second parameter); the hessian is its diagonal. */
typedef struct {
    real value, gradient[2], hessian[2];
    real majorizer[2], fisher[2];
} terms2;

#define LOSS(name) INLINE terms name(real y, real f, const real *param)

/* A long chain of dependent operations cut in two: `stage` is STAGE(name) of the same sample, computed in a loop of its own.
 * Two short loops overlap more samples than a long one (1.6 times faster for the logistic loss). Its row says STAGED. */
#define STAGE(name) INLINE real name##_stage(real y, real f, const real *param)
#define LOSS_STAGED(name) INLINE terms name(real y, real f, real stage, const real *param)

#define LOSS2(name) INLINE terms2 name(real y, real m, real s, const real *param)

#endif
