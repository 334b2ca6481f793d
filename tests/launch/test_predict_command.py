"""`python -m launch predict` in processes of its own."""

import os
import subprocess
import sys

import pytest
from PIL import Image

from tests.launch.test_command_line import ROOT, child_seconds, launch

WEIGHTS = ("--weights", "w.weights.h5")
WRONG = {
    "no weights": (("alexnet", "a.jpg"), "come with: lenet5"),
    "no photograph": (("alexnet", *WEIGHTS), "RUN IMAGE..."),
    "a name": (("alexnt", "a.jpg", *WEIGHTS), "'alexnet'"),
    "a missing photograph": (("alexnet", "b.jpg", *WEIGHTS), "b.jpg"),
    "an empty folder": (("alexnet", "empty", *WEIGHTS), "no photographs"),
    "missing weights": (("alexnet", "a.jpg", "--weights", "v.h5"), "no file v.h5"),
    "a folder that is no run's": (("alexnet", "a.jpg", "--weights", "empty"), "no run.json"),
    "two views": (("alexnet", "a.jpg", *WEIGHTS, "--views", "single,ten_crop"), "one of the views"),
    "a sheet that is no PNG": (
        ("alexnet", "a.jpg", *WEIGHTS, "--out", "s.jpg"),
        "must end in .png, .csv, .json",
    ),
    "a sheet nowhere": (("alexnet", "a.jpg", *WEIGHTS, "--out", "no/s.png"), "no folder no"),
    "another verb's flag": (("alexnet", "a.jpg", *WEIGHTS, "--seed", "1"), "no use for --seed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_answered_at_once(name, tmp_path):
    """Without TensorFlow, in one paragraph."""
    words, said = WRONG[name]
    (tmp_path / "a.jpg").touch()
    (tmp_path / "w.weights.h5").touch()
    (tmp_path / "empty").mkdir()
    start = child_seconds()
    code, out, err = launch("predict", *words, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert said in err and err.count("\n") == 1
    assert child_seconds() - start < 2


@pytest.mark.full
def test_published_cifar_weights_know_cats_from_ships(shared_data, tmp_path):
    """The import, the network and the photographs are all real."""
    pytest.importorskip("torch")  # reads the file
    weights = tmp_path / "imported.weights.h5"
    source = shared_data / "weights" / "resnet20-12fca82f.th"
    photos = shared_data / "photos"
    shown = {
        "n02123045": "cat",  # tabby
        "n02088238": "dog",  # basset
        "n04347754": "ship",  # submarine
        "n02423022": "deer",  # gazelle
    }
    sheet = tmp_path / "sheet.png"
    where = {"TFDS_DATA_DIR": str(shared_data / "tfds")}
    network = "akamaster_resnet20"
    for words in (
        ("import", network, "--from", "akamaster", source, "--out", weights),
        ("predict", network, *[photos / wnid for wnid in shown])
        + ("--weights", weights, "--out", sheet),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "launch", *map(str, words)],
            cwd=ROOT,
            env=os.environ | where,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    first = [lines[6 * place + 1].split()[-1] for place in range(4)]
    assert first == list(shown.values())
    assert Image.open(sheet).width > 1000
