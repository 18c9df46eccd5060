# make demo    a stereo pair through the node to depth; the result is in demo_output/
# make test    everything that is checked: ruff, mypy, pytest
# make check   ruff and mypy alone
# The first call builds .venv (minutes); later calls start at once. PYTHON=... chooses the interpreter.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(or $(ROS_DISTRO),wheels)
export PYTHON

# A sourced ROS 2 brings pytest plug-ins that break with pytest 9; naming them where they are absent is harmless.
PYTEST := $(BIN)/python -m pytest -p no:launch_testing -p no:launch_pytest -p no:launch_ros

# What compiles kernels and builds engines in the tests for GPUs that are not here: NVRTC and TensorRT-RTX, 200 MB.
BUILDERS := $(VENV)/builders

.PHONY: demo test check clean

demo: $(READY)
	@$(BIN)/ffstereo demo

test: check $(BUILDERS)
	$(PYTEST)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Takes away what make made; demo_output/ and everything else stays.
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

$(READY): setup.py .ci/constraints.txt .ci/make_venv
	@.ci/make_venv $(VENV) $(READY)

$(BUILDERS): $(READY) .ci/constraints.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-input -c .ci/constraints.txt \
		nvidia-cuda-nvrtc tensorrt-rtx-cu13 cuda-bindings && touch $@ || \
		echo "make: NVRTC or TensorRT-RTX cannot be installed here; their tests are skipped"
