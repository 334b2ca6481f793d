"""Published weights, imported and evaluated: the published error.

../shared/data/README.md has the errors, measured with another implementation.
"""

import os
import re
import subprocess
import sys

import pytest

WEIGHTS = {
    "akamaster_resnet20": ("resnet20-12fca82f.th", 827),
    "akamaster_resnet32": ("resnet32-d509ac18.th", 737),
}


def launch(*words, data_dir):
    done = subprocess.run(
        [sys.executable, "-m", "launch", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"TFDS_DATA_DIR": str(data_dir)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("variant", WEIGHTS)
def test_cifar_weights_err_on_as_many_images_as_published(variant, shared_data, tmp_path):
    pytest.importorskip("torch")  # reads the files
    name, wrong = WEIGHTS[variant]
    source = shared_data / "weights" / name
    target = tmp_path / "imported.weights.h5"
    words = ("--from", "akamaster", str(source), "--out", str(target))
    launch("import", variant, *words, data_dir=tmp_path)
    said = launch("evaluate", variant, "--weights", target, data_dir=shared_data / "tfds")
    error = re.search(r"top-1 error ([\d.]+) .* 10,000 images of CIFAR-10", said)
    assert round(float(error[1]) * 100) == wrong  # 0.01 % is one image
