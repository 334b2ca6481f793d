"""Is the prepared data what it should be? Every hash and count, and with --deep every image."""

import os
import pathlib

from absl.flags import FlagValues

from common.data import catalog
from common.data.dataset import DataSet
from common.data.preparation.checks import Finding, findings, of_folder
from common.data.preparation.expected import OFFICIAL
from common.data.preparation.inspection import examine, record_files
from common.data.processes import workers
from common.data.sources.folder_source import read_folder
from common.errors import UsageError
from launch.commands.names import read_data_set
from launch.settings.flags import share, switch, whole
from launch.terminal.display import Counting
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
    data_dir = pathlib.Path(flags.data_dir).expanduser()
    counting = Counting()
    dataset = catalog.find(name, data_dir=str(data_dir), progress=counting.show)
    counting.clear()
    if name.startswith("folder:"):
        where, found = _folder(dataset, flags.deep)
    else:
        with quiet():
            import tensorflow  # noqa: F401
        where = catalog.builder_dir(dataset, str(data_dir))
        jobs = flags.jobs or len(os.sched_getaffinity(0))
        found = _prepared(dataset, where, jobs, flags.deep)
    print(f"{where}:")
    for finding in found:
        print(f"{'WRONG' if finding.matters else 'note '}  {finding.what}")
        if finding.advice:
            print(f"       {finding.advice}")
    wrong = sum(finding.matters for finding in found)
    print(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


def _prepared(dataset: DataSet, folder: pathlib.Path, jobs: int, deep: bool) -> list[Finding]:
    files = record_files(folder)
    counting, seen = Counting(), [None] * len(files)
    with workers(min(jobs, len(files))) as each:
        official = OFFICIAL.get(dataset.name)
        known = bool(official and official.mean)  # the pixels' mean
        tasks = [(path, split, deep, known and split == "train") for split, path in files]
        for done, (place, result) in enumerate(each(examine, tasks), 1):
            seen[place] = result
            counting.show("examining files", done, len(files))
    counting.clear()
    return findings(dataset, folder, seen)


def _folder(dataset: DataSet, deep: bool) -> tuple[pathlib.Path, list[Finding]]:
    """Where class folders lie, and what there is to say of them."""
    source, counting = catalog.open_source(dataset), Counting()
    root, cache = pathlib.Path(source.where), catalog.default_cache_dir()
    found = read_folder(root, cache, again=deep, progress=counting.show)
    counting.clear()
    labels = {name: label for label, name in enumerate(source.class_names())}
    return root, of_folder(dataset, labels, found)
