# make run                 the main job: environment, then the experiment of params.yaml (PRESET=digits make run for another)
# make test                environment and Chromium, then all tests
# make system              Debian's PostgreSQL and faketime, for tests that are skipped without them, and Fashion-MNIST
# make torture             a run killed at 30 random moments, and started beside a dvc repro at ten distances: all hashes as in an
#                          undisturbed one (KILL_SEED=N for other moments)
# make bench               speed beside plain loops and other libraries (benchmarks/README.md), at most 3 minutes each
# make lint                ruff and mypy
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready

BROWSER := chromium chromium-driver

SYSTEM  := postgresql faketime dataset-fashion-mnist

.PHONY: run test browser system torture bench lint clean

run: $(READY)
ifdef PRESET
	$(BIN)/self-consuming preset $(PRESET)
endif
	$(BIN)/self-consuming run

test: $(READY) browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not timed"
	$(BIN)/python -m pytest -m timed

browser: # for the tests of the report's page, which are skipped without it
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq \
	       && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(BROWSER); } \
	  || echo "no Chromium here, and it cannot be installed (as root, with apt-get): its tests are skipped" >&2

system:
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM)

torture: $(READY)
	KILLS=30 STARTS=10 $(BIN)/python -m pytest --timeout 3000 -s tests/flows/test_faults.py tests/flows/test_beside.py -k "kills or at_once"

bench: $(READY)
	PYTHONPATH=. $(BIN)/python benchmarks/training.py
	PYTHONPATH=. $(BIN)/python benchmarks/sampling.py
	PYTHONPATH=. $(BIN)/python benchmarks/judging.py
	PYTHONPATH=. $(BIN)/python benchmarks/memory.py
	PYTHONPATH=. $(BIN)/python benchmarks/growth.py
	PYTHONPATH=. $(BIN)/python benchmarks/noop.py
	PYTHONPATH=. $(BIN)/python benchmarks/orchestration.py --generations 8
	PYTHONPATH=. $(BIN)/python benchmarks/parallel.py --generations 20

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pipeline.storage.databases
	touch $@

clean:
	rm -rf .venv
