#!/usr/bin/env bash
# Compiles the kernels and tools/threads.c with ThreadSanitizer and runs them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/threads
mkdir -p "$build"
flags="-std=gnu11 -O2 -g -fsanitize=thread -fopenmp-simd -fno-math-errno -fno-trapping-math -fno-signed-zeros -ffp-contract=off -I$root/csrc"
sources=$(sed -n '/OBJECT csrc/,/)/p' "$root/CMakeLists.txt" | grep -o 'csrc/[a-z_]*\.c')
objects=
compile() { # instruction set, its flag
  for source in $sources; do
    for type in f32 f64; do
      object=$build/$(basename "$source" .c)_${type}_$1.o
      define=$([ $type = f32 ] && echo -DFASTLOSS_F32 || true)
      gcc $flags $2 $define -DFASTLOSS_ISA=$1 -c "$root/$source" -o "$object"
      objects="$objects $object"
    done
  done
}
case $(uname -m) in
  x86_64)
    compile baseline ""
    compile avx2 -march=x86-64-v3
    compile avx512 "-march=x86-64-v4 -mprefer-vector-width=512"
    ;;
  aarch64) compile neon "" ;;
  *) compile baseline "" ;;
esac
gcc $flags "$root/csrc/dispatch.c" "$root/tools/threads.c" $objects -o "$build/threads" -lm -lpthread
"$build/threads"
