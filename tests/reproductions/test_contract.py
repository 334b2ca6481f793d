"""What holds for every paper's folder and every variant.

Cross-entropy bound: at initialisation a network knows nothing, so its mean
cross-entropy on noise is of the order of ln(classes); half and twice that are
the limits here, as a network that is born sure of itself, or whose outputs are
no logits, falls outside of them.
"""

import contextlib
import dataclasses
import functools
import gc
import importlib
import json
import math
import operator
import re
from fractions import Fraction

import keras
import numpy as np
import pytest

import reproductions
from common.data import catalog, pipeline
from common.data.statistics import Statistics
from common.errors import UsageError
from common.evaluation.inputs import test_batches as batches_of
from common.evaluation.views import FrameView
from common.models.layer_table import layer_table, totals, without_weights
from common.papers.audit import AGREES, EXPLAINED, agrees, audit_paper, check_table
from common.papers.expected import load_toml, read_expected
from common.papers.folders import list_left
from common.recipes.losses import SoftmaxCrossEntropy, WithAuxiliary
from common.recipes.recipe import normalizes_whole_batches
from common.recipes.serialization import describe
from launch.report.markdown import with_deviations
from launch.settings.overrides import apply
from tests.reproductions.facts import FIELDS, constants, read, recipe_facts, spell_field

VARIANTS = [
    (paper, variant)
    for paper in reproductions.names()
    for variant in reproductions.load(paper).RECIPES
]
# Of each paper, the variants whose graphs are of different kinds; the others are as long
# again, and marked `full` in the tests that build them with weights.
EXAMPLES = {
    "alexnet": ("alexnet", "alexnet_as_run", "cifar_alexnet_11pct"),
    "bn_inception": ("bn_inception", "inception_no_bn", "bn_inception_caffe", "bn_mnist"),
    "googlenet": ("googlenet", "googlenet_separable"),
    "inception_v3": ("inception_v3", "inception_v2_table1"),
    "inception_v4": ("inception_v4", "inception_resnet_v2_released"),
    "lenet5": (
        "lenet5",
        "lenet1",
        "lenet4",
        "mnist_300_100",
        "mnist_linear_deslanted",
        "mnist_pairwise",
        "mnist_quadratic",
        "mnist_rbf",
    ),
    "polynet": ("ir_3_6_3_poly3_b",),
    "preact_resnet": (
        "cifar_preact_resnet110",
        "cifar_preact_resnet164",
        "cifar_resnet110_exclusive_gating",
    ),
    "resnet": ("resnet18", "resnet18_a", "plain18", "resnet50_caffe"),
    "resnet_cifar": ("cifar_resnet20", "cifar_plain20", "akamaster_resnet20"),
    "resnext": ("resnext50_32x4d", "cifar_resnext29_8x64d"),
    "vgg": ("vgg16", "vgg11_lrn", "vgg16_c"),
    "wide_resnet": ("cifar_wrn_16_8", "wrn_50_2"),
    "zfnet": ("zfnet",),
}
# Small networks that have every layer of the suite's own among them; what of their forms
# is changed, so that they are small.
SAVED = {
    "alexnet_as_run": {},
    "bn_mnist": {},
    "cifar_alexnet_11pct": {},
    "cifar_resnet20": {},
    "googlenet": {},
    "ir_3_6_3": {"stages": {"a": ("poly2",), "b": ("ir",), "c": ("ir",)}},
    "lenet4": {},
    "lenet5": {},
    "lenet4_knn": {},
    "mnist_linear_deslanted": {},
    "mnist_pairwise": {},
    "mnist_quadratic": {},
    "mnist_rbf": {},
    "zfnet": {"units": 64},
}
SAVED |= {  # of a paper that is new
    variant: {}
    for paper, variant in VARIANTS
    if paper not in EXAMPLES and reproductions.find(paper) == (paper, variant)
}
IMAGES = 8
NOISE = 60.0  # grey levels: about the spread of normalised pixels
HEADINGS = (
    "What the paper claims",
    "Run it",
    "Architecture",
    "Recipe",
    "Differences and gaps",
    "Result",
)

each_paper = pytest.mark.parametrize("paper", reproductions.names())
each_variant = pytest.mark.parametrize(("paper", "variant"), VARIANTS)


def chosen(examples):
    """All variants; those that `examples` of a paper leaves out are `full`."""
    return pytest.mark.parametrize(
        ("paper", "variant"),
        [
            pytest.param(paper, v, marks=[] if v in few else [pytest.mark.full])
            for paper, v in VARIANTS
            for few in [examples(EXAMPLES.get(paper, (v,)))]
        ],
    )


# Of the same parts and draws as other examples, which stay quick; 2 to 7 s each.
ALIKE = {
    "bn_inception_caffe",
    "cifar_preact_resnet110",
    "cifar_preact_resnet164",
    "cifar_resnext29_8x64d",
    "inception_resnet_v2_released",
    "inception_v2_table1",
    "resnet50_caffe",
    "wrn_50_2",
}
each_example = chosen(lambda variants: {*variants} - ALIKE)
each_first_example = chosen(lambda variants: variants[:1])


def recipe_of(paper, variant):
    return reproductions.load(paper).RECIPES[variant]


def small_image(paper, variant):
    """A smaller side for what does not depend on it."""
    smallest = reproductions.smallest_image(paper, variant)
    return min(max(smallest, 32), recipe_of(paper, variant).image_size)


def first_of_each(key):
    """A (paper, variant) with each value of `key` but None: an example, if there is one."""
    first = {}
    for paper, variant in sorted(VARIANTS, key=lambda one: one[1] not in EXAMPLES.get(one[0], ())):
        first.setdefault(key(paper, variant), (paper, variant))
    first.pop(None, None)
    return pytest.mark.parametrize(("paper", "variant"), list(first.values()))


def chain_of_training(paper, variant):
    """How training images are prepared: many share theirs."""
    recipe = recipe_of(paper, variant)
    chain = (recipe.train_transforms, recipe.normalize, recipe.train_noise)
    return (*chain, recipe.image_size, recipe.channels)


def chain_of_tests(paper, variant):
    recipe = recipe_of(paper, variant)
    chain = (recipe.test_transforms, recipe.normalize, recipe.views[-1])
    return (*chain, recipe.image_size, recipe.channels)


def limit(paper, variant):
    if recipe_of(paper, variant).data == "mnist":
        return None  # whose networks may read their own size alone
    return paper, reproductions.smallest_image(paper, variant)


def small_network(paper, variant, changes=None, classes=None):
    """The variant's network for small images, the same each time."""
    keras.utils.set_random_seed(0)
    form = dataclasses.replace(recipe_of(paper, variant).network, **changes) if changes else None
    sizes = {"image_size": small_image(paper, variant), "num_classes": classes}
    return reproductions.build_model(paper, variant, network=form, **sizes)


def logits_of(outputs):
    return outputs[0] if isinstance(outputs, list | tuple) else outputs


def normalized(model):
    return "BatchNormalization" in {type(x).__name__ for x in model.layers}


def noise(model):
    shape = (IMAGES, *model.input_shape[1:])
    draws = np.random.default_rng(0).standard_normal(shape)
    return (NOISE * draws).astype("float32")


@pytest.mark.parametrize("paper", sorted({*reproductions.names(), *reproductions.faults()}))
def test_the_folder_can_be_read(paper):
    assert reproductions.faults().get(paper) is None


@each_paper
def test_nothing_is_left_to_do(paper):
    if left := list_left(reproductions.folder(paper)):
        pytest.fail("\n".join([f"{len(left)} lines say TODO:", *left]), pytrace=False)


def test_variant_names_are_lower_case():
    names = [variant for _, variant in VARIANTS]
    assert all(name == name.lower() and name.isidentifier() for name in names)


def test_facts_are_of_all_variants_and_no_others():
    names = {variant for _, variant in VARIANTS}
    assert set(read("recipe")) == set(read("network")) == names


@each_paper
def test_a_papers_first_variant_is_what_its_name_means(paper):
    first = next(iter(reproductions.load(paper).RECIPES))
    assert reproductions.find(paper) == (paper, first)


def list_shared_draws(model):
    """Weights that begin as others do: a Keras initializer has one seed, and repeats itself."""
    drawn = [
        (value, f"{layer.name}: {name}")
        for layer in model.layers
        if layer.weights
        for name, value in vars(layer).items()
        if name.endswith("_initializer") and hasattr(value, "seed")
    ]
    own = {id(value): name for value, name in reversed(drawn)}
    return [(name, own[id(value)]) for value, name in drawn if own[id(value)] != name]


@pytest.mark.parametrize(
    ("paper", "variant"),
    [
        pytest.param(*one, marks=[pytest.mark.full] if re.search("1001|1202", one[1]) else [])
        for one in VARIANTS
    ],
)
def test_network_at_the_papers_size(paper, variant):
    recipe, expected = (recipe_of(paper, variant), read_expected(reproductions.folder(paper)))
    with without_weights():
        model = reproductions.build_model(paper, variant)
    side = recipe.image_size
    assert model.input_shape == (None, side, side, recipe.channels)
    assert model.inputs[0].dtype == "float32"
    logits = logits_of(model.outputs)
    assert logits.shape == (None, recipe.num_classes)
    assert logits.dtype == "float32"
    names = [layer.name for layer in model.layers]
    if "dropout" in names:  # in front of the classifier
        assert logits._keras_history.operation.input is model.get_layer("dropout").output
    # Keras's own masks are not those of any number of devices, nor resumed.
    assert "keras" not in {
        type(layer).__module__.split(".")[0]
        for layer in model.layers
        if type(layer).__name__ == "Dropout"
    }
    for layer in model.layers:
        if type(layer).__module__.startswith("reproductions"):
            config = layer.get_config()
            assert type(layer).from_config(config).get_config() == config
    assert not list_shared_draws(model)
    if recipe.synchronized_batch_norm:
        normalizes = any(isinstance(x, keras.layers.BatchNormalization) for x in model.layers)
        assert normalizes_whole_batches(recipe) == normalizes
    rows = layer_table(model)
    trainable = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert sum(row.params for row in rows) == trainable
    total = totals(rows)  # without auxiliary heads
    assert total.params == expected.parameters[variant]
    assert total.macs == expected.macs[variant]
    assert variant in read("network"), f"facts/{paper}.toml has no [[network]] of {variant}"
    assert constants(model) == set(read("network")[variant]["constants"])
    cells = [check_table(table, rows) for table in expected.table if table.variant == variant]
    assert {cell.verdict for table in cells for cell in table} <= {AGREES, EXPLAINED}


@each_paper
def test_networks_are_of_variants_and_variants_of_networks(paper):
    variants = list(reproductions.load(paper).RECIPES)
    model = importlib.import_module(f"reproductions.{paper}.model")
    assert set(getattr(model, "SMALLEST_IMAGE", {})) <= set(variants)
    assert set(getattr(model, "FORMS", {})) <= set(variants)
    forms = {variant for variant in variants if recipe_of(paper, variant).network}
    assert not forms or forms == set(model.FORMS)  # what is built is what --set is told of


def test_every_ratio_agrees_or_is_explained():
    """From the counts of expected.toml, which are the networks': above."""
    expected = [read_expected(reproductions.folder(paper)) for paper in reproductions.names()]
    counts = {
        "params": {v: n for one in expected for v, n in one.parameters.items()},
        "macs": {v: n for one in expected for v, n in one.macs.items()},
    }
    for ratio in (ratio for one in expected for ratio in one.ratio):
        if ratio.quantity in counts:
            of, to = (counts[ratio.quantity][v] for v in (ratio.of, ratio.to))
            assert agrees(ratio.paper, Fraction(of, to)) != bool(ratio.explanation), ratio.text


@pytest.mark.full
@each_paper
def test_every_structural_number_agrees_or_is_explained(paper):
    def build(variant):
        return reproductions.build_model(reproductions.find(variant)[0], variant)

    cells = audit_paper(reproductions.folder(paper), build)
    assert {cell.verdict for cell in cells} <= {AGREES, EXPLAINED}


