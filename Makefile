# `make help` lists what there is to run. Everything is installed into .venv and frontend/node_modules; only a missing
# Chromium is asked of the machine's package manager.

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
NODE_MODULES := frontend/node_modules/.complete
NPM := $(BIN)/python -m build_backend.node npm
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
APT := env DEBIAN_FRONTEND=noninteractive apt-get
PACKAGE := pyproject.toml setup.py $(wildcard build_backend/*.py)

# The Pythons that TensorFlow 2.21 exists for.
PYTHONS := python3 python3.13 python3.12 python3.11 python3.10
PYTHON ?= $(shell for python in $(PYTHONS); do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: help
help:  ## This list
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "%-12s%s\n", $$1, $$2 }' Makefile

# For users

.PHONY: demo
demo: bundle $(STAMPS)/demo  ## Train a few small networks and open TensorBoard on them
	$(BIN)/python -m demo

# For contributors

.PHONY: test
test: lint bundle browser $(STAMPS)/protoc  ## Everything that has to pass: lint, types, every test
	$(BIN)/python -m pytest
	$(NPM) run test

.PHONY: unit
unit: bundle $(STAMPS)/test $(STAMPS)/protoc  ## The fast Python tests alone
	$(BIN)/python -m pytest -m "not browser and not slow"

.PHONY: lint
lint: $(NODE_MODULES) $(STAMPS)/test  ## Style and types, of Python and TypeScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(NPM) run format:check
	$(NPM) run lint
	$(NPM) run typecheck

.PHONY: format
format: $(NODE_MODULES) $(STAMPS)/test  ## Format everything
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .
	$(NPM) run format

.PHONY: benchmark
benchmark: bundle $(STAMPS)/test browser $(NODE_MODULES)  ## Measure what users wait for
	$(BIN)/python -m benchmarks

.PHONY: proto
proto: $(STAMPS)/protoc  ## Generate the protobuf module anew
	PYTHONPATH=$(VENV)/protoc $(BIN)/python -m grpc_tools.protoc \
		--proto_path=. --python_out=. --pyi_out=. tb_rnn_plugin/rnn_data.proto

.PHONY: docs
docs: $(STAMPS)/test  ## Write docs/frameworks.md from the tests
	$(BIN)/python -m tests.framework_cases

.PHONY: gallery
gallery: bundle $(STAMPS)/test browser  ## Take the pictures of docs/gallery from the tab
	$(BIN)/python -m demo.gallery

.PHONY: diagnoses
diagnoses: bundle $(STAMPS)/test browser  ## Take the pictures of docs/diagnostics from the tab
	$(BIN)/python -m demo.diagnoses

.PHONY: lock
lock: $(BIN)/python  ## Resolve requirements/test.in anew
	$(BIN)/pip install -q uv==0.13.9
	@# What CUDA needs comes with the torch that asks for it: the CPU build does not.
	{ echo '# Made by `make lock` from test.in.'; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --upgrade --no-config \
			--no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements/test.in \
		| grep -v -E '^(cuda|nvidia)-|^triton=='; } > $(VENV)/lock.txt
	mv $(VENV)/lock.txt requirements/test.txt

.PHONY: clean
clean:  ## Remove what was built, and caches
	rm -rf tb_rnn_plugin/static build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache test-results
	find . -name __pycache__ -not -path './$(VENV)/*' -not -path '*/node_modules/*' -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean  ## Remove the environments as well
	rm -rf $(VENV) frontend/node_modules

# What these need

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'There is no Python 3.10 to 3.13 here; name one: make PYTHON=… <target>' >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); echo 'Python has no working venv; on Debian: apt-get install python3-venv' >&2; exit 1; }

# Its version is bound by the tests' lock: both share one environment.
$(STAMPS)/demo: $(PACKAGE) requirements/test.txt | $(BIN)/python bundle
	@echo 'Installing the plugin, TensorBoard, Keras and TensorFlow (about 700 MB: some minutes) …'
	@$(BIN)/pip install -q -c requirements/test.txt -e '.[keras,tensorflow]'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: $(PACKAGE) requirements/test.txt | $(BIN)/python bundle
	@echo 'Installing the test environment: TensorFlow, Keras, PyTorch, … (about 1 GB: some minutes) …'
	@$(BIN)/pip install -q -r requirements/test.txt
	@echo 'Installing the plugin …'
	@$(BIN)/pip install -q --no-deps -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/protoc: requirements/proto.txt | $(BIN)/python
	@echo 'Installing the protobuf compiler …'
	@$(BIN)/pip install -q --no-deps --upgrade --target $(VENV)/protoc -r requirements/proto.txt
	@mkdir -p $(STAMPS) && touch $@

# The machine's Node where it is new enough, else one from PyPI.
$(STAMPS)/node: build_backend/node.py | $(BIN)/python
	@requirement="$$($(BIN)/python -m build_backend.node requirement)"; \
		test -z "$$requirement" || { echo 'Installing Node …'; $(BIN)/pip install -q "$$requirement"; }
	@mkdir -p $(STAMPS) && touch $@

# The stamp is in node_modules: where a build of the package installs there itself, it installs less.
$(NODE_MODULES): frontend/package.json frontend/package-lock.json | $(STAMPS)/node
	@echo 'Installing the packages of the frontend …'
	@$(NPM) ci --ignore-scripts
	@touch $@

.PHONY: bundle
bundle: $(STAMPS)/node
	@$(BIN)/python -m build_backend.bundle

# Debian's Chromium where there is apt-get, for Playwright's own needs a download that not every network allows.
.PHONY: browser
browser: $(STAMPS)/test
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
		echo 'Installing Chromium …'; \
		command -v apt-get && $(SUDO) $(APT) update -q && $(SUDO) $(APT) install -q -y chromium; \
	} || $(BIN)/playwright install chromium
