# The developer's menu; `make help` explains it. Everything runs in .venv, which the first target to need it makes.
PYTHON ?= python3
RUN := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check prose bench faults format screenshots release clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

.venv/ready: pyproject.toml sandbox/pyproject.toml requirements.lock tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py

demo: .venv/ready ## Try it: the console and a Jira sandbox in the browser, with flags and issues to play with
	@.venv/bin/flagpost demo

test: .venv/ready ## Run every test, with real databases and a real browser
	@$(RUN) tools/chromium.py
	@$(RUN) -m pytest -n 2 --dist loadfile

test-fast: .venv/ready ## Run the tests that take under a minute in all: no browser, no long runs
	@$(RUN) -m pytest -n 2 --dist worksteal -m "not slow and not browser" --hypothesis-profile quick

check: .venv/ready ## Everything that must hold before a change lands: lint, types, architecture, docs and all tests
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@.venv/bin/lint-imports --no-cache
	@$(RUN) tools/prose.py
	@$(MAKE) --no-print-directory test

prose: .venv/ready ## Count words of tools/house_words.toml in each file; IN=src/flagpost/web lists them there
	@$(RUN) tools/prose.py $(IN)

bench: .venv/ready ## Measure speed, each figure beside its floor from the same run
	@$(RUN) -m benchmarks

faults: .venv/ready ## Break everything there is, over and over, in bursts of 5,000 changes, and report what was survived
	@$(RUN) -m benchmarks.faults

format: .venv/ready ## Put every file into the house format
	@$(RUN) -m ruff check --fix --silent . ; $(RUN) -m ruff format .

screenshots: .venv/ready ## Take the README's pictures anew
	@$(RUN) tools/chromium.py
	@$(RUN) tools/screenshots.py

release: .venv/ready ## Build, check and try a release in dist/, upload nothing: VERSION=0.3.0 cuts it first
	@$(RUN) tools/release.py --version "$(VERSION)" --date "$(DATE)" --repository "$(REPOSITORY)"

clean: ## Remove everything that was made, but no data
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
