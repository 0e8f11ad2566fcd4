"""Nuclei measured in three dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.segmentation import expand_labels

from napari_unet_nuclei.core.errors import ImageShapeError, SettingsError
from napari_unet_nuclei.core.labels.measure.volumes import hold_volumes, measure_volumes
from napari_unet_nuclei.core.settings import CellSettings
from tests.helpers.recording import RecordingProgress

RADIUS = 10.0


def ball(spacing: float, radius: float = RADIUS) -> np.ndarray:
    """A ball in a stack whose planes are so many pixels apart, with a rim of background."""
    z = np.arange(-int(radius // spacing) - 2, int(radius // spacing) + 3) * spacing + 0.2 * spacing
    y = np.arange(-int(radius) - 2, int(radius) + 3) + 0.3
    return (z[:, None, None] ** 2 + y[:, None] ** 2 + y**2 < radius**2).astype(np.int32)


@pytest.mark.parametrize(("spacing", "within"), [(1, 0.015), (2, 0.02), (4, 0.035)])
def test_a_ball_has_the_volume_surface_and_shape_of_a_ball(spacing, within):
    labels = 5 * ball(spacing)
    row = measure_volumes(labels, pixel_size_z=0.5 * spacing, pixel_size_y=0.5, pixel_size_x=0.5).iloc[0]
    radius = RADIUS / 2
    assert row["label"] == 5
    assert row["volume_um3"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=within)
    assert row["surface_um2"] == pytest.approx(4 * np.pi * radius**2, rel=within)
    assert row["diameter_um"] == pytest.approx(2 * radius, rel=within)
    assert row["diameter_px"] == pytest.approx(2 * RADIUS, rel=within)
    assert row["sphericity"] == pytest.approx(1, abs=0.03)
    assert not row["touches_edge"]
    assert row["planes"] == row["z_last"] - row["z_first"] + 1 == (labels > 0).any(axis=(1, 2)).sum()


def ellipsoids(spacing: float, halves: tuple[float, float, float], count: int) -> np.ndarray:
    """Ellipsoids side by side, each turned and placed at random."""
    rng, side = np.random.default_rng(3), 2 * int(max(halves)) + 6
    z, y, x = np.indices((int(side / spacing) + 3, side, side), dtype=float)
    drawn = []
    for number in range(1, count + 1):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        shift = rng.random(3) - 0.5
        places = [(z - len(z) / 2 + shift[0]) * spacing, y - side / 2 + shift[1], x - side / 2 + shift[2]]
        inside = ((np.stack(places, axis=-1) @ turn / halves) ** 2).sum(axis=-1) < 1
        drawn.append(np.where(inside, number, 0))
    return np.concatenate(drawn, axis=2)


@pytest.mark.parametrize(("halves", "surface"), [((8, 8, 8), 804.2), ((12, 7, 6.5), 885.5), ((10, 10, 6), 938.9)])
@pytest.mark.parametrize("spacing", [1, 2, 4, 8])
def test_surfaces_of_ellipsoids_are_right_on_average_however_far_apart_planes_are(spacing, halves, surface):
    labels = ellipsoids(spacing, halves, 24)
    table = measure_volumes(labels, pixel_size_z=spacing, pixel_size_y=1, pixel_size_x=1)
    assert table["surface_um2"].mean() == pytest.approx(surface, rel=0.01 if spacing < 4 else 0.03)


def test_an_ellipsoid_has_three_axes():
    z, y, x = np.ogrid[-12:13, -20:21, -30:31]
    labels = ((z / 8) ** 2 + (y / 15) ** 2 + (x / 25) ** 2 < 1).astype(int)
    row = measure_volumes(labels, pixel_size_z=1, pixel_size_y=1, pixel_size_x=1).iloc[0]
    assert row[["axis_major_um", "axis_middle_um", "axis_minor_um"]].tolist() == pytest.approx([50, 30, 16], rel=0.02)


def test_intensities_are_those_of_all_planes_and_nan_counts_in_none():
    labels = np.array([[[1, 1]], [[1, 2]]])
    light = np.array([[[1.0, 5.0]], [[np.nan, np.inf]]])
    table = measure_volumes(labels, {"GFP": light})
    assert table[["GFP_mean", "GFP_min", "GFP_max", "GFP_sum"]].iloc[0].tolist() == [3, 1, 5, 6]
    assert table[["GFP_mean", "GFP_min", "GFP_max", "GFP_sum"]].iloc[1].isna().all()


def test_every_time_point_is_a_stack_of_its_own_wherever_depth_stands():
    stack = ball(4)
    film = np.stack([stack, np.zeros_like(stack), 3 * stack])
    table = measure_volumes(film, axes="TZYX", origin=(10, 100, 0, 7))
    assert table[["label", "t"]].values.tolist() == [[1, 10], [3, 12]]
    assert table["centroid_z"].min() > 100
    turned = measure_volumes(film.swapaxes(0, 1), axes="ZTYX", origin=(100, 10, 0, 7))
    assert turned.equals(table)


def test_positions_in_the_world_and_lengths_without_a_pixel_size():
    labels = np.zeros((3, 4, 5), int)
    labels[1, 1:3, 1:3] = 2
    world = np.diag([2.0, 0.5, 0.5, 1.0])
    row = measure_volumes(labels, world=world, spacing=3).iloc[0]
    assert row[["centroid_z", "centroid_y", "world_z", "world_y"]].tolist() == [1, 1.5, 2, 0.75]
    assert row[["volume_um3", "diameter_um", "surface_um2", "axis_major_um"]].isna().all()
    assert row["diameter_px"] == pytest.approx((6 / np.pi * 12) ** (1 / 3))


@pytest.mark.parametrize("place", [(0, 1, 1), (2, 1, 1), (1, 0, 1), (1, 2, 1), (1, 1, 0), (1, 1, 2)])
def test_any_of_six_faces_is_an_edge(place):
    labels = np.zeros((3, 3, 3), int)
    labels[1, 1, 1] = 1
    labels[place] = 2
    assert measure_volumes(labels)["touches_edge"].tolist() == [False, True]


def test_nothing_gives_all_columns_and_no_rows():
    full = measure_volumes(np.ones((2, 3, 3), int), {"a": np.ones((2, 3, 3))})
    for shape in ((2, 3, 3), (0, 3, 3), (2, 0, 3)):
        empty = measure_volumes(np.zeros(shape, int), {"a": np.zeros(shape)})
        assert len(empty) == 0
        assert empty.columns.tolist() == full.columns.tolist()


def test_shapes_and_axes_that_do_not_fit_are_refused():
    labels = np.zeros((2, 3, 3), int)
    for axes in ("TYX", "ZZYX", "YXZ"):
        with pytest.raises(ImageShapeError):
            measure_volumes(labels, axes=axes)
    with pytest.raises(ImageShapeError, match="shape"):
        measure_volumes(labels, {"a": np.zeros((2, 3, 4))})


def test_labels_tell_whether_they_are_volumes():
    stack = ball(4)
    assert hold_volumes(stack, "ZYX")
    # Numbered anew in every plane, at other places; or on from plane to plane.
    assert not hold_volumes(np.array([[[1, 1, 0, 2]], [[2, 0, 1, 1]]]), "ZYX")
    assert not hold_volumes(np.array([[[1, 1, 0]], [[2, 2, 0]]]), "ZYX")
    assert not hold_volumes(np.zeros((0, 3, 3), int), "ZYX")
    assert not hold_volumes(stack, "TYX")
    assert hold_volumes(np.stack([stack, stack]), "TZYX")
    assert hold_volumes(np.stack([stack, stack]).swapaxes(0, 1), "ZTYX")


def test_cells_and_rings_are_drawn_in_three_dimensions():
    labels = np.zeros((9, 20, 20), np.int64)
    labels[3:6, 5:9, 5:9] = 2
    labels[3:6, 5:9, 14:17] = 5
    image = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    sizes = {"pixel_size_z": 1.0, "pixel_size_y": 0.5, "pixel_size_x": 0.5}
    around = CellSettings(cell=1.5, ring=1.0)
    spots = {"foci": np.array([(4, 6, 6), (6, 6, 6), (4, 15, 15)], float)}
    table = measure_volumes(labels, {"GFP": image}, **sizes, around=around, spots=spots).set_index("label")
    cells = expand_labels(labels, 1.5, (1.0, 0.5, 0.5))
    for nucleus in (2, 5):
        own = cells == nucleus
        assert table.loc[nucleus, "cell_voxels"] == own.sum()
        assert table.loc[nucleus, "cell_volume_um3"] == pytest.approx(own.sum() * 0.25)
        outside = own & (labels == 0)
        assert table.loc[nucleus, "GFP_mean_cytoplasm"] == pytest.approx(image[outside].mean(), abs=1e-6)
    assert "GFP_nucleus_to_ring" in table
    assert table["foci_count"].tolist() == [1, 0]
    assert table["foci_count_cell"].tolist() == [2, 0]
    empty = measure_volumes(np.zeros_like(labels), {"GFP": image}, **sizes, around=around, spots=spots)
    assert set(empty.columns) == {"label", *table.columns}
    with pytest.raises(SettingsError, match="in pixels"):
        measure_volumes(labels, around=around)


def test_cells_of_another_origin_are_matched_in_three_dimensions_and_by_stack():
    labels = np.zeros((2, 4, 10, 10), np.int64)
    labels[0, 1:3, 2:5, 2:5] = labels[1, 1:3, 6:9, 6:9] = 3
    cells = np.zeros_like(labels)
    cells[0, :, 1:7, 1:7] = 8
    progress = RecordingProgress()
    table = measure_volumes(labels, axes="TZYX", cells=cells, progress=progress)
    assert table["cell"].tolist() == [8, 0]
    assert table["cell_voxels"].tolist()[0] == 4 * 36
    assert progress.notices == ["1 nucleus lies in no cell."]
