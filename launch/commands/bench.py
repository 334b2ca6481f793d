"""What input, step and start cost on this machine, each beside its limit."""

import pathlib

from absl.flags import FlagValues

from launch.bench import bench
from launch.bench.rows import Request
from launch.commands.names import find
from launch.settings.flags import share, text

USAGE = "bench [input|step|start] [NAME...] [--out FILE.json]"
FLAGS = share("gpus", "platform", "data", "data_dir", "set") | {"out": text("a JSON file")}


def run(words: list[str], flags: FlagValues) -> int:
    """Measures and prints; exit code 0."""
    parts, names = bench.parts_and_names(words)
    request = Request(
        names=tuple(find(name)[1] for name in names),
        data=flags.data,
        data_dir=pathlib.Path(flags.data_dir).expanduser(),
        gpus=flags.gpus,
        platform=flags.platform,
        changes=tuple(flags.set),
    )
    return bench.run(parts, request, flags.out and pathlib.Path(flags.out).expanduser())
