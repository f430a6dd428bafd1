PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin

.PHONY: demo test test-slow lint clean

demo: $(VENV)/installed
	$(RUN)/ugosa-jax demo

test: $(VENV)/installed
	$(RUN)/python -m pytest -q

test-slow: $(VENV)/installed
	$(RUN)/python -m pytest -q -m "slow or not slow"

lint: $(VENV)/installed
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --editable ".[all,test,lint]"
	@touch $@

clean:
	rm -rf $(VENV) separated/demo
