"""Our CUDA kernels inside an engine: `tensorrt.plugin` with ahead-of-time PTX, from TensorRT 10.9 on.

TensorRT launches a plugin's kernel with one argument a tensor (inputs, numbers, outputs); our kernels take one struct.
A few lines of CUDA in front turn one into the other, and the kernel itself becomes a device function.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

import torch

from ffstereo_ros.backends.tensorrt_library import TensorRT
from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.export.kernel_graph import NAMESPACE, OPERATION
from ffstereo_ros.kernels.compile import compile_options
from ffstereo_ros.kernels.correlation_volume.op import Inputs, prepare
from ffstereo_ros.kernels.launch import Launch, SharedMemory
from ffstereo_ros.kernels.nvrtc import Nvrtc

# Nothing says whether TensorRT raises a kernel's limit of dynamic shared memory: stay below what needs no raising.
_LIMITS = SharedMemory(block=48 * 1024, multiprocessor=100 * 1024)

_ENTRY = re.compile(r'extern "C" __global__ void (__launch_bounds__\([^)]*\) )?correlation_volume\(')

_WRAPPER = """
extern "C" __global__ void %(bounds)s%(name)s(
    const element* left, const element* right, const element* left_term, const element* right_term,
    int height, int width, int disparities, int disparity_tiles, element* volume) {
    correlation_volume(
        Arguments{left, right, left_term, right_term, nullptr, volume, height, width, disparities, disparity_tiles});
}
"""


@dataclass(frozen=True)
class PluginKernel:
    """What TensorRT stores of a kernel: its name in the PTX, the numbers it is called with, and its grid."""

    name: str
    ptx: bytes
    numbers: tuple[int, ...]
    grid: tuple[int, int, int]
    threads: int
    shared_bytes: int


@dataclass(frozen=True)
class VolumeShape:
    """What is fixed of one correlation volume: features [1, height, width, channels], terms of ``term_channels``."""

    height: int
    width: int
    channels: int
    term_channels: int
    groups: int
    disparities: int
    normalize: bool
    dtype: torch.dtype


def volume_kernel(shape: VolumeShape, nvrtc: Nvrtc, architecture: str) -> PluginKernel:
    """The correlation kernel for one shape; ``architecture`` as in ``compute_86``.

    Raises:
        BackendError: NVRTC refused, or no tile fits.
    """
    launch = _launch(shape)
    name = f"{NAMESPACE}_{OPERATION}"
    options = compile_options(launch.defines, architecture)
    ptx, _ = nvrtc.compile(_plugin_source(launch, name), f"{name}.cu", launch.kernel.headers(), options)
    numbers = tuple(int(number) for number in launch.numbers)
    return PluginKernel(name, ptx, numbers, launch.grid, launch.threads, launch.shared_bytes)


def _plugin_source(launch: Launch, name: str) -> str:
    """The kernel's own source, its entry made a device function, and the entry that TensorRT calls."""
    text = launch.kernel.text()
    found = _ENTRY.findall(text)
    if len(found) != 1:
        raise BackendError(f"{launch.kernel.path.name} has {len(found)} entries: the plugin needs exactly one")
    body = _ENTRY.sub("DEVICE void correlation_volume(", text)
    return body + _WRAPPER % {"name": name, "bounds": found[0]}


def _launch(shape: VolumeShape) -> Launch:
    """The launch that the kernel's own operation plans; tensors of the meta device have shapes and no memory."""
    left, right = _map(shape, shape.channels), _map(shape, shape.channels)
    left_term, right_term = _map(shape, shape.term_channels), _map(shape, shape.term_channels)
    settings = (shape.groups, shape.disparities, shape.normalize)
    return prepare(Inputs(left, right, *settings, left_term, right_term), _LIMITS)


def _map(shape: VolumeShape, channels: int) -> torch.Tensor:
    """[1, channels, H, W], channels last."""
    empty = torch.empty(1, shape.height, shape.width, channels, dtype=shape.dtype, device="meta")
    return empty.permute(0, 3, 1, 2)


def require_plugins(library: TensorRT) -> Any:
    """The library's module of plugins written in Python.

    Raises:
        ParameterError: this library has none that compiles ahead of time.
    """
    if library.name != "tensorrt" or not hasattr(library.api, "IPluginV3QuickAOTBuild"):
        raise ParameterError(
            f"custom kernels need TensorRT 10.9 or newer, which compiles plugins ahead of time; here is {library.name} "
            f"{library.version}: build without them"
        )
    return importlib.import_module(f"{library.api.__name__}.plugin")


def register_plugin(library: TensorRT, nvrtc: Nvrtc, architecture: str) -> None:
    """Makes the correlation kernel known to the builder; once a process, as TensorRT forgets no plugin.

    Raises:
        ParameterError: this library has no such plugins.
    """
    plugin = require_plugins(library)
    identity = f"{NAMESPACE}::{OPERATION}"
    if identity in _REGISTERED:
        return
    description, implementation = _plugin_functions(plugin, library.api, nvrtc, architecture)
    plugin.register(identity)(description)
    plugin.aot_impl(identity)(implementation)
    _REGISTERED.add(identity)


_REGISTERED: set[str] = set()


def _plugin_functions(plugin: Any, api: Any, nvrtc: Nvrtc, architecture: str) -> tuple[Any, Any]:
    """The two functions TensorRT wants; it reads their annotations, which must be its own classes and no texts."""

    def description(  # type: ignore[no-untyped-def]
        left, right, left_term, right_term, groups, disparities, normalize, channels
    ):
        volume = left.like()
        B, H, W, _ = left.shape_expr  # not numbers yet when TensorRT asks for the type alone
        volume.shape_expr = plugin.ShapeExprs.from_tuple((B, int(disparities), H, W, int(channels)))
        return volume

    def implementation(  # type: ignore[no-untyped-def]
        left, right, left_term, right_term, groups, disparities, normalize, channels, outputs, tactic
    ):
        _, H, W, C = (int(size) for size in left.shape)
        terms = int(left_term.shape[3])
        shape = VolumeShape(H, W, C, terms, int(groups), int(disparities), bool(normalize), _element(api, left.dtype))
        return _described(plugin, volume_kernel(shape, nvrtc, architecture))

    tensor = plugin.TensorDesc
    inputs = dict.fromkeys(("left", "right", "left_term", "right_term"), tensor)
    numbers = dict.fromkeys(("groups", "disparities", "normalize", "channels"), int)
    result = tuple[str, bytes, plugin.KernelLaunchParams, plugin.SymIntExprs]
    description.__annotations__ = {**inputs, **numbers, "return": tensor}
    implementation.__annotations__ = {**inputs, **numbers, "return": result}
    return description, implementation


def _described(plugin: Any, kernel: PluginKernel) -> tuple[str, bytes, Any, Any]:
    """A kernel in TensorRT's words."""
    launch = plugin.KernelLaunchParams()
    launch.grid_x, launch.grid_y, launch.grid_z = kernel.grid
    launch.block_x, launch.shared_mem = kernel.threads, kernel.shared_bytes
    extra = plugin.SymIntExprs.from_tuple([plugin.SymInt32(number) for number in kernel.numbers])
    return kernel.name, kernel.ptx, launch, extra


def _element(api: Any, dtype: Any) -> torch.dtype:
    elements = {api.DataType.HALF: torch.float16, api.DataType.FLOAT: torch.float32, api.DataType.BF16: torch.bfloat16}
    return elements[dtype]
