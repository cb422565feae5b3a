# make run: the main job on the smallest study; make test: all tests this machine can run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ORCH := $(BIN)/orch
# What runs inside images, on Python 2.7 and newer.
OLD_PYTHONS := images/fatbins.py images/steps.py \
  $(wildcard images/pytorch/*.py images/tensorflow1/*.py images/theano/*.py suites/benchmarks/*.py) \
  orchestrator/doctor/gpu_probe.py \
  $(filter-out $(wildcard suites/benchmarks/*/reference*.py), $(wildcard suites/benchmarks/*/*.py))

.PHONY: run test check lint bench gpu images-check frameworks-check scan-check studies clean

run: $(VENV)/.installed
	$(ORCH) run suites/quickstart.yaml $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(ARGS)

check: lint
	$(BIN)/python -m pytest -q tests/unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vermin --quiet --no-tips --violations -t=2.7- -t=3.6- $(OLD_PYTHONS)

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.performance $(ARGS)

gpu: $(VENV)/.installed
	@$(BIN)/python -m tests.gpu_lane $(ARGS)

images-check: $(VENV)/.installed
	@$(BIN)/python -m tests.images_check $(ARGS)

# The gates of the large frameworks, and faults planted in them: builds 4 GB of images.
frameworks-check: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --run-docker --run-large -m large $(ARGS)

# The GPU code of real wheels against their rows, and two traps: 3.5 GB are fetched and removed again.
scan-check: $(VENV)/.installed
	@$(BIN)/python -m tests.scan_check $(ARGS)

# Every study in containers on the CPU, each suite in its short profile, and the stacked nets: hours. STUDIES names fewer.
STUDIES ?= pytorch_versions rnn_libraries cudnn_rnn lstm_frameworks
studies: $(VENV)/.installed
	set -e; for suite in $(STUDIES); do $(ORCH) run suites/$$suite.yaml --engine docker --device cpu $(ARGS); done
	$(ORCH) run suites/pytorch_versions_cpu.yaml --profile flat --engine docker --device cpu $(ARGS)
	$(ORCH) run suites/pytorch_versions_cpu.yaml --profile stacked --engine docker --device cpu $(ARGS)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "orch needs Python 3.11 or newer; $(PYTHON) is not. Install python3.11 or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module. Install the package python3-venv." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed
