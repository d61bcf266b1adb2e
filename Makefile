# make forecast   run the default forecast from nothing and write reports/
# make test       lint, types, import contracts, and the whole test suite
# make bench      measure speed and accuracy beside PySD and pysimlin
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help env test-env forecast test lint bench clean

help:
	@sed -n 's/^# //p' Makefile

env: .venv/installed
test-env: .venv/installed-test

.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit('trilemma needs Python 3.11 or newer; set PYTHON=/path/to/python3.11' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	@touch $@

forecast: env
	$(BIN)/trilemma forecast policy_comparison

lint: test-env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

test: test-env
	$(BIN)/python -m pytest -n 2

bench: test-env
	$(BIN)/python -m tests.benchmarks --write

clean:
	rm -rf .venv .pytest_cache .ruff_cache
