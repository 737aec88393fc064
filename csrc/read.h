/* Reading: a strided run of any element type as `real`. */
#ifndef FASTLOSS_READ_H
#define FASTLOSS_READ_H

#include "job.h"
#include "real.h"

#include <string.h>

/* IEEE binary16: the exponent is moved by a multiplication, which also makes subnormals right; inf and NaN by hand. */
INLINE float from_half(uint16_t half)
{
    const uint32_t magnitude = half & 0x7fffu;
    uint32_t bits = magnitude << 13;
    float x;
    memcpy(&x, &bits, 4);
    x *= 0x1p112f;
    if (magnitude >= 0x7c00u) {
        bits = 0x7f800000u | (magnitude & 0x3ffu) << 13;
        memcpy(&x, &bits, 4);
    }
    return half & 0x8000u ? -x : x;
}

static void swap_bytes(void *to, const void *from, size_t size)
{
    for (size_t k = 0; k < size; k++) ((char *)to)[k] = ((const char *)from)[size - 1 - k];
}

/* A strided run of one type. memcpy reads unaligned data; the unit stride gets a loop of its own, which vectorises. */
#define READ(ctype, convert)                                              \
    {                                                                     \
        ctype x;                                                          \
        if (op->swapped)                                                  \
            for (ptrdiff_t i = 0; i < n; i++) {                           \
                swap_bytes(&x, at + i * stride, sizeof x);                \
                to[i] = (real)convert(x);                                 \
            }                                                             \
        else if (stride == sizeof x)                                      \
            for (ptrdiff_t i = 0; i < n; i++) {                           \
                memcpy(&x, at + i * (ptrdiff_t)sizeof x, sizeof x);       \
                to[i] = (real)convert(x);                                 \
            }                                                             \
        else if (stride == 2 * sizeof x)                                  \
            for (ptrdiff_t i = 0; i < n; i++) {                           \
                memcpy(&x, at + i * (ptrdiff_t)(2 * sizeof x), sizeof x); \
                to[i] = (real)convert(x);                                 \
            }                                                             \
        else                                                              \
            for (ptrdiff_t i = 0; i < n; i++) {                           \
                memcpy(&x, at + i * stride, sizeof x);                    \
                to[i] = (real)convert(x);                                 \
            }                                                             \
    }                                                                     \
    break;

static void read_run(real *restrict to, const operand *op, const char *at, ptrdiff_t stride, ptrdiff_t n)
{
    switch (op->type) {
    case FLOAT32: READ(float, )
    case FLOAT64: READ(double, )
    case FLOAT16: READ(uint16_t, from_half)
    case LONGDOUBLE: READ(long double, )
    case INT8: READ(int8_t, )
    case INT16: READ(int16_t, )
    case INT32: READ(int32_t, )
    case INT64: READ(int64_t, )
    case UINT8: READ(uint8_t, )
    case UINT16: READ(uint16_t, )
    case UINT32: READ(uint32_t, )
    case UINT64: READ(uint64_t, )
    }
}

#endif
