# The README's commands. Everything is set up in .venv from the exact versions of constraints.txt.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo policies test lint format bench proto picture clean

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"doorward needs Python 3.11 or newer, and $(PYTHON) is {v[0]}.{v[1]}: name another with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing doorward and an embedded PostgreSQL into $(VENV) ..."
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing doorward, its tests and its tools into $(VENV) ..."
	@$(PIP) --editable '.[author,demo,otel,test,dev]'
	@touch $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing doorward and the peers it is measured beside into $(VENV) ..."
	@$(PIP) --editable '.[bench,demo]'
	@touch $@

# Peers in other languages: built where there is a compiler, else absent from the results. Neither the lock nor the sums are kept.
BENCH_OPA     := bench/opa/target/bench-opa
BENCH_CEDAR   := bench/cedar/target/release/bench-cedar
BENCH_CERBOS  := bench/cerbos/target/node_modules/cerbos
BENCH_LOADGEN := bench/loadgen/target/bench-loadgen
BENCH_OPA_ENVOY := bench/opa-envoy/target/opa-envoy-plugin
BENCH_REGORUS := bench/regorus/target/release/bench-regorus

$(BENCH_OPA): bench/opa/main.go bench/opa/go.mod
	@echo "building OPA for the bench ..."
	@mkdir -p $(@D) && cp bench/opa/go.mod $(@D)/go.mod
	@cd bench/opa && go build -mod=mod -modfile=target/go.mod -o target/bench-opa . || echo "OPA was not built: it will be absent"
	@cd bench/opa && go build -mod=mod -modfile=target/go.mod -o target/opa github.com/open-policy-agent/opa || echo "OPA's own program was not built: it will be absent"

$(BENCH_REGORUS): bench/regorus/src/main.rs bench/regorus/Cargo.toml
	@echo "building regorus for the bench, for a minute or two ..."
	@cargo build --quiet --release --manifest-path bench/regorus/Cargo.toml || echo "regorus was not built: it will be absent"

$(BENCH_CEDAR): bench/cedar/src/main.rs bench/cedar/Cargo.toml
	@echo "building Cedar for the bench, for a minute or two ..."
	@cargo build --quiet --release --manifest-path bench/cedar/Cargo.toml || echo "Cedar was not built: it will be absent"

$(BENCH_LOADGEN): $(wildcard bench/loadgen/*.go) bench/loadgen/go.mod
	@echo "building what asks servers for the bench ..."
	@mkdir -p $(@D) && cp bench/loadgen/go.mod $(@D)/go.mod
	@cd bench/loadgen && go build -mod=mod -modfile=target/go.mod -o target/bench-loadgen . || echo "it was not built: servers of others will be absent"

$(BENCH_OPA_ENVOY):
	@echo "building OPA's plugin for Envoy for the bench ..."
	@GOBIN=$(abspath $(@D)) go install github.com/open-policy-agent/opa-envoy-plugin/cmd/opa-envoy-plugin@latest 2>/dev/null || echo "it was not built: it will be absent"

$(BENCH_CERBOS):
	@echo "installing Cerbos for the bench ..."
	@npm install --silent --no-audit --no-fund --no-save --prefix bench/cerbos/target cerbos@0.51.0 || echo "Cerbos was not installed: it will be absent"

PEERS := $(if $(shell command -v go),$(BENCH_OPA) $(BENCH_LOADGEN) $(BENCH_OPA_ENVOY)) $(if $(shell command -v npm),$(BENCH_CERBOS)) $(if $(shell command -v cargo),$(BENCH_REGORUS) $(BENCH_CEDAR))

demo: $(VENV)/.demo ## Run the whole product on an embedded PostgreSQL, in under two minutes
	@$(BIN)/doorward demo

policies: $(VENV)/.test ## Check, format-check and test the starter policies; JUnit in build/policies.xml
	@mkdir -p build
	@$(BIN)/doorward check --strict policies
	@$(BIN)/doorward fmt --check policies
	@$(BIN)/doorward test policies --coverage --threshold 100 --junit build/policies.xml

test: $(VENV)/.test ## Run every test
	@$(BIN)/python -m pytest

lint: $(VENV)/.test ## Check style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: $(VENV)/.test ## Format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/.bench $(PEERS) ## Measure beside peers, into bench/results/; ARGS="decisions --quick", ARGS=--help
	@$(BIN)/python -m bench $(ARGS)

proto: $(VENV)/.test ## Generate the protobuf code again
	@$(BIN)/python -m grpc_tools.protoc -I proto --python_out=proto --pyi_out=proto --grpc_python_out=proto doorward_proto/v1/decision.proto
	@$(BIN)/python -m grpc_tools.protoc -I proto --python_out=proto --pyi_out=proto doorward_proto/envoy/authorization.proto

picture: $(VENV)/.demo ## Draw the demo's output into docs/demo.svg
	@$(BIN)/doorward demo --svg docs/demo.svg

clean: ## Remove what was installed and built
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis bench/*/target bench/results
