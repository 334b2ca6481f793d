"""`python -m launch describe`: a paper's table and figure, from the graph."""

import functools
import re
from xml.etree import ElementTree

import keras
import pytest

import reproductions
from common.models.graph import Parallel, boxes_of, folded, network
from common.models.layer_table import layer_table, totals, without_weights
from launch.drawing import block_table
from launch.drawing.describe_svg import draw
from launch.session import recipe_table
from launch.settings.overrides import apply
from tests.launch.flags import launch

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = (
    *("lenet5", "alexnet", "vgg16", "googlenet", "resnet50", "polynet"),
    *("cifar_resnet20", "inception_v4", "resnext50_32x4d"),
)
EVERY = [
    pytest.param(variant, marks=() if variant in DRAWN else pytest.mark.full)
    for paper in reproductions.names()
    for variant in reproductions.load(paper).RECIPES
]


@functools.cache
def described(variant):
    """(its blocks, its layers)."""
    with without_weights():
        paper, _ = reproductions.find(variant)
        model = reproductions.build_model(paper, variant)
        return network(model), layer_table(model)


def block(variant, name):
    [found] = [b for b in described(variant)[0].blocks if b.name == name]
    return found


def lines(variant):
    """block -> its lines in the table."""
    found, name = {}, None
    for row in block_table.rows_of(described(variant)[0]):
        name = row[0] or name
        found.setdefault(name, []).append(row[-1])
    return found


@pytest.mark.parametrize("variant", EVERY)
def test_every_layer_is_in_one_block(variant):
    found, rows = described(variant)
    for quantity in ("params", "macs"):
        main = sum(getattr(b.rows, quantity) for b in found.blocks)
        assert main == getattr(totals(rows), quantity)
        aside = sum(getattr(h.rows, quantity) for h in found.heads)
        assert main + aside == sum(getattr(row, quantity) for row in rows)
    assert len({b.name for b in found.blocks}) == len(found.blocks)


@pytest.mark.parametrize(
    ("variant", "name", "output", "said"),
    [
        (  # Table 1 of GoogLeNet, row 3a: 64, 96 128, 16 32, 32
            "googlenet",
            "inception_3a",
            (28, 28, 256),
            [
                "1×1 conv, 64",
                "1×1 conv, 96 > 3×3 conv, 128",
                "1×1 conv, 16 > 5×5 conv, 32",
                "3×3 max pool > 1×1 conv, 32   (concat)",
            ],
        ),
        ("alexnet", "conv2", (27, 27, 256), ["2 towers, each 5×5 conv, 128"]),
        ("alexnet", "conv3", (13, 13, 384), ["2 towers, each 3×3 conv, 192, of all maps"]),
        ("alexnet", "pool5", (6, 6, 256), ["2 towers, each 3×3 max pool, /2"]),
    ],
)
def test_a_block_has_the_papers_paths_and_towers(variant, name, output, said):
    assert lines(variant)[name] == said
    assert block(variant, name).rows.output == output


def test_auxiliary_classifiers_begin_at_4a_and_4d():
    """Sec. 5: "on top of the output of the Inception (4a) and (4d)"."""
    found, _ = described("googlenet")
    starts = [found.blocks[head.after].name for head in found.heads]
    assert starts == ["inception_4a", "inception_4d"]
    assert [head.name for head in found.heads] == ["aux1", "aux2"]


def test_repeated_blocks_are_folded():
    """Table 1 of ResNet: 3, 4, 6 and 3 blocks; the first of each projects."""
    found, _ = described("resnet50")
    times = [(found.blocks[first].name, n) for first, _, n in folded(found.blocks)]
    assert times[2:-2] == [
        *(("conv2_1", 1), ("conv2_2", 2), ("conv3_1", 1), ("conv3_2", 3)),
        *(("conv4_1", 1), ("conv4_2", 5), ("conv5_1", 1), ("conv5_2", 2)),
    ]


