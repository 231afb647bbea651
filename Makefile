# Each target first makes .venv and installs into it, unless that is done and up to date.
# PYTHON: the interpreter to build .venv from. TORCH_INDEX: see README. ARGS: more for pytest.
# JOBS: notebooks, or processes that share the tests, at a time (default: the processors, at most 8).
# NOTEBOOK: a number, for slides; NOTEBOOKS: several, for portable (default all) and colab (default 00
# 03), which takes the first word of a page's name too: measure.
# PROCESSORS: which of them to simulate (default all). OFFLINE=1: a book that needs no network.
PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); \
  [ $$n -le 8 ] && echo $$n || echo 8)
NOTEBOOK ?= 04
NOTEBOOKS ?=
PROCESSORS ?=
OFFLINE ?=
REPOSITORY ?=
BIN = .venv/bin
# One thread: results and timings do not depend on the number of cores.
ONE = export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1;

.PHONY: help quick notebooks test portable lab bench book book-test slides publish-check colab

help:
	@echo "make quick       run notebooks 00 and 04 against their stored outputs, print their verdicts"
	@echo "make notebooks   re-run every notebook and print the table of verdicts (about 7 min)"
	@echo "make test        run all tests, with every notebook against its stored outputs (about 8 min)"
	@echo "make portable    run notebooks under simulated processors: NOTEBOOKS='17 20' PROCESSORS='nehalem zen'"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make bench       measure the cost ratios"
	@echo "make book        build the web site from the stored outputs (OFFLINE=1: with its own KaTeX)"
	@echo "make book-test   build it offline and look at every page in headless Chromium"
	@echo "make slides      slides of one notebook, or the deck of its lesson: NOTEBOOK=04"
	@echo "make publish-check   write the public address: REPOSITORY=https://github.com/NAME/REPO"
	@echo "make colab       run notebooks as Colab would, without a checkout: NOTEBOOKS='00 03'"

quick: .venv/.installed
	$(ONE) $(BIN)/python -m pytest -q -n $(JOBS) notebooks/00_*.ipynb notebooks/04_*.ipynb
	@echo "What they claim:"
	@$(BIN)/python -m verdicts table 00 04

notebooks: .venv/.installed
	$(ONE) $(BIN)/python -m verdicts run --jobs $(JOBS)

test: .venv/.installed
	$(ONE) $(BIN)/python -m pytest -n $(JOBS) $(ARGS)

# Sets its own threads: a processor is its variables.
portable: .venv/.installed
	$(BIN)/python -m verdicts portable $(NOTEBOOKS) --jobs $(JOBS) \
	  $(if $(PROCESSORS),--processors $(PROCESSORS))

lab: .venv/.installed
	$(BIN)/jupyter lab notebooks

bench: .venv/.installed
	$(ONE) $(BIN)/python benchmarks/ratios.py && $(BIN)/python benchmarks/growth.py \
	  && $(BIN)/python benchmarks/durations.py

book: .venv/.book
	$(ONE) $(BIN)/python book/build.py $(if $(OFFLINE),--offline)

# Its own settings: these are not the library's tests, and no notebook is run.
book-test: .venv/.book
	$(ONE) $(BIN)/python book/build.py --offline
	$(BIN)/python -m pytest -o addopts= -p no:cacheprovider -n $(JOBS) book/test_browser.py $(ARGS)

slides: .venv/.installed
	$(BIN)/python book/slides.py $(NOTEBOOK)

# Writes the public address everywhere, and says what does not fit yet.
publish-check: .venv/.installed
	$(BIN)/python -m verdicts publish $(REPOSITORY)

colab:
	$(PYTHON) tests/colab/simulate.py $(or $(NOTEBOOKS),00 03)

.venv/.book: .venv/.installed book/requirements.txt
	$(BIN)/python -m pip install -q -r book/requirements.txt -c constraints.txt
	touch $@

# With TORCH_INDEX only torch itself comes from there: an index of torch builds need not have the
# pinned versions of what torch depends on.
.venv/.installed: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "Installing into .venv, which takes a few minutes once ..."
	$(PYTHON) -m venv .venv
	if [ -n "$(TORCH_INDEX)" ]; then \
	  $(BIN)/python -m pip install -q torch --no-deps -c constraints.txt --index-url "$(TORCH_INDEX)"; fi
	$(BIN)/python -m pip install -q -r requirements.txt -c constraints.txt
	touch $@
