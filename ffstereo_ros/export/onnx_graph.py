"""The network as one ONNX graph of one size: what an engine is built from.

The graph is strongly typed: every tensor has the type it is computed in. Half precision therefore needs no builder flag
(TensorRT 11 has none); the float32 islands (norms, softmax, correlation, lookup pyramids, the disparity itself) are
where the network's own modules put them, as Cast nodes.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ffstereo_ros.backends.confidence import matching_confidence
from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.model import SIZE_MULTIPLE, FastFoundationStereo, check_settings

# torch's exporter writes 18 at least; TensorRT 10.3 reads up to 20.
OPSET = 18

INPUTS = ("left", "right")
OUTPUTS = ("disparity", "confidence")

_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class GraphSettings:
    """What is fixed in a graph.

    Attributes:
        height, width: of both images, px, multiples of 32.
        iterations: refinement iterations, unrolled.
        max_disparity: px, a multiple of 32.
        precision: ``fp16``, ``bf16`` or ``fp32``.
        custom_kernels: the volume is one node, which our plugin makes (see ``kernel_plugin``).
    """

    height: int
    width: int
    iterations: int = 8
    max_disparity: int = 192
    precision: str = "fp16"
    custom_kernels: bool = False

    def __post_init__(self) -> None:
        for side, length in (("height", self.height), ("width", self.width)):
            if length < SIZE_MULTIPLE or length % SIZE_MULTIPLE:
                raise ParameterError(f"{side} = {length} px: an engine takes multiples of {SIZE_MULTIPLE} px")
        if self.precision not in _DTYPES:
            raise ParameterError(f"precision = {self.precision!r}: an engine takes {', '.join(_DTYPES)}")


class ExportedStereo(nn.Module):
    """The network between images as a camera delivers them and maps as a robot wants them.

    uint8 RGB ``left``, ``right`` [1, H, W, 3] -> float32 ``disparity`` [1, 1, H, W] px, ``confidence`` [1, 1, H, W].
    Bytes are a quarter of the upload of floats, and the conversion costs nothing inside the graph.
    """

    def __init__(self, model: FastFoundationStereo, settings: GraphSettings) -> None:
        super().__init__()
        self.model = prepare_for_inference(model, torch.device("cpu"), _DTYPES[settings.precision])
        self.settings = settings
        if settings.custom_kernels:
            from ffstereo_ros.export.kernel_graph import with_kernels

            self.model = with_kernels(self.model)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        images = (image.float().permute(0, 3, 1, 2) for image in (left, right))
        output = self.model(*images, self.settings.iterations, self.settings.max_disparity)
        return output.disparity, matching_confidence(output.logits, output.disparity)


def export_onnx(model: FastFoundationStereo, settings: GraphSettings) -> bytes:
    """The serialized ONNX model; the network given stays as it is.

    Raises:
        ParameterError: the settings do not fit the weights.
        BackendError: the weights overflow in this precision, or the exporter failed.
    """
    check_settings(settings.iterations, settings.max_disparity, model.config.max_disparity)
    module = ExportedStereo(model, settings).eval()
    _check_finite(module, settings.precision)
    shape = (1, settings.height, settings.width, 3)
    # Two tensors: the exporter merges inputs that are one object.
    example = (torch.zeros(shape, dtype=torch.uint8), torch.ones(shape, dtype=torch.uint8))
    try:
        return _trace(module, example)
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise BackendError(f"the ONNX export failed ({type(error).__name__}: {str(error).splitlines()[0]})") from error


def _check_finite(module: nn.Module, precision: str) -> None:
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise BackendError(f"{name} is not finite in {precision}: use precision bf16 or fp32")


def _trace(module: nn.Module, example: tuple[Tensor, Tensor]) -> bytes:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between torch and its exporter: nothing a user can act on
        program = torch.onnx.export(
            module,
            example,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise BackendError("the ONNX export gave no graph")
    buffer = io.BytesIO()
    program.save(buffer)  # type: ignore[arg-type]  # any file object works, its annotation knows paths only
    return buffer.getvalue()
