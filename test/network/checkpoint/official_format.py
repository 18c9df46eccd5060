"""Writes files in the authors' format for any `NetworkConfig`: a pickled tree of modules under their class paths.

The classes are empty and made here (nothing of the authors is in them); the tree is the inverse of what `derive` reads,
written from the description of the format, so that arrangements nobody published can be tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from claimed_classes import make, make_plain
from torch import nn

from ffstereo_ros.network.config import HourglassConfig, NetworkConfig, SelectiveGRUConfig
from ffstereo_ros.network.specs import (
    ActivationSpec,
    BasicConvSpec,
    ConvBlockSpec,
    ConvNeXtSpec,
    ConvSpec,
    DisparityAttentionSpec,
    EncoderBlockSpec,
    FeatureAttentionSpec,
    NormSpec,
    PostJoinSpec,
    ReducedConvSpec,
    ResidualSpec,
    SequenceSpec,
    SkipJoinSpec,
    SplitTransposeSpec,
    UpsampleSpec,
)

ARGS = {"corr_levels": 2, "corr_radius": 4, "max_disp": 416, "mixed_precision": True, "valid_iters": 8}


def dict_config(values: dict[str, Any]) -> Any:
    """`args` as omegaconf pickles it."""
    nodes = {k: make_plain("omegaconf.nodes.AnyNode", _val=v, _parent=None) for k, v in values.items()}
    return make_plain("omegaconf.dictconfig.DictConfig", _content=nodes, _parent=None)


class Writer:
    """Builds the tree of one network; `family` is the package its classes claim to be in."""

    def __init__(self, config: NetworkConfig, family: str = "core", synchronised: bool = True) -> None:
        self.config = config
        self.family = family
        self.synchronised = synchronised  # BatchNorm as SyncBatchNorm, as in the released files

    def network(self, **args: Any) -> Any:
        """The root module."""
        config = self.config
        root = self._make(
            "foundation_stereo.FastFoundationStereo",
            args=dict_config({**ARGS, "max_disp": config.max_disparity, "corr_levels": config.lookup.levels, **args}),
            dtype=torch.float32,
            cv_group=config.volume.groups,
            feature=self._feature(),
            stem_2=self.block(config.stem_2),
            proj_cmb=self.block(config.volume.proj_cmb),
            corr_stem=self.slot(config.corr_stem),
            corr_feature_att=self.slot(config.corr_feature_att),
            cost_agg=self._hourglass(config.cost_agg),
            classifier=self.block(config.classifier),
            update_block=self._update(),
            spx_2_gru=self.block(config.upsampling.spx_2_gru),
            spx_gru=self.block(config.upsampling.spx_gru),
        )
        self._add_context(root)
        radius = config.lookup.radius
        root.register_buffer("dx", torch.arange(-radius, radius + 1, dtype=torch.int8).view(1, 1, -1, 1))
        for tensor in root.buffers():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
        return root

    def _add_context(self, root: Any) -> None:
        context = self.config.context
        heads = nn.ModuleList([self.block(context.hidden_head), self.block(context.context_head)])
        root.cnet = self._make("extractor.ContextNetSharedBackbone", conv04=heads)
        fc = nn.Sequential(self.block(context.cam_reduce), nn.ReLU(), self.block(context.cam_expand))
        root.cam = self._make("submodule.ChannelAttentionEnhancement", fc=fc, avg_pool=nn.AdaptiveAvgPool2d(1))
        root.sam = self._make("submodule.SpatialAttentionExtractor", samconv=self.block(context.samconv))

    def _make(self, path: str, /, **members: Any) -> Any:
        return make(f"{self.family}.{path}", **members)

    def slot(self, spec: Any) -> Any:
        """A slot; nothing is an Identity."""
        return nn.Identity() if spec is None else self.block(spec)

    def block(self, spec: Any) -> Any:
        """Any block."""
        builders: dict[type, Callable[[Any], Any]] = {
            ConvSpec: conv,
            BasicConvSpec: self._basic,
            ReducedConvSpec: lambda s: self._make(
                "submodule.Conv3dNormActReduced",
                conv1=nn.Sequential(conv(s.conv1), self._batch_norm(s.conv1), nn.ReLU()),
                conv2=nn.Sequential(conv(s.conv2), self._batch_norm(s.conv2), nn.ReLU()),
            ),
            ResidualSpec: self._residual,
            FeatureAttentionSpec: lambda s: self._make(
                "submodule.FeatureAtt", feat_att=nn.Sequential(self._basic(s.reduce), conv(s.expand))
            ),
            ConvNeXtSpec: self._convnext,
            DisparityAttentionSpec: self._attention,
            NormSpec: lambda s: self._norm(s.norm, s.dims, s.channels),
            ActivationSpec: lambda s: _ACTIVATIONS[s.name](),
            UpsampleSpec: lambda s: nn.Upsample(scale_factor=s.scale[0], mode=s.mode, align_corners=s.align_corners),
            SequenceSpec: self._sequence,
            SkipJoinSpec: self._skip_join,
        }
        return builders[type(spec)](spec)

    def _sequence(self, spec: SequenceSpec) -> Any:
        members = [self.block(b) for b in spec.blocks]
        if spec.helper:
            return self._make("distill_block.ForwardHelper", layers=nn.ModuleList(members))
        return nn.Sequential(*members)

    def _batch_norm(self, spec: ConvSpec) -> nn.Module:
        return self._norm("batch", spec.dims, spec.out_channels)

    def _norm(self, name: str | None, dims: int, channels: int) -> nn.Module:
        if name is None:
            return nn.Identity()
        if name == "instance":
            return (nn.InstanceNorm2d, nn.InstanceNorm3d)[dims - 2](channels)
        if self.synchronised:
            return nn.SyncBatchNorm(channels)
        return (nn.BatchNorm2d, nn.BatchNorm3d)[dims - 2](channels)

    def _basic(self, spec: BasicConvSpec) -> Any:
        norm = self._norm(spec.norm, spec.conv.dims, spec.conv.out_channels)
        if spec.norm == "instance":
            return self._make(
                "submodule.BasicConv_IN", use_in=True, relu=spec.activation, conv=conv(spec.conv), IN=norm
            )
        flag = spec.norm is not None
        return self._make("submodule.BasicConv", use_bn=flag, relu=spec.activation, bn=norm, conv=conv(spec.conv))

    def _residual(self, spec: ResidualSpec) -> Any:
        name = "ResnetBasicBlock" if spec.conv1.dims == 2 else "ResnetBasicBlock3D"
        norms = [self._norm(spec.norm, c.dims, c.out_channels) for c in (spec.conv1, spec.conv2)]
        return self._make(
            f"submodule.{name}",
            norm_layer=nn.BatchNorm3d,
            downsample=None,
            stride=1,
            conv1=conv(spec.conv1),
            bn1=norms[0],
            relu=nn.ReLU(),
            conv2=conv(spec.conv2),
            bn2=norms[1],
        )

    def _convnext(self, spec: ConvNeXtSpec) -> Any:
        channels = spec.dwconv.out_channels
        return self._make(
            "submodule.EdgeNextConvEncoder",
            gamma=nn.Parameter(torch.rand(channels)),
            dwconv=conv(spec.dwconv),
            norm=nn.Identity(),
            pwconv1=nn.Linear(channels, spec.hidden),
            act=nn.GELU(),
            pwconv2=nn.Linear(spec.hidden, channels),
        )

    def _attention(self, spec: DisparityAttentionSpec) -> Any:
        layers = [self._layer(spec, width) for width in spec.feedforward]
        table = make(f"{self.family}.submodule.PositionalEmbedding", pe=torch.rand(1, spec.max_length, spec.channels))
        return self._make(
            "submodule.CostVolumeDisparityAttention", resize_embed=False, sa=nn.ModuleList(layers), pos_embed0=table
        )

    def _layer(self, spec: DisparityAttentionSpec, width: int) -> Any:
        c, e = spec.channels, spec.embed_channels
        attention = self._make(
            "submodule.FlashMultiheadAttention",
            num_heads=spec.heads,
            embed_dim=e,
            head_dim=e // spec.heads,
            q_proj=nn.Linear(c, e),
            k_proj=nn.Linear(c, e),
            v_proj=nn.Linear(c, e),
            out_proj=nn.Linear(e, c),
        )
        return self._make(
            "submodule.FlashAttentionTransformerEncoderLayer",
            self_attn=attention,
            act=nn.GELU(),
            linear1=nn.Linear(c, width),
            dropout=nn.Dropout(0.1),
            linear2=nn.Linear(width, c),
            norm1=nn.LayerNorm(c),
            norm2=nn.LayerNorm(c),
        )

    def _skip_join(self, spec: SkipJoinSpec) -> Any:
        name = "Conv2x_IN" if spec.conv1.norm == "instance" else "Conv2x"
        return self._make(
            f"submodule.{name}",
            concat=spec.concat,
            is_3d=False,
            conv1=self._basic(spec.conv1),
            conv2=self.block(spec.conv2),
        )

    def _hourglass(self, config: HourglassConfig) -> Any:
        built = self._make("foundation_stereo.hourglass", cfg=dict_config(ARGS))
        for name in config.__dataclass_fields__:
            spec = getattr(config, name)
            if isinstance(spec, PostJoinSpec):
                chain = nn.Sequential(*(self.block(b) for b in spec.upsample))
                out = nn.ModuleList([self.block(b) for b in spec.out])
                setattr(
                    built,
                    name,
                    self._make("distill_block.PostForwardHelper", op=spec.operation, upsample=chain, out=out),
                )
            elif name == "atts_4" and spec is not None:
                built.atts = nn.ModuleDict({"4": self.block(spec)})
            elif spec is not None:
                setattr(built, name, self.block(spec))
            elif name in ("conv1", "conv2"):
                setattr(built, name, nn.Identity())
        return built

    def _update(self) -> Any:
        config = self.config.update_block
        convs = {name: conv(getattr(config.encoder, name)) for name in config.encoder.__dataclass_fields__}
        head = self._make("update.DispHead", conv=self.block(config.disp_head))
        return self._make(
            "update.BasicSelectiveMultiUpdateBlock",
            encoder=self._make("update.BasicMotionEncoder", **convs),
            gru04=self._gru(config.gru04),
            disp_head=head,
            mask=self.block(config.mask),
        )

    def _gru(self, config: SelectiveGRUConfig) -> Any:
        grus = {
            name: self._make(
                "update.RaftConvGRU", **{gate: conv(getattr(gru, gate)) for gate in ("convz", "convr", "convq")}
            )
            for name, gru in (("small_gru", config.small_gru), ("large_gru", config.large_gru))
        }
        return self._make(
            "update.SelectiveConvGRU",
            conv0=nn.Sequential(conv(config.conv0), nn.ReLU()),
            conv1=nn.Sequential(conv(config.conv1), nn.ReLU()),
            **grus,
        )

    def _feature(self) -> Any:
        config = self.config.feature
        stages = [
            make(
                "timm.models.edgenext.EdgeNeXtStage",
                grad_checkpointing=False,
                downsample=nn.Identity()
                if stage.downsample is None
                else nn.Sequential(_layer_norm_2d(stage.downsample.in_channels), conv(stage.downsample)),
                blocks=nn.Sequential(*(encoder_block(b) for b in stage.blocks)),
            )
            for stage in config.stages
        ]
        outputs = {n: conv(s) for n in ("conv4", "conv8", "conv16", "conv32") if (s := getattr(config, n)) is not None}
        return self._make(
            "extractor.Feature",
            stem=nn.Sequential(conv(config.stem), _layer_norm_2d(config.stem.out_channels)),
            stages=nn.Sequential(*stages),
            deconv32_16=self.block(config.deconv32_16),
            deconv16_8=self.block(config.deconv16_8),
            deconv8_4=self.block(config.deconv8_4),
            **outputs,
        )


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}


def conv(spec: ConvSpec) -> nn.Module:
    """A torch convolution."""
    kinds = {(2, False): nn.Conv2d, (3, False): nn.Conv3d, (2, True): nn.ConvTranspose2d, (3, True): nn.ConvTranspose3d}
    options = {"output_padding": spec.output_padding or 0} if spec.transposed else {}
    return kinds[spec.dims, spec.transposed](  # type: ignore[abstract]
        spec.in_channels,
        spec.out_channels,
        spec.kernel,
        spec.stride,
        spec.padding,
        groups=spec.groups,
        bias=spec.bias,
        dilation=spec.dilation or 1,
        **options,
    )


def _layer_norm_2d(channels: int) -> Any:
    return make(
        "timm.layers.norm.LayerNorm2d",
        normalized_shape=(channels,),
        eps=1e-6,
        weight=nn.Parameter(torch.rand(channels)),
        bias=nn.Parameter(torch.rand(channels)),
    )


def encoder_block(spec: EncoderBlockSpec) -> Any:
    """A block of timm's EdgeNeXt."""
    c = spec.channels
    mlp = make(
        "timm.layers.mlp.Mlp",
        fc1=nn.Linear(c, spec.hidden),
        act=nn.GELU(),
        drop1=nn.Dropout(0.0),
        norm=nn.Identity(),
        fc2=nn.Linear(spec.hidden, c),
    )
    members: dict[str, Any] = {"gamma": nn.Parameter(torch.rand(c)), "norm": nn.LayerNorm(c, eps=1e-6), "mlp": mlp}
    if isinstance(spec, ConvBlockSpec):
        dw = nn.Conv2d(c, c, spec.kernel, padding=spec.kernel // 2, groups=c)
        return make("timm.models.edgenext.ConvBlock", shortcut_after_dw=False, conv_dw=dw, **members)
    return _split_transpose(spec, members)


def _split_transpose(spec: SplitTransposeSpec, members: dict[str, Any]) -> Any:
    c, w = spec.channels, spec.width
    xca = make(
        "timm.models.edgenext.CrossCovarianceAttn",
        num_heads=spec.heads,
        temperature=nn.Parameter(torch.rand(spec.heads, 1, 1)),
        qkv=nn.Linear(c, 3 * c),
        proj=nn.Linear(c, c),
    )
    position = None
    if spec.position_channels is not None:
        position = make(
            "timm.models.edgenext.PositionalEncodingFourier",
            scale=6.283185307179586,
            temperature=10000.0,
            token_projection=nn.Conv2d(2 * spec.position_channels, c, 1),
        )
    return make(
        "timm.models.edgenext.SplitTransposeBlock",
        width=w,
        num_scales=spec.convs,
        convs=nn.ModuleList([nn.Conv2d(w, w, 3, padding=1, groups=w) for _ in range(spec.convs)]),
        pos_embd=position,
        norm_xca=nn.LayerNorm(c, eps=1e-6),
        gamma_xca=nn.Parameter(torch.rand(c)),
        xca=xca,
        drop_path=nn.Identity(),
        **members,
    )
