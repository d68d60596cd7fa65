# Everything here works in a fresh clone with Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test proof lint bench history changes torture readme lock clean
.DEFAULT_GOAL := help

help:  ## list what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## take 14 daily snapshots of an emulated fleet and answer four questions from them
	@$(BIN)/python -m flows.demo

PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test: $(READY)  ## run the tests, lint and type check
	@$(PYTEST) -m "not long"

proof: $(READY)  ## run the tests that take their time: more histories, versions, wrong protocols
	@$(PYTEST) -m long

torture: $(READY)  ## kill writers hundreds of times while readers check, on a disk and S3 (KILLS=…; ten minutes)
	@$(BIN)/python -m tests.torture --s3 --kills $(or $(KILLS),300)

lint: $(READY)  ## format, then check style and types
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

bench: $(READY)  ## measure a run over 100,000 emulated builds (BUILDS=… for another number)
	@$(BIN)/python -m tests.bench.snapshot $(or $(BUILDS),100000)

history: $(READY)  ## measure the views over 1,500 dates and 10 million builds (about 6 minutes)
	@$(BIN)/python -m tests.bench.history

changes: $(READY)  ## measure a year of history beside window functions (365 × 100,000 builds; 15 minutes)
	@$(BIN)/python -m tests.bench.changes

readme: $(READY)  ## write the README's generated parts and the demo's answers into it
	@$(BIN)/python -m tests.readme

lock: $(READY)  ## write requirements.lock and, for the container, requirements-run.lock anew
	@printf 'duckdb==1.5.5\n' > $(VENV)/pins.txt  # the version that everything is developed on
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --group dev -c $(VENV)/pins.txt -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --extra s3 --group package -c requirements.lock \
	  -o requirements-run.lock pyproject.toml

clean:  ## remove the environment, caches and the demo's data
	rm -rf $(VENV) data/demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An unfinished installation leaves no stamp, so that the next call begins anew.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "imagelake needs Python 3.11 or newer; try make PYTHON=python3.12" >&2; exit 1; }
	@rm -rf $(VENV)
	@echo "installing into $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@
