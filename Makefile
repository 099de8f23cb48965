# `make help` lists all. Needs only python3 (>= 3.11, with venv) and PyPI; uv comes from there, into .venv.
PYTHON ?= python3
UV_VERSION := 0.13.9
uv := .venv/bin/uv
bin := .venv/bin
parts := sdk actions controller datastorage effectiveness cli examples/demo tests

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
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
	for name in imports render action engine; do $(bin)/python tests/benchmarks/bench_$$name.py; done

.PHONY: bench-controller
bench-controller: .venv/ready ## Print the controller's figures on a cluster (PROBE_IMAGE=… by digest, in its nodes)
	$(bin)/python tests/benchmarks/bench_controller.py $(PROBE_IMAGE)

.PHONY: fault-campaign
fault-campaign: .venv/ready ## Kill the controller after every write, and more, on a cluster (PROBE_IMAGE=…, RESTART=program)
	$(bin)/python tests/cluster/campaign.py $(PROBE_IMAGE) $(if $(RESTART),--restart $(RESTART))

TEKTON_VERSION ?= v1.6.0
.PHONY: kind
kind: ## Bring up a cluster by kind, with Tekton, for whoever reaches their registries (TEKTON_VERSION=…)
	kind create cluster --name kubernaut
	kubectl apply -f https://github.com/tektoncd/pipeline/releases/download/$(TEKTON_VERSION)/release.yaml
	kubectl patch configmap feature-flags --namespace=tekton-pipelines --type=merge -p '{"data": {"set-security-context": "true"}}'
	kubectl wait deployment --all --namespace=tekton-pipelines --for=condition=Available --timeout=300s
	kubectl apply --server-side -k controller/deploy

.PHONY: crds
crds: .venv/ready ## Write the custom resources from their models
	$(bin)/python -m kubernaut_controller.crd controller/deploy/crds

.PHONY: docs
docs: .venv/ready ## Write docs/actions from the actions' own definitions
	$(bin)/kubernaut docs docs/actions

IMAGE_PYTHON ?= 3.13
IMAGE_PREFIX ?= ghcr.io/kubernaut/actions
CONTROLLER_IMAGE ?= ghcr.io/kubernaut/controller:dev
.PHONY: wheels
wheels: .venv/ready ## Fill build/wheels with what the action images install (IMAGE_PYTHON=3.13)
	rm -rf build/wheels && mkdir -p build/wheels
	for part in sdk kubectl argocd aws; do $(uv) build --quiet --wheel --package kubernaut-$$part --out-dir build/wheels; done
	$(uv) export --quiet --locked --no-dev --no-emit-workspace --package kubernaut-kubectl --package kubernaut-argocd \
	  --package kubernaut-aws --output-file build/requirements.txt
	$(bin)/pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary=:all: --python-version $(IMAGE_PYTHON) \
	  --requirement build/requirements.txt --dest build/wheels

.PHONY: controller-wheels
controller-wheels: .venv/ready ## Fill build/controller-wheels with what the controller's image installs (IMAGE_PYTHON=3.13)
	rm -rf build/controller-wheels && mkdir -p build/controller-wheels
	for part in sdk controller; do $(uv) build --quiet --wheel --package kubernaut-$$part --out-dir build/controller-wheels; done
	$(uv) export --quiet --locked --no-dev --no-emit-workspace --package kubernaut-controller --extra operator \
	  --output-file build/controller-requirements.txt
	$(bin)/pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary=:all: --python-version $(IMAGE_PYTHON) \
	  --requirement build/controller-requirements.txt --dest build/controller-wheels

.PHONY: image-controller
image-controller: ## Build the controller's image (BASE_IMAGE=… by digest)
	docker build --quiet --file controller/Dockerfile --tag $(CONTROLLER_IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) .

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
