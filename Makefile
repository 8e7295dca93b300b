# Tierline. `make setup` installs, `make demo` shows, `make test` proves, `make bench` measures.
PYTHON := .venv/bin/python
WORKERS := 2
BENCHES := router call overload recording floor fair order place soak
ROUNDS := 1
.PHONY: setup demo test explore mutants lint bench protos protos-check lock clean

setup:  ## Debian packages and .venv; quick when all is there
	@echo "setup" >&2
	@ops/setup/debian.sh >&2
	@ops/setup/python.sh >&2

demo: setup  ## a province, its seats, a busy hour in small; DEMO_EXIT=1 ends after the check
	@$(PYTHON) -m ops demo

test: setup  ## everything, with the real components; WORKERS=0: one test at a time
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup

explore: setup  ## random tests with new seeds, more examples each: make explore ROUNDS=5; a failure names the seed that repeats it
	@for round in $$(seq $(ROUNDS)); do \
	  seed=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); echo "make explore: TIERLINE_SEED=$$seed" >&2; \
	  TIERLINE_SEED=$$seed $(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup -m hypothesis tests || exit 1; done

mutants: setup  ## do the tests notice faults? PACKAGES="console ops" COUNT=20 SEED=7 MORE=--quick; one JSON line on standard output
	@$(PYTHON) -m tests.bench.mutants $(if $(PACKAGES),--packages $(PACKAGES)) --count $(or $(COUNT),100) --seed $(or $(SEED),1) $(MORE)

lint: protos-check  ## what people run before a commit
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: setup  ## make bench B=router|call|overload|recording|floor|fair|order|place|soak, or all; one JSON line each on standard output
	@status=0; for name in $(or $(B),$(BENCHES)); do $(PYTHON) -m tests.bench.$$name || status=1; done; exit $$status

protos:  ## generated code, after a change in proto/
	ops/setup/protos.sh

protos-check:
	ops/setup/protos.sh --check

lock:  ## requirements.lock anew; needs uv
	uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 --extra dev \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:  ## what is made by running and building; the state folder var stays
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
