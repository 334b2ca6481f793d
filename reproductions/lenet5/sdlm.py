"""Stochastic diagonal Levenberg-Marquardt (Appendix C).

Each weight w_k has a step of its own, rate / (mu + h_kk). h_kk estimates the
second derivative of the loss with respect to w_k; it is measured on a few
hundred examples before each pass and stays during the pass.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sdlm:
    """w_k <- w_k - rate / (mu + h_kk) dE/dw_k.

    Attributes:
        learning_rate: eta of the first pass.
        mu: Keeps the step bounded where the curvature is small.
    """

    learning_rate: float
    mu: float

    def build(self, **shared):
        """The Keras optimizer; `shared` as common.training.optimizers.Shared takes."""
        from reproductions.lenet5.levenberg_marquardt import SdlmOptimizer

        return SdlmOptimizer(self.mu, **shared)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimateCurvature:
    """Measures h_kk before a pass.

    Attributes:
        samples: Examples that it is averaged over; all, where there are fewer.
        kept: The share of the last pass's h_kk that stays; with 0 it is the
            new measurement alone.
    """

    samples: int
    kept: float

    def __call__(self, model, optimizer, loss, examples) -> None:
        """Assigns h_kk to `optimizer`; examples are (images, labels)."""
        from reproductions.lenet5.levenberg_marquardt import diagonal_curvature

        optimizer.build(model.trainable_variables)
        measured = diagonal_curvature(model, loss, *examples)
        first = optimizer.iterations.numpy() == 0  # int() fails on two devices
        kept = 0.0 if first else self.kept
        pairs = zip(optimizer.curvatures, measured, strict=True)
        optimizer.set_curvatures([kept * last.value + (1 - kept) * new for last, new in pairs])
