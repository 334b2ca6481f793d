"""Where the recipes leave the paper, or fill in what could not be found.

The paper's own text was not at hand; "summaries" are what others wrote about
it, "release" is the network that its authors published for Caffe, "port" is
R. Cadene's of it to PyTorch, "issue" is one of the authors' repository.
"""

from common.recipes.recipe import Deviation

_SCALES = Deviation(
    field="network: path weight",
    paper="beta = 0.3 on every path by default (summaries, issue 2)",
    here="factors that fall from 1 to 0.7 over the modules; the batch "
    "normalisation that ends a path begins with gamma = 0.3",
    reason="the release has these factors and no other; a constant beta can be part of gamma",
    departs=True,
)
_EXPANSION = Deviation(
    field="network: end of an Inception block",
    paper="a linear 1x1 convolution (summaries); the rest was not found: "
    "TensorFlow's Inception-ResNet-v2 has a bias and no batch normalisation",
    here="batch normalisation and no bias",
    reason="as the release",
)
_RELU = Deviation(
    field="network: between two operators",
    paper="no ReLU drawn (Fig. 3)",
    here="GF is G(ReLU(F x))",
    reason="as the release",
    departs=True,
)
_PRODUCTS = Deviation(
    field="network: path weight of a product",
    paper="I + beta F + beta G (summaries, issue 2); of GF, F^2: not found",
    here="a product has the factor of every term, once: the operator after F takes F x without it",
    reason="as the release",
)
_TEST = Deviation(
    field="test_transforms",
    paper="378x378, aspect ratio ignored, then the centre 331x331 (issue 1)",
    here="shorter side 378, then the centre 331x331",
    reason="a run ends with the usual view; `evaluate --views "
    "squashed_centre_crop` measures the other, 0.14 points of top-1 error "
    "better with the port's weights",
    departs=True,
)

CHAINED = (_RELU, _PRODUCTS)  # of networks with F^2, GF and so on

POLYNET = (
    _SCALES,
    _EXPANSION,
    *CHAINED,
    _TEST,
    Deviation(
        field="network: poly-3",
        paper="all orders share all parameters (Fig. 3)",
        here="they share the convolutions of the paths; batch normalisations "
        "and the linear 1x1 convolution are each order's own",
        reason="as the release",
        departs=True,
    ),
    Deviation(
        field="network: stochastic paths",
        paper="terms are dropped at random, with at most 0.25, late in the "
        "training (summaries); how the probability rises was not found",
        here="after 480,000 updates a term is kept with the probability that "
        "is its module's factor, 1 to 0.7, and then not scaled",
        reason="the release's factors are a linear schedule of survival; at "
        "480,000 updates the rate falls for the last time",
        departs=True,
    ),
    Deviation(
        field="network: stochastic paths, draws",
        paper="per image, batch or device: not found",
        here="one draw per term and update, for the whole batch",
        reason='as stochastic depth, "for each mini-batch"; the same run on any number of devices',
    ),
    Deviation(
        field="initialize_from",
        paper="blocks are inserted into a trained first-order network; new "
        "units are interleaved (summaries); from which network and after how "
        "many updates was not found",
        here="blocks are inserted into ir_10_20_10, trained by the same "
        "recipe from random weights; ir_10_20_10_interleaved is the other step",
        reason="one network more to train first",
    ),
)

INTERLEAVED = (
    Deviation(
        field="initialize_from",
        paper="new units are interleaved with those of a trained network "
        "(summaries); with which sizes was not found",
        here="every other unit is one of ir_5_10_5, trained by the same recipe from random weights",
        reason="the factors of the units, 1 to 0.7, are the larger network's",
    ),
)

FIRST_ORDER = (
    _SCALES,
    _EXPANSION,
    _TEST,
    Deviation(
        field="recipe: first-order networks",
        paper="a first-order network comes before the polynomial one (summaries)",
        here="with polynet's constants, image size and recipe, without stochastic paths",
        reason="its own were not found",
    ),
)

