"""The first 1x1x1 convolution on [correlation | left repeated over d | right shifted by d], split into its parts.

Convolution and projection are linear: what they do to one image alone is a 1x1 convolution of that image's features.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.errors import ParameterError


@dataclass(frozen=True)
class PointwiseConvolution:
    """The parts: ``weight`` [O, G] on the correlation; 1x1 convolutions [O, C, 1, 1], biases [O] on the features."""

    weight: Tensor
    left_weight: Tensor
    left_bias: Tensor
    right_weight: Tensor
    right_bias: Tensor

    def left_term(self, left: Tensor) -> Tensor:
        """Left features [B, C, H, W] -> [B, O, H, W]."""
        return F.conv2d(left, self.left_weight, self.left_bias)

    def right_term(self, right: Tensor) -> Tensor:
        """Right features [B, C, H, W] -> [B, O, H, W]."""
        return F.conv2d(right, self.right_weight, self.right_bias)


def fold_pointwise_convolution(
    weight: Tensor, bias: Tensor | None, projection_weight: Tensor, projection_bias: Tensor | None, groups: int
) -> PointwiseConvolution:
    """Split weight [O, G + 2 P, 1, 1, 1], bias [O], composed with the projection [P, C, 1, 1], [P] of both images.

    Products are taken in float64 and rounded once, to the weight's dtype.

    Raises:
        ParameterError: the shapes do not go together.
    """
    projected = projection_weight.shape[0]
    if weight[0, :, 0, 0, 0].numel() != weight[0].numel() or weight.shape[1] != groups + 2 * projected:
        raise ParameterError(f"weight is {list(weight.shape)}: expected [O, {groups} + 2 * {projected}, 1, 1, 1]")
    on_groups, on_left, on_right = weight.flatten(1).double().split((groups, projected, projected), dim=1)
    features = projection_weight.flatten(1).double()
    shift = features.new_zeros(projected) if projection_bias is None else projection_bias.double()
    own = features.new_zeros(weight.shape[0]) if bias is None else bias.double()

    def rounded(tensor: Tensor) -> Tensor:
        return tensor.to(weight.dtype).contiguous()

    return PointwiseConvolution(
        weight=rounded(on_groups),
        left_weight=rounded(on_left @ features)[:, :, None, None],
        left_bias=rounded(on_left @ shift + own),
        right_weight=rounded(on_right @ features)[:, :, None, None],
        right_bias=rounded(on_right @ shift),
    )
