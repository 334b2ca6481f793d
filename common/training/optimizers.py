"""Keras optimizers with what the papers' recipes need and Keras lacks.

Keras decays weights beside the momentum, clips before the all-reduce, has one learning rate for all
variables, and cannot average weights on several devices. `Shared` mends all four where Keras has
summed the gradients over the replicas.
"""

import contextlib
import re

import keras
import tensorflow as tf

from common.errors import UsageError
from common.recipes import recipe as recipes
from common.recipes.recipe import Recipe

FIRST_SCALE = 2.0**15  # as Keras's LossScaleOptimizer; and its:
SOUND_UPDATES = 2000


class Shared:
    """What comes before any update rule; mixed into a Keras optimizer.

    Args (of `__init__`, beside the optimizer's own):
        groups: Regular expressions on variable paths. A variable follows the first that is found
            in its path, else the last rate.
        decay: (rate, regular expression) or None: `rate * w` is added to the gradients of the
            variables whose path matches.
        clip_global_norm: Or None. All gradients are scaled to this norm together if theirs is
            larger; before the decay is added.
        average_decay: Or None. A running average a of each variable w: a <- d a + (1 - d) w after
            each update.
        loss_scaling: Whether the loss is scaled for float16: twice as much after 2,000 updates
            without overflow, half as much after one.
    """

    loss_scale = None  # until it is built

    def __init__(
        self,
        *,
        groups=(),
        decay=None,
        clip_global_norm=None,
        average_decay=None,
        loss_scaling=False,
        **settings,
    ):
        super().__init__(learning_rate=0.0, **settings)
        self.groups, self.decay, self.clip_global_norm = tuple(groups), decay, clip_global_norm
        self.average_decay, self.loss_scaling = average_decay, loss_scaling

    def build(self, variables):
        """Adds one rate for each group, and works out who follows which."""
        if self.built:
            return
        super().build(variables)
        last = len(self.groups)
        self.rates = self.add_variable((last + 1,), initializer="zeros", name="rates")
        self._group = [
            next((i for i, group in enumerate(self.groups) if re.search(group, v.path)), last)
            for v in variables
        ]
        rate, pattern = self.decay or (0.0, "$^")
        self._decay = [rate if re.search(pattern, v.path) else 0.0 for v in variables]
        averaged = variables if self.average_decay is not None else []
        self.averages = [self.add_variable_from_reference(v, name="average") for v in averaged]
        if self.loss_scaling:
            first = keras.initializers.Constant(FIRST_SCALE)
            self.loss_scale = self.add_variable((), initializer=first, name="loss_scale")
            self.sound_updates = self.add_variable(
                (), initializer="zeros", dtype="int64", name="sound_updates"
            )

    def scale(self):
        """What the loss is multiplied with before its gradient; or None."""
        return None if self.loss_scale is None else self.loss_scale.value + 0

    def rescale(self, finite):
        """Moves the loss scale after an update that overflowed, or did not."""
        sound = tf.where(finite, self.sound_updates.value + 1, 0)
        double = sound >= SOUND_UPDATES
        factor = tf.where(finite, tf.where(double, 2.0, 1.0), 0.5)
        self.loss_scale.assign(tf.maximum(self.loss_scale.value * factor, 1.0))
        self.sound_updates.assign(tf.where(double, tf.zeros_like(sound), sound))

    def rate_of(self, variable) -> tf.Tensor:
        """The learning rate that `variable` follows at this step."""
        index = self._get_variable_index(variable)
        return tf.cast(self.rates[self._group[index]], variable.dtype)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """Clips and decays what Keras has summed over the replicas."""
        grads_and_vars = super()._all_reduce_sum_gradients(grads_and_vars)
        grads, variables = zip(*grads_and_vars, strict=True)
        if self.clip_global_norm is not None:
            grads, _ = tf.clip_by_global_norm(grads, self.clip_global_norm)
        decays = [self._decay[self._get_variable_index(v)] for v in variables]
        return [
            (g + d * tf.convert_to_tensor(v) if d else g, v)
            for g, d, v in zip(grads, decays, variables, strict=True)
        ]

    def _distributed_tf_update_step(self, distribution, grads_and_vars, rate):
        """Updates each variable at its group's rate, then averages, on each device."""

        def update(variable, gradient):
            self.update_step(gradient, variable, self.rate_of(variable))

        for gradient, variable in grads_and_vars:
            distribution.extended.update(variable, update, args=(gradient,), group=False)
        for _, variable in grads_and_vars if self.averages else ():
            average = self.averages[self._get_variable_index(variable)]
            distribution.extended.update(
                variable, self._average, args=(average.value,), group=False
            )

    def _average(self, variable, average):
        """As TensorFlow's ExponentialMovingAverage(decay, num_updates).

        d is (1 + t) / (10 + t) while that is smaller, t updates before this
        one, and 0 at first: the average forgets the initial weights.
        """
        t = tf.cast(self.iterations, variable.dtype)
        d = tf.minimum(self.average_decay, (1 + t) / (10 + t))
        d = tf.where(t == 0, 0.0, d)
        average.assign(d * average + (1 - d) * variable)

    @contextlib.contextmanager
    def averaged(self, variables):
        """Inside, the variables have their averaged values, if there are any."""
        kept = [v.numpy() for v in variables] if self.averages else []
        for variable, average in zip(variables, self.averages, strict=False):
            variable.assign(average.numpy())
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=False):
                variable.assign(value)


