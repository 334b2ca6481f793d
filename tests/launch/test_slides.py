"""Every line of the slides: in which cell, ratio or statement it is checked.

The slides' text was read from pictures: what that left behind is NOISE, named
here and no statement of anybody. Tables are compared row by row with the cells
of the same table, the other lines with the statements of expected.toml and
leaderboard.toml; TITLES state nothing.
"""

import itertools
import re

import pytest

from launch.report import leaderboard
from launch.report.papers import Paper
from launch.report.results_slides import on_slides

# Read from pictures where there is no text, and where.
NOISE = {
    "\t5 .— 5": "the end of AlexNet's figure",
    "\t\t\t8\n": "below the last row of AlexNet's parameters",
    "- 11\tConvNet C\tonfiguration": "a heading over VGG's configurations",
    "\t20 20\t": "beside VGG's third max pool",
    "\t\t\tF\t- I\n": "over the columns of VGG's heavy compute",
    "400\ti\t": "VGG's input row, of which '24 RGB imag' is half of 224x224",
}
# The same in cells of GoogLeNet's table: row and what stands in it.
GOOGLENET_NOISE = {
    ("convolution (1)", "9"),
    *(("max pool (4)", "2"), ("max pool (4)", ">")),
    *(("dropout (40%)", one) for one in ("x", "2", "š.", "0.")),
    ("linear", "2"),
    ("softmax", "0."),
}
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# The first and last line of each table.
TABLES = (
    ("Kernel size [", "of Kernels ["),
    ("CONV1\t", "→\t884K"),
    ("11 weight layers", "\t\t\t1000"),
    ("conv3-64\t[", "\t\t15,087,080"),
    ("type\tpatch size", "softmax\t"),
    ("layer name\t", "FL\tOPs"),
    ("Trimps-Soushen\t", "DGIST-KAIST\tWeighted sum #2"),
)
# Headings, names of systems and columns, and the picture's caption.
TITLES = """
AGENDA | Imagenet Challenge | Alexnet | GoogLeNet | ResNet | Inception
Residual Network (Resnet) | PolyNet | Images: | Driven by Stanford Vision Lab
Prof. Fei-Fei Li | Deep Learning Revolution | LeNet-5 | Once upon a time,
[LeCun et al., 1998] | Parameter Size | VGGNet | Heavy Compute | memory | params
Table 2: Number of parameters (in millions). | Inception Module
GoogLeNet In depth view | Compared to AlexNet: | ResNet Running time
ResNet Technique | ResNet: Residual net / bottleneck | bottleneck
ResNet: Depth View | ILSVRC2016
"""
HEADINGS = {one.strip() for one in re.split(r"[|\n]", TITLES)} - {""}
HEADINGS |= {  # of tables' columns
    "A\tA-LRN\tВ\tC\tD\tЕ",
    "Team name\tEntry description\tClassification",
    "error\terror",
}
IMAGES = "1,000 object classes; 1,281,167 train images"
TEST_IMAGES = "140G of train images; 100k test images"
FIGURE = "CNN with 2 GPUs, towers of 48 and 128 maps, dense layers of 2048 units each"
WEIGHTS = "138M parameters (not counting biases)"
BOTTLENECK = "a bottleneck is three convolutions for ResNet-50/101/152; "
BOTTLENECK += "1x1 works in the direction of the channels only"
FIVE_MILLION = "Only 5 million params! params 5M"
DEEPER = "at runtime faster than a VGGNet, even though it has 8x more layers"
OF_VGG = {"A": 133, "B": 133, "C": 134, "D": 138, "E": 144}  # millions of parameters
# Beginnings of the other lines with a number, and what accounts for them.
STATEMENTS = {
    "1,000 object": ("alexnet", IMAGES),
    "1,281,167 train": ("alexnet", IMAGES, TEST_IMAGES),
    "100k test": ("alexnet", TEST_IMAGES),
    "Conv filters were 5x5": (
        *("lenet5", "CONV filters 5x5x1", "CONV stride 1"),
        "CONV-POOL-CONV-POOL-CONV-FC with subsampling 2x2 at stride 2",
    ),
    "Convolution Neural Network with 2": ("alexnet", FIGURE),
    "Stride of 4": ("alexnet", "CONV1 stride 4", FIGURE),
    "Only 3x3 CONV": ("vgg", "Only 3x3 CONV stride 1, pad 1 and 2x2 MAX POOL stride 2"),
    "Number of parameters": (
        "vgg",
        *(f"number of parameters {name} {millions}M" for name, millions in OF_VGG.items()),
    ),
    "Network\tA,A-LRN": ("vgg", "number of parameters A 133M"),  # the head of the row above
    "15M * 4 byte": ("vgg", "15M * 4 byte ~= 60M / image (inference)", WEIGHTS),
    "(Not counting biases)": ("vgg", WEIGHTS),
    "best model": ("vgg", "best model"),
    "soft-\t-max": ("vgg", "soft-max"),
    "flops": ("vgg", "flops"),
    "Only 5 million": ("googlenet", FIVE_MILLION, "Removes FC layers completely"),
    "12X less params": ("googlenet", "12x fewer parameters than the winner of two years ago"),
    "2x more compute": ("googlenet", "2x more compute"),
    "6.67% (vs. 16.4%)": ("googlenet", "6.67% (vs. 16.4%)"),
    "152 layers": ("resnet", "152 layers"),
    "2-3 weeks": ("resnet", "2-3 weeks of training on 8 GPU machine"),
    "at runtime": ("resnet", DEEPER, "152 layers are 8 times as deep as VGG nets"),
    "1x1 Convolution?": ("resnet", BOTTLENECK),
    "(for ResNet-50": ("resnet", BOTTLENECK),
    "Convolution for channel direction only": ("resnet", BOTTLENECK),
    "CIFAR10 Experiments": ("resnet_cifar", "CIFAR10 Experiments"),
    "16% better": ("ilsvrc2016", "16% better performance"),
}


