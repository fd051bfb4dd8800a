PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
DIR ?= /tmp/pilotage-testbeds
# A stage of tests, named $(1), of those that need what $(2) says, $(3) at a time, in the folders
# $(4) or in all. Its durations are kept. Tests of processes and of batch systems wait more than they
# work.
REPORTS := build/reports
# What PILOTAGE_TEST_LONG=1 makes longer.
LONG := tests/crash tests/stateful tests/simulation tests/backends/test_conformance_arc.py \
  tests/backends/test_foreign_text.py tests/unit/test_foreign_files.py tests/services/test_floods.py
QUICK := not processes and not harness and not testbed and not browser
stage = $(BIN)/pytest -n $(or $(3),2) --dist worksteal -m "($(2)) and not long" --durations 15 --junit-xml $(REPORTS)/$(1).xml $(4) $(ARGS)
# The test database is another one than yours, and has an environment file of its own.
TEST_ENV := env $$(grep -v '^\#' tests/test.env)

# Where nothing compiled is kept, each process of the tests compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

##@ Use
run: $(VENV)/ready ## See pilots live and die on embedded defaults; ARGS="--for 30s" ends by itself
	$(BIN)/pilotage up --demo $(ARGS)

##@ Develop
setup: $(VENV)/ready ## Make the virtual environment from the lock

test: $(VENV)/ready ## Run the tests, on SQLite and on a real PostgreSQL that they start
	$(BIN)/pytest -n 2 -m "not long" $(ARGS)

quick: lint types imports test-quick ## Check style, types and imports, and run the tests that take moments

# The stages of the tests: each test but the long ones is in one of them. The first red one is the last.
test-quick: $(VENV)/ready ## Run the tests that need neither processes nor a batch system, those that take moments
	PILOTAGE_TEST_IN_MEMORY=1 $(call stage,quick,$(QUICK) and not slow,3)

test-slow: $(VENV)/ready ## Run the others of them, each of which takes more than two seconds
	PILOTAGE_TEST_IN_MEMORY=1 $(call stage,slow,$(QUICK) and slow,3)

test-processes: $(VENV)/ready ## Run the tests that start processes of Pilotage
	$(call stage,processes,processes and not testbed and not embedded,4)

test-bare: $(VENV)/ready ## Run those that need no server as on a machine that has Python, make and git only
	$(BIN)/python -m tests.bare $(call stage,bare,embedded,4,tests/acceptance)

test-harness: $(VENV)/ready ## Run many lives and many crashes of the core
	$(call stage,harness,harness,2,tests/crash tests/stateful)

test-browser: $(VENV)/ready ## Run the tests of the console in a real browser
	$(call stage,browser,browser,3,tests/web/browser)

test-testbeds: $(VENV)/ready ## Run the tests that need a real batch system
	$(call stage,testbeds,testbed,3)

coverage: $(VENV)/ready ## Measure what the tests of test-quick and test-slow run of worker/; pages are in build/coverage
	$(BIN)/pytest -n 2 -m "$(QUICK)" --cov --cov-report term --cov-report html $(ARGS)

long: $(VENV)/ready ## Run what `make test` leaves out, and the long forms, for hours: each crash point, many lives, all scenarios, ARC 7, chaos
	PILOTAGE_TESTBED_INSTALL=1 $(BIN)/pytest -n 3 --dist worksteal -m long --durations 15
	$(BIN)/python -m tests.bare $(MAKE) test
	PILOTAGE_TEST_LONG=1 PILOTAGE_TESTBED_INSTALL=1 $(BIN)/pytest -n 2 $(LONG) --durations 15 $(ARGS)
	$(BIN)/python -m tests.chaos --kills 1000 --for 18m --upgrade

check: lint types imports docs-check migrations \
  test-quick test-slow test-processes test-bare test-harness test-browser test-testbeds ## Do everything that CI does, in stages

lint: $(VENV)/ready ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/ready ## Check types
	$(BIN)/mypy

imports: $(VENV)/ready ## Check that imports go downwards only
	$(BIN)/lint-imports

