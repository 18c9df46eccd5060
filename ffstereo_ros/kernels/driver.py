"""The NVIDIA driver through its C interface: what a kernel launch needs and nothing else."""

from __future__ import annotations

import ctypes
import functools

from ffstereo_ros.errors import BackendError, MissingDependencyError

# CUfunction_attribute and CUdevice_attribute values of cuda.h.
_FUNCTION_LOCAL_BYTES = 3
_FUNCTION_REGISTERS = 4
_FUNCTION_MAX_DYNAMIC_SHARED = 8
_DEVICE_SHARED_PER_MULTIPROCESSOR = 81
_DEVICE_SHARED_PER_BLOCK = 97  # with opting in
_DEVICE_MAJOR = 75
_DEVICE_MINOR = 76


class Driver:
    """One method a driver call; each raises `BackendError` with the driver's own words if it fails."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    @property
    def version(self) -> tuple[int, int]:
        """The newest CUDA version the driver runs: major, minor."""
        value = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(value))
        return value.value // 1000, value.value % 1000 // 10

    def capability(self, device: int) -> tuple[int, int]:
        """Compute capability of device number ``device``."""
        return self._device_attribute(_DEVICE_MAJOR, device), self._device_attribute(_DEVICE_MINOR, device)

    def shared_bytes(self, device: int) -> tuple[int, int]:
        """Shared memory that one block may use, and that of one multiprocessor."""
        block = self._device_attribute(_DEVICE_SHARED_PER_BLOCK, device)
        return block, self._device_attribute(_DEVICE_SHARED_PER_MULTIPROCESSOR, device)

    def load_function(self, code: bytes, entry: str, shared_bytes: int) -> ctypes.c_void_p:
        """A kernel in the current context, allowed ``shared_bytes`` of dynamic shared memory."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), code)
        self._call("cuModuleGetFunction", ctypes.byref(function), module, entry.encode())
        self._call("cuFuncSetAttribute", function, _FUNCTION_MAX_DYNAMIC_SHARED, shared_bytes)
        return function

    def resources(self, function: ctypes.c_void_p) -> tuple[int, int]:
        """Registers of one thread, and bytes of its local memory (0: nothing spilled)."""
        values = []
        for attribute in (_FUNCTION_REGISTERS, _FUNCTION_LOCAL_BYTES):
            value = ctypes.c_int()
            self._call("cuFuncGetAttribute", ctypes.byref(value), attribute, function)
            values.append(value.value)
        return values[0], values[1]

    def launch(
        self,
        function: ctypes.c_void_p,
        grid: tuple[int, int, int],
        threads: int,
        shared_bytes: int,
        stream: int,
        arguments: bytes,
    ) -> None:
        """Enqueue a kernel that takes one struct by value. Neither waits nor allocates, so it can be captured."""
        struct = ctypes.create_string_buffer(arguments, len(arguments))
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(struct))
        shape = (*grid, threads, 1, 1, shared_bytes)
        self._call("cuLaunchKernel", function, *shape, ctypes.c_void_p(stream), pointers, None)

    def _device_attribute(self, attribute: int, device: int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
        return value.value

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(text))
            reason = text.value.decode() if text.value else f"error {status}"
            raise BackendError(f"the NVIDIA driver refused {function}: {reason}")


@functools.cache
def load_driver() -> Driver:
    """The driver of this machine.

    Raises:
        MissingDependencyError: there is none.
        BackendError: it finds no usable GPU.
    """
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise MissingDependencyError(
            "no NVIDIA driver (libcuda.so.1) on this machine: install it to use a GPU, or use device cpu"
        ) from error
    driver = Driver(library)
    driver._call("cuInit", 0)
    return driver
