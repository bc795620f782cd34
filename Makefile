# Nightlatch. `make help` lists what there is; each command does its own set-up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COVERAGE := $(BIN)/coverage
# Least branch coverage in per cent, where everything is run; an empty one is reported and not enforced.
DOMAIN_COVERAGE ?= $(if $(TESTS),,100)
WORKFLOWS_COVERAGE ?= $(if $(TESTS),,100)
# The lock takes no release younger than this: most bad ones are found and withdrawn within days.
COOL_DOWN_DAYS ?= 8
# What `make test` runs: everything, unless you name files; and in how many processes, each with servers of its own.
TESTS ?=
PROCESSES ?= 4
# The size of a storm that is played by its number.
LEASES ?= 60
MINUTES ?= 5

# Tests start hundreds of processes, and each workflow imports its modules anew: none shall compile them once more.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: demo up down test lint types unit workflows contract chaos replay drill-sdk bench lock clean help

demo: $(READY) ## Play one request from asking to proven revocation, live; options in ARGS, for example ARGS=--keep
	@$(BIN)/python -m starter.demo $(ARGS)

up: $(READY) ## Start the embedded stack, leave it running, and print its addresses
	@$(BIN)/nightlatch dev up

down: $(READY) ## Stop the embedded stack
	@$(BIN)/nightlatch dev down

test: lint ## Everything that CI runs: lint, types (beside the tests), import rules, every test, coverage
	@$(BIN)/mypy --no-error-summary >$(VENV)/mypy.log 2>&1 & types=$$!; \
	{ $(BIN)/python -m pytest --numprocesses=$(PROCESSES) --dist=loadscope --no-loadscope-reorder --cov --cov-report= $(TESTS); echo $$? >$(VENV)/pytest.status; } 2>&1 | tee $(VENV)/pytest.log; \
	wait $$types || { cat $(VENV)/mypy.log; exit 1; }
	@exit $$(cat $(VENV)/pytest.status)
	$(call covered,domain,$(DOMAIN_COVERAGE))
	$(call covered,workflows,$(WORKFLOWS_COVERAGE))
	@tail -n 1 $(VENV)/pytest.log

define covered
@$(COVERAGE) report --precision=2 --include='$(1)/*' $(if $(2),--fail-under=$(2)) >$(VENV)/coverage.log || { cat $(VENV)/coverage.log; exit 1; }
@echo "$(1)/: $$($(COVERAGE) report --precision=2 --include='$(1)/*' --format=total) % covered, branches included"
endef

lint: $(READY) ## Style, format and import rules
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/lint-imports >$(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }

types: $(READY) ## Strict types
	@$(BIN)/mypy --no-error-summary

unit: $(READY) ## Tests of the domain, the activities and the bridge
	@$(BIN)/python -m pytest tests/domain tests/activities tests/bridge

workflows: $(READY) ## Tests of the workflows, in skipped time
	@$(BIN)/python -m pytest tests/workflows

contract: $(READY) ## Adapters and sandbox against one suite, and against the official API descriptions where they are at hand
	@$(BIN)/python -m pytest tests/contract

chaos: $(READY) ## Kill at every point there is, flood and confuse, and tell how soon access was gone (half an hour); or one storm of everything: make chaos SEED=1 LEASES=60 MINUTES=5
ifdef SEED
	@$(BIN)/python -m tests.chaos.seeded --seed $(SEED) --leases $(LEASES) --minutes $(MINUTES) --report .nightlatch/chaos
else
	@NIGHTLATCH_ALL_KILL_POINTS=1 $(BIN)/python -m pytest -p tests.figures tests/chaos \
		tests/workflows/test_operators.py tests/workflows/test_hostile_messages_in_masses.py
endif

replay: $(READY) ## Recorded histories against the present workflows
	@$(BIN)/python -m pytest tests/replay

drill-sdk: $(READY) ## Recorded histories and deploys under another Temporal SDK: make drill-sdk SDK=1.34.0
	@$(BIN)/python -m tests.replay.drill_sdk $(SDK)

bench: $(READY) ## Nightlatch beside bare Temporal, short form; FULL=1 takes the figures that are kept, for hours
	@$(BIN)/python -m bench

lock: $(READY) ## Choose the versions of every package anew, each at least a week old
	@$(BIN)/uv pip compile pyproject.toml --quiet --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header \
		--exclude-newer "$$($(BIN)/python -c 'import datetime as d; print((d.datetime.now(d.UTC) - d.timedelta(days=$(COOL_DOWN_DAYS))).strftime("%Y-%m-%dT00:00:00Z"))')" \
		-o requirements.lock

clean: ## Stop the stack, and remove all that was made here, the virtual environment too
	@if [ -x $(BIN)/nightlatch ]; then $(BIN)/nightlatch dev down; fi
	@rm -rf .nightlatch .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info $(VENV)

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Made again only when the lock or the project's own metadata change.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Nightlatch needs Python 3.11 or newer, and '$(PYTHON)' is not: run make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(READY)
