# make demo: train, score and look at a real model, from nothing, in about ten minutes on two cores.
# make test: every check that a change has to pass.
# make docs: a site of docs/, in build/docs/site, that loads nothing from other hosts.
# All set up what they need in .venv, here.
# make bench-train, make bench-translate: measure speed beside other systems (docs/benchmarks.md), half an hour each.
# make bench-budget: BLEU after 10 and after 20 minutes of training.
# make bench-growth: how time and memory grow with the corpus and with the length of its sentences.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
# Flags for the demo, such as DEMO="--help"
DEMO ?=
# CI measures how much of the package the tests run, too, which takes a third longer.
COVERAGE := $(if $(filter true,$(CI)),--cov=translate --cov-report=term:skip-covered --cov-fail-under=90)
# Flags for a benchmark, such as BENCH="--corpus data/multi30k_de_en"
BENCH ?=

.PHONY: help demo test docs bench-train bench-translate bench-budget bench-start bench-growth clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# //p' Makefile | head -7

demo: $(VENV)/demo.stamp
	@$(BIN)/seq2see demo --config configs/demo.yaml $(DEMO)

test: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)

docs: $(VENV)/docs.stamp
	$(BIN)/python docs/build_site.py

bench-train bench-translate: bench-%: $(VENV)/demo.stamp
	$(BIN)/python benchmarks/$*_speed.py $(BENCH)
	$(BIN)/python benchmarks/speed_tables.py

bench-budget bench-start bench-growth: bench-%: $(VENV)/demo.stamp
	$(BIN)/python benchmarks/$*.py $(BENCH)
	$(BIN)/python benchmarks/speed_tables.py

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .mypy_cache .ruff_cache .hypothesis

# A stamp is written last: what Ctrl-C interrupts is done again.
$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit("seq2see needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] \
	  + ": make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@echo "making $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/demo.stamp: $(VENV)/made.stamp pyproject.toml
	@echo "installing seq2see and what it needs (a minute or two) ..."
	@$(INSTALL) -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/made.stamp pyproject.toml
	@echo "installing seq2see, what it needs, and what its tests need (a minute or two) ..."
	@$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/demo.stamp

$(VENV)/docs.stamp: $(VENV)/made.stamp pyproject.toml
	@echo "installing seq2see and what makes its site (a minute or two) ..."
	@$(INSTALL) -e ".[docs]"
	@touch $@ $(VENV)/demo.stamp
