"""How the classifiers of Sec. III-C learn that are fitted to all digits at once."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitLayers:
    """Fits every layer that has a `fit`, in their order, each to what those before it give.

    Attributes:
        samples: Training digits to fit them to; None: all.
    """

    samples: int | None = None

    def __call__(self, model, optimizer, loss, examples) -> None:
        """Assigns the layers' weights; examples are (images, labels)."""
        x, labels = examples
        last = model.layers[-1]
        for layer in model.layers[1:]:
            if hasattr(layer, "fit"):
                layer.fit(x.numpy(), labels.numpy())
            if layer is not last:
                x = layer(x)
