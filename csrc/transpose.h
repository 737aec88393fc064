/* Tiles of LANES samples from rows that lie one after the other, and back. */
#ifndef FASTLOSS_TRANSPOSE_H
#define FASTLOSS_TRANSPOSE_H

#include "rows.h"

#include <string.h>

/* Squares of SIDE x SIDE in registers of 16 bytes, which every instruction set has. */
enum { SIDE = 16 / sizeof(real) };
typedef real square_row __attribute__((vector_size(16)));
typedef real_bits real_mask __attribute__((vector_size(16)));
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (real_mask){ __VA_ARGS__ })
#endif

#ifdef FASTLOSS_F32
INLINE void transpose_square(square_row *r)
{
    const square_row a = SHUFFLE(r[0], r[1], 0, 4, 1, 5);
    const square_row b = SHUFFLE(r[0], r[1], 2, 6, 3, 7);
    const square_row c = SHUFFLE(r[2], r[3], 0, 4, 1, 5);
    const square_row d = SHUFFLE(r[2], r[3], 2, 6, 3, 7);
    r[0] = SHUFFLE(a, c, 0, 1, 4, 5);
    r[1] = SHUFFLE(a, c, 2, 3, 6, 7);
    r[2] = SHUFFLE(b, d, 0, 1, 4, 5);
    r[3] = SHUFFLE(b, d, 2, 3, 6, 7);
}
#else
INLINE void transpose_square(square_row *r)
{
    const square_row a = r[0];
    r[0] = SHUFFLE(a, r[1], 0, 2);
    r[1] = SHUFFLE(a, r[1], 1, 3);
}
#endif

/* A square whose rows are `from_stride` bytes apart, transposed to rows `to_stride` bytes apart. */
INLINE void move_square(const char *from, ptrdiff_t from_stride, char *to, ptrdiff_t to_stride)
{
    square_row r[SIDE];
    for (int i = 0; i < SIDE; i++) memcpy(&r[i], from + i * from_stride, 16);
    transpose_square(r);
    for (int i = 0; i < SIDE; i++) memcpy(to + i * to_stride, &r[i], 16);
}

/* LANES rows of `classes` entries to [class][lane], and back. Rows are followed to their ends, a few at a time, as prefetchers
 * like it; the last square overlaps the one before where classes % SIDE != 0. */
INLINE void transpose(ptrdiff_t classes, int in, char *rows, ptrdiff_t stride, char *tile_)
{
    const ptrdiff_t size = sizeof(real), across = LANES * size;
    for (int l = 0; l < LANES; l += SIDE) {
        char *row = rows + l * stride, *column = tile_ + l * size;
        ptrdiff_t k = 0;
        for (; classes >= SIDE && k < classes; k += SIDE) {
            const ptrdiff_t at = k + SIDE <= classes ? k : classes - SIDE;
            if (in) move_square(row + at * size, stride, column + at * across, across);
            else move_square(column + at * across, across, row + at * size, stride);
        }
        for (; k < classes; k++)
            for (int i = 0; i < SIDE; i++)
                if (in) memcpy(column + k * across + i * size, row + i * stride + k * size, sizeof(real));
                else memcpy(row + i * stride + k * size, column + k * across + i * size, sizeof(real));
    }
}

INLINE void transpose_in(const char *rows, ptrdiff_t stride, ptrdiff_t classes, real *to)
{
    transpose(classes, 1, (char *)rows, stride, (char *)to);
}
INLINE void transpose_out(const real *from, ptrdiff_t classes, char *rows, ptrdiff_t stride)
{
    transpose(classes, 0, rows, stride, (char *)from);
}

#endif
