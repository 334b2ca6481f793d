"""Where the recipes leave the paper, and what it leaves open."""

from common.recipe import Deviation

_OPEN = (
    Deviation(
        field="loss.j",
        paper="positive; no value (Eq. 9)",
        here="10",
        reason="on 10,000 held-out training digits 1 and 50 did worse, 20 "
        "about the same; 6, tried later, 0.985 % against 1.011 % (2 seeds)",
    ),
    Deviation(
        field="model: subsampling",
        paper="how coefficients and biases start is not said; an average "
        "(Sec. II-A) or a sum (Sec. II-B) of four, times the coefficient",
        here="a sum; coefficients start as 1/4, biases in +-0.6",
        reason="at first the average of Sec. II-A; 0.6 is 2.4 / 4 (App. A)",
    ),
    Deviation(
        field="model: initial biases",
        paper="App. A speaks of weights; whether of biases is not said",
        here="in the bounds of their unit's weights; they do not count in F",
        reason="in one run on held-out digits biases from 0 did as well",
    ),
    Deviation(
        field="model: codes of the classes",
        paper="7x12 bitmaps in the style of Fig. 3; no table of them",
        here="bitmaps drawn for this suite, at least 10 pixels apart",
        reason="Fig. 3 was not at hand",
        departs=True,
    ),
    Deviation(
        field="order of the patterns",
        paper="a constant random order (App. C)",
        here="another random order in each pass",
        reason="on held-out digits the constant order erred 0.11 +- 0.05 "
        "points more (3 seeds)",
        departs=True,
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
    "the spread of the weighted sums alike in all units; the authors' lab "
    "later took it, too, with 1 for 2.4 (EBLearn)",
    departs=True,
)

_FIRST_SCALE = Deviation(
    field="loss.scale",
    paper="1 (Eqs. 8 and 9)",
    here="0.1",
    reason="the first choice on held-out digits, for Eq. 9 and by one run; "
    "lenet5 has a later one",
    departs=True,
)

_SCALE = Deviation(
    field="loss.scale",
    paper="1 (Eqs. 8 and 9)",
    here="0.3",
    reason="chosen on held-out digits together with before_epoch.kept. The "
    "first pass's rates eta / (mu + h) then span about 1.5e-5 to 0.025, and "
    "the paper reports 7e-5 to 0.016 (Sec. III-B); with 1 the smallest is 6e-6",
    departs=True,
)

_KEPT = Deviation(
    field="before_epoch.kept",
    paper="h_kk is re-estimated before each pass (Sec. III-B)",
    here="the mean of the new estimate and of the last pass's value",
    reason="when most digits are right, the curvature of Eq. 9 falls "
    "thirtyfold from one pass to the next, and nearly all weights take the "
    "largest step. With loss.scale 0.3 it errs 0.10 +- 0.02 points less on "
    "held-out digits than without both (8 seeds)",
    departs=True,
)

HEADLINE = (_START, _SCALE, _KEPT, _WHICH_LOSS, *_OPEN)

FEWER = (
    *HEADLINE,
    Deviation(
        field="train_images: which, and how many passes over them",
        paper="training sets of various sizes (Fig. 6); not said",
        here="the first of TFDS's files, whose order is random; 20 passes",
        reason="as the whole set, so that only the size differs",
    ),
)

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
        departs=True,
    ),
)

MSE = (_START, _FIRST_SCALE, *_OPEN[1:])

AS_WRITTEN = (_WHICH_LOSS, *_OPEN)