@pytest.mark.parametrize(
    ("variant", "setting", "same"),
    [
        ("alexnet", "dropout=0", "alexnet_no_dropout"),
        ("alexnet", "lrn=false", "alexnet_no_lrn"),
        ("alexnet", "overlapping=false", "alexnet_non_overlapping"),
        ("alexnet", "towers=1", "alexnet_1tower"),
        ("alexnet", "after_conv1=relu,pool,norm", None),
        ("vgg11", "lrn=true", "vgg11_lrn"),
        ("vgg11", "dropout=0", None),
        ("zfnet", "dropout=0", None),
        ("googlenet", "separable=true", "googlenet_separable"),
        ("googlenet", "lrn=false", None),
        ("googlenet", "dropout=0", None),
        ("googlenet", "auxiliary=false", None),
        ("bn_baseline", "batch_norm=false", "inception_no_bn"),
        ("resnet18", "shortcuts=", "plain18"),
        ("resnet18", "shortcuts=A", "resnet18_a"),
        ("preact_resnet50", "units=2,2,2,2", None),
        ("resnext50_32x4d", "cardinality=1", None),
        ("cifar_wrn_16_4", "dropout=0.3", "cifar_wrn_16_4_dropout"),
        ("ir_3_6_3", "scales=0.1,0.3", None),
    ],
)
def test_what_tells_variants_apart_can_be_set(variant, setting, same):
    def layers(variant, network=None):
        paper, _ = reproductions.find(variant)
        with without_weights():
            model = reproductions.build_model(paper, variant, network=network)
        configs = [layer.get_config() for layer in model.layers]
        return [
            {k: v for k, v in config.items() if not isinstance(v, dict) and k != "seed"}
            for config in configs
        ]

    paper, _ = reproductions.find(variant)
    changed = apply(recipe_of(paper, variant), [setting])
    assert len(changed.overrides) == 1
    found = layers(variant, changed.network)
    assert found == layers(same) if same else found != layers(variant)


def test_parts_that_make_no_network_are_refused():
    changed = apply(recipe_of("alexnet", "alexnet"), ["towers=3"])  # of 256 maps
    with pytest.raises(UsageError, match="alexnet cannot be built of such parts"):
        reproductions.build_model("alexnet", "alexnet", network=changed.network)


@first_of_each(limit)
def test_the_smallest_image_is_the_smallest(paper, variant):
    smallest = reproductions.smallest_image(paper, variant)
    build = importlib.import_module(f"reproductions.{paper}.model").build_model
    with without_weights():
        for size in (smallest, smallest + 32):
            model = reproductions.build_model(paper, variant, image_size=size)
            assert all(0 not in layer.output.shape for layer in model.layers)
        if smallest == 1:
            return
        try:
            smaller = build(variant, smallest - 1, 10)
        except ValueError:  # Keras's: a map of a negative side
            smaller = None
        assert not smaller or any(0 in layer.output.shape for layer in smaller.layers)
    wanted = f"{variant} needs images of at least {smallest}x{smallest} pixels: from "
    with pytest.raises(UsageError, match=wanted + f"{smallest - 1}x{smallest - 1}"):
        reproductions.build_model(paper, variant, image_size=smallest - 1)


@each_example
def test_a_new_network_knows_nothing(paper, variant):
    recipe = recipe_of(paper, variant)
    model = small_network(paper, variant)
    # Batch norm has no statistics yet: it takes the batch's, as in training.
    logits = logits_of(model(noise(model), training=normalized(model))).numpy()
    gc.collect()  # AlexNet: 240 MB
    assert np.isfinite(logits).all()
    if not isinstance(recipe.loss, SoftmaxCrossEntropy | WithAuxiliary):
        return  # ln(classes) is what guessing costs under that loss only
    labels = np.arange(IMAGES) % recipe.num_classes
    probs = keras.ops.log_softmax(logits).numpy()
    loss = -probs[np.arange(IMAGES), labels].mean()
    # A sum of residuals grows with its depth, and He's classifier shows it.
    limit = 4 if normalized(model) else 2
    assert 0.5 < loss / math.log(recipe.num_classes) < limit


@pytest.fixture(scope="module", params=SAVED)
def example(request):
    """(variant, a new network for other classes than the paper's), with weights."""
    paper, variant = reproductions.find(request.param)
    # LeNet-5's classes are its ten glyphs.
    classes = 10 if recipe_of(paper, variant).data == "mnist" else 7
    return variant, small_network(paper, variant, SAVED[variant], classes)


def test_a_network_for_other_classes_saves_and_loads(example, tmp_path):
    _, model = example
    images = noise(model)[:2]
    before = logits_of(model(images, training=False)).numpy()
    assert before.shape == (2, model.outputs[0].shape[-1])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    after = logits_of(loaded(images, training=False)).numpy()
    np.testing.assert_array_equal(before, after)


