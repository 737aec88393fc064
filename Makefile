# Two commands do everything on a fresh machine with Python 3.11+, a C compiler and make: `make demo` and `make test`.
# The rest is for contributors; CONTRIBUTING.md has the table.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml CMakeLists.txt $(shell find csrc src -name '*.[ch]' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.py')

.PHONY: demo test test-peers bench bench-compare dashboard lint docs linkcheck wheel wheel-test sanitize fuzz clean

# pip builds the package with its own isolated copy of the build tools; a stamp says what is up to date.
$(VENV)/pip.stamp:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/package.stamp: $(VENV)/pip.stamp $(SOURCES)
	$(BIN)/python -m pip install --quiet .
	touch $@

$(VENV)/%.group: $(VENV)/pip.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --group $*
	touch $@

$(VENV)/%.extra: $(VENV)/package.stamp
	$(BIN)/python -m pip install --quiet ".[$*]"
	touch $@

demo: $(VENV)/demo.extra  ## train real models with losses that the boosters lack
	$(BIN)/python -m fastloss demo

test: $(VENV)/package.stamp $(VENV)/test.group  ## the test suite; tests that need an optional library skip without it
	$(BIN)/python -m pytest

# CPU torch is pinned: an open range would bring a CUDA build of several gigabytes.
test-peers: $(VENV)/package.stamp $(VENV)/peers.group  ## the suite with every optional library installed
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pytest

bench: $(VENV)/package.stamp  ## a compact table of speeds
	$(BIN)/python -m fastloss bench

dashboard: $(VENV)/package.stamp $(VENV)/bench.group  ## a short asv run of every loss, and the HTML dashboard
	cd asv_benchmarks && export FASTLOSS_ASV_QUICK=1 && ../$(BIN)/asv machine --yes && \
	../$(BIN)/asv run -E existing:../$(BIN)/python --set-commit-hash $$(git rev-parse HEAD) && ../$(BIN)/asv publish

lint: $(VENV)/package.stamp $(VENV)/lint.group  ## ruff, mypy, cython-lint, clang-format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint src
	$(BIN)/clang-format --dry-run --Werror csrc/*.[ch] csrc/losses/*.h

bench-compare: $(VENV)/package.stamp $(VENV)/bench.group  ## asv continuous between BASE (main by default) and the last commit
	cd asv_benchmarks && export FASTLOSS_ASV_QUICK=1 && ../$(BIN)/asv machine --yes && \
	../$(BIN)/asv continuous --factor 1.2 $(or $(BASE),main) HEAD

docs: $(VENV)/docs.extra  ## HTML documentation in docs/_build
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

linkcheck: $(VENV)/docs.extra  ## whether the links of the documentation lead somewhere
	$(BIN)/sphinx-build -b linkcheck -D sphinx_gallery_conf.plot_gallery=0 docs docs/_build/linkcheck

# On Linux the wheel takes libgomp in, so that it needs nothing of the machine but its C library.
wheel: $(VENV)/pip.stamp $(VENV)/wheel.group  ## sdist, and a wheel that runs elsewhere, in dist/
	rm -rf dist && $(BIN)/python -m build --outdir dist .
	if [ "$$(uname)" = Linux ]; then \
	  PATH="$(CURDIR)/$(BIN):$$PATH" auditwheel repair --strip -w dist/repaired dist/*.whl && \
	  rm dist/*.whl && mv dist/repaired/*.whl dist && rmdir dist/repaired; fi

wheel-test: wheel  ## both of them in bare environments, with every instruction set of this machine
	PYTHON=$(PYTHON) tools/wheel_test.sh dist/*.whl dist/*.tar.gz

# Builds in build/<kind>, with an environment of their own in which the package has the sanitizers.
sanitize: $(VENV)/pip.stamp  ## the suite under AddressSanitizer and UBSan, then the kernels' threads under ThreadSanitizer
	PYTHON=$(PYTHON) tools/sanitize.sh

fuzz: $(VENV)/package.stamp $(VENV)/test.group  ## a million malformed calls
	$(BIN)/python tools/fuzz.py --calls 1000000

clean:
	rm -rf $(VENV) build dist docs/_build asv_benchmarks/.asv
