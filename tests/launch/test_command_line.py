import json
import os
import pathlib
import pwd
import re
import resource
import shlex
import shutil
import subprocess
import sys
import types

import pytest

import reproductions
from common.data import catalog
from common.errors import RunError, UsageError
from common.recipes.serialization import NOT_HASHED, describe_recipe, recipe_hash
from launch import commands
from launch.commands import COMMANDS, TRAIN
from launch.settings import flags, options
from launch.terminal import exits, quiet
from launch.weights import shipped
from tests.conftest import ROOT
from tests.launch.flags import run_alone

# An answer at once takes at most so many times the CPU time of a start of Python with a few
# of its own modules: 0.5 s where that is 0.1 s, more on a slow or busy machine.
AT_ONCE = 5.5
PYTHON = "import asyncio, http.server, unittest.mock"
# Answers command lines as [code, stdout, stderr], and fails if it loads what takes seconds.
PROGRAM = """
import contextlib, io, json, sys
from launch.__main__ import main
from launch.terminal.exits import exit_code
answers = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code(lambda: main(["launch", *words]))
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
sys.exit(str({"tensorflow", "keras", "torch"} & set(sys.modules) or ""))
"""


# Composes results.md and the papers' pages and does not write them.
PAGE = """
import sys
from launch.report.papers import read_papers
from launch.report.report import texts
assert texts(read_papers())
assert not {"tensorflow", "keras", "matplotlib", "PIL", "numpy", "absl"} & set(sys.modules)
"""


def child_seconds():
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def launch_all(lines, cwd=ROOT, data_dir=""):
    """(exit code, stdout, stderr) of each command line, in one fresh process."""
    path = {"PYTHONPATH": str(ROOT), "TFDS_DATA_DIR": str(data_dir)}
    done = run_alone("-c", PROGRAM, json.dumps(lines), cwd=cwd, env=os.environ | path)
    assert not done.stderr.strip(), done.stderr
    return [tuple(answer) for answer in json.loads(done.stdout)]


def launch(*words, **where):
    """The same of one command line."""
    [answer] = launch_all([words], **where)
    return answer


