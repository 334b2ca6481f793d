"""What a training runs on, as its record names it.

Importing this module imports no TensorFlow.
"""

import itertools
import os
import pathlib
import platform
import re
import subprocess
from typing import Any

from common.lazy import tf

_LIMITS = (  # of cgroups' versions 2 and 1
    pathlib.Path("/sys/fs/cgroup/memory.max"),
    pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_NVIDIA = pathlib.Path("/proc/driver/nvidia")


def describe(strategy: Any) -> dict[str, str]:
    """Models of the processor and the strategy's GPU, its driver and CUDA."""
    facts = {"processor": processor()}
    if "GPU" not in strategy.extended.worker_devices[0]:
        return facts
    details = _details()
    build = tf.sysconfig.get_build_info()
    try:
        words = (_NVIDIA / "version").read_text().split()
        driver = next(w for w in words if w[:1].isdigit() and "." in w)
    except (OSError, StopIteration):
        driver = "unknown"
    capability = details.get("compute_capability", ())
    return facts | {
        "gpu": details.get("device_name", "unknown"),
        "compute_capability": ".".join(map(str, capability)),
        "driver": driver,
        "cuda": build.get("cuda_version", "unknown"),
        "cudnn": build.get("cudnn_version", "unknown"),
    }


def processor() -> str:
    """The CPU, as the kernel names it."""
    told = pathlib.Path("/proc/cpuinfo")  # of Linux
    named = told.exists() and re.search(r"model name\s*: (.*)", told.read_text())
    return named[1] if named else platform.machine()


def models() -> str:
    """The CPU and all GPUs, as the kernel and NVIDIA's driver name them."""
    files = sorted(_NVIDIA.glob("gpus/*/information"))
    gpus = [re.findall(r"Model:\s*(.*\S)", f.read_text()) for f in files]
    return ", ".join([processor(), *itertools.chain(*gpus)])


def peak_bytes(strategy: Any) -> int:
    """The most memory that this process has had: of a GPU, or in all."""
    if "GPU" in strategy.extended.worker_devices[0]:
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    # getrusage's begins with that of the process which started this one.
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status)[1])


def memory_bytes(strategy: Any) -> int:
    """What a device of the strategy has in all; 0 if that is not known.

    Of the smallest GPU here; on a CPU what the kernel lets this process have.
    """
    if "GPU" not in strategy.extended.worker_devices[0]:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limits = [file.read_text().strip() for file in _LIMITS if file.is_file()]
        return min([physical, *(int(text) for text in limits if text.isdigit())])
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, check=True, capture_output=True, text=True).stdout
        return 2**20 * min(map(int, said.split()))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0


def has_tensorfloat32() -> bool:
    """Whether the GPU has TF32 units: since Ampere, capability 8.0."""
    return _details().get("compute_capability", (0, 0)) >= (8, 0)


def _details() -> dict[str, Any]:
    gpu = tf.config.get_visible_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu)
