"""The network on our kernels gives the plain network's answer, and nothing in it needs the host between its ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from golden_data import NetworkSource
from network_arrangements import arrangements
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ffstereo_ros.kernels.correlation_volume.folding import PointwiseConvolution
from ffstereo_ros.kernels.volume_terms.folding import FirstConvolution
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.inference.kernel_network import KernelNetwork, with_kernels
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config

CONFIGS = {"mini": mini_config(), **arrangements()}
SPLIT = {
    "mini": FirstConvolution,
    "default": PointwiseConvolution,
    "no gate before the hourglass, raw correlation": PointwiseConvolution,
}


def network(config: NetworkConfig) -> FastFoundationStereo:
    """Random weights, those of the refinement enlarged: with torch's own the samples hardly move the answer."""
    torch.manual_seed(0)
    model = FastFoundationStereo(config).eval().requires_grad_(False)
    for parameter in model.update_block.parameters():
        parameter.mul_(2.5)
    return model


def on_kernels(model: FastFoundationStereo) -> KernelNetwork:
    return with_kernels(prepare_for_inference(model, torch.device("cpu"), torch.float32))


def pair(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    wide = torch.rand(1, 3, height, width + 5, generator=generator) * 255
    return wide[..., :-5], wide[..., 5:]


def worst_error(model: FastFoundationStereo, iterations: int, *size: int) -> float:
    """Largest difference of the two networks' answers, px, over what their answer varies by."""
    with torch.inference_mode():
        plain = model(*pair(*size), iterations, 64).disparity
        ours = on_kernels(model)(*pair(*size), iterations, 64).disparity
    assert float(plain.max() - plain.min()) > 0.1, "an answer that is constant proves nothing"
    return float((plain - ours).abs().max())


@pytest.mark.parametrize("name", CONFIGS)
def test_any_arrangement_answers_as_without_kernels(name: str) -> None:
    assert worst_error(network(CONFIGS[name]), 2, 64, 96) < 1e-4  # worst seen: 1.5e-5 px


@pytest.mark.parametrize("name", ["searched", "full"])
def test_the_golden_checkpoints_answer_as_without_kernels(golden_network: NetworkSource, name: str) -> None:
    assert worst_error(golden_network(name, True), 2, 64, 96) < 5e-3  # worst seen: 1.6e-3 px


@pytest.mark.parametrize("name", SPLIT)
def test_the_combined_volume_is_never_written(name: str) -> None:
    assert isinstance(on_kernels(network(CONFIGS[name])).first, SPLIT[name])


class OneDevice(TorchDispatchMode):
    """Fails where an operation on the GPU reads from the host or the other way round: a graph cannot hold that."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function.namespace == "ffstereo":
            self.kernels[function.name().partition("::")[2]] += 1
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor) and leaf.ndim > 0]
        assert len({tensor.device.type for tensor in tensors}) <= 1, f"{function} crosses between host and GPU"
        return result


class ByOperators(TorchFunctionMode):
    """Slices and copies by operators: Python's own methods want a torch that was built for CUDA."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.contiguous:
            return torch.ops.aten.contiguous(*args, **(kwargs or {}))
        return sliced(*args) if function is Tensor.__getitem__ else function(*args, **(kwargs or {}))


def sliced(tensor: Tensor, index: Any) -> Tensor:
    """``tensor[index]`` of integers, slices, None and one ellipsis."""
    axis, parts = 0, index if isinstance(index, tuple) else (index,)
    for position, part in enumerate(parts):
        if part is Ellipsis:
            axis = tensor.ndim - (len(parts) - position - 1)
        elif isinstance(part, int):
            tensor = tensor.select(axis, part)
        else:
            whole = slice(None) if part is None else part
            tensor = tensor.unsqueeze(axis) if part is None else tensor
            tensor = torch.ops.aten.slice(tensor, axis, whole.start, whole.stop, whole.step or 1)
            axis += 1
    return tensor


def pretend(each: Any) -> Any:
    """A tensor that says it is on a GPU and holds nothing."""
    if not isinstance(each, Tensor):
        return each
    return torch.empty_strided(each.shape, each.stride(), dtype=each.dtype, device="cuda")


def pretend_on_gpu(model: KernelNetwork) -> None:
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            held.update({name: pretend(each) for name, each in held.items()})
    for name in ("first", "samples"):
        parts = getattr(model, name)
        setattr(
            model, name, replace(parts, **{each.name: pretend(getattr(parts, each.name)) for each in fields(parts)})
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", ["mini", "default", "searched"])
def test_on_a_gpu_all_of_it_stays_there(name: str, dtype: torch.dtype) -> None:
    """On tensors that only say they are on a GPU: shapes, types and devices of that path, without one."""
    model = with_kernels(prepare_for_inference(network(CONFIGS[name]), torch.device("cpu"), dtype))
    seen = OneDevice()
    with FakeTensorMode(), torch.inference_mode(), ByOperators():
        pretend_on_gpu(model)
        images = torch.empty(2, 1, 3, 96, 160, device="cuda").unbind(0)
        with seen:
            output = model(*images, 2, 64)
    assert (tuple(output.disparity.shape), output.disparity.dtype) == ((1, 1, 96, 160), torch.float32)
    assert output.disparity.device.type == "cuda"
    assert seen.kernels["correlation_volume"] == 1
    assert seen.kernels["geometry_lookup"] == 2
    assert seen.kernels["convex_upsample"] == 1
