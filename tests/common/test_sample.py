import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from common.data.sources import drawing, sample
from tests.common.data_fixtures import digits, shapes


def test_shapes_are_jpegs_of_imagenet_like_sizes():
    sizes, labels = [], []
    for record in shapes().records("train").as_numpy_iterator():
        labels.append(record["label"])
        assert tf.io.is_jpeg(record["image"])
        sizes.append(tf.io.extract_jpeg_shape(record["image"]).numpy())
    assert np.bincount(labels).tolist() == [3] * 10
    heights, widths, channels = np.transpose(sizes)
    assert set(channels) == {3}
    assert (heights > widths).any() and (heights < widths).any()
    assert 320 <= np.maximum(heights, widths).min()
    assert np.maximum(heights, widths).max() <= 560


def test_drawing_depends_on_the_seed_alone():
    first = drawing.draw(3, np.random.default_rng(5))
    assert (first == drawing.draw(3, np.random.default_rng(5))).all()
    other = drawing.draw(3, np.random.default_rng(6))
    assert first.shape != other.shape or (first != other).any()


def test_mean_colour_does_not_give_the_class_away():
    images = [drawing.draw(i % 10, np.random.default_rng((1, i))) for i in range(120)]
    means = np.array([image.mean((0, 1)) for image in images]) / 255
    labels = np.arange(120) % 10
    # Hardly regularised: a ground as grey as its class is bright scores 0.7.
    fit = LogisticRegression(C=1e4, max_iter=5000).fit(means[:80], labels[:80])
    assert fit.score(means[80:], labels[80:]) < 0.3


def test_digits_are_uci_scans_in_the_form_of_mnist():
    source = digits()
    assert source.dataset.splits == {"train": 1_437, "test": 360}
    assert source.class_names() == tuple("0123456789")
    totals = np.zeros(10, int)
    for split in ("train", "test"):
        labels = [int(r["label"]) for r in source.records(split)]
        totals += np.bincount(labels, minlength=10)
    assert (totals == np.bincount(load_digits().target)).all()
    record = next(source.records("test").as_numpy_iterator())
    image = tf.io.decode_png(record["image"]).numpy()
    assert image.shape == (28, 28, 1)
    inner = image[4:24, 4:24].astype(int)
    assert inner.sum() == image.sum() and inner.max() > 150


def test_like_mnist_keeps_brightness_and_place():
    digit = np.zeros((8, 8))
    digit[:, 3:5] = 16
    image = sample.like_mnist(digit)[..., 0]
    assert image.max() == 255
    np.testing.assert_allclose(image, image[:, ::-1].astype(int), atol=1)
    columns = np.nonzero(image.sum(0))[0]
    assert columns.min() >= 10 and columns.max() <= 17


FEW = {"train": 2, "test": 1}


def test_a_second_process_may_finish_first(cache, monkeypatch):
    write = sample._write_shapes

    def slowly(folder, sizes):
        monkeypatch.setattr(sample, "_write_shapes", write)
        others.append(sample.prepare("sample_shapes", FEW))
        return write(folder, sizes)

    others = []
    monkeypatch.setattr(sample, "_write_shapes", slowly)
    assert sample.prepare("sample_shapes", FEW) == others[0]
    folder = cache / "data" / "sample_shapes"
    assert [entry.name for entry in folder.iterdir()] == ["1.0.0"]
    assert (others[0] / "features.json").exists()
    assert all(entry.is_file() for entry in others[0].iterdir())


def test_half_prepared_set_is_not_taken_for_a_whole_one(cache, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(drawing, "draw", interrupted)
        sample.prepare("sample_shapes", FEW)
    assert not list((cache / "data" / "sample_shapes").iterdir())
    assert (sample.prepare("sample_shapes", FEW) / "features.json").exists()
