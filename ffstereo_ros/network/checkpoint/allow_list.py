"""The names a checkpoint may mention. Everything else is refused, although no name is ever imported or called.

The authors' files reach the same classes by several paths (`core.submodule.BasicConv`,
`foundation_stereo_ori.submodule.BasicConv`, `timm.layers.mlp.Mlp` or `timm.models.layers.mlp.Mlp`), so a family of
modules is allowed a set of class names.
"""

from __future__ import annotations

import re

_NETWORK = """
FastFoundationStereo FoundationStereoLite FoundationStereo hourglass Feature ContextNetSharedBackbone
BasicConv BasicConv_IN Conv2x Conv2x_IN Conv3dNormActReduced ResnetBasicBlock ResnetBasicBlock3D FeatureAtt
CostVolumeDisparityAttention FlashAttentionTransformerEncoderLayer FlashMultiheadAttention PositionalEmbedding
ChannelAttentionEnhancement SpatialAttentionExtractor EdgeNextConvEncoder LayerNorm2d
BasicSelectiveMultiUpdateBlock BasicMotionEncoder SelectiveConvGRU RaftConvGRU DispHead ForwardHelper PostForwardHelper
"""
_TIMM_MODELS = """
EdgeNeXt EdgeNeXtStage ConvBlock SplitTransposeBlock CrossCovarianceAttn PositionalEncodingFourier DropPath Identity
"""
_TIMM_LAYERS = "Mlp LayerNorm LayerNorm2d LayerNormFp32 LayerNorm2dFp32 DropPath Identity GELU NormMlpClassifierHead"
_TORCH_NN = """
Identity Linear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm InstanceNorm2d InstanceNorm3d LayerNorm GroupNorm
ReLU ReLU6 LeakyReLU GELU Sigmoid Tanh SiLU Hardswish Softmax Dropout Dropout1d Dropout2d Dropout3d
Sequential ModuleList ModuleDict ParameterList ParameterDict Upsample
AdaptiveAvgPool2d AdaptiveMaxPool2d AdaptiveAvgPool3d AvgPool2d AvgPool3d MaxPool2d Flatten
"""
_OMEGACONF = """
DictConfig ListConfig ContainerMetadata Metadata AnyNode ValueNode IntegerNode FloatNode BooleanNode StringNode
InterpolationResultNode
"""

# One family a line: which modules, which names in them.
_FAMILIES: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(modules), frozenset(names.split()))
    for modules, names in (
        (r"(core|foundation_stereo_ori)(\.\w+)*", _NETWORK),
        (r"timm\.models\.edgenext", _TIMM_MODELS),
        (r"timm\.(models\.)?layers(\.\w+)?", _TIMM_LAYERS),
        (r"torch\.nn\.modules(\.\w+)?", _TORCH_NN),
        (r"omegaconf(\.\w+)?", _OMEGACONF),
        (r"typing", "Any Union Optional Dict List"),
        (r"types", "NoneType"),
        (r"argparse", "Namespace"),
        (r"collections", "OrderedDict defaultdict"),
        (r"builtins", "dict list set frozenset tuple int float bool str bytes object"),
        (r"torch", "Size device"),
        (r"torch\._utils", "_rebuild_tensor_v2 _rebuild_parameter"),
    )
)

# torch's names of storage classes and element types -> element type by its torch name.
STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
DTYPES = frozenset({*STORAGE_DTYPES.values(), "double", "float", "half", "long", "int", "short"})


def is_allowed(module: str, name: str) -> bool:
    """Whether a checkpoint may mention `module.name`."""
    if module == "torch" and (name in STORAGE_DTYPES or name in DTYPES):
        return True
    return any(modules.fullmatch(module) and name in names for modules, names in _FAMILIES)
