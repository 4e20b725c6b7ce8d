# Everything a newcomer, a contributor and CI do goes through here. Needs Python 3.11+, make and git.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SEEDS  ?= 2000

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check format bench bench-peers simulate kill-campaign power-loss clean

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[dev]'
	@touch $(STAMP)

setup: $(STAMP)  ## make .venv with everything in it

demo: $(STAMP)   ## run the example workflows to their end, kill -9 included
	@$(BIN)/tenuto demo

run: $(STAMP)    ## serve on http://127.0.0.1:3000
	@$(BIN)/tenuto serve

test: $(STAMP)   ## all tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(STAMP)  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check src tests benchmarks examples
	@$(BIN)/ruff check src tests benchmarks examples
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## rewrite the code in the one format
	@$(BIN)/ruff format src tests benchmarks examples
	@$(BIN)/ruff check --fix src tests benchmarks examples

bench: $(STAMP)  ## the benchmark table of this machine
	@$(BIN)/tenuto bench

bench-peers: $(STAMP) ## the same work on DBOS, Restate, Temporal and Prefect
	@$(BIN)/python -m benchmarks.peers

simulate: $(STAMP) ## the simulation: make simulate SEEDS=200000
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS)

kill-campaign: $(STAMP) ## kill -9 real servers under load: make kill-campaign KILLS=500
	@$(BIN)/python -m tests.processes.kill_campaign --kills $(or $(KILLS),50)

power-loss: $(STAMP) ## power loss on the SQLite store: make power-loss IMAGES=2000
	@$(BIN)/python -m tests.stores.power_loss --images $(or $(IMAGES),200)

clean:           ## remove what the other targets made
	@rm -rf $(VENV) .demo .bench .mypy_cache .ruff_cache .pytest_cache
