"""the_paper's training. "Sec." is TODO which version of the paper."""

from common.data.transforms import CentreCrop, RandomFlip, ResizeShorterSide, SubtractChannelMean
from common.recipes.losses import SoftmaxCrossEntropy
from common.recipes.recipe import Recipe, Sgd, WeightDecay
from common.recipes.schedules import ByEpoch

FRAME = (ResizeShorterSide(32), CentreCrop(32))  # TODO Sec. ?

THE_PAPER = Recipe(
    data="cifar10",  # TODO Sec. ?
    image_size=32,  # TODO Sec. ?
    channels=3,  # TODO Sec. ?
    num_classes=10,  # TODO Sec. ?
    epochs=30,  # TODO Sec. ?
    global_batch_size=100,  # TODO Sec. ?
    optimizer=Sgd(
        learning_rate=0.1,  # TODO Sec. ?
        momentum=0.9,  # TODO Sec. ?
        nesterov=False,  # TODO Sec. ?
    ),
    schedule=ByEpoch(starts=(0, 20), factors=(1.0, 0.1)),  # TODO Sec. ?
    weight_decay=WeightDecay(rate=1e-4, variables="kernel"),  # TODO Sec. ?
    loss=SoftmaxCrossEntropy(),  # TODO Sec. ?
    train_transforms=(*FRAME, RandomFlip()),  # TODO Sec. ?
    normalize=SubtractChannelMean(),  # TODO Sec. ?
    test_transforms=FRAME,  # TODO Sec. ?
    views=("single",),  # TODO Sec. ?: the views of the paper's tables
    monitor="single",  # TODO one of them, a cheap one
)

# TODO the headline network first, then each other one
RECIPES = {"the_paper": THE_PAPER}