@pytest.fixture
def lines(shared_data):
    file = shared_data.parent / "slides.txt"
    if not file.exists():
        pytest.skip(f"no {file}")
    text = file.read_text()
    for wrong in NOISE:
        assert wrong in text
        text = text.replace(wrong, "\n" if wrong.endswith("\n") else "\t")
    return text.replace("×", "x").splitlines()


def block(lines, first, last):
    """The lines of the table that begins and ends so."""
    (start, *_) = [i for i, one in enumerate(lines) if one.startswith(first)]
    length = [one.startswith(last) for one in lines[start:]].index(True)
    return [one.split("\t") for one in lines[start : start + length + 1]]


def table(paper, title):
    """{(row, column): as printed} of a table that is on the slides."""
    about = Paper(paper).expected
    (found,) = [t for t in about.table if t.title == title and on_slides(t)]
    return {(c.row, c.column): re.sub(r"(?<=[KM])i$", "", c.paper) for c in found.cell}


def said(paper):
    """Every statement of the slides that this paper accounts for."""
    if paper == "ilsvrc2016":
        return {one["text"] for one in leaderboard.read()["claim"]}
    about = Paper(paper).expected
    stated = [one.text for one in (*about.claim, *about.ratio) if on_slides(one)]
    cells = [c for t in about.table if on_slides(t) for c in t.cell]
    return {*stated, *(f"{c.row} {c.column} {c.paper}" for c in cells)}


def numbered(names):
    """max pool (1), max pool (2) ... of names that come more than once."""
    seen = {name: itertools.count(1) for name in names}
    return [f"{name} ({next(seen[name])})" if names.count(name) > 1 else name for name in names]


