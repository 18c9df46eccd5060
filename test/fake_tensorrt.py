"""A TensorRT without a GPU: real memory addresses, real shapes, plans that say which function they compute.

Only names that the recorded version of TensorRT has exist here (test/export/tensorrt_api.json): our code meets an
AttributeError where it would meet one in that version.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from ffstereo_ros.backends.sgbm import SgbmBackend
from ffstereo_ros.backends.tensorrt_device import Buffer
from ffstereo_ros.backends.tensorrt_library import TensorRT, wrap

API_TABLE = json.loads((Path(__file__).parent / "export" / "tensorrt_api.json").read_text())
VERSIONS = tuple(API_TABLE)
MEAN = np.array((0.485, 0.456, 0.406), np.float32) * 255
STD = np.array((0.229, 0.224, 0.225), np.float32) * 255
MAGIC = b"FAKEPLAN"
GPU_HERE = "8.7"  # compute capability

Tensors = dict[str, np.ndarray]


class HostDevice:
    """The device port on the host: a second place in memory stands for the GPU's, so forgotten copies show."""

    stream = 0

    def __init__(self) -> None:
        self.memory: dict[int, np.ndarray] = {}
        self.recordings = 0
        self.closed = False

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> Buffer:
        memory = np.zeros(shape, dtype)
        address = memory.ctypes.data
        self.memory[address] = memory
        return Buffer(address, np.zeros(shape, dtype))

    def upload(self, buffer: Buffer) -> None:
        self.memory[buffer.address][...] = buffer.host

    def download(self, buffer: Buffer) -> None:
        buffer.host[...] = self.memory[buffer.address]

    def record(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        self.recordings += 1
        enqueue()
        return enqueue

    def synchronize(self) -> None:
        pass

    def tensor(self, buffer: Buffer) -> Any:
        import torch

        return torch.from_numpy(self.memory[buffer.address])

    def close(self) -> None:
        self.closed = True
        self.memory.clear()


def guarded(kind: str, version: str, real: Any) -> Any:
    """`real` seen through the names that this class has in this version."""
    allowed = set(API_TABLE[version]["classes"][kind])

    class Guarded:
        def __getattr__(self, name: str) -> Any:
            if name not in allowed:
                raise AttributeError(f"{kind} of TensorRT {version} has no {name}")
            return getattr(real, name)

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in allowed:
                raise AttributeError(f"{kind} of TensorRT {version} has no {name}")
            setattr(real, name, value)

    return Guarded()


def make_plan(
    compute: str,
    bindings: list[tuple[str, bool, tuple[int, ...], str]],
    version: str = VERSIONS[0],
    gpu: str = GPU_HERE,
) -> bytes:
    """A plan that computes the named function; bindings are (name, is input, shape, type)."""
    body = json.dumps({"compute": compute, "bindings": bindings, "version": version, "gpu": gpu, "end": True})
    return MAGIC + body.encode() + b" " * 256  # cut off, it no longer ends as it should


def fake_library(version: str = VERSIONS[0], name: str = "tensorrt") -> TensorRT:
    """The library of a recorded version."""
    return wrap(name, _Api(version))


class _Api:
    def __init__(self, version: str) -> None:
        self._names = set(API_TABLE[version]["module"])
        self._version = version
        logger = type(
            "ILogger",
            (),
            {
                "__init__": lambda self: None,
                "Severity": SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3, VERBOSE=4),
            },
        )
        self._real = {
            "ILogger": logger,
            "IProgressMonitor": type("IProgressMonitor", (), {"__init__": lambda self: None}),
            "Runtime": lambda log: guarded("Runtime", version, _Runtime(log, version)),
            "Builder": lambda log: guarded("Builder", version, _Builder(log, version)),
            "OnnxParser": lambda network, log: guarded("OnnxParser", version, _Parser(network)),
            "TensorIOMode": guarded("TensorIOMode", version, SimpleNamespace(INPUT="in", OUTPUT="out")),
            "NetworkDefinitionCreationFlag": guarded(
                "NetworkDefinitionCreationFlag", version, SimpleNamespace(STRONGLY_TYPED=1)
            ),
            "BuilderFlag": SimpleNamespace(TF32="TF32"),
            "nptype": np.dtype,
        }

    @property
    def __version__(self) -> str:
        return self._version

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise AttributeError(f"TensorRT {self._version} has no {name}")
        return self._real[name]


