# Every target of the project; `make help` lists them. Needs GNU make, git and Python 3.11 or 3.12.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/sh

# 3.11 first: the tests run on it. Set it yourself with `make run PYTHON=/path/to/python`.
is_supported := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHON ?= $(shell for name in python3.11 python3.12 python3 python; do \
	$$name -c '$(is_supported)' 2>/dev/null && echo $$name && break; done)
RUN_ARGS ?=
DEMO ?= demo
TEST_ARGS ?=
LOCK_ARGS ?=

# No tool reports home.
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export RAY_USAGE_STATS_ENABLED := 0
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export GX_ANALYTICS_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The install compiles only what the commands import. The rest is compiled when first imported, and kept.
unexport PYTHONDONTWRITEBYTECODE

# Its date is that of the last install that finished.
READY := .venv/.ready

.PHONY: help run test check test-slow test-gpu chaos bench demo lock sbom clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | while IFS= read -r line; do \
		printf '  make %-11s %s\n' "$${line%%:*}" "$${line##*## }"; done

run: $(READY) ## sources to a promoted release (RUN_ARGS='--set finetune.epochs=3')
	@.venv/bin/tonewatch run $(RUN_ARGS)

test: $(READY) ## format check, lint, types and all tests (TEST_ARGS='-k gate')
	@infra/check.sh format lint types
	@infra/check.sh tests $(TEST_ARGS)

check: $(READY) ## format check, lint and types; no tests
	@infra/check.sh format lint types

test-slow: $(READY) ## the tests that take minutes
	@infra/check.sh tests -m slow $(TEST_ARGS)

test-gpu: $(READY) ## the tests that need a CUDA device
	@infra/check.sh tests -m gpu $(TEST_ARGS)

chaos: $(READY) ## faults at random points, and every attack and surrounding, with a table
	@infra/check.sh tests -m 'chaos or attack or surrounding' $(TEST_ARGS)

bench: $(READY) ## how fast the parts are on this machine, and how far its figures hold
	@.venv/bin/python tests/bench/speed.py
	@.venv/bin/python tests/bench/tables.py
	@.venv/bin/python tests/bench/data.py
	@.venv/bin/python tests/bench/service.py
	@.venv/bin/python tests/bench/batch.py
	@.venv/bin/python tests/bench/menu.py
	@.venv/bin/python tests/bench/methods.py --texts 2000 --steps 60
	@.venv/bin/python tests/bench/starts.py --texts 2000 --steps 60 --seeds 1
	@.venv/bin/python tests/bench/training/run.py
	@.venv/bin/python tests/bench/continual.py --texts 400 --no-joint
	@.venv/bin/python tests/bench/gate.py
	@.venv/bin/python tests/bench/false_alarms.py
	@.venv/bin/python tests/bench/prevalence.py

demo: $(READY) ## the whole story in a folder of its own: drift, retrain, a bad release, rollback (DEMO=folder)
	@.venv/bin/python infra/demo.py $(DEMO)

lock: ## resolve infra/lock.txt anew from pyproject.toml and infra/pins.txt (LOCK_ARGS='--upgrade-package mlflow')
	$(need_python)
	@"$(PYTHON)" infra/lock.py $(LOCK_ARGS)

sbom: $(READY) ## write infra/sbom.json (CycloneDX) anew from the lock
	@.venv/bin/python infra/sbom.py

clean: ## remove caches and built files; .venv, data and releases stay
	@rm -rf dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	@find pipeline flows infra tests -name __pycache__ -type d -prune -exec rm -rf {} +

define need_python
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 was found. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$(PYTHON)" -c '$(is_supported)' || { echo "$(PYTHON) is not Python 3.11 or 3.12." >&2; exit 2; }
endef

$(READY): infra/lock.txt infra/torch.txt $(wildcard infra/torch-cpu.txt) infra/uv.txt pyproject.toml
	$(need_python)
	@"$(PYTHON)" infra/install.py
