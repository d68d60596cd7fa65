# Everything here works in a fresh clone with Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

SUPERSET := $(VENV)/superset
SUPERSET_READY := $(SUPERSET)/.ready

.PHONY: help demo superset test slow proof guard superset-test lint bench history changes charts torture fuzz fuzz-decoder readme \
  dashboards versions audit lock superset-lock clean
.DEFAULT_GOAL := help

help:  ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## take 14 daily snapshots of an emulated fleet and answer four questions from them
	@$(BIN)/python -m flows.demo

superset: $(SUPERSET_READY)  ## show the demo's fleet in Superset, on 127.0.0.1 until Ctrl-C (PORT=8088)
	@exec $(BIN)/python -m flows.superset.serving $(PORT)

# one more than there are cores: many a test waits for a server; on two cores a quarter less time
WORKERS := $(shell $(PYTHON) -c "import os; print(len(getattr(os, 'sched_getaffinity', lambda _: range(os.cpu_count() or 1))(0)) + 1)")
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(READY)  ## run the tests, lint and type check (4 minutes)
	@$(PYTEST) -m "not slow and not long and not superset"

slow: $(READY)  ## run the tests of the same promises on a broader front (8 minutes)
	@$(PYTEST) -m "slow and not long"

proof: $(READY)  ## run the tests that take their time: more histories, versions, wrong protocols
	@$(PYTEST) -m long

superset-test: $(SUPERSET_READY)  ## run the tests of the dashboards, in Superset and a browser (3 minutes)
	@$(BIN)/python -m pytest -m superset tests/test_superset.py

torture: $(READY)  ## kill writers hundreds of times while readers check, on a disk and S3 (KILLS=…; ten minutes)
	@$(BIN)/python -m tests.torture --s3 --kills $(or $(KILLS),300)

fuzz: $(READY)  ## make up answers and histories, compare what comes of them (BUILDS=…, HISTORIES=…; an hour)
	@$(BIN)/python -m tests.fuzz --builds $(or $(BUILDS),100000) --histories $(or $(HISTORIES),50)

FUZZER := $(VENV)/atheris

fuzz-decoder:  ## fuzz the decoder of pages, guided by coverage (SECONDS=…; ten minutes; Python 3.11 to 3.13)
	@test -e $(FUZZER)/.ready || { $(PYTHON) -m venv --clear $(FUZZER) && \
	  $(FUZZER)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --require-hashes -r tests/fuzz/decoder.lock && touch $(FUZZER)/.ready; }
	@$(FUZZER)/bin/python -m tests.fuzz.guided -max_total_time=$(or $(SECONDS),600)

lint: $(READY)  ## format, then check style and types
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

guard: $(READY)  ## hold what a run costs against the kept results of make bench (under a minute)
	@$(BIN)/python -m tests.bench.guard

BENCH := $(VENV)/bench
given = $(if $(filter undefined,$(origin $1)),,$2 '$($1)')  # also where it is given as empty

bench: $(BENCH)/.ready  ## compare with boto3, pandas, DuckDB, dlt; KEEP=1 for the README (BRIEF=1 SIZES= ALONE= ROUNDS=)
	@$(BIN)/python -m tests.bench.compare --python $(BENCH)/bin/python $(if $(BRIEF),--brief) \
	  $(call given,SIZES,--sizes) $(call given,ALONE,--alone) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(KEEP),--keep)

history: $(READY)  ## measure the views over 1,500 dates and 10 million builds (about 6 minutes)
	@$(BIN)/python -m tests.bench.history

changes: $(READY)  ## measure a year of history beside window functions (365 × 100,000 builds; 15 minutes)
	@$(BIN)/python -m tests.bench.changes

charts: $(SUPERSET_READY)  ## measure each chart of the dashboards on that year of history (10 minutes)
	@$(BIN)/python -m tests.bench.dashboards

readme: $(READY)  ## write the README's generated parts and the demo's answers into it, and the columns of views
	@$(BIN)/python -m tests.readme

versions: $(READY)  ## run what a library can break under the lowest and newest allowed (NAMES= BRIEF=1; ten minutes)
	@$(BIN)/python -m tests.versions $(if $(BRIEF),--brief) $(NAMES)

audit: $(READY)  ## keep the list of dependencies with the lock, and ask pip-audit where it is installed
	@PATH=$(BIN):$$PATH $(BIN)/python -m tests.audit

dashboards: $(READY)  ## write data/superset from the dashboards that flows/superset declares
	@$(BIN)/python -m flows.superset.declared

lock: $(READY)  ## write requirements.lock, the container's and the benchmark's anew
	@printf 'duckdb==1.5.5\n' > $(VENV)/pins.txt  # the version that everything is developed on
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --group dev -c $(VENV)/pins.txt -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --extra s3 --extra otel --group package -c requirements.lock \
	  -o requirements-run.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --group bench -c requirements.lock -o tests/bench/requirements.lock

superset-lock: $(READY)  ## write data/superset/requirements.lock anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --only-binary :all: --override data/superset/overrides.in \
	  -o data/superset/requirements.lock data/superset/requirements.in
	printf 'atheris==3.0.0\nmsgspec\npyarrow\n' > $(VENV)/fuzzer.txt  # 3.1.0 has no wheel for 3.11
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate -c requirements.lock -o tests/fuzz/decoder.lock $(VENV)/fuzzer.txt

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

# With pip where uv cannot: it knows of the indexes in pip's own configuration.
$(SUPERSET_READY): data/superset/requirements.lock | $(READY)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || \
	  { echo "Superset 6.1 needs Python 3.11 or 3.12; try make superset PYTHON=python3.12" >&2; exit 1; }
	@rm -rf $(SUPERSET)
	@echo "installing Superset into $(SUPERSET) (once; 700 MB)"
	@$(PYTHON) -m venv --without-pip $(SUPERSET)
	@$(BIN)/uv pip install --quiet --python $(SUPERSET)/bin/python --no-deps --require-hashes \
	  --only-binary :all: -r $< || \
	  $(BIN)/python -m pip --python $(SUPERSET)/bin/python install --quiet --disable-pip-version-check \
	  --no-deps --require-hashes --only-binary :all: -r $<
	@touch $@

$(BENCH)/.ready: $(READY) tests/bench/requirements.lock
	@rm -rf $(BENCH)
	@echo "installing what is compared with into $(BENCH) (once)"
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes -r tests/bench/requirements.lock > $(BENCH)/install.log 2>&1 || \
	  { echo "make bench: what is compared with cannot be installed: $$(grep -m1 ^ERROR $(BENCH)/install.log \
	    || echo "see $(BENCH)/install.log")" >&2; exit 1; }
	@touch $@
