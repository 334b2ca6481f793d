"""Is the prepared data what it should be? Every hash and count, and with --deep every image."""

import os
import pathlib

from absl.flags import FlagValues

from common.data import catalog
from common.data.dataset import DataSet
from common.data.preparation.checks import findings, of_folder
from common.data.preparation.expected import OFFICIAL
from common.data.preparation.inspection import Examined, examine, record_files
from common.data.processes import workers
from common.data.sources.folder_source import read_folder
from common.errors import UsageError
from launch.commands.names import read_data_set
from launch.settings.flags import share, switch, whole
from launch.terminal.display import Counting
from launch.terminal.exits import as_called
from launch.terminal.quiet import quiet

USAGE = "doctor DATASET"
FLAGS = share("data_dir") | {
    "jobs": whole("processes; default: all cores", low=1),
    "deep": switch("decode every image, too"),
}


def run(words: list[str], flags: FlagValues) -> int:
    """Prints the findings; exit code 1 if one of them matters."""
    name = read_data_set(USAGE, words)
    if name == "sample":
        raise UsageError(
            "doctor looks at prepared data sets and at folder:PATH; sample is made as it must be."
        )
    data_dir, counting = str(pathlib.Path(flags.data_dir).expanduser()), Counting()
    dataset = catalog.find(name, data_dir=data_dir, progress=counting.show)
    if name.startswith("folder:"):
        source = catalog.open_source(dataset)
        where, folders = pathlib.Path(source.where), dataset.folders
        if flags.deep:
            folders = read_folder(where, again=True, progress=counting.show)
        labels = {name: label for label, name in enumerate(source.class_names())}
        found = of_folder(dataset, labels, folders)
    else:
        counting.clear()
        with quiet():
            import tensorflow  # noqa: F401
        where = catalog.builder_dir(dataset, data_dir)
        jobs = flags.jobs or len(os.sched_getaffinity(0))
        found = findings(dataset, where, _examine_all(dataset, where, jobs, flags.deep, counting))
    counting.clear()
    print(f"{where}:")
    for finding in found:
        print(f"{'WRONG' if finding.matters else 'note '}  {finding.what}")
        if finding.advice:
            print(f"       {as_called(finding.advice)}")
    wrong = sum(finding.matters for finding in found)
    print(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


def _examine_all(
    dataset: DataSet, folder: pathlib.Path, jobs: int, deep: bool, counting: Counting
) -> list[Examined]:
    files = record_files(folder)
    official, seen = OFFICIAL.get(dataset.name), [None] * len(files)
    known = bool(official and official.mean)  # the pixels' mean
    tasks = [(path, split, deep, known and split == "train") for split, path in files]
    with workers(min(jobs, len(files))) as each:
        for done, (place, result) in enumerate(each(examine, tasks), 1):
            seen[place] = result
            counting.show("examining files", done, len(files))
    return seen
