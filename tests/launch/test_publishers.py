"""From a JPEG to the probabilities that the publisher of the weights has.

Of every layout of every paper, by predict, evaluate and the exported model.
The publishers' preprocessing stands in tests/launch/publishers.py as numbers.
"""

import dataclasses
import functools
import importlib
import pathlib
import shutil
from collections.abc import Callable
from typing import NamedTuple

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import reproductions
from common.data import imagenet
from common.data.sources.photographs import SPLIT, Photographs
from common.errors import UsageError
from common.evaluation import inputs
from common.evaluation.predictions import read
from common.evaluation.views import FrameView
from common.models import preprocessing
from launch.inference import prediction
from launch.weights.preprocessing import layouts
from tests.launch import publishers
from tests.launch.flags import launch
from tests.launch.test_predict import compute_here

SPREAD = 2.0  # of the logits
CLOSE = 1e-4  # of a probability
SIZES = ((402, 300), (317, 391))  # one has a centre at half a pixel


class Case(NamedTuple):
    """Attributes as `import`'s words, and what is independent of it.

    Attributes:
        see: file -> what the network sees, (H, W, 3).
        classifier: The layer that gives the logits, as the state calls it.
        first: See publishers.torch_state.
    """

    paper: str
    variant: str
    layout: str
    see: Callable
    classifier: str = "fc"
    first: tuple[str, ...] = ()

    def __str__(self):
        return f"{self.variant}-{self.layout}"

    @property
    def recipe(self):
        """The variant's, with the publisher's preprocessing."""
        weights = importlib.import_module(f"reproductions.{self.paper}.weights")
        recipe = reproductions.load(self.paper).RECIPES[self.variant]
        return weights.PREPROCESSING[self.layout].of(recipe)


V1 = functools.partial(publishers.standardized, side=256, size=224)
V2 = functools.partial(publishers.standardized, side=232, size=224)
V3 = functools.partial(publishers.through_transform_input, side=342, size=299)
CADENE_299 = functools.partial(publishers.halves, side=341, size=299)
POLYNET = functools.partial(publishers.standardized, side=378, size=331)
CAFFE, BN, FIFTY = (
    publishers.caffe_alexnet,
    publishers.cadene_bninception,
    publishers.cadene_cafferesnet,
)
LAST, V4 = "last_linear", ("features.0.conv.weight",)
RELEASED = "inception_resnet_v2_released"
RESNET18 = Case("resnet", "resnet18", "torchvision", V1)
CIFAR = Case("resnet_cifar", "akamaster_resnet20", "akamaster", publishers.akamaster, "linear")
# fmt: off
SLOW = [
    Case("googlenet", "bvlc_googlenet", "caffe", publishers.caffe_googlenet, "loss3/classifier"),
    Case("resnet", "resnet50", "keras", publishers.vgg),
    Case("bn_inception", "bn_inception_caffe", "cadene", BN, LAST),
    Case("alexnet", "bvlc_alexnet", "caffe", CAFFE, "fc8"),
    Case("alexnet", "caffenet", "caffe", CAFFE, "fc8"),
    Case("inception_v3", "inception_v3_torchvision", "torchvision", V3),
    Case("inception_v3", "inception_v3", "keras", publishers.keras_inception),
    Case("inception_v4", "inception_v4_released", "cadene", CADENE_299, LAST, V4),
    Case("inception_v4", RELEASED, "cadene", CADENE_299, LAST),
    Case("inception_v4", RELEASED, "keras", publishers.keras_inception),
    Case("polynet", "polynet", "cadene", POLYNET, LAST),
    Case("resnet", "resnet50_v1_5", "torchvision_232", V2),
    Case("resnet", "resnet50_caffe", "caffe", FIFTY, LAST),
    Case("resnext", "resnext50_32x4d", "torchvision", V1),
    Case("resnext", "resnext50_32x4d", "torchvision_232", V2),
    Case("resnext", "resnext50_32x4d", "cadene", V1, LAST),
    Case("vgg", "vgg11", "torchvision", V1, "classifier.6"),
    Case("vgg", "vgg16", "keras", publishers.vgg),
    Case("vgg", "vgg16", "caffe", publishers.vgg, "fc8"),
    Case("wide_resnet", "wrn_50_2", "torchvision", V1),
    Case("wide_resnet", "wrn_50_2", "torchvision_232", V2),
]
# fmt: on
CASES = [RESNET18, CIFAR, *SLOW]


def test_every_layout_of_every_paper_is_tried():
    known = set()
    for paper in reproductions.names():
        if not (reproductions.folder(paper) / "weights.py").is_file():
            assert layouts(paper) == ()
            continue
        module = importlib.import_module(f"reproductions.{paper}.weights")
        assert layouts(paper) == tuple(module.LAYOUTS)  # read without importing TensorFlow
        assert set(module.PREPROCESSING) == set(module.LAYOUTS)
        assert ("keras" in module.LAYOUTS) == hasattr(module, "KERAS_APPLICATIONS")
        known |= {(paper, layout) for layout in module.LAYOUTS}
    assert {(case.paper, case.layout) for case in CASES} == known


