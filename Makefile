# Blindread. `make demo` shows it, `make test` proves it.
# Needs Python 3.11 or newer and make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TESTS ?= tests
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-services lint format messages requirements chromium clean

help:
	@echo "make demo           try Blindread on this machine: http://127.0.0.1:8000"
	@echo "make test           the whole test suite (TESTS=tests/annotation for a part)"
	@echo "make test-services  the part that needs a database or a queue, on PostgreSQL, Redis, RabbitMQ"
	@echo "make lint           ruff, import-linter, mypy, djlint"
	@echo "make format         rewrite the code in the house's format"
	@echo "make messages       bring the catalogues of translations up to the pages (docs/languages.md)"
	@echo "make requirements   pin requirements/*.txt anew from pyproject.toml"
	@echo "make clean          remove .venv and the demo's data (var/)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Blindread needs Python 3.11 or newer; name one: make PYTHON=python3.12 demo"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "No venv module in $(PYTHON); on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

# dev holds everything that ml holds, so that either stamp serves the demo.
$(VENV)/ml.stamp: requirements/ml.txt | $(BIN)/python
	@test -f $(VENV)/dev.stamp -a $(VENV)/dev.stamp -nt requirements/ml.txt || \
	  { echo "Installing requirements (once; about 6 GB, mostly torch) ..."; $(PIP) -r requirements/ml.txt; }
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt | $(BIN)/python
	@echo "Installing requirements for development (once) ..."
	@$(PIP) -r requirements/dev.txt
	@touch $@

demo: $(VENV)/ml.stamp
	@$(BIN)/python manage.py demo

# Browser tests skip, and say so, where Chromium is neither there nor can be installed.
chromium:
	@command -v chromium >/dev/null || { \
	  echo "Installing Chromium for the browser tests ..."; \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || \
	  echo "Chromium can't be installed here: browser tests will skip."; }

test: $(VENV)/dev.stamp chromium
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

test-services: $(VENV)/dev.stamp
	@BIN=$(BIN) bash tests/services.sh

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy config generation annotation analysis
	@$(BIN)/djlint templates --lint --quiet

format: $(VENV)/dev.stamp
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

messages: $(VENV)/dev.stamp
	@$(BIN)/python -m config.messages

requirements: $(VENV)/dev.stamp
	@$(PIP) uv
	@$(BIN)/uv pip compile -q --no-header --no-annotate --universal pyproject.toml -o requirements/web.txt
	@$(BIN)/uv pip compile -q --no-header --no-annotate --universal --extra ml pyproject.toml -o requirements/ml.txt
	@$(BIN)/uv pip compile -q --no-header --no-annotate --universal --extra ml --extra s3 --extra dev pyproject.toml -o requirements/dev.txt
	@$(BIN)/uv pip compile -q --no-header --no-annotate --universal --extra s3 -c requirements/ml.txt pyproject.toml -o requirements/s3.txt

clean:
	@rm -rf $(VENV) var
