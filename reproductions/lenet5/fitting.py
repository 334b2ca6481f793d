"""How the classifiers of Sec. III-C learn that are fitted to all digits at once."""

import dataclasses

from common.lazy import np

PART = 1000  # digits that a layer computes at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitLayers:
    """Fits every layer that has a `fit`, in their order, each to what those before it give.

    Attributes:
        samples: Training digits to fit them to; None: all.
    """

    samples: int | None = None
    fits = True  # see common.recipes.recipe.is_fitted

    def __call__(self, model, optimizer, loss, examples) -> None:
        """Assigns the layers' weights; examples are (images, labels)."""
        x, labels = (part.numpy() for part in examples)
        last = model.layers[-1]
        for layer in model.layers[1:]:
            if hasattr(layer, "fit"):
                layer.fit(x, labels)
            if layer is not last:  # in parts: a convolution of all takes 10 GB
                parts = (x[i : i + PART] for i in range(0, len(x), PART))
                x = np.concatenate([layer(part) for part in parts])
