"""Classic convolutional networks, reproduced from their papers.

  python -m launch NAME [flags]      train NAME with its paper's recipe, measure
                                     it under the paper's test views, record it
  python -m launch COMMAND [words] [flags]
  python -m launch NAME --help       the flags of a training
  python -m launch COMMAND --help    the words and flags of a command

NAME is a paper (alexnet: its headline network) or a variant (alexnet_no_lrn).

  python -m launch alexnet --gpus 2                           as in the paper
  python -m launch alexnet --gpus 2 --platform cpu --data sample --set epochs=2
  python -m launch lenet5 --dry_run                           only the plan

Flags say where and on what to run. What the paper decides lives in the recipe;
--set changes it, on record: such a run is not counted as the paper's.
Exit codes: 0 done, 1 something went wrong, 2 wrong usage, 69 another host is
gone, 75 stopped by SIGTERM or --max_hours, 130 by Ctrl-C (the same command
continues these three).

Commands:
"""

import os
import sys
import textwrap

if __name__ == "__main__" and not sys.flags.safe_path:
    if sys.path[0] not in ("", os.path.dirname(os.path.dirname(__file__))):
        del sys.path[0]  # the current folder, where `python -m` would find a person's own common
try:
    from common.errors import UsageError
except ImportError:
    sys.exit(
        f"Python finds {sys.modules.get('common')} before the package common that belongs to "
        f"{__file__}. Rename it, or take its folder out of PYTHONPATH."
    )
from launch import commands
from launch.commands import COMMANDS, TRAIN

try:
    from launch.settings import flags
except ModuleNotFoundError as error:
    sys.exit(
        f"{sys.executable} has no {error.name}. `make demo` sets all up in .venv, and README.md "
        "says how by hand; then: . .venv/bin/activate"
    )
from launch.terminal.exits import by_script, exit_code


def main(argv: list[str]) -> int:
    """Runs one command; the exit code."""
    line = argv[1:]
    if {"--help", "-h"} & set(line):
        print(by_script(_help([word for word in line if not word.startswith("-")])))
        return 0
    command = line.pop(0) if line and line[0] in COMMANDS else TRAIN
    module = commands.load(command)
    words, values = flags.parse(command, module.FLAGS, line)
    if command == TRAIN and words and words[0] in COMMANDS:
        raise UsageError(f"{words[0]} goes before its flags: python -m launch {words[0]} ...")
    return module.run(words, values)


def _help(words: list[str]) -> str:
    """Of the command that the words name, of a training, or of all."""
    if not words:
        return __doc__ + "\n".join(f"  {name:<12}{about}" for name, about in COMMANDS.items())
    module = commands.load(words[0] if words[0] in COMMANDS else TRAIN)
    forms = [
        textwrap.fill(f"python -m launch {form}", 80, subsequent_indent=" " * 4)
        for form in module.USAGE.split("; or ")
    ]
    about = [textwrap.fill(text, 80) for text in module.__doc__.strip().split("\n\n")]
    listed = [f"Flags:\n{flags.describe(module.FLAGS)}"] if module.FLAGS else []
    return "\n\n".join(["\n".join(forms), *about, *listed])


def start() -> int:
    """What `python -m launch` and the script classic-convnets do; the exit code.

    The `python -m launch` of its children is this copy, and no launch.py of the current folder.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    root = os.path.dirname(os.path.dirname(__file__))
    if sys.path[0] == root:  # of a clone that need not be installed
        os.environ["PYTHONPATH"] = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    if parent := os.environ.pop("LAUNCH_PARENT", None):  # a sweep started this
        from launch.sweep import child

        return child.run(lambda: main(sys.argv), int(parent))
    return exit_code(lambda: main(sys.argv))


if __name__ == "__main__":
    sys.exit(start())
