"""ResNet's test protocols beyond its ten crops, Sections 3.4 and 4.1."""

from common.evaluation.protocols import CentreCrop, Dense
from reproductions.resnet.recipe import RECIPES

VIEWS = {
    variant: {
        # Sec. 3.4: "the fully-convolutional form as in [41, 13], and average
        # the scores at multiple scales"; [41] is VGG's paper. Of mirror images
        # it says nothing: none here. Scores are softmax outputs, as in [41].
        "multi_scale_dense": Dense(sides=(224, 256, 384, 480, 640), mirrored=False),
        # "Identity Mappings", Sec. 5: 320x320 from a shorter side of 320.
        "centre_crop_320": CentreCrop(side=320, size=320),
        # torchvision, IMAGENET1K_V2
        "centre_crop_224_of_232": CentreCrop(side=232, size=224),
    }
    for variant in RECIPES
}
