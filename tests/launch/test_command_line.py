import json
import os
import pathlib
import pwd
import re
import resource
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

ROOT = pathlib.Path(__file__).parents[2]
SECONDS = 0.5  # of CPU: a busy machine's wall time says nothing
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
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(lines)],
        cwd=cwd,
        env=os.environ | path,
        capture_output=True,
        text=True,
    )
    assert not done.stderr.strip(), done.stderr
    return [tuple(answer) for answer in json.loads(done.stdout)]


def launch(*words, **where):
    """The same of one command line."""
    [answer] = launch_all([words], **where)
    return answer


def answers_at_once(*words, env=None):
    """Whether Python does that in SECONDS, once of ten times: a busy machine does not count."""

    def measure():
        start = child_seconds()
        done = subprocess.run([sys.executable, *words], cwd=ROOT, env=env, capture_output=True)
        assert done.returncode in (0, 2), done.stderr
        return child_seconds() - start

    return any(measure() < SECONDS for _ in range(10))


WRONG = {
    "nothing": ([], "--help"),
    "a name": (["alexnt"], "'alexnet'"),
    "the end of a name": (["resnet20"], "Did you mean 'cifar_resnet20'?"),
    "a variant": (["alexnet_1towr"], "'alexnet_1tower'"),
    "a verb": (["evalute", "alexnet"], "'evaluate'"),
    "a name after a verb": (["audit", "lenet"], "'lenet5'"),
    "a flag": (["alexnet", "--gpu", "2"], "no use for --gpu. Did you mean 'gpus'?"),
    "a flag's value": (["alexnet", "--gpus", "two"], "--gpus"),
    "a negative number": (["alexnet", "--gpus", "-1"], "--gpus"),
    "a choice": (["alexnet", "--platform", "tpu"], "auto|cpu|gpu"),
    "a field": (["alexnet", "--set", "epoch=2"], "'epochs'"),
    "a nested field": (["alexnet", "--set", "optimizer.learning_rte=2"], "'learning_rate'"),
    "a field's type": (["alexnet", "--set", "epochs=many"], "whole number"),
    "a data set": (["alexnet", "--data", "imagenete"], "'imagenette'"),
    "too many names": (["alexnet", "lenet5"], "'lenet5'"),
    "words after list": (["list", "alexnet", "vgg"], "'vgg'"),
    "a verb that there is not": (["train", "alexnet"], "python -m launch alexnet"),
    "a field as a flag": (["alexnet", "--epochs", "3"], "by --set epochs=3."),
    "another's word for it": (["alexnet", "--lr=0.1"], "by --set lr=0.1."),
    "a field without a value": (["alexnet", "-epochs"], "by --set epochs=VALUE."),
    "a part of the network": (["alexnet", "--dropout", "0"], "by --set dropout=0."),
    "another network's part": (["resnet", "--set", "towers=1"], "of the network: blocks, "),
    "a flag of another verb": (["list", "--gpus", "2"], "list has no use for --gpus."),
    "evaluate's and predict's flag": (["alexnet", "--weights", "w"], "Did you mean --from?"),
    "evaluate's flag": (["alexnet", "--views", "single"], "by --set views=single."),
    "a verb's misspelt flag": (["bench", "input", "--outt", "x"], "Did you mean 'out'?"),
    "a verb after flags": (["--dry_run", "evaluate", "lenet5"], "evaluate goes before its flags"),
    "a name after a verb's flags": (["describe", "--svg", "a.svg"], "describe NAME"),
    "an empty value": (["alexnet", "--workdir="], "--workdir is empty"),
    "a value that is no number": (["alexnet", "--max_hours=nan"], "--max_hours=nan"),
    "no weights": (["evaluate", "alexnet"], "No weights come with"),
    "missing weights": (["evaluate", "alexnet", "--weights", "no.h5"], "no.h5"),
    "a view": (["alexnet", "--set", "monitor=ten_crp"], "'ten_crop'"),
    "a batch that does not divide": (["alexnet", "--gpus", "3"], "128"),
    "a part of bench": (["bench", "inptu"], "'input'"),
    "a person's folder": (["runs", "~nobody_of_that_name"], "whose folder that is is not known"),
    "a folder without a run": (["report", "no_such_run"], "no_such_run"),
}


HELP = {command: ["lenet5" if command == TRAIN else command] for command in (TRAIN, *COMMANDS)}
LINES = [
    *(words for words, _ in WRONG.values()),
    *([*words, "--help"] for words in HELP.values()),
    *(["--help"], ["list"], ["list", "alexnet_1gpu"]),
]


@pytest.fixture(scope="module")
def answers():
    """Of all LINES, `answers(words)`."""
    found = dict(zip(map(tuple, LINES), launch_all(LINES), strict=True))
    return lambda *words: found[words]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_one_paragraph_and_exit_code_2(answers, name):
    words, said = WRONG[name]
    code, out, err = answers(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1 and "Traceback" not in err


def test_a_missing_data_set_is_found_before_tensorflow_loads(tmp_path):
    for code, _, err in launch_all([["alexnet"], ["lenet5"]], cwd=tmp_path, data_dir=tmp_path):
        assert code == 1
        assert str(tmp_path) in err and "--data sample" in err
        assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


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
    # As on a person's machine, all but the first have the bytecode.
    env = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    assert answers_at_once("-c", PAGE, env=env)


@pytest.mark.parametrize(
    "words", [["list"], ["alexnt"], ["alexnet", "--set", "a=1"], ["alexnet", "--a=1"]]
)
def test_answers_at_once(words, tmp_path):
    # As on a person's machine, all but the first have the bytecode.
    env = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    assert answers_at_once("-m", "launch", *words, env=env)


def test_help_takes_no_longer_than_to_read_its_flags():
    """No NumPy and no recipe is imported for it."""
    program = "import sys; sys.argv[1:] = ['--help']; import runpy\n"
    program += "try: runpy.run_module('launch', run_name='__main__')\n"
    program += "finally: assert not {'numpy', 'common.data', 'reproductions'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)


def test_keras_is_imported_without_what_nothing_here_uses(monkeypatch):
    for name in quiet.LEFT_OUT:
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
