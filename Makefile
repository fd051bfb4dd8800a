PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help

##@ Use
run: $(VENV)/ready ## See pilots live and die on embedded defaults; ARGS="--for 30s" ends by itself
	$(BIN)/pilotage up --demo $(ARGS)

##@ Develop
setup: $(VENV)/ready ## Make the virtual environment from the lock

test: $(VENV)/ready ## Run the tests
	$(BIN)/pytest $(ARGS)

help: ## Print this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: help run setup test
