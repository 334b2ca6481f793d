import os
import pathlib
import re
import resource
import subprocess
import sys

import pytest

import reproductions
from common.errors import RunError, UsageError
from common.recipes.serialization import NOT_HASHED, describe_recipe, recipe_hash
from launch import commands
from launch.commands import COMMANDS, TRAIN
from launch.settings import flags, options
from launch.terminal import exits

ROOT = pathlib.Path(__file__).parents[2]
SECONDS = 0.5  # of CPU: a busy machine's wall time says nothing
# Runs the command line and says on stderr if it loaded what takes seconds.
PROGRAM = """
import sys
from launch.__main__ import main
from launch.terminal.exits import exit_code
code = exit_code(lambda: main(sys.argv))
heavy = {"tensorflow", "keras", "torch"} & set(sys.modules)
sys.stderr.write(f"LOADED {sorted(heavy)}" if heavy else "")
sys.exit(code)
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


def launch(*words, cwd=ROOT, data_dir=""):
    """(exit code, stdout, stderr) of the command line in a fresh process."""
    path = {"PYTHONPATH": str(ROOT), "TFDS_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=cwd,
        env=os.environ | path,
        capture_output=True,
        text=True,
    )
    assert "LOADED" not in done.stderr
    return done.returncode, done.stdout, done.stderr


WRONG = {
    "nothing": ([], "--help"),
    "a name": (["alexnt"], "'alexnet'"),
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
    "a verb that there is not": (["train", "alexnet"], "no verb: python -m launch alexnet"),
    "a field as a flag": (["alexnet", "--epochs", "3"], "by --set epochs=3."),
    "another's word for it": (["alexnet", "--lr=0.1"], "by --set lr=0.1."),
    "a field without a value": (["alexnet", "-epochs"], "by --set epochs=VALUE."),
    "a part of the network": (["alexnet", "--dropout", "0"], "by --set dropout=0."),
    "another network's part": (["resnet", "--set", "towers=1"], "of the network: blocks, "),
    "a flag of another verb": (["list", "--gpus", "2"], "list has no use for --gpus."),
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
    "a folder without a run": (["report", "no_such_run"], "no_such_run"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_one_paragraph_and_exit_code_2(name):
    words, said = WRONG[name]
    code, out, err = launch(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize("words", [["alexnet"], ["lenet5"]])
def test_a_missing_data_set_is_found_before_tensorflow_loads(words, tmp_path):
    code, _, err = launch(*words, cwd=tmp_path, data_dir=tmp_path)
    assert code == 1
    assert str(tmp_path) in err and "--data sample" in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_shows_every_command():
    code, out, err = launch("--help")
    assert (code, err) == (0, "")
    for command, about in COMMANDS.items():
        assert f"  {command:<12}{about}" in out.splitlines()
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", [TRAIN, *COMMANDS])
def test_a_commands_help_shows_its_words_and_flags_and_no_others(command):
    words = ["lenet5"] if command == TRAIN else [command]
    code, out, err = launch(*words, "--help")
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


def test_list_loads_no_tensorflow():
    code, out, _ = launch("list")
    assert code == 0 and "lenet5" in out
    code, out, _ = launch("list", "alexnet_1gpu")
    assert code == 0 and {line.split()[0] for line in out.splitlines()} == {"paper", "alexnet"}


def test_report_takes_no_time_and_no_tensorflow(tmp_path):
    # As on a person's machine, all but the first have the bytecode.
    env = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    times = []
    for _ in range(3):
        start = child_seconds()
        page = [sys.executable, "-c", PAGE]
        subprocess.run(page, cwd=ROOT, env=env, check=True)
        times.append(child_seconds() - start)
    assert min(times) < SECONDS


@pytest.mark.parametrize(
    "words", [["list"], ["alexnt"], ["alexnet", "--set", "a=1"], ["alexnet", "--a=1"]]
)
def test_answers_at_once(words):
    """The best of three, so that a busy machine does not count."""
    times = []
    for _ in range(3):
        start = child_seconds()
        launch(*words)
        times.append(child_seconds() - start)
    assert min(times) < SECONDS


def test_help_takes_no_longer_than_to_read_its_flags():
    """No NumPy and no recipe is imported for it."""
    program = "import sys; sys.argv[1:] = ['--help']; import runpy\n"
    program += "try: runpy.run_module('launch', run_name='__main__')\n"
    program += "finally: assert not {'numpy', 'common.data', 'reproductions'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)


def raised_in(module, line):
    """`line` run by a function of a module of that name."""
    namespace = {"__name__": module, "RunError": RunError, "UsageError": UsageError}
    exec(f"import numpy\ndef run():\n    {line}", namespace)
    return namespace["run"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("raise RunError('no disk')", 1),
        ("raise UsageError('no name')", 2),
        ("raise KeyboardInterrupt", 130),
        ("return 75", 75),
    ],
)
def test_exit_codes(line, code, capsys):
    assert exits.exit_code(raised_in("common.toy", line)) == code
    assert capsys.readouterr().err.count("\n") == (code < 3)


@pytest.mark.parametrize(
    ("module", "line", "error"),
    [
        ("common.toy", "int('x')", ValueError),
        ("common.toy", "numpy.ones(2) + numpy.ones(3)", ValueError),
        ("common.toy", "raise ValueError('no name')", ValueError),
        ("keras.toy", "raise ValueError('shapes')", ValueError),
        ("common.toy", "raise KeyError('x')", KeyError),
    ],
)
def test_a_bug_keeps_its_traceback(module, line, error):
    with pytest.raises(error):
        exits.exit_code(raised_in(module, line))


def test_a_usage_error_may_come_from_anywhere(capsys):
    def run():
        raise UsageError("two\n  lines")

    assert exits.exit_code(run) == 2
    assert capsys.readouterr().err == "two lines\n"


def test_a_full_disk_is_a_plain_error(capsys):
    def full():
        raise OSError(28, "No space left on device", "metrics.csv")

    assert exits.exit_code(full) == 1
    shown = capsys.readouterr().err
    assert "No space left on device" in shown and "it continues" in shown


def test_an_unknown_os_error_keeps_its_traceback():
    def broken():
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        exits.exit_code(broken)


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
