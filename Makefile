# Reaper. `make` lists what can be made; the two that matter first are `make demo` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(VENV)/bin/pytest
CLUSTER := PYTHONPATH=tests/e2e $(PYTHON) -m cluster

.PHONY: help demo test check unit integration conformance conformance-all conformance-v2 chaos fuzz cert-manager e2e tutorial screens bench generate lock runtime images cluster control-plane install cluster-down clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: cluster install ## a cluster, Reaper on it, a task and a Pod that run: everything from nothing (first time: 15 minutes)
	@$(PYTHON) tools/demo.py

test: check runtime cluster install control-plane ## all checks and all tests, on a real containerd and a real cluster
	@tools/apt.sh busybox-static:busybox containerd:containerd runc:runc
	$(PYTEST) --hypothesis-profile=ci tests/unit tests/integration tests/conformance tests/e2e

check: $(VENV)/.ready ## ruff, mypy --strict, import-linter, and drift of generated files
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) tools/generate.py --check

unit: $(VENV)/.ready ## tests of single modules, in seconds
	$(PYTEST) tests/unit

integration: control-plane ## the operator against a real API server and against a faulty one, the chart with Helm
	$(PYTEST) tests/integration

conformance: runtime ## our shim and runc's under the same tests, and under real containerds
	@tools/apt.sh busybox-static:busybox containerd:containerd runc:runc
	$(PYTEST) tests/conformance

conformance-all: runtime ## the same under Debian's containerd 1.7 and 2.1 too
	@tools/apt.sh busybox-static:busybox containerd:containerd runc:runc mmdebstrap:mmdebstrap
	$(PYTEST) tests/conformance --all-containerds

conformance-v2: runtime ## the same in a virtual machine with Debian's kernel, systemd and cgroup version 2; ARGS="-k pause" MINUTES=60
	@tools/apt.sh qemu-system-x86:qemu-system-x86_64 mmdebstrap:mmdebstrap e2fsprogs:mke2fs
	@$(CLUSTER) path containerd >/dev/null
	PYTHONPATH=tools:tests/e2e $(PYTHON) -m tests.machine $(ARGS)

chaos: runtime ## 200 times kill -9 of workloads, shims, fork servers and containerds; ARGS="--seed 7 --kills 50"
	@tools/apt.sh busybox-static:busybox containerd:containerd runc:runc
	PYTHONPATH=tools $(PYTHON) -m tests.conformance.chaos $(ARGS)

fuzz: $(VENV)/.ready ## a million random inputs for the ttrpc server, and a million guided by coverage; ARGS="--seed 7 --inputs 10000"
	$(PYTHON) -m tests.fuzz.ttrpc_server $(ARGS)
	$(PYTHON) -m tests.fuzz.guided $(ARGS)

cert-manager: control-plane ## webhooks with a real cert-manager (first time: 4 minutes more); not part of make test
	@$(CLUSTER) path cert-manager >/dev/null
	$(PYTEST) tests/cert_manager

e2e: cluster install ## kubectl and YAML against the cluster
	$(PYTEST) tests/e2e

tutorial: cluster install ## type docs/tutorial.md anew on the cluster, and write down what it prints
	PYTHONPATH=tests/e2e $(PYTHON) -m tutorial

screens: cluster install ## the pictures in docs/screens/, of real commands on the cluster
	PYTHONPATH=tests/e2e $(PYTHON) -m screens

bench: runtime cluster install control-plane ## beside runc and beside batch Jobs, as ratios; writes docs/performance.md; ARGS="--quick"
	@tools/apt.sh busybox-static:busybox containerd:containerd runc:runc
	@$(CLUSTER) path kwok >/dev/null
	PYTHONPATH=tests/e2e $(PYTHON) -m tests.bench $(ARGS)

generate: $(VENV)/.ready ## write what is derived from the models in api/
	$(PYTHON) tools/generate.py

lock: $(VENV)/.ready ## resolve the Python packages anew into locks/
	$(PYTHON) tools/lock.py

runtime: $(VENV)/.ready ## build/runtime/: the runtime with its own interpreter
	@$(PYTHON) tools/build_runtime.py

images: runtime cluster ## reaper-operator:dev and reaper-node:dev
	@$(PYTHON) tools/build_images.py

control-plane: $(VENV)/.ready ## the programs of a control plane without nodes, which integration tests start and stop
	@$(CLUSTER) tools
	@for module in kubernetes etcd; do $(CLUSTER) path $$module >/dev/null; done

cluster: $(VENV)/.ready ## the kind cluster `reaper` (WORKERS=2 for more), its tools in .tools/bin, .tools/kubeconfig
	@$(CLUSTER) up

install: images ## the images and the chart of this checkout on the cluster
	@$(PYTHON) tools/install.py

cluster-down: $(VENV)/.ready ## remove the cluster and all that was started for it
	@$(CLUSTER) down

clean: ## remove what was built in this checkout; the cache of packages and programs stays
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.ready: locks/dev.txt pyproject.toml
	@tools/venv.sh $(VENV)
