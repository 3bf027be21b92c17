# make demo    set up, start the service, POST a real clip, show its tubelets, write an overlay
# make test    set up, then everything that needs no torch
PYTHON  ?= python3
CLIP    ?= demo/pedestrians.mp4
OUT     ?= demo-output
VENV    := .venv
MODELS  := .venv-models
TRITON  := .venv-triton
DOCS    := .venv-docs
GENERATORS := .venv-generators
BIN     := $(VENV)/bin
# containers: small, cpu or gpu; docker compose or podman-compose
PROFILE ?= small
COMPOSE ?= docker compose
# 2 shared cores: one thread per process, or the tests fight each other
export OMP_NUM_THREADS ?= 1
# images that podman builds: its own format has no HEALTHCHECK
export BUILDAH_FORMAT ?= docker

.PHONY: demo test check lint test-models train-smoke test-triton test-generators test-browser test-reliability storm docs test-docs mutations mutants load schema compose-check compose-test up down setup wheel lock clean

demo: setup
	$(BIN)/dualtrack demo --clip "$(CLIP)" --out "$(OUT)"

test: check test-fast test-reliability test-triton test-generators

check: setup lint                       ## format, lint, types, imports
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test-fast
test-fast: setup
	$(BIN)/pytest -m "not triton and not models and not generators and not browser and not docs and not reliability"

test-reliability: setup                 ## a real service that is killed, frozen, filled up and abused
	$(BIN)/pytest -m reliability tests/reliability

storm: setup                            ## the long form, a quarter of an hour: OPTIONS="--jobs 250 --kills 60 --seed 1"
	$(BIN)/python -m tests.reliability $(OPTIONS)

test-triton: setup $(TRITON)/.done      ## a real Triton server on the bundled repository
	DUALTRACK_TEST_TRITON_PYTHON=$(TRITON)/bin/python $(BIN)/pytest -m triton

test-generators: setup $(GENERATORS)/.done  ## clients and models generated from the OpenAPI document
	DUALTRACK_TEST_GENERATORS=$(GENERATORS)/bin $(BIN)/pytest -m generators tests/generators

test-models: $(MODELS)/.done            ## torch modules, export, parity, a short training
	$(MODELS)/bin/pytest -m models

train-smoke: $(MODELS)/.done            ## made data -> both trainings -> export -> segment, in about five minutes
	rm -rf runs/smoke
	$(MODELS)/bin/python -m tests.smoke.train --out runs/smoke

test-browser: $(VENV)/.browser          ## the web page in chromium (on PATH, or DUALTRACK_TEST_CHROMIUM)
	$(BIN)/pytest -m browser

docs: $(DOCS)/.done                     ## the documentation site, in site/: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build

test-docs: setup $(DOCS)/.done          ## the site builds strictly and takes nothing from another host
	DUALTRACK_TEST_DOCS_PYTHON=$(DOCS)/bin/python $(BIN)/pytest -m docs

mutations: setup                        ## shows that tests can fail: guards removed, lines changed, one at a time
	$(BIN)/python -m tests.mutations
	$(BIN)/python -m tests.mutations.lua

mutants: setup $(VENV)/.mutants         ## a fixed half of mutmut's mutants of the pure core; OPTIONS='--parts 2', OPTIONS=stitching
	$(BIN)/python -m tests.mutations.generated $(OPTIONS)

load: setup                             ## a minute of load on a local service
	$(BIN)/python -m tests.load.run

schema: setup                           ## all checks of schemathesis on a local service; OPTIONS=--examples=200
	$(BIN)/python -m tests.schema.run $(OPTIONS)

compose-check: setup                    ## compose file, Dockerfiles, image build where podman or docker is at hand
	$(BIN)/python -m docker.check

compose-test: setup $(VENV)/.compose    ## build and start the whole stack, kill parts of it, take it down; OPTIONS=--stand-ins
	$(BIN)/python -m docker.compose_test $(OPTIONS)

up:                                     ## start the containers of PROFILE in the background
	sh docker/secrets.sh secrets
	$(COMPOSE) --project-name dualtrack --profile $(PROFILE) up --detach --build

down:                                   ## stop and remove them; videos and results stay in their volumes
	$(COMPOSE) --project-name dualtrack --profile small --profile cpu --profile gpu down

wheel: setup                            ## dist/dualtrack-VERSION-py3-none-any.whl, the models inside
	$(BIN)/python -m hatchling build -t wheel

lock:                                   ## write the hashed lock files anew
	sh requirements/lock.sh

setup: $(VENV)/.done

# uv where it is at hand or can be had, pip otherwise; both check the hashes
$(VENV)/.done: requirements/dev.txt pyproject.toml
	sh requirements/install.sh $(PYTHON) $(VENV) requirements/dev.txt

$(VENV)/.browser: $(VENV)/.done requirements/browser-test.txt
	sh requirements/install.sh $(PYTHON) $(VENV) requirements/browser-test.txt no-project
	touch $@

$(VENV)/.mutants: $(VENV)/.done requirements/mutants.txt
	sh requirements/install.sh $(PYTHON) $(VENV) requirements/mutants.txt no-project
	touch $@

$(VENV)/.compose: $(VENV)/.done requirements/compose-test.txt
	sh requirements/install.sh $(PYTHON) $(VENV) requirements/compose-test.txt no-project
	touch $@

$(MODELS)/.done: requirements/models.txt pyproject.toml
	sh requirements/install.sh $(PYTHON) $(MODELS) requirements/models.txt

$(DOCS)/.done: requirements/docs.txt pyproject.toml
	sh requirements/install.sh $(PYTHON) $(DOCS) requirements/docs.txt

$(TRITON)/.done: requirements/triton-test.txt
	sh requirements/install.sh $(PYTHON) $(TRITON) requirements/triton-test.txt no-project

$(GENERATORS)/.done: requirements/generators.txt
	sh requirements/install.sh $(PYTHON) $(GENERATORS) requirements/generators.txt no-project

clean:
	rm -rf $(VENV) $(MODELS) $(TRITON) $(GENERATORS) $(DOCS) demo-output build dist site mutants mutants.log
