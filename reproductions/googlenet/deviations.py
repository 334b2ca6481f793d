"""Where the recipes leave the paper (or the source) that they follow."""

from common.recipes.recipe import Deviation

_LAST_BATCH = Deviation(
    field="global_batch_size: last batch of an epoch",
    paper="not said",
    here="the images that do not fill a batch of the epoch are left out; others in each epoch",
    reason="every update then averages over the same number of images",
)

PLAIN = (
    Deviation(
        field="network: conv1",
        paper='"7x7/2", with 2.7K parameters and 34M operations (Table 1)',
        here="a plain 7x7 convolution: 9,408 weights and 118M",
        reason="as every public port; the table's numbers belong to googlenet_separable",
        departs=True,
    ),
)

SEPARABLE = (
    Deviation(
        field="network: conv1",
        paper='"7x7/2", with 2.7K parameters and 34M operations (Table 1)',
        here="7x7 on each colour into 8 maps, then 1x1 to 64: 2,712 weights "
        "and 34.0M; no bias and no ReLU between them",
        reason="the only reading that gives both numbers; Ioffe and Szegedy "
        "2015 have this depth multiplier of 8 in their Inception's conv1",
    ),
)

_OPEN = (
    Deviation(
        field="optimizer.learning_rate",
        paper="not given (Sec. 6)",
        here="0.01",
        reason="BVLC's solver, written with Szegedy's help",
    ),
    Deviation(
        field="global_batch_size",
        paper="not given",
        here="32",
        reason="BVLC's train_val.prototxt",
    ),
    Deviation(
        field="weight_decay",
        paper="not given",
        here="2e-4 on kernels, none on biases",
        reason="BVLC's solver and decay_mult",
    ),
    Deviation(
        field="group_schedules",
        paper="not given; BVLC doubles the rate of biases",
        here="one rate",
        reason="the paper names one schedule",
    ),
    Deviation(
        field="epochs",
        paper="not given",
        here="250",
        reason="BVLC's solver: 10,000,000 updates of 32 images",
    ),
    Deviation(
        field="initial weights",
        paper='not given; BVLC\'s readme knows of "gaussian"',
        here="U(-r, r), r = sqrt(3 / fan_in), biases 0.2, in classifiers 0",
        reason="BVLC's fillers; no source has the Gaussian's deviation",
    ),
    Deviation(
        field="network: LRN",
        paper="two layers, without their constants (Fig. 3)",
        here="n = 5, k = 1, alpha = 1e-4 / 5, beta = 0.75",
        reason="BVLC's train_val.prototxt",
    ),
    Deviation(
        field="average_decay",
        paper="Polyak averaging (Sec. 6), by its reference the mean of the iterates",
        here="exponential: 0.9999 for each update, less in the first 90,000, (1 + t) / (10 + t)",
        reason="TensorFlow's Inception code of the same group",
        departs=True,
    ),
)

_INPUT = (
    Deviation(
        field="normalize",
        paper='"mean subtraction" (Sec. 5); whether of each channel or each pixel is not said',
        here="the mean of each channel over the centre squares of the resized training images",
        reason="as BVLC, which subtracts one value from each channel",
    ),
    Deviation(
        field="test_transforms, views: resampling",
        paper="the filter is not named (Sec. 7)",
        here="antialiased triangle filter",
        reason="unspecified",
    ),
)

_AUGMENTATION = (
    Deviation(
        field="train_transforms: RandomAreaCrop",
        paper='"one prescription that was verified to work very well after '
        'the competition": area evenly distributed between 8 % and 100 %, '
        "aspect ratio between 3/4 and 4/3; evenly in the ratio or in its "
        "logarithm is not said. The networks of Tables 2 and 3 were trained "
        "on other crops, some smaller, some larger, not described (Sec. 6)",
        here="area first and never again, then evenly in the ratio, among the "
        "windows of that area that fit into the image",
        reason="the contest's crops are unknown; drawing pairs until one fits "
        "makes large areas rare",
        departs=True,
    ),
    Deviation(
        field="train_transforms: resampling",
        paper='random interpolation came in "relatively late" (Sec. 6)',
        here="from the first epoch on",
        reason="no time is given",
        departs=True,
    ),
    Deviation(
        field="train_transforms: RandomFlip",
        paper="mirroring is named for the test crops only (Sec. 7)",
        here="half of the training images are mirrored",
        reason="as BVLC's replication and as AlexNet",
    ),
    Deviation(
        field="train_transforms: PhotometricDistortions",
        paper='"the photometric distortions by Andrew Howard" (Sec. 6)',
        here="contrast, brightness and colour, each by an amount between 0.5 "
        "and 1.5, in random order; not AlexNet's colour noise, which Howard "
        "keeps besides",
        reason="the paper does not say which of Howard's (arXiv:1312.5402)",
    ),
)

PAPER = (
    Deviation(
        field="recipe",
        paper="sampling, dropout and rates changed over months, also for "
        "networks already trained; no one definitive way (Sec. 6)",
        here="one recipe from random weights to the end",
        reason="the changes are not described",
        departs=True,
    ),
    Deviation(
        field="optimizer",
        paper="asynchronous SGD under DistBelief, on CPUs, with a modest "
        "amount of model and data parallelism (Sec. 6)",
        here="synchronous SGD, the same sums on any number of devices",
        reason="asynchronous updates cannot be repeated",
        departs=True,
    ),
    *_OPEN,
    *_INPUT,
    *_AUGMENTATION,
    Deviation(
        field="views",
        paper="4 scales, 3 squares, 6 crops and their mirrors: 144 crops "
        "(Sec. 7); the 1 and 10 crops of Table 3 are not described",
        here="the centre crop and AlexNet's ten crops of the centre 256x256 of "
        "an image of shorter side 256",
        reason="a run ends with cheap views; `evaluate --views 144_crop` measures the other",
    ),
    _LAST_BATCH,
)

BVLC = (
    Deviation(
        field="train_transforms, test_transforms",
        paper="images warped to 256x256, whatever their shape (Caffe's ImageNet instructions)",
        here="shorter side to 256, then the centre 256x256",
        reason="as the paper's test crops",
        departs=True,
    ),
    Deviation(
        field="train_transforms, test_transforms: resampling",
        paper="the filter is not named",
        here="antialiased triangle filter",
        reason="unspecified",
    ),
    Deviation(
        field="normalize",
        paper="minus 104, 117, 123 (blue, green, red; Caffe)",
        here="minus the training images' own mean of each channel",
        reason="the same statistic, unrounded",
        departs=True,
    ),
    _LAST_BATCH,
)
