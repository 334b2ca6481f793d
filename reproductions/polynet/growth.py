"""Initialisation by insertion: a network that grows keeps what it learned.

A module of a higher order keeps the layers of its first-order term under
their names, so InitializeFrom(layers=".*") inserts the new paths. More modules
are interleaved with the old ones, which get new numbers.
"""

import dataclasses
import re

_OF_MODULE = re.compile(r"stage_([abc])_(\d+)_(.+)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interleaved:
    """A layer's name in a network of more modules, from its name before.

    The old modules are spread evenly and the first stays first: of 3 among 6
    the places are 1, 3 and 5.

    Attributes:
        before: Modules of the smaller network's stages A, B and C.
        after: Of the larger one's; a stage never has fewer.
    """

    before: tuple[int, int, int]
    after: tuple[int, int, int]

    def __call__(self, layer: str) -> str:
        """stage_a_2_f_path1 -> stage_a_3_f_path1; a stem's name stays."""
        match = _OF_MODULE.fullmatch(layer)
        if not match:  # stem, reductions, fc
            return layer
        stage, number, rest = match.groups()
        index = "abc".index(stage)
        before, after = self.before[index], self.after[index]
        place = (int(number) - 1) * after // before + 1
        return f"stage_{stage}_{place}_{rest}"
