.DEFAULT_GOAL := help
.PHONY: help setup build dev test test-setup unit e2e load reliability attacks timing costs bench bench-peers permissions browser browser-setup apache-setup screenshots package release arm64 scripts preflight deploy-first deploy propose apply smoke undo-failed-deploy callback rotate-callback rotate-origin-secret check format clean

FUNCTIONS := $(notdir $(wildcard functions/*))
# Every build asks for the whole workspace, so that all share one set of features and no dependency is built twice.
BUILD := cargo build --workspace
TEST := cargo test --workspace
# Two processes, because a test waits for its page for half of its time.
RUN_BROWSER = .venv/bin/python -m pytest -p no:cacheprovider --quiet --numprocesses 2 --dist worksteal tests/browser
TEST_SCRIPTS = .venv/bin/python -m pytest -p no:cacheprovider --quiet scripts/tests
WITH_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH"
NPM_PACKAGES := tests/clients tests/browser examples/express-verification examples/spa-oidc
FOR_ARM64 = $(WITH_VENV) cargo-lambda lambda build --arm64
MAIN_FUNCTIONS := start-registration verify-code phone-login profile-phone
export CARGO_LAMBDA := $(CURDIR)/.venv/bin/cargo-lambda
export SAM_CLI_TELEMETRY := 0

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

setup: .venv/dev ## Install the tools that Rust doesn't bring (into .venv)

.venv/dev: requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/test: .venv/dev scripts/requirements.txt tests/requirements.txt tests/requirements-checkov.txt $(NPM_PACKAGES:%=%/package-lock.json) $(wildcard examples/*/requirements.txt)
	.venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	python3 -m venv .venv/checkov
	.venv/checkov/bin/pip install --quiet --disable-pip-version-check -r tests/requirements-checkov.txt
	for package in $(NPM_PACKAGES); do $(WITH_VENV) npm ci --prefix $$package --no-audit --no-fund --silent || exit 1; done
	touch $@

.venv/browser: .venv/dev tests/browser/requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r tests/browser/requirements.txt
	touch $@

build: ## Build everything that `dev` and `test` run
	@echo "Building $(words $(FUNCTIONS)) functions and the stack (the first time takes minutes):"
	$(BUILD) --bins

# IAM=enforced asks for the template as SAM expands it.
dev: setup build $(if $(filter enforced,$(IAM)),target/expanded-template.json) ## Run the whole service on this machine
	target/debug/twostep-local

# `browser-setup` and `apache-setup` come first, so that a missing program is reported before the long tests. SKIP_BROWSER=1 and SKIP_APACHE=1
# skip their tests.
BROWSER := $(if $(SKIP_BROWSER),,browser)
APACHE := $(if $(SKIP_APACHE),,apache)

test: test-setup $(BROWSER:%=%-setup) $(APACHE:%=%-setup) build ## Run every test: unit, property, service, template, end-to-end, in a browser
	rm -rf target/iam-usage
	$(TEST) --no-run
	@echo "Testing in parallel; each part prints its results when it ends: $(PARTS:run-%=%)"
	$(MAKE) --no-print-directory --jobs=$(words $(PARTS)) $(addprefix --output-sync=,$(if $(filter output-sync,$(.FEATURES)),target)) $(PARTS)
	target/debug/permissions

# Most tests wait for most of their time, so the parts share the processors well.
PARTS := run-tests run-e2e run-attacks run-scripts $(BROWSER:%=run-%)
.PHONY: $(PARTS)

# All but the end-to-end tests, which are in a folder.
run-tests:
	$(TEST) --lib --bins $(addprefix --test ,$(basename $(notdir $(wildcard tests/tests/*.rs shared/*/tests/*.rs))))
	$(TEST) --doc

run-e2e:
	$(TEST) --test e2e

run-attacks:
	target/debug/attacks

run-scripts:
	$(TEST_SCRIPTS)

run-browser:
	$(RUN_BROWSER)

test-setup: .venv/test

unit: ## Run only the fast tests, without stack and Python
	$(TEST) --lib --bins --test service --test recovery --test spending --test messages

e2e: test-setup build ## Run only the end-to-end tests
	$(TEST) --test e2e

scripts: test-setup ## Test the deploy scripts, and deploy into a stand-in of AWS
	$(TEST_SCRIPTS)

load: test-setup build ## Register 10,000 users at 200 a second, then 200 at once, and print the results
	target/debug/load

reliability: test-setup build ## Register 2,000 users while everything around them fails, and print the results
	target/debug/reliability

attacks: test-setup build ## Try every attack and write docs/attacks.md
	target/debug/attacks --write

timing: test-setup build ## Compare the time of answers about known and unknown names (a benchmark)
	target/debug/timing

bench: test-setup build ## Measure starts, requests and memory of release builds, and count the calls of a sign-in
	$(BUILD) --release --bins
	target/release/performance
	target/debug/costs

bench-peers: test-setup ## Compare a sign-in with OpenAuth and better-auth in Node
	$(BUILD) --release --bins
	$(WITH_VENV) npm ci --prefix tests/peers --no-audit --no-fund --silent
	target/release/peers

costs: test-setup build ## Count what a sign-in reads and writes (for the table in docs/operations.md)
	target/debug/costs

permissions: test-setup build ## List permissions that the last run of the tests did not use, and calls that were denied
	target/debug/permissions

target/expanded-template.json: .venv/test template.yaml tests/expand_template.py
	mkdir -p $(@D)
	.venv/bin/python tests/expand_template.py template.yaml > $@.new
	mv $@.new $@

browser: test-setup browser-setup build ## Run the tests in a real browser only
	$(RUN_BROWSER)

screenshots: test-setup browser-setup build ## Make the pictures of the pages anew (docs/images)
	.venv/bin/python tests/browser/screenshots.py

apache-setup: .venv/dev
	@.venv/bin/python tests/apache.py get > /dev/null

browser-setup: .venv/browser
	@.venv/bin/python tests/browser/chrome.py get > /dev/null

package: setup ## Build the arm64 artifacts of all functions and print their sizes
	$(FOR_ARM64) --release --output-format zip $(addprefix -p ,$(FUNCTIONS))
	@for function in $(FUNCTIONS); do printf '%9d bytes  %s\n' $$(wc -c < target/lambda/$$function/bootstrap.zip) $$function; done

release: package .venv/deploy ## Make release/, which deploys without Rust: archives, template, checksums, bill of materials
	$(SCRIPT)/release.py make

arm64: test-setup build ## Build the main functions for arm64 and run them here, under an emulator
	$(FOR_ARM64) --profile ci $(addprefix -p ,$(MAIN_FUNCTIONS))
	$(TEST) --test arm64 -- --ignored

# Where and how to deploy: see scripts/parameters.py.
PARAMS ?= deploy.toml
SCRIPT = $(WITH_VENV) .venv/bin/python scripts

.venv/deploy: .venv/dev scripts/requirements.txt
	.venv/bin/pip install --quiet --disable-pip-version-check -r scripts/requirements.txt
	touch $@

preflight: .venv/deploy ## Say what would keep a deployment from working in this AWS account
	$(SCRIPT)/preflight.py --params $(PARAMS)

deploy-first: .venv/dev .venv/deploy ## Ask for the parameters, then build and deploy to AWS
	$(SCRIPT)/deploy.py --params $(PARAMS) --first

# CONFIRM=1 shows the changes and asks.
deploy: .venv/dev .venv/deploy ## Build and deploy to AWS without questions, with the parameters in PARAMS=deploy.toml
	$(SCRIPT)/deploy.py --params $(PARAMS) $(if $(CONFIRM),--confirm)

propose: .venv/dev .venv/deploy ## Make a change set for someone to approve, and print its changes
	$(SCRIPT)/deploy.py --params $(PARAMS) --propose

apply: .venv/deploy ## Make the changes of an approved change set: CHANGE_SET=ARN
	$(SCRIPT)/deploy.py --params $(PARAMS) --apply $(CHANGE_SET)

smoke: .venv/deploy ## Register, sign in and sign out at the deployment; PHONE=+14155552671 also sends a code
	$(SCRIPT)/smoke.py --params $(PARAMS) $(if $(PHONE),--phone $(PHONE))

undo-failed-deploy: .venv/deploy ## Remove what a failed first deployment left
	$(SCRIPT)/undo_failed_deploy.py --params $(PARAMS)

callback: .venv/deploy ## Print the URL for Clickatell's delivery reports
	$(SCRIPT)/callback.py --params $(PARAMS)

rotate-callback: .venv/deploy ## Replace the token in that URL; the previous one works until the next replacement
	$(SCRIPT)/callback.py --params $(PARAMS) --rotate

rotate-origin-secret: .venv/deploy ## Replace the secret between CloudFront and the functions, without an outage
	$(SCRIPT)/edge.py --params $(PARAMS) rotate

check: ## Check formatting and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

format: ## Format the code
	cargo fmt --all

clean: ## Remove build output and the data of `dev`
	cargo clean
	rm -rf .venv
