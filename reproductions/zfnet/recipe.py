"""ZFNet's training, Section 3; all of its networks are trained alike.

"Sec." is arXiv:1311.2901v3. The paper says that its code is based on that of
Krizhevsky et al. 2012 ("K."), whose values stand where it says nothing.
"""

import dataclasses
from typing import ClassVar

from common.data.rng import Rng
from common.data.transforms import CentreCrop, ResizeShorterSide, SubtractMeanImage
from common.data.transforms.operation import Geometric
from common.data.transforms.view import View
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import DivideOnPlateau
from reproductions.zfnet.forms import FORMS


@dataclasses.dataclass(frozen=True)
class RandomTenCrop(Geometric):
    """One of ten windows: four corners and the centre, mirrored or not (Sec. 3)."""

    size: int
    uniforms: ClassVar[int] = 2

    def __call__(self, view: View, rng: Rng) -> View:
        """The window, drawn."""
        import tensorflow as tf

        place, side = tf.unstack(rng.uniform(self.uniforms))
        down, right = view.window.height - self.size, view.window.width - self.size
        index = tf.cast(5 * place, tf.int32)
        top = tf.gather(tf.stack([0, 0, down, down, down // 2]), index)
        left = tf.gather(tf.stack([0, right, 0, right, right // 2]), index)
        return view.crop(top, left, self.size, chance=True).mirror(side < 0.5)


FRAME = (ResizeShorterSide(256), CentreCrop(256))  # Sec. 3

ZFNET = Recipe(
    data="imagenet2012",  # Sec. 3
    image_size=224,  # Sec. 3, Fig. 3
    channels=3,  # Fig. 3
    num_classes=1000,  # Sec. 3
    epochs=70,  # Sec. 3: "stopped training after 70 epochs"
    global_batch_size=128,  # Sec. 3
    optimizer=Sgd(
        learning_rate=0.01,  # Sec. 3
        momentum=0.9,  # Sec. 3
        nesterov=False,  # K.
    ),
    schedule=DivideOnPlateau(  # Sec. 3: "anneal ... manually"
        divisor=10.0,  # K.
        patience=6,  # ours
        max_drops=3,  # K.
        metric="val_top1_error",  # Sec. 3: "when the validation error plateaus"
        min_delta=0.1,  # ours: percentage points
    ),
    weight_decay=WeightDecay(rate=5e-4, variables="kernel"),  # K.
    loss=SoftmaxCrossEntropy(),  # Sec. 2
    train_transforms=(*FRAME, RandomTenCrop(224)),  # Sec. 3
    normalize=SubtractMeanImage(),  # Sec. 3: "the per-pixel mean"
    test_transforms=FRAME,
    views=("centre_crop", "ten_crop"),  # ten: K.; the paper names no view
    monitor="centre_crop",  # ours: a tenth of the cost of ten_crop
)

RECIPES = dict.fromkeys(FORMS, ZFNET)