def test_every_line_is_accounted_for(lines):
    tables = {"\t".join(row) for ends in TABLES for row in block(lines, *ends)}
    for line in lines:
        plain = line.lstrip(" -►▶\t").strip()
        if line in tables or plain in HEADINGS or not plain:
            continue
        (key,) = [key for key in STATEMENTS if plain.startswith(key)] or [line]
        paper, *texts = STATEMENTS[key]
        assert set(texts) <= said(paper)
        known = NUMBER.findall(" ".join(texts).replace("x", " "))
        assert set(NUMBER.findall(plain.replace("x", " "))) <= set(known), line


def test_the_leaderboards_numbers(lines):
    rows = {(one["team"], one["entry"]): one for one in leaderboard.read()["entry"]}
    found = block(lines, *TABLES[-1])
    assert len(found) == len(rows)
    for team, entry, classification, localisation in found:
        entry = re.sub("</?mark>", "", entry)
        one = rows[team, entry]
        shown = float(classification) if classification else None
        if shown is not None:  # blank in one row
            assert one["classification"] == shown
        assert one["localisation"] == float(localisation)


def test_alexnets_kernels(lines):
    sizes, numbers = block(lines, *TABLES[0])[0], block(lines, *TABLES[0])[-1]
    found = {}
    for column, cells in (("kernel size", sizes), ("number of kernels", numbers)):
        values = re.findall(r"\[(.*?)\]", " ".join(cells))
        for place, value in enumerate(values, 1):
            found[f"CONV{place}", column] = value
    assert found == table("alexnet", "Slides, kernels")


def test_alexnets_layers(lines):
    *layers, _, first, second, rest = block(lines, *TABLES[1])
    found = {}
    for name, what, output in layers:
        found[name, "output"] = output.strip("[]")
        for column, form in (
            ("filters", r"(\d+) \d+x"),
            ("filter size", r"(\d+x[\dx]*\d) filter"),
            ("stride", r"stride (\d)"),
            ("pad", r"pad (\d)"),
            ("neurons", r"(\d+) neurons"),
        ):
            for value in re.findall(form, what):
                found[name, column] = value
    # Three columns, of which the last three rows were read as one.
    amount = r"[\d.]+[KM]"
    columns = [
        [*re.findall(amount, f"{one} {two}"), *re.findall(amount, three)]
        for one, two, three in zip(first[1:], second[1:], rest[1:], strict=True)
    ]
    for column, values in zip(("parameters", "FLOPs", "output volume"), columns, strict=True):
        for place, value in enumerate(values, 1):
            found[f"CONV{place}", column] = value
    assert found == table("alexnet", "Slides, layers")


@pytest.mark.parametrize(("place", "name"), list(enumerate(("A", "A-LRN", "B", "C", "D", "E"))))
def test_vggs_configurations(lines, place, name):
    cells = table("vgg", f"Tables 1 and 2, {name}")
    head, picture, *body = block(lines, *TABLES[2])
    assert f"{cells['weight layers', name]} weight layers" == head[place]
    assert "24 RGB imag" in picture
    assert {"input (224x224 RGB image)", "soft-max"} <= said("vgg")
    convolutions = [row[place] for row in body if row[0].startswith("conv")]
    dense = [row[3] for row in body if row[3].isdigit()]
    assert dense == [
        cells[f"FC-{n} (fc{i})", "channels"] for i, n in ((6, 4096), (7, 4096), (8, 1000))
    ]
    assert len(convolutions) == 5
    for number, shown in enumerate(convolutions, 1):
        assert ("LRN" in shown) == (name == "A-LRN" and number == 1)
        shown = shown.replace(" LRN", "").split()
        count = cells[f"block {number}", "convolutions in the slides"]
        assert len(shown) == int(count)
        paper = iter(
            f"conv{cells[row, 'receptive field'][0]}-{cells[row, 'channels']}"
            for row, column in cells
            if f"(conv{number}_" in row and column == "channels"
        )
        assert all(one in paper for one in shown)  # in this order


