"""What tells GoogLeNet's forms apart; see model.py; imports no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """The network of Table 1.

    Attributes:
        separable: conv1 is what Table 1 counts: 8 of 7x7 for each colour, then 1x1.
        lrn: Whether there are the two response normalisations (Fig. 3).
        dropout: The share of the last maps' averages that training drops.
        auxiliary: Whether there are the two classifiers that only training has.
    """

    separable: bool = False
    lrn: bool = True
    dropout: float = 0.4  # Table 1
    auxiliary: bool = True  # Sec. 5


FORMS = {
    "googlenet": Form(),
    "googlenet_separable": Form(separable=True),
    "bvlc_googlenet": Form(),
}
