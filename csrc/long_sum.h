/* Sums of many doubles. */
#ifndef FASTLOSS_LONG_SUM_H
#define FASTLOSS_LONG_SUM_H

#include "real.h"

/* A sum and its rounding errors (Neumaier 1974); infinite and NaN sums have none. */
typedef struct {
    double high, low;
} long_sum;

INLINE void add_long(long_sum *sum, double x)
{
    const double a = sum->high, s = a + x;
    sum->low += __builtin_fabs(a) >= __builtin_fabs(x) ? (a - s) + x : (x - s) + a;
    sum->high = s;
}

INLINE double total_long(long_sum sum)
{
    const double total = sum.high + sum.low;
    return total == total ? total : sum.high;
}

#endif