def test_blocks_that_take_turns_are_folded():
    """Sec. 4.3 of PolyNet: poly-3 and 2-way modules, 10-20-10 in all."""
    found, _ = described("polynet")
    stages = [
        (found.blocks[first].name, period, times)
        for first, period, times in folded(found.blocks)
        if found.blocks[first].name.startswith("stage")
    ]
    assert stages == [("stage_a_1", 1, 10), ("stage_b_1", 2, 10), ("stage_c_1", 2, 5)]
    uses = [box.again for box in boxes_of(block("polynet", "stage_b_1").chain)]
    assert sum(uses) == 8  # four convolutions, in the second and third use


def test_a_shortcut_is_a_path_with_nothing_in_it():
    parallel, join = block("resnet50", "conv2_2").chain
    assert isinstance(parallel, Parallel) and parallel.identity
    assert len(parallel.paths) == 1 and join.kind == "sum"
    parallel, _ = block("resnet50", "conv2_1").chain
    assert not parallel.identity and len(parallel.paths) == 2


def test_alexnets_towers_meet_in_the_norms_conv3_and_the_dense_layers():
    """Fig. 2; the norms, as the formula says, sum over all maps."""
    found, _ = described("alexnet")
    towers = {b.name: b.chain[0].towers for b in found.blocks}
    whole = {name for name, number in towers.items() if number == 1}
    assert whole == {"norm1", "norm2", "fc6", "fc7", "fc8"}
    assert towers["conv3"] == 2
    assert block("alexnet", "conv3").chain[0].groups == 1  # sees both


@pytest.mark.parametrize("variant", ["resnet50", "polynet"])
def test_blocks_of_a_row_have_the_numbers_that_it_says(variant):
    found, _ = described(variant)
    blocks, rows = found.blocks, iter(block_table.rows_of(found))
    for first, period, times in folded(blocks):
        cell = next(row[2] for row in rows if row[0].split(" ")[0] == blocks[first].name)
        for start in range(first, first + times * period, period):
            params = sum(block.rows.params for block in blocks[start : start + period])
            assert cell == (f"{times} x {params:,}" if times > 1 and params else f"{params:,}")


def test_blocks_that_look_alike_and_cost_otherwise_are_not_folded():
    found, _ = described("alexnet_1tower")
    names = {found.blocks[first].name for first, _, _ in folded(found.blocks)}
    assert {"conv3", "conv4", "fc6", "fc7"} <= names


