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
            f"bvlc_googlenet: {PARAMETERS:,} weights written to {target}, from {source} "
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
