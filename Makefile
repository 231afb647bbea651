# Each target first makes .venv and installs into it, unless that is done and up to date.
# PYTHON: the interpreter to build .venv from. TORCH_INDEX: see README. ARGS: more for pytest.
# RUNNER: what runs pytest. Coverage must start before pytest does, or the plugin's lines are missed.
PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
RUNNER ?= -m
BIN = .venv/bin
# One thread: results and timings do not depend on the number of cores.
ONE = export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1;

.PHONY: help notebooks test lab bench

help:
	@echo "make notebooks   re-run every notebook and print the table of verdicts"
	@echo "make test        run all tests, with every notebook against its stored outputs"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make bench       measure the cost ratios"

notebooks: .venv/.installed
	$(ONE) $(BIN)/python -m verdicts run

test: .venv/.installed
	$(ONE) $(BIN)/python $(RUNNER) pytest $(ARGS)

lab: .venv/.installed
	$(BIN)/jupyter lab notebooks

bench: .venv/.installed
	$(ONE) $(BIN)/python benchmarks/ratios.py

# With TORCH_INDEX only torch itself comes from there: an index of torch builds need not have the
# pinned versions of what torch depends on.
.venv/.installed: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	if [ -n "$(TORCH_INDEX)" ]; then \
	  $(BIN)/python -m pip install torch --no-deps -c constraints.txt --index-url "$(TORCH_INDEX)"; fi
	$(BIN)/python -m pip install -r requirements.txt -c constraints.txt
	touch $@
