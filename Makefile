# Everything that is done in a checkout. `make` alone says what there is.

PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
# Hosts of tests are in a group of this name: another name lets two runs on one machine stay out of each other's way.
export SWITCHYARD_TEST_GROUP ?= molecule
export SWITCHYARD_TEST_STARTED := $(shell date +%s)
# Tools that call others (molecule, ansible-lint) find those of .venv.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

scenario ?= default

# The tests wait for hosts as often as they compute. Those of a file share their hosts, so they stay together. The unit
# tests come last: with files of seconds both processes end at the same time.
BESIDE := --numprocesses=2 --dist=loadfile --no-loadscope-reorder

.PHONY: help venv demo demo-down test test-all servers matrix checks lint lint-and-testbed unit molecule bench bench-serving bench-hosts bench-log docs terminal build clean testbed-ready

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- what everything else runs in

venv: .venv/dev ## have all tools for lint and tests in .venv

# The stamps name what is installed: for the demo ansible-core alone, for work on the collection all of it.
.venv/dev: requirements-dev.txt .venv/created
	@echo "installing requirements-dev.txt into .venv …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint $< uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement $<
	@$(BIN)/python testbed/collection.py community.postgresql community.general
	@touch .venv/demo $@

.venv/demo: requirements-dev.txt .venv/created
	@echo "installing ansible-core into .venv …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint $< ansible-core
	@touch $@

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "This needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(PYTHON) testbed/testbed setup python3-venv
	@$(PYTHON) -m venv .venv
	@touch $@

# ---- see it work

demo: .venv/demo ## deploy the example to a Debian host on this machine [serve_mode=asgi|wsgi] [release_retry=true] [DEMO_PORT=n]
	@$(PYTHON) testbed/demo $(if $(serve_mode),--serve-mode=$(serve_mode)) $(if $(release_retry),--release-retry) $(if $(DEMO_PORT),--port=$(DEMO_PORT))

demo-down: ## remove the demo: its host, its network, its key, its inventory
	@$(PYTHON) testbed/testbed down demo
	@rm -rf .demo

# ---- tests

test: lint-and-testbed ## lint, unit tests, and those scenarios that say the most (half an hour)
	@$(BIN)/pytest $(BESIDE) -m 'not full'

test-all: lint-and-testbed checks docs ## all of it: every scenario, on each Debian release, and the documentation as a site
	@$(PYTHON) testbed/testbed image trixie --warm
	@$(BIN)/pytest

# Most of lint computes on one core, most of the testbed waits for downloads.
lint-and-testbed: .venv/dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint testbed-ready

servers: testbed-ready ## try every app server on each Debian release, and write the table of docs/servers.md (half an hour)
	@$(PYTHON) testbed/testbed image trixie --warm
	@rm -rf tests/output/servers
	@$(BIN)/pytest tests/integration/test_servers.py -k matrix
	@$(BIN)/python tests/integration/server_table.py

matrix: testbed-ready ## try each ansible-core on each Python with each Debian release, and write the table of docs/matrix.md (half an hour)
	@$(PYTHON) testbed/testbed image trixie --warm
	@rm -rf tests/output/matrix
	@$(BIN)/pytest tests/integration/test_matrix.py
	@$(BIN)/python tests/integration/matrix_table.py

LINTERS := yamllint ruff mypy ansible-lint changelog workflow

lint: $(LINTERS:%=lint-%) ## yamllint, ruff, mypy, ansible-lint, changelog, workflow

$(LINTERS:%=lint-%): lint-%: .venv/dev
	@echo "lint: $*"
	@$(LINT_$*)

LINT_yamllint     = $(BIN)/yamllint --strict .
LINT_ruff         = $(BIN)/ruff check --quiet --output-format=concise
LINT_mypy         = $(BIN)/mypy --no-error-summary; $(BIN)/mypy --no-error-summary --python-version 3.11 testbed/*.py
LINT_ansible-lint = $(BIN)/ansible-lint -q --strict
LINT_changelog    = $(BIN)/antsibull-changelog lint
LINT_workflow     = $(BIN)/zizmor --quiet --offline --pedantic .github/workflows

checks: .venv/dev ## what a published collection has to pass: antsibull-docs, galaxy-importer, ansible-test sanity [core=2.21|none]
	@$(PYTHON) testbed/testbed setup shellcheck
	@$(BIN)/python tests/checks.py $(if $(core),--core=$(core))

unit: .venv/dev ## unit tests alone (seconds, no hosts)
	@$(BIN)/pytest $(BESIDE) tests/unit testbed

molecule: .venv/dev testbed-ready ## one scenario on fresh hosts, all its output in sight [scenario=default]
	@$(PYTHON) testbed/testbed down $(SWITCHYARD_TEST_GROUP)
	@$(BIN)/molecule --base-config .config/molecule/config.yml test --scenario-name $(scenario)

bench: testbed-ready ## measure how long a deploy takes, beside the steps of tutorials as a playbook [rounds=n] [write=true]
	@$(BIN)/python bench/deploy.py $(if $(rounds),--rounds=$(rounds)) $(if $(write),--write)

bench-serving: testbed-ready ## measure it against the setup that tutorials teach [rounds=n] [write=true]
	@$(PYTHON) testbed/testbed setup wrk
	@$(BIN)/python bench/serving.py $(if $(rounds),--rounds=$(rounds)) $(if $(write),--write)

bench-hosts: testbed-ready ## measure how the wall time of a deploy grows with the number of hosts [rounds=n] [write=true]
	@$(BIN)/python bench/growth.py $(if $(rounds),--rounds=$(rounds)) $(if $(write),--write)

bench-log: .venv/dev ## measure how fast an access log is read, beside GoAccess [rounds=n] [size=bytes] [write=true]
	@$(PYTHON) testbed/testbed setup goaccess
	@$(BIN)/python bench/access_log.py $(if $(rounds),--rounds=$(rounds)) $(if $(size),--size=$(size)) $(if $(write),--write)

testbed-ready: .venv/dev
	@$(PYTHON) testbed/testbed setup git-lfs
	@$(PYTHON) testbed/testbed image bookworm --warm

# ---- documentation

.venv/docs: requirements-docs.txt .venv/dev
	@echo "installing requirements-docs.txt into .venv …"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement $<
	@touch $@

docs: .venv/docs ## build the documentation as a site: docs/build/index.html
	@mkdir -p docs/collection
	@$(BIN)/antsibull-docs collection --use-current --squash-hierarchy --cleanup everything --fail-on-error --dest-dir docs/collection switchyard.django
	@$(BIN)/sphinx-build --builder html --fail-on-warning --keep-going --quiet docs docs/build
	@echo "docs/build/index.html"

terminal: .venv/docs testbed-ready ## draw docs/terminal.svg from a real run
	@$(BIN)/python docs/terminal.py

# ---- the rest

build: .venv/demo ## build the collection into dist/
	@$(BIN)/ansible-galaxy collection build --force --output-path dist

clean: ## remove what make made in the checkout; images stay in the cache
	@rm -rf .venv .molecule .demo dist tests/output docs/build docs/collection .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis
