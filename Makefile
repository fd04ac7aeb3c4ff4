# Carillon's commands; `make` alone lists them. Works on a bare Debian 12 with Python and make, and on anything like it.
#   make run PORT=8080            another port (and HOST=0.0.0.0 for other machines)
#   make test PYTHON=python3.12   another interpreter, for the environment in .venv

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
           --python-version 3.11 --quiet --custom-compile-command "make lock"

# $(call debian,PACKAGES): as root on Debian, install them by ourselves; false anywhere else.
debian = [ "$$(id -u)" = 0 ] && [ -f /etc/debian_version ] && echo "Installing $(1) ..." && apt-get update -qq && \
         DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $(1) >/dev/null

.DEFAULT_GOAL := help
.PHONY: help run test fast lint servers peers chaos bench lock clean

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

run: $(VENV)/run.stamp  ## Start everything here: web, workers, database, broker and sandbox networks
	@$(BIN)/carillon run

test: $(VENV)/test.stamp servers lint  ## Check everything: lint, unit, contract, integration, chaos and browser tests
	@$(BIN)/pytest --durations=25 tests/unit tests/contract tests/integration tests/chaos tests/e2e

fast: $(VENV)/test.stamp  ## Run the tests that need no servers (under half a minute)
	@$(BIN)/pytest tests/unit tests/contract

lint: $(VENV)/test.stamp  ## Check style, types and layers
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >$(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; false; }

# What is still missing after this, the tests leave out and say so; with CI=true they fail. Playwright's driver needs libatomic.
servers: $(VENV)/test.stamp
	@[ -n "$$CARILLON_AMQP_URL" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || \
	 { $(call debian,rabbitmq-server); } || echo "No RabbitMQ here."
	@{ { command -v chromium || command -v google-chrome; } && $(BIN)/playwright --version; } >/dev/null 2>&1 || \
	 { $(call debian,chromium libatomic1); } || echo "No browser here."
	@command -v gcc >/dev/null || { $(call debian,gcc libc6-dev); } || echo "No C compiler here."

peers: $(VENV)/test.stamp  ## Test against a real Bluesky server (needs npm; 700 MB, three minutes the first time)
	@[ -d tests/peers/pds/node_modules ] || sh tests/peers/pds/install.sh
	@CARILLON_TEST_PEERS=1 $(BIN)/pytest tests/peers

chaos: servers  ## Break everything around a publication, and count what the networks got (RUNS=2000 SEED=7)
	@$(BIN)/python -m tests.chaos $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED))

bench: servers  ## Measure throughput and punctuality
	@$(BIN)/python -m tests.bench

lock: $(VENV)/test.stamp  ## Pin what pyproject.toml asks for (UPGRADE=1: in the newest versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## Remove the environment and the caches; data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find app actors platforms tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	 { echo "Carillon needs Python 3.11 to 3.13. Have another one? make PYTHON=python3.12"; false; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call debian,python3-venv); } || \
	 { echo "Python's venv module is incomplete. On Debian and Ubuntu: sudo apt-get install python3-venv"; false; }
	@echo "Creating the Python environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); false; }

$(VENV)/run.stamp: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Carillon's dependencies ..."
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/test.stamp: requirements-dev.lock $(VENV)/run.stamp
	@echo "Installing what the tests need ..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
