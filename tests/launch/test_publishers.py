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
from launch.inference import evaluation, export, prediction
from tests.launch import publishers
from tests.launch.flags import launch

SPREAD = 2.0  # of the logits
CLOSE = 1e-4  # of a probability
SIZES = ((402, 300), (317, 391))  # one has a centre at half a pixel


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
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


PIL = functools.partial
V1 = PIL(publishers.standardized, side=256, size=224)
V2 = PIL(publishers.standardized, side=232, size=224)
CADENE_299 = PIL(publishers.halves, side=341, size=299)
QUICK = [
    Case(paper="resnet", variant="resnet18", layout="torchvision", see=V1),
    Case(
        paper="googlenet",
        variant="bvlc_googlenet",
        layout="caffe",
        see=publishers.caffe_googlenet,
        classifier="loss3/classifier",
    ),
    Case(
        paper="resnet_cifar",
        variant="akamaster_resnet20",
        layout="akamaster",
        see=publishers.akamaster,
        classifier="linear",
    ),
]
SLOW = [
    Case(paper="resnet", variant="resnet50", layout="keras", see=publishers.vgg),
    Case(
        paper="bn_inception",
        variant="bn_inception_caffe",
        layout="cadene",
        see=publishers.cadene_bninception,
        classifier="last_linear",
    ),
    Case(
        paper="alexnet",
        variant="bvlc_alexnet",
        layout="caffe",
        see=publishers.caffe_alexnet,
        classifier="fc8",
    ),
    Case(
        paper="alexnet",
        variant="caffenet",
        layout="caffe",
        see=publishers.caffe_alexnet,
        classifier="fc8",
    ),
    Case(
        paper="inception_v3",
        variant="inception_v3_torchvision",
        layout="torchvision",
        see=PIL(publishers.through_transform_input, side=342, size=299),
    ),
    Case(
        paper="inception_v3", variant="inception_v3", layout="keras", see=publishers.keras_inception
    ),
    Case(
        paper="inception_v4",
        variant="inception_v4_released",
        layout="cadene",
        see=CADENE_299,
        classifier="last_linear",
        first=("features.0.conv.weight",),
    ),
    Case(
        paper="inception_v4",
        variant="inception_resnet_v2_released",
        layout="cadene",
        see=CADENE_299,
        classifier="last_linear",
    ),
    Case(
        paper="inception_v4",
        variant="inception_resnet_v2_released",
        layout="keras",
        see=publishers.keras_inception,
    ),
    Case(
        paper="polynet",
        variant="polynet",
        layout="cadene",
        see=PIL(publishers.standardized, side=378, size=331),
        classifier="last_linear",
    ),
    Case(paper="resnet", variant="resnet50_v1_5", layout="torchvision_232", see=V2),
    Case(
        paper="resnet",
        variant="resnet50_caffe",
        layout="caffe",
        see=publishers.cadene_cafferesnet,
        classifier="last_linear",
    ),
    Case(paper="resnext", variant="resnext50_32x4d", layout="torchvision", see=V1),
    Case(paper="resnext", variant="resnext50_32x4d", layout="torchvision_232", see=V2),
    Case(
        paper="resnext",
        variant="resnext50_32x4d",
        layout="cadene",
        see=V1,
        classifier="last_linear",
    ),
    Case(paper="vgg", variant="vgg11", layout="torchvision", see=V1, classifier="classifier.6"),
    Case(paper="vgg", variant="vgg16", layout="keras", see=publishers.vgg),
    Case(paper="vgg", variant="vgg16", layout="caffe", see=publishers.vgg, classifier="fc8"),
    Case(paper="wide_resnet", variant="wrn_50_2", layout="torchvision", see=V1),
    Case(paper="wide_resnet", variant="wrn_50_2", layout="torchvision_232", see=V2),
]


def named(case):
    return f"{case.variant}-{case.layout}"


def test_every_layout_of_every_paper_is_tried():
    tried = {(case.paper, case.layout) for case in QUICK + SLOW}
    known = set()
    for paper in reproductions.names():
        if (reproductions.folder(paper) / "weights.py").is_file():
            module = importlib.import_module(f"reproductions.{paper}.weights")
            assert set(module.PREPROCESSING) == set(module.LAYOUTS)
            known |= {(paper, layout) for layout in module.LAYOUTS}
    assert tried == known