def answers_at_once(*words, bytecode, cwd=ROOT):
    """Whether Python does that in AT_ONCE times PYTHON, once of ten times.

    As on a person's machine, both have their `bytecode`.
    """
    env = os.environ | {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONPATH": str(ROOT)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def measure(*words):
        start = child_seconds()
        done = run_alone(*words, cwd=cwd, env=env)
        assert done.returncode in (0, 2), done.stderr
        return child_seconds() - start

    measure(*words), measure("-c", PYTHON)  # writes the bytecode
    return any(measure(*words) < AT_ONCE * measure("-c", PYTHON) for _ in range(10))


# Command lines that cannot be, in the folder `here`, and what is said of them.
WRONG = {
    # words
    "": "--help",
    "alexnt": "'alexnet'",
    "resnet20": "Did you mean 'cifar_resnet20'?",
    "ilsvrc2016": "ensemble ilsvrc2016 shows",
    "alexnet lenet5": "'lenet5'",
    "train alexnet": "python -m launch alexnet",
    "evalute alexnet": "'evaluate'",
    "audit lenet": "'lenet5'",
    "list alexnet vgg": "'vgg'",
    "--dry_run evaluate lenet5": "evaluate goes before its flags",
    "describe --svg a.svg": "describe NAME",
    "describe lenet5 --svg a.png": "must end in .svg",
    "describe lenet5 --svg no/a.svg": "no folder no",
    "runs ~nobody_of_that_name": "whose folder that is is not known",
    "report no_such_run": "no_such_run",
    # flags
    "alexnet --gpu 2": "no use for --gpu. Did you mean 'gpus'?",
    "alexnet --gpus two": "--gpus=two: it takes a whole number",
    "alexnet --gpus -1": "--gpus",
    "alexnet --gpus 3": "128",
    "alexnet --gpus 99": "does not divide among 99",
    "alexnet --platform tpu": "auto|cpu|gpu",
    "alexnet --data imagenete": "'imagenette'",
    "alexnet --epochs 3": "by --set epochs=3.",
    "alexnet --lr=0.1": "by --set lr=0.1.",
    "alexnet -epochs": "by --set epochs=VALUE.",
    "alexnet --dropout 0": "by --set dropout=0.",
    "alexnet --views single": "by --set views=single.",
    "alexnet --weights w": "Did you mean --from?",
    "alexnet --workdir=": "--workdir is empty",
    "alexnet --max_hours=nan": "--max_hours=nan",
    "list --gpus 2": "list has no use for --gpus.",
    "bench input --outt x": "Did you mean 'out'?",
    # fields
    "alexnet --set epoch=2": "'epochs'",
    "alexnet --set optimizer.learning_rte=2": "'learning_rate'",
    "alexnet --set epochs=many": "whole number",
    "alexnet --set monitor=ten_crp": "'ten_crop'",
    "resnet --set towers=1": "of the network: blocks, ",
    # batches
    "bn_inception --microbatches 2": "the whole batch, which --microbatches cuts",
    "bn_inception --microbatches 5 --set batch_norm=False": "32",
    # what chooses by images
    "mnist_300 --data sample --patience 2": "patience would choose by the test split",
    "mnist_300 --data sample --keep_best --set patience=2": "--keep_best and patience would choose",
    # weights to begin with
    "mnist_rbf --from cifar_resnet20": "fitted to the images anew",
    "cifar_resnet20 --freeze conv1": "--freeze goes with --from",
    "cifar_resnet20 --from cifar_resnet20 --body_rate 0": "above 0",
    "cifar_resnet20 --from cifar_resnet2": "Did you mean 'cifar_resnet20'",
    "cifar_resnet20 --from cifar_resnet20 --set image_size=64": "mean image",
    "cifar_resnet20 --set fine_tuning.body_rate=2": "use --from",
    "cifar_resnet32 --from cifar_resnet20": "a run of cifar_resnet20, not of",
    # evaluate
    "evaluate alexnet": "No weights come with",
    "evaluate alexnet --weights no.h5": "no.h5",
    "evaluate empty": "empty is no run's folder: it has no run.json",
    "evaluate runs/x": "There is no folder runs/x",
    "evaluate run --weights=w.weights.h5": "leave out --weights",
    "evaluate vgg16 --dry_run --views dens": "no view called 'dens'. Did you mean 'dense'? Known: "
    "single, centre_crop, nine_crop, ten_crop, dense, dense_multi_scale.",
    "evaluate alexnet --dry_run --views dense": "single, centre_crop, nine_crop, ten_crop.\n",
    "evaluate run --views single,centre_crop --predictions q.npz": "writes the scores of one view",
    "evaluate run --predictions p.npz": "p.npz exists already",
    "evaluate run --predictions q": "writes an .npz file",
    # predict
    "predict alexnet --weights w.weights.h5": "RUN IMAGE...",
    "predict alexnt a.jpg --weights w.weights.h5": "'alexnet'",
    "predict alexnet a.jpg": "come with: lenet5",
    "predict alexnet b.jpg --weights w.weights.h5": "b.jpg",
    "predict alexnet empty --weights w.weights.h5": "no photographs",
    "predict w.weights.h5 a.jpg": "w.weights.h5 is no run.",
    "predict run a.jpg --views single,ten_crop": "one of the views",
    "predict run a.jpg --out s.jpg": "must end in .png, .csv, .json",
    "predict run a.jpg --out s.csv --out t.csv": "must end in .png, .csv, .json",
    "predict run a.jpg --out old.png": "old.png exists already",
    "predict run a.jpg --out no/s.png": "no folder no",
    # export
    "export alexnet --out made": "come with: lenet5",
    "export run --out made --format onx": "Did you mean 'onnx'",
    "export run --out gone/deeper/made": "no folder",
    "export run --out made.tf --format tflite": "must end in .tflite",
    "export run --out made.tflite --views ten_crop": "they take pixels",
    "export run --out made --views dense": "centre_crop",
    "export run --out empty": "empty exists already",
    "export run --out other.tflite": "other.tflite.json exists already",
    # import
    "import alexnet --from caffe --out w.weights.h5": "--from LAYOUT FILE --out",
    "import alexnet a.npz --out w.weights.h5": "alexnet knows the layouts caffe",
    "import alexnet --from caffe a.npz": "--out W.weights.h5",
    "import alexnet --from cafe a.npz --out w.weights.h5": "'cafe'. Did you mean 'caffe'? Known "
    "for --from: caffe",
    "import lenet5 --from caffe a.npz --out w.weights.h5": "No published weights are known for "
    "lenet5",
    "import alexnet --from caffe no.npz --out w.weights.h5": "no file no.npz",
    "import alexnet --from caffe a.onnx --out w.weights.h5": ".npz, .safetensors, .pth",
    "import alexnet --from caffe a.h5 --out w.weights.h5": ".npz, ",
    "import alexnet --from caffe a.npz --out w.npz": "must end in .weights.h5",
    "import alexnet --from caffe a.npz --out old.weights.h5": "exists already",
    "import alexnet --from caffe a.npz --out no/w.weights.h5": "no folder no",
    "import alexnet --from caffe a.npz b.npz --out w.weights.h5": "'b.npz'",
    # ensemble and submission
    "ensemble": "takes prediction files or a spec",
    "ensemble none.npz": "ensemble: there is no none.npz.\n",
    "ensemble trimps_soushn": "Did you mean 'trimps_soushen'",
    "ensemble a.npz p.npz --out fused.npz": "one rule",
    "ensemble a.npz p.npz --rules simple --out a.npz": "exists already",
    "ensemble a.npz p.npz --rules simple --out fused.csv": "end in .npz",
    "submission": "takes a prediction file",
    "submission a b --out c.txt": "takes a prediction file",
    "submission a.npz --out old.png": "old.png exists already",
    # bench
    "bench inptu": "'input'",
    "bench start alexnet": "no names",
    "bench step --precision float23": "'float32'",
    "bench input --precision float32": "for bench step",
    "bench input --out no/bench.json": "no folder",
    # baseline
    "baseline": "takes a data set",
    "baseline imagenete": "'imagenette'",
    # sweep
    "sweep lenet5 --data sample --trials 2 --workers 3": "at most as many workers",
    "sweep lenet5": "--trials N",
    "sweep": "--trials N",
    "sweep lenet5 --trials 0": "--trials",
    "sweep lenet5 --trials 2 --tuner grid": "bayesian",
    "sweep lenet5 --data sample --trials 2 --space optimizer.lerning_rate=log(1,2)": (
        "'learning_rate'"
    ),
    # new
    "new zf-2": "cannot be a paper's name",
    "new class": "cannot be a paper's name",
    "new ZFNet": "cannot be a paper's name",
    "new zfnet": "reproductions/zfnet is there",
    "new alexnet_no_lrn": "is called that",
    "new list": "is called that",
    "new load": "a part of the suite is called that",
    "new common": "a part of the suite is called that",
}
FILES = "a.npz p.npz a.h5 a.onnx a.jpg old.png other.tflite.json"
FILES += " old.weights.h5 w.weights.h5"


HELP = {command: ["lenet5" if command == TRAIN else command] for command in (TRAIN, *COMMANDS)}
LINES = [
    *map(shlex.split, WRONG),
    *([*words, "--help"] for words in HELP.values()),
    *(["--help"], ["list"], ["list", "alexnet_1gpu"]),
]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with files to be mistaken for others."""
    folder = tmp_path_factory.mktemp("here")
    for name in FILES.split():
        (folder / name).touch()
    (folder / "empty").mkdir()
    shutil.copytree(shipped.find_folder("lenet5", "lenet5"), folder / "run")
    return folder


@pytest.fixture(scope="module")
def answers(here):
    """Of all LINES, `answers(words)`; nothing is written."""
    before = {path: path.is_file() and path.read_bytes() for path in here.rglob("*")}
    found = launch_all(LINES, cwd=here, data_dir=here)
    assert {path: path.is_file() and path.read_bytes() for path in here.rglob("*")} == before
    answers = dict(zip(map(tuple, LINES), found, strict=True))
    return lambda *words: answers[words]


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_is_one_paragraph_and_exit_code_2_without_tensorflow(answers, line):
    code, out, err = answers(*shlex.split(line))
    assert (code, out) == (2, "")
    assert WRONG[line] in err
    assert err.count("\n") == 1 and "Traceback" not in err


def test_a_missing_data_set_is_found_before_tensorflow_loads(tmp_path):
    (tmp_path / "w.h5").touch()
    weights = ["--weights", "w.h5", "--views", "multi_crop"]  # of the network it begins with
    lines = [["alexnet"], ["resnet50", "--gpus", "8"], ["evaluate", "vgg16_jitter", *weights]]
    lines.append(["baseline", "imagenette"])
    said = []
    for code, out, err in launch_all(lines, cwd=tmp_path, data_dir=tmp_path):
        assert (code, out) == (1, "")
        assert str(tmp_path) in err and "Nothing was downloaded" in err
        assert err.count("\n") == 1
        said.append(re.findall("--data sample.* --set global_batch_size=(.*)[.]$", err))
    assert said == [["4"], ["8"], [], []]  # a batch that the devices divide
    assert [path.name for path in tmp_path.iterdir()] == ["w.h5"]


def test_help_shows_every_command(answers):
    code, out, err = answers("--help")
    assert (code, err) == (0, "")
    for command, about in COMMANDS.items():
        assert f"  {command:<12}{about}" in out.splitlines()
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", HELP)
def test_a_commands_help_shows_its_words_and_flags_and_no_others(answers, command):
    code, out, err = answers(*HELP[command], "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"python -m launch {command}")
    shown = [line.split()[0] for line in out.splitlines() if line.startswith("  --")]
    assert shown == [f"--{name}" for name in commands.load(command).FLAGS]
    assert max(map(len, out.splitlines())) <= 80


def test_flags_stand_before_and_after_the_name():
    module = commands.load(TRAIN)
    line = ["--seed", "3", "lenet5", "--set", "a=1", "--nojit_compile", "--set=b=2"]
    words, values = flags.parse(TRAIN, module.FLAGS, [*line, "--", "--dry_run"])
    assert words == ["lenet5", "--dry_run"] and values.seed == 3
    assert values.set == ["a=1", "b=2"] and values.jit_compile is False
    assert values["seed"].present and not values["gpus"].present
    assert flags.parse(TRAIN, module.FLAGS, ["lenet5"])[1].set == []  # of this line alone


def test_a_reader_may_stop_reading():
    """As `| head` does; what it leaves unread is no error."""
    words = [sys.executable, "-m", "launch", "list"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=pipe) as child:
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == exits.CLOSED


def test_list_of_all_and_of_a_variants_paper(answers):
    code, out, _ = answers("list")
    assert code == 0 and "lenet5" in out
    code, out, _ = answers("list", "alexnet_1gpu")
    assert code == 0 and {line.split()[0] for line in out.splitlines()} == {"paper", "alexnet"}


def test_report_takes_no_time_and_no_tensorflow(tmp_path):
    assert answers_at_once("-c", PAGE, bytecode=tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        *("list", "alexnt", "alexnet --set a=1", "alexnet --a=1"),
        "import alexnet --from caffe a.npz --out no/w.weights.h5",  # the last that can be wrong
    ],
)
def test_answers_at_once(line, here, tmp_path):
    assert answers_at_once("-m", "launch", *line.split(), bytecode=tmp_path, cwd=here)


def test_help_takes_no_longer_than_to_read_its_flags():
    """No NumPy and no recipe is imported for it."""
    program = "import sys; sys.argv[1:] = ['--help']; import runpy\n"
    program += "try: runpy.run_module('launch', run_name='__main__')\n"
    program += "finally: assert not {'numpy', 'common.data', 'reproductions'} & set(sys.modules)"
    run_alone("-c", program, check=True)


def test_keras_is_imported_without_what_nothing_here_uses(monkeypatch):
    for name in ("keras", *quiet.LEFT_OUT):
        monkeypatch.delitem(sys.modules, name, raising=False)
    seen = []
    monkeypatch.setattr(
        quiet.importlib, "import_module", lambda _: seen.append({*quiet.LEFT_OUT} & {*sys.modules})
    )
    quiet.import_keras()
    assert seen == [{*quiet.LEFT_OUT}] and not {*quiet.LEFT_OUT} & {*sys.modules}
    own = types.ModuleType("sklearn")  # of a program that imported it before
    monkeypatch.setitem(sys.modules, "sklearn", own)
    quiet.import_keras()
    assert sys.modules["sklearn"] is own


def raised_in(module, line):
    """`line` run by a function of a module of that name."""
    namespace = {"__name__": module, "RunError": RunError, "UsageError": UsageError}
    exec(f"import numpy\ndef run():\n    {line}", namespace)
    return namespace["run"]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("raise RunError('no disk')", 1, "no disk\n"),
        ("raise UsageError('two\\n  lines')", 2, "two lines\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("return 75", 75, ""),
        (
            "raise OSError(28, 'No space left on device', 'metrics.csv')",
            1,
            f"metrics.csv: No space left on device. {exits.MAKE_ROOM}\n",
        ),
    ],
)
def test_exit_codes(line, code, said, capsys):
    assert exits.exit_code(raised_in("common.toy", line)) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("path", ["~/runs", "~nobody_of_that_name/runs"])
def test_a_folder_of_nobody_known_is_not_said_to_have_been_named(path, capsys, monkeypatch):
    def fail(_):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", fail)  # as in a container, of a number without a name
    assert exits.exit_code(lambda: pathlib.Path(path).expanduser()) == 2
    said = capsys.readouterr().err
    assert said.startswith("A path begins with ~, and whose folder that is is not known here: ")
    assert said.endswith(" set HOME.\n")


@pytest.mark.parametrize(
    ("script", "said"),
    [("__main__.py", ".venv/bin/python -m launch list"), (exits.SCRIPT, f"{exits.SCRIPT} list")],
)
def test_a_message_names_the_python_that_is_not_activated(
    script, said, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script])
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    run = raised_in("common.toy", "raise UsageError('See python -m launch list.')")
    assert exits.exit_code(run) == 2
    assert capsys.readouterr().err == f"See {said}.\n"
    assert exits.as_called(exits.as_called("python -m pytest")) == ".venv/bin/python -m pytest"
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(exits.shutil, "which", lambda _: sys.executable)  # activated
    assert exits.as_called("python -m pytest") == "python -m pytest"


@pytest.mark.parametrize(
    ("module", "line", "error"),
    [
        ("common.toy", "int('x')", ValueError),
        ("common.toy", "numpy.ones(2) + numpy.ones(3)", ValueError),
        ("keras.toy", "raise ValueError('shapes')", ValueError),
        ("common.toy", "raise KeyError('x')", KeyError),
        ("common.toy", "raise OSError(5, 'Input/output error')", OSError),
    ],
)
def test_a_bug_keeps_its_traceback(module, line, error):
    with pytest.raises(error):
        exits.exit_code(raised_in(module, line))


def read_demo(line):
    """The training that a command of the Makefile means."""
    words, values = flags.parse("NAME", commands.load(TRAIN).FLAGS, line.split()[3:])
    return options.read_training(*reproductions.find(words[0]), values, values.set)


def test_the_demo_ends_with_one_change_and_both_curves():
    make = ["make", "--dry-run", "--always-make", "demo"]
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    said = said.replace("\\\n", " ")
    found = re.findall(r"^(?:echo ')?(\S*python -m launch .*?)'?$", said, flags=re.MULTILINE)
    demo, change, page = found
    one, other = read_demo(demo), read_demo(change)
    there, here = (describe_recipe(each.experiment.recipe) for each in (one, other))
    trained = {name for name in here if here[name] != there.get(name)} - set(NOT_HASHED)
    assert trained == {"network"}
    folders = [str(each.settings.workdir) for each in (one, other)]
    assert page.split()[3:] == ["report", "--html", "curves.html", *folders]
    assert f"{catalog.find('sample').splits['test']} test images, and one seed each" in said


def test_a_runs_folder_says_what_was_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def folder(*words):
        command = " ".join(["python -m launch lenet5 --data sample", *words])
        return str(read_demo(command).settings.workdir)

    assert folder() == "runs/lenet5_sample_seed0"
    rate = "--set optimizer.learning_rate=0.1"
    clip = "--set clip_global_norm=1"
    there = folder("--set epochs=3", rate, clip)
    assert there == folder(clip, rate, "--set epochs=3")
    assert there == "runs/lenet5_sample_seed0_3ep_clip_global_norm=1.0_learning_rate=0.1"
    long = folder("--set epochs=3", "--set schedule=ByEpoch(starts=(0,2),factors=(1,.1))")
    assert re.fullmatch(r"runs/lenet5_sample_seed0_[0-9a-f]{8}", long)
    # An earlier run's is found again.
    recipe = read_demo("python -m launch lenet5 --data sample --set epochs=3").experiment.recipe
    old = pathlib.Path(f"runs/lenet5_sample_seed0_{recipe_hash(recipe)}")
    old.mkdir(parents=True)
    assert folder("--set epochs=3") == str(old)
