"""The same pixels of the same file: training, `predict`, an exported model."""

import dataclasses
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from common import export
from common.data import catalog, pipeline
from common.data.diagnosis import explained
from common.data.images import decoder
from common.data.sources import photographs
from common.errors import RunError
from common.evaluation.evaluator import score
from common.evaluation.inputs import cut_crops
from common.recipes.losses import SoftmaxCrossEntropy
from tests.common.data_fixtures import PHOTOS, as_predict_sees, noise_image
from tests.common.prepare_runs import small
from tests.common.test_serving import photos

RECIPE = dataclasses.replace(PHOTOS, loss=SoftmaxCrossEntropy())


def picture(mode="RGB"):
    image = Image.fromarray(noise_image(90, 110))
    if mode in ("RGBA", "LA"):
        image = image.convert(mode)
        ramp = np.linspace(0, 255, 110).astype(np.uint8)[None].repeat(90, 0)
        image.putalpha(Image.fromarray(ramp))
        return image
    return image.quantize(8) if mode == "P" else image.convert(mode)


def png16():
    """A 16-bit RGB PNG; Pillow writes none."""
    pixels = np.random.default_rng(0).integers(0, 65536, (90, 110, 3), np.uint16)
    return tf.io.encode_png(pixels).numpy()


def saved(mode, kind, **options):
    file = io.BytesIO()
    picture(mode).save(file, kind, **options)
    return file.getvalue()


FILES = {
    "plain.jpg": saved("RGB", "jpeg"),
    "grey.jpg": saved("L", "jpeg"),
    "cmyk.jpg": saved("CMYK", "jpeg"),
    "progressive.jpg": saved("RGB", "jpeg", progressive=True),
    "trailing.jpg": saved("RGB", "jpeg") + bytes(300),
    "rgb.png": saved("RGB", "png"),
    "palette.png": saved("P", "png"),
    "hole.png": saved("P", "png", transparency=3),
    "onebit.png": saved("1", "png"),
    "rgba.png": saved("RGBA", "png"),
    "grey_alpha.png": saved("LA", "png"),
    "grey_hole.png": saved("L", "png", transparency=100),
    "deep.png": png16(),
    "png_called.jpg": saved("RGBA", "png"),
    "jpeg_called.png": saved("RGB", "jpeg"),
    "a.webp": saved("RGBA", "webp", lossless=True),
    "gif_called.jpg": saved("P", "gif", transparency=3),
    "a.bmp": saved("RGB", "bmp"),
    "a.tiff": saved("RGBA", "tiff"),
    "a.ppm": saved("RGB", "ppm"),
}
SERVED = [name for name in FILES if decoder.readable(FILES[name]).data == (FILES[name])]


