"""The classifiers of Sec. III-C, items 2 to 4: layers that are fitted, and not trained.

`fit(inputs, labels)`, with arrays of all training digits, finds a layer's values;
fitting.py calls it. By item: a nearest-neighbour classifier (2), principal components
with a quadratic classifier (3), and Gaussian units with a linear classifier (4).
Quotes are of a copy of the paper that lacks the numbers, which are from memory.

Not in the paper:
    * How the quadratic classifier is trained: by least squares, one of the two ways of
      the linear classifier (item 1).
    * The widths of the Gaussian units, and how much their classifier is regularised.
    * How neighbours vote: each once; of equal votes, as the nearest one.
"""

import math

import keras
import numpy as np
from keras import ops

from common.errors import UsageError

FAR = 1e30  # the squared distance of a place for a pattern that has none


@keras.saving.register_keras_serializable("lenet5")
class PrincipalComponents(keras.layers.Layer):
    """Projections on the principal components of the training digits (item 3)."""

    def __init__(self, components, **kwargs):
        super().__init__(**kwargs)
        self.components = components

    def build(self, input_shape):
        """Adds the mean, (inputs,), and the components, (inputs, components)."""
        inputs = input_shape[-1]
        self.mean = self.add_weight(
            shape=(inputs,), initializer="zeros", trainable=False, name="mean"
        )
        self.directions = self.add_weight(
            shape=(inputs, self.components), trainable=False, name="directions"
        )

    def fit(self, inputs, labels):
        """The eigenvectors of the covariance with the largest eigenvalues."""
        _, vectors = np.linalg.eigh(np.cov(inputs.T))
        self.mean.assign(inputs.mean(0))
        self.directions.assign(vectors[:, ::-1][:, : self.components])

    def call(self, inputs):
        """(batch, inputs) -> (batch, components)."""
        return (inputs - self.mean) @ self.directions

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """Multiply-accumulates for one image."""
        return math.prod(self.directions.shape)

    def get_config(self):
        """The argument."""
        return super().get_config() | {"components": self.components}


@keras.saving.register_keras_serializable("lenet5")
class PairProducts(keras.layers.Layer):
    """The products of all pairs of inputs, squares among them (item 3): 820 of 40."""

    def call(self, inputs):
        """(batch, n) -> (batch, n (n + 1) / 2)."""
        first, second = np.triu_indices(inputs.shape[-1])
        return ops.take(inputs, first, axis=-1) * ops.take(inputs, second, axis=-1)

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """One product for each output."""
        return outputs[-1]


@keras.saving.register_keras_serializable("lenet5")
class GaussianUnits(keras.layers.Layer):
    """exp(-d^2 / 2 width), with d the distance to a centre of one class's digits (item 4).

    "The RBF units were divided into 10 groups of 100. Each group of units was trained on all the
    training examples of one of the 10 classes using the adaptive K-means algorithm."

    Attributes:
        units: As many for each class.
        classes: How many.
    """

    def __init__(self, units, classes, **kwargs):
        super().__init__(**kwargs)
        self.units, self.classes = units, classes

    def build(self, input_shape):
        """Adds the centres, (units, inputs), and the width, one for all."""
        self.centres = self.add_weight(
            shape=(self.units, input_shape[-1]), trainable=False, name="centres"
        )
        self.width = self.add_weight(shape=(), initializer="ones", trainable=False, name="width")

    def fit(self, inputs, labels):
        """The means of clusters; the mean squared distance of a digit to its cluster's.

        A run's seed acts on them by the order of the digits alone.

        Raises:
            UsageError: if a class has fewer digits than units.
        """
        from sklearn.cluster import KMeans

        each, fewest = self.units // self.classes, np.bincount(labels, minlength=self.classes).min()
        if fewest < each:
            raise UsageError(
                f"Each class has {each} Gaussian units, which are centres of as many clusters of "
                f"its training images; one class has {fewest} images. "
                "Give it more, or leave out --set train_images."
            )
        clusters = [
            KMeans(each, n_init=1, max_iter=30, random_state=0).fit(inputs[labels == label])
            for label in range(self.classes)
        ]
        self.centres.assign(np.concatenate([one.cluster_centers_ for one in clusters]))
        self.width.assign(sum(one.inertia_ for one in clusters) / len(inputs))

    def call(self, inputs):
        """(batch, inputs) -> (batch, units)."""
        squares = ops.sum(inputs**2, axis=-1, keepdims=True) + ops.sum(self.centres**2, axis=-1)
        distances = squares - 2 * inputs @ ops.transpose(self.centres)
        return ops.exp(-distances / (2 * self.width))

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """Multiply-accumulates for one image."""
        return math.prod(self.centres.shape)

    def get_config(self):
        """The arguments."""
        return super().get_config() | {"units": self.units, "classes": self.classes}


