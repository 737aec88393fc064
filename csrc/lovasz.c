/* The Lovasz extension of the Jaccard loss of one region. Compiled per instruction set and type.
 *
 * With errors e sorted, the largest first, and after i of them P - F pixels of the foreground to come and B of the background
 * seen, J_i = 1 - (P - F)/(P + B),   l = sum e_i (J_i - J_{i-1}), J_i - J_{i-1} = 1/(P + B) in the foreground, (P - F)/((P + B -
 * 1)(P + B)) outside: exact counts, and no difference.
 *
 * Design. Behind the last pixel of the foreground all differences are 0. So pixels of the background whose error is below the
 * smallest one of the foreground are not even sorted: for predictions that know something, these are most. The others are sorted
 * by a radix sort, least significant digit first (Knuth, The art of computer programming 3, 5.2.5), on keys of the inverted bits
 * of the error, which order like the errors, with the index below: stable, and linear. Passes in which all keys agree are left
 * out. */
#include "pairs.h"
#include "kernels.h"
#include "region_job.h"

#include <string.h>

#ifdef FASTLOSS_F32
typedef uint32_t error_bits;
/* 31 bits of the error, 31 of the index, 1 of the label: regions of more pixels are for float64. */
typedef uint64_t key;
typedef uint32_t key_count;
INLINE key make_key(error_bits inverted, ptrdiff_t i, error_bits label)
{
    return (uint64_t)inverted << 32 | (uint64_t)i << 1 | label;
}
INLINE error_bits bits_of_key(key k) { return (error_bits)(k >> 32); }
INLINE uint64_t place_of_key(key k) { return k & 0xffffffffu; }
#else
typedef uint64_t error_bits;
typedef struct {
    uint64_t inverted, place;
} key;
typedef uint64_t key_count;
INLINE key make_key(error_bits inverted, ptrdiff_t i, error_bits label) { return (key){ inverted, (uint64_t)i << 1 | label }; }
INLINE error_bits bits_of_key(key k) { return k.inverted; }
INLINE uint64_t place_of_key(key k) { return k.place; }
#endif

#define ERROR_BITS (8 * (int)sizeof(real) - 1)
#define ERROR_MASK (((error_bits)1 << ERROR_BITS) - 1)
enum { SHORT = 48, FEW = 4096, WIDE_DIGIT = 11, NARROW_DIGIT = 8 };
#define MOST_COUNTS ((ERROR_BITS + WIDE_DIGIT - 1) / WIDE_DIGIT << WIDE_DIGIT)

INLINE error_bits raw_bits(real x) { return (error_bits)bits_of(x); }

/* ---- sorting --------------------------------------------------------------------------------------------------------- */

static void insertion_sort(key *keys, ptrdiff_t n)
{
    for (ptrdiff_t i = 1; i < n; i++) {
        const key k = keys[i];
        ptrdiff_t at = i;
        for (; at > 0 && bits_of_key(keys[at - 1]) > bits_of_key(k); at--) keys[at] = keys[at - 1];
        keys[at] = k;
    }
}

/* Returns where the sorted keys are: in `keys` or in `other`. */
INLINE key *radix_sort(key *keys, key *other, ptrdiff_t n, int width)
{
    const int digits = (ERROR_BITS + width - 1) / width;
    const error_bits mask = ((error_bits)1 << width) - 1;
    key_count counts[MOST_COUNTS];
    memset(counts, 0, ((size_t)digits << width) * sizeof *counts);
    for (ptrdiff_t i = 0; i < n; i++) {
        const error_bits bits = bits_of_key(keys[i]);
        for (int d = 0; d < digits; d++) counts[(d << width) + (int)(bits >> (d * width) & mask)]++;
    }
    for (int d = 0; d < digits; d++) {
        key_count *count = counts + (d << width), start = 0;
        if (count[bits_of_key(keys[0]) >> (d * width) & mask] == (key_count)n) continue;
        for (int k = 0; k < 1 << width; k++) {
            const key_count here = count[k];
            count[k] = start;
            start += here;
        }
        for (ptrdiff_t i = 0; i < n; i++) other[count[bits_of_key(keys[i]) >> (d * width) & mask]++] = keys[i];
        key *sorted = other;
        other = keys, keys = sorted;
    }
    return keys;
}

