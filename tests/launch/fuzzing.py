"""Command lines from a seeded generator, and one process that runs them."""

import contextlib
import io
import random
import shlex
import shutil
import traceback

import numpy as np
from PIL import Image

import reproductions
from launch import __main__ as program
from launch import commands
from launch.settings.flags import define
from launch.terminal.exits import exit_code

NAMES = ["lenet5", "alexnet", "vgg16_jitter", "resnet", "cifar_resnet20"]
NAMES += ["cifar_wrn_28_10", "inception_v3", "polynet", "bn_x5", "googlenet"]
ODD_NAMES = ["", " ", "alexnt", "Alexnet", "evaluate", "ilsvrc2016", "../vgg"]
ODD_NAMES += ["a" * 300, "résnet", "\udcff", "--", "-", "*", "0", "list"]
WHOLE = ["0", "1", "2", "3", "7", "-1", "1024", "1025", "4294967295", "5e3"]
WHOLE += ["4294967296", "18446744073709551616", "1" * 40, "0x10", "1.5", "nan"]
WHOLE += ["", " 4", "٣", "1_000", "true", "inf", "-0"]
REAL = ["0", "0.5", "1", "-1", "nan", "inf", "-inf", "1e-320", "1e300", "1e999"]
REAL += ["", "1,5", "0x1p3", "five", "-0.0", "1e5"]
WORDS = ["", " ", "x", "é", "\udcff", "%s{}", "a" * 300, "a,b", ",", "None"]
# All of them are in the working directory, or nowhere.
PATHS = """
    none none/deeper/x empty empty.file folder run . damaged_run a.weights.h5 w.weights.h5 a.npz
    a.txt a.png cut.jpg new.png new.tflite new.onnx new new.npz new.txt new.weights.h5 new.svg
    empty.file/x ~nobody/x ~no_such_person/x é/ü loop
""".split()
PATHS += ["a" * 300, "b" * 5000, "\udcff", "", " "]
DATA = ["sample", "mnist", "imagenet", "imagenet2012", "cifar10", "imagenette"]
DATA += ["imagnet", "", "folder:", "folder:none", "folder:folder", "tfds:none"]
DATA += ["folder:empty", "folder:a.txt", "tfds:", "tfds:../x", "tfds:odd", ":"]
DATA += ["folder:" + "c" * 5000, "tfds:" + "c" * 300, "folder:\udcff"]
FIELDS = """
    epochs updates image_size global_batch_size held_out train_images optimizer
    optimizer.learning_rate schedule optimizer.momentum optimizer.mu schedule.starts views
    schedule.factors schedule.divisor weight_decay monitor weight_decay.rate
    weight_decay.variables loss loss.j train_transforms train_transforms.0.size average_decay
    train_transforms.99 train_transforms.0 normalize data clip_global_norm before_epoch.samples
    initialize_from synchronized_batch_norm healthy_after deviations x.y.z . epochs. .epochs
    __class__ optimizer.build
""".split()
FIELDS.append("")
VALUES = [*WHOLE, *REAL, *WORDS, "single,ten_crop", "(0, 1)", "0,2,1", "(", "()"]
VALUES += ["Sgd(learning_rate=0.1,momentum=0.9,nesterov=False)", "Sgd()", "[]"]
VALUES += ["ByEpoch(starts=(0,30),factors=(1,.1))", "ByEpoch(starts=(1,))"]
VALUES += ["__import__('os').system('true')", "RandomCrop(8)", "Pad(1)+1"]
VALUES += ["[RandomCrop(8), RandomFlip()]", "lambda: 0", "Sgd", "(1).real"]
SPACES = ["log(1e-3,1)", "linear(1,0)", "choice(1)", "choice(1,2)", "log(0,1)"]
SPACES += ["log()", "x", "normal(0,1)", "log(nan,inf)", "choice(1,2,1)", ""]
SPACES += ["log(1e-3,1", "linear(-5,5)", "choice(a|b)", "log(1,1)"]
VIEWS = ["single", "ten_crop", "centre_crop", "dense", "dens", "144_crop", ","]
VIEWS += ["single,single", "", "single,dense", " single"]
VERBS = {  # their words: n a name, p a path, d a data set, w a word
    **{"": "n", "list": "", "audit": "n", "evaluate": "n", "predict": "npp"},
    **{"export": "n", "describe": "n", "import": "np", "ensemble": "ppp"},
    **{"submission": "pp", "prepare": "d", "doctor": "d", "baseline": "d"},
    **{"sweep": "n", "bench": "wn", "report": "pp", "ship": "p", "runs": "p"},
}
# Flags that a verb takes; any other has one answer.
OWN = {verb: commands.load(verb or commands.TRAIN).FLAGS for verb in VERBS}
OWN["bench"] = {name: OWN["bench"][name] for name in ("data", "data_dir", "out")}
EVERY = {name: flag for declared in OWN.values() for name, flag in declared.items()}
DEFINED = define(EVERY)
BENCH = ["input", "step", "start", "x", ""]
WORDS_OF = {"n": NAMES * 3 + ODD_NAMES, "p": PATHS, "d": DATA, "w": BENCH}
POOLS = {
    "data": DATA,
    "views": VIEWS,
    "set": [f"{f}={v}" for f in FIELDS for v in VALUES] + WORDS,
    "space": [f"{f}={v}" for f in FIELDS for v in SPACES] + WORDS,
    "rules": ["simple", "simple,geometric", "", ",", "x", "weighted_nll"],
    "split": ["train", "test", "", "validation", "\udcff"],
    "from": ["caffe", "torchvision", "keras", "", "caf", "\udcff"],
    "format": ["tflite", "onnx", "savedmodel", "", "TFLITE", "x"],
    "counts": [*PATHS, "counts.json"],
}


