#!/usr/bin/env bash
# Installs each distribution into a bare environment, a wheel beside the oldest NumPy that there is for this Python and a
# sdist beside the newest, and runs the fast tests with every instruction set that this machine has.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for distribution in "$@"; do
  rm -rf "$work/env"
  "$python" -m venv "$work/env"
  bin=$work/env/bin
  case $distribution in *.whl) numpy="numpy==2.0.*" ;; *) numpy="numpy" ;; esac
  "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || numpy="numpy"
  "$bin/pip" install --quiet "$distribution" "$numpy"
  (cd "$work" && "$bin/python" -m fastloss info > /dev/null)
  "$bin/pip" install --quiet "pytest>=8" "mpmath>=1.3" "hypothesis>=6.100"
  sets=$(cd "$work" && "$bin/python" -c "from fastloss._core.machine import instruction_sets; print(*instruction_sets())")
  for isa in $sets; do
    echo "$(basename "$distribution"), $isa, NumPy $("$bin/python" -c 'import numpy; print(numpy.__version__)')"
    (cd "$work" && FASTLOSS_ISA=$isa "$bin/python" -m pytest -q -p no:cacheprovider -c "$root/pyproject.toml" --rootdir "$root" \
      "$root"/tests/test_{api,arrays,out,special_values,identities,rows_identities,pairs,ranking,accumulator,testing}.py | tail -1)
  done
done
