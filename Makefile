# Two commands: `make demo` and `make test`. Each sets up its own .venv first (pip only, no root).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
# Stamp of the tools that only the site needs.
DOCS   := $(VENV)/.docs-installed
JOBS   ?= 2
# Stamps of two installations: packages for the demos, and those that tests, lint and benches need in addition.
MAIN   := $(VENV)/.main-installed
TEST   := $(VENV)/.test-installed
# WebAssembly tools, compiled and cached on first start. Two concurrent first starts overwrite the file that the other
# runs, which ends in SIGBUS. So each tool is started here once, alone.
WASM_TOOLS := yosys nextpnr-ecp5 nextpnr-ice40 nextpnr-himbaechel-gowin
# The wheel, and a fresh environment with the wheel and its dependencies, without extras.
WHEELS := build/wheel
FRESH  := build/fresh

.PHONY: demo test lint bench wheel constraints docs pictures clean setup help

help:
	@echo "make demo         small networks on the four engines, golden models and RTL: tables, and plots in build/demo"
	@echo "make test         all tests"
	@echo "make lint         ruff and pyright"
	@echo "make bench        the long tests and measurements: tables and plots in build/bench"
	@echo "make wheel        the wheel in $(WHEELS), tested in a fresh environment without extras"
	@echo "make constraints  constraints.txt from the installed versions"
	@echo "make docs         the site, in build/docs"
	@echo "make pictures     redraw the plots in docs/pictures"
	@echo "make clean        remove .venv and build"

setup: $(TEST)

$(MAIN): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("tercet needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -e '.[pnr,demo,models]'
	@for tool in $(WASM_TOOLS); do $(BIN)/yowasp-$$tool --version >/dev/null 2>&1 || true; done
	@touch $@

# The link is for type checkers; pyproject.toml says why.
$(TEST): $(MAIN)
	$(PIP) install --quiet -e '.[pnr,demo,models,test]'
	@mkdir -p $(VENV)/typing && ln -sfn ../.. $(VENV)/typing/tercet
	@touch $@

demo: $(MAIN)
	$(BIN)/tercet demo models
	$(BIN)/tercet demo systolic
	$(BIN)/tercet demo eie
	$(BIN)/tercet demo tensorcore
	$(BIN)/tercet demo npu

test: $(TEST)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: $(TEST)
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: $(TEST)
	$(BIN)/python -m pytest -m long
	$(BIN)/tercet bench systolic
	$(BIN)/tercet bench eie
	$(BIN)/tercet bench tensorcore
	$(BIN)/tercet bench npu
	$(BIN)/tercet bench boards
	$(BIN)/tercet bench compress
	$(BIN)/tercet bench winograd

# A leftover build/lib would add files of earlier builds.
wheel:
	rm -rf build/lib $(WHEELS) $(FRESH)
	$(PYTHON) -m venv $(FRESH)
	$(FRESH)/bin/python -m pip wheel --disable-pip-version-check --quiet --no-deps --wheel-dir $(WHEELS) .
	$(FRESH)/bin/python -m pip install --disable-pip-version-check --quiet $(WHEELS)/*.whl
	cd $(FRESH) && bin/tercet generate systolic --rows 2 --cols 2 -o generated
	cd $(FRESH) && bin/tercet sim systolic --rows 2 --cols 2 --shape 4x4x4

constraints: $(TEST)
	$(PIP) freeze --all --exclude pip --exclude-editable >$(VENV)/freeze
	{ grep '^#' constraints.txt; cat $(VENV)/freeze; } >$(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

# Warnings are errors; -q prints nothing else. pip's -qq suppresses its own warnings.
docs: $(DOCS)
	$(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees docs build/docs

$(DOCS): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -qq -e '.[docs]'
	@touch $(DOCS)

pictures: $(MAIN)
	$(BIN)/python docs/_ext/datapaths.py
	for engine in systolic eie tensorcore; do $(BIN)/tercet demo $$engine -o build/pictures || exit 1; done
	cp build/pictures/digits.png build/pictures/eie_weights.png build/pictures/eie_work.png docs/pictures
	cp build/pictures/tensorcore_training.png build/pictures/tensorcore_errors.png docs/pictures
	$(BIN)/tercet bench eie --part queue -o build/pictures/bench
	$(BIN)/tercet bench boards --part peaks -o build/pictures/bench
	$(BIN)/tercet bench compress --part pruning -o build/pictures/bench
	cp build/pictures/bench/eie_queue.png build/pictures/bench/boards_peaks.png docs/pictures
	cp build/pictures/bench/compress_pruning.png docs/pictures/pruning.png

clean:
	rm -rf $(VENV) build *.egg-info
