# make run                 the main job: environment, then the experiment of params.yaml (PRESET=digits make run for another)
# make test                environment, then all tests
# make lint                ruff and mypy
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready

.PHONY: run test lint clean

run: $(READY)
ifdef PRESET
	$(BIN)/self-consuming preset $(PRESET)
endif
	$(BIN)/self-consuming run

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv
