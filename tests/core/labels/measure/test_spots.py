from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_unet_nuclei import CellSettings, measure
from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.drawn_file import read_spots
from napari_unet_nuclei.core.labels.measure.spots import find_spots

LABELS = np.zeros((60, 60), int)
LABELS[10:20, 10:20] = 4
LABELS[30:40, 30:40] = 9
SPOTS = np.array([(12.0, 12.0), (15.4, 18.2), (21.0, 15.0), (35.0, 35.0), (50.0, 50.0), (-3.0, 5.0), (12.0, 99.0)])


def test_spots_are_counted_in_nuclei_and_in_their_cells():
    table = measure(LABELS, spots={"foci": SPOTS}, around=CellSettings(cell=3, distance_unit="px"))
    assert table["foci_count"].tolist() == [2, 1]
    assert table["foci_count_cell"].tolist() == [3, 1]
    assert measure(np.zeros((5, 5), int), spots={"foci": SPOTS})["foci_count"].tolist() == []


def test_spots_of_a_series_belong_to_their_plane_and_crops_keep_their_place():
    series = np.stack([LABELS, LABELS])
    spots = np.column_stack([[0, 0, 0, 1, 1, 1, 1], SPOTS])
    table = measure(series[:, 5:, 5:], axes="TYX", origin=(0, 5, 5), spots={"foci": spots})
    assert table["foci_count"].tolist() == [2, 0, 0, 1]


def test_drawn_spots_are_found_in_noise_and_none_in_noise_alone():
    rng = np.random.default_rng(0)
    places = np.array([(20, 20), (20, 32), (50, 70), (90, 11), (99, 0)])
    image = np.zeros((120, 120))
    image[tuple(places.T)] = 1.0
    noise = rng.normal(100, 5, image.shape)
    drawn = noise + 40 * gaussian_filter(image, 1.5) / gaussian_filter(image, 1.5).max()
    found = find_spots(drawn, 4.2)
    assert len(found) == 5
    assert all(np.abs(found - place).sum(axis=1).min() <= 2 for place in places)
    assert len(find_spots(noise, 4.2)) == 0
    assert len(find_spots(np.zeros((9, 9)), 3)) == 0
    assert len(find_spots(gaussian_filter(image, 1.5), 4.2)) == 5


def test_points_are_read_as_napari_saves_them_or_by_the_letters_of_the_axes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("index,axis-0,axis-1\n0,1.5,2\n1,3,4\n")
    assert read_spots(path, "YX").tolist() == [[1.5, 2], [3, 4]]
    with pytest.raises(ImageFileError, match="axis-2"):
        read_spots(path, "TYX")
    path.write_text("X,Y,intensity\n2,1.5,9\n")
    assert read_spots(path, "YX").tolist() == [[1.5, 2]]
    path.write_text("y,x\n1,many\n")
    with pytest.raises(ImageFileError, match="not numbers"):
        read_spots(path, "YX")
    path.write_text("")
    with pytest.raises(ImageFileError, match="cannot be read"):
        read_spots(path, "YX")
