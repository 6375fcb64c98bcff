# Two commands matter: `make demo` shows the main job, `make test` proves it. Each builds what it needs in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
LOCK := --all-extras --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet

.PHONY: demo test test-alertmanager torture versions mutants lint types floors bench wheel check lock clean

.venv/.ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.ready
	$(BIN)/driftbreaker demo

# A file's tests stay in one process. Four at a time, for two processors: tests wait for databases and clocks. In the
# order of the folders, for what has the fewest tests is not what ends soonest. Python may keep what it compiles, as it
# does for users: hundreds of commands are started.
test: .venv/.ready
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

# What a real Alertmanager makes of our alerts, on SQLite and PostgreSQL; needs Debian's package, and says so.
test-alertmanager: .venv/.ready
	$(BIN)/pytest tests/alertmanager

# The contract on the oldest libraries, and on every newer Python and PostgreSQL that is there.
versions: .venv/.ready
	scripts/versions

# Processes killed at every statement, connections cut, storms of writers: minutes, two files at a time, for they wait for
# what they have cut off. LONG=1 for hours: that, and the long form of all others that have one.
LONG_FORMS := tests/model tests/postgres/test_isolation.py $(wildcard tests/contract/test_*_at_scale.py) tests/unit/test_settings_stored.py
TORTURE := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/torture
torture: .venv/.ready
	$(if $(filter-out 0,$(LONG)),DRIFTBREAKER_LONG=1 $(TORTURE) $(LONG_FORMS),$(TORTURE))

# Hundreds of small changes to the core, each of which some test must notice: an hour. SHARE=1/2 runs half of them.
mutants: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'cosmic-ray>=8.4'
	$(BIN)/python scripts/mutants.py $(if $(SHARE),--share $(SHARE))
	$(BIN)/python scripts/mutants.py --report

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready
	$(BIN)/mypy
	$(BIN)/pyright

floors: .venv/.ready
	$(BIN)/lint-imports

# Ratios to the raw driver and to others, in one run.
bench: .venv/.ready
	$(BIN)/python -m benchmarks

# The built wheel in an environment of its own: what users get, not what lies in the checkout.
wheel: .venv/.ready
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --no-isolation --wheel --outdir build/wheel . >/dev/null
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check build/wheel/driftbreaker-*.whl
	cd build/wheel && venv/bin/python ../../tests/packaging/wheel.py

# Everything CI runs, but for what takes minutes: `make torture`, `make versions` and `make test-alertmanager`.
check: test lint types floors wheel

# Rewrites the lock files, newest and oldest, from pyproject.toml; needs uv.
lock:
	uv pip compile pyproject.toml --group dev $(LOCK) -o requirements/dev.txt
	uv pip compile pyproject.toml --group test --resolution lowest-direct $(LOCK) -o requirements/oldest.txt

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis
