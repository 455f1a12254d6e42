# make demo | make test | make check | make cover | make mutation | make screens     (a .venv is made on first use)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYX := $(wildcard */*/*.pyx)
CORE := $(PYX) $(wildcard */*/*.pxd dsp/kernels/*.h)
MODULES := $(foreach f,$(PYX),$(notdir $(patsubst %/,%,$(dir $f))).$(basename $(notdir $f)))

demo: .venv/installed
	stimloop demo

test: .venv/installed
	pytest

check: .venv/installed
	ruff check .
	ruff format --check .
	cython-lint --max-line-length 96 $(filter %.pyx %.pxd,$(CORE))
	mypy
	stubtest $(MODULES) --mypy-config-file pyproject.toml --allowlist stubtest.txt
	lint-imports
	codespell

cover: .venv/installed
	TRACE=1 pip install --quiet --force-reinstall --no-deps --editable .
	pytest --cov
	@touch setup.py

# Mutants are made in a copy where every package stands at the top, as their names expect.
mutation: .venv/installed
	pip install --quiet --disable-pip-version-check --editable '.[mutation]'
	rm -rf build/mutation
	mkdir -p build/mutation
	cp -r dsp/stimloop_dsp hardware/stimloop_hw firmware_sim/stimloop_sim host/stimloop \
		tests examples pyproject.toml build/mutation
	cd build/mutation && nice -n 19 mutmut run --max-children 1
	cd build/mutation && mutmut results

# Every page of the programmer in every theme, into docs/screens; takes some minutes.
screens: .venv/installed
	QT_QPA_PLATFORM=offscreen python -m benchmarks.screens

.venv: .venv/installed

# A stamp of its own: a venv whose installation failed is not mistaken for a finished one.
.venv/installed: pyproject.toml setup.py $(CORE)
	test -d .venv || python3 -m venv .venv
	pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.PHONY: demo test check cover mutation screens .venv
