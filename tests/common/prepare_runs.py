"""Prepares a synthetic ImageNet in many small shards; run as a program.

python -m tests.common.prepare_runs SOURCE DATA_DIR JOBS PER_SHARD
"""

import pathlib
import sys

import pytest

from common.data.preparation import imagenet
from common.data.preparation.expected import from_file
from common.data.preparation.prepare import Request, prepare


def run(source, data_dir, *, jobs=1, per_shard=None, **changed):
    source = pathlib.Path(source)
    asked = {
        "name": "imagenet2012",
        "source": source,
        "data_dir": pathlib.Path(data_dir),
        "expected": from_file(source / "counts.json"),
        "shorter_side": None,
        "jobs": jobs,
        "leave_out_bad": True,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "IMAGES_PER_SHARD", per_shard or imagenet.IMAGES_PER_SHARD)
        return prepare(Request(**(asked | changed)), lambda *_: None)


if __name__ == "__main__":
    source, data_dir, jobs, per_shard = sys.argv[1:]
    run(source, data_dir, jobs=int(jobs), per_shard=int(per_shard))
