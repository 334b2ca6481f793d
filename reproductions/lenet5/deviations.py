"""Where the recipes leave the paper, and what it leaves open."""

import dataclasses

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
        reason="on held-out digits the constant order erred 0.11 +- 0.05 points more (3 seeds)",
        departs=True,
    ),
)

_WHICH_LOSS = Deviation(
    field="loss",
    paper="Eq. 8 or Eq. 9: which of them gave the results is not said",
    here="Eq. 9",
    reason="it is the discriminative one; on held-out digits it did better. lenet5_mse runs Eq. 8",
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
    reason="the first choice on held-out digits, for Eq. 9 and by one run; lenet5 has a later one",
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

UNIT_START = (
    dataclasses.replace(
        _START,
        here="uniform in +-1 / sqrt(F)",
        reason="as the LeNet-5 of the authors' lab starts in its library EBLearn, years later: "
        "to see what lenet5's 2.4 for 1 is worth",
    ),
    *HEADLINE[1:],
)

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
        paper="translation, scaling, squeezing, shear; no amplitudes (Sec. III-B)",
        here="up to 2 pixels, 15 %, 10 %, and 0.3 pixels per pixel",
        reason="a guess; no others were tried",
    ),
    Deviation(
        field="train_transforms: the set of distorted patterns",
        paper="540,000 made once; each is seen about twice in 20 passes (Sec. III-B)",
        here="nine presentations in ten are distorted anew",
        reason="1.2 million presentations either way",
        departs=True,
    ),
)

MSE = (_START, _FIRST_SCALE, *_OPEN[1:])

AS_WRITTEN = (_WHICH_LOSS, *_OPEN)

# The networks of Sec. III-C.
_SUBSAMPLING, _BIASES, _ORDER = _OPEN[1], _OPEN[2], _OPEN[4]

_CRITERION = Deviation(
    field="loss",
    paper="not said for these networks",
    here="the squared distance of the ten output units to targets of +-1, not scaled",
    reason="Appendix A has such targets; the network of 1989, which LeNet-1 "
    "is, was trained with the mean squared error (from memory)",
)

_PASSES = Deviation(
    field="epochs, schedule, before_epoch",
    paper="not said for these networks; those of one hidden layer were trained "
    "by Appendix C (Sec. III-C)",
    here="all by Appendix C, with LeNet-5's passes, rates and mu (Sec. III-B)",
    reason="the paper has no other",
)

_ROOT = Deviation(
    field="model: initial weights",
    paper="uniform in +-2.4 / F, F the unit's fan-in (App. A)",
    here="uniform in +-2.4 / sqrt(F)",
    reason="by the letter they do not train: after one pass 72 % (300 units), "
    "81 % (300-100) and 89 % (LeNet-4) of 10,000 held-out digits were wrong, "
    "with the root 4.4, 4.9 and 2.2 %",
)

LINEAR = (
    Deviation(
        field="model: output units",
        paper="sigmoid or linear units, gradient descent or linear systems "
        '"gave similar results" (Sec. III-C)',
        here="linear units in mnist_linear, squashed ones in "
        "mnist_linear_squashed, gradient descent in both",
        reason="which of them has the 12 % is not said",
    ),
    _CRITERION,
    _PASSES,
    _BIASES,
    _ORDER,
)

CONNECTED = (_ROOT, _CRITERION, _PASSES, _BIASES, _ORDER)

CONNECTED_DISTORTED = (
    *CONNECTED,
    *(d for d in DISTORTED if d.field.startswith("train_transforms")),
)

LENET1 = (
    Deviation(
        field="train_transforms, test_transforms: ResizeShorterSide",
        paper="down-sampled to 16x16 and centred in 28x28; the filter is not said (Sec. III-C)",
        here="the whole image to 22x22, which makes 15.7x15.7 of the digit's "
        "20x20; antialiased triangle filter",
        reason="in the network of 1989 the characters fill the 16x16 pixels",
    ),
    Deviation(
        field="model: links of C3, units of subsampling",
        paper="not said; about 2,600 parameters (Sec. III-C)",
        here="as in the network of 1989 (from memory): 2,578 parameters and 98,442 connections",
        reason="LeNet-1 is that network",
    ),
    _CRITERION,
    _PASSES,
    _SUBSAMPLING,
    _BIASES,
    _ORDER,
)

LENET4 = (
    Deviation(
        field="model: links of C3",
        paper="not said; about 260,000 connections and 17,000 parameters (Sec. III-C)",
        here="each map sees three of the eight: 262,306 connections, 50,698 parameters",
        reason="the 120 units that are fully connected to 16 maps have 48,120 "
        "parameters whatever C3 is, so 17,000 cannot be; Fig. 12's 51,000 for "
        "three LeNet-4 fit one",
    ),
    _ROOT,
    _CRITERION,
    _PASSES,
    _SUBSAMPLING,
    _BIASES,
    _ORDER,
)
