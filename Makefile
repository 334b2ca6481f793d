# make demo   set up and train AlexNet on the synthetic sample, two CPU devices
#             (as its authors ran it: as written, its first epochs stand still)
# make test   set up and run ruff and the tests
# PYTHON=python3.12 make demo   with another Python (3.11 or newer)

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test

# At a reduced size: the whole path in a few minutes on two cores.
demo: .venv/installed
	$(BIN)/python -m launch alexnet_as_run --gpus 2 --platform cpu \
		--data sample --set image_size=67 --set epochs=10 \
		--set global_batch_size=32

test: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m pytest -n 2 -m "not full and not gpu"

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) --constraint constraints.txt --editable ".[test]"
	touch $@
