"""From `--gpus`, `--platform` and the cluster to one tf.distribute strategy.

Called once in a process, before TensorFlow has touched its devices: a second
strategy would crash the first.
"""

import tensorflow as tf

from common.distribution.cluster import Cluster
from common.errors import RunError, UsageError

SUM = tf.distribute.ReduceOp.SUM
MOST_LOGICAL = 64  # each has threads of its own


def make_strategy(
    gpus: int | None, platform: str, cluster: Cluster | None = None
) -> tf.distribute.Strategy:
    """The strategy for `gpus` devices that share each batch.

    Args:
        gpus: None takes every GPU there is, or the CPU where there is none; 0 is the CPU.
        platform: "gpu", "cpu" (N logical CPU devices stand for N GPUs), or "auto": GPUs.
        cluster: The hosts that share each batch, each with `gpus` devices. This waits for all.

    Raises:
        UsageError: if more GPUs are asked for than there are.
        RunError: if this process cannot listen at its address.
    """
    present = [] if platform == "cpu" else tf.config.list_physical_devices("GPU")
    wanted = len(present) if gpus is None or platform == "cpu" else gpus
    if platform == "gpu" and gpus == 0:
        raise UsageError(
            "--platform gpu --gpus 0 asks for GPUs and for none: leave one of them out."
        )
    asked = max(wanted, 1) if platform == "gpu" else wanted
    if asked > len(present):
        flags = ["--gpus"] * (gpus is not None) + ["--platform gpu"] * (platform == "gpu")
        raise UsageError(
            f"GPUs asked for: {asked}; TensorFlow sees {len(present)} on this machine. "
            + (f"Ask for at most {len(present)}" if present else f"Leave out {' and '.join(flags)}")
            + ", or say --platform cpu to run the same program on logical CPU devices. If there "
            "should be more, check nvidia-smi and that tensorflow[and-cuda] is installed."
        )
    if platform == "cpu" and cluster is not None and gpus is not None and gpus > 1:
        raise UsageError(  # several logical devices are more than TensorFlow can do
            f"--platform cpu --gpus {gpus} on several hosts: there each host is one device. Leave "
            "--gpus out, or start more workers."
        )
    for gpu in present:
        tf.config.experimental.set_memory_growth(gpu, True)
    if wanted:
        feed_gpus()
    else:
        tf.config.set_visible_devices([], "GPU")
    if cluster is not None:
        tf.config.set_visible_devices(present[:wanted], "GPU")
        return _several_hosts(cluster, wanted)
    if platform == "cpu":
        return _logical_cpus(gpus or 1)
    if wanted > 1:
        return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(wanted)])
    return tf.distribute.OneDeviceStrategy("GPU:0" if wanted else "CPU:0")


def on_gpus(strategy: tf.distribute.Strategy) -> bool:
    """Whether its devices are GPUs."""
    ours = (
        tf.distribute.OneDeviceStrategy,
        tf.distribute.MirroredStrategy,
        tf.distribute.MultiWorkerMirroredStrategy,
    )
    if not isinstance(strategy, ours):
        return False  # TensorFlow's default, which has no device of its own
    device = strategy.extended.worker_devices[0]
    return tf.DeviceSpec.from_string(device).device_type == "GPU"


def distribute(strategy: tf.distribute.Strategy, batches: tf.data.Dataset):
    """An iterator over `batches`, each split among the replicas in order.

    Batches are on the device before they are asked for. Of several workers each gives its own part:
    see common.data.sharding.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return iter(strategy.distribute_datasets_from_function(lambda _: batches))
    if strategy.num_replicas_in_sync == 1 and not on_gpus(strategy):
        return iter(batches)
    return iter(strategy.experimental_distribute_dataset(batches))


def feed_gpus() -> None:
    """The CPU's operations are those of the input: one thread for each.

    Its images are made side by side already. Sharing out the operations of each, too, takes a fifth
    of the input's CPU time (launch/bench/README.md).
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)


def _several_hosts(cluster: Cluster, gpus: int) -> tf.distribute.Strategy:
    own = cluster.workers[cluster.index]
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": gpus},
        rpc_layer="grpc",
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except tf.errors.UnknownError as error:
        raise RunError(
            f"Worker {cluster.index} cannot listen at {own}: {str(error).splitlines()[0]}. Another "
            f"program may have that port; {cluster.source} names it."
        ) from error


def _logical_cpus(count: int) -> tf.distribute.Strategy:
    if count > MOST_LOGICAL:
        raise UsageError(
            f"--platform cpu --gpus {count}: logical CPU devices are for trying what {count} GPUs "
            f"would do, and at most {MOST_LOGICAL} are made."
        )
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * count
    )
    if count == 1:
        return tf.distribute.OneDeviceStrategy("CPU:0")
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])