@pytest.fixture(scope="module")
def here():
    """The commands run here: on the strategy that is there, in small batches.

    A network is built once for all of them; each reads the file's weights.
    Yields what predict prints: file -> (name, probability) of the best five.
    """
    said, built, build_new = {}, {}, reproductions.build_model

    @functools.wraps(build_new)
    def build(*args, **more):
        key = repr((args, more))  # a form may hold a dict
        if key not in built:
            built[key] = build_new(*args, **more)
        return built[key]

    build.cache_clear = built.clear
    with pytest.MonkeyPatch.context() as patch:
        compute_here(patch)
        patch.setattr(reproductions, "build_model", build)
        patch.setattr(inputs, "TEST_INPUTS", 2)
        patch.setattr(prediction, "show_guesses", said.__setitem__)
        yield said
    build.cache_clear()
    keras.backend.clear_session()


def photographs(folder, side=None):
    """FOLDER/WNID/*.jpg: two smooth photographs that no crop leaves alike."""
    files = []
    sizes = SIZES if side is None else ((side, side),) * 2
    for number, (size, wnid) in enumerate(zip(sizes, imagenet.WNIDS[5:], strict=False)):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (9, 7, 3), np.uint8)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        file = folder / wnid / f"{number}.jpg"
        file.parent.mkdir(parents=True)
        image.save(file, quality=95)
        files.append(file)
    return files


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def publish(case, files, folder):
    """(what evaluate and others are given, probabilities that its publisher gets, (N, C)).

    The file of weights was written by `import`, from the publisher's.
    """
    seen = np.stack([case.see(file) for file in files]).astype("float32")
    weights = importlib.import_module(f"reproductions.{case.paper}.weights")
    if case.layout == "keras":
        model = publishers.keras_network(weights.KERAS_APPLICATIONS[case.variant])
        last = model.layers[-1]
        last.activation = keras.activations.linear
        factor = SPREAD / model(seen).numpy().std()
        last.set_weights([factor * values for values in last.get_weights()])
        source = folder / "theirs.weights.h5"
        model.save_weights(source)
        logits = model(seen).numpy().astype("float64")
    else:
        model = reproductions.build_model(case.paper, case.variant)
        state = publishers.torch_state(case.paper, case.layout, model, case.first)
        weights.LAYOUTS[case.layout](state, model)
        logits = model(seen)
        main = (logits[0] if isinstance(logits, list | tuple) else logits).numpy()
        factor = np.float32(SPREAD / main.std())
        for entry in (f"{case.classifier}.weight", f"{case.classifier}.bias"):
            state[entry] = factor * state[entry]
        source = folder / "theirs.npz"
        np.savez(source, **state)
        logits = main.astype("float64") * factor
    target = folder / "ours.weights.h5"
    words = ("import", case.variant, source)
    assert launch(*words, **{"from": case.layout, "out": str(target)}) == 0
    source.unlink()
    wanted = softmax(logits)
    assert 0.01 < wanted.max() < 0.99  # neither flat nor certain
    return {"weights": str(target), "data_dir": str(folder)}, wanted


def require_close(best, wanted):
    """`best`: (class, probability) pairs, best first."""
    order = np.argsort(-wanted)[:5]
    assert [k for k, _ in best] == list(order)
    found = [probability for _, probability in best]
    assert abs(np.array(found) - wanted[order]).max() < CLOSE


def require_same_answers(case, said, folder, files, given, wanted):
    """Of predict, the exported model and evaluate."""
    cifar = case is CIFAR
    assert launch("predict", case.variant, *files, **given) == 0
    ten = "airplane automobile bird cat deer dog frog horse ship truck".split()
    names = ten if cifar else list(imagenet.names())
    for file, probabilities in zip(files, wanted, strict=True):
        best = [(names.index(name), p) for name, p in said[file]]
        require_close(best, probabilities)
    out = folder / "served"
    assert launch("export", case.variant, **given, out=str(out)) == 0
    served = tf.saved_model.load(str(out)).signatures["files"]
    jpegs = tf.constant([file.read_bytes() for file in files])
    answer = {name: v.numpy() for name, v in served(files=jpegs).items()}
    for row, probabilities in enumerate(wanted):
        pairs = (answer["labels"][row], answer["probabilities"][row])
        require_close(list(zip(*pairs, strict=True)), probabilities)
    shutil.rmtree(out)  # of VGG, half a gigabyte
    if not cifar:  # whose folder would have other classes
        found = scores(case.variant, files, folder, "centre_crop", **given)
        assert abs(softmax(found) - wanted).max() < CLOSE


