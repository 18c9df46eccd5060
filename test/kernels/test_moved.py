"""What goes to a GPU lies there as it lay before: with its padding, which the kernels' widest loads read along."""

from __future__ import annotations

import pytest
import test_lookup_kernel as lookup
import torch
from moved import moved

from ffstereo_ros.kernels.geometry_lookup import op


@pytest.mark.parametrize("name", [*lookup.RELEASED, *lookup.SHAPES])
def test_the_padding_goes_along(name: str) -> None:
    case = {**lookup.RELEASED, **lookup.SHAPES}[name]
    volume = case.inputs(torch.float16)[0].volume
    copy = moved(volume, torch.device("cpu"))
    assert (copy.stride(), copy.data_ptr() == volume.data_ptr()) == (volume.stride(), False)
    assert torch.equal(copy, volume)
    padding = copy.as_strided(copy.shape[:1] + copy.shape[2:] + (case.pitch,), copy.permute(0, 2, 3, 4, 1).stride())
    assert bool(padding[..., case.channels :].isnan().all())
    assert dict(op._defines(case.inputs(torch.float16)[0], copy, 16))["PITCH"] == case.pitch


def test_a_view_that_begins_later_does_there_too() -> None:
    view = torch.arange(24.0).view(4, 6)[1:, ::2]
    copy = moved(view, torch.device("cpu"))
    assert (copy.storage_offset(), copy.stride()) == (6, (6, 2))
    assert torch.equal(copy, view)
