"""What sdlm.py computes with; apart from it because it imports TensorFlow."""

import keras
import tensorflow as tf

from common.training.optimizers import Shared


class SdlmOptimizer(Shared, keras.optimizers.Optimizer):
    """w_k <- w_k - rate / (mu + h_kk) dE/dw_k; h_kk is one slot per weight."""

    def __init__(self, mu: float, *, name: str = "sdlm", **shared):
        super().__init__(name=name, **shared)
        self.mu = mu

    def build(self, variables):
        """Adds h_kk, zero until it is measured."""
        if self.built:
            return
        super().build(variables)
        self.curvatures = [self.add_variable_from_reference(v, name="curvature") for v in variables]

    def set_curvatures(self, curvatures: list) -> None:
        """Assigns h_kk, in the order of the variables it was built with."""
        for slot, value in zip(self.curvatures, curvatures, strict=True):
            slot.assign(value)

    def update_step(self, gradient, variable, learning_rate):
        """One update of one variable; `learning_rate` is its group's."""
        h = self.curvatures[self._get_variable_index(variable)]
        step = learning_rate / (self.mu + h)
        self.assign_sub(variable, step * gradient)


def diagonal_curvature(model: keras.Model, loss, images, labels) -> list:
    """h_kk of each trainable variable, the mean over the examples.

    The model is a chain: layers that are linear in their input and in their
    weights, and `Activation`s between them; the last layer belongs to the
    loss. What is neglected is what Appendix C neglects: f'' of the squashing
    function, and the terms off the diagonal.
    """
    _, *body, output = model.layers
    inputs = [images]
    for layer in body:
        inputs.append(layer(inputs[-1]))
    h = output_curvature(output, loss, inputs.pop(), labels)
    found = {}
    for layer, x in zip(reversed(body), reversed(inputs), strict=True):
        if isinstance(layer, keras.layers.Activation):
            h = slope(layer, x) ** 2 * tf.cast(h, x.dtype)  # bfloat16, say
        else:
            h, of_weights = linear_curvature(layer, x, h)
            for variable, value in zip(layer.weights, of_weights, strict=True):
                found[variable.path] = value / len(images)
    return [found[v.path] for v in model.trainable_variables]


@tf.function  # traced once; by hand, each pass would trace it anew
def output_curvature(output, loss, x, labels) -> tf.Tensor:
    """The exact d2E/dx_i^2 of each example, (batch, units).

    For Eq. 8 it is 2. For Eq. 9, with p_c the probabilities of the classes
    and of rubbish, and d_c = x_i - w_ci, sums over the ten classes, it is
    2 (1 - sum p_c) + 4 (sum p_c d_c^2 - (sum p_c d_c)^2), never negative.
    """
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            total = tf.reduce_sum(loss(output(x), labels))
        gradient = inner.gradient(total, x)
    return tf.linalg.diag_part(outer.batch_jacobian(gradient, x))


def slope(layer, a) -> tf.Tensor:
    """f'(a)."""
    with tf.GradientTape() as tape:
        tape.watch(a)
        y = layer(a)
    return tape.gradient(y, a)


def linear_curvature(layer, x, h) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """From d2E/da^2 of a linear layer to that of its inputs and weights.

    a = sum_j w_j x_j gives d2E/dx_j^2 = sum w_j^2 d2E/da^2 and d2E/dw_j^2 =
    sum x_j^2 d2E/da^2, over the connections (App. C). These are the sums of
    back-propagation, with the weights squared and with the inputs squared. A frozen
    layer has some, too: what is below it may be trained.
    """

    def call(values, x):
        return layer.stateless_call(*([values, []] if layer.trainable else [[], values]), x)

    weights = [v.value for v in layer.weights]
    squares = [w**2 for w in weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        a, _ = call(squares, x)
    h = tf.cast(h, a.dtype)
    of_input = tape.gradient(a, x, output_gradients=h)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        a, _ = call(weights, x**2)
    return of_input, tape.gradient(a, weights, output_gradients=h)
