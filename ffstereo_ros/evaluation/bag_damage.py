"""Why a recording cannot be opened, and what mends it."""

from __future__ import annotations

from pathlib import Path

from ffstereo_ros.errors import InputFileError

# The files of a ROS 2 recording by their suffix, and what `ros2 bag` calls that storage.
_STORAGES = {".mcap": "mcap", ".db3": "sqlite3"}
# The first and the last bytes of an mcap file.
_MCAP_MAGIC = b"\x89MCAP0\r\n"


def recorded_files(folder: Path) -> list[Path]:
    """Files of a recording in a folder, whether a ``metadata.yaml`` names them or not."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in _STORAGES)
    except OSError:  # no folder, or a locked one, of which others say so
        return []


def refusal(path: Path, error: BaseException) -> InputFileError:
    """What is wrong with a recording that the reader refused with ``error``, in one line.

    Args:
        path: as the user gave it: a folder or a file.
    """
    return InputFileError(f"{path}: cannot be read as a bag: {_why(path, error)}")


def _why(path: Path, error: BaseException) -> str:
    if not path.exists():
        return "no such file or folder"
    files = recorded_files(path)
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        return _without_metadata(path, files)
    if path.is_dir() and not files:
        return f"{first_line(error)}; copy the whole folder"
    damages = (_damage(file) for file in files or [path] if file.is_file())
    return next(filter(None, damages), None) or f"{first_line(error)}; {_remedy((files or [path])[0])}"


def _without_metadata(folder: Path, files: list[Path]) -> str:
    """A recorder writes ``metadata.yaml`` when it is stopped properly."""
    if not files:
        return "no metadata.yaml in it and no .mcap or .db3; give the folder of a recording, or the file itself"
    damage = next(filter(None, map(_damage, files)), "")
    if damage:
        return f"no metadata.yaml in it, and {damage}"
    storage = _STORAGES[files[0].suffix]
    remedy = f"name {files[0]} itself, or let `ros2 bag reindex -s {storage} {folder}` write it"
    return f"no metadata.yaml in it: was the recorder killed? {remedy}"


def _damage(file: Path) -> str:
    """What can be seen without a reader; empty = nothing."""
    size = file.stat().st_size
    if size == 0:
        return f"{file.name} is empty (0 bytes): nothing was recorded, or the copy failed"
    if file.suffix == ".mcap":
        with file.open("rb") as opened:
            opened.seek(max(size - len(_MCAP_MAGIC), 0))
            whole = opened.read() == _MCAP_MAGIC
        cut = f"{file.name} has no end: was the recorder killed, or the copy cut short?"
        return "" if whole else f"{cut} {_remedy(file)}"
    return ""


def _remedy(file: Path) -> str:
    """How to save what is whole in a damaged file."""
    commands = {
        ".mcap": f"`mcap recover {file} -o saved.mcap`",
        # Not `.recover`, which the sqlite3 of Debian and Ubuntu was built without.
        ".db3": f"`sqlite3 {file} .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 saved.db3`",
        ".bag": f"`rosbag reindex {file}`",
    }
    if file.suffix not in commands:
        return "give the folder of a recording, an .mcap, a .db3 or a .bag file"
    given = "it again" if file.suffix == ".bag" else f"saved{file.suffix}"
    return f"{commands[file.suffix]} saves what is whole; then name {given}"


def first_line(error: BaseException) -> str:
    """An error's message, for a line that ends with something else."""
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
