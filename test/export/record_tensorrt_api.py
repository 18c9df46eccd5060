"""Writes down the names a TensorRT version has, from its bindings wheel alone: `python record_tensorrt_api.py 10.3.0`.

The bindings (1.3 MB) load against empty libraries that define the ten functions they import: no GPU, no TensorRT.
The result goes into tensorrt_api.json beside this file, for the classes that our code touches.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

CLASSES = (
    "Builder",
    "IBuilderConfig",
    "ICudaEngine",
    "IExecutionContext",
    "INetworkDefinition",
    "OnnxParser",
    "Runtime",
    "ILogger",
    "IProgressMonitor",
    "NetworkDefinitionCreationFlag",
    "TensorIOMode",
    "ITensor",
)
TABLE = Path(__file__).parent / "tensorrt_api.json"

# Of the plugins written in Python; those that compile ahead of time are missing before 10.9.
PLUGIN_CLASSES = ("TensorDesc", "SymIntExprs", "ShapeExprs", "SymInt32")

_LIST_NAMES = """
import json, sys
import tensorrt_bindings as api

def names(of):
    return sorted(each for each in dir(of) if not each.startswith("_"))

def plugin_names(classes):
    sys.modules["tensorrt"] = api
    try:
        import tensorrt_bindings.plugin as plugin
    except ImportError:
        return {}
    found = {name: names(getattr(plugin, name)) for name in classes}
    return {"plugin": names(plugin), **found, "KernelLaunchParams": names(plugin.KernelLaunchParams())}

classes, plugin_classes = json.loads(sys.argv[1])
listed = {"module": names(api), "classes": {name: names(getattr(api, name)) for name in classes}}
print(json.dumps(listed | {"plugins": plugin_names(plugin_classes)}))
"""


def record(version: str) -> dict[str, object]:
    """The names of one version."""
    major = version.split(".")[0]
    wheel = f"tensorrt-cu{'12' if major == '10' else '13'}-bindings=={version}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", name, wheel]
        subprocess.run(install, check=True)
        _stub_libraries(folder, major)
        run = [sys.executable, "-c", _LIST_NAMES, json.dumps((CLASSES, PLUGIN_CLASSES))]
        environment = {"LD_LIBRARY_PATH": name, "PYTHONPATH": name}
        listed = subprocess.run(run, check=True, capture_output=True, text=True, env=environment)
    names: dict[str, object] = json.loads(
        listed.stdout.splitlines()[-1]
    )  # a warning of TensorRT's own stands before it
    return names


def _stub_libraries(folder: Path, major: str) -> None:
    bindings = folder / "tensorrt_bindings" / "tensorrt.so"
    listed = subprocess.run(["nm", "-D", "--undefined-only", bindings], check=True, capture_output=True, text=True)
    wanted = [line.split()[-1] for line in listed.stdout.splitlines()]
    taken = [n for n in wanted if n.startswith(("create", "getNv", "getPlugin", "getBuilder", "initLib"))]
    source = folder / "stub.c"
    source.write_text("".join(f"void* {name}(void) {{ return 0; }}\n" for name in taken))
    for library in ("nvinfer", "nvonnxparser", "nvinfer_plugin"):
        file = f"lib{library}.so.{major}"
        build = ["cc", "-shared", "-fPIC", "-o", folder / file, f"-Wl,-soname,{file}"]
        subprocess.run([*build, *([source] if library == "nvinfer" else [])], check=True)


def formatted(table: dict[str, dict[str, dict[str, list[str]]]]) -> str:
    """JSON with one line for each class: a new name shows as one changed line."""
    versions = []
    for version, names in table.items():
        groups = [
            f'  "{group}": {{\n'
            + ",\n".join(f'   "{name}": {json.dumps(found)}' for name, found in sorted(names[group].items()))
            + "\n  }"
            for group in ("classes", "plugins")
        ]
        versions.append(",\n".join((f' "{version}": {{\n  "module": {json.dumps(names["module"])}', *groups)) + "\n }")
    return "{\n" + ",\n".join(versions) + "\n}\n"


if __name__ == "__main__":
    table = json.loads(TABLE.read_text()) if TABLE.is_file() else {}
    table |= {version: record(version) for version in sys.argv[1:]}
    TABLE.write_text(formatted(table))
