"""`python -m launch doctor DATASET`: is the prepared data what it should be?"""

import os
import pathlib

from common.data import catalog
from common.data.preparation.examination import examine, record_files
from common.data.preparation.expected import OFFICIAL
from common.data.preparation.findings import findings
from common.data.preparation.processes import workers
from common.errors import UsageError
from launch.counting import Counting
from launch.quiet import quiet


def run(name: str, values: dict) -> int:
    """Prints the findings; exit code 1 if one of them matters."""
    data_dir = pathlib.Path(values["data_dir"]).expanduser()
    if name.partition(":")[0] in ("sample", "folder"):
        raise UsageError(
            f"doctor looks at prepared data sets; {name} is read as it is."
        )
    dataset = catalog.find(name, data_dir=str(data_dir))
    folder = catalog.builder_dir(dataset, str(data_dir))
    files = record_files(folder)
    counting, seen = Counting(), [None] * len(files)
    jobs = values["jobs"] or len(os.sched_getaffinity(0))
    with quiet():
        import tensorflow  # noqa: F401
    with workers(min(jobs, len(files))) as each:
        official = OFFICIAL.get(dataset.name)
        known = bool(official and official.mean)  # the pixels' mean
        tasks = [
            (path, split, values["deep"], known and split == "train")
            for split, path in files
        ]
        for done, (place, result) in enumerate(each(examine, tasks), 1):
            seen[place] = result
            counting.show("examining files", done, len(files))
    counting.clear()
    found = findings(dataset, folder, seen)
    print(f"{folder}:")
    for finding in found:
        print(f"{'WRONG' if finding.matters else 'note '}  {finding.what}")
        if finding.advice:
            print(f"       {finding.advice}")
    wrong = sum(finding.matters for finding in found)
    print(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    return 1 if wrong else 0
