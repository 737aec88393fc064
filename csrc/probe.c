/* What memory allows: two arrays read, none, one or two written, next to no arithmetic. The yardstick of the benchmarks. */
#include "kernels.h"
#include "stream.h"

/* `streaming` needs outputs aligned to 64 bytes. Returns a sum so that reading cannot be optimised away. */
double SYMBOL(probe)(ptrdiff_t n, const real *y, const real *f, real *g, real *h, int streaming)
{
    vector sum[4] = { { 0 } };
    double total = 0;
    ptrdiff_t i = 0;
    if (!g)
        for (; i + 4 * STEP <= n; i += 4 * STEP)
            for (int k = 0; k < 4; k++) sum[k] += vector_at(f + i + k * STEP) - vector_at(y + i + k * STEP);
    else if (streaming && h)
        for (; i + STEP <= n; i += STEP) {
            stream(g + i, vector_at(f + i) - vector_at(y + i));
            stream(h + i, vector_at(f + i) + vector_at(y + i));
        }
    else if (streaming)
        for (; i + STEP <= n; i += STEP) stream(g + i, vector_at(f + i) - vector_at(y + i));
    else if (h)
        for (; i + STEP <= n; i += STEP) {
            *(vector *)(g + i) = vector_at(f + i) - vector_at(y + i);
            *(vector *)(h + i) = vector_at(f + i) + vector_at(y + i);
        }
    else
        for (; i + STEP <= n; i += STEP) *(vector *)(g + i) = vector_at(f + i) - vector_at(y + i);

    for (int k = 0; k < 4; k++)
        for (int j = 0; j < STEP; j++) total += (double)sum[k][j];
    for (; i < n; i++) {
        if (g) g[i] = f[i] - y[i];
        if (h) h[i] = f[i] + y[i];
        if (!g) total += (double)(f[i] - y[i]);
    }
    return total;
}