def test_every_layer_of_our_own_is_in_a_network_that_is_saved():
    with without_weights():
        kinds = {
            type(layer)
            for variant, changes in SAVED.items()
            for layer in small_network(*reproductions.find(variant), changes).layers
        }
    for paper in reproductions.names():
        importlib.import_module(f"reproductions.{paper}.model")
    registered = keras.saving.get_custom_objects().values()
    suite = ("common", "reproductions")  # Keras Tuner registers its own, too
    ours = {kind for kind in registered if kind.__module__.split(".")[0] in suite}
    assert {kind for kind in ours if hasattr(kind, "compute_dtype")} == kinds & ours


@each_first_example
def test_without_classes_a_network_gives_what_its_classifier_sees(paper, variant):
    size = small_image(paper, variant)
    with without_weights():
        whole = reproductions.build_model(paper, variant, image_size=size)
        body = reproductions.build_model(paper, variant, image_size=size, num_classes=0)
    rows = layer_table(whole)
    classifier = [row.name for row in rows if row.main and row.macs][-1]
    assert body.output_shape == whole.get_layer(classifier).input.shape
    assert len(body.output_shape) == 2
    left = {layer.name for layer in body.layers}
    assert not left & {classifier, *(row.name for row in rows if not row.main)}


@each_first_example
def test_logits_are_float32_under_bfloat16(paper, variant):
    computes = variant in SAVED
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with contextlib.nullcontext() if computes else without_weights():
            model = small_network(paper, variant)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {output.dtype for output in model.outputs} == {"float32"}
    with_kernel = (keras.layers.Conv2D, keras.layers.Dense)
    kernels = [layer for layer in model.layers if isinstance(layer, with_kernel)]
    if len(kernels) > 1:  # a linear classifier has no other layer
        assert kernels[0].compute_dtype == "bfloat16"
    assert not computes or np.isfinite(logits_of(model(noise(model)[:2]))).all()


@each_variant
def test_a_recipe_is_the_papers_field_by_field(paper, variant):
    recipe = recipe_of(paper, variant)
    found = {field.name: spell_field(getattr(recipe, field.name)) for field in FIELDS}
    assert found == recipe_facts(variant)
    described = describe(recipe)
    assert json.loads(json.dumps(described)) == described
    assert not recipe.overrides


@each_variant
def test_a_recipes_fields_go_together(paper, variant):
    recipe = recipe_of(paper, variant)
    # Data sets by their own names, and no folder of one machine.
    assert {recipe.data, *recipe.also_on} <= set(catalog.names())
    assert recipe.monitor in recipe.views
    if recipe.updates is not None:  # they end within the last pass
        # A tenth of CIFAR-10 may be held out, as in the papers.
        images = {"imagenet2012": 1_281_167, "cifar10": 45_000, "mnist": 60_000}[recipe.data]
        steps = images // recipe.global_batch_size
        assert (recipe.epochs - 1) * steps < recipe.updates <= recipe.epochs * steps
    transforms = (*recipe.train_transforms, *recipe.train_noise)
    for transform in (*transforms, *recipe.test_transforms, recipe.normalize):
        assert type(transform.scaled(1.0)) is type(transform)
        assert transform.scaled(1.0) == transform
    for deviation in recipe.deviations:
        for name in ("field", "paper", "here", "reason"):
            assert getattr(deviation, name).strip(), f"{name} of {deviation}"


@each_paper
def test_no_deviation_repeats_what_is_said_of_the_whole_suite(paper):
    suite = {row["field"]: row for row in deviations(reproductions.folder(paper).parent)}
    for row in deviations(reproductions.folder(paper)):
        said = suite.get(row["field"], {})
        assert [key for key in said if key != "field" and row.get(key) == said[key]] == []


def test_what_is_said_of_the_whole_suite_holds_for_several_papers():
    folders = [reproductions.folder(paper) for paper in reproductions.names()]
    fields = [{row["field"] for row in deviations(folder)} for folder in folders]
    for row in deviations(folders[0].parent):
        assert sum(row["field"] in found for found in fields) > 1, row["field"]


def deviations(folder):
    """The rows of a deviations.toml, as they stand there."""
    return load_toml(folder / "deviations.toml")["deviation"]


