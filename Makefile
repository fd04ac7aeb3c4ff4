# Carillon's commands; `make` alone lists them. Works on a bare Debian 12 with Python and make, and on anything like it.
#   make run PORT=8080            another port (and HOST=0.0.0.0 for other machines)
#   make test PYTHON=python3.12   another interpreter, for the environment in .venv

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq
COMPILE := $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
           --python-version 3.11 --quiet --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

# $(call install,WHAT): with uv, which takes seconds where pip takes a minute; with pip where uv cannot be had or finds no packages
# (it does not read pip's settings).
install = { [ -x $(BIN)/uv ] && $(BIN)/uv pip install --quiet --python $(BIN)/python $(1); } || \
          { echo "... with pip, which takes about a minute ..."; $(PIP) $(1); }

# $(call debian,PACKAGES): as root on Debian, install them by ourselves; false anywhere else.
debian = [ "$$(id -u)" = 0 ] && [ -f /etc/debian_version ] && echo "Installing $(1) ..." && apt-get update -qq && \
         DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $(1) >/dev/null

.DEFAULT_GOAL := help
.PHONY: help run test fast lint servers peers chaos bench lock clean

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

run: $(VENV)/run.stamp  ## Start everything here: web, workers, database, broker and sandbox networks
	@echo "Starting Carillon (some seconds; the address follows) ..."
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
	@{ command -v radosgw && command -v ceph-mon && command -v ceph-osd && command -v ceph-authtool; } >/dev/null || \
	 { $(call debian,radosgw ceph-mon ceph-osd ceph-common); } || echo "No S3 server here."
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
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	echo uv | $(COMPILE) - --constraint requirements-dev.lock --output-file requirements-uv.lock

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

$(VENV)/packages.stamp: requirements.lock | $(BIN)/python
	@echo "Installing Carillon's dependencies (about 10 s with a fast line) ..."
	@[ -x $(BIN)/uv ] || $(PIP) --require-hashes -r requirements-uv.lock || true
	@$(call install,--require-hashes -r requirements.lock)
	@touch $@

$(VENV)/run.stamp: pyproject.toml $(VENV)/packages.stamp
	@$(call install,--no-deps --editable .)
	@touch $@

$(VENV)/test.stamp: requirements-dev.lock $(VENV)/packages.stamp | $(VENV)/run.stamp
	@echo "Installing what the tests need (about 10 s with a fast line) ..."
	@$(call install,--require-hashes -r requirements-dev.lock)
	@touch $@
