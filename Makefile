# `make help` lists all. Needs only python3 (>= 3.11, with venv) and PyPI; uv comes from there, into .venv.
PYTHON ?= python3
UV_VERSION := 0.13.9
uv := .venv/bin/uv
bin := .venv/bin
parts := sdk actions controller datastorage effectiveness cli examples/demo tests

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
.DEFAULT_GOAL := help

$(uv):
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'kubernaut: $(PYTHON) must be at least 3.11 and have venv (Debian: apt-get install python3-venv)' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(bin)/pip --quiet --disable-pip-version-check install uv==$(UV_VERSION)

.venv/ready: $(uv) uv.lock pyproject.toml sdk/pyproject.toml $(wildcard actions/*/pyproject.toml */pyproject.toml)
	VIRTUAL_ENV=$(CURDIR)/.venv $(uv) sync --quiet --locked --inexact --active
	@touch $@

.PHONY: setup
setup: .venv/ready ## Make the virtual environment

.PHONY: demo
demo: .venv/ready ## Plan, run, record and judge a remediation workflow on this machine
	@$(bin)/python examples/demo/demo.py

.PHONY: test
test: check ## Check, then run every test that can run here; skips say why
	$(bin)/pytest -n 2 --dist loadgroup

.PHONY: check
check: .venv/ready ## Lint, formatting, strict types, who may import whom
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy $(parts)
	$(bin)/lint-imports --no-cache

.PHONY: bench
bench: .venv/ready ## Print the benchmarks, each beside its floor
	for name in imports render action engine masking; do $(bin)/python tests/benchmarks/bench_$$name.py; done

.PHONY: bench-images
bench-images: .venv/ready ## Print what the action images add (BASE_IMAGE=… TOOL_IMAGE=… IMAGE_PREFIX=…)
	BASE_IMAGE=$(BASE_IMAGE) TOOL_IMAGE=$(TOOL_IMAGE) IMAGE_PREFIX=$(IMAGE_PREFIX) $(bin)/python tests/benchmarks/bench_image.py

.PHONY: conform
conform: .venv/ready ## Put every action of the images to the conformance kit (IMAGE_PREFIX=…)
	for part in kubectl argocd aws-cli; do (cd actions/$$part && ../../$(bin)/kubernaut conform $(IMAGE_PREFIX)/$$part:dev) || exit 1; done

.PHONY: docs
docs: .venv/ready ## Write docs/actions from the actions' own definitions
	$(bin)/kubernaut docs docs/actions

IMAGE_PYTHON ?= 3.13
IMAGE_PREFIX ?= ghcr.io/kubernaut/actions
STORAGE_IMAGE ?= ghcr.io/kubernaut/data-storage:dev
.PHONY: wheels
wheels: .venv/ready ## Fill build/wheels with what the action images install (IMAGE_PYTHON=3.13)
	rm -rf build/wheels && mkdir -p build/wheels
	for part in sdk kubectl argocd aws; do $(uv) build --quiet --wheel --package kubernaut-$$part --out-dir build/wheels; done
	$(uv) export --quiet --locked --no-dev --no-emit-workspace --package kubernaut-kubectl --package kubernaut-argocd \
	  --package kubernaut-aws --output-file build/requirements.txt
	$(bin)/pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary=:all: --python-version $(IMAGE_PYTHON) \
	  --requirement build/requirements.txt --dest build/wheels

.PHONY: storage-wheels
storage-wheels: .venv/ready ## Fill build/storage-wheels with what the Data Storage image installs (IMAGE_PYTHON=3.13)
	rm -rf build/storage-wheels && mkdir -p build/storage-wheels
	for part in sdk controller datastorage effectiveness cli; do $(uv) build --quiet --wheel --package kubernaut-$$part --out-dir build/storage-wheels; done
	$(uv) export --quiet --locked --no-dev --no-emit-workspace --package kubernaut-cli --output-file build/storage-requirements.txt
	$(bin)/pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary=:all: --python-version $(IMAGE_PYTHON) \
	  --requirement build/storage-requirements.txt --dest build/storage-wheels

.PHONY: image-data-storage
image-data-storage: ## Build the Data Storage image (BASE_IMAGE=… by digest)
	docker build --quiet --file datastorage/Dockerfile --tag $(STORAGE_IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) .

.PHONY: openapi
openapi: .venv/ready ## Write datastorage/openapi.json from the service
	$(bin)/python -m kubernaut_datastorage.openapi > datastorage/openapi.json

.PHONY: bench-storage
bench-storage: .venv/ready ## Print Data Storage's figures beside their floors (SECONDS=30, RECORDS=500000)
	$(bin)/python tests/benchmarks/bench_storage.py $(or $(SECONDS),30)
	$(bin)/python tests/benchmarks/bench_storage_queries.py $(or $(RECORDS),500000)

.PHONY: crash-campaign
crash-campaign: .venv/ready ## Kill the service, PostgreSQL and clients under load, ROUNDS=200 times, and count what is lost
	$(bin)/python tests/datastorage/crash.py $(or $(ROUNDS),200)

.PHONY: image-%
image-%: .venv/ready ## Build one action image: image-kubectl, image-argocd, image-aws-cli (BASE_IMAGE=… by digest)
	@$(if $(BASE_IMAGE),,echo 'kubernaut: say BASE_IMAGE=…; the head of actions/$*/Dockerfile tells with what' >&2; exit 2)
	$(bin)/kubernaut build . --file=actions/$*/Dockerfile --tag=$(IMAGE_PREFIX)/$*:dev --quiet \
	  $(foreach name,BASE_IMAGE BUILD_IMAGE TOOL_IMAGE TOOL_PATH,$(if $($(name)),--build-arg=$(name)=$($(name))))

.PHONY: format
format: .venv/ready ## Format the code and mend what the linter can
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

.PHONY: clean
clean: ## Remove the virtual environment and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
