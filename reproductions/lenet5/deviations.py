"""Where the recipes leave the paper, and what it leaves open."""

from common.recipe import Deviation

_OPEN = (
    Deviation(
        field="loss.j",
        paper="positive; no value (Eq. 9)",
        here="10",
        reason="on 10,000 held-out training digits 1 and 50 did worse, 20 as "
        "well",
    ),
    Deviation(
        field="model: subsampling",
        paper="how coefficients and biases start is not said; an average "
        "(Sec. II-A) or a sum (Sec. II-B) of four, times the coefficient",
        here="a sum; coefficients start as 1/4, biases in +-0.6",
        reason="at first the average of Sec. II-A; 0.6 is 2.4 / 4 (App. A)",
    ),
    Deviation(
        field="model: codes of the classes",
        paper="7x12 bitmaps in the style of Fig. 3; no table of them",
        here="bitmaps drawn for this suite, at least 10 pixels apart",
        reason="Fig. 3 was not at hand",
    ),
    Deviation(
        field="order of the patterns",
        paper="a constant random order (App. C)",
        here="another random order in each pass",
        reason="the suite's one data path; it also serves the resume",
    ),
)

_WHICH_LOSS = Deviation(
    field="loss",
    paper="Eq. 8 or Eq. 9: which of them gave the results is not said",
    here="Eq. 9",
    reason="it is the discriminative one; on held-out digits it did better. "
    "lenet5_mse runs Eq. 8",
)

_START = Deviation(
    field="model: initial weights",
    paper="uniform in +-2.4 / F, F the unit's fan-in (App. A)",
    here="uniform in +-2.4 / sqrt(F)",
    reason="by the letter, the curvature of most weights is near zero at "
    "first, they all take the largest step, and the network saturates in the "
    "first pass (lenet5_as_written: 90 % error). The root keeps "
    "the spread of the weighted sums alike in all units",
)

_SCALE = Deviation(
    field="loss.scale",
    paper="1 (Eqs. 8 and 9)",
    here="0.1",
    reason="chosen on held-out digits, by one run. The first pass's rates "
    "eta / (mu + h) then span about 5e-5 to 0.025, and the paper reports 7e-5 "
    "to 0.016 (Sec. III-B); with 1 the smallest is 5e-6",
)

HEADLINE = (_START, _SCALE, _WHICH_LOSS, *_OPEN)

DISTORTED = (
    *HEADLINE,
    Deviation(
        field="train_transforms: RandomAffine",
        paper="translation, scaling, squeezing, shear; no amplitudes "
        "(Sec. III-B)",
        here="up to 2 pixels, 15 %, 10 %, and 0.3 pixels per pixel",
        reason="a guess; no others were tried",
    ),
    Deviation(
        field="train_transforms: the set of distorted patterns",
        paper="540,000 made once; each is seen about twice in 20 passes "
        "(Sec. III-B)",
        here="nine presentations in ten are distorted anew",
        reason="1.2 million presentations either way",
    ),
)

MSE = (_START, _SCALE, *_OPEN[1:])

AS_WRITTEN = (_WHICH_LOSS, *_OPEN)
