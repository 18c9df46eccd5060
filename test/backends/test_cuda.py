"""The CUDA backend as far as no GPU is needed: the forward pass and its buffers, on the CPU.

A CUDA graph itself, streams and page-locked memory run on a GPU alone.
"""

import gc
import weakref
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from pretend_gpu import pretend_gpu, pretend_on_gpu

from ffstereo_ros.backends.cuda import CudaBackend, network_forward
from ffstereo_ros.backends.cuda_frames import FrameCache, StaticFrame
from ffstereo_ros.backends.pytorch import NetworkSettings, TorchBackend
from ffstereo_ros.backends.torch_device import Placement
from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.self_test_pairs import room_pair
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.inference.kernel_network import KernelNetwork, with_kernels
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config

CPU = torch.device("cpu")
PLACEMENT = Placement(CPU, torch.float32, "fp32", "a CPU")


class HostFrames:
    """Frames on the CPU: the same buffers; what would be one graph is called anew."""

    stage = torch.inference_mode

    def __init__(self, forward, device):
        self.made = 0
        places: dict[torch.Size, torch.Tensor] = {}

        def overwriting(pair: torch.Tensor, start: torch.Tensor | None) -> torch.Tensor:
            maps = forward(pair, start)  # a graph writes every frame of a size to one place
            return places.setdefault(maps.shape, torch.empty_like(maps)).copy_(maps)

        self._cache = FrameCache(lambda *key: self._frame(overwriting, *key), lambda: None)

    def run(self, left, right, start=None):
        with torch.inference_mode():
            return self._cache.get(left.shape[:2], start is not None).enqueue(left, right, start)

    def close(self):
        self._cache.clear()

    def _frame(self, forward, shape, with_start):
        def record(enqueue: Callable[[], None]) -> Callable[[], None]:
            enqueue()
            return enqueue

        self.made += 1
        return StaticFrame(forward, shape, with_start, CPU, record)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return FastFoundationStereo(mini_config()).eval()


def backends(model, **settings):
    values = NetworkSettings(iterations=1, max_disparity=64, **settings)
    return CudaBackend(model, "mini", PLACEMENT, values, HostFrames), TorchBackend(model, "mini", PLACEMENT, values)


def check_equal(ours, plain, pair, start=None, scale=1.0):
    given, expected = (
        StereoMatcher(each, scale=scale).match(pair.left, pair.right, initial_disparity=start) for each in (ours, plain)
    )
    assert np.ptp(expected.raw_disparity) > 0.1
    # Worst seen: 4e-5 px. In both the same pixels are known.
    np.testing.assert_allclose(given.raw_disparity, expected.raw_disparity, atol=1e-3)
    np.testing.assert_allclose(given.disparity, expected.disparity, atol=1e-3)
    np.testing.assert_allclose(given.confidence, expected.confidence, atol=1e-4)


def test_frames_of_two_sizes_answer_as_the_plain_backend_does(model):
    ours, plain = backends(model)
    for height, width, seed in ((64, 96, 5), (96, 64, 5), (64, 96, 6)):
        check_equal(ours, plain, room_pair(height, width, 64, seed=seed))
    assert ours._frames.made == 3  # the warm-up's and two


def test_a_start_replaces_the_volumes_estimate(model):
    ours, plain = backends(model)
    start = np.linspace(0, 60, 64 * 96, dtype=np.float32).reshape(64, 96)
    start[:8] = np.nan
    check_equal(ours, plain, room_pair(64, 96, 64), start)
    check_equal(ours, plain, room_pair(64, 96, 64))


def test_the_hierarchical_pass(model):
    ours, plain = backends(model, hierarchical=True)
    assert ours.max_disparity == 128
    check_equal(ours, plain, room_pair(64, 128, 64))


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_at_another_scale_the_answer_is_on_the_users_pixels(model, scale):
    check_equal(*backends(model), room_pair(70, 100, 64), scale=scale)


def test_an_answer_outlives_the_next_frame_and_the_backend(model):
    ours, _ = backends(model)
    one, other = room_pair(64, 96, 64), room_pair(64, 96, 64, seed=9)
    matcher = StereoMatcher(ours)
    expected = matcher.match(one.left, one.right)
    kept = expected.raw_disparity.copy(), expected.confidence.copy()
    late = matcher.match(one.left, one.right)  # nothing of it is asked for before the next frame
    assert not np.array_equal(matcher.match(other.left, other.right).raw_disparity, kept[0])
    ours.close()
    for result in (expected, late):
        assert np.array_equal(result.raw_disparity, kept[0])
        assert np.array_equal(result.confidence, kept[1])


