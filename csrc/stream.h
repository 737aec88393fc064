/* Vectors of the widest kind of the instruction set, and stores that bypass the cache: for outputs that do not fit into it. */
#ifndef FASTLOSS_STREAM_H
#define FASTLOSS_STREAM_H

#include "real.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { WIDTH = 64 };
#elif defined(__AVX__)
enum { WIDTH = 32 };
#else
enum { WIDTH = 16 };
#endif

typedef real vector __attribute__((vector_size(WIDTH), aligned(sizeof(real)), may_alias));
enum { STEP = WIDTH / sizeof(real) };

INLINE vector vector_at(const real *x) { return *(const vector *)x; }

/* `to` is aligned to WIDTH bytes. */
INLINE void stream(real *to, vector x)
{
#if defined(__AVX512F__)
    _mm512_stream_si512((void *)to, (__m512i)x);
#elif defined(__AVX__)
    _mm256_stream_si256((__m256i *)to, (__m256i)x);
#elif defined(__SSE2__)
    _mm_stream_si128((__m128i *)to, (__m128i)x);
#else
    *(vector *)to = x;
#endif
}

/* x scale past the cache: ordinary stores up to a line of 64 bytes, whole vectors after it. */
static void stream_scaled(ptrdiff_t n, const real *x, real scale, real *to)
{
    ptrdiff_t i = 0;
    for (; i < n && ((uintptr_t)(to + i) & 63); i++) to[i] = x[i] * scale;
    for (; i + STEP <= n; i += STEP) stream(to + i, vector_at(x + i) * scale);
    for (; i < n; i++) to[i] = x[i] * scale;
}

#endif
