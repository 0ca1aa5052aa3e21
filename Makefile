# Everything a developer does. A fresh machine needs python3.11, pip, make and git, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# The name carries the lock's checksum: a changed lock installs anew, an unchanged one costs nothing.
INSTALLED := $(VENV)/.stamp-$(shell cksum < requirements.lock | tr ' ' -)
DATA := $(or $(VAR_DIR),var)
PYTEST ?= $(BIN)/pytest -n auto --maxprocesses=4 --dist worksteal
# The demonstration imports this file when it is there, and the bundled smaller one otherwise.
CONTACTS ?= $(wildcard ../shared/corpora/people/contacts-50k.csv.gz)
# Nothing of a developer's own settings reaches a check.
CLEAN_ENV := env -u DATABASE_URL -u REDIS_URL ENV_FILE=/dev/null

.PHONY: help demo run test check check-static bench clean install lock sdk5

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(INSTALLED)  ## Import, send, unsubscribe, send again – and print what happened
	@$(MANAGE) demo $(if $(CONTACTS),--contacts $(CONTACTS)) --workers $(or $(DEMO_WORKERS),1)
	@touch $(DATA)/demo-done

run: $(INSTALLED)  ## Serve the admin and work in the background, with demo data (PORT=8000)
	@[ -e $(DATA)/demo-done ] || $(MAKE) demo CONTACTS=
	@$(MANAGE) run --port $(or $(PORT),8000)

test: $(INSTALLED)  ## Run the tests (on what DATABASE_URL and REDIS_URL say; ARGS=… goes to pytest)
	@$(PYTEST) $(ARGS)

check: check-static test  ## Everything that must hold before a commit lands

check-static: $(INSTALLED)  ## Format, lint, types, the stairs, migrations, deployment settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(CLEAN_ENV) $(BIN)/mypy
	$(BIN)/lint-imports
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && set -x && \
		$(CLEAN_ENV) VAR_DIR=$$folder $(MANAGE) makemigrations --check --dry-run
	@.ci/check-deploy $(BIN)/python

bench: $(INSTALLED)  ## List the benches, or run one (BENCH=compile) or all of them (BENCH=all)
	@shopt -s nullglob; for file in bench/*.py; do name=$$(basename $$file .py); \
		case $$name in make_*) continue;; esac; case "$(BENCH)" in \
		"") printf '%-20s %s\n' $$name "$$(sed -n '/^"""/{s/"//g;p;q}' $$file)";; \
		all|$$name) echo "== $$name"; $(BIN)/python $$file $(ARGS);; esac; done

clean:  ## Remove caches and collected files; your data and .venv stay
	rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The name carries the checksum of what is pinned, as above.
SDK5 := .cache/sdk5
SDK5_STAMP := $(SDK5)/.stamp-$(shell cksum < tests/sdk5/requirements.txt | tr ' ' -)

sdk5: $(SDK5_STAMP)  ## Get the older official client (5.1.1) that its test talks by

$(SDK5_STAMP):
	@rm -rf $(SDK5)
	$(PYTHON) -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes --target $(SDK5) -r tests/sdk5/requirements.txt
	@touch $@

install: $(INSTALLED)  ## Make .venv from the lock (the other targets do it by themselves)

lock:  ## Renew both lock files after a change of dependencies (needs uv)
	uv lock
	uv export --frozen --all-extras --group dev --no-emit-project --quiet --output-file requirements.lock

$(INSTALLED):
	@echo "Installing what requirements.lock pins into $(VENV) (once) …"
	@# Without pip inside: Debian's Python may lack ensurepip, and pip can install from outside.
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check install --quiet --require-hashes -r requirements.lock
	@rm -f $(VENV)/.stamp-* && touch $@
