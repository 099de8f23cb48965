# `make help` lists all targets. Needs only python3 (>= 3.11, with venv) and PyPI; uv comes from there, into .venv.
PYTHON ?= python3
UV_VERSION := 0.13.9
uv := .venv/bin/uv
bin := .venv/bin
parts := sdk actions conformance controller datastorage effectiveness cli release examples/demo tests

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
	VIRTUAL_ENV=$(CURDIR)/.venv $(uv) sync --quiet --locked --inexact --active --compile-bytecode
	@$(bin)/python -m compileall -q $(filter-out tests,$(parts)) # where PYTHONDONTWRITEBYTECODE is set, each start would compile anew
	@touch $@

.PHONY: setup
setup: .venv/ready ## Make the virtual environment

.PHONY: demo
demo: .venv/ready ## Plan, run, record and judge a remediation workflow on this machine
	@$(bin)/python examples/demo/demo.py

.PHONY: test
test: check ## Check, then run the tests that can run here (slow ones apart); skips say why
	$(bin)/pytest -n 3 --dist loadfile --no-loadscope-reorder # more than cores: tests wait for deadlines, containers and pods

.PHONY: test-slow
test-slow: .venv/ready ## Run the tests that take minutes: images under the kit, the controller on a cluster
	$(bin)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow

.PHONY: check
check: .venv/ready ## Check lint, formatting, language, strict types and import layers
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/python tests/docs/rules/language.py
	$(bin)/mypy $(parts)
	$(bin)/lint-imports --no-cache

.PHONY: language
language: .venv/ready ## Print classes that share a name, and docstrings with an odd beginning (FOLDERS='sdk tests/sdk')
	@$(bin)/ruff check --quiet --output-format concise --config 'lint.pydocstyle.convention="pep257"' --select D401 \
	  --config 'lint.per-file-ignores={"**/examination.py"=["D401"], "**/tests/**"=["D401"]}' $(or $(FOLDERS),.) # its properties are cached by a class of its own
	@$(bin)/python tests/docs/rules/language.py $(FOLDERS)

.PHONY: bench
bench: .venv/ready ## Print the benchmarks, each beside its floor
	for name in imports render action aws engine masking; do $(bin)/python tests/benchmarks/bench_$$name.py; done

.PHONY: bench-images
bench-images: .venv/ready ## Print the size and start time that action images add (BASE_IMAGE=… TOOL_IMAGE=… TOOL_PATH=… IMAGE_PREFIX=…)
	BASE_IMAGE=$(BASE_IMAGE) TOOL_IMAGE=$(TOOL_IMAGE) TOOL_PATH=$(or $(TOOL_PATH),/bin/kubectl) IMAGE_PREFIX=$(IMAGE_PREFIX) $(bin)/python tests/benchmarks/bench_image.py

.PHONY: conform
conform: .venv/ready ## Check every action of the images with the conformance kit (IMAGE_PREFIX=…)
	for part in kubectl argocd aws-cli; do (cd actions/$$part && PATH=$(CURDIR)/$(bin):$$PATH kubernaut conform $(IMAGE_PREFIX)/$$part:dev) || exit 1; done

RECORDED := build/permissions.json
.PHONY: permissions
permissions: .venv/ready ## Write the permissions that the kubectl actions take in all their tests; needs a cluster
	mkdir -p build && rm -f $(RECORDED)
	KUBERNAUT_RECORD_PERMISSIONS=$(CURDIR)/$(RECORDED) $(bin)/pytest tests/actions/kubectl -n 3 --dist loadfile -m 'slow or not slow'
	cp $(RECORDED) tests/actions/kubectl/permissions.json

.PHONY: bench-controller
bench-controller: .venv/ready ## Print the controller's figures on a cluster (PROBE_IMAGE=… by digest, in its nodes)
	$(bin)/python tests/benchmarks/bench_controller.py $(PROBE_IMAGE)

