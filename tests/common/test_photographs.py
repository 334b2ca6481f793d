"""People's own image files become upright, RGB and 8 bits deep."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from common.data.sources import photographs
from common.errors import UsageError
from tests.common.data_fixtures import as_predict_sees

RED, BLUE = (200, 30, 30), (30, 30, 200)


def two_halves(left=RED, right=BLUE, size=(80, 40)):
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def mean(image, box):
    return np.asarray(image.crop(box)).reshape(-1, 3).mean(axis=0)


def assert_two_halves(image):
    assert (image.mode, image.size) == ("RGB", (80, 40))
    left, right = mean(image, (0, 0, 36, 40)), mean(image, (44, 0, 80, 40))
    np.testing.assert_allclose(left, RED, atol=6)
    np.testing.assert_allclose(right, BLUE, atol=6)


def saved(image, path, **options):
    image.save(path, **options)
    return path


FILES = {
    "plain.jpg": (two_halves(), {}),
    "cmyk.jpg": (two_halves().convert("CMYK"), {}),
    "progressive.jpg": (two_halves(), {"progressive": True}),
    "rgb.png": (two_halves(), {}),
    "palette.png": (two_halves().quantize(8), {}),
    "opaque.png": (two_halves().convert("RGBA"), {}),
    "a.webp": (two_halves(), {}),
    "a.bmp": (two_halves(), {}),
    "a.tiff": (two_halves(), {}),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_shows_the_same_colours(name, tmp_path):
    image, options = FILES[name]
    assert_two_halves(as_predict_sees(saved(image, tmp_path / name, **options)))


TURNED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,  # undone by a quarter turn clockwise
    8: Image.Transpose.ROTATE_270,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
}


@pytest.mark.parametrize("orientation", TURNED)
def test_a_photograph_of_a_turned_camera_is_upright(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = two_halves().transpose(TURNED[orientation])
    assert_two_halves(as_predict_sees(saved(stored, tmp_path / "a.jpg", exif=exif)))


def test_16_bits_become_8_and_are_not_clipped(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    path = saved(Image.fromarray(ramp), tmp_path / "deep.png")
    found = np.asarray(as_predict_sees(path))
    assert found.shape == (4, 256, 3)
    assert np.abs(found[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_what_is_transparent_is_white(tmp_path):
    """Cut-outs have any colour under what is transparent, mostly black."""
    image = two_halves().convert("RGBA")
    image.paste((0, 0, 0, 0), (40, 0, 80, 40))
    found = as_predict_sees(saved(image, tmp_path / "a.png"))
    np.testing.assert_allclose(mean(found, (44, 0, 80, 40)), 255)
    np.testing.assert_allclose(mean(found, (0, 0, 36, 40)), RED)


def test_a_jpeg_is_the_file_itself(shared_data):
    """The pipeline decodes it, as in training."""
    files = list(itertools.islice((shared_data / "photos").glob("*/*.JPEG"), 3))
    found = records(photographs.Photographs(files, side=None, digits=False))
    for path, record in zip(files, found, strict=True):
        assert record["image"] == path.read_bytes()


def test_every_image_of_a_folder_is_read_by_name_or_counted(tmp_path):
    """Of hidden folders and linked ones, too; a circle is not followed."""
    (tmp_path / "b" / "deeper").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "notes.txt", "c.webp", "b/d.jpg", "b/deeper/e.jpg", "b/b.heic"):
        (tmp_path / name).touch()
    for name in ("b/.hidden", "__MACOSX"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "._x.jpg").touch()
    (tmp_path / "b" / "circle").symlink_to(tmp_path)
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    one = tmp_path / "notes.txt"  # named by hand, so it is meant
    found, notes = photographs.find([str(tmp_path), str(one)])
    names = [str(path.relative_to(tmp_path)) for path in found]
    inside = ["b/d.jpg", "b/deeper/e.jpg"]
    assert names == ["a.png", "b.JPG", "c.webp", *inside, "notes.txt"]
    said = "\n".join(notes)
    assert "2 hidden or of tools: __MACOSX, b/.hidden." in said
    assert "1 links to folders" in said and "b/circle" in said
    assert "1 links that lead nowhere: gone.jpg" in said
    assert "2 that by their names are no images (1 .txt, 1 .heic)" in said


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path):
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    with pytest.raises(UsageError, match="/link.jpg is a link that leads nowhere"):
        photographs.find([str(tmp_path / "link.jpg")])
    with pytest.raises(UsageError, match="no photograph .*/no.jpg"):
        photographs.find([str(tmp_path / "no.jpg")])
    with pytest.raises(UsageError, match="has no photographs"):
        photographs.find([str(tmp_path)])


def seven(ground=220, ink=40, size=(300, 400), at=(120, 90)):
    """A 7 of two strokes, 60 x 100 pixels at the top left of a page."""
    page = Image.new("L", size, ground)
    x, y = at
    page.paste(ink, (x, y, x + 60, y + 14))
    page.paste(ink, (x + 40, y, x + 54, y + 100))
    return page


def centre_of_mass(digit):
    ink = np.asarray(digit.convert("L")).astype(float)
    places = np.indices(ink.shape) + 0.5
    return (places * ink).sum(axis=(1, 2)) / ink.sum()


@pytest.mark.parametrize("colours", [(220, 40), (10, 240), (150, 90)])
def test_a_digit_is_prepared_as_mnists_were(colours):
    digit = photographs.as_digit(seven(*colours), 28)
    pixels = np.asarray(digit.convert("L"))
    assert pixels.shape == (28, 28)
    assert pixels[0, 0] == 0 and pixels.max() > 230  # bright on a dark ground
    rows = np.flatnonzero(pixels.max(axis=1))
    columns = np.flatnonzero(pixels.max(axis=0))
    assert len(rows) == 20  # the longer side
    assert len(columns) == 12  # the shape is kept
    np.testing.assert_allclose(centre_of_mass(digit), [14, 14], atol=0.6)


def test_an_empty_page_and_shades_of_the_paper_are_not_ink():
    page = np.asarray(seven()).astype(float)
    page += np.linspace(-15, 15, page.shape[1])
    shaded = Image.fromarray(page.clip(0, 255).astype(np.uint8))
    empty = Image.new("L", (50, 50), 200)
    assert not np.asarray(photographs.as_digit(empty, 28)).any()
    even = np.asarray(photographs.as_digit(seven(), 28)).astype(int)
    found = np.asarray(photographs.as_digit(shaded, 28)).astype(int)
    assert np.abs(found - even).mean() < 5


def records(source):
    return list(source.records(photographs.SPLIT).as_numpy_iterator())


def test_a_damaged_file_is_left_out_and_named(tmp_path):
    good = saved(two_halves(), tmp_path / "a.jpg")
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "jpeg")
    cut, text, gif = tmp_path / "cut.jpg", tmp_path / "text.jpg", tmp_path / "a.gif"
    cut.write_bytes(whole.getvalue()[:1000])
    text.write_text("not an image")
    gif.write_bytes(b"GIF89a" + 9 * b"123")
    source = photographs.Photographs([cut, good, text, gif], side=None, digits=False)
    assert [record["id"] for record in records(source)] == [b"1"]
    assert list(source.unreadable) == [cut, text, gif]
    assert "cut off" in source.unreadable[cut]
    assert source.unreadable[gif] == "it is GIF, and damaged: cannot identify image file"
    assert list(source.thumbnails) == [1]


def test_photographs_of_another_size_are_fitted_to_the_training_images(tmp_path):
    wide = saved(two_halves(size=(400, 100)), tmp_path / "a.png")
    small = saved(two_halves(size=(32, 32)), tmp_path / "b.png")
    source = photographs.Photographs([wide, small], side=32, digits=False)
    for record in records(source):
        image = Image.open(io.BytesIO(record["image"]))
        assert image.size == (32, 32)
        np.testing.assert_allclose(mean(image, (0, 0, 12, 32)), RED, atol=2)
        np.testing.assert_allclose(mean(image, (20, 0, 32, 32)), BLUE, atol=2)