@pytest.fixture
def one_process(monkeypatch):
    """The commands run here: on the strategy that is there, in small batches.

    A network is built once for all of them; each reads the file's weights.
    Yields what predict prints: file -> (name, probability) of the best five.
    """
    for module in (evaluation, prediction):
        monkeypatch.setattr(module, "prepare_tensorflow", lambda *_: tf.distribute.get_strategy())
    built = {}

    def once(experiment, strategy):
        recipe, variant = experiment.recipe, experiment.variant
        sizes = (recipe.image_size, recipe.num_classes)
        if (variant, sizes) not in built:
            built[variant, sizes] = reproductions.build_model(
                experiment.paper, variant, image_size=sizes[0], num_classes=sizes[1]
            )
        return built[variant, sizes]

    for module in (evaluation, export, prediction):
        monkeypatch.setattr(module, "build_network", once)
    monkeypatch.setattr(inputs, "TEST_INPUTS", 2)
    said = {}
    monkeypatch.setattr(prediction, "show_guesses", said.__setitem__)
    yield said
    built.clear()
    keras.backend.clear_session()


def command(*words, **flags):
    return launch(*words, **flags)


def photographs(folder, sizes=SIZES):
    """FOLDER/WNID/*.jpg: two smooth photographs that no crop leaves alike."""
    files = []
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


def published(case, files, folder):
    """(source file for import, logits that its publisher gets, (N, C))."""
    seen = np.stack([case.see(file) for file in files]).astype("float32")
    if case.layout == "keras":
        weights = importlib.import_module(f"reproductions.{case.paper}.weights")
        application = weights.KERAS_APPLICATIONS[case.variant]
        model = publishers.keras_network(application)
        last = model.layers[-1]
        last.activation = keras.activations.linear
        factor = SPREAD / model(seen).numpy().std()
        last.set_weights([factor * values for values in last.get_weights()])
        source = folder / "theirs.weights.h5"
        model.save_weights(source)
        return source, model(seen).numpy().astype("float64")
    model = publishers.our_network(case.paper, case.variant)
    state = publishers.torch_state(case.paper, case.layout, model, case.first)
    put = importlib.import_module(f"reproductions.{case.paper}.weights").LAYOUTS
    put[case.layout](state, model)
    logits = model(seen)
    main = logits[0] if isinstance(logits, list | tuple) else logits
    factor = np.float32(SPREAD / main.numpy().std())
    for entry in (f"{case.classifier}.weight", f"{case.classifier}.bias"):
        state[entry] = factor * state[entry]
    source = folder / "theirs.npz"
    np.savez(source, **state)
    return source, main.numpy().astype("float64") * factor


def imported(case, source, target):
    words = ("import", case.variant, source)
    assert command(*words, **{"from": case.layout, "out": str(target)}) == 0
    return {"weights": str(target), "data_dir": str(target.parent)}


def require_close(best, wanted):
    """`best`: (class, probability) pairs, best first."""
    order = np.argsort(-wanted)[:5]
    assert [k for k, _ in best] == list(order)
    found = [probability for _, probability in best]
    assert abs(np.array(found) - wanted[order]).max() < CLOSE


def check(case, said, folder):
    cifar = case.paper == "resnet_cifar"
    sizes = ((32, 32), (32, 32)) if cifar else SIZES
    files = photographs(folder / "photographs", sizes)
    source, logits = published(case, files, folder)
    wanted = softmax(logits)
    assert 0.01 < wanted.max() < 0.99  # neither flat nor certain
    given = imported(case, source, folder / "ours.weights.h5")
    source.unlink()
    # predict
    assert command("predict", case.variant, *files, **given) == 0
    names = [f"class {k}" for k in range(10)] if cifar else imagenet.names()
    names = list(names)
    for file, probabilities in zip(files, wanted, strict=True):
        best = [(names.index(name), p) for name, p in said[file]]
        require_close(best, probabilities)
    # the exported model
    out = folder / "served"
    assert command("export", case.variant, **given, out=str(out)) == 0
    served = tf.saved_model.load(str(out)).signatures["files"]
    jpegs = tf.constant([file.read_bytes() for file in files])
    answer = {name: v.numpy() for name, v in served(files=jpegs).items()}
    for row, probabilities in enumerate(wanted):
        pairs = (answer["labels"][row], answer["probabilities"][row])
        require_close(list(zip(*pairs, strict=True)), probabilities)
    shutil.rmtree(out)  # of VGG, half a gigabyte
    if cifar:  # whose folder would have other classes
        return
    # evaluate
    found = scores(case.variant, files, folder, "centre_crop", **given)
    assert abs(softmax(found) - wanted).max() < CLOSE
    (folder / "ours.weights.h5").unlink()


