# make run                 the main job: environment, then the experiment of params.yaml (PRESET=digits make run for another)
# make test                environment, then all tests
# make torture             a run killed at 30 random moments: all hashes as in an undisturbed one (KILL_SEED=N for others)
# make lint                ruff and mypy
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready

.PHONY: run test torture lint clean

run: $(READY)
ifdef PRESET
	$(BIN)/self-consuming preset $(PRESET)
endif
	$(BIN)/self-consuming run

test: $(READY)
	$(BIN)/python -m pytest

torture: $(READY)
	KILLS=30 $(BIN)/python -m pytest --timeout 3000 -s tests/flows/test_faults.py -k kills

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m flows.database
	touch $@

clean:
	rm -rf .venv
