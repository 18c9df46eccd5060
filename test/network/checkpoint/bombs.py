"""Small files made to exhaust memory or time, written by hand, opcode by opcode."""

from __future__ import annotations

import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

_ROOT = b"ccore.foundation_stereo\nFastFoundationStereo\n"
_CONTAINER = b"ctorch.nn.modules.container\nSequential\n"
_MEBIBYTES = 1200  # what reading may take beyond the imports; the largest network needs 200
_SECONDS = 20

# The limits are set once everything is imported: torch alone maps gigabytes it never touches.
_LIMITS = f"""
import resource, sys
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + ({_MEBIBYTES} << 20),) * 2)
spent = resource.getrusage(resource.RUSAGE_SELF)
seconds = int(spent.ru_utime + spent.ru_stime) + {_SECONDS}
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
"""
_CONVERT = f"""
import ffstereo_ros.network.checkpoint.official, ffstereo_ros.network.checkpoint.store
from ffstereo_ros.cli.main import main
{_LIMITS}
sys.exit(main(["convert", *sys.argv[1:], "--force"]))
"""
_READ = f"""
from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.pickle_reader import read_pickle
{_LIMITS}
data = open(sys.argv[1], "rb").read()
try:
    read_pickle(data)
except WeightsError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


def text(value: str) -> bytes:
    """The opcode that pushes a string."""
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def number(value: int) -> bytes:
    """The opcode that pushes a number of any length."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + len(data).to_bytes(4, "little") + data


def network(**attributes: bytes) -> bytes:
    """A pickle of a network with these attributes, each given as the opcodes that push it."""
    items = b"".join(text(name) + value for name, value in attributes.items())
    return b"\x80\x02" + _ROOT + b")\x81}(" + items + b"ub."


def args(name: str, value: bytes) -> bytes:
    """`args` of a network: a namespace of one value."""
    return b"cargparse\nNamespace\n)\x81}" + text(name) + value + b"sb"


def doubled(times: int) -> bytes:
    """A tuple that holds one thing twice, which holds one thing twice, ..."""
    return text("laugh") + b"\x85" + b"2\x86" * times


def tensor() -> bytes:
    """A tensor of four numbers."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x04\x85K\x01\x85\x89}tR"


def holding_itself() -> bytes:
    """A Sequential that is its own first member; memo entry 9."""
    return _CONTAINER + b")\x81q\x09}" + text("_modules") + b"}" + text("0") + b"h\x09ssb"


def holding_twice(depth: int) -> bytes:
    """A Sequential that holds the next one twice, and so on."""
    first = _CONTAINER + b")\x81q\x09"
    step = _CONTAINER + b")\x81}" + text("_modules") + b"}(" + text("0") + b"h\x09" + text("1") + b"h\x09usbq\x090"
    return first + b"0" + step * depth + b"h\x09"


def save(path: Path, pickled: bytes, **entries: bytes) -> Path:
    """The file, compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", pickled)
        for name, data in entries.items():
            file.writestr(f"a/{name}", data)
    return path


def save_understated(path: Path, mebibytes: int) -> Path:
    """A file whose entry says 2 bytes and unpacks to so many MiB of zeros after them."""
    honest = b"}."
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(honest) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes))
    with zipfile.ZipFile(path, "w") as file:
        info = zipfile.ZipInfo("a/data.pkl")
        file.writestr(info, packed + packer.flush())
        info.compress_type, info.file_size, info.CRC = zipfile.ZIP_DEFLATED, len(honest), zlib.crc32(honest)
    data = bytearray(path.read_bytes())
    data[8:10] = zipfile.ZIP_DEFLATED.to_bytes(2, "little")  # the local header, as the directory has it
    path.write_bytes(data)
    return path


def save_overstated(source: Path, path: Path, name: str) -> Path:
    """A copy of a file where one entry holds half of what the directory says it does."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            cut = entry.filename.endswith(f"/{name}")
            info = zipfile.ZipInfo(entry.filename)
            new.writestr(info, data[: len(data) // 2] if cut else data)
            info.file_size = len(data)
    return path


def convert(path: Path) -> tuple[int, str]:
    """What `ffstereo convert` ends with and says of a file, in a process of little memory and time."""
    return _run(_CONVERT, path, path.with_suffix(".safetensors"))


def read(path: Path, pickled: bytes) -> tuple[int, str]:
    """The same of reading a bare pickle, which is written to `path`: most of `convert` is the import of torch."""
    path.write_bytes(pickled)
    return _run(_READ, path)


def _run(code: str, *arguments: Path) -> tuple[int, str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    return done.returncode, done.stderr
