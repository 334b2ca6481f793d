import pytest

from common.errors import UsageError
from common.evaluation.views import COUNTS, NAMES, Window, windows


def test_ten_crop_has_alexnets_offsets_and_mirrors():  # Sec. 4.1
    crops = windows("ten_crop", 256, 224)
    places = [(w.top, w.left) for w in crops]
    assert places[:5] == [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    assert places[5:] == places[:5]
    assert [w.mirrored for w in crops] == [False] * 5 + [True] * 5


def test_nine_crop_is_a_grid_without_mirrors():  # convdata_cifar.py
    crops = windows("nine_crop", 32, 24)
    grid = [(top, left) for top in (0, 4, 8) for left in (0, 4, 8)]
    assert [(w.top, w.left) for w in crops] == grid
    assert not any(w.mirrored for w in crops)


def test_each_view_has_as_many_windows_as_are_counted():
    found = {view: len(windows(view, 32, 32 if view == "single" else 24)) for view in NAMES}
    assert found == COUNTS


def test_ten_crop_of_odd_sizes_stays_inside_and_touches_the_border():
    crops = windows("ten_crop", 37, 30)
    assert {w.top for w in crops} == {0, 3, 7}
    assert {w.left for w in crops} == {0, 3, 7}
    assert len(set(crops)) == 10


def test_centre_crop_leaves_the_odd_pixel_at_the_end():
    assert windows("centre_crop", 256, 224) == (Window(16, 16, False),)
    assert windows("centre_crop", 37, 30) == (Window(3, 3, False),)


def test_single_is_the_whole_frame_and_nothing_else():
    assert windows("single", 32, 32) == (Window(0, 0, False),)
    with pytest.raises(UsageError, match="32 pixels from a frame of 33"):
        windows("single", 33, 32)


@pytest.mark.parametrize("view", ["centre_crop", "ten_crop"])
def test_window_larger_than_the_frame_is_refused(view):
    with pytest.raises(UsageError, match="frame"):
        windows(view, 31, 32)


def test_unknown_view_names_the_known_ones():
    with pytest.raises(UsageError, match="single, centre_crop, nine_crop, ten_crop"):
        windows("twelve_crop", 256, 224)
