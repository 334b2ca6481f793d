"""Command lines of tests: words, and flags as Python's values."""

import subprocess
import sys

from launch import commands
from launch.__main__ import main
from launch.settings.flags import parse
from launch.terminal.exits import exit_code
from tests.conftest import ROOT


def spell(flags):
    """Flags as they are typed; None means that one is not given."""
    line = []
    for name, value in flags.items():
        if isinstance(value, bool):
            line.append(f"--{'' if value else 'no'}{name}")
        elif isinstance(value, list | tuple) and name in ("set", "space"):
            line += [f"--{name}={one}" for one in value]
        elif isinstance(value, list | tuple):
            line.append(f"--{name}={','.join(value)}")
        elif value is not None:
            line.append(f"--{name}={value}")
    return line


def launch(*words, **flags):
    """Runs a command in this process; its exit code."""
    return main(["launch", *map(str, words), *spell(flags)])


def read(command, **flags):
    """The values of a command's flags."""
    return parse(command, commands.load(command).FLAGS, spell(flags))[1]


def answer(capsys, *words):
    """(exit code, stdout, stderr) of a command line, in this process."""
    capsys.readouterr()
    code = exit_code(lambda: main(["launch", *map(str, words)]))
    return code, *capsys.readouterr()


def run_alone(*words, **how):
    """Python with these words, in a process of its own and the project's folder."""
    usual = {"cwd": ROOT, "capture_output": True, "text": True}
    return subprocess.run([sys.executable, *map(str, words)], **usual | how)