class _Runtime:
    def __init__(self, log: Any, version: str) -> None:
        self._log, self._version = log, version

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        text = plan[len(MAGIC) :]
        if not plan.startswith(MAGIC) or not text.endswith(b" " * 256):
            self._log.log(1, "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (magicTag matches failed)")
            return None
        body = json.loads(text)
        if body["version"] != self._version:
            self._log.log(
                1,
                "The engine plan file is not compatible with this version of TensorRT, expecting library version "
                f"{self._version} got {body['version']}, please rebuild.",
            )
            return None
        if body["gpu"] != GPU_HERE:
            self._log.log(
                1,
                "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine plan file is generated on "
                f"an incompatible device, expecting compute {GPU_HERE} got compute {body['gpu']}, please rebuild.)",
            )
            return None
        return guarded("ICudaEngine", self._version, _Engine(body, self._log, self._version))


class _Engine:
    def __init__(self, body: dict[str, Any], log: Any, version: str) -> None:
        self._bindings = {name: (is_input, tuple(shape), dtype) for name, is_input, shape, dtype in body["bindings"]}
        self._compute, self._log, self._version = body["compute"], log, version
        self.num_io_tensors = len(self._bindings)

    def get_tensor_name(self, index: int) -> str:
        return list(self._bindings)[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if self._bindings[name][0] else "out"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._bindings[name][1]

    def get_tensor_dtype(self, name: str) -> str:
        return self._bindings[name][2]

    def create_execution_context(self) -> Any:
        return guarded("IExecutionContext", self._version, _Context(self._bindings, self._compute, self._log))


class _Context:
    def __init__(self, bindings: dict[str, Any], compute: str, log: Any) -> None:
        self._bindings, self._compute, self._log = bindings, compute, log
        self._addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if self._compute == "fails":
            self._log.log(1, "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (out of memory)")
            return False
        COMPUTE[self._compute]({name: self._view(name) for name in self._bindings})
        return True

    def _view(self, name: str) -> np.ndarray:
        _, shape, dtype = self._bindings[name]
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        raw = (ctypes.c_uint8 * size).from_address(self._addresses[name])
        return np.frombuffer(raw, dtype=dtype).reshape(shape)


class _Builder:
    """Builds what the graph's text says: `b"graph:" + plan`, or fails."""

    def __init__(self, log: Any, version: str) -> None:
        self._log, self._version = log, version

    def create_network(self, flags: int) -> Any:
        assert flags == 1 << 1, "networks are strongly typed in every version"
        return guarded(
            "INetworkDefinition",
            self._version,
            SimpleNamespace(
                graph=b"",
                num_layers=7,
                num_inputs=2,
                get_input=lambda index: SimpleNamespace(name="left", shape=(1, 96, 160, 3)),
            ),
        )

    def create_builder_config(self) -> Any:
        self._flags = {"TF32"}  # as of TensorRT's own accord
        config = SimpleNamespace(progress_monitor=None, clear_flag=self._flags.discard)
        return guarded("IBuilderConfig", self._version, config)

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        assert not self._flags, "float32 would be TF32"
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 2)
        for step in range(2):
            if not monitor.step_complete("Building engine", step):
                return None
        monitor.phase_finish("Building engine")
        plan = GRAPHS.pop() if GRAPHS else None
        if plan is None:
            self._log.log(1, "IBuilder::buildSerializedNetwork: Error Code 10: Internal Error (no tactic)")
        return plan


# What the parser has read last: a network's guard lets no attribute of ours through.
GRAPHS: list[bytes] = []


class _Parser:
    num_errors = 1

    def __init__(self, network: Any) -> None:
        GRAPHS.clear()

    def parse(self, graph: bytes) -> bool:
        if not graph.startswith(b"graph:"):
            return False
        if len(graph) > len(b"graph:"):
            GRAPHS.append(graph[len(b"graph:") :])
        return True

    def get_error(self, index: int) -> str:
        return "In node -1 (parse): INVALID_GRAPH: no ONNX model"


