# Each target does its own set-up. PYTHON chooses the interpreter: make test PYTHON=python3.13
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
MADE := $(VENV)/made-$(VERSION)
N ?= 5

.PHONY: env test test-long test-slow lint synthetic smoke switching spikes maze methods methods_quick lambda_e modes latents variants quality reproduce speed through_time level scale reference reference_methods docs compiled perf bench-here fuzz lock clean

env: $(MADE)

# One lock pins what is installed; the project itself is linked into the environment.
$(MADE): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(MADE)

# The quick tests compile more than they compute: XLA with few optimisations, and with its older emitters, compiles
# four times as fast. The slow ones, which measure, have it as it is. Long files come first (tests/conftest.py).
PYTEST := JAX_DISABLE_MOST_OPTIMIZATIONS=1 XLA_FLAGS="$(XLA_FLAGS) --xla_cpu_use_fusion_emitters=false" \
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: lint
	$(PYTEST) -m "not slow and not long"

# Whole runs in processes of their own, long fits, anchors: a quarter of an hour. CI runs both.
test-long: env
	$(PYTEST) -m "long and not slow"

test-slow: env
	$(BIN)/python -m pytest -m slow

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

synthetic: env
	$(BIN)/jslds-bench run --suite synthetic

smoke: env
	$(BIN)/jslds-bench run --suite smoke --check baselines/smoke

# Every kind of method, once, on every task.
methods_quick: env
	$(BIN)/jslds-bench run --suite methods_quick

# Every kind of method on every kind of network and task: two and a quarter hours a seed, of three.
methods: env
	$(BIN)/jslds-bench run --suite methods

# What the weight of λ_e does to a JSLDS on a frozen network.
lambda_e: env
	$(BIN)/jslds-bench run --suite lambda_e

# Networks co-trained with variants of a JSLDS against the paper's.
variants: env
	$(BIN)/jslds-bench run --suite variants

# How soon co-training reaches the paper's figures, on one core: thirteen minutes and more (docs/method.md).
quality: env
	$(BIN)/jslds-bench perf quality --out reports/quality
	mkdir -p reports/reference/quality && cp reports/quality/values.csv reports/quality/machine.json reports/reference/quality/
	cp reports/quality/quality.png docs/

# What other numbers of modes, or more starts, would do for slds.
modes: env
	$(BIN)/jslds-bench run --suite modes

# What more principal components would do for rslds.
latents: env
	$(BIN)/jslds-bench run --suite latents

# The paper, claim by claim.
reproduce: env
	$(BIN)/jslds-bench reproduce

# What training through time adds to models that are fitted to the next step (docs/fairness.md): a quarter of an hour.
through_time: env
	$(BIN)/python reports/through_time.py

# What the core reaches of this machine, and what limits it: twenty minutes on an idle machine (docs/speed.md).
speed: env
	$(BIN)/python reports/speed.py reports/speed
	$(BIN)/jslds-bench perf throughput --out reports/throughput
	mkdir -p reports/reference/speed && cp reports/speed/values.csv reports/speed/machine.json reports/reference/speed/
	cp reports/throughput/values.csv reports/reference/speed/by_size.csv
	cp reports/throughput/machine.json reports/reference/speed/by_size.json
	cp reports/throughput/throughput.png docs/

# How often verdicts are false, and how often changes are seen.
level: env
	$(BIN)/python reports/level.py

# What a run of up to 10⁶ jobs costs its runner, where others do them: seven minutes, 2 GB of disk.
scale: env
	$(BIN)/python reports/scale.py reports/scale && rm -r reports/scale

switching: env
	$(BIN)/jslds-bench run --suite switching

spikes: env
	$(BIN)/jslds-bench run --suite spikes

# The same on real spikes: make maze DATA=path/to/file.nwb (docs/spikes.md says where to get it).
maze: env
	$(BIN)/jslds-bench run --suite maze --data "$(DATA)"

# The tables that the documentation quotes, from runs of this machine and commit.
reference: synthetic methods_quick switching spikes lambda_e modes latents variants quality reproduce speed through_time level scale
	for run in synthetic methods_quick switching spikes lambda_e modes latents variants; do mkdir -p reports/reference/$$run && \
		cp reports/$$run/table.md reports/$$run/values.csv reports/$$run/run.json reports/reference/$$run/; done
	rm -f reports/reference/*/run_held_out.json  # of two tasks that were once run apart
	$(BIN)/python reports/apart.py reports/synthetic reports/reference/synthetic/by_apart.csv
	for pair in heavier:cotrained:cotrained_heavier refined:cotrained:refined refined_at_equal:cotrained_heavier:refined; do \
		set -- $$(echo $$pair | tr : ' ') && $(BIN)/jslds-bench compare reports/variants reports/variants --networks $$2 $$3 \
		--metric relative_error --metric nrmse --metric n_systems_effective --metric task_error_network \
		--format json --output reports/reference/variants/$$1.json; done
	mkdir -p reports/reference/reproduce && cp reports/reproduce/claims.json reports/reference/reproduce/
	for run in reproduce reproduce_spikes; do cp reports/reproduce/$$run/values.csv reports/reference/reproduce/$$run.csv; done
	$(BIN)/python reports/draw.py
	$(BIN)/python reports/quote.py

# One seed of `methods`, on its own for its time: two and a quarter hours.
reference_methods: env
	$(BIN)/jslds-bench run --suite methods --seeds 0 --out reports/methods || [ $$? -eq 2 ]  # two jobs fail
	mkdir -p reports/reference/methods && rm -f reports/reference/methods/run_apart.json && \
		cp reports/methods/table.md reports/methods/values.csv reports/methods/run.json reports/reference/methods/
	$(BIN)/python reports/quote.py

# The site: docs/_build/index.html. Tutorials are run, warnings are errors.
docs: env
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

# After a change of the core that is meant: what the compiler makes of it now (baselines/compiled.json).
compiled: env
	$(BIN)/python suites/asv/compiled.py --update

# asv on the last N commits that changed the package, where they have no results, and its dashboard: reports/asv.
perf: env
	$(BIN)/python -m jslds_bench.perf.history --last $(N)

# The kernels as they are in the working tree, against the last run here (kept in .benchmarks/).
bench-here: env
	$(BIN)/python suites/asv/here.py

# Readers of files against Atheris (Linux on x86-64): FORMAT is a name in tests/formats.py, or all of them.
SECONDS ?= 60
fuzz: env
	$(BIN)/python tests/fuzz.py $(SECONDS) $(FORMAT)

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--no-emit-index-url --no-header --quiet -o requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
