"""Our kernel as a plugin: the graph names it, NVRTC compiles what TensorRT would launch, old libraries are refused.

The two functions that TensorRT is given were accepted and run by the `tensorrt.plugin` packages of the 10.9, 10.13 and
11.4 bindings wheels on stub libraries, by hand; a plugin in an engine has run on no GPU yet.
"""

import re

import pytest
import torch
from fake_tensorrt import API_TABLE, VERSIONS, fake_library

from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.export.kernel_plugin import VolumeShape, require_plugins, volume_kernel

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