ABLATION = (
    _EXPANSION,
    Deviation(
        field="image_size",
        paper="not found",
        here="299",
        reason="as Inception-ResNet-v2",
    ),
    Deviation(
        field="test_transforms",
        paper="not found; of Very Deep PolyNet 378x378, aspect ratio ignored, "
        "then the centre 331x331 (issue 1)",
        here="shorter side 342, then the centre 299x299",
        reason="in the same proportion; a run ends with the usual view, "
        "`evaluate --views squashed_centre_crop` ignores the aspect ratio",
    ),
    Deviation(
        field="recipe: ablation study",
        paper="its recipe was not found",
        here="Very Deep PolyNet's, from random weights and without stochastic paths",
        reason="so that modules are compared from equal beginnings",
    ),
)

POLY = (
    Deviation(
        field="network: batch normalisation of poly-n",
        paper="all orders share all parameters (Fig. 3)",
        here="all convolutions; each order has batch normalisations of its own",
        reason="as the release: the orders' inputs have different statistics",
        departs=True,
    ),
)

_NETWORK = (
    Deviation(
        field="network: reduction B",
        paper="not found; Inception-ResNet-v2's gives 2144 maps",
        here="384, 256 and 256 maps beside the pooling: 2048",
        reason="as the release",
    ),
    Deviation(
        field="network: batch normalisation",
        paper="constants not found",
        here="epsilon 1e-5; moving averages that keep 0.9",
        reason="epsilon is the port's, the rest ours",
    ),
    Deviation(
        field="network: initial weights",
        paper="not found",
        here="N(0, 2 / fan-in), in fc N(0, 0.01); biases 0",
        reason="ours",
    ),
    Deviation(
        field="network: dropout",
        paper="not found",
        here="20 % of the averages before fc",
        reason="as the release",
    ),
)

_OPTIMIZER = (
    Deviation(
        field="optimizer: decay and epsilon",
        paper="RMSProp (summaries); its constants were not found",
        here="0.9 and 1.0",
        reason="from memory, and as the Inception networks",
    ),
    Deviation(
        field="optimizer.momentum",
        paper="not found",
        here="0",
        reason="ours; 0.45 is 0.045 / (1 - 0.9), what the Inception networks' "
        "rate and momentum come to",
    ),
    Deviation(
        field="schedule",
        paper="0.45, divided by 10 every 160,000 updates, 560,000 updates; "
        "three values are listed, 0.45, 0.045 and 0.0045 (summaries)",
        here="a fourth, 0.00045, in the last 80,000",
        reason="the rule, where it and the list disagree",
        departs=True,
    ),
    Deviation(
        field="weight_decay",
        paper="not found",
        here="4e-5, of kernels",
        reason="as TensorFlow's Inception-ResNet-v2",
    ),
    Deviation(
        field="loss",
        paper="not found",
        here="cross-entropy; no label smoothing",
        reason="none is mentioned",
    ),
    Deviation(
        field="synchronized_batch_norm",
        paper="synchronised if a GPU has few images; 3 are too few (issue 2)",
        here="not: the paper's 32 GPUs have 16 each",
        reason="with fewer devices each has more",
    ),
)

_DATA = (
    Deviation(
        field="train_transforms",
        paper="not found",
        here="8 to 100 % of the area, aspect 3/4 to 4/3, mirrored half of the time",
        reason="GoogLeNet's, without its colours",
    ),
    Deviation(
        field="normalize",
        paper="minus 104, 117, 123 (blue, green, red; issue 1)",
        here="red, green, blue in 0 .. 1, minus 0.485, 0.456, 0.406, divided "
        "by 0.229, 0.224, 0.225",
        reason="what the port's weights expect; the first batch normalisation "
        "sees almost no difference",
        departs=True,
    ),
    Deviation(
        field="views",
        paper="also many crops, their highest scores pooled; which crops was "
        "never published (release)",
        here="the centre crop",
        reason="unspecified",
    ),
    Deviation(
        field="global_batch_size: last batch of an epoch",
        paper="not found",
        here="the images that do not fill a batch of the epoch are left out; others in each epoch",
        reason="every update then averages over the same number of images",
    ),
)

EVERY = (*_NETWORK, *_OPTIMIZER, *_DATA)
