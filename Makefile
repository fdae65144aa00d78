# The three commands of the README. Each sets up what it needs; the second run needs no network.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Programs are run as modules: a script's first line cannot name every folder that this may lie in.
# In UTF-8, as folders are named, whatever the shell's locale is.
RUN := $(BIN)/python -P -X utf8 -m

.DEFAULT_GOAL := help
.PHONY: help setup demo test lock clean

help:  ## what can be made here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(VENV)/.installed  ## .venv with bookpayctl in it
	@echo "ready: $(BIN)/bookpayctl --help"

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bookpay needs Python 3.11 or newer; this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --require-hashes -r requirements.lock
	$(RUN) pip install --quiet --no-deps --no-build-isolation -e .
# This folder once more, without its name: in a locale that writes it otherwise Python looks for other
# letters than pip wrote down.
	@for site in $(VENV)/lib/python*/site-packages; do echo ../../../.. > "$$site/bookpay-here.pth"; done
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(RUN) pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: setup  ## the main job: up, orders, a crash in the middle of a charge, check, verdict
	$(RUN) bookpayctl demo

test: $(VENV)/.installed-dev  ## everything that must hold: style, types, contracts, tests
	$(RUN) nox --no-venv

lock:  ## resolve the locks anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml --extra build -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -c requirements.lock pyproject.toml --extra build --extra dev -o requirements-dev.lock

clean:  ## remove what setup made (environments under .bookpay stay)
	rm -rf $(VENV)
