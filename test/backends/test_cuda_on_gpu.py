"""The CUDA backend on a real GPU: its graphs give what the plain network gives in float32, its maps are NumPy's.

For every size and precision cuDNN tries its algorithms for some 90 convolutions, which takes most of the time: there
are few of them, and the tests that add one stand last.
"""

import numpy as np
import pytest
import torch

from ffstereo_ros.backends.cuda import CudaBackend
from ffstereo_ros.backends.device_result import DeviceAnswer
from ffstereo_ros.backends.pytorch import NetworkSettings, TorchBackend
from ffstereo_ros.backends.torch_device import Placement, choose_placement
from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.frame import plan_frame
from ffstereo_ros.core.geometry import points_from_depth
from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher
from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.self_test_pairs import room_pair
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

CPU = Placement(torch.device("cpu"), torch.float32, "fp32", "a CPU")
SETTINGS = NetworkSettings(iterations=4, max_disparity=64)

# Median error, px, and share of the pixels off by more than 1 px. No mean: at a few pixels random weights jump to
# another match, tens of px away. Simulated on a CPU: fp32 1e-6 px and none (as TF32 9e-5 px and more), fp16 5e-4 px and
# 2.2 %, bf16 7e-3 px and 13 %.
LIMITS = {"fp32": (4e-5, 0.005), "fp16": (2e-3, 0.05), "bf16": (0.03, 0.25)}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return FastFoundationStereo(mini_config()).eval()


@pytest.fixture(scope="module")
def backend(model):
    return CudaBackend(model, "mini", choose_placement("cuda", "fp16"), SETTINGS)


def matched(backend, pair, *, scale=1.0, start=None):
    return StereoMatcher(backend, scale=scale).match(pair.left, pair.right, initial_disparity=start)


def check_near(precision, backends, pair, start=None):
    """Both answer about the same, ours first."""
    given, expected = (matched(each, pair, start=start).raw_disparity for each in backends)
    assert np.isfinite(given).all()
    errors, (median, share) = np.abs(given - expected), LIMITS[precision]
    assert np.median(errors) < median
    assert np.mean(errors > 1.0) < share


def test_graphs_of_two_sizes_answer_as_the_cpu_does(model, backend):
    assert backend.failures == ()
    plain = TorchBackend(model, "mini", CPU, SETTINGS)
    for height, width, seed in ((96, 160, 1), (160, 96, 2), (96, 160, 3), (96, 160, 4)):
        check_near("fp16", (backend, plain), room_pair(height, width, 64, seed=seed))


def twice(backend, maps, planned):
    """The same maps [2, h, w] as a result in NumPy and as one on the GPU, on the backend's own stream."""
    pair = room_pair(96, 160, 64)
    workplace = backend.infer(pair.left, pair.right).workplace
    with workplace.stage():
        there = torch.from_numpy(maps).cuda()
    answers = BackendAnswer(*maps), DeviceAnswer(there, workplace)
    return [each.restore(planned, max_disparity=40.0, infer_seconds=0.0) for each in answers]


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("cx_offset", [0.0, 5.0])
@pytest.mark.parametrize("stride", [1, 3])
def test_maps_depth_and_points_have_the_bits_of_numpy(backend, scale, cx_offset, stride):
    planned, rng = plan_frame(121, 175, scale=scale, multiple=32), np.random.default_rng(0)
    maps = rng.uniform(1, 30, (2, *planned.model_shape)).astype(np.float32)
    for value in (np.nan, -3.0, 400.0, -0.0):
        maps[0, rng.random(planned.model_shape) < 0.1] = value
    host, ours = twice(backend, maps, planned)
    camera, limits = StereoCamera(175, 121, 90.0, 91.0, 80.0, 80.0 + cx_offset, 60.0, 0.1), (0.3, 4.0)
    for name in ("disparity", "confidence", "raw_disparity"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(host, name))
    assert ours.negative_fraction == host.negative_fraction
    depth = host.depth(camera, min_depth=limits[0], max_depth=limits[1])
    np.testing.assert_array_equal(ours.depth(camera, min_depth=limits[0], max_depth=limits[1]), depth)
    rgb = rng.integers(0, 256, (121, 175, 3), dtype=np.uint8)
    points = ours.packed_points(camera, rgb, stride=stride, min_depth=limits[0], max_depth=limits[1])
    np.testing.assert_array_equal(points[..., :3], points_from_depth(depth, camera)[::stride, ::stride])
    colours = points.view(np.uint8).reshape(*points.shape[:2], 16)[..., 12:]
    np.testing.assert_array_equal(colours[..., 2::-1], rgb[::stride, ::stride])
    assert not colours[..., 3].any()


