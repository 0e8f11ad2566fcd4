from __future__ import annotations

import numpy as np
import pytest

from napari_unet_nuclei.core.image.axes import ImageSource
from napari_unet_nuclei.core.image.kind import NetworkInputs, possible_looks, stained_signals
from napari_unet_nuclei.core.image.sample import PlaneSample
from napari_unet_nuclei.core.image.stain import DAB, STAIN_VECTORS, optical_density, stain_density
from napari_unet_nuclei.core.train import stains
from napari_unet_nuclei.core.train.samples import Crop, Sample, add_fill, cut_crop
from napari_unet_nuclei.core.train.stains import (
    Scan,
    StainVariation,
    compressed,
    draw_dab,
    restained,
    sampled_picture_rows,
)
from tests.helpers.samples import stained_tissue

TISSUE = stained_tissue(shape=(128, 128), count=40)
PICTURE = np.moveaxis(TISSUE.image, -1, 0)
SHARES = PICTURE.astype(np.float32) / 255
BOTH = stained_signals(("nuclei", "density"), (0, 1, 2))
PERCENTILES = (1.0, 99.8)


def made(seed: int, strength: float = 1.0) -> np.ndarray:
    variation = StainVariation(("nuclei", "density"), PERCENTILES, strength)
    return restained(SHARES, TISSUE.labels, SHARES, variation, np.random.default_rng(seed))


def test_without_strength_a_crop_is_what_the_engine_reads(monkeypatch):
    monkeypatch.setattr(stains, "ALONE_SHARE", 0.0)
    plane = PlaneSample.whole(ImageSource(TISSUE.image, "YXS"))
    [look] = possible_looks(plane, inputs=NetworkInputs(("nuclei", "density"), 2))
    read = plane.open(look, PERCENTILES).read(plane.region)
    assert np.abs(made(0, strength=0) - read).max() < 0.02


def test_a_seed_repeats_a_crop_and_another_one_does_not():
    assert np.array_equal(made(3), made(3))
    assert np.abs(made(3) - made(4)).max() > 0.1


def test_nuclei_stay_bright_in_haematoxylin_whatever_the_laboratory(monkeypatch):
    monkeypatch.setattr(stains, "IHC_SHARE", 0.0)
    inside, outside = TISSUE.labels > 0, TISSUE.labels == 0
    for seed in range(12):
        signal = made(seed)[0]
        assert np.median(signal[inside]) > np.median(signal[outside]) + 0.1


def test_some_crops_show_haematoxylin_in_all_inputs():
    same = [np.array_equal(*made(seed)) for seed in range(60)]
    assert 0 < sum(same) < 30


@pytest.mark.parametrize("seed", range(6))
def test_a_scan_without_strength_changes_nothing(seed):
    scan = Scan.draw(0.0, ihc=False, rng=np.random.default_rng(seed))
    assert np.abs(scan.show(SHARES) - np.maximum(SHARES, 1 / 255)).max() < 1e-3
    assert np.allclose(scan.vectors, STAIN_VECTORS, atol=1e-6)


def test_dab_adds_brown_where_it_is_laid():
    dab = np.zeros((128, 128), np.float32)
    dab[40:80, 40:80] = 0.8
    shown = Scan.draw(0.0, ihc=False, rng=np.random.default_rng(0)).show(SHARES, dab)
    found = stain_density(optical_density(shown, 1.0), DAB)
    before = stain_density(optical_density(SHARES, 1.0), DAB)
    assert np.abs((found - before)[45:75, 45:75] - 0.8).mean() < 0.1
    assert np.abs((found - before)[:35]).max() < 1e-3


def test_dab_lies_over_nuclei_membranes_or_tissue():
    inside = TISSUE.labels > 0
    shares = []
    for seed in range(20):
        dab = draw_dab(SHARES, TISSUE.labels, np.random.default_rng(seed))
        assert dab.shape == TISSUE.labels.shape
        assert (dab >= 0).all()
        shares.append(dab[inside].sum() / max(dab.sum(), 1e-6))
    assert max(shares) > 0.85  # in nuclei
    assert min(shares) < 0.5  # round them


def test_tissue_without_nuclei_is_stained_as_well():
    empty = np.zeros_like(TISSUE.labels)
    variation = StainVariation(("nuclei", "density"), PERCENTILES, 1.0)
    for seed in range(8):
        assert np.isfinite(restained(SHARES, empty, SHARES, variation, np.random.default_rng(seed))).all()


def test_compression_leaves_the_picture_recognisable():
    again = compressed(SHARES, 60)
    assert again.shape == SHARES.shape
    assert 0 < np.abs(again - SHARES).mean() < 0.05


def test_rows_stand_for_the_whole_picture():
    rows = sampled_picture_rows(PICTURE, np.random.default_rng(0))
    assert rows.shape == (3, stains.ROWS, 128)
    assert rows.max() <= 1
    assert sampled_picture_rows(PICTURE[:, :5], np.random.default_rng(0)).shape == (3, 5, 128)


def test_crops_of_stained_samples_are_re_made_and_others_are_not():
    signals = np.stack([np.ones((128, 128), np.float32)] * 2)
    stained = Sample("s", signals, TISSUE.labels, "s", kind="brightfield", picture=PICTURE)
    form = StainVariation(("nuclei", "density"), PERCENTILES, 1.0)
    assert np.ptp(cut_crop(stained, 64, 1.0, np.random.default_rng(0), form).image) > 0.3
    assert np.ptp(cut_crop(stained, 64, 1.0, np.random.default_rng(0)).image) == 0
    grey = Sample("g", signals, TISSUE.labels, "g")
    assert np.ptp(cut_crop(grey, 64, 1.0, np.random.default_rng(0), form).image) == 0


def test_a_piece_that_is_no_picture_has_neither_light_nor_nuclei():
    crop = Crop(np.ones((2, 64, 64), np.float32), np.ones((64, 64), np.int32), np.ones((64, 64), bool), np.zeros(2))
    for seed in range(6):
        cut = add_fill(crop, np.random.default_rng(seed))
        gone = cut.labels == 0
        assert 0 < gone.mean() < 0.5
        assert (cut.image[:, gone] == 0).all()
        assert (cut.image[:, ~gone] == 1).all()
        assert cut.reviewed.all()
