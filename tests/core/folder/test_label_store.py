from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_unet_nuclei.core.errors import OutputFileError
from napari_unet_nuclei.core.folder import outputs
from napari_unet_nuclei.core.folder.outputs import write_label_store
from napari_unet_nuclei.core.image.io.ome_zarr import read_ome_zarr
from napari_unet_nuclei.core.image.io.ome_zarr_labels import read_provenance
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.pixel_size import PixelSize

LABELS = np.random.default_rng(0).integers(0, 900, (2, 3, 20, 30)).astype(np.int32)
SIZE = PixelSize(0.5, 0.25, 2.0)


def test_labels_come_back_with_axes_in_the_order_of_the_format_size_and_provenance(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a_labels.ome.zarr"
    write_label_store(path, LABELS, axes="ZTYX", pixel_size=SIZE, provenance={"model": "tiny"})
    image = read_image(path)
    assert (image.axes, image.pixel_size) == ("TZYX", SIZE)
    assert np.array_equal(image.array[...], LABELS.transpose(1, 0, 2, 3))
    assert read_provenance(path) == {"model": "tiny"}


def test_large_planes_have_a_pyramid_of_every_second_pixel(tmp_path: Path) -> None:
    labels = np.arange(1500 * 1100, dtype=np.int32).reshape(1500, 1100)
    write_label_store(tmp_path / "a.ome.zarr", labels, axes="YX", pixel_size=PixelSize(), provenance={})
    fine, coarse = read_ome_zarr(tmp_path / "a.ome.zarr").levels
    assert np.array_equal(fine[...], labels)
    assert np.array_equal(coarse[...], labels[::2, ::2])


def test_labels_that_were_there_are_replaced_as_a_whole(tmp_path: Path) -> None:
    for labels in (LABELS[0, 0], LABELS[1, 1, :8]):
        write_label_store(tmp_path / "a.ome.zarr", labels, axes="YX", pixel_size=SIZE, provenance={})
    assert np.array_equal(read_image(tmp_path / "a.ome.zarr").array[...], LABELS[1, 1, :8])
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_a_store_that_fails_leaves_what_was_there_and_nothing_half_written(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.ome.zarr"
    write_label_store(path, LABELS[0, 0], axes="YX", pixel_size=SIZE, provenance={})

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs, "write_label_metadata", fail)
    with pytest.raises(OutputFileError, match="No space left"):
        write_label_store(path, LABELS[1, 1], axes="YX", pixel_size=SIZE, provenance={})
    assert np.array_equal(read_image(path).array[...], LABELS[0, 0])
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_stacks_lie_in_chunks_of_many_planes_and_read_back_as_they_were(tmp_path) -> None:
    labels = np.random.default_rng(0).integers(0, 9, (2, 70, 30, 20)).astype(np.int32)
    path = tmp_path / "a.ome.zarr"
    write_label_store(path, labels, axes="TZYX", pixel_size=PixelSize(0.5, 0.5, 2.0), provenance={})
    level = read_ome_zarr(path).levels[0]
    assert level.chunks == (1, 64, 30, 20)
    assert np.array_equal(level[...], labels)
    # NGFF wants time before depth.
    write_label_store(path, labels, axes="ZTYX", pixel_size=PixelSize(0.5, 0.5, 2.0), provenance={})
    assert np.array_equal(read_ome_zarr(path).levels[0][...], labels.swapaxes(0, 1))


@pytest.mark.parametrize(("highest", "kind"), [(7, "int32"), (3_000_000_000, "uint32"), (2**40, "int64")])
def test_ids_of_any_size_stay_what_they_are_and_minus_one_is_background(highest, kind, tmp_path):
    labels = np.zeros((3, 8, 9), np.int64)
    labels[1, 2:4, 2:4], labels[0, 0, 0] = highest, -1
    write_label_store(tmp_path / "a.ome.zarr", labels, axes="ZYX", pixel_size=PixelSize(), provenance={})
    stored = np.asarray(read_image(tmp_path / "a.ome.zarr").array)
    assert stored.dtype == kind
    np.testing.assert_array_equal(stored, np.maximum(labels, 0))


def test_ids_that_are_no_integers_are_refused(tmp_path):
    with pytest.raises(OutputFileError, match="must be integers"):
        write_label_store(tmp_path / "a.ome.zarr", np.full((8, 9), 0.5), axes="YX", pixel_size=SIZE, provenance={})
    assert list(tmp_path.iterdir()) == []
