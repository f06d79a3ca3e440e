# What a person runs. `make` alone lists the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# What is missing is said before anything is installed.
.NOTPARALLEL:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
# In the locale POSIX Java reads no file whose path has an accent.
export LC_ALL := C.UTF-8

ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
JARS := build/jars
# Each stamp lies inside what it vouches for, so that removing that removes the stamp.
DEPENDENCIES := $(VENV)/.dependencies-installed
PACKAGE := $(VENV)/.package-installed
TORCH := $(VENV)/.torch-installed
DOCS := $(VENV)/.docs-installed
CHECKED_JARS := $(JARS)/.checked
REGISTRY := build/registry
CHECKED_REGISTRY := $(REGISTRY)/.checked
APICURIO := io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all
DEPENDENCY_PLUGIN := org.apache.maven.plugins:maven-dependency-plugin:3.8.1
COPY_JARS := $(DEPENDENCY_PLUGIN):copy-dependencies
# -C: a checksum that does not match ends the build.
MAVEN := mvn -q -B -C -f docker/pom.xml
# A user without a name, as in containers, has the home "?" for Java.
ifneq ($(shell id -un >/dev/null 2>&1 && echo named),named)
MAVEN += -Dmaven.repo.local="$(HOME)/.m2/repository"
endif
# Even with -q and -B Maven prints colour resets, two to each of its outputs for each run.
NO_COLOUR := sed 's/\x1b\[[0-9;]*m//g'
PYTEST := $(BIN)/python -m pytest
# What pip fetches, 3 GB with PyTorch, is more than many a /tmp holds. The warnings are about others' packages.
PIP := TMPDIR="$(CURDIR)/$(VENV)" $(BIN)/python -W ignore -m pip --disable-pip-version-check --quiet
AGAIN = { echo "loudly: the set-up failed, see above. When that is put right, the same command begins it again." >&2; exit 1; }

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

needs-%:
	@scripts/check_prerequisites.sh $*

.PHONY: setup
setup: needs-setup $(PACKAGE) $(CHECKED_JARS) ## Install everything into .venv and build (done by the others too)
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "Ready: $(BIN)/loudly --help",:)

.PHONY: torch
torch: needs-torch $(TORCH) ## Install PyTorch into .venv, 6 GB on Linux (done by those that need it)

.PHONY: jars
jars: needs-setup $(CHECKED_JARS) ## Fetch the Kafka broker and Flink's Kafka connector

.PHONY: demo
demo: setup ## Watch drift being found: real Kafka and Flink on this machine (ARGS="--help" for more)
	@$(BIN)/loudly demo $(ARGS)

# Two processes run what needs a broker or a cluster, one or more the rest meanwhile: tests/schedule.py.
.PHONY: test
test: $(if $(ARGS),needs-torch,needs-tests) $(PACKAGE) $(CHECKED_JARS) $(CHECKED_REGISTRY) $(TORCH) $(DOCS) ## Run all tests (ARGS="-m 'not integration'" for others)
ifeq ($(ARGS),)
	@OMP_NUM_THREADS=1 $(PYTEST) -n auto --dist loadfile --no-loadscope-reorder
else
	@$(PYTEST) $(ARGS)
endif

.PHONY: lint
lint: needs-torch $(TORCH) ## Check style, types and the dependency rule
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: docs
docs: needs-setup $(DOCS) ## Build the pages as a site with search, build/site, read without a network
	@$(BIN)/python -m scripts.docs_site

.PHONY: bench
bench: bench-job bench-detectors bench-backtest ## Measure all against others, about 20 minutes (ARGS="--quick")

.PHONY: bench-job
bench-job: setup ## Throughput against two other jobs, about 10 minutes (ARGS="--quick")
	@$(BIN)/python -m scripts.bench.job $(ARGS)

.PHONY: bench-models
bench-models: setup ## Panes a second with 1,000 to 20,000 models, about 25 minutes (ARGS="--quick")
	@$(BIN)/python -m scripts.bench.models $(ARGS)

.PHONY: bench-detectors
bench-detectors: needs-torch $(TORCH) ## SciPy, alibi-detect, river and frouros, about 3 minutes after their set-up (ARGS="--quick")
	@$(BIN)/python -m scripts.bench.detectors $(ARGS)

.PHONY: bench-streams
bench-streams: needs-setup $(PACKAGE) ## Cost of an event after a million others, about 5 minutes (ARGS="--quick")
	@$(BIN)/python -m scripts.bench.streams $(ARGS)

.PHONY: bench-monitor
bench-monitor: needs-setup $(PACKAGE) ## Cost of an event and size of the state, about 5 minutes (ARGS="--against OTHER_CHECKOUT")
	@$(BIN)/python -m scripts.bench.monitor $(ARGS)

