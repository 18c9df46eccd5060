"""Every difference that matters makes another key, and can be named."""

import dataclasses

import pytest

from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.engine_key import EngineKey

KEY = EngineKey(
    "tensorrt",
    "10.3.0",
    "Orin (compute capability 8.7)",
    "540.4 (CUDA 12.6)",
    480,
    640,
    8,
    192,
    "fp16",
    "a" * 64,
    "0.1.0",
)


def test_an_engine_with_our_kernels_serves_the_same_wish_and_lies_beside():
    other = dataclasses.replace(KEY, custom_kernels=1)
    assert other.digest() != KEY.digest()
    assert other.differences(KEY) == []


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(EngineKey) if f.name != "custom_kernels"])
def test_each_entry_makes_another_key_and_is_named(field):
    value = getattr(KEY, field)
    other = dataclasses.replace(KEY, **{field: value + 1 if isinstance(value, int) else "b" + value})
    assert other.digest() != KEY.digest()
    (difference,) = KEY.differences(other)
    assert "wanted" in difference


def test_equal_keys_have_one_digest_and_no_difference():
    assert KEY.digest() == dataclasses.replace(KEY).digest()
    assert KEY.differences(KEY) == []


def test_size_and_precision_may_be_left_open():
    assert KEY.differences(dataclasses.replace(KEY, height=0, width=0, precision="")) == []
    assert KEY.differences(dataclasses.replace(KEY, precision="fp32")) == ["precision fp16, wanted fp32"]


def test_both_sides_of_a_difference_are_told():
    wanted = dataclasses.replace(KEY, library_version="10.9.0.34", height=512)
    assert KEY.differences(wanted) == [
        "size 640x480 px, wanted 640x512 px",
        "TensorRT version 10.3.0, wanted 10.9.0.34",
    ]


def test_it_comes_back_from_its_sidecar():
    assert EngineKey.from_dict(dataclasses.asdict(KEY)) == KEY


@pytest.mark.parametrize("change", [{"height": "480"}, {"extra": 1}, {"iterations": True}])
def test_a_damaged_one_is_refused(change):
    with pytest.raises(BackendError, match="build it again"):
        EngineKey.from_dict(dataclasses.asdict(KEY) | change)
