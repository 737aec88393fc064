#!/usr/bin/env bash
# The suite under AddressSanitizer and UndefinedBehaviorSanitizer, fuzzing in the same build, and a harness of threads in C
# under ThreadSanitizer. SUITE and CALLS make it shorter.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
build=$root/build/sanitize
[ -d "$build/env" ] || "$python" -m venv "$build/env"
bin=$build/env/bin
"$bin/pip" install --quiet --upgrade "pip>=25.1"
"$bin/pip" install --quiet --group "$root/pyproject.toml:test"
"$bin/pip" install --quiet --force-reinstall --no-deps -C build-dir="$build/{wheel_tag}" -C cmake.build-type=RelWithDebInfo \
  -C cmake.define.FASTLOSS_SANITIZE=address,undefined "$root"

# The interpreter is not instrumented: the runtime comes first, its leaks are its own, malloc makes every array a block of its own.
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONMALLOC=malloc
cd "$root"
"$bin/python" -m pytest -q -p no:cacheprovider ${SUITE:-tests} \
  --deselect tests/test_disassembly.py --ignore tests/test_doctests.py --ignore tests/test_bench.py
"$bin/python" tools/fuzz.py --calls "${CALLS:-200000}"
unset LD_PRELOAD
tools/thread_sanitizer.sh