def scores(variant, files, folder, view, **given):
    """Those that evaluate writes, in the files' order."""
    target = folder / f"{view}.npz"
    flags = {"data": f"folder:{files[0].parents[1]}", "views": [view], "predictions": str(target)}
    assert command("evaluate", variant, **given, **flags) == 0
    kept = read(target)
    places = {pathlib.Path(name).name: n for n, name in enumerate(kept.ids)}
    rows = [places[file.name] for file in files]
    return kept.scores[rows].astype("float64")


@pytest.mark.parametrize("case", QUICK + SLOW, ids=named)
def test_the_network_sees_what_the_publishers_does(case, tmp_path):
    """Of all layouts; what it answers is tried of few, or by hand."""
    cifar = case.paper == "resnet_cifar"
    sizes = ((32, 32), (32, 32)) if cifar else SIZES
    files = photographs(tmp_path, sizes)
    weights = importlib.import_module(f"reproductions.{case.paper}.weights")
    recipe = reproductions.load(case.paper).RECIPES[case.variant]
    recipe = weights.PREPROCESSING[case.layout].of(recipe)
    source = Photographs(files, side=32 if cifar else None, digits=False)
    view = FrameView(name=recipe.monitor, size=recipe.image_size)
    batches = inputs.test_batches(source, SPLIT, recipe, None, view, batch_size=1)
    for file, ((images,), *_) in zip(files, batches, strict=True):
        wanted = case.see(file)
        scale = abs(wanted).max()
        assert abs(images[0, 0].numpy() - wanted).max() < 1e-5 * scale


@pytest.mark.parametrize("case", QUICK, ids=named)
def test_probabilities_are_the_publishers(case, one_process, tmp_path):
    check(case, one_process, tmp_path)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("case", SLOW, ids=named)
def test_more_probabilities_are_the_publishers(case, one_process, tmp_path):
    check(case, one_process, tmp_path)


def test_what_the_file_says_changes_the_answer(one_process, tmp_path):
    """Under the recipe's own normalisation they are others: the old fault."""
    case, said = QUICK[0], one_process
    files = photographs(tmp_path / "photographs")
    source, logits = published(case, files, tmp_path)
    weights = tmp_path / "ours.weights.h5"
    given = imported(case, source, weights)
    with h5py.File(weights, "r+") as file:  # as an older version wrote it
        del file.attrs[preprocessing.ATTRIBUTE]
    words = ("predict", case.variant, files[0])
    with pytest.raises(UsageError, match="does not say .* torchvision"):
        command(*words, **given)
    names = list(imagenet.names())
    for whose, right in (("torchvision", True), ("recipe", False)):
        assert command(*words, **given, preprocessing=whose) == 0
        best = [(names.index(name), p) for name, p in said[files[0]]]
        wanted = softmax(logits[0])
        if right:
            require_close(best, wanted)
        else:
            assert max(abs(p - wanted[k]) for k, p in best) > 0.1
    given["preprocessing"] = "torchvision"
    network = publishers.our_network(case.paper, case.variant)
    network.load_weights(weights)
    for view, see in (("ten_crop", ten_crops), ("centre_crop_224_of_232", of_232)):
        found = scores(case.variant, files, tmp_path, view, **given)
        for row, file in enumerate(files):
            inputs = (see(file) / 255 - publishers.MEAN) / publishers.STD
            many = network(inputs.astype("float32")).numpy().astype("float64")
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
