.DEFAULT_GOAL := help
.PHONY: help setup build dev test test-setup unit e2e check format clean

FUNCTIONS := $(notdir $(wildcard functions/*))
# Two builds, as `cargo run` picks the features of one package and the rest share theirs: each is made once.
BUILD_FUNCTIONS := cargo build $(addprefix -p ,$(FUNCTIONS))
REST := -p twostep -p twostep-local -p twostep-tests
export CARGO_LAMBDA := $(CURDIR)/.venv/bin/cargo-lambda
export SAM_CLI_TELEMETRY := 0

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: .venv/dev ## Install what Rust alone does not bring (into .venv)

.venv/dev: requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/test: .venv/dev tests/requirements.txt tests/requirements-checkov.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	python3 -m venv .venv/checkov
	.venv/checkov/bin/pip install --quiet --disable-pip-version-check -r tests/requirements-checkov.txt
	touch $@

build: ## Build everything that `dev` and `test` run
	$(BUILD_FUNCTIONS)
	cargo build $(REST) --bin twostep-local

dev: setup build ## Run the whole service on this machine
	target/debug/twostep-local

test: test-setup build ## Run every test: unit, property, service, template, end-to-end
	cargo test $(REST)

test-setup: .venv/test

unit: ## Run the fast tests only: no emulator, no Python
	cargo test -p twostep -p twostep-local
	cargo test $(REST) --test service

e2e: test-setup build ## Run the end-to-end tests only
	cargo test $(REST) --test e2e

check: ## Check format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

format: ## Format the code
	cargo fmt --all

clean: ## Remove what was built and the data of `dev`
	cargo clean
	rm -rf .venv