@keras.saving.register_keras_serializable("lenet5")
class LeastSquares(keras.layers.Dense):
    """A linear classifier by a linear system: targets +1 of the right class, else -1.

    Attributes:
        ridge: Added to each input's mean square (item 4: "a regularized pseudo-inverse method").
    """

    def __init__(self, units, *, ridge, **kwargs):
        super().__init__(units, **kwargs)
        self.ridge = ridge

    def fit(self, inputs, labels):
        """The solution of the normal equations, in float64; of several the smallest."""
        targets = 2 * np.eye(self.units)[labels] - 1
        design = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1, dtype="float64")
        square = design.T @ design / len(design) + self.ridge * np.eye(design.shape[1])
        solution, *_ = np.linalg.lstsq(square, design.T @ targets / len(design), rcond=None)
        self.kernel.assign(solution[:-1])
        self.bias.assign(solution[-1])

    def get_config(self):
        """The arguments."""
        return super().get_config() | {"ridge": self.ridge}


@keras.saving.register_keras_serializable("lenet5")
class Neighbours(keras.layers.Layer):
    """The votes of the nearest training digits by Euclidean distance (item 2).

    Attributes:
        k: How many of them vote.
        patterns: Places for training digits; they need not all be filled.
        classes: How many.
    """

    def __init__(self, k, patterns, classes, **kwargs):
        super().__init__(**kwargs)
        self.k, self.patterns, self.classes = k, patterns, classes

    def build(self, input_shape):
        """Adds the patterns, (patterns, inputs), what is added for each, and their labels."""
        fixed = {"initializer": "zeros", "trainable": False}
        self.kept = self.add_weight(shape=(self.patterns, input_shape[-1]), **fixed, name="kept")
        self.squares = self.add_weight(
            shape=(self.patterns,),
            initializer=keras.initializers.Constant(FAR),
            trainable=False,
            name="squares",
        )
        self.labels = self.add_weight(shape=(self.patterns,), dtype="int32", **fixed, name="labels")

    def fit(self, inputs, labels):
        """Keeps the digits.

        Raises:
            UsageError: if they are more than the places.
        """
        if len(inputs) > self.patterns:
            raise UsageError(
                f"Of {len(inputs):,} training images {self.patterns:,} can be kept as neighbours: "
                f"--set train_images={self.patterns}."
            )
        missing = self.patterns - len(inputs)
        self.kept.assign(np.pad(inputs, [(0, missing), (0, 0)]))
        squares = np.sum(inputs**2, axis=-1)
        self.squares.assign(np.pad(squares, (0, missing), constant_values=FAR))
        self.labels.assign(np.pad(labels, (0, missing)).astype("int32"))

    def call(self, inputs):
        """(batch, inputs) -> (batch, classes), between -1 and, if all agree, +1."""
        nearness = 2 * inputs @ ops.transpose(self.kept) - self.squares
        _, nearest = ops.top_k(nearness, self.k)
        votes = ops.one_hot(ops.take(self.labels, nearest), self.classes)
        counts = ops.sum(votes, axis=1) + 0.5 * votes[:, 0]
        return 2 * counts / (self.k + 0.5) - 1

    def macs(self, inputs: tuple, outputs: tuple) -> int:
        """Multiply-accumulates for one image."""
        return math.prod(self.kept.shape)

    def get_config(self):
        """The arguments."""
        given = {"k": self.k, "patterns": self.patterns, "classes": self.classes}
        return super().get_config() | given
