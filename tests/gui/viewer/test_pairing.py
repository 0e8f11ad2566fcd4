"""Labels belong to the image that they were segmented from, whatever lies on top of it."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_unet_nuclei.gui.viewer.layers import METADATA_KEY, SEGMENTED_FROM, describe_layer, segmented_from
from napari_unet_nuclei.gui.viewer.pairing import choose_image, image_of, is_exchanged, pairing_doubt

SHAPE = (30, 40)


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4000, SHAPE).astype(np.uint16)


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    for seed, name in enumerate(("DAPI", "GFP")):
        viewer.add_image(pixels(seed), name=name)
    return viewer


def segmented(viewer: ViewerModel, name: str = "mine") -> tuple[Labels, Image]:
    image = viewer.layers["DAPI"]
    kept = {METADATA_KEY: {SEGMENTED_FROM: segmented_from(describe_layer(image, "YX"))}}
    return viewer.add_labels(np.ones(SHAPE, np.int32), name=name, metadata=kept), image


def test_labels_belong_to_the_image_that_was_segmented(viewer):
    labels, image = segmented(viewer, "GFP labels")
    image.name = "renamed"
    assert image_of(viewer, labels) is image
    assert pairing_doubt(labels, image) == ""
    assert pairing_doubt(labels, viewer.layers["GFP"]) == "These labels were segmented from 'DAPI', not from 'GFP'."


def test_an_image_that_was_opened_again_is_found_by_its_name(viewer):
    labels, image = segmented(viewer)
    viewer.layers.remove(image)
    again = viewer.add_image(pixels(), name="DAPI")
    viewer.add_image(pixels(5), name="topmost")
    assert image_of(viewer, labels) is again
    assert not is_exchanged(labels, again)


def test_other_pixels_in_the_same_layer_are_noticed(viewer):
    labels, image = segmented(viewer)
    image.data = pixels(7)
    assert is_exchanged(labels, image)
    assert "other pixels" in pairing_doubt(labels, image)
    image.data = pixels()
    assert not is_exchanged(labels, image)


def test_labels_from_elsewhere_belong_to_the_only_image_or_the_one_they_are_named_after(viewer):
    labels = viewer.add_labels(np.ones(SHAPE, np.int32), name="GFP nuclei")
    assert image_of(viewer, labels).name == "GFP"
    labels.name = "mine"
    assert image_of(viewer, labels) is None, "only the user can tell"
    viewer.add_image(np.zeros((9, 9)), name="mine")
    assert image_of(viewer, labels) is None, "of another size"
    del viewer.layers["GFP"]
    assert image_of(viewer, labels).name == "DAPI"


def test_what_the_user_chose_holds_in_every_dock(viewer):
    labels, _ = segmented(viewer)
    choose_image(labels, viewer.layers["GFP"])
    assert image_of(viewer, labels).name == "GFP"
