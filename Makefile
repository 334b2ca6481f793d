# make demo   set up and train AlexNet on the synthetic sample, two CPU devices
#             (as its authors ran it: as written, its first epochs stand still);
#             then say how to change one thing and see both curves
# make test   set up and run ruff and the tests
# PYTHON=python3.12 make demo   with another Python (3.11 or newer)

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test

LAUNCH := $(BIN)/python -m launch
# At a reduced size: the whole path in some seven minutes on two cores.
DEMO := $(LAUNCH) alexnet_as_run --gpus 2 --platform cpu --data sample \
	--set image_size=67 --set epochs=10 --set global_batch_size=32
# What local response normalisation is good for, in this setting.
CHANGE := --set lrn=false

demo: .venv/installed
	$(DEMO) --workdir runs/demo
	@echo
	@echo 'Now without local response normalisation, in as many minutes, and both curves in one picture:'
	@echo
	@echo '$(DEMO) $(CHANGE) --workdir runs/demo_no_lrn'
	@echo
	@echo '$(LAUNCH) report --html curves.html runs/demo runs/demo_no_lrn'
	@echo
	@echo 'A difference of a few points may be chance: 200 test images, and one seed each.'
	@echo 'Without dropout: --set dropout=0. Likewise: --set overlapping=false, --set towers=1.'

test: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not full and not gpu"

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) --constraint constraints.txt --editable ".[test]"
	touch $@
