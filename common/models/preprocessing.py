"""What a network must be fed, as the publisher of its weights feeds it, and what it is made of.

Weights fit every network of their shape, whatever is done to the pixels, and with or without layers
that have none: a file that `import` or a training wrote says it, in JSON, as an attribute of the
HDF5 file. It takes the place of two fields of the recipe, `normalize` and `test_transforms`, and of
the parts of its `network` that --set had changed, and all that reads a recipe follows. It says the
image size and the data, too, which commands follow that are not given others. Importing this module
imports no TensorFlow.
"""

import contextlib
import dataclasses
import json
import pathlib
import sys
from typing import Any

from common.data import transforms
from common.data.transforms import (
    Standardize,
    SubtractMeanPixel,
    TorchvisionCentreCrop,
    TorchvisionResize,
)
from common.errors import RunError, UsageError
from common.lazy import h5py
from common.models.state_dicts import require_whole
from common.recipes.recipe import Override, Recipe
from common.recipes.serialization import NETWORK, describe, restore

ATTRIBUTE = "preprocessing"
RECIPE = "recipe"  # in a layout's place: weights that a recipe trained
NOT_SAID = "not said"  # likewise: weights that somebody trained
STATISTICS = "statistics.npz"  # of the training set, beside the weights whose recipe uses them


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What is done to an image before a network sees it.

    Attributes:
        normalize: See common.recipes.recipe.Recipe.
        test_transforms: Likewise; or None: the publisher says nothing of sizes and crops, the
            recipe's serve.
    """

    normalize: Any
    test_transforms: tuple | None

    def scaled(self, factor: float) -> "Preprocessing":
        """For images `factor` times as large."""
        chain = self.test_transforms
        return Preprocessing(
            normalize=self.normalize.scaled(factor),
            test_transforms=chain and tuple(operation.scaled(factor) for operation in chain),
        )

    def of(self, recipe: Recipe) -> Recipe:
        """The recipe with this in the place of its own."""
        chain = self.test_transforms
        kept = recipe.test_transforms if chain is None else chain
        return dataclasses.replace(recipe, normalize=self.normalize, test_transforms=kept)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stated:
    """What a file says of itself.

    Attributes:
        layout: Where it was imported from; or RECIPE.
        variant: Whose weights they are; None: the file is older than this word.
        described: The rest of it, as JSON has it.
    """

    layout: str
    variant: str | None
    described: dict

    def of(self, recipe: Recipe) -> Recipe:
        """The recipe with what the file says, at the recipe's image size.

        Raises:
            RunError: if there is no such operation here.
        """
        known = vars(transforms)
        try:
            recipe = _restore_parts(recipe, self.described.get("network", {}))
            stated = Preprocessing(
                normalize=restore(self.described["normalize"], known),
                test_transforms=restore(self.described["test_transforms"], known),
            )
        except (TypeError, ValueError, KeyError) as error:
            problem = f"there is no operation {error}" if isinstance(error, KeyError) else error
            raise RunError(
                f"What the weights' network must be fed cannot be done here: {problem}. A newer "
                "version of the program made the file."
            ) from error
        return stated.scaled(recipe.image_size / self.described["image_size"]).of(recipe)


def _restore_parts(recipe: Recipe, parts: dict[str, Any]) -> Recipe:
    """The recipe with the parts of its network that a file describes, as --set would have them."""
    if not parts:
        return recipe
    network = recipe.network
    known = vars(sys.modules[type(network).__module__])
    made = {name: restore(value, known) for name, value in parts.items()}
    changes = [
        Override(field=NETWORK + name, old=getattr(network, name), new=part)
        for name, part in made.items()
        if part != getattr(network, name)
    ]
    network = dataclasses.replace(network, **made)
    return dataclasses.replace(recipe, network=network, overrides=(*recipe.overrides, *changes))


def write(file: pathlib.Path, layout: str, variant: str, recipe: Recipe) -> None:
    """Lets a file of weights say whose they are, and what the network is fed: the recipe's.

    And what --set had made of the network, if anything.
    """
    changed = [one.field for one in recipe.overrides if one.field.startswith(NETWORK)]
    parts = sorted({field.split(".")[1] for field in changed})
    facts = {
        "layout": layout,
        "variant": variant,
        "data": recipe.data,
        "image_size": recipe.image_size,
        "normalize": describe(recipe.normalize),
        "test_transforms": describe(recipe.test_transforms),
    }
    if parts:
        facts["network"] = {name: describe(getattr(recipe.network, name)) for name in parts}
    with h5py.File(file, "r+") as weights:
        weights.attrs[ATTRIBUTE] = json.dumps(facts)


def read(file: pathlib.Path) -> Stated | None:
    """What the file says; None if it says nothing.

    Raises:
        OSError: if it is no HDF5 file, or damaged.
        RunError: if what it says cannot be read.
    """
    with h5py.File(file) as weights:
        text = weights.attrs.get(ATTRIBUTE)
    if text is None:
        return None
    try:
        facts = json.loads(text)
        layout, variant = facts.pop("layout"), facts.pop("variant", None)
        return Stated(layout=layout, variant=variant, described=facts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(
            f"{file} says what its network must be fed, and not in words that are known here: "
            f"{text!r}. import writes it anew."
        ) from error


def require_variant(file: pathlib.Path, found: str | None, variant: str) -> None:
    """Refuses weights of another network, which may fit in shape and compute something else.

    Args:
        found: Whose they are; None if that is not known.

    Raises:
        UsageError: if they are another's.
    """
    if found not in (None, variant):
        raise UsageError(
            f"{file} holds weights of {found}, not of {variant}: give the name {found} with it, "
            f"or weights of {variant}."
        )


def prepared_for(
    recipe: Recipe, variant: str, file: pathlib.Path | None, image_size: int | None
) -> Recipe:
    """A variant's recipe at another image size, with what a file of weights says in its place.

    Args:
        file: Or None.
        image_size: Pixels; None is the recipe's.

    Raises:
        UsageError: if the file says nothing and lies in no run's folder, or is another variant's.
        RunError: if it is damaged, or what it says is not known here.
    """
    size = recipe.image_size if image_size is None else image_size
    own = Preprocessing(normalize=recipe.normalize, test_transforms=recipe.test_transforms)
    resized = own.scaled(size / recipe.image_size).of(dataclasses.replace(recipe, image_size=size))
    if file is None:
        return resized
    require_whole(file)
    with contextlib.suppress(OSError):  # another program's, of another kind: said below
        if stated := read(file):
            require_variant(file, stated.variant, variant)
            return stated.of(resized)
    if (record := file.parent / "run.json").is_file():  # shipped, or early: the recipe's own
        try:
            found = json.loads(record.read_bytes())["variant"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{record} cannot be read: it is no record of a run.") from error
        require_variant(file, found, variant)
        return resized
    raise UsageError(
        f"{file} does not say what its network must be fed (order of colours, range, mean, size): "
        "another program made it. Published weights say it once python -m launch import has read "
        "them; for what the recipe feeds leave out weights=."
    )


# Of publishers whose weights several papers' networks can have.

# torchvision/transforms/_presets.py, ImageClassification; fb.resnet.torch's numbers, and so those
# of Cadene's ports of torch networks.
TORCH_PIXELS = Standardize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

# keras.applications.imagenet_utils.preprocess_input, mode "caffe"; Oxford's readme of VGG: "the
# following BGR values should be subtracted".
CAFFE_PIXELS = SubtractMeanPixel(order="BGR", mean=(103.939, 116.779, 123.68))

# keras.applications: preprocess_input is all that it says of one image. Its table of errors is of
# "single center crop" and "ten crops" of 224x224 or 299x299 (readme of
# keras-team/keras-applications, Performance), of what size is not said: the recipe's. The example
# of its documentation, load_img with target_size=(224, 224), squashes the image to its nearest
# pixels and crops nothing; no error of the table is of that.
KERAS_CAFFE = Preprocessing(normalize=CAFFE_PIXELS, test_transforms=None)


def torchvision_frame(side: int, size: int) -> tuple:
    """Resize(side) and what CenterCrop(size) is the centre of.

    torchvision cuts the centre at once. A frame as large as can be is cut here first, so that there
    are ten crops, too; its centre is torchvision's, to the pixel, where its border is a multiple
    of 4.
    """
    frame = side - (side - size) % 4
    return (TorchvisionResize(side), TorchvisionCentreCrop(frame))


def torchvision(side: int, size: int) -> Preprocessing:
    """ImageClassification(crop_size=size, resize_size=side) of torchvision."""
    return Preprocessing(normalize=TORCH_PIXELS, test_transforms=torchvision_frame(side, size))