@first_of_each(chain_of_training)
def test_training_transforms_give_the_networks_input(paper, variant):
    recipe, source, statistics = of_the_sample(paper, variant)
    batches = pipeline.train_batches(source, recipe, statistics, seed=0, epoch=0)
    images = next(iter(batches))[0].numpy()
    assert images.shape == (2, recipe.image_size, recipe.image_size, recipe.channels)
    assert np.isfinite(images).all()


@first_of_each(chain_of_tests)
def test_test_transforms_give_the_networks_input(paper, variant):
    recipe, source, statistics = of_the_sample(paper, variant)
    view = FrameView(name=recipe.views[-1], size=recipe.image_size)
    split = source.dataset.test_split
    images = next(iter(batches_of(source, split, recipe, statistics, view, batch_size=2)))[0][0]
    # (batch, views, ...)
    assert images.shape[2:] == (recipe.image_size, recipe.image_size, recipe.channels)
    assert np.isfinite(images.numpy()).all()


def of_the_sample(paper, variant):
    """The recipe for batches of two images of the sample, these, and a mean of zero."""
    recipe = dataclasses.replace(recipe_of(paper, variant), data="sample", num_classes=10)
    recipe = dataclasses.replace(recipe, global_batch_size=2)
    source, channels = sample(recipe.channels), recipe.channels
    statistics = Statistics(
        mean_image=np.zeros(frame_shape(recipe), "float32"),
        pixel_mean=np.zeros(channels, "float32"),
        pixel_std=np.ones(channels, "float32"),
        covariance=np.eye(channels, dtype="float32"),
    )
    return recipe, source, statistics


@functools.cache
def sample(channels):
    return catalog.open_source(catalog.find("sample", channels))


def frame_shape(recipe):
    """Of the sample's first test image, as a mean image has it."""
    source = sample(recipe.channels)
    record = next(iter(source.records(source.dataset.test_split)))
    return pipeline.frame(source, record, recipe)["image"].shape


@each_paper
def test_every_claim_has_a_source_and_an_error(paper):
    for result in read_expected(reproductions.folder(paper)).result:
        assert result.source.strip()
        errors = [result.top1_error, result.top5_error]
        assert any(error is not None for error in errors)
        assert all(0 <= error <= 100 for error in errors if error is not None)


@each_paper
def test_every_variant_has_its_counts(paper):
    expected = read_expected(reproductions.folder(paper))
    variants = set(reproductions.load(paper).RECIPES)
    assert set(expected.parameters) == set(expected.macs) == variants


@each_paper
def test_structural_numbers_are_of_networks_that_exist(paper):
    expected = read_expected(reproductions.folder(paper))
    variants = set(reproductions.load(paper).RECIPES)
    assert {table.variant for table in expected.table} <= variants
    for ratio in expected.ratio:
        for name in (ratio.of, ratio.to):  # of any paper
            assert reproductions.find(name)[1] == name


@each_paper
def test_the_readme_has_its_headings_in_order(paper):
    text = (reproductions.folder(paper) / "README.md").read_text()
    found = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert [heading for heading in found if heading in HEADINGS] == [*HEADINGS]


@each_paper
def test_the_readme_names_code_that_is_there(paper):
    """In its table of the architecture, as model.py or networks.py have or import it."""
    folder = reproductions.folder(paper)
    files = [one for one in ("model", "networks") if (folder / f"{one}.py").exists()]
    modules = [importlib.import_module(f"reproductions.{paper}.{one}") for one in files]
    for table in (folder / "README.md").read_text().split("\n\n"):
        if "in the code |" in table.partition("\n")[0]:
            for name in re.findall(r"`([\w.]+)`", table):
                assert any(has(one, name) for one in modules), f"README.md: {name}"


def has(module, name):
    try:
        return bool(operator.attrgetter(name)(module))
    except AttributeError:
        return False


@each_paper
def test_claims_name_tests_that_are_there(paper):
    text = (reproductions.folder(paper) / "expected.toml").read_text()
    named = set(re.findall(r"tests/[\w/]+\.\w+", text))
    assert {one for one in named if not (reproductions.REPOSITORY / one).is_file()} == set()


@each_paper
def test_the_readmes_deviations_are_the_recipes(paper):
    readme = reproductions.folder(paper) / "README.md"
    again = with_deviations(readme, reproductions.load(paper).RECIPES)
    assert readme.read_text() == again, "run python -m launch report"
