"""`python -m launch import`: published weights into ours."""

import hashlib
import importlib
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

import reproductions
from common.errors import RunError, UsageError
from common.files import save_weights
from launch.weights.preprocessing import layouts
from tests import golden
from tests.launch import flags
from tests.launch.test_command_line import ROOT, SECONDS, child_seconds, launch

CAFFENET = 60_965_224  # parameters


@pytest.fixture
def folder(tmp_path):
    """Emptied at the end: each file of an AlexNet has 240 MB."""
    yield tmp_path
    for file in tmp_path.iterdir():
        file.unlink()


def import_here(name, layout, source, target):
    return flags.launch("import", name, source, **{"from": layout, "out": target})


def require_golden_logits(file):
    model = reproductions.build_model("alexnet", "caffenet")
    model.load_weights(file)  # as evaluate does
    found = model(golden.image("caffe_caffenet")).numpy()
    assert golden.difference(found, "caffe_caffenet") < 1e-5


def test_caffes_weights_in_npz_give_caffes_logits(folder):
    source, target = folder / "bvlc.npz", folder / "ours.weights.h5"
    np.savez(source, **golden.state("caffe_caffenet"))
    words = ["import", "caffenet", "--from", "caffe", source, "--out", target]
    done = subprocess.run(
        [sys.executable, "-m", "launch", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert done.stdout == (
        f"caffenet: {CAFFENET:,} parameters written to {target}, from {source} "
        f"(caffe, sha256 {digest}), for images as caffe prepares them: "
        "SubtractMeanPixel(order='BGR', mean=(104.0069879317889, "
        "116.66876761696767, 122.6789143406786))\n"
    )
    assert set(folder.iterdir()) == {source, target}
    require_golden_logits(target)


def test_safetensors_give_the_same(folder):
    source, target = folder / "a.safetensors", folder / "ours.weights.h5"
    save_file(golden.state("caffe_caffenet"), source)
    assert import_here("caffenet", "caffe", source, target) == 0
    require_golden_logits(target)


def test_weights_of_another_network_leave_no_file(tmp_path):
    source = tmp_path / "a.npz"
    np.savez(source, **{"fc6.weight": np.ones((2, 2))})
    with pytest.raises(RunError, match="not the weights of caffenet. Missing"):
        import_here("caffenet", "caffe", source, tmp_path / "b.weights.h5")
    assert list(tmp_path.iterdir()) == [source]


class Unwritable:
    """A network on a disk that fills up half-way."""

    variables = ()

    def save_weights(self, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_no_half_file(tmp_path):
    with pytest.raises(RunError, match="No space left"):
        save_weights(Unwritable(), tmp_path / "a.weights.h5", lambda file: None)
    assert not list(tmp_path.iterdir())


def test_a_variant_that_keras_has_not_is_refused(tmp_path):
    (tmp_path / "a.h5").touch()
    with pytest.raises(UsageError, match="keras.applications has no vgg11; it has vgg16, vgg19"):
        import_here("vgg11", "keras", tmp_path / "a.h5", tmp_path / "w.weights.h5")


def test_layouts_are_known_without_importing_tensorflow():
    known = 0
    for paper in reproductions.names():
        name = f"reproductions.{paper}.weights"
        if not (reproductions.folder(paper) / "weights.py").is_file():
            assert layouts(paper) == ()
            continue
        weights = importlib.import_module(name)
        assert layouts(paper) == tuple(weights.LAYOUTS)
        assert ("keras" in weights.LAYOUTS) == hasattr(weights, "KERAS_APPLICATIONS")
        known += 1
    assert known


CAFFE = ("import", "alexnet", "--from", "caffe")
OUT = ("--out", "w.weights.h5")
WRONG = {
    "nothing else": (("import",), "--from LAYOUT FILE --out"),
    "no file": ((*CAFFE, *OUT), "--from LAYOUT FILE --out"),
    "no layout": (("import", "alexnet", "a.npz", *OUT), "--from LAYOUT"),
    "no --out": ((*CAFFE, "a.npz"), "--out W.weights.h5"),
    "a name": (("import", "alexnt", "a.npz", *CAFFE[2:], *OUT), "'alexnet'"),
    "a layout": (
        ("import", "alexnet", "--from", "cafe", "a.npz", *OUT),
        "'cafe'. Did you mean 'caffe'? Known for --from: caffe",
    ),
    "a paper without published weights": (
        ("import", "lenet5", "--from", "caffe", "a.npz", *OUT),
        "No published weights are known for lenet5",
    ),
    "a missing file": ((*CAFFE, "no.npz", *OUT), "no file no.npz"),
    "a folder": ((*CAFFE, "folder", *OUT), "no file folder"),
    "a kind of file": ((*CAFFE, "a.onnx", *OUT), ".npz, .safetensors, .pth"),
    "Keras's file in Caffe's layout": ((*CAFFE, "a.h5", *OUT), ".npz, "),
    "a name to write": ((*CAFFE, "a.npz", "--out", "w.npz"), "must end in .weights.h5"),
    "a file that exists": ((*CAFFE, "a.npz", "--out", "old.weights.h5"), "exists already"),
    "a folder that does not exist": ((*CAFFE, "a.npz", "--out", "no/w.weights.h5"), "no folder no"),
    "one more file": ((*CAFFE, "a.npz", "b.npz", *OUT), "'b.npz'"),
    "another verb's flag": ((*CAFFE, "a.npz", *OUT, "--gpus", "1"), "--gpus"),
    "its flag for another verb": (("alexnet", *OUT), "no use for --out"),
    "a misspelt verb": (("imports", "alexnet"), "'import'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_answered_at_once(name, tmp_path):
    """Without TensorFlow, in one paragraph, and nothing is written."""
    words, said = WRONG[name]
    for file in ("a.npz", "a.h5", "a.onnx", "old.weights.h5"):
        (tmp_path / file).touch()
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    code, out, err = launch(*words, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert said in err and err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_misspelt_layout_costs_no_time():
    """The best of three, so that a busy machine does not count."""
    times = []
    for _ in range(3):
        start = child_seconds()
        launch(*WRONG["a layout"][0])
        times.append(child_seconds() - start)
    assert min(times) < SECONDS