static key *sort_few(key *keys, key *other, ptrdiff_t n) { return radix_sort(keys, other, n, NARROW_DIGIT); }
static key *sort_many(key *keys, key *other, ptrdiff_t n) { return radix_sort(keys, other, n, WIDE_DIGIT); }

static key *sort(key *keys, key *other, ptrdiff_t n)
{
    if (n <= SHORT) {
        insertion_sort(keys, n);
        return keys;
    }
    return n < FEW ? sort_few(keys, other, n) : sort_many(keys, other, n);
}

/* ---- one region ------------------------------------------------------------------------------------------------------ */

/* The smallest error of the foreground, and whether any error is NaN. */
static error_bits smallest(const real *errors, ptrdiff_t n, int *undefined)
{
    const error_bits infinite = raw_bits(REAL_INFINITY);
    error_bits least = ERROR_MASK, most = 0;
    _Pragma("omp simd reduction(min : least) reduction(max : most)") for (ptrdiff_t i = 0; i < n; i++)
    {
        const error_bits bits = raw_bits(errors[i]), size = bits & ERROR_MASK, apart = bits >> ERROR_BITS ? size : ERROR_MASK;
        least = apart < least ? apart : least;
        most = size > most ? size : most;
    }
    *undefined = most > infinite;
    return least;
}

static void fill(real *x, ptrdiff_t n, real value)
{
    for (ptrdiff_t i = 0; i < n; i++) x[i] = value;
}

/* Without foreground the largest error counts, the first one if several are equal. */
static double largest(int hinge, real *errors, ptrdiff_t n, int want_gradient)
{
    const error_bits beyond = hinge ? ERROR_MASK : raw_bits(R(1.));
    ptrdiff_t first = -1;
    error_bits most = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const error_bits size = raw_bits(errors[i]) & ERROR_MASK;
        if (size <= beyond && (size > most || (first < 0 && (size || !hinge)))) most = size, first = i;
    }
    const double value = first < 0 ? 0 : (double)from_bits((real_bits)most);
    if (want_gradient) {
        fill(errors, n, 0);
        if (first >= 0) errors[first] = 1;
    }
    return value;
}

double SYMBOL(lovasz)(int hinge, ptrdiff_t n, double positive, void *errors_, int want_gradient, char *scratch)
{
    real *errors = errors_;
    key *keys = (key *)scratch, *other = keys + n;
    int undefined;
    error_bits least = smallest(errors, n, &undefined);
    if (undefined) {
        if (want_gradient) fill(errors, n, REAL_NAN);
        return (double)REAL_NAN;
    }
    if (positive == 0) return largest(hinge, errors, n, want_gradient);
    /* The hinge counts errors above 0, the others those of [0, 1]. */
    const error_bits from = hinge && least == 0 ? 1 : least, to = hinge ? ERROR_MASK : raw_bits(R(1.));
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const error_bits bits = raw_bits(errors[i]), size = bits & ERROR_MASK;
        keys[count] = make_key(size ^ ERROR_MASK, i, bits >> ERROR_BITS);
        count += (size >= from) & (size <= to);
    }
    if (want_gradient) fill(errors, n, 0);
    const key *sorted = count ? sort(keys, other, count) : keys;

    long_sum value = { 0, 0 };
    double left = positive, all = positive; /* of the foreground; with the background */
    for (ptrdiff_t start = 0; start < count && left > 0; start += SUMMED_IN_LANES) {
        const ptrdiff_t end = start + SUMMED_IN_LANES < count ? start + SUMMED_IN_LANES : count;
        double part = 0;
        for (ptrdiff_t i = start; i < end; i++) {
            const uint64_t place = place_of_key(sorted[i]);
            const double error = (double)from_bits((real_bits)(bits_of_key(sorted[i]) ^ ERROR_MASK));
            const double inside = (double)(place & 1), outside = 1 - inside;
            const double step = (inside + outside * left) / (all * (inside + outside * (all + 1)));
            left -= inside;
            all += outside;
            part += step == 0 ? 0 : error * step;
            if (want_gradient) errors[place >> 1] = (real)step;
        }
        add_long(&value, part);
    }
    return total_long(value);
}
