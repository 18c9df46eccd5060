"""Our kernel as a plugin: the graph names it, NVRTC compiles what TensorRT would launch, old libraries are refused.

The two functions that TensorRT is given run here on the names that its plugins have; a plugin in an engine has run on
no GPU yet.
"""

import re
from types import SimpleNamespace

import pytest
import torch
from fake_tensorrt import API_TABLE, VERSIONS, fake_library

from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.export.kernel_plugin import VolumeShape, _plugin_functions, require_plugins, volume_kernel

SHAPE = VolumeShape(120, 160, 224, 12, 8, 48, True, torch.float16)


@pytest.fixture(scope="module")
def nvrtc():
    from ffstereo_ros.kernels.launch import compiler

    try:
        return compiler()
    except BackendError as error:
        pytest.skip(f"needs NVRTC: {error}")


@pytest.mark.parametrize("architecture", ["compute_80", "compute_87", "compute_90", "compute_120"])
def test_the_kernel_takes_one_argument_a_tensor_and_number(nvrtc, architecture):
    kernel = volume_kernel(SHAPE, nvrtc, architecture)
    ptx = kernel.ptx.decode().rstrip("\0")
    entry = re.search(r"\.visible \.entry (\w+)\((.*?)\)", ptx, re.DOTALL)
    assert re.findall(r"\.entry", ptx) == [".entry"]
    assert entry.group(1) == kernel.name
    # Inputs, numbers, outputs: the order that TensorRT passes them in.
    assert re.findall(r"\.param \.(\w+)", entry.group(2)) == ["u64"] * 4 + ["u32"] * 4 + ["u64"]
    assert kernel.numbers[:3] == (120, 160, 48)
    assert kernel.grid == (10, 120, kernel.numbers[3])
    assert kernel.shared_bytes <= 48 * 1024


def test_each_precision_compiles(nvrtc):
    for dtype in (torch.float32, torch.bfloat16):
        shape = VolumeShape(24, 40, 48, 2, 8, 16, True, dtype)
        assert volume_kernel(shape, nvrtc, "compute_86").ptx


@pytest.mark.parametrize("version", VERSIONS)
def test_the_api_table_says_where_plugins_compile_ahead_of_time(version):
    has = "IPluginV3QuickAOTBuild" in API_TABLE[version]["module"]
    assert has == (version != "10.3.0")


class Recorded:
    """An object or module of `tensorrt.plugin` that has the recorded names and no others."""

    def __init__(self, version, kind, **values):
        object.__setattr__(self, "_allowed", set(API_TABLE[version]["plugins"][kind]))
        for name, value in values.items():
            setattr(self, name, value)

    def __setattr__(self, name, value):
        assert name in self._allowed, f"no {name} in this version"
        object.__setattr__(self, name, value)


def plugin_package(version):
    def symbols(kind):
        return Recorded(version, kind, from_tuple=lambda values: [getattr(value, "number", value) for value in values])

    return Recorded(
        version,
        "plugin",
        TensorDesc=SimpleNamespace,
        KernelLaunchParams=lambda: Recorded(version, "KernelLaunchParams"),
        SymIntExprs=symbols("SymIntExprs"),
        ShapeExprs=symbols("ShapeExprs"),
        SymInt32=lambda number: SimpleNamespace(number=number),
    )


@pytest.mark.parametrize("version", [version for version in VERSIONS if API_TABLE[version]["plugins"]])
def test_what_tensorrt_is_told_uses_names_that_it_has(nvrtc, version):
    def described(channels):
        return Recorded(
            version, "TensorDesc", dtype="half", shape=(1, 120, 160, channels), shape_expr=(1, 120, 160, channels)
        )

    left, term = described(224), described(12)
    left.like = lambda: described(224)
    types = SimpleNamespace(DataType=SimpleNamespace(HALF="half", FLOAT="float", BF16="bfloat"))
    package = plugin_package(version)
    description, implementation = _plugin_functions(package, types, nvrtc, "compute_86")
    assert description(left, left, term, term, 8, 48, 1, 32).shape_expr == [1, 48, 120, 160, 32]
    name, ptx, launch, numbers = implementation(left, left, term, term, 8, 48, 1, 32, None, 0)
    expected = volume_kernel(SHAPE, nvrtc, "compute_86")
    assert (name, ptx, tuple(numbers)) == (expected.name, expected.ptx, expected.numbers)
    assert (launch.grid_x, launch.grid_y, launch.grid_z) == expected.grid
    assert (launch.block_x, launch.shared_mem) == (expected.threads, expected.shared_bytes)
    for function, count in ((description, 8), (implementation, 8)):
        assert len(function.__annotations__) == count + 1
    assert {"register", "aot_impl"} <= package._allowed


def test_a_library_without_such_plugins_is_refused():
    with pytest.raises(ParameterError, match=r"need TensorRT 10\.9 or newer.*here is tensorrt 10\.3\.0"):
        require_plugins(fake_library("10.3.0"))
    with pytest.raises(ParameterError, match="here is tensorrt_rtx"):
        require_plugins(fake_library("11.4.0.106", "tensorrt_rtx"))


def test_the_graph_has_one_node_for_the_volume(mini, mini_fp16):
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install .[export]")
    from ffstereo_ros.export.onnx_graph import GraphSettings, export_onnx

    graph = onnx.load_from_string(export_onnx(mini, GraphSettings(96, 160, 1, 64, "fp16", custom_kernels=True))).graph
    (node,) = [node for node in graph.node if node.domain == "ffstereo"]
    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert node.op_type == "correlation_volume"
    assert (given["groups"], given["disparities"], given["normalize"], given["channels"]) == (8, 16, 1, 16)
    assert given["plugin_namespace"] == b"ffstereo"
    assert given["plugin_version"] == b"1"
    assert len(graph.node) < len(onnx.load_from_string(mini_fp16).graph.node)
    assert type(mini).__name__ == "FastFoundationStereo"  # the network given stays as it is