def lines(seed, count):
    """So many command lines; with the same seed the same."""
    draw = random.Random(seed)
    return [_line(draw) for _ in range(count)]


def _line(draw):
    verb = draw.choice(list(VERBS))
    words = [verb] if verb else []
    for kind in VERBS[verb]:
        if draw.random() < 0.9:
            words.append(draw.choice(WORDS_OF[kind]))
    if words == ["baseline", "sample"]:
        words.pop()  # it would be measured, which takes minutes
    if draw.random() < 0.1:
        words.append(draw.choice([*WORDS, *ODD_NAMES, "--help", "-h", "--x=1"]))
    own, every = sorted(OWN[verb]), list(EVERY)
    for _ in range(draw.choice([0, 1, 1, 2, 2, 3, 5])):
        known = own if own and draw.random() < 0.9 else every
        words += _flag(draw, draw.choice(known))
    return words


def _flag(draw, name):
    flag = DEFINED[name]
    kind = flag.flag_type()
    if kind == "bool":
        return [draw.choice([f"--{name}", f"--no{name}", f"--{name}=maybe"])]
    pool = POOLS.get(name) or {"int": WHOLE, "float": REAL}.get(kind)
    if pool is None and kind == "string enum":
        pool = [*flag.parser.enum_values, *WORDS]
    value = draw.choice(pool or PATHS)
    if draw.random() < 0.1:
        value = draw.choice(WORDS)
    return [f"--{name}={value}"] if draw.random() < 0.9 else [f"--{name}", value]


def sandbox(folder):
    """Files of every kind in `folder`, whole and damaged."""
    (folder / "empty").mkdir()
    (folder / "empty.file").touch()
    (folder / "a.txt").write_text("1 2 3 4 5\n")
    (folder / "a.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(90))
    (folder / "counts.json").write_text('{"train": {"a": 1}}')
    np.savez(folder / "a.npz", a=np.zeros(3))
    for split in ("train", "validation"):
        for name in ("cat", "dog"):
            place = folder / "folder" / split / name
            place.mkdir(parents=True)
            Image.new("RGB", (40, 40), name == "cat" and "red" or "blue").save(place / "0.png")
    Image.new("L", (40, 40), 200).save(folder / "a.png")
    Image.new("RGB", (90, 90), "red").save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    shipped = reproductions.folder("lenet5") / "trained" / "lenet5"
    shutil.copytree(shipped, folder / "run")
    shutil.copytree(shipped, folder / "damaged_run")
    (folder / "damaged_run" / "run.json").write_text("{")
    shutil.copy(shipped / "final.weights.h5", folder / "w.weights.h5")
    (folder / "loop").symlink_to("loop")
    (folder / "odd" / "1.0.0").mkdir(parents=True)
    (folder / "odd" / "1.0.0" / "dataset_info.json").write_text("{}")


def fault(words):
    """What is wrong with how a line is answered; None if nothing is."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = exit_code(lambda: program.main(["launch", *words]))
    except BaseException:
        return f"{spelt(words)}\n{traceback.format_exc()}"
    said = err.getvalue()
    if code not in (0, 1, 2):
        return f"{spelt(words)}\nexit code {code}"
    if "Traceback" in said:
        return f"{spelt(words)}\n{said}"
    if code and not (said + out.getvalue()).strip():
        return f"{spelt(words)}\nexit code {code} and not a word"
    return None


def spelt(words):
    """The line, cut off where it is long."""
    text = shlex.join(w if len(w) < 90 else f"{w[:80]}..." for w in words)
    return text[:900].encode("utf-8", "backslashreplace").decode()