.PHONY: fault-campaign
fault-campaign: .venv/ready ## Kill the controller after every write, and more, on a cluster (PROBE_IMAGE=…, RESTART=program, ONLY=pattern)
	$(bin)/python tests/cluster/campaign.py $(PROBE_IMAGE) $(if $(RESTART),--restart $(RESTART)) $(if $(ONLY),--only '$(ONLY)')

TEKTON_VERSION ?= v1.6.0
.PHONY: kind
kind: ## Make a cluster with kind and Tekton; needs access to their registries (TEKTON_VERSION=…)
	kind create cluster --name kubernaut
	kubectl apply -f https://github.com/tektoncd/pipeline/releases/download/$(TEKTON_VERSION)/release.yaml
	kubectl patch configmap feature-flags --namespace=tekton-pipelines --type=merge -p '{"data": {"set-security-context": "true"}}'
	kubectl wait deployment --all --namespace=tekton-pipelines --for=condition=Available --timeout=300s
	kubectl apply --server-side -k controller/deploy

.PHONY: crds
crds: .venv/ready ## Write the custom resources from their models, and the policy about the depth of inputs
	$(bin)/python -m kubernaut_controller.crd controller/deploy/base/crds
	$(bin)/python -m kubernaut_controller.depthpolicy controller/deploy/policy/depth.yaml

.PHONY: bench-storage
bench-storage: .venv/ready ## Print Data Storage's figures beside their floors (SECONDS=30, RECORDS=500000)
	$(bin)/python tests/benchmarks/bench_storage.py $(or $(SECONDS),30)
	$(bin)/python tests/benchmarks/bench_storage_queries.py $(or $(RECORDS),500000)

.PHONY: bench-monitor
bench-monitor: .venv/ready ## Print the Effectiveness Monitor's figures, beside SQL and pandas (RECORDS=1000000)
	$(bin)/python tests/benchmarks/bench_monitor.py $(or $(RECORDS),1000000)

.PHONY: pictures
pictures: .venv/ready ## Write README's pictures of the pages, from a simulated fleet (needs Chromium)
	KUBERNAUT_PICTURES=$(CURDIR)/docs/pictures $(bin)/pytest -q -p no:xdist tests/effectiveness/test_effectiveness_browser.py -k pictures

.PHONY: notebook
notebook: .venv/ready ## Write the outputs of examples/demo/did-it-help.ipynb anew, from a simulated fleet
	KUBERNAUT_NOTEBOOK=write $(bin)/pytest -q -p no:xdist tests/effectiveness/test_effectiveness_notebook.py

.PHONY: crash-campaign
crash-campaign: .venv/ready ## Kill the service, PostgreSQL and clients under load, ROUNDS=200 times, and count lost records
	$(bin)/python tests/datastorage/crash.py $(or $(ROUNDS),200)

.PHONY: openapi
openapi: .venv/ready ## Write datastorage/openapi.json from the service
	$(bin)/python -m kubernaut_datastorage.http.openapi > datastorage/openapi.json

.PHONY: docs
docs: .venv/ready ## Write the generated pages of docs/: the actions, the workflow reference, the configuration
	$(bin)/kubernaut docs docs/actions
	$(bin)/python -m kubernaut_cli.reference docs

.PHONY: catalog
catalog: .venv/ready ## Write the generated part of tekton/catalog: typed Tasks, the StepAction, Pipelines
	$(bin)/kubernaut catalog write tekton/catalog

IMAGE_PYTHON ?= 3.13
IMAGE_PREFIX ?= ghcr.io/kubernaut/actions
STORAGE_IMAGE ?= ghcr.io/kubernaut/data-storage:dev
CONTROLLER_IMAGE ?= ghcr.io/kubernaut/controller:dev
MONITOR_IMAGE ?= ghcr.io/kubernaut/monitor:dev
# $(call fill,FOLDER,our parts,uv export options): our wheels for an image, and those that they need
define fill
	rm -rf build/$(1) && mkdir -p build/$(1)
	for part in $(2); do $(uv) build --quiet --wheel --package kubernaut-$$part --out-dir build/$(1); done
	$(uv) export --quiet --locked --no-dev --no-emit-workspace $(3) --output-file build/$(1).txt
	$(bin)/pip --quiet --disable-pip-version-check download --require-hashes --no-deps --only-binary=:all: --python-version $(IMAGE_PYTHON) \
	  --requirement build/$(1).txt --dest build/$(1)
