"""Which hosts train together, as the environment of this process says.

$TF_CONFIG, or a Slurm step of several tasks; read by TensorFlow's resolvers. Kubernetes' manifest
writes $TF_CONFIG (launch/README.md): TensorFlow's resolver for it needs the cluster's API, and
cannot tell a pod which worker it is.
"""

import dataclasses
import os

from common.errors import UsageError
from common.lazy import tf

PORTS = range(10_000, 30_000)  # of Slurm's jobs, by number; see `_slurm`


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of one training.

    Attributes:
        workers: host:port of each; the first is the chief, which writes.
        index: Which of them this process is.
        source: Where that was read, for people.
    """

    workers: tuple[str, ...]
    index: int
    source: str


def from_environment() -> Cluster | None:
    """The cluster that this process belongs to; None where it is alone.

    Raises:
        UsageError: if what the environment says cannot be.
    """
    if os.environ.get("TF_CONFIG"):
        found = _tf_config()
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        found = _slurm()
    else:
        return None
    return found if len(found.workers) > 1 else None


def _tf_config() -> Cluster:
    text = os.environ["TF_CONFIG"]
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs = resolver.cluster_spec().as_dict()
        kind, place = resolver.task_type, resolver.task_id
        chiefs, workers = jobs.pop("chief", []), jobs.pop("worker", [])
        index = place + (len(chiefs) if kind == "worker" else 0)
        own = {"chief": chiefs, "worker": workers}[kind][place]
        known = not jobs and (*chiefs, *workers)[index] == own
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        known = False
    if not known:
        raise UsageError(
            f"$TF_CONFIG is {text!r}, which is no cluster of workers with this one among them. Its "
            'form: {"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": '
            '"worker", "index": 0}}.'
        )
    return Cluster((*chiefs, *workers), index, "TF_CONFIG")


def _slurm() -> Cluster:
    """One worker for each task of the step.

    The resolver's addresses are in the order of the hosts' names, Slurm's ranks in that of the
    allocation (n9 before n10), so this process finds its own address by its host and its number
    there. The port follows from the job's number: two jobs may share a host.
    """
    tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
    port = PORTS[int(os.environ.get("SLURM_JOB_ID", 0)) * 64 % len(PORTS)]
    try:
        # Its count of GPUs only has to suffice: devices are chosen later.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        workers = resolver.cluster_spec().as_dict()["worker"]
        local = int(os.environ["SLURM_LOCALID"])
        own = f"{os.environ['SLURMD_NODENAME']}:{port + local}"
        return Cluster(tuple(workers), workers.index(own), "Slurm")
    except (RuntimeError, KeyError, ValueError) as error:
        raise UsageError(
            f"Slurm says that {tasks} tasks run together, but not where: {error}. Start them with "
            "srun, or set TF_CONFIG."
        ) from error
