# `make run` and `make test` do everything on a fresh machine with Python 3.11; the rest is for those who work on it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
FORKS := tests/test_local_cache_processes.py  # its children inherit the test process: one that ran no other test
SHARED := -n 3 --dist loadfile --no-loadscope-reorder  # one more than cores, for tests also wait
export GLUEFLOW_HOME ?= $(CURDIR)/.glueflow

.PHONY: run test test-all test-slow check bench pictures lock clean
.DELETE_ON_ERROR:

run: .venv/ready  ## fine-tune, evaluate, register and ask the model, offline
	$(BIN)/glueflow run mrpc --data sample:
	$(BIN)/glueflow predict mrpc "On Tuesday, the Dragons beat the Lions in Toronto." "The Dragons won against the Lions on Tuesday in Toronto."
	$(BIN)/glueflow predict mrpc "A fire struck Lima on Thursday, and 44 people were killed." "72 people were killed on Thursday in a fire in Houston."
	@echo
	@echo "Next:  real data      $(BIN)/glueflow run mrpc --data file:<folder with MRPC/train.tsv>   (or leave --data out: the hub)"
	@echo "       what and why   $(BIN)/glueflow plan mrpc --data sample: --learning-rate 3e-5"
	@echo "       the UI         $(BIN)/glueflow up"
	@echo "       stop           $(BIN)/glueflow down"

test: check  ## format, lint, types, import rules, then the tests
	$(BIN)/pytest $(SHARED) --ignore $(FORKS)
	$(BIN)/pytest $(FORKS)

test-all: export GLUEFLOW_TEST_FULL = 1
test-all: test test-slow  ## the tests and the long proofs, with every case of each: hours

test-slow: .venv/ready  ## the long proofs, with some cases of the longest
	$(BIN)/pytest -m slow -rP $(SHARED)

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/ready  ## measure against peers; writes the tables that the README quotes
	$(BIN)/python -m tests.benchmarks

pictures: .venv/ready  ## record the screens that the README shows, by running their commands
	$(BIN)/python -m tests.pictures

lock: .venv/ready  ## renew infra/locks, the image's packages with their hashes, from pyproject.toml and constraints.txt
	$(BIN)/python -m infra.lock

clean:  ## stop the stack of this checkout and remove what it and the set-up made
	-test -x $(BIN)/glueflow && $(BIN)/glueflow down
	rm -rf .venv .glueflow build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