def sgbm(left: np.ndarray, right: np.ndarray, max_disparity: int = 64) -> np.ndarray:
    """A real stereo answer without holes: what the fake engines compute."""
    disparity = SgbmBackend(max_disparity=max_disparity).infer(left, right).disparity
    holes = np.isnan(disparity).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(holes, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.zeros(labels.max() + 1, np.float32)
    values[labels[holes == 0]] = disparity[holes == 0]
    return values[labels]


def _pixels(planes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.clip(np.rint(planes[0].transpose(1, 2, 0)), 0, 255).astype(np.uint8))


def _ours(t: Tensors) -> None:
    t["disparity"][0, 0] = sgbm(t["left"][0], t["right"][0])
    t["confidence"][...] = 0.5


def _nan(t: Tensors) -> None:
    _ours(t)
    t["disparity"][0, 0, 40:44, 40:44] = np.nan


def _negative(t: Tensors) -> None:
    _ours(t)
    t["disparity"][0, 0, ::10] *= -1


def _quarter(t: Tensors) -> None:
    _ours(t)
    t["disparity"][...] /= 4


def _inside(t: Tensors) -> None:
    t["disp"][0, 0] = sgbm(_pixels(t["left"].astype(np.float32)), _pixels(t["right"].astype(np.float32)))


def _outside(t: Tensors) -> None:
    mean, std = MEAN[None, :, None, None], STD[None, :, None, None]
    left, right = (_pixels(t[name] * std + mean) for name in ("left_image", "right_image"))
    t["disparity"][0] = sgbm(left, right)


def _features(t: Tensors) -> None:
    """Blocks of 4x4 pixels as 48 features, from 0..255 images; 4 more make 8 groups, as the real ones are made."""
    for side in ("left", "right"):
        image = t[side][0]
        _, H, W = image.shape
        blocks = image.reshape(3, H // 4, 4, W // 4, 4).transpose(0, 2, 4, 1, 3).reshape(48, H // 4, W // 4)
        t[f"features_{side}_04"][0] = (blocks - 128) / 64


def _post(t: Tensors) -> None:
    best = t["gwc_volume"][0].astype(np.float32).sum(0).argmax(0) * 4.0
    t["disp"][0, 0] = np.kron(best, np.ones((4, 4)))


COMPUTE: dict[str, Callable[[Tensors], None]] = {
    "ours": _ours,
    "nan": _nan,
    "negative": _negative,
    "quarter": _quarter,
    "inside": _inside,
    "outside": _outside,
    "features": _features,
    "post": _post,
}

H, W, D = 96, 160, 64


def our_bindings(height: int = H, width: int = W) -> list[tuple[str, bool, tuple[int, ...], str]]:
    image, answer = (1, height, width, 3), (1, 1, height, width)
    return [
        ("left", True, image, "uint8"),
        ("right", True, image, "uint8"),
        ("disparity", False, answer, "float32"),
        ("confidence", False, answer, "float32"),
    ]


def upstream_bindings(dtype: str = "float32") -> list[tuple[str, bool, tuple[int, ...], str]]:
    return [
        ("left", True, (1, 3, H, W), dtype),
        ("right", True, (1, 3, H, W), dtype),
        ("disp", False, (1, 1, H, W), dtype),
    ]


def nvidia_bindings() -> list[tuple[str, bool, tuple[int, ...], str]]:
    return [
        ("left_image", True, (1, 3, H, W), "float32"),
        ("right_image", True, (1, 3, H, W), "float32"),
        ("disparity", False, (1, H, W), "float32"),
    ]


def split_bindings(dtype: str = "float32") -> tuple[list[Any], list[Any]]:
    """The authors' two engines; 48 features instead of 224, and the maps that post reads beside the volume."""
    features = (1, 48, H // 4, W // 4)
    images = [("left", True, (1, 3, H, W), "float32"), ("right", True, (1, 3, H, W), "float32")]
    shared = [("features_left_04", features), ("features_right_04", features), ("stem_2x", (1, 16, H // 2, W // 2))]
    first = images + [(name, False, shape, dtype) for name, shape in shared]
    second = [(name, True, shape, dtype) for name, shape in shared]
    volume = ("gwc_volume", True, (1, 8, D // 4, H // 4, W // 4), dtype)
    return first, [*second, volume, ("disp", False, (1, 1, H, W), "float32")]
