"""`predict` as it is typed; and published weights, imported, on real images.

../shared/data/README.md has the published errors, measured with another implementation.
"""

import re

import pytest
from PIL import Image

from tests.launch import flags, test_predict
from tests.launch.flags import answer

here = test_predict.here
PUBLISHED = {
    "akamaster_resnet20": ("resnet20-12fca82f.th", 827),
    "akamaster_resnet32": ("resnet32-d509ac18.th", 737),
}


@pytest.fixture
def imported(shared_data, tmp_path, here, monkeypatch):
    """`of(variant)`: its published weights, imported."""
    pytest.importorskip("torch")  # reads the files
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared_data / "tfds"))

    def of(variant):
        source, target = shared_data / "weights" / PUBLISHED[variant][0], tmp_path / "w.weights.h5"
        flags.launch("import", variant, source, **{"from": "akamaster", "out": target})
        return target

    return of


@pytest.mark.full
@pytest.mark.parametrize("variant", PUBLISHED)
def test_cifar_weights_err_on_as_many_images_as_published(variant, imported, capsys):
    assert flags.launch("evaluate", variant, weights=imported(variant)) == 0
    said = capsys.readouterr().out
    error = re.search(r"top-1 error ([\d.]+) .* 10,000 images of CIFAR-10", said)
    assert round(float(error[1]) * 100) == PUBLISHED[variant][1]  # 0.01 % is one image


@pytest.mark.full
def test_published_cifar_weights_know_cats_from_ships(imported, shared_data, tmp_path, capsys):
    """The import, the network and the photographs are all real."""
    shown = {
        "n02123045": "cat",  # tabby
        "n02088238": "dog",  # basset
        "n04347754": "ship",  # submarine
        "n02423022": "deer",  # gazelle
    }
    weights, sheet = imported("akamaster_resnet20"), tmp_path / "sheet.png"
    words = ["akamaster_resnet20", *(shared_data / "photos" / wnid for wnid in shown)]
    code, out, err = answer(capsys, "predict", *words, "--weights", weights, "--out", sheet)
    assert (code, err) == (0, "")
    first = [out.splitlines()[6 * place + 1].split()[-1] for place in range(4)]
    assert first == list(shown.values())
    assert Image.open(sheet).width > 1000
