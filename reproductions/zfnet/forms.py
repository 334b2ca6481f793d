"""What tells ZFNet's forms apart; see model.py; imports no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What Tables 2 and 3 change, and what training drops of layers 6 and 7.

    Attributes:
        maps: Of layers 3 to 5.
        units: Of layers 6 and 7.
    """

    maps: tuple[int, int, int] = (384, 384, 256)
    units: int = 4096
    dropout: float = 0.5  # Sec. 3


FORMS = {
    "zfnet": Form(),  # "(a)": Fig. 3
    "zfnet_b": Form(maps=(512, 1024, 512)),  # "(b)"
    "zfnet_2048": Form(units=2048),  # Table 3
    "zfnet_8192": Form(units=8192),
    "zfnet_b_8192": Form(maps=(512, 1024, 512), units=8192),
}