.PHONY: bench-backtest
bench-backtest: needs-torch $(TORCH) ## Backtests of 1 to 50 million events, alibi-detect and NannyML, about 7 minutes (ARGS="--quick")
	@$(BIN)/python -m scripts.bench.backtest $(ARGS)

.PHONY: bench-formats
bench-formats: setup ## The job and backtests in every format of events, about 30 minutes (ARGS="--quick")
	@$(BIN)/python -m scripts.bench.formats $(ARGS)

.PHONY: replicate
replicate: needs-torch $(TORCH) ## Repeat the experiments of the paper on real data (ARGS="--quick" for a minute)
	@$(BIN)/python -m scripts.replicate $(ARGS)

.PHONY: statistics
statistics: needs-torch $(TORCH) ## Measure run times and delays, ours and those of others, about 2 hours (ARGS="--part delays")
	@$(BIN)/python -m scripts.run_times $(ARGS)

.PHONY: type-one
type-one: needs-torch $(TORCH) ## Measure false-alarm rates of every reducer with every test, about 20 minutes
	@$(BIN)/python -m scripts.type_one $(ARGS)

.PHONY: fuzz
fuzz: needs-setup $(PACKAGE) ## Feed 100,000 hostile payloads to the core, about a minute
	@$(BIN)/python -m scripts.fuzz $(ARGS)

.PHONY: faults
faults: setup ## Kill, hinder and flood the job, and compare every result, about 90 minutes (ARGS="--quick" for less)
	@$(BIN)/python -m scripts.faults $(ARGS)

.PHONY: clean
clean: ## Remove everything that was installed, fetched or built
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Its programs name the folder and the Python that it was made for; either may be gone.
ifneq ($(shell grep -lsF "$(CURDIR)/$(BIN)/python" $(BIN)/pip && $(BIN)/python -c "" 2>&1),$(BIN)/pip)
.PHONY: $(DEPENDENCIES)
endif

# Stamps are touched last: a set-up that was interrupted runs again from its beginning.
$(DEPENDENCIES): requirements.lock
	@python=$$(scripts/check_prerequisites.sh python); \
	[ ! -e $(VENV) ] || echo "$(VENV) is unfinished, older than requirements.lock, or made for another folder or Python."; \
	echo "Creating $(VENV) with $$python ..."; \
	"$$python" -m venv --clear $(VENV) || $(AGAIN)
	@echo "Installing locked dependencies (about 2 minutes, once) ..."
	@$(PIP) install --require-hashes -r requirements.lock || $(AGAIN)
	@touch $@

$(PACKAGE): pyproject.toml $(DEPENDENCIES)
	@echo "Installing Loudly itself ..."
	@$(PIP) install --no-deps --no-build-isolation -e . || $(AGAIN)
	@touch $@

$(TORCH): requirements-torch.lock $(PACKAGE)
	@echo "Installing PyTorch (about 3 minutes and 6 GB, once) ..."
	@$(PIP) install --require-hashes -r requirements-torch.lock || $(AGAIN)
	@touch $@

$(DOCS): requirements-docs.lock $(PACKAGE)
	@echo "Installing what builds the site (a few seconds, once) ..."
	@$(PIP) install --require-hashes -r requirements-docs.lock || $(AGAIN)
	@touch $@

$(CHECKED_JARS): docker/pom.xml docker/jars.sha256
	@echo "Fetching the jars of Kafka and of Flink's Kafka connector (about 1 minute, once) ..."
	@rm -rf $(JARS)
	@{ $(MAVEN) -Pconnector $(COPY_JARS) -DoutputDirectory="$(CURDIR)/$(JARS)/flink" && \
	$(MAVEN) -Pbroker $(COPY_JARS) -DoutputDirectory="$(CURDIR)/$(JARS)/kafka"; } 2>&1 | $(NO_COLOUR) || $(AGAIN)
	@cd $(JARS) && sha256sum --check --quiet --strict "$(CURDIR)/docker/jars.sha256" || $(AGAIN)
	@touch $@

# The last release that runs on Java 17 and whose parent is served everywhere; tests alone start it.
$(CHECKED_REGISTRY): docker/registry.sha256
	@echo "Fetching the schema registry that tests start (142 MB, once) ..."
	@rm -rf $(REGISTRY)
	@$(MAVEN) $(DEPENDENCY_PLUGIN):copy -Dartifact=$(APICURIO) -DoutputDirectory="$(CURDIR)/$(REGISTRY)" 2>&1 \
	| $(NO_COLOUR) || $(AGAIN)
	@cd $(REGISTRY) && sha256sum --check --quiet --strict "$(CURDIR)/docker/registry.sha256" \
	&& tar -xzf *.tar.gz && rm *.tar.gz || $(AGAIN)
	@touch $@
