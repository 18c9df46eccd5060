"""Every kernel on a real GPU, on the cases that its source has passed on the CPU, against the reference in float64.

`compute-sanitizer --tool memcheck` and `--tool racecheck` take this file; docs/gpu.md says how.
"""

from __future__ import annotations

import pytest
import test_correlation_kernel as correlation
import test_lookup_kernel as lookup
import test_scene_painting as painted
import torch
from errors_of import rounding_errors
from moved import moved
from torch import Tensor

from ffstereo_ros.errors import BackendError
from ffstereo_ros.kernels.convex_upsample import op as upsample
from ffstereo_ros.kernels.convex_upsample import reference as upsample_reference
from ffstereo_ros.kernels.correlation_volume import op as volume
from ffstereo_ros.kernels.geometry_lookup import op as geometry
from ffstereo_ros.kernels.launch import Launch, SharedMemory, resources, run, shared_memory
from ffstereo_ros.kernels.volume_terms import op as terms
from ffstereo_ros.kernels.volume_terms import reference as terms_reference
from ffstereo_ros.training.scene_painting import op as painting
from ffstereo_ros.training.scene_painting.banks import all_banks
from ffstereo_ros.training.scene_painting.table import pack
from ffstereo_ros.training.scenes.scene import draw_scene

GPU = torch.device("cuda", 0)
DTYPES = [torch.float16, torch.bfloat16, torch.float32]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
# The emulator rounds each step of the matrix unit once; a real one aligns the step's products and truncates them.
# Simulated so, float32 is up to 238 rounding errors off (1.4e-5); of one TF32 product instead of three, 4300 and more.
FLOAT32_TOLERANCE = 512.0


def tolerance(on_cpu: dict[torch.dtype, float], dtype: torch.dtype) -> float:
    return FLOAT32_TOLERANCE if dtype == torch.float32 else on_cpu[dtype]


def limits(case: correlation.Case | lookup.Case) -> SharedMemory:
    """The shared memory that the case is planned for, as far as this GPU has it."""
    here = shared_memory(GPU)
    least = min(case.limits.block, here.block), min(case.limits.multiprocessor, here.multiprocessor)
    return SharedMemory(*least)


def there(*values: object) -> tuple[object, ...]:
    return tuple(moved(value, GPU) if isinstance(value, Tensor) else value for value in values)


def exactly(*values: object) -> tuple[object, ...]:
    return tuple(value.double() if isinstance(value, Tensor) else value for value in values)


def poisoned(launch: Launch) -> Tensor:
    """What the launch writes where NaN stood before."""
    launch.output.fill_(torch.nan)
    return run(launch).cpu()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*correlation.RELEASED, *correlation.SHAPES])
def test_correlation_volume(name: str, dtype: torch.dtype) -> None:
    case = {**correlation.RELEASED, **correlation.SHAPES}[name]
    inputs = case.inputs(dtype)
    result = poisoned(volume.prepare(volume.Inputs(*there(*inputs)), limits(case))).permute(0, 4, 1, 2, 3)
    expected = correlation.reference.correlation_volume(*exactly(*inputs))
    assert bool((result[:, inputs.channels :] == 0).all())
    assert rounding_errors(result[:, : inputs.channels], expected) < tolerance(correlation.TOLERANCE, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*lookup.RELEASED, *lookup.SHAPES])
def test_geometry_lookup(name: str, dtype: torch.dtype) -> None:
    case = {**lookup.RELEASED, **lookup.SHAPES}[name]
    inputs, weights = case.inputs(dtype)
    given = geometry.Inputs(*there(*inputs))
    assert given.volume.stride() == inputs.volume.stride()
    result = poisoned(geometry.prepare(given, limits(case))).permute(0, 3, 1, 2)
    expected = lookup.reference.geometry_lookup(*exactly(*inputs[:3]), case.radius, case.levels, *exactly(*weights))
    assert bool((result[:, inputs.channels :] == 0).all())
    assert rounding_errors(result[:, : inputs.channels], expected) < tolerance(lookup.TOLERANCE, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("radius", [None, 12.0])
def test_convex_upsample(radius: float | None, layout: torch.memory_format, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    disparity = torch.rand(2, 1, 3, 70, generator=generator) * 48
    logits = (torch.randn(2, 9, 12, 280, generator=generator) * 5).to(dtype).contiguous(memory_format=layout)
    result = poisoned(upsample.prepare(*there(disparity, logits), radius))
    assert rounding_errors(result, upsample_reference.convex_upsample(*exactly(disparity, logits), radius)) < 9.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_volume_terms(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(dtype)

    start = random(2, 32, 13, 3, 21).contiguous(memory_format=torch.channels_last_3d)
    left, right = random(2, 96, 3, 21), random(2, 192, 3, 23)
    result = run(terms.prepare(*there(start, left, right), 0.01)).cpu()
    assert rounding_errors(result, terms_reference.add_volume_terms(*exactly(start, left, right), 0.01)) < 4.0


@pytest.mark.parametrize("first", [0, 24])
def test_scene_painting(first: int) -> None:
    """With all textures and outlines there are."""
    scenes = [draw_scene(seed, 96, 300, 88.0)[0] for seed in range(first, first + 24)]
    launch = painting.prepare(pack(scenes).to(GPU), all_banks(GPU))
    for scene, result in zip(scenes, poisoned(launch)):
        assert painted.share_of_wrong_pixels(result, scene) <= painted.UNDECIDED


@pytest.mark.parametrize("name", correlation.RELEASED)
def test_nothing_is_spilled_on_this_gpu(name: str) -> None:
    inputs = correlation.RELEASED[name].inputs(torch.float16)
    registers, local = resources(volume.prepare(volume.Inputs(*there(*inputs)), shared_memory(GPU)))
    assert (registers <= 128, local) == (True, 0)


def test_out_of_memory_is_one_clear_line() -> None:
    feature = torch.empty(1, 8, 2048, 4096, dtype=torch.float16, device=GPU)
    free = torch.cuda.mem_get_info()[0]
    disparities = free // (2 * 8 * 2048 * 4096) + 64
    with pytest.raises(BackendError, match=r"MiB free: a volume with .* of its entries fits"):
        volume.correlation_volume(feature, feature, 8, disparities, True)
