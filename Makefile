# Two commands: `make demo` and `make test`. Each sets up its own .venv first (pip only, no root).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# The site's own tools, which nothing else needs.
DOCS   := $(VENV)/.docs-installed
JOBS   ?= 2
# From WebAssembly; compiled and cached when first started. Two that do that at the same time write into the file that the
# other one runs, which ends with SIGBUS: so each of them is started here, alone.
WASM_TOOLS := yosys nextpnr-ecp5 nextpnr-ice40 nextpnr-himbaechel-gowin

.PHONY: demo test lint bench docs pictures clean setup help

help:
	@echo "make demo   small networks on the three engines, golden models and RTL: tables, and plots in build/demo"
	@echo "make test   all tests"
	@echo "make lint   ruff and pyright"
	@echo "make bench  the long tests and measurements: tables and plots in build/bench"
	@echo "make docs   the site, in build/docs"
	@echo "make pictures  the plots in docs/pictures, drawn again"
	@echo "make clean  remove .venv and build"

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("tercet needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[pnr,demo,test]'
	@for tool in $(WASM_TOOLS); do $(BIN)/yowasp-$$tool --version >/dev/null 2>&1 || true; done
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/tercet demo systolic
	$(BIN)/tercet demo eie
	$(BIN)/tercet demo tensorcore

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Type checkers do not follow the editable install's import hook; a link named tercet shows them the same tree.
lint: $(STAMP)
	$(BIN)/ruff check .
	@mkdir -p build/typing && ln -sfn ../.. build/typing/tercet
	$(BIN)/pyright

bench: $(STAMP)
	$(BIN)/python -m pytest -m long
	$(BIN)/tercet bench systolic
	$(BIN)/tercet bench eie
	$(BIN)/tercet bench tensorcore
	$(BIN)/tercet bench boards

# Warnings are errors; -q prints nothing else.
docs: $(DOCS)
	$(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees docs build/docs

$(DOCS): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $(DOCS)

pictures: $(STAMP)
	$(BIN)/python docs/_ext/datapaths.py
	for engine in systolic eie tensorcore; do $(BIN)/tercet demo $$engine -o build/pictures || exit 1; done
	cp build/pictures/digits.png build/pictures/eie_weights.png build/pictures/eie_work.png docs/pictures
	cp build/pictures/tensorcore_training.png build/pictures/tensorcore_errors.png docs/pictures
	$(BIN)/tercet bench eie --part queue -o build/pictures/bench
	cp build/pictures/bench/eie_queue.png docs/pictures

clean:
	rm -rf $(VENV) build *.egg-info