def scores(variant, files, folder, view, **given):
    """Those that evaluate writes, in the files' order."""
    target = folder / f"{view}.npz"
    flags = {"data": f"folder:{files[0].parents[1]}", "views": [view], "predictions": str(target)}
    assert launch("evaluate", variant, **given, **flags) == 0
    kept = read(target)
    places = {pathlib.Path(name).name: n for n, name in enumerate(kept.ids)}
    rows = [places[file.name] for file in files]
    return kept.scores[rows].astype("float64")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """(files, what a recipe's network sees of each); the same recipe's, made once."""
    folder = tmp_path_factory.mktemp("shown")
    files = {side: photographs(folder / f"{side}", side) for side in (None, 32)}

    @functools.cache
    def make(side, size, monitor, *chain):
        recipe = dataclasses.replace(
            RESNET18.recipe, image_size=size, test_transforms=chain[:-1], normalize=chain[-1]
        )
        source = Photographs(files[side], side=side, digits=False)
        view = FrameView(name=monitor, size=size)
        batches = inputs.test_batches(source, SPLIT, recipe, None, view, batch_size=1)
        return [images[0, 0].numpy() for (images,), *_ in batches]

    return files, make


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_network_sees_what_the_publishers_does(case, shown):
    """Of all layouts; what it answers is tried of few, or by hand."""
    files, make = shown
    recipe, side = case.recipe, 32 if case is CIFAR else None
    chain = (*recipe.test_transforms, recipe.normalize)
    seen = make(side, recipe.image_size, recipe.monitor, *chain)
    for file, found in zip(files[side], seen, strict=True):
        wanted = case.see(file)
        assert abs(found - wanted).max() < 1e-5 * abs(wanted).max()


@pytest.fixture(scope="module")
def resnet18(here, tmp_path_factory):
    """(folder, files, what commands are given, the publisher's probabilities)."""
    folder = tmp_path_factory.mktemp("resnet18")
    files = photographs(folder / "photographs")
    return folder, files, *publish(RESNET18, files, folder)


def test_probabilities_are_the_publishers(here, resnet18):
    require_same_answers(RESNET18, here, *resnet18)


@pytest.mark.parametrize(
    "case",
    [
        CIFAR,
        *(pytest.param(one, marks=[pytest.mark.full, pytest.mark.timeout(3600)]) for one in SLOW),
    ],
    ids=str,
)
def test_more_probabilities_are_the_publishers(case, here, tmp_path):
    files = photographs(tmp_path / "photographs", 32 if case is CIFAR else None)
    require_same_answers(case, here, tmp_path, files, *publish(case, files, tmp_path))
    (tmp_path / "ours.weights.h5").unlink()
    if case is not CIFAR:  # they are large
        reproductions.build_model.cache_clear()
        keras.backend.clear_session()


def test_what_the_file_says_changes_the_answer(here, resnet18):
    """Under the recipe's own normalisation they are others: the old fault."""
    folder, files, given, probabilities = resnet18
    weights = shutil.copy(given["weights"], folder / "old.weights.h5")
    given = given | {"weights": str(weights)}
    with h5py.File(weights, "r+") as file:  # as an older version wrote it
        del file.attrs[preprocessing.ATTRIBUTE]
    words = ("predict", "resnet18", files[0])
    with pytest.raises(UsageError, match="does not say .* torchvision"):
        launch(*words, **given)
    names = list(imagenet.names())
    for whose, right in (("torchvision", True), ("recipe", False)):
        assert launch(*words, **given, preprocessing=whose) == 0
        best = [(names.index(name), p) for name, p in here[files[0]]]
        if right:
            require_close(best, probabilities[0])
        else:
            assert max(abs(p - probabilities[0][k]) for k, p in best) > 0.1
    given["preprocessing"] = "torchvision"
    network = reproductions.build_model.__wrapped__("resnet", "resnet18")  # not the commands'
    network.load_weights(weights)
    for view, see in (("ten_crop", ten_crops), ("centre_crop_224_of_232", of_232)):
        found = scores("resnet18", files, folder, view, **given)
        for row, file in enumerate(files):
            seen = (see(file) / 255 - publishers.MEAN) / publishers.STD
            many = network(seen.astype("float32")).numpy().astype("float64")
            wanted = softmax(many).mean(axis=0)
            assert abs(softmax(found[row]) - wanted).max() < CLOSE


def ten_crops(file):
    """Of the centre square of torchvision's resized image."""
    frame = publishers.pil(file, 256, 256)
    places = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    five = [frame[y : y + 224, x : x + 224] for y, x in places]
    return np.stack(five + [crop[:, ::-1] for crop in five])


def of_232(file):
    """The paper's own views resize as the papers' do."""
    return publishers.centre(file, 232, 224)[None]
