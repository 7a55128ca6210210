# Every command of the house; `make` alone lists them.
PORT ?= 8400
PORTAL_PORT ?= 8401
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE # some images set it; each start of the program would compile it anew

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.run ## start provider and demo portal with the fictive register (PORT=8400 PORTAL_PORT=8401)
	@echo "Loading the program …"
	@$(BIN)/python -m demo.run

reset: ## forget the data of `make run`: settings, accounts, codes, logs
	rm -rf var

test: $(VENV)/.dev ## the whole test suite; what misses a service is skipped and says what to install
	$(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder $(ARGS)

test-fast: $(VENV)/.dev ## only what failed last time, then the rest, until the first failure; no browser, no second database
	$(BIN)/python -m pytest -x --failed-first --ignore=tests/journeys --ignore=tests/clients -k 'not postgres' $(ARGS)

attacks: $(VENV)/.dev ## every attack of tests/attacks, those that take minutes too
	$(BIN)/python -m pytest tests/attacks -m '' -n auto --dist loadgroup --no-loadscope-reorder $(ARGS)

fuzz: $(VENV)/.dev ## anything at all to every endpoint (FUZZ_EXAMPLES=5000 a test)
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),5000) $(BIN)/python -m pytest tests/idp/test_fuzz.py -n auto $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## bring the code into the common form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

types: $(VENV)/.dev ## mypy alone
	$(BIN)/mypy

conformance: $(VENV)/.dev ## plans of the official suite (SUITE=https://… PLANS="config basic" TRUST=its-authority.pem)
	@test -n "$(SUITE)" || { echo "Say where the suite runs: make conformance SUITE=https://localhost.emobix.co.uk:8443" >&2; exit 1; }
	$(BIN)/python conformance/run.py --suite $(SUITE) $(if $(TRUST),--trust $(TRUST)) $(PLANS)

bench: $(VENV)/.dev ## what a request costs here and at npm's oidc-provider (ARGS="--rounds 5 --json FILE"; see bench/README.md)
	$(BIN)/python bench/compare.py $(ARGS)

flows: $(VENV)/.run ## draw the flows anew into docs/flows.md
	@{ printf '# The flows\n\nDrawn by `make flows` from what the program runs. The first flow that is due comes first, the '; \
	  printf 'first step\nthat is due is the next page; a thick border marks an entrance.\n\n```mermaid\n'; \
	  $(BIN)/python -m cli flows; printf '```\n'; } > docs/flows.md

migration: $(VENV)/.dev ## write a revision from the models of a current database (MESSAGE="add a table")
	$(BIN)/idp migrate --draft "$(MESSAGE)"

lock: $(VENV)/.dev ## pin the dependencies of pyproject.toml anew (ARGS=--upgrade for the newest)
	$(BIN)/python deploy/lock.py $(ARGS)

up: ## the production shape with docker: provider ×2 behind nginx, PostgreSQL, Redis, mail catcher, demo portal
	@python3 deploy/secrets.py
	docker compose --env-file var/compose.env up --build

clean: reset ## forget everything that was made here, the virtual environment too
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Python 3.11 or newer is needed (apt-get install python3 python3-venv)." >&2; exit 1; fi; \
	echo "Making a virtual environment in $(VENV) with $$($$found --version) …"; \
	$$found -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python requirements.lock requirements-build.lock requirements-demo.lock pyproject.toml
	@echo "Installing what is pinned in requirements.lock (about half a minute) …"
	@$(PIP) --require-hashes -r requirements-build.lock -r requirements.lock -r requirements-demo.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Installing what tests need, pinned in requirements-dev.lock …"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: help run reset test test-fast attacks fuzz lint format types conformance bench flows migration lock up clean
