"""Each paper's own test protocols: those its numbers were measured with.

resnet_cifar's is no paper's; it gives `ensemble` a second scale.
"""

import dataclasses

import pytest

import reproductions
from common.evaluation import views
from common.papers.expected import read_expected

# Neither the places nor the rule of these were published (see its recipe.py).
UNPUBLISHED = {("polynet", "multi_crop")}
PAPERS = [name for name in reproductions.names() if reproductions.load(name).VIEWS]


@pytest.mark.parametrize("paper", reproductions.names())
def test_every_number_of_a_variant_has_its_view(paper):
    module = reproductions.load(paper)
    for claim in read_expected(reproductions.folder(paper)).result:
        if claim.variant not in module.RECIPES:
            continue  # another team's network, or an ensemble
        known = {*views.NAMES, *reproductions.views(paper, claim.variant)}
        if (paper, claim.views) not in UNPUBLISHED:
            assert claim.views in known, (claim.variant, claim.views)


@pytest.mark.parametrize("paper", PAPERS)
def test_own_views_are_of_variants_and_hide_no_common_one(paper):
    module = reproductions.load(paper)
    assert set(module.VIEWS) <= set(module.RECIPES)
    for variant, own in module.VIEWS.items():
        assert not set(own) & set(views.NAMES)
        for view in own.values():
            size = module.RECIPES[variant].image_size
            for scaled in view.scaled_images(375, 500):
                assert (scaled.size or min(scaled.canvas)) >= size
                assert sum(s.weight for s in view.scaled_images(3, 4)) == pytest.approx(1)


def dense(*sides, mirrored=True):
    return views.Dense(sides=sides, mirrored=mirrored)


FOUR = views.SquareCrops(sides=(256, 288, 320, 352), size=224, mirrored=True)
CORNERS = views.CornerCrops(sides=(256,), size=224, mirrored=True, average="logits")
JITTER = (256, 384, 512)
OWN = {
    ("googlenet", "144_crop"): FOUR,  # Sec. 7
    ("bn_inception", "144_crop"): FOUR,
    ("inception_v3", "144_crop"): dataclasses.replace(FOUR, sides=(320, 352, 384, 416), size=299),
    ("vgg16", "dense"): dense(256),  # Tables 3 to 5
    ("vgg16_384", "dense"): dense(384),
    ("vgg16_jitter", "dense"): dense(384),
    ("vgg16", "dense_multi_scale"): dense(224, 256, 288),
    ("vgg19_384", "dense_multi_scale"): dense(352, 384, 416),
    ("vgg19_jitter", "dense_multi_scale"): dense(*JITTER),
    ("vgg16_jitter", "multi_crop"): views.GridCrops(
        sides=JITTER, size=224, places=5, mirrored=True
    ),
    ("resnet152", "multi_scale_dense"): dense(224, 256, 384, 480, 640, mirrored=False),  # Sec. 3.4
    ("preact_resnet200_fair", "ten_crop_of_logits"): CORNERS,  # transforms.lua: TenCrop
}


def test_each_looks_where_its_paper_says():
    for (variant, name), view in OWN.items():
        paper, _ = reproductions.find(variant)
        assert reproductions.views(paper, variant)[name] == view, (variant, name)
    assert "multi_crop" not in reproductions.views("vgg", "vgg16")  # Table 5


def test_smaller_networks_have_smaller_views():
    small = reproductions.views("inception_v3", "inception_v3_79")["12_crop"]
    assert small == views.SquareCrops(sides=(85,), size=79, squashed=True, mirrored=True)
    ablated = reproductions.views("polynet", "ir_3_6_3")
    assert ablated["squashed_centre_crop"].sides == (342,)
    assert "squashed_centre_crop_363" not in ablated


def test_polynets_second_scale_is_cut_in_the_same_proportion():
    large = reproductions.views("polynet", "polynet")
    first, second = large.values()
    assert (first.sides, first.size) == ((378,), 331)
    assert (second.sides, second.size) == ((415,), 363)
    for view in (first, second):
        assert view.squashed and view.sides == (round(view.size / 0.875),)