class MomentumSgd(Shared, keras.optimizers.SGD):
    """v <- momentum v - rate (g + decay w); w <- w + v (AlexNet, Sec. 5).

    With nesterov: w <- w + momentum v - rate (g + decay w).
    """

    def __init__(self, momentum: float, *, nesterov: bool, **shared):
        # The name is fixed: checkpoints hold it.
        super().__init__(momentum=momentum, nesterov=nesterov, name="momentum_sgd", **shared)


class RmsProp(Shared, keras.optimizers.RMSprop):
    """TensorFlow 1's tf.train.RMSPropOptimizer.

    m <- rho m + (1 - rho) g^2; v <- momentum v + rate g / sqrt(m + epsilon); w <- w - v, where m
    starts at 1 and v at 0. Keras's own differs in that its m starts at 0: its first updates are
    larger. The root takes in epsilon in both.
    """

    def __init__(self, *, rho: float, momentum: float, epsilon: float, **shared):
        super().__init__(rho=rho, momentum=momentum, epsilon=epsilon, name="rms_prop", **shared)

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """As Keras's, which calls the mean squares "velocity"."""
        if name == "velocity":
            initializer = "ones"
        return super().add_optimizer_variables(trainable_variables, name, initializer)


def build_optimizer(recipe: Recipe, *, loss_scaling: bool = False) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, with all that `Shared` adds.

    Raises:
        UsageError: if a paper's own is without what the recipe asks of it.
    """
    decay = recipe.weight_decay
    shared = {
        "groups": tuple(group.variables for group in recipe.group_schedules),
        "decay": decay and (decay.rate, decay.variables),
        "clip_global_norm": recipe.clip_global_norm,
        "average_decay": recipe.average_decay,
        "loss_scaling": loss_scaling,
    }
    match recipe.optimizer:
        case recipes.Sgd(momentum=momentum, nesterov=nesterov):
            return MomentumSgd(momentum, nesterov=nesterov, **shared)
        case recipes.RmsProp(decay=rho, momentum=momentum, epsilon=epsilon):
            return RmsProp(rho=rho, momentum=momentum, epsilon=epsilon, **shared)
        case keras.optimizers.Optimizer() as made:
            lost = ["learning_rate and build(**shared)"]
        case of_a_paper:
            made = of_a_paper.build(**shared)
            lost = [name for name, value in shared.items() if getattr(made, name, None) != value]
    if lost:
        raise UsageError(
            f"The recipe's optimizer, {type(made).__name__}, is without {', '.join(lost)}: "
            'CONTRIBUTING.md says under "Adding an optimizer" how one is made.'
        )
    return made


def rates_at(
    recipe: Recipe, *, epoch: int, step: int, steps_per_epoch: int, history
) -> list[float]:
    """The learning rate of each group, and last that of all others."""
    schedules = [g.schedule for g in recipe.group_schedules] + [recipe.schedule]
    return [
        recipe.optimizer.learning_rate
        * schedule.factor(epoch=epoch, step=step, steps_per_epoch=steps_per_epoch, history=history)
        for schedule in schedules
    ]
