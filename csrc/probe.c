/* What memory allows: two arrays read, none, one or two written, next to no arithmetic. The yardstick of the benchmarks. */
#include "kernels.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) && defined(FASTLOSS_F32)
#define STREAM(to, x) _mm512_stream_ps(to, x)
#elif defined(__AVX512F__)
#define STREAM(to, x) _mm512_stream_pd(to, x)
#elif defined(__AVX__) && defined(FASTLOSS_F32)
#define STREAM(to, x) _mm256_stream_ps(to, x)
#elif defined(__AVX__)
#define STREAM(to, x) _mm256_stream_pd(to, x)
#elif defined(__SSE2__) && defined(FASTLOSS_F32)
#define STREAM(to, x) _mm_stream_ps(to, x)
#elif defined(__SSE2__)
#define STREAM(to, x) _mm_stream_pd(to, x)
#endif

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
typedef real vector __attribute__((vector_size(WIDTH), aligned(sizeof(real)), may_alias));

/* `stream` needs outputs aligned to WIDTH bytes. Returns a sum so that reading cannot be optimised away. */
double SYMBOL(probe)(ptrdiff_t n, const real *y, const real *f, real *g, real *h, int stream)
{
    enum { STEP = WIDTH / sizeof(real) };
    vector sum[4] = { { 0 } };
    ptrdiff_t i = 0;
    if (!g)
        for (; i + 4 * STEP <= n; i += 4 * STEP)
            for (int k = 0; k < 4; k++) sum[k] += *(const vector *)(f + i + k * STEP) - *(const vector *)(y + i + k * STEP);
#ifdef STREAM
    else if (stream && h)
        for (; i + STEP <= n; i += STEP) {
            const vector a = *(const vector *)(f + i), b = *(const vector *)(y + i);
            STREAM(g + i, a - b);
            STREAM(h + i, a + b);
        }
    else if (stream)
        for (; i + STEP <= n; i += STEP) STREAM(g + i, *(const vector *)(f + i) - *(const vector *)(y + i));
#endif
    else if (h)
        for (; i + STEP <= n; i += STEP) {
            const vector a = *(const vector *)(f + i), b = *(const vector *)(y + i);
            *(vector *)(g + i) = a - b;
            *(vector *)(h + i) = a + b;
        }
    else
        for (; i + STEP <= n; i += STEP) *(vector *)(g + i) = *(const vector *)(f + i) - *(const vector *)(y + i);
    double total = 0;
    for (int k = 0; k < 4; k++)
        for (int j = 0; j < STEP; j++) total += (double)sum[k][j];
    for (; i < n; i++) {
        if (g) g[i] = f[i] - y[i];
        if (h) h[i] = f[i] + y[i];
        if (!g) total += (double)(f[i] - y[i]);
    }
    (void)stream;
    return total;
}
