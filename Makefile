# `make help` lists what there is.
VENV ?= .venv
export VENV
PYTHON_SCRIPTS = scripts/base-image scripts/install-helm scripts/lock scripts/moorage-images scripts/quickstart scripts/serve-example scripts/test-times scripts/tools-image scripts/venv
PYTEST = $(VENV)/bin/pytest

# Tests run in parallel, in more workers than there are processors where they wait for most of their time. `make test-e2e WORKERS=0`
# runs them one after the other. Each suite's report goes to REPORTS, which scripts/test-times reads. `make test-e2e AGAIN=1` runs, one
# after the other, the tests that failed the last time.
PROCESSORS := $(shell nproc)
REPORTS = build/tests
SUITES = unit integration e2e
REPORT = $(REPORTS)/$(1)$(if $(AGAIN),-again).xml
FAILED = $(if $(AGAIN),--last-failed --last-failed-no-failures none)
RUN_SUITE = rm -f $(REPORT); $(PYTEST) -q tests/$(1) -n $(or $(if $(AGAIN),1),$(WORKERS),$(2)) --dist loadgroup $(FAILED) --junitxml $(REPORT)

.DEFAULT_GOAL := help
.PHONY: help quickstart stop images tools venv dev check test test-unit test-integration test-e2e bench docs lock

help: ## list these commands
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

quickstart: ## fresh Debian 12 or Ubuntu machine, as root or with sudo: everything to a running workspace (PORT=… for another port)
	@scripts/install-system
	@scripts/quickstart

stop: ## end what quickstart started; workspaces are stopped, their files stay
	@scripts/quickstart --stop

images: ## make sure of the images that workspaces need
	@scripts/install-system
	@scripts/base-image
	@scripts/tools-image

tools: ## make sure of the image that holds editor and helpers
	@scripts/tools-image

venv: ## the virtual environment, with what Moorage needs to run
	@scripts/venv

dev: ## the virtual environment, with what its tests and checks need as well
	@scripts/install-system --programs
	@scripts/venv --dev

check: dev ## all that is static: style, format, types, layers, locks
	$(VENV)/bin/ruff check . $(PYTHON_SCRIPTS)
	$(VENV)/bin/ruff format --check . $(PYTHON_SCRIPTS)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	scripts/lock --check
	$(VENV)/bin/python scripts/wrap_markdown.py --check

test: ## install what the tests need, run all of them but those on a cluster, and say what took how long
	@$(MAKE) --no-print-directory --keep-going $(SUITES:%=test-%); status=$$?; \
	scripts/test-times $(SUITES:%=$(REPORTS)/%.xml); exit $$status

test-unit: dev ## pure decisions; seconds
	$(call RUN_SUITE,unit,$(PROCESSORS))

test-integration: test-system ## real Git, Docker, HAProxy, PostgreSQL, processes
	$(call RUN_SUITE,integration,$$(( $(PROCESSORS) * 2 + 1 )))

test-e2e: test-system ## the walk-through in a browser, and what happens when things are killed
	$(call RUN_SUITE,e2e,$$(( $(PROCESSORS) + 1 )))

.PHONY: test-cluster
test-cluster: test-system ## the Kubernetes runtime and the chart on a real cluster: one that is started for it (root), or yours (docs/kubernetes.md)
	@$(VENV)/bin/python scripts/install-helm >/dev/null
	$(call RUN_SUITE,cluster,1)

.PHONY: bench-cluster
bench-cluster: dev ## the Kubernetes agent with a thousand workspaces: latency, memory, etcd, cold start (root; starts a cluster, or uses yours)
	$(VENV)/bin/python bench/cluster.py

.PHONY: test-system bench-system
bench-system:
	@scripts/install-system --bench
	@$(MAKE) --no-print-directory test-system

test-system:
	@scripts/install-system --tests
	@scripts/venv --dev
	@scripts/base-image
	@scripts/tools-image
	@scripts/moorage-images

bench: bench-system ## the figures that we promise, as ratios within one run; also in build/bench.json
	$(VENV)/bin/python bench/report.py

docs: dev ## write those parts of the documents anew that are made from the code, and wrap what is too wide
	$(VENV)/bin/python scripts/make_docs.py
	$(VENV)/bin/python scripts/wrap_markdown.py

lock: ## write the locks anew, for pyproject.toml as it is
	@scripts/lock