def test_a_recipe_is_told_with_the_papers_sections(capsys, monkeypatch):
    monkeypatch.setattr(recipe_table, "WIDTH", None)
    assert launch("describe", "alexnet", recipe=True, set=["epochs=3", "dropout=0"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "momentum=0.9, nesterov=False) learning_rate: Sec. 5; momentum: Sec. 5",
        "learning rate 0.01 divisor: Sec. 5",
        "divided by 10, 3 times at most, each time val_top1_error has not fallen by 0.1 for 6",
        "epochs 3 set here; paper: epochs 90",
        "network.dropout 0.0 set here; paper: network.dropout 0.5",
        "network.towers 2 Sec. 3.2",
        "response norm norm1, norm2: n=5, k=2.0, alpha=0.0001, beta=0.75, groups=1 Sec. 3.3",
        "network.lrn_k 2.0 Sec. 3.3",
        "conv2, conv4, conv5, fc6, fc7: kernel RandomNormal(mean=0.0, stddev=0.01), bias Constant",
        "Where the two differ",
        "divided by 10 by hand when the validation error stopped improving",
    ):
        assert words in said, words


def test_what_another_field_changes_is_not_what_the_paper_says(capsys, monkeypatch):
    monkeypatch.setattr(recipe_table, "WIDTH", None)
    changed = ["optimizer.learning_rate=0.02", "image_size=112"]
    launch("describe", "alexnet", recipe=True, set=changed)
    said = " ".join(capsys.readouterr().out.split())
    assert "learning rate 0.02 set here; paper: optimizer.learning_rate 0.01" in said
    for name in ("augmentation", "test images"):
        assert f"{name} ResizeShorterSide(size=128) set here; paper: image_size 224" in said


def test_recipes_fit_a_terminal_of_100_columns_and_lose_no_word(capsys, monkeypatch):
    said = []
    for width in (100, None):
        monkeypatch.setattr(recipe_table, "WIDTH", width)
        launch("describe", "alexnet", recipe=True)
        said.append(capsys.readouterr().out)
    assert max(map(len, said[0].splitlines())) == 100
    assert sorted(said[0].split()) == sorted(said[1].split())


def test_every_response_norm_has_its_constants_and_every_part_of_a_form_is_explained():
    for paper in reproductions.names():
        for variant, recipe in reproductions.load(paper).RECIPES.items():
            if variant not in (*DRAWN, "alexnet_as_run", "zfnet", "vgg11_lrn", "bn_baseline"):
                continue
            with without_weights():
                model = reproductions.build_model(paper, variant)
            rows = recipe_table.list_rows(paper, variant, recipe, model)
            said = " ".join(here for _, here, _ in rows)
            for layer in model.layers:
                if type(layer).__name__ == "LocalResponseNormalization":
                    constants = f"n={layer.n}, k={layer.k}, alpha={layer.alpha}, beta={layer.beta}"
                    assert layer.name in said and constants in said
            assert all(where for what, _, where in rows if what.startswith("network.")), variant
            if variant == "lenet5":  # 2.4 / sqrt(120) = 0.21908902...
                assert "F6: kernel RandomUniform(minval=-0.2191, maxval=0.2191)" in said


def test_deviations_are_those_of_the_training_that_was_asked_for():
    recipe = reproductions.load("resnet_cifar").RECIPES["cifar_resnet20"]
    told = [one.field for one in recipe_table.list_deviations(recipe)]
    assert told == [one.field for one in recipe.deviations]
    for setting, gone in (
        ("global_batch_size=64", ["global_batch_size: last batch of an epoch"]),
        ("weight_decay.rate=0.1", []),
        ("train_transforms=()", ["train_transforms: the padding's value"]),
    ):
        left = [one.field for one in recipe_table.list_deviations(apply(recipe, [setting]))]
        assert left == [field for field in told if field not in gone], setting
    resized = "train_transforms, test_transforms: ResizeShorterSide"
    for variant, setting, field, stays in (
        ("alexnet", "schedule.patience=2", "schedule", False),
        ("preact_resnet200_fair", "learning_rate=0.123", "optimizer: rate and velocity", True),
        ("polynet", "optimizer.decay=0.5", "optimizer: decay and epsilon", False),
        ("cifar_wrn_28_10", "optimizer.momentum=0.5", "optimizer: velocity at a drop", True),
        ("mnist_linear", "epochs=3", "epochs, schedule, before_epoch", False),
        ("vgg16", "views=single", "views, test_transforms", False),
        ("vgg16", "epochs=3", "views, test_transforms", True),
        ("lenet1", "test_transforms=()", resized, False),
    ):
        recipe = reproductions.load(reproductions.find(variant)[0]).RECIPES[variant]
        assert field in [one.field for one in recipe_table.list_deviations(recipe)]
        left = [one.field for one in recipe_table.list_deviations(apply(recipe, [setting]))]
        assert (field in left) == stays, (variant, setting)
    for paper in reproductions.names():  # --set and --from change it
        for each in reproductions.load(paper).RECIPES.values():
            for one in each.deviations:
                if one.field == "synchronized_batch_norm":
                    assert str(each.global_batch_size) not in one.here.split(), one


def test_rates_over_time_are_a_line_for_each():
    recipe = reproductions.load("resnet_cifar").RECIPES["cifar_resnet110"]
    assert list(recipe_table.say_rates(recipe)) == [
        "0.01 until top1_error has been below 80",
        "then, counted from the start, 0.1",
        "then, counted from the start, 0.01 after 32,000 updates",
        "then, counted from the start, 0.001 after 48,000 updates",
    ]
    groups = reproductions.load("alexnet").RECIPES["caffenet"]
    assert list(recipe_table.say_rates(groups))[:2] == [
        "bias: 0.02",
        "bias: 0.002 after 20 epochs",
    ]


def test_rates_that_a_training_ends_before_are_told_so():
    recipe = reproductions.load("resnet_cifar").RECIPES["akamaster_resnet20"]
    short = apply(recipe, ["epochs=120"])
    assert list(recipe_table.say_rates(short)) == [
        "0.1",
        "0.01 after 100 epochs",
        "0.001 after 150 epochs (not reached)",
    ]
    cut = list(recipe_table.say_rates(apply(recipe, ["updates=42901"]), epochs=42_901 / 390))
    assert cut[1:] == ["0.01 after 100 epochs", "0.001 after 150 epochs (not reached)"]
    recipe = reproductions.load("resnet_cifar").RECIPES["cifar_resnet20"]
    assert not any("not reached" in line for line in recipe_table.say_rates(recipe))
    told = list(recipe_table.say_rates(recipe, updates=40_000))
    assert told[1:] == ["0.01 after 32,000 updates", "0.001 after 48,000 updates (not reached)"]


def test_paths_that_cross_are_one():
    image = keras.Input((8, 8, 4))
    conv = functools.partial(keras.layers.Conv2D, 4, 1)
    a, b = conv(name="a")(image), conv(name="b")(image)
    c = keras.layers.Add(name="c")([a, b])
    d = keras.layers.Concatenate(name="d")([c, b])
    found = network(keras.Model(image, conv(name="e")(d)))
    parallel, join = found.blocks[0].chain
    assert parallel.crossing and join.name == "d"
    assert {box.name for box in parallel.paths[0]} == {"a", "b", "c"}
    ElementTree.fromstring(draw("crossing", found))
    said = block_table.rows_of(found)[0][-1]  # not one behind the other
    assert said == "crossing paths of 1×1 conv, 4; 1×1 conv, 4; +   (concat)"


def test_a_product_is_no_sum():
    image = keras.Input((8, 8, 4))
    gate = keras.layers.Conv2D(4, 1, name="gate")(image)
    product = keras.layers.Multiply(name="product")([image, gate])
    found = network(keras.Model(image, keras.layers.Conv2D(4, 1, name="end")(product)))
    assert [row[-1] for row in block_table.rows_of(found)[:2]] == ["1×1 conv, 4", "identity   (×)"]
    assert ">×</text>" in draw("product", found)


def rectangles(element, x=0.0, y=0.0):
    """(left, top, right, bottom) of the boxes, wherever their groups are."""
    move = re.match(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
    if move:
        x, y = x + float(move[1]), y + float(move[2])
    if "box" in element.get("class", "") and element.tag == f"{SVG}rect":
        left, top = x + float(element.get("x")), y + float(element.get("y"))
        width, height = (float(element.get(k)) for k in ("width", "height"))
        yield left, top, left + width, top + height
    for inner in element:
        yield from rectangles(inner, x, y)


@pytest.mark.parametrize("variant", EVERY)
def test_no_box_of_a_picture_covers_another(variant):
    found, _ = described(variant)
    picture = draw(variant, found)
    assert picture == draw(variant, found)
    root = ElementTree.fromstring(picture)
    _, _, width, height = map(float, root.get("viewBox").split())
    boxes = list(rectangles(root))
    assert len(boxes) >= len(folded(found.blocks))
    for k, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        for other in boxes[k + 1 :]:
            piled = abs(other[0] - left) == 4 == abs(other[1] - top)
            apart = other[0] >= right or other[2] <= left or other[1] >= bottom or other[3] <= top
            assert apart or piled


def test_a_picture_has_its_own_ground_and_says_what_it_shows():
    picture = draw("googlenet", described("googlenet")[0])
    root = ElementTree.fromstring(picture)
    ground = root.find(f"{SVG}rect")
    assert (ground.get("width"), ground.get("fill")) == ("100%", "#fff")
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"googlenet", "inception_4d", "image 224×224×3"} <= words
    assert "5×5 conv, 32" in words and "14×14×528" in words


def test_the_command_writes_a_new_picture(tmp_path, capsys):
    file = tmp_path / "lenet5.svg"
    assert launch("describe", "lenet5", svg=file) == 0
    said = capsys.readouterr().out
    assert "5×5 sparse conv, 16" in said and "60,000" in said
    ElementTree.parse(file)
    assert [path.name for path in tmp_path.iterdir()] == ["lenet5.svg"]