def test_an_answer_stays_while_the_next_frames_run(backend):
    pairs = [room_pair(64, 100, 64, seed=seed) for seed in (1, 2, 3)]  # at scale 1.5 of the size that is there already
    expected = [matched(backend, pair, scale=1.5).raw_disparity.copy() for pair in pairs]
    late = [matched(backend, pair, scale=1.5) for pair in pairs]
    for result, disparity in zip(late, expected):
        np.testing.assert_array_equal(result.raw_disparity, disparity)
    assert not np.array_equal(expected[0], expected[1])


def test_page_locked_memory_is_not_taken_from_whoever_holds_it(backend):
    pair = room_pair(96, 160, 64)
    held = [matched(backend, pair).raw_disparity for _ in range(8)]
    first = held[0].copy()
    held[1][...] = -1.0
    for array in (held[0], *held[2:]):
        np.testing.assert_array_equal(array, first)


def test_out_of_memory_for_depth_and_points_is_told_and_passes(backend):
    shape = (1024, 2048)  # of which no rest of a cached block is as large as the points
    _, result = twice(backend, np.ones((2, *shape), np.float32), plan_frame(*shape))
    camera, rgb = StereoCamera(2048, 1024, 90.0, 90.0, 80.0, 80.0, 48.0, 0.1), np.zeros((*shape, 3), np.uint8)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-9)
    try:
        with pytest.raises(BackendError, match="does not fit into the GPU's memory"):
            result.packed_points(camera, rgb, stride=1, min_depth=0.0, max_depth=99.0)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert np.isfinite(result.depth(camera)).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_precisions_with_and_without_a_start(model, precision):
    ours = CudaBackend(model, "mini", choose_placement("cuda", precision), SETTINGS)
    assert ours.failures == ()
    backends = ours, TorchBackend(model, "mini", CPU, SETTINGS)
    for seed in (1, 3):
        check_near(precision, backends, room_pair(96, 160, 64, seed=seed))
    check_near(precision, backends, room_pair(96, 160, 64), start=np.full((96, 160), 7.0, np.float32))


def test_the_hierarchical_pass(model):
    settings = NetworkSettings(4, 64, hierarchical=True)
    ours = CudaBackend(model, "mini", choose_placement("cuda", "fp32"), settings)
    check_near("fp32", (ours, TorchBackend(model, "mini", CPU, settings)), room_pair(96, 160, 64))


def test_closing_gives_the_memory_back(model):
    """At 480x640 with 192 px the tensors alone take 99 MiB at once, which their graph's pool holds while it is there.

    What may stay: the stream's workspaces of cuBLAS and cuBLASLt, 2 x 32 MiB at most (compute capability 9.0), which
    older versions of PyTorch do not free with the graphs and cannot free for one stream alone; 2 MiB for the result.
    """
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    ours = CudaBackend(model, "mini", choose_placement("cuda", "fp16"), NetworkSettings(4, 192))
    matched(ours, room_pair(480, 640, 64))
    result = matched(ours, room_pair(96, 160, 64))  # which keeps its maps and nothing else
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() > before + 80 * 2**20
    ours.close()
    del ours
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() < before + 80 * 2**20
    assert np.isfinite(result.raw_disparity).all()
