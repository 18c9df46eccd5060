"""The exported graph computes what PyTorch computes, stays small, and keeps its float32 islands."""

import lzma
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.export.self_test_pairs import room_pair
from ffstereo_ros.network.model import FastFoundationStereo

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install .[export]")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install .[export]")

from ffstereo_ros.export.onnx_graph import INPUTS, OUTPUTS, GraphSettings, export_onnx  # noqa: E402

H, W, D = 64, 96, 32


def run_graph(graph, left, right):
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[test]")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 2
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return session.run(list(OUTPUTS), dict(zip(INPUTS, (left[None], right[None]))))


def run_torch(model, left, right, iterations):
    images = (torch.from_numpy(image).permute(2, 0, 1)[None].float() for image in (left, right))
    with torch.inference_mode():
        return model(*images, iterations, D).disparity.numpy()


def golden(shared, name):
    """A checkpoint in the authors' format with random weights."""
    import tempfile
    from pathlib import Path

    from ffstereo_ros.network.checkpoint.official import load_official
    from ffstereo_ros.network.checkpoint.store import build_model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.pth"
        path.write_bytes(lzma.decompress((shared / f"model/golden/official_format_{name}.pth.xz").read_bytes()))
        return build_model(load_official(path, True))


def check_numbers(model, iterations, tolerance):
    pair = room_pair(H, W, D)
    graph = export_onnx(model, GraphSettings(H, W, iterations, D, "fp32"))
    disparity, confidence = run_graph(graph, pair.left, pair.right)
    expected = run_torch(model, pair.left, pair.right, iterations)
    assert disparity.shape == expected.shape == (1, 1, H, W)
    assert np.ptp(expected) > 1, "an answer that is constant proves nothing"
    assert np.abs(disparity - expected).max() < tolerance
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    return graph


def test_mini_computes_what_pytorch_computes(mini):
    graph = check_numbers(mini, 2, 1e-4)  # worst seen 6e-6 px
    check_small(graph, 900)


@pytest.mark.parametrize(
    ("name", "tolerance", "nodes"),
    [
        ("full", 3e-3, 1000),  # worst seen 3.3e-4 px; 960 nodes
        ("searched", 1e-3, 900),  # worst seen 7.5e-5 px; 847 nodes
    ],
)
def test_the_golden_checkpoints_compute_what_pytorch_computes(shared, name, tolerance, nodes):
    check_small(check_numbers(golden(shared, name), 1, tolerance), nodes)


def check_small(graph, nodes):
    found = Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)
    assert sum(found.values()) < nodes, found
    assert found["GatherElements"] > 0


def test_more_disparities_make_no_more_nodes(mini, mini_fp16):
    wide = export_onnx(mini, GraphSettings(96, 160, 1, 192, "fp16"))
    assert len(onnx.load_from_string(wide).graph.node) == len(onnx.load_from_string(mini_fp16).graph.node)


def test_inputs_and_outputs_are_what_the_backend_feeds(mini_fp16):
    graph = onnx.load_from_string(mini_fp16).graph
    sizes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.output)}
    assert sizes == {name: [1, 96, 160, 3] for name in INPUTS} | {name: [1, 1, 96, 160] for name in OUTPUTS}
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    assert {types[name] for name in INPUTS} == {onnx.TensorProto.UINT8}
    assert {types[name] for name in OUTPUTS} == {onnx.TensorProto.FLOAT}


def tensor_types(graph):
    inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph), strict_mode=True).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.input, *inferred.output)}
    return inferred.node, types | {tensor.name: tensor.data_type for tensor in inferred.initializer}


def test_half_precision_has_its_float32_islands(mini_fp16):
    """Strongly typed: convolutions in fp16; softmax, correlation norms, lookup and the disparity in fp32."""
    nodes, types = tensor_types(mini_fp16)
    kinds = {}
    for node in nodes:
        kinds.setdefault(node.op_type, Counter())[types[node.input[0]]] += 1
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert set(kinds["Conv"]) == {half}
    assert set(kinds["ConvTranspose"]) == {half}
    for island in ("Softmax", "ReduceL2", "GatherElements"):
        assert set(kinds[island]) == {single}, island
    norms = [node for node in nodes if node.op_type == "LayerNormalization"]
    stashed = [a.i for node in norms for a in node.attribute if a.name == "stash_type"]
    assert norms
    assert set(stashed) <= {onnx.TensorProto.FLOAT}  # statistics in fp32: the operator's default


def half_precision_errors(network, graph):
    pair = room_pair(96, 160, 64)
    disparity, _ = run_graph(graph, pair.left, pair.right)
    with torch.inference_mode():
        images = (torch.from_numpy(image).permute(2, 0, 1)[None].float() for image in (pair.left, pair.right))
        expected = network(*images, 1, 64).disparity.numpy()
    return np.abs(disparity - expected)


def test_half_precision_stays_near_single(mini):
    """From the mean of all bins: which one is the likeliest, rounding decides where random weights have no opinion."""
    whole = FastFoundationStereo(replace(mini.config, start_radius=None)).eval()
    whole.load_state_dict(mini.state_dict())
    graph = export_onnx(whole, GraphSettings(96, 160, 1, 64, "fp16"))
    assert half_precision_errors(whole, graph).mean() < 2e-3  # 9e-5 px seen


def test_half_precision_starts_from_the_same_bin_almost_everywhere(mini, mini_fp16):
    errors = half_precision_errors(mini, mini_fp16)
    assert np.median(errors) < 1e-3  # 1e-4 px seen
    assert (errors > 0.5).mean() < 0.03  # 0.009 seen


@pytest.mark.parametrize("settings", [(100, 160), (96, 0), (96, 161)])
def test_sizes_that_no_engine_takes_are_refused(settings):
    with pytest.raises(ParameterError, match="multiples of 32 px"):
        GraphSettings(*settings)


def test_a_precision_that_no_engine_takes_is_refused():
    with pytest.raises(ParameterError, match="precision = 'int8'"):
        GraphSettings(96, 160, precision="int8")


def test_settings_beyond_the_weights_are_refused(mini):
    with pytest.raises(ParameterError, match="448 px"):
        export_onnx(mini, GraphSettings(96, 160, 1, 448))


def test_weights_that_overflow_in_half_precision_are_refused(mini):
    import copy

    model = copy.deepcopy(mini)
    with torch.no_grad():
        model.classifier.weight[0, 0, 0, 0, 0] = 1e6
    with pytest.raises(BackendError, match=r"classifier\.weight is not finite in fp16: use precision bf16 or fp32"):
        export_onnx(model, GraphSettings(96, 160, 1, 64, "fp16"))
