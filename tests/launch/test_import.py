"""`python -m launch import`: published weights into ours."""

import hashlib

import numpy as np
import pytest
from safetensors.numpy import save_file

import reproductions
from common.errors import RunError, UsageError
from common.models.weight_import import read_layers
from tests import golden
from tests.launch import flags
from tests.launch.test_command_line import SECONDS, child_seconds, launch

PARAMETERS = 13_378_280  # of GoogLeNet, with its auxiliary heads
ORACLE = "caffe_googlenet_caffe"


def import_here(name, layout, source, target):
    return flags.launch("import", name, source, **{"from": layout, "out": target})


def test_caffes_weights_give_caffes_logits_from_either_format(tmp_path, capsys, monkeypatch):
    network = reproductions.build_model("googlenet", "bvlc_googlenet")
    monkeypatch.setattr(reproductions, "build_model", lambda *_: network)
    files = [tmp_path / "bvlc.npz", tmp_path / "a.safetensors"]
    np.savez(files[0], **golden.state(ORACLE))
    save_file(golden.state(ORACLE), files[1])
    targets = [tmp_path / "ours.weights.h5", tmp_path / "again.weights.h5"]
    for source, target in zip(files, targets, strict=True):
        for variable in network.variables:
            variable.assign(np.ones(variable.shape))
        assert import_here("bvlc_googlenet", "caffe", source, target) == 0
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        assert capsys.readouterr() == (
            f"bvlc_googlenet: {PARAMETERS:,} parameters written to {target}, from {source} "
            f"(caffe, sha256 {digest}), for images as caffe prepares them: "
            "SubtractMeanPixel(order='BGR', mean=(104.0, 117.0, 123.0))\n",
            "",
        )
    assert set(tmp_path.iterdir()) == {*files, *targets}
    one, other = map(read_layers, targets)
    assert one.keys() == other.keys()
    for name, weights in one.items():
        assert all(map(np.array_equal, weights, other[name]))
    network.load_weights(targets[0])  # as evaluate does
    main, *_ = network(golden.image(ORACLE))
    assert golden.difference(main.numpy(), ORACLE) < 1e-5


def test_weights_of_another_network_leave_no_file(tmp_path):
    source = tmp_path / "a.npz"
    np.savez(source, **{"fc.weight": np.ones((2, 2))})
    with pytest.raises(RunError, match="not the weights of akamaster_resnet20. Missing"):
        import_here("akamaster_resnet20", "akamaster", source, tmp_path / "b.weights.h5")
    assert list(tmp_path.iterdir()) == [source]


def test_a_variant_that_keras_has_not_is_refused(tmp_path):
    (tmp_path / "a.h5").touch()
    with pytest.raises(UsageError, match="keras.applications has no vgg11; it has vgg16, vgg19"):
        import_here("vgg11", "keras", tmp_path / "a.h5", tmp_path / "w.weights.h5")


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


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The present folder, with files and a folder to be mistaken for others."""
    monkeypatch.chdir(tmp_path)
    for file in ("a.npz", "a.h5", "a.onnx", "old.weights.h5"):
        (tmp_path / file).touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_answered_in_one_paragraph_and_nothing_is_written(name, files, capsys):
    words, said = WRONG[name]
    before = sorted(files.iterdir())
    code, out, err = flags.answer(capsys, *words)
    assert (code, out) == (2, "")
    assert said in err and err.count("\n") == 1
    assert sorted(files.iterdir()) == before


def test_the_last_thing_that_can_be_wrong_is_found_without_tensorflow(files):
    """The best of three, so that a busy machine does not count."""
    times = []
    for _ in range(3):
        start = child_seconds()
        code, _, err = launch(*WRONG["a folder that does not exist"][0], cwd=files)
        times.append(child_seconds() - start)
        assert code == 2 and "no folder no" in err
    assert min(times) < SECONDS