migrations: $(VENV)/ready ## Check that the migrations make what the models say
	export PILOTAGE_HOME=$$(mktemp -d); $(BIN)/pilotage db setup && $(BIN)/pilotage db verify; \
	  code=$$?; rm -r "$$PILOTAGE_HOME"; exit $$code

format: $(VENV)/ready ## Mend format and style where a machine can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/ready ## Write the reference from the code
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/ready ## Check that the reference is what the code says
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/ready ## Compare the data layer with raw statements; ARGS="--quick" for the short form
	$(BIN)/python -m tests.bench $(ARGS)

chaos: $(VENV)/ready ## Kill, stop and fill what a real site leans on; ARGS="--kills 1000 --for 18m" for the long form
	$(BIN)/python -m tests.chaos $(ARGS)

pictures: $(VENV)/ready ## Make the pictures of the console and the dashboard anew; PILOTAGE_TESTBED_INSTALL=1 fetches what they need
	$(BIN)/python -m tests.web.browser.pictures docs/pictures
	$(BIN)/python -m tests.monitoring.picture docs/pictures

audit: $(VENV)/ready ## Ask whether a weakness is known of what is installed with Pilotage; needs the network
	$(BIN)/python -m tests.audit requirements-run.lock

lock: ## Write the locks anew, with uv
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --quiet --upgrade --output-file requirements-run.lock
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet --upgrade --output-file requirements.lock

##@ Testbeds: real services on the loopback, in the folder DIR
testbed-slurm testbed-arc testbed-condor testbed-ssh: testbed-%: $(VENV)/ready ## Start one, and say how it is used
	PILOTAGE_TESTBED_INSTALL=1 $(BIN)/python -m tests.testbeds.$* up $(DIR)/$*

testbed-arc7: $(VENV)/ready ## Start an ARC CE 7, of packages that are unpacked in a folder of the cache
	PILOTAGE_TESTBED_INSTALL=1 $(BIN)/python -m tests.testbeds.arc up $(DIR)/arc7 7

testbed-arc7-down: $(VENV)/ready ## Stop it
	$(BIN)/python -m tests.testbeds.arc down $(DIR)/arc7

testbed-slurm-down testbed-arc-down testbed-condor-down testbed-ssh-down: testbed-%-down: $(VENV)/ready ## Stop it
	$(BIN)/python -m tests.testbeds.$* down $(DIR)/$*

##@ The test database of tests/test.env
test-integration: $(VENV)/ready ## Run the tests that need PostgreSQL, on the test database
	PILOTAGE_TEST_REQUIRE=1 PILOTAGE_TEST_POSTGRESQL=url \
	  PILOTAGE_TEST_DATABASE_URL="$$(sed -n 's/^PILOTAGE_DATABASE_URL=//p' tests/test.env)" \
	  $(BIN)/pytest -m postgresql $(ARGS)

test-with-db: db-test-setup test-integration ## Make the test database and run those tests on it

db-test-setup db-test-create db-test-migrate: db-test-%: $(VENV)/ready ## Set up, make or migrate the test database
	$(TEST_ENV) $(BIN)/pilotage db $*

db-test-drop db-test-reset: db-test-%: $(VENV)/ready ## Remove the test database, or make it anew
	$(TEST_ENV) $(BIN)/pilotage db $* --yes --force

##@ This
help: ## Print this
	@awk 'BEGIN {FS = ": .*## |:.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z -]*:.*## / {printf "  %-46s %s\n", $$1, $$NF}' $(MAKEFILE_LIST)

# --no-deps: the lock is whole. With a resolver, a new release of what somebody wants with an extra
# (coverage[toml]) makes pip ask for its hash.
$(VENV)/ready: requirements.lock pyproject.toml
	@echo "Making the virtual environment $(VENV). This takes about a minute, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: help run setup test quick coverage long check test-quick test-slow test-processes test-bare test-harness test-browser test-testbeds lint types imports migrations format docs docs-check bench chaos pictures audit lock \
  testbed-slurm testbed-arc testbed-arc7 testbed-condor testbed-ssh \
  testbed-slurm-down testbed-arc-down testbed-arc7-down testbed-condor-down testbed-ssh-down \
  test-integration test-with-db db-test-setup db-test-create db-test-migrate db-test-drop db-test-reset
