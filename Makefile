.DEFAULT_GOAL := help
.PHONY: help setup build dev test test-setup unit e2e load attacks timing costs browser browser-setup screenshots package arm64 deploy check format clean

FUNCTIONS := $(notdir $(wildcard functions/*))
# Every build asks for the whole workspace, so that all share one set of features and no dependency is built twice.
BUILD := cargo build --workspace
TEST := cargo test --workspace
RUN_BROWSER = .venv/bin/python -m pytest -p no:cacheprovider --quiet tests/browser
WITH_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH"
FOR_ARM64 = $(WITH_VENV) cargo-lambda lambda build --arm64
MAIN_FUNCTIONS := start-registration verify-code phone-login profile-phone
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

.venv/browser: .venv/dev tests/browser/requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r tests/browser/requirements.txt
	touch $@

build: ## Build everything that `dev` and `test` run
	@echo "Building $(words $(FUNCTIONS)) functions and the stack (the first time takes minutes):"
	$(BUILD) --bins

dev: setup build ## Run the whole service on this machine
	target/debug/twostep-local

# A browser is looked for, and got, before the long part; SKIP_BROWSER=1 leaves its tests out.
BROWSER := $(if $(SKIP_BROWSER),,browser)

test: test-setup $(BROWSER:%=%-setup) build ## Run every test: unit, property, service, template, end-to-end, in a browser
	$(TEST)
	$(if $(BROWSER),$(RUN_BROWSER))

test-setup: .venv/test

unit: ## Run the fast tests only: no stack, no Python
	$(TEST) --lib --bins --test service --test spending

e2e: test-setup build ## Run the end-to-end tests only
	$(TEST) --test e2e

load: build ## Register 10,000 people at 200 a second, then 200 at once, and print what happened
	target/debug/load

attacks: build ## Try every attack and write docs/attacks.md
	$(TEST) --test attacks -- --write

timing: build ## Compare the time of answers about known and unknown names (a benchmark)
	target/debug/timing

costs: build ## Count what a sign-in reads and writes (for the table in docs/operations.md)
	target/debug/costs

browser: browser-setup build ## Run the tests in a real browser only
	$(RUN_BROWSER)

screenshots: browser-setup build ## Make the pictures of the pages anew (docs/images)
	.venv/bin/python tests/browser/screenshots.py

browser-setup: .venv/browser
	@.venv/bin/python tests/browser/chrome.py get > /dev/null

package: setup ## Build every function for arm64 as it is deployed, and print how large each is
	$(FOR_ARM64) --release --output-format zip $(addprefix -p ,$(FUNCTIONS))
	@for function in $(FUNCTIONS); do printf '%9d bytes  %s\n' $$(stat -c %s target/lambda/$$function/bootstrap.zip) $$function; done

arm64: setup build ## Build the main functions for arm64 and run them here, under an emulator
	$(FOR_ARM64) --profile ci $(addprefix -p ,$(MAIN_FUNCTIONS))
	$(TEST) --test arm64 -- --ignored

deploy: test-setup ## Build and deploy; asks for the parameters
	$(WITH_VENV) sam build
	$(WITH_VENV) sam deploy --guided

check: ## Check format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

format: ## Format the code
	cargo fmt --all

clean: ## Remove what was built and the data of `dev`
	cargo clean
	rm -rf .venv
