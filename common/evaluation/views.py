"""Test-time views: the windows of one frame that a network looks at.

A paper's own, which start from the whole image, are in common.evaluation.protocols.
"""

import dataclasses

from common.errors import UsageError

COUNTS = {"single": 1, "centre_crop": 1, "nine_crop": 9, "ten_crop": 10}
NAMES = tuple(COUNTS)


@dataclasses.dataclass(frozen=True)
class Window:
    """A square window in the frame, pixels; mirrored after it was cut."""

    top: int
    left: int
    mirrored: bool


def windows(view: str, frame: int, size: int) -> tuple[Window, ...]:
    """The windows of `size` pixels of a `frame` x `frame` image.

    Args:
        view: "single": the whole frame. "centre_crop". "nine_crop": at the
            top, middle and bottom, left, in the middle and right, none
            mirrored (cuda-convnet's multiview test). "ten_crop": the four
            corners and the centre, then the mirror image of each (Krizhevsky
            et al. 2012, Sec. 4.1): offsets 0, 16 and 32 for 224 of 256.
        frame: Height and width of the frame, pixels.
        size: Height and width of the network's input, pixels.

    Raises:
        UsageError: if there is no such view, or it does not fit.
    """
    if view not in NAMES:
        raise UsageError(f"There is no view called {view!r}; known: {', '.join(NAMES)}.")
    if size > frame or (view == "single" and size != frame):
        raise UsageError(
            f"The view {view!r} cannot cut {size} pixels from a frame of {frame} pixels."
        )
    end, middle = frame - size, (frame - size) // 2
    if view == "single":
        return (Window(0, 0, False),)
    if view == "centre_crop":
        return (Window(middle, middle, False),)
    if view == "nine_crop":
        three = (0, middle, end)
        return tuple(Window(top, left, False) for top in three for left in three)
    places = ((0, 0), (0, end), (end, 0), (end, end), (middle, middle))
    return tuple(Window(top, left, mirrored) for mirrored in (False, True) for top, left in places)
