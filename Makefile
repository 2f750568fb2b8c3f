# The four commands of the project; each makes .venv and installs what it needs first.
PYTHON ?= python3.11
SERVE ?= 1
PORT ?= 8000
PY := .venv/bin/python
INSTALLED := .venv/.installed
export DJANGO_SETTINGS_MODULE ?= shop.settings

.PHONY: demo test lint bench clean

$(INSTALLED): requirements.txt
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# The whole loop on the demo store; SERVE=0 stops before serving it.
demo: $(INSTALLED)
	mkdir -p var
	$(PY) manage.py migrate --verbosity 0
	$(PY) manage.py load_demo
	$(PY) manage.py metarec_sync --full
	$(PY) manage.py metarec_train
	$(PY) manage.py metarec_schedule
ifneq ($(SERVE),0)
	$(PY) manage.py serve_demo --port $(PORT)
endif

# Two processes with a thread each; `.venv/bin/pytest tests/serve` runs a folder in one.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 DJANGO_SETTINGS_MODULE=tests.settings $(PY) -m pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) -W error manage.py makemigrations --check --dry-run

# Measures all parts and writes docs/benchmarks.md. DATA names the folder of the open data sets, YARDSTICK the reference
# implementation, LOOP the loop over tasks that meta-training is timed against. ONLY=speed,growth measures these parts
# (ONLY=none: none, the page is written from the figures in var/bench), SETS=demo these data sets, LEARNERS and SEEDS
# those of the ranking.
bench: $(INSTALLED)
	$(PY) -m tests.bench $(if $(DATA),--data $(DATA)) $(if $(YARDSTICK),--yardstick $(YARDSTICK)) \
		$(if $(LOOP),--loop $(LOOP)) $(if $(ONLY),--only $(ONLY)) $(if $(SETS),--sets $(SETS)) \
		$(if $(LEARNERS),--learners $(LEARNERS)) $(if $(SEEDS),--seeds $(SEEDS))

clean:
	rm -rf .venv var
