"""All parameters of the node as one checked value, in the parts that its pieces need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from ffstereo_ros.core.filters.chain import FilterSettings
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.factory import MatcherSettings
from ffstereo_ros.parameter import Value
from ffstereo_ros.ros import outputs

# Which parameter switches which topics.
_SWITCHES: dict[str, tuple[str, ...]] = {
    "publish_disparity": (outputs.DISPARITY,),
    "publish_depth": (outputs.DEPTH, outputs.DEPTH_INFO),
    "publish_cloud": (outputs.CLOUD,),
    "publish_confidence": (outputs.CONFIDENCE,),
    "publish_color": (outputs.COLOUR,),
}

# The parameter that switches a topic.
SWITCH_OF = {topic: name for name, topics in _SWITCHES.items() for topic in topics}

S = TypeVar("S")


@dataclass(frozen=True)
class OutputSettings:
    """How answers are turned into messages; see the parameters of the same names.

    Attributes:
        switched_off: topics that are not published, whoever listens.
    """

    min_depth: float = 0.0
    max_depth: float = 1000.0
    depth_encoding: str = "32FC1"
    cloud_stride: int = 1
    cloud_rate: float = 0.0
    switched_off: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.min_depth >= self.max_depth:
            raise ParameterError(
                f"min_depth = {self.min_depth:g} m and max_depth = {self.max_depth:g} m: "
                "the nearest must be below the farthest; set both in one call"
            )


@dataclass(frozen=True)
class Limits:
    """Beyond these the diagnostics warn; see the parameters of the same names. 0 = never."""

    min_output_rate: float = 0.0
    max_latency: float = 0.0
    max_drop_share: float = 0.0
    error_after: float = 10.0


@dataclass(frozen=True)
class SyncSettings:
    """How the input topics come and meet.

    Attributes:
        tolerance: largest stamp difference, s; 0 = exact.
        queue_size: messages kept per topic.
        compressed: images come by image_transport's ``compressed``.
    """

    tolerance: float
    queue_size: int
    compressed: bool


@dataclass(frozen=True)
class FrameSettings:
    """What the inference thread goes by, beside its matcher."""

    outputs: OutputSettings = field(default_factory=OutputSettings)
    filters: FilterSettings = field(default_factory=FilterSettings)
    warm_start: bool = False


@dataclass(frozen=True)
class NodeSettings:
    """Every parameter, checked by itself and against the others."""

    matcher: MatcherSettings
    sync: SyncSettings
    frame: FrameSettings
    limits: Limits
    max_rate: float
    diagnostics_window: float

    @classmethod
    def from_parameters(cls, values: dict[str, Value]) -> NodeSettings:
        """Sorts the values of all parameters.

        Raises:
            ParameterError: two values contradict each other.
        """
        off = (topic for name, topics in _SWITCHES.items() if not values[name] for topic in topics)
        exact = values["sync"] == "exact"
        return cls(
            matcher=MatcherSettings.from_parameters(values),
            sync=SyncSettings(
                tolerance=0.0 if exact else float(values["sync_tolerance"]),
                queue_size=int(values["sync_queue_size"]),
                compressed=values["input_transport"] == "compressed",
            ),
            frame=FrameSettings(
                _pick(OutputSettings, values, switched_off=frozenset(off)),
                FilterSettings.from_parameters(values),
                warm_start=bool(values["warm_start"]),
            ),
            limits=_pick(Limits, values),
            max_rate=float(values["max_rate"]),
            diagnostics_window=float(values["diagnostics_window"]),
        )


def _pick(kind: type[S], values: dict[str, Value], **others: object) -> S:
    """An instance with the parameters that have the names of its fields."""
    names = set(kind.__dataclass_fields__) & set(values)  # type: ignore[attr-defined]
    return kind(**{name: values[name] for name in names}, **others)
