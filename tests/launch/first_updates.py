"""The first updates of a training, as JSON; run as a program by test_gpu.

    python -m tests.launch.first_updates NAME PLATFORM GPUS FOLDER [flag=value]

Several GPUs are logical devices of the first one.
"""

import hashlib
import json
import sys

import numpy as np
import tensorflow as tf

import reproductions
from common.data import examples
from common.distribution.strategy import distribute
from common.training import loop
from launch.commands import TRAIN, train
from launch.session import setup, training
from launch.settings.options import read_training
from tests.launch.flags import read

UPDATES = 20


def digest(*arrays) -> str:
    """Of the bits of all of them, in their order."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


class Recorded(loop.Loop):
    """Ends the program after the first updates, and says what they were."""

    losses = ()

    def _make_updates(self, batches, steps):
        if not self.losses:
            weights = [v.numpy() for v in self.job.model.variables]
            self.facts = {"weights": digest(*weights)}
            self.facts["batch"] = digest(*self.first_batch())
        super()._make_updates(batches, steps)
        step, total = self.state.step, self.state.losses
        self.losses = (*self.losses, total - sum(self.losses))
        if step == UPDATES:
            print(json.dumps(self.facts | {"losses": self.losses}))
            sys.exit()

    def first_batch(self):
        """(images, labels) as the network sees them, not compiled."""
        job, resident = self.job, self.job.resident
        if resident is not None:
            rows = tf.nest.map_structure(lambda x: x[0], self._rows().values)
            return resident.examples(rows, *resident.tables)
        images, labels = next(distribute(job.strategy, self.batches(0)))
        if self._operations():
            finish = examples.finish_on_device(job.recipe, job.statistics, 0)
            images = finish(images)
        return images, labels


def split_gpu(count: int) -> tf.distribute.Strategy:
    """`count` logical devices of one GPU; NCCL wants cards of their own."""
    gpu = tf.config.list_physical_devices("GPU")[0]
    part = tf.config.LogicalDeviceConfiguration(memory_limit=16_384)
    tf.config.set_logical_device_configuration(gpu, [part] * count)
    return tf.distribute.MirroredStrategy(
        [f"GPU:{i}" for i in range(count)], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def main(name, platform, gpus, folder, *settings):
    """Trains as the command line would, one update a call."""
    paper, variant = reproductions.find(name)
    given = dict(setting.split("=", 1) for setting in settings)
    values = {"platform": platform, "gpus": int(gpus), "workdir": folder}
    values |= {key: value for key, value in given.items() if key in train.FLAGS}
    changes = [f"{key}={value}" for key, value in given.items() if key not in train.FLAGS]
    asked = read_training(paper, variant, read(TRAIN, **values), changes)
    if int(gpus) > 1:  # whose batches are in parts
        Recorded.first_batch = lambda self: ()
        if platform == "gpu":
            setup.make_strategy = lambda *_: split_gpu(int(gpus))
    loop.MAX_UPDATES = 1
    training.Loop = Recorded
    training.run(asked)


if __name__ == "__main__":
    main(*sys.argv[1:])