endef

.PHONY: wheels
wheels: .venv/ready ## Fill build/wheels with what the action images install (IMAGE_PYTHON=3.13)
	$(call fill,wheels,sdk kubectl argocd aws,--package kubernaut-kubectl --package kubernaut-argocd --package kubernaut-aws)

.PHONY: author-wheels
author-wheels: .venv/ready ## Fill build/author-wheels with our own packages, which `kubernaut new` gives to a project
	rm -rf build/author-wheels && mkdir -p build/author-wheels
	for part in sdk conformance cli controller datastorage effectiveness; do \
	  $(uv) build --quiet --wheel --package kubernaut-$$part --out-dir build/author-wheels || exit 1; done

.PHONY: packages
packages: .venv/ready ## Build the wheel and source distribution of each part into build/packages
	rm -rf build/packages && mkdir -p build/packages
	for part in sdk kubectl argocd aws conformance controller datastorage effectiveness cli; do \
	  $(uv) build --quiet --package kubernaut-$$part --out-dir build/packages || exit 1; done

.PHONY: storage-wheels
storage-wheels: .venv/ready ## Fill build/storage-wheels with what the Data Storage image installs (IMAGE_PYTHON=3.13)
	$(call fill,storage-wheels,sdk datastorage,--package kubernaut-datastorage)

.PHONY: controller-wheels
controller-wheels: .venv/ready ## Fill build/controller-wheels with what the controller's image installs (IMAGE_PYTHON=3.13)
	$(call fill,controller-wheels,sdk controller,--package kubernaut-controller --extra operator --extra tracing)

.PHONY: monitor-wheels
monitor-wheels: .venv/ready ## Fill build/monitor-wheels with what the Effectiveness Monitor's image installs (IMAGE_PYTHON=3.13)
	$(call fill,monitor-wheels,sdk effectiveness,--package kubernaut-effectiveness)

.PHONY: image-data-storage
image-data-storage: ## Build the Data Storage image (BASE_IMAGE=… by digest)
	docker build --quiet --file datastorage/Dockerfile --tag $(STORAGE_IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) .

.PHONY: image-controller
image-controller: ## Build the controller's image (BASE_IMAGE=… by digest)
	docker build --quiet --file controller/Dockerfile --tag $(CONTROLLER_IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) .

.PHONY: image-monitor
image-monitor: ## Build the Effectiveness Monitor's image (BASE_IMAGE=… by digest)
	docker build --quiet --file effectiveness/Dockerfile --tag $(MONITOR_IMAGE) --build-arg BASE_IMAGE=$(BASE_IMAGE) \
	  --build-arg REVISION=$$(git rev-parse HEAD) .

.PHONY: image-%
image-%: .venv/ready ## Build one action image: image-kubectl, image-argocd, image-aws-cli (BASE_IMAGE=… by digest)
	@$(if $(BASE_IMAGE),,echo 'kubernaut: set BASE_IMAGE=…; the head of actions/$*/Dockerfile says to which image' >&2; exit 2)
	$(bin)/kubernaut build . --file=actions/$*/Dockerfile --tag=$(IMAGE_PREFIX)/$*:dev --quiet \
	  $(foreach name,BASE_IMAGE BUILD_IMAGE TOOL_IMAGE TOOL_PATH,$(if $($(name)),--build-arg=$(name)=$($(name))))

.PHONY: format
format: .venv/ready ## Format the code, and fix what the linter can
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

.PHONY: clean
clean: ## Remove the virtual environment and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