def lay_out(root, files):
    """Both splits of one class; its source."""
    for split in ("train", "validation"):
        (root / split / "a").mkdir(parents=True)
        for name, data in files.items():
            (root / split / "a" / name).write_bytes(data)
    return catalog.open_source(catalog.find(f"folder:{root}"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("folder")
    lay_out(root, FILES)
    return root


def refuse(source, message):
    with pytest.raises(RunError, match=message):
        with explained(source, "train", RECIPE):
            frames(source, "train")


def frames(source, split):
    """Name of the file -> its frame, as training and evaluation see it."""
    seen = pipeline.frames(source, split, RECIPE).as_numpy_iterator()
    return {r["id"].decode().rpartition("/")[2]: r["image"] for r in seen}


@pytest.fixture(scope="module")
def trained_on(folder):
    return frames(catalog.open_source(catalog.find(f"folder:{folder}")), "train")


def test_predict_sees_what_training_sees(folder, trained_on):
    paths, _ = photographs.find([str(folder / "train" / "a")])
    source = photographs.Photographs(paths, side=None, digits=False)
    found = frames(source, photographs.SPLIT)
    assert not source.unreadable and len(found) == len(FILES)
    for place, path in enumerate(paths):
        np.testing.assert_array_equal(found[str(place)], trained_on[path.name], err_msg=path.name)


def test_a_prepared_set_has_the_same_pixels(folder, trained_on, tmp_path):
    _, source = small("odd", folder, tmp_path)
    found = frames(source, "train")
    assert found.keys() == trained_on.keys()
    for name, frame in found.items():
        np.testing.assert_array_equal(frame, trained_on[name], err_msg=name)


def test_an_exported_model_sees_what_training_sees(trained_on):
    served = dataclasses.replace(photos("centre_crop"), recipe=RECIPE)
    assert {"rgba.png", "cmyk.jpg", "hole.png", "deep.png"} <= set(SERVED)
    files = tf.constant([FILES[name] for name in SERVED])
    found = export.probabilities_of_files(served, files).numpy()
    [scaled] = served.view.scaled_images(served.frame_side, served.frame_side)
    crops = [
        cut_crops(trained_on[name], scaled, RECIPE.normalize, served.statistics) for name in SERVED
    ]
    scores = score(served.model, [tf.stack(crops)], served.view)
    np.testing.assert_allclose(found, tf.nn.softmax(scores), atol=1e-6)


def test_an_exported_model_refuses_other_files_in_a_sentence():
    served = dataclasses.replace(photos("centre_crop"), recipe=RECIPE)
    answer = tf.function(lambda files: export.probabilities_of_files(served, files))
    with pytest.raises(tf.errors.InvalidArgumentError, match="convert it"):
        answer(tf.constant([FILES["a.bmp"]]))


def test_what_is_transparent_is_white_in_one_channel_too():
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(file, "png")
    for channels in (1, 3):
        found = decoder.decode(file.getvalue(), channels, jpeg=False)
        assert found.shape == (8, 8, channels) and (found.numpy() == 255).all()


def damaged_later(root, name, data):
    """The source of class folders whose images were whole when they were looked at."""
    source = lay_out(root, {name: FILES["plain.jpg"]})
    for split in ("train", "validation"):
        (root / split / "a" / name).write_bytes(data)
    return source


def test_a_jpeg_without_its_end_is_refused_by_all(tmp_path):
    source = damaged_later(tmp_path, "cut.jpg", FILES["plain.jpg"][:-200])
    with pytest.raises(ValueError, match="cut off"):
        as_predict_sees(tmp_path / "train" / "a" / "cut.jpg")
    refuse(source, r"cut\.jpg")
    with pytest.raises(RunError, match=r"Left out: 2 images .*a/cut.jpg \(it is cut off"):
        catalog.find(f"folder:{tmp_path}")
    with pytest.raises(RunError, match="cut off"):
        small("cut", tmp_path, tmp_path / "data")


NO_IMAGES = {
    "page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
    "empty": (b"", "zero bytes"),
    "zeros": (bytes(400), "all zero"),
    "no_image": (b"<html>404", "no image"),
    "no_header": (b"\xff\xd8\xff\xe0\0\x10JFIF", "cut off"),
    "cut_jpeg": (FILES["plain.jpg"][:300], "is cut off after 300 bytes"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
    "float": (None, "no 8 or 16 bits"),
    "cut_gif": (FILES["gif_called.jpg"][:60], "GIF, and damaged"),
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_image_says_what_it_is(name, tmp_path):
    data, told = NO_IMAGES[name]
    if data is None:
        file = io.BytesIO()
        Image.fromarray(np.ones((4, 4), np.float32)).save(file, "tiff")
        data = file.getvalue()
    with pytest.raises(ValueError, match=told):
        decoder.readable(data)
    if name in ("page", "cut_jpeg", "float"):  # no JPEG, one, and what Pillow reads
        refuse(damaged_later(tmp_path, "x.jpg", data), f"x.jpg.*{told}")


def test_a_large_sound_image_is_called_too_large_not_damaged():
    """TensorFlow says "Invalid JPEG data" of more than 178 megapixels."""
    start = FILES["plain.jpg"].index(b"\xff\xc0")
    large = bytearray(FILES["plain.jpg"])
    large[start + 5 : start + 9] = struct.pack(">HH", 10_000, 20_000)
    with pytest.raises(ValueError, match="^it has 200 megapixels, and at most 179"):
        decoder.readable(bytes(large))
    gif = bytearray(FILES["gif_called.jpg"])
    gif[6:10] = struct.pack("<HH", 20_000, 10_000)
    with pytest.raises(ValueError, match="^it has 200 megapixels"):
        decoder.readable(bytes(gif))


def test_a_file_that_was_taken_away_is_named(tmp_path):
    source = lay_out(tmp_path, {"x.jpg": FILES["plain.jpg"]})
    (tmp_path / "train" / "a" / "x.jpg").unlink()
    refuse(source, "x.jpg cannot be read: No such file")
