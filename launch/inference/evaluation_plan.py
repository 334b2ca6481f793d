"""What each of a paper's test protocols costs."""

import collections
import sys
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common.data.dataset import DataSet
from common.evaluation.views import FrameView
from common.models.fully_convolutional import fully_convolutional
from common.models.layer_table import layer_table, totals
from launch.session.plan import count_parameters
from launch.terminal import tables
from launch.terminal.display import duration

IMAGE = (375, 500)  # height, width; ImageNet's commonest
TIMED_SECONDS = 3
TIMED_MACS = 20e9  # in a batch that the speed is measured with, about
MOST_TIMED = 8  # inputs in it


def print_plan(model: keras.Model, shown: dict[str, Any], dataset: DataSet, strategy) -> int:
    """Prints a row for each view; exit code 0. Needs no weights and no data.

    Args:
        shown: The views, by name.
        dataset: Its test split is what the time is for.
    """
    size = tuple(model.input_shape[1:3])
    macs = {size: totals(layer_table(model)).macs}  # of one input of the main path, by its size
    print(f"timing {model.name}, seconds, or half a minute for the deepest ...", file=sys.stderr)
    speed = inputs_per_second(model, macs[size], strategy)
    images, rows = dataset.splits[dataset.test_split], []
    for name, view in shown.items():
        counts = input_sizes(view, size)
        for each in counts.keys() - macs:
            macs[each] = totals(layer_table(fully_convolutional(model, each))).macs
        cost = sum(count * macs[each] for each, count in counts.items())
        sizes = ", ".join(f"{count} of {_spell(each)}" for each, count in counts.items())
        seconds = images * cost / macs[size] / speed
        rows.append([name, f"{sum(counts.values()):,}", sizes, f"{cost:,}", duration(seconds)])
    print(
        f"{model.name}, {count_parameters(model)}\n"
        f"{dataset.title}, {images:,} images of the split {dataset.test_split!r}\n"
        f"{speed:,.1f} inputs of {_spell(size)} a second, timed just now; times are for as many "
        "multiply-accumulates a second; reading the images comes on top"
    )
    if not all(isinstance(view, FrameView) for view in shown.values()):
        print(f"sizes are those of an image of {_spell(IMAGE)} (height x width)")
    print()
    tables.show("", ["view", ">inputs", "sizes", ">MACs per image", ">time"], rows)
    return 0


def input_sizes(view: Any, size: tuple[int, int]) -> dict[tuple, int]:
    """How many inputs of each (height, width) an image of IMAGE's size gives.

    Args:
        view: One of common.evaluation.views.
        size: Of the network's own input.
    """
    counts = collections.Counter()
    for scaled in view.scaled_images(*(size if isinstance(view, FrameView) else IMAGE)):
        seen = (scaled.size, scaled.size) if scaled.size else scaled.canvas
        counts[seen] += len(scaled.crops)
    return dict(counts)


def inputs_per_second(model: keras.Model, macs: int, strategy) -> float:
    """Of all devices together, running the network forward on noise."""
    batch = int(min(MOST_TIMED, max(1, TIMED_MACS // macs)))
    shape = (batch, *model.input_shape[1:])
    noise = np.random.default_rng(0).normal(size=shape).astype("float32")
    main = keras.Model(model.inputs, model.outputs[0])

    @tf.function
    def forward(images):
        outputs = strategy.run(lambda x: main(x, training=False), (images,))
        return strategy.experimental_local_results(outputs)

    forward(tf.constant(noise))  # its time is the compiler's
    began, batches = time.perf_counter(), 0
    while time.perf_counter() - began < TIMED_SECONDS:
        for output in forward(tf.constant(noise)):
            output.numpy()  # waits for it
        batches += 1
    inputs = batch * batches * strategy.num_replicas_in_sync
    return inputs / (time.perf_counter() - began)


def _spell(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))
