"""What launches are planned for: shared memory of GPU families (CUDA C++ programming guide, compute capabilities)."""

from __future__ import annotations

from ffstereo_ros.kernels.launch import SharedMemory

SMALL = SharedMemory(block=65536, multiprocessor=65536)  # 7.5
LARGE = SharedMemory(block=166912, multiprocessor=167936)  # 8.0, 8.7
GEFORCE = SharedMemory(block=101376, multiprocessor=102400)  # 8.6, 8.9, 12.0
HOPPER = SharedMemory(block=232448, multiprocessor=233472)  # 9.0, 10.0

BY_TARGET = {
    "sm_75": SMALL,
    "sm_80": LARGE,
    "sm_86": GEFORCE,
    "sm_87": LARGE,
    "sm_89": GEFORCE,
    "sm_90": HOPPER,
    "sm_100": HOPPER,
    "sm_120": GEFORCE,
}
