# Tierline. `make setup` installs, `make demo` shows, `make test` proves.
PYTHON := .venv/bin/python
.PHONY: setup demo test lint bench protos protos-check lock clean

lint: protos-check
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

protos:
	ops/setup/protos.sh

protos-check:
	ops/setup/protos.sh --check

lock:  ## needs uv
	uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 --extra dev \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock
