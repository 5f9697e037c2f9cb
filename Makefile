# Two commands do everything from a bare clone with Python 3.11 or later: `make demo` and `make test`.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
READY := $(VENV)/.installed
PROGRAMS := src/janiform/programs
OUT := out
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-slow lint bench bench-procedural clean

# torch comes first and alone: pip then takes the pinned build and nothing larger.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name it with make PYTHON=..."; exit 1; }
	@echo "Installing into $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@$(PIP) -e '.[dev]'
	@touch $@

# Each line is a process of its own: what `check` and `show` read comes from the file alone.
demo: $(READY)
	@mkdir -p $(OUT)
	$(BIN)/janiform run $(PROGRAMS)/reverse.rasp hello
	$(BIN)/janiform compile $(PROGRAMS)/reverse.rasp --vocab abcd --max-len 6 --out $(OUT)/reverse.safetensors
	$(BIN)/janiform check $(OUT)/reverse.safetensors
	$(BIN)/janiform show $(OUT)/reverse.safetensors
	$(BIN)/janiform compile $(PROGRAMS)/sort.rasp --vocab 0,1,2,3 --max-len 6 --out $(OUT)/sort.safetensors
	$(BIN)/janiform check $(OUT)/sort.safetensors
	$(BIN)/janiform run $(OUT)/sort.safetensors 3,1,2,0,1
	$(BIN)/janiform show $(OUT)/sort.safetensors

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

# TransformerLens and nnsight take minutes to install, and are asked for by slow tests alone.
test-slow: $(READY)
	@$(PIP) -e '.[lens,nnsight]'
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script --quick; done

# What a warm-up moves, and its controls: five seeds of each, on two cores in under ten minutes. It goes on where it was stopped.
bench-procedural: $(READY)
	$(BIN)/python benchmarks/procedural_transfer.py --workers 2

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
