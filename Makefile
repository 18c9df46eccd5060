# make demo    a stereo pair through the node to depth; the result is in demo_output/
# make test    everything that is checked: ruff, mypy, pytest
# make check   ruff and mypy alone
# make benchmark SCENES=/path/to/scenes    fills docs/benchmarks/ on this machine; let nothing else run meanwhile
# The first call builds .venv (minutes); later calls start at once. PYTHON=... chooses the interpreter.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(or $(ROS_DISTRO),wheels)
export PYTHON

# A sourced ROS 2 brings pytest plug-ins that break with pytest 9; naming them where they are absent is harmless.
PYTEST := $(BIN)/python -m pytest -p no:launch_testing -p no:launch_pytest -p no:launch_ros

# What compiles kernels and builds engines in the tests for GPUs that are not here: NVRTC and TensorRT-RTX, 200 MB.
BUILDERS := $(VENV)/builders

BENCH := docs/benchmarks

.PHONY: demo test check benchmark clean

demo: $(READY)
	@$(BIN)/ffstereo demo

test: check $(BUILDERS)
	$(PYTEST)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(READY)
	$(BIN)/ffstereo bench node --report $(BENCH)/node.md --json $(BENCH)/node.json
	$(BIN)/ffstereo bench network --report $(BENCH)/network_cpu.md --json $(BENCH)/network_cpu.json $(WEIGHTS)
	$(if $(SCENES),$(BIN)/ffstereo evaluate $(SCENES) --force --output build/accuracy --summary $(BENCH) --backend sgbm torch,\
		@echo 'accuracy is left out: name a folder of scenes, make benchmark SCENES=/path/to/scenes')

# Takes away what make made; demo_output/ and everything else stays.
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

$(READY): setup.py .ci/constraints.txt .ci/make_venv
	@.ci/make_venv $(VENV) $(READY)

$(BUILDERS): $(READY) .ci/constraints.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-input -c .ci/constraints.txt \
		nvidia-cuda-nvrtc tensorrt-rtx-cu13 cuda-bindings && touch $@ || \
		echo "make: NVRTC or TensorRT-RTX cannot be installed here; their tests are skipped"
