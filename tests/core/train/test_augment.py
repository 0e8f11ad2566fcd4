from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_unet_nuclei.core.samples.drawing import draw_nuclei
from napari_unet_nuclei.core.train.augment import Augmentation, StainMixing
from napari_unet_nuclei.core.train.samples import Crop


def crops(count: int = 6, side: int = 64) -> list[Crop]:
    """Crops whose intensity is their label, reviewed on the left."""
    made = []
    for seed in range(count):
        _, labels = draw_nuclei((side, side), 16, 8, np.random.default_rng(seed), clumped=0.3)
        reviewed = np.zeros(labels.shape, bool)
        reviewed[:, : side - 10 * seed] = True
        made.append(Crop((labels / 20).astype(np.float32)[None], labels, reviewed, np.arange(9.0)))
    return made


def test_without_strength_crops_are_only_flipped_and_turned():
    originals = crops()
    for seed in range(6):
        images, warped = Augmentation(0.0)(originals, seed)
        for image, crop, original in zip(images, warped, originals, strict=True):
            assert torch.allclose(image[0] * 20, torch.from_numpy(crop.labels).float(), atol=0.01)
            assert np.array_equal(np.bincount(crop.labels.ravel()), np.bincount(original.labels.ravel()))
            assert crop.reviewed.sum() == original.reviewed.sum()
            turns = [np.rot90(flip, k) for flip in (original.labels, original.labels.T) for k in range(4)]
            assert any(np.array_equal(crop.labels, turn) for turn in turns)


def test_the_revisible_region_moves_with_the_labels():
    originals = [Crop(c.image, c.reviewed.astype(np.int32), c.reviewed, c.diameters) for c in crops()]
    for seed in range(6):
        _, warped = Augmentation(1.0)(originals, seed)
        for crop in warped:
            assert np.array_equal(crop.labels == 1, crop.reviewed)


def test_at_full_strength_labels_stay_on_their_nuclei_and_no_id_is_invented():
    originals = crops()
    aligned = []
    for seed in range(12):
        images, warped = Augmentation(1.0)(originals, seed)
        assert images.dtype == torch.float32
        assert images.isfinite().all()
        for image, crop, original in zip(images, warped, originals, strict=True):
            assert crop.labels.dtype == np.int32
            assert set(np.unique(crop.labels)) <= set(np.unique(original.labels))
            assert crop.diameters is original.diameters
            if (crop.labels > 0).any():
                aligned.append(np.corrcoef(image[0].numpy().ravel(), (crop.labels > 0).ravel())[0, 1])
    assert np.median(aligned) > 0.6


def test_what_a_warp_brings_in_from_outside_is_not_reviewed():
    whole = [Crop(c.image, np.ones_like(c.labels), np.ones_like(c.reviewed), c.diameters) for c in crops()]
    for seed in range(10):
        _, warped = Augmentation(1.0)(whole, seed)
        for crop in warped:
            assert np.array_equal(crop.reviewed, crop.labels == 1)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_one_seed_repeats_and_leaves_the_global_generator_alone(strength):
    augmentation = Augmentation(strength)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first, first_crops = augmentation(crops(), 11)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    second, second_crops = augmentation(crops(), 11)
    assert torch.equal(first, second)
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(first_crops, second_crops, strict=True))
    assert not torch.equal(first, augmentation(crops(), 12)[0])


def test_the_originals_are_not_changed():
    originals = crops()
    before = [crop.image.copy() for crop in originals]
    Augmentation(1.0)(originals, 3)
    assert all(np.array_equal(crop.image, image) for crop, image in zip(originals, before, strict=True))


def test_stains_are_mixed_and_grey_stays_grey():
    colours = torch.rand(64, 3, 4, 5)
    grey = colours[:, :1].expand(64, 3, 4, 5)
    mixing = StainMixing(0.15, grey=0.5, p=1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.testing.assert_close(mixing(grey), grey)
        torch.testing.assert_close(mixing(colours[:, :1]), colours[:, :1])
        mixed = mixing(colours)
    became_grey = (mixed[:, 0] - mixed[:, 2]).abs().amax(dim=(1, 2)) < 1e-6
    assert 16 < became_grey.sum() < 48
    torch.testing.assert_close(mixed[became_grey][:, 0], colours[became_grey].mean(dim=1))
    assert (mixed[~became_grey] - colours[~became_grey]).abs().mean() > 0.02
