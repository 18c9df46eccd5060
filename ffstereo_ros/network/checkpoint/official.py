"""A pickled checkpoint of the authors (or in their format) to checked weights, nothing of it being run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.archive import CheckpointArchive
from ffstereo_ros.network.checkpoint.derive import check_root, derive_config, read_normalize
from ffstereo_ros.network.checkpoint.known import KnownCheckpoint, find_known, sha256_of
from ffstereo_ros.network.checkpoint.matching import check_finite, check_names, expected_shapes
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
from ffstereo_ros.network.checkpoint.records import Record, TensorRecord, state_dict
from ffstereo_ros.network.checkpoint.store import LoadedWeights
from ffstereo_ros.network.config import NetworkConfig

UNKNOWN_LICENCE = "unknown: the terms of whoever published the checkpoint"


def load_official(path: str | Path, normalize: bool | None = None, source: str = "") -> LoadedWeights:
    """Read a whole pickled network. `normalize`: features normalised before the correlation; None lets the file decide.

    Raises WeightsError, beginning with the file's name, for anything unsafe, damaged or of another architecture, and
    when neither the file nor its hash settles `normalize`.
    """
    path = Path(path)
    try:
        return _load(path, normalize, source or path.name)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (MemoryError, RecursionError) as error:
        raise WeightsError(
            f"{path}: the file is damaged or larger than any network ({type(error).__name__}); download it again"
        ) from error


def _load(path: Path, normalize: bool | None, source: str) -> LoadedWeights:
    with CheckpointArchive(path) as archive:
        root = check_root(archive.load())
        sha256 = sha256_of(path)
        known = find_known(sha256)
        config = derive_config(root, settle_normalize(root, known, normalize, sha256))
        records = state_dict(root)
        recomputed = _match(config, records)
        tensors = {name: archive.tensor(record, name) for name, record in records.items() if name not in recomputed}
    tensors.update(recomputed)
    check_finite(tensors)
    name = known.name if known else path.stem
    licence = known.licence if known else UNKNOWN_LICENCE
    return LoadedWeights(config, tensors, WeightsMetadata(name, licence, source, sha256))


def settle_normalize(root: Record, known: KnownCheckpoint | None, asked: bool | None, sha256: str) -> bool:
    """What the user says, else what the file says, else what is known of its hash.

    Raises WeightsError saying how to find out when none of them knows: no other trace of it is in a file.
    """
    stated = read_normalize(root)
    if asked is not None:
        return asked
    if stated is not None:
        return stated
    if known is not None:
        return known.normalize
    raise WeightsError(
        f"does not say whether features are normalised before the correlation, and its sha256 {sha256[:12]}... is no "
        "known release; pass --normalize-correlation true (as 23-36-37 and the hub release) or false (as 20-26-39 and "
        "20-30-48), and take the other one if 2 % or more of the disparities come out negative"
    )


def _match(config: NetworkConfig, records: Mapping[str, TensorRecord]) -> dict[str, Tensor]:
    """Check that the file's tensors are those of the configuration, before any number is read.

    Returns the few tensors that follow from the configuration and need not be in a file.
    """
    expected = expected_shapes(config)
    radius = config.lookup.radius
    recomputed = {"dx": torch.arange(-radius, radius + 1, dtype=torch.int8).view(1, 1, -1, 1)}
    for name, shape in expected.items():
        if name.endswith(".num_batches_tracked") and name not in records:
            recomputed[name] = torch.zeros(shape, dtype=torch.int64)
    found = {name: record.shape for name, record in records.items()}
    check_names(expected, found | {name: tuple(tensor.shape) for name, tensor in recomputed.items()})
    return recomputed
