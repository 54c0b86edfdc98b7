# Every task of the project; `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
CPU_BUILD := https://download.pytorch.org/whl/cpu

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "dnnx needs Python 3.11 to 3.13: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(if $(cpu),$(BIN)/python -m pip install --quiet --constraint constraints.txt --index-url $(CPU_BUILD) torch torchvision)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

.PHONY: setup
setup: .venv/installed ## make .venv with the package and all it needs (6 GB, a few minutes); cpu=1 takes PyTorch's CPU build (1.5 GB)

.PHONY: demo
demo: setup ## train DenseNet5 on the digits 0-4, five seeds at once, and show the results
	$(BIN)/python -m dnnx.train +exp=dense5

.PHONY: test
test: setup ## run the tests on every core; slow=1 adds the slow ones; DNNX_DATA_DIR those on real data
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(if $(slow),,-m 'not slow') --numprocesses auto --maxprocesses 8 --dist loadfile

.PHONY: torture
torture: setup ## kill, fill, damage and race everything, for at most 10 minutes; seed= makes other tries, files= and processes= so many of these alone
	-$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[torture]'
	DNNX_TORTURE_SEED=$(or $(seed),0) DNNX_TORTURE_RECORD=$(record) DNNX_TORTURE_AGAIN=$(again) $(if $(files),DNNX_TORTURE_FILES=$(files),$(if $(processes)$(again),DNNX_TORTURE_PROCESSES=$(or $(processes),0),DNNX_TORTURE=1 timeout -s INT -k 20 600)) $(BIN)/python -m pytest $(if $(files),tests/torture/test_strangers.py,$(if $(processes)$(again),-s tests/torture/test_processes.py,tests/torture))

.PHONY: mutants
mutants: setup ## change single words of the modules that results depend on, and count which changes the tests notice; number=, seed=, modules=
	PYTHONPATH=tests:tests/helpers nice $(BIN)/python -m mutation.run $(foreach key,number seed modules record again,$(if $($(key)),'$(key)=$($(key))'))

.PHONY: slurm
slurm: setup ## install and start a Slurm of one node here (Debian, root), and disturb studies on it; seed= makes other tries
	DNNX_SLURM=1 DNNX_TORTURE_SEED=$(or $(seed),0) $(BIN)/python -m pytest -n0 tests/cluster

.PHONY: lint
lint: setup ## check style and types, and whether a dependency is known to be vulnerable
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python tests/helpers/audit.py

.PHONY: sbom
sbom: setup ## write the software bill of materials of .venv, in the form of CycloneDX: dist/sbom.json
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[sbom]'
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file dist/sbom.json $(BIN)/python

.PHONY: bench
bench: setup ## measure speed beside the bare PyTorch loop and others; rounds=, steps= and rows= choose
	$(BIN)/python -m benchmarks.bench $(foreach key,rounds steps rows,$(if $($(key)),'$(key)=$($(key))'))

.PHONY: same
same: setup ## keep the numbers of every experiment in folder=; with base= compare them with those of another version
	$(BIN)/python -m benchmarks.same_numbers keep $(folder)
	$(if $(base),$(BIN)/python -m benchmarks.same_numbers compare $(base) $(folder))

.PHONY: results
results: setup ## render all numbers in docs/ from docs/results/*.json; folder= of a study first writes its file
	$(BIN)/python -m benchmarks.results $(folder)

.PHONY: scaling
scaling: setup ## measure what seeds, depth, width, batch and data size cost, with a figure; rounds= chooses
	$(BIN)/python -m benchmarks.scaling $(if $(rounds),rounds=$(rounds))

.PHONY: tensorboard
tensorboard: setup ## look at the curves of the newest 40 runs in outputs/; runs= and folder= choose others
	$(BIN)/python -m dnnx.runs.board $(or $(folder),outputs) $(or $(runs),40)

.PHONY: docs
docs: setup ## build the documentation as a site that needs no network: dist/docs/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs dist/docs

.PHONY: clean
clean: ## remove what was installed and cached, but no outputs
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help
help: ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1|\2/' | column -t -s '|'
