"""What a training runs on, as its record names it."""

import pathlib
import platform
import resource

import tensorflow as tf

from common.strategy import on_gpus


def describe(strategy: tf.distribute.Strategy) -> dict[str, str]:
    """Model of the processor or GPU, and the GPU's driver and libraries."""
    if not on_gpus(strategy):
        return {"processor": processor()}
    details = tf.config.experimental.get_device_details(_gpu())
    build = tf.sysconfig.get_build_info()
    return {
        "processor": processor(),
        "gpu": details.get("device_name", "unknown"),
        "compute_capability": ".".join(
            map(str, details.get("compute_capability", ()))
        ),
        "driver": _driver(),
        "cuda": build.get("cuda_version", "unknown"),
        "cudnn": build.get("cudnn_version", "unknown"),
    }


def processor() -> str:
    """The CPU, as the kernel names it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(": ")[2] for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def peak_bytes(strategy: tf.distribute.Strategy) -> int:
    """The most memory that this process has had: of a GPU, or in all."""
    if on_gpus(strategy):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def has_tensorfloat32() -> bool:
    """Whether the GPU has TF32 units: since Ampere, capability 8.0."""
    details = tf.config.experimental.get_device_details(_gpu())
    return details.get("compute_capability", (0, 0)) >= (8, 0)


def _gpu() -> tf.config.PhysicalDevice:
    return tf.config.get_visible_devices("GPU")[0]


def _driver() -> str:
    try:
        text = pathlib.Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return "unknown"
    words = text.split()
    return next((w for w in words if w[:1].isdigit() and "." in w), "unknown")