def test_vggs_numbers_of_parameters(lines):
    for head, row in itertools.pairwise(lines):
        if row.startswith("Number of parameters"):
            names = head.replace("В", "B").split("\t")[1:]
            for group, value in zip(names, row.split("\t")[1:], strict=True):
                for name in group.split(","):
                    cells = table("vgg", f"Tables 1 and 2, {name}")
                    assert cells["number of parameters", name] == f"{value}M"


def test_vggs_memory_parameters_and_flops(lines):
    found, stage, place = {}, 1, 0
    columns = ("shape", "memory", "params", "flops")
    for name, *values in block(lines, *TABLES[3]):
        kind, place = name[:4], place + 1
        if kind == "maxp":
            row = f"maxpool (pool{stage})"
            stage, place = stage + 1, 0
        elif kind == "conv":
            row = f"{name} (conv{stage}_{place})"
        else:
            row = f"{name} (fc{place + 5})" if name else "sum"
        for column, value in zip(columns, values, strict=True):
            if value:
                found[row, column] = value.strip("[]")
    (below,) = [one for one in lines if one.startswith("15M * 4 byte")]
    memory, *_, params = re.findall(r"\d+M", below)
    found["below the table", "memory"] = memory
    found["below the table", "params"] = params
    assert found == table("vgg", "Slides, heavy compute")


def test_googlenets_table(lines):
    head, *rows = block(lines, *TABLES[4])
    names = numbered([row[0] for row in rows])
    found = {}
    for name, row in zip(names, rows, strict=True):
        for column, value in zip(head[1:], row[1:], strict=True):
            if column == "patch size/ stride" and value:
                patch, _, stride = value.partition("/")
                found[name, "patch size"] = patch
                found[name, "stride"] = stride
            elif value:
                found[name, column] = value
    cells = table("googlenet", "Table 1")
    cells["softmax", "output size"] = "1x1x1000"
    cells["softmax", "depth"] = "0"
    assert "softmax, 1x1x1000, depth 0" in said("googlenet")
    left = {key: found.pop(key) for key in set(found) - set(cells)}
    assert found == cells
    assert {(name, value) for (name, _), value in left.items()} == GOOGLENET_NOISE


def resnet_stages(stages, place):
    """Kernels, filters and layers of conv2_x to conv5_x of one column."""
    found = {}
    for name, output, *columns in stages:
        shown = columns[place].replace(r"\times", "x").replace(" ", "")
        layers = re.findall(r"(\dx\d),(\d+)", shown)
        for nth, (kernel, maps) in zip(("first", "second", "third"), layers, strict=False):
            found[name, f"{nth} kernel"] = kernel
            found[name, f"{nth} filters"] = maps
        (blocks,) = re.findall(r"x(\d+)\$", shown)
        found[name, "layers"] = str(int(blocks) * len(layers))
        found[name, "output size"] = output
    return found


@pytest.mark.parametrize("place", range(5))
def test_resnets_table(lines, place):
    head, first, pool, *stages, last, flops = block(lines, *TABLES[5])
    depth = head[2 + place].removesuffix("-layer")
    (conv1,) = re.findall(r"(\dx\d), (\d+), stride (\d)", first[3])
    (pool,) = re.findall(r"(\dx\d) max pool, strid\w* (\d)", "".join(pool))
    (classes,) = re.findall(r"(\d+)-d fc", " ".join(last))
    found = resnet_stages(stages, place) | {
        ("network", "weight layers"): depth,
        ("conv1", "output size"): first[1],
        ("conv1", "kernel size"): conv1[0],
        ("conv1", "filters"): conv1[1],
        ("conv1", "stride"): conv1[2],
        ("max pool", "kernel size"): pool[0],
        ("max pool", "stride"): pool[1],
        ("fc", "output"): classes,
        ("FLOPs", "multiply-adds"): re.sub("x", " x ", re.sub("[{}]", "", flops[2 + place])),
    }
    cells = table("resnet", f"Table 1, {depth}-layer")
    assert last[1] == "1x1" and cells.pop(("average pool", "output")).isdigit()
    assert found == cells
