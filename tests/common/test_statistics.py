import dataclasses

import numpy as np
import pytest

from common.data import pipeline, statistics
from common.data.transforms import CentreCrop, PcaColourNoise, SubtractMeanImage, UntilEpoch
from common.errors import UsageError
from tests.common.data_fixtures import PHOTOS, image_folder, shapes

MEAN = dataclasses.replace(PHOTOS, normalize=SubtractMeanImage())


def test_statistics_are_numpys():
    frames = np.array(
        [
            record["image"]
            for record in pipeline.frames(shapes(), "train", MEAN).as_numpy_iterator()
        ],
        np.float64,
    )
    found = statistics.compute(shapes(), MEAN)
    pixels = frames.reshape(-1, 3)
    assert found.mean_image.shape == (64, 64, 3)
    np.testing.assert_allclose(found.mean_image, frames.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.pixel_mean, pixels.mean(0))
    np.testing.assert_allclose(found.pixel_std, pixels.std(0))
    np.testing.assert_allclose(found.covariance, np.cov(pixels.T, bias=True), rtol=1e-9)
    assert statistics.require_size(found, MEAN) is found
    smaller = dataclasses.replace(MEAN, test_transforms=(CentreCrop(60),))
    with pytest.raises(UsageError, match="is of 64 x 64 pixels.* want one of 60 x 60"):
        statistics.require_size(found, smaller)


def test_statistics_are_needed_by_means_and_colour_noise_only(cache):
    noise = PcaColourNoise(std=0.1, shrink=1.0)
    assert not statistics.needed(PHOTOS)
    assert statistics.statistics_for(None, PHOTOS) is None
    assert not cache.exists()
    assert statistics.needed(MEAN)
    for operation in (noise, UntilEpoch(3, noise)):
        noisy = dataclasses.replace(PHOTOS, train_noise=(operation,))
        assert statistics.needed(noisy)


def test_statistics_are_kept_and_damaged_files_recomputed(cache, monkeypatch):
    calls = []
    first = statistics.statistics_for(shapes(), MEAN, lambda *done: calls.append(done))
    assert calls[-1] == (30, 30)
    [file] = (cache / "statistics").iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(statistics, "compute", None)  # must not be called
        kept = statistics.statistics_for(shapes(), MEAN)
    assert (kept.mean_image == first.mean_image).all()
    assert (kept.covariance == first.covariance).all()
    for damage in (b"", file.read_bytes()[:1000], b"nonsense" * 100):
        file.write_bytes(damage)
        again = statistics.statistics_for(shapes(), MEAN)
        assert (again.mean_image == first.mean_image).all()
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_the_file_follows_the_data_and_the_frame(tmp_path):
    source = image_folder(tmp_path)
    frame = (*MEAN.test_transforms[:1], CentreCrop(60))
    other = dataclasses.replace(MEAN, test_transforms=frame)
    grey = dataclasses.replace(MEAN, channels=1)
    asked = [(source, MEAN), (source, other), (shapes(), MEAN), (source, grey), (source, MEAN)]
    files = [statistics.kept_file(*what) for what in asked]
    assert len(set(files)) == 4 and files[0] == files[-1]
