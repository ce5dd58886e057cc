# The commands of the project; each sets up the environment first if that is needed.
#   make demo                       the embedded demo dataset through the whole DAG with CO2-Net
#   make demo-all                   the same with every method, and the one with sound
#   make test                       the test suite (test-slow, test-gpu: the marked ones)
#   make coverage                   the same, and the share of lines that it runs, by room
#   make test-exchange              files for annotation tools, read by the tools' own packages
#   make test-faults                kills, power cuts, full disks, hostile files: one table
#   make why TARGET=path            what would run for a target, and because of what
#   make watch                      how far the running workflows are
#   make docs                       the documentation as a site: docs/site/html/index.html
#   make lock, make audit           lock the dependencies again; their known vulnerabilities
#   make verify-weights             the public weights against what their publishers got
#                                   (VERIFY_FROM=folder: golden files from there, no download)
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3.14 || command -v python3)
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN := .venv/bin
TARGET ?= all
COVERAGE := .coverage.json
# One more than cores: tests of the workflow wait for Snakemake much of the time.
WORKERS := $(shell expr $(CORES) + 1)
PYTEST := $(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder
DEMO_MAPS := $(patsubst %,results/demo/%_map.csv,co2net untrimmednet acn cavf tssam concord) \
  results/demo_ave/cavf_map.csv
# One thread per job: Snakemake runs as many jobs as there are cores.
export OMP_NUM_THREADS ?= 1
# Material to compare with (reference outputs, real clips), where a checkout has it beside it.
export WSTAL_REFERENCE ?= $(realpath $(wildcard ../shared))

.PHONY: setup demo demo-all test coverage test-slow test-faults test-gpu test-exchange lint why watch verify-weights environments \
  docs lock audit resolve clean

setup: .venv/installed

.venv/installed: pyproject.toml envs/install.py $(wildcard envs/lock/*.txt)
	$(PYTHON) envs/install.py
	@test ! -e .git || git config core.hooksPath .githooks
	touch $@

demo: setup
	$(BIN)/wstal run demo --cores $(CORES)
	$(BIN)/wstal runtime --benchmarks results/benchmarks/demo
	$(BIN)/wstal show-map results/demo/co2net_map.csv
	@test results/report.html -nt results/demo/co2net_map.csv || \
	  $(BIN)/snakemake --cores 1 --quiet all --report results/report.html -- demo
	@echo "Pictures, tables and provenance: results/report.html"
	@echo "Every test video with its timelines: results/demo/co2net/viewer.html"

demo-all: setup
	$(BIN)/wstal run demo_all --cores $(CORES)
	$(BIN)/wstal show-map $(DEMO_MAPS)
	@test results/report.html -nt results/demo_ave/cavf_map.csv || \
	  $(BIN)/snakemake --cores 1 --quiet all --report results/report.html -- demo_all

test: setup lint
	$(PYTEST)

# Counting lines takes half as long again.
coverage: setup
	$(PYTEST) --cov --cov-report=json:$(COVERAGE) --cov-report=
	$(BIN)/python tests/project/coverage_by_room.py $(COVERAGE)

test-slow: setup
	$(BIN)/pytest -q -m slow --ignore tests/faults

test-faults: setup
	$(BIN)/pytest -q -m slow tests/faults

test-gpu: setup
	$(BIN)/pytest -q -m gpu

# The packages need other versions of OpenCV and pandas than wstal. FiftyOne reports its use otherwise.
EXCHANGE := datumaro==1.13.12 fiftyone==1.22.1 label-studio-sdk==2.1.2 h5py pytest
test-exchange:
	$(PYTHON) -m venv .venv-exchange
	.venv-exchange/bin/pip install --quiet $(EXCHANGE)
	FIFTYONE_DO_NOT_TRACK=true PYTHONPATH=workflow \
	  .venv-exchange/bin/pytest -q --noconftest tests/commands/test_convert_packages.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports

why: setup
	@$(BIN)/wstal why $(TARGET)

watch: setup
	@$(BIN)/wstal watch

verify-weights: setup
	@$(BIN)/wstal weights verify $(if $(VERIFY_FROM),--from "$(VERIFY_FROM)")

# Fails on a broken link, and on a page that the navigation leaves out.
docs: setup
	$(BIN)/pip install --quiet --editable '.[docs]'
	$(BIN)/sphinx-build -q -W --keep-going -c docs/site . docs/site/html
	@echo "Open docs/site/html/index.html"

# After a change of the dependencies in pyproject.toml.
environments:
	$(PYTHON) envs/install.py --conda

# After it, too: versions and hashes for every Python and platform. Locked versions are kept.
lock: setup environments
	$(BIN)/python envs/install.py --lock

# Known vulnerabilities of the locked versions; asks a public database, installs nothing of them.
audit: setup
	$(BIN)/pip install --quiet pip-audit
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement envs/lock/libraries.txt
	$(BIN)/pip-audit --no-deps --disable-pip --requirement envs/lock/torch.txt

# What each supported Python and platform would install: benchmarks/results/resolved.json
resolve: setup
	$(BIN)/pip install --quiet uv
	$(BIN)/python -m benchmarks.studies.resolved

clean:
	rm -rf results/demo results/logs/demo results/benchmarks/demo results/report.html
