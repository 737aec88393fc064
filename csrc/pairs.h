/* Two rows: their distance, and its derivatives.
 *
 * Design. A row is read from memory once; further loops over it find it in the L1 cache. Sums are of `real` lanes over a few
 * hundred entries and of doubles over these, so long rows lose no digits. A plain sum of squares is right if it is neither
 * huge nor tiny: only what lies outside that range, or is 0, inf or NaN, is looked at again, scaled by a power of two. */
#ifndef FASTLOSS_PAIRS_H
#define FASTLOSS_PAIRS_H

#include "long_sum.h"

enum { SUMMED_IN_LANES = 256 };

/* A function of rows of n entries: the sum of TERM, a square or a product, over the entries k. */
#define SUM_OVER_ENTRIES(name, arguments, TERM)                                                      \
    INLINE double name arguments                                                                     \
    {                                                                                                \
        long_sum total = { 0, 0 };                                                                   \
        for (ptrdiff_t from = 0; from < n; from += SUMMED_IN_LANES) {                                \
            const ptrdiff_t to = from + SUMMED_IN_LANES < n ? from + SUMMED_IN_LANES : n;            \
            real sum = 0;                                                                            \
            _Pragma("omp simd reduction(+ : sum)") for (ptrdiff_t k = from; k < to; k++) sum = TERM; \
            if (n <= SUMMED_IN_LANES) return (double)sum;                                            \
            add_long(&total, (double)sum);                                                           \
        }                                                                                            \
        return total_long(total);                                                                    \
    }

SUM_OVER_ENTRIES(sum_of_squares, (const real *x, const real *y, ptrdiff_t n), multiply_add(x[k] - y[k], x[k] - y[k], sum))
SUM_OVER_ENTRIES(sum_of_products, (const real *x, const real *y, ptrdiff_t n), multiply_add(x[k], y[k], sum))

/* | x i - y j |^2 */
SUM_OVER_ENTRIES(sum_of_scaled_squares, (const real *x, const real *y, real i, real j, ptrdiff_t n),
                 multiply_add(x[k] * i - y[k] * j, x[k] * i - y[k] * j, sum))

/* ---- powers of two ---------------------------------------------------------------------------------------------------- */

/* The power of two at or below x > 0, within [low, high]: what x may be divided by without rounding. */
INLINE double power_below(double x, double low, double high)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    bits &= 0x7ff0000000000000u;
    __builtin_memcpy(&x, &bits, sizeof bits);
    return x < low ? low : x > high ? high : x;
}

#define LEAST_UNIT BY_TYPE(0x1p-1000, 0x1p-100)
#define MOST_UNIT BY_TYPE(0x1p1000, 0x1p126)
#define UNIT_BELOW(x) power_below(x, (double)LEAST_UNIT, (double)MOST_UNIT)

INLINE real within_real(double x)
{
    const double most = (double)REAL_MAX;
    return (real)(x > most ? most : x < -most ? -most : x);
}

/* ---- euclidean distances ---------------------------------------------------------------------------------------------- */

/* `square` may have overflowed or lost its digits where it is not `plain`; `beyond`: so has a difference, to infinity. */
typedef struct {
    double norm, square;
    int plain, beyond;
} gap;

/* Sums of squares whose terms have lost nothing that counts. */
#define LEAST_SQUARES BY_TYPE(0x1p-960, 0x1p-100)

__attribute__((noinline)) static gap scaled_gap(const real *x, const real *y, ptrdiff_t n)
{
    const double undefined = __builtin_nan("");
    double most = 0;
    for (ptrdiff_t k = 0; k < n; k++) {
        const double d = __builtin_fabs((double)x[k] - (double)y[k]);
        if (!(absolute(x[k]) <= REAL_MAX && absolute(y[k]) <= REAL_MAX)) return (gap){ undefined, undefined, 0, 0 };
        most = d > most ? d : most;
    }
    if (most == 0) return (gap){ 0, 0, 1, 0 };
    if (most > 0x1.fffffffffffffp1023) return (gap){ most, most, 0, 1 };
    const double unit = power_below(most, 0x1p-1000, 0x1p1000), inverse = 1 / unit;
    long_sum total = { 0, 0 };
    for (ptrdiff_t k = 0; k < n; k++) {
        const double d = ((double)x[k] - (double)y[k]) * inverse;
        add_long(&total, d * d);
    }
    const double sum = total_long(total), norm = __builtin_sqrt(sum) * unit;
    return (gap){ norm, sum * unit * unit, 0, 0 };
}

INLINE gap gap_between(const real *x, const real *y, ptrdiff_t n)
{
    const double square = sum_of_squares(x, y, n);
    if (!(square >= (double)LEAST_SQUARES && square <= (double)REAL_MAX)) return scaled_gap(x, y, n);
    return (gap){ __builtin_sqrt(square), square, 1, 0 };
}

/* ---- angles ----------------------------------------------------------------------------------------------------------- */

/* A row as a multiple of a unit vector: x = (x inverse) / (inverse factor). Rows that are too long or too short are scaled
 * by `factor`, a power of two; a zero vector has the inverse 0, and one that is not finite NaN. */
typedef struct {
    double square, inverse, factor;
} direction;

/* Squared norms whose product is safe too. */
#define LEAST_NORM BY_TYPE(0x1p-480, 0x1p-100)
#define MOST_NORM BY_TYPE(0x1p480, 0x1p126)

__attribute__((noinline)) static direction scaled_direction(const real **x, ptrdiff_t n, real *scratch)
{
    double most = 0;
    for (ptrdiff_t k = 0; k < n; k++) {
        const double size = __builtin_fabs((double)(*x)[k]);
        if (!(size <= (double)REAL_MAX)) return (direction){ __builtin_nan(""), __builtin_nan(""), 1 };
        most = size > most ? size : most;
    }
    if (most == 0) return (direction){ 0, 0, 1 };
    const double factor = 1 / UNIT_BELOW(most);
    for (ptrdiff_t k = 0; k < n; k++) scratch[k] = (*x)[k] * (real)factor;
    *x = scratch;
    const double square = sum_of_products(scratch, scratch, n);
    return (direction){ square, 1 / __builtin_sqrt(square), factor };
}

INLINE direction direction_of(const real **x, ptrdiff_t n, real *scratch)
{
    const double square = sum_of_products(*x, *x, n);
    if (!(square >= (double)LEAST_NORM && square <= (double)MOST_NORM)) return scaled_direction(x, n, scratch);
    return (direction){ square, 1 / __builtin_sqrt(square), 1 };
}

/* d = 1 - cos: for small angles as half the squared distance of the unit vectors, in which nothing cancels but what cancels
 * in the rows. */
typedef struct {
    double cos, distance;
    int near;
} angle;

INLINE angle angle_between(const real *x, const real *y, direction dx, direction dy, ptrdiff_t n)
{
    const double norms = __builtin_sqrt(dx.square * dy.square);
    if (norms == 0) return (angle){ 0, 1, 0 };
    const double cos = sum_of_products(x, y, n) / norms;
    if (!(cos > 0.5)) return (angle){ cos, 1 - cos, 0 };
    const double d = 0.5 * sum_of_scaled_squares(x, y, (real)dx.inverse, (real)dy.inverse, n);
    return (angle){ 1 - d, d, 1 };
}

#endif
