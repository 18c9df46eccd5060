"""What is said where a GPU was asked for and cannot be used."""

import pytest
import torch

from ffstereo_ros.backends.torch_device import choose_placement
from ffstereo_ros.errors import BackendError

TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading "
    "and installing a new version"
)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_torch_without_cuda_says_so(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(
        BackendError, match=r"device = cuda: this torch .* is built without CUDA; use device cpu or auto"
    ):
        choose_placement("cuda")


@pytest.mark.parametrize("text", [TOO_OLD, "Found no NVIDIA driver on your system. Please check that you have one"])
def test_what_torch_misses_is_told_in_one_line(monkeypatch, text):
    def refuse():
        raise RuntimeError(text)

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    with pytest.raises(BackendError) as caught:
        choose_placement("cuda")
    assert str(caught.value) == f"device = cuda: {text.split('. ')[0]}; use device cpu or auto"


def test_auto_goes_on_with_the_cpu():
    assert choose_placement("auto").device == torch.device("cpu")