def test_an_answer_keeps_neither_network_nor_graphs(model):
    ours, _ = backends(model)
    frames, pair = weakref.ref(ours._frames), room_pair(64, 96, 64)
    result = StereoMatcher(ours).match(pair.left, pair.right)
    ours.close()
    gc.collect()
    assert frames() is None
    assert result.disparity.shape == (64, 96)


@pytest.mark.parametrize("start", ["volume", "given", "hierarchical"])
def test_on_a_gpu_a_frame_needs_no_host_between_its_ends(model, start):
    settings = NetworkSettings(iterations=2, max_disparity=64, hierarchical=start == "hierarchical")
    network = with_kernels(prepare_for_inference(model, CPU, torch.float16))
    with pretend_gpu() as kernels:
        pretend_on_gpu(network)
        pair = torch.empty(2, 96, 160, 3, dtype=torch.uint8, device="cuda")
        given = torch.empty(1, 1, 96, 160, device="cuda") if start == "given" else None
        maps = network_forward(network, settings)(pair, given)
    assert (tuple(maps.shape), maps.dtype, maps.device.type) == ((2, 96, 160), torch.float32, "cuda")
    passes = 2 if start == "hierarchical" else 1
    assert (kernels["correlation_volume"], kernels["geometry_lookup"]) == (passes, 2 * passes)


class NoKernels(HostFrames):
    """A GPU, driver or NVRTC that our kernels cannot run on."""

    def __init__(self, forward, device):
        super().__init__(forward, device)
        self.refuses = any(isinstance(cell.cell_contents, KernelNetwork) for cell in forward.__closure__)

    def run(self, left, right, start=None):
        if self.refuses:
            raise BackendError("the GPU has compute capability 7.0: the CUDA kernels need 7.5 or newer; use device cpu")
        return super().run(left, right, start)


def test_pytorch_stands_in_where_our_kernels_cannot_run_and_says_so(model):
    settings = NetworkSettings(iterations=1, max_disparity=64)
    backend = CudaBackend(model, "mini", PLACEMENT, settings, NoKernels)
    (failure,) = backend.failures
    assert "our CUDA kernels cannot run" in failure
    assert "compute capability 7.0" in failure
    assert "without our kernels" in backend.describe()
    check_equal(backend, TorchBackend(model, "mini", PLACEMENT, settings), room_pair(64, 96, 64))
    assert CudaBackend(model, "mini", PLACEMENT, settings, HostFrames).failures == ()


class TooSmall(HostFrames):
    """A GPU that holds the warm-up and nothing more."""

    def _frame(self, forward, shape, with_start):
        if shape[1] > 160:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines")
        return super()._frame(forward, shape, with_start)


def test_out_of_memory_says_what_takes_less(model):
    backend = CudaBackend(model, "mini", PLACEMENT, NetworkSettings(1, 64), TooSmall)
    blank = np.zeros((64, 192, 3), np.uint8)
    with pytest.raises(BackendError, match=r"a 192x64 px pair with 64 px of disparity does not fit .*2\.00 GiB.*half"):
        backend.infer(blank, blank)
    backend.infer(blank[:, :96], blank[:, :96])


class FullAfterwards(HostFrames):
    """A GPU that holds a frame, and not what is made of it."""

    @staticmethod
    @contextmanager
    def stage():
        yield
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 14.00 MiB.\nmore lines")


@pytest.mark.parametrize("asked", ["disparity", "confidence", "negative_fraction", "depth", "packed_points"])
def test_out_of_memory_for_what_is_made_of_a_frame_says_the_same(model, asked):
    matcher = StereoMatcher(CudaBackend(model, "mini", PLACEMENT, NetworkSettings(1, 64), FullAfterwards))
    pair, camera = room_pair(64, 96, 64), StereoCamera(96, 64, 90.0, 90.0, 48.0, 48.0, 32.0, 0.1)
    result, limits = matcher.match(pair.left, pair.right), {"min_depth": 0.0, "max_depth": 9.0}
    calls = {
        "depth": lambda: result.depth(camera),
        "packed_points": lambda: result.packed_points(camera, pair.left, stride=1, **limits),
    }
    with pytest.raises(BackendError, match=r"a 96x64 px pair with 64 px of disparity does not fit .*14\.00 MiB.*half"):
        calls.get(asked, lambda: getattr(result, asked))()
