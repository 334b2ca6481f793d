"""Flags: how a command declares its own, how they are read, and how --help shows them.

A command's `FLAGS` are name -> a function of (name, flag_values=) that defines it with
absl; those that several commands take are in SHARED. Flags say where and on what to run.
What changes a result is a field of the recipe.
"""

import functools
import math
import pathlib
import re
import textwrap
from collections.abc import Callable

from absl import flags
from absl.flags import FlagValues

from common.errors import UsageError, did_you_mean
from common.files import default_data_dir

MOST = 1024  # devices, processes or trials: more is a slip of the finger
Declared = dict[str, Callable]


def text(help: str, default: str | None = None) -> Callable:
    """Declares a flag that takes any text."""
    return functools.partial(flags.DEFINE_string, default=default, help=help)


class _PathParser(flags.ArgumentParser):
    def parse(self, argument: str) -> pathlib.Path | str:
        return argument and pathlib.Path(argument).expanduser()  # `parse` refuses ""


def path(help: str) -> Callable:
    """Declares a flag that takes a file or a folder."""
    return functools.partial(flags.DEFINE, _PathParser(), default=None, help=help)


def switch(help: str, default: bool | None = False) -> Callable:
    """Declares `--name` and `--noname`."""
    return functools.partial(flags.DEFINE_boolean, default=default, help=help)


def whole(help: str, default: int | None = None, *, low: int = 0, high: int = MOST) -> Callable:
    """Declares a flag that takes a whole number."""
    return functools.partial(
        flags.DEFINE_integer, default=default, help=help, lower_bound=low, upper_bound=high
    )


def number(help: str, default: float | None, *, high: float) -> Callable:
    """Declares a flag that takes a number that is not negative."""
    return functools.partial(
        flags.DEFINE_float, default=default, help=help, lower_bound=0.0, upper_bound=high
    )


def choice(help: str, values: list[str]) -> Callable:
    """Declares a flag that takes one of some words; the first is the default."""
    return functools.partial(flags.DEFINE_enum, default=values[0], enum_values=values, help=help)


def items(help: str) -> Callable:
    """Declares a flag that takes words with commas between them."""
    return functools.partial(flags.DEFINE_list, default=[], help=help)


def repeated(help: str) -> Callable:
    """Declares a flag that may be given several times."""
    return functools.partial(flags.DEFINE_multi_string, default=[], help=help)


def _data_dir(name: str, *, flag_values: FlagValues) -> None:
    about = "where TFDS data sets lie; $TFDS_DATA_DIR sets the default"
    flags.DEFINE_string(name, default_data_dir(), about, flag_values=flag_values)


SHARED: Declared = {
    "gpus": whole(
        "devices that share each batch; 0 means the CPU; default: all GPUs, or 1 "
        "CPU device where there are none"
    ),
    "platform": choice(
        "auto: GPUs where there are any; cpu, where there is a --gpus N: N logical CPU devices, to "
        "try that path anywhere",
        ["auto", "cpu", "gpu"],
    ),
    "data": text(
        "mnist, cifar10, cifar100, svhn, imagenette, imagenet2012, sample, "
        "folder:PATH or tfds:NAME; default: the recipe's"
    ),
    "data_dir": _data_dir,
    "workdir": text(
        "the run's folder, which the same command continues; default: "
        "runs/<variant>_<data>_seed<N>, more after --set or --precision"
    ),
    "seed": whole("weights, order, augmentation and dropout follow from it", 0, high=2**32 - 1),
    "precision": choice(
        "of the arithmetic; weights are always float32; tensorfloat32 is float32 "
        "that GPUs multiply with 10 bits; mixed_float16 scales the loss",
        ["float32", "tensorfloat32", "mixed_bfloat16", "mixed_float16"],
    ),
    "jit_compile": switch(
        "compile the step with XLA; default: where it pays, which is on GPUs and, "
        "for the smallest batches, on a CPU; or as the run was begun",
        default=None,
    ),
    "microbatches": whole(
        "parts that each device's share of a batch is cut into, to save memory; "
        "the gradient stays the whole batch's, but batch normalisation sees each "
        "part alone, as on so many devices",
        1,
        low=1,
        high=10**6,
    ),
    "set": repeated(
        "FIELD=VALUE changes the recipe, as a deviation on record; repeatable: "
        "epochs=2, optimizer.learning_rate=0.02, train_transforms.0.size=128"
    ),
    "dry_run": switch("print the plan and stop"),
    "checkpoint_minutes": number("minutes between checkpoints", 5.0, high=1e6),
    "stalled_minutes": number(
        "minutes without a finished step after which the stacks of all threads "
        "are shown, to see what hangs; 0: never",
        15.0,
        high=1e6,
    ),
    "max_hours": number(
        "stop with a checkpoint and exit code 75 after so long, to go on later "
        "with the same command",
        None,
        high=1e5,
    ),
    "weights": text(
        "a file of weights, or a run's folder, which knows its data and --set; "
        "default: those that come with NAME, if any do"
    ),
    "preprocessing": text(
        "what the network of a file is fed, if the file does not say it: recipe, "
        "or the layout that it was imported from"
    ),
}


def share(*names: str) -> Declared:
    """The declarations of flags that several commands take."""
    return {name: SHARED[name] for name in names}


def define(declared: Declared) -> FlagValues:
    """The flags, with nothing given yet."""
    values = FlagValues()
    for name, define_one in declared.items():
        define_one(name, flag_values=values)
    return values


def parse(command: str, declared: Declared, line: list[str]) -> tuple[list[str], FlagValues]:
    """(words, values of the flags) of a command line, which both may mix.

    Args:
        command: For messages.

    Raises:
        UsageError: for a flag that the command does not take, or a value that cannot be.
    """
    values = define(declared)
    see = f"see python -m launch {command} --help."
    try:
        words = values(["launch", *line])[1:]
    except flags.UnrecognizedFlagError as error:
        name = error.flagname.partition("=")[0]
        if "set" in declared and (words := _say_setting(name, line)):
            raise UsageError(words) from error
        hint = did_you_mean(name, declared)
        if name == "weights" and "body_rate" in declared:  # what a training begins with
            hint = " Did you mean --from?"
        raise UsageError(
            f"{command} has no use for --{error.flagname}.{hint} It takes "
            f"{', '.join(f'--{name}' for name in declared) or 'no flags'}; {see}"
        ) from error
    except flags.Error as error:
        said = re.sub(r"invalid literal for int\(\).*", "it takes a whole number", str(error))
        raise UsageError(f"{said}; {see}") from error
    for name in sorted(declared):
        value = values[name].value
        if not values[name].present:
            continue
        if value in ("", []):
            raise UsageError(f"--{name} is empty: give a value, or leave it out.")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name}={value}: it must be a number.")
    return words, values


def _say_setting(name: str, line: list[str]) -> str | None:
    """The words for a flag that is meant as a field of the recipe, or of a network."""
    import reproductions
    from launch.settings.overrides import NETWORK, spell_out

    if spell_out(name).startswith(NETWORK):
        papers = map(reproductions.load, reproductions.names())
        recipes = (recipe for paper in papers for recipe in paper.RECIPES.values())
        if not any(hasattr(recipe.network, name) for recipe in recipes):
            return None
    words = [word for text in line for word in text.lstrip("-").split("=", 1)]
    given = next(iter(words[words.index(name) + 1 :]), "VALUE")
    return f"{name} is the recipe's; it is changed, on record, by --set {name}={given}."


def describe(declared: Declared) -> str:
    """Lines for --help: each flag, what it does, and its default."""
    values, lines = define(declared), []
    for name in declared:
        flag = values[name]
        silent = flag.default is None or isinstance(flag.default, bool | list)
        default = "" if silent else f" ({flag.default})"
        about = flag.help.partition(";\n")[0]  # absl adds how to repeat it
        wrapped = textwrap.indent(textwrap.fill(about + default, 56), " " * 24)
        lines.append(f"  --{name:<20}" + wrapped[24:])
    return "\n".join(lines)
