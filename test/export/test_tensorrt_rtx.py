"""A real TensorRT parses the export and builds engines for three GPU generations, none of which is here."""

import pytest

from ffstereo_ros.backends.tensorrt_library import load_tensorrt
from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.export.engine_build import build_plan, target_of

pytest.importorskip("tensorrt_rtx", reason="needs TensorRT-RTX: pip install .[tensorrt-rtx]")
onnx = pytest.importorskip("onnx", reason="needs onnx: pip install .[export]")


@pytest.fixture(scope="module")
def library():
    return load_tensorrt("tensorrt_rtx")


@pytest.mark.parametrize("capability", ["8.6", "8.9", "12.0"])
def test_the_export_becomes_an_engine(library, mini_fp16, capability):
    said = []
    built = build_plan(mini_fp16, library, target_of(library, capability), said.append)
    # Measured with 1.7.1: 1635 layers as parsed (constants and shape arithmetic included) and 18.1 MB, most of it
    # kernels; weights are 3 MB. One slice per disparity would be thousands of layers more.
    assert 1200 < built.layers < 2000
    assert 12e6 < len(built.plan) < 24e6
    assert any("step 1 of" in line for line in said)


def test_a_gpu_that_it_does_not_build_for_is_refused(library):
    with pytest.raises(ParameterError, match=r"compute capability 9\.0: tensorrt_rtx .* builds for 7\.5, 8\.0"):
        target_of(library, "9.0")


def test_dynamic_axes_are_refused(library):
    tensor = onnx.helper.make_tensor_value_info
    image, result = (tensor(name, onnx.TensorProto.FLOAT, [1, 3, "H", 160]) for name in ("left", "disparity"))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["left"], ["disparity"])], "g", [image], [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(BackendError, match=r"dynamic axes \(left: \[1, 3, -1, 160\]\)"):
        build_plan(model.SerializeToString(), library, target_of(library, "8.6"))


def test_what_is_no_graph_is_refused_with_the_parsers_words(library):
    with pytest.raises(BackendError, match=r"tensorrt_rtx .* does not read the graph: .+"):
        build_plan(b"no graph", library, target_of(library, "8.6"))
