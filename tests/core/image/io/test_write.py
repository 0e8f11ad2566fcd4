from __future__ import annotations

import errno
import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
from tifffile import TiffFile

from napari_unet_nuclei.core.errors import ImageFileError, ImageShapeError, OutputFileError
from napari_unet_nuclei.core.image.io import write
from napari_unet_nuclei.core.image.io.find import image_paths
from napari_unet_nuclei.core.image.io.read import read_image
from napari_unet_nuclei.core.image.io.write import atomic, write_json, write_labels, write_overlay, write_table
from napari_unet_nuclei.core.image.pixel_size import PixelSize
from napari_unet_nuclei.core.progress import Cancelled
from napari_unet_nuclei.core.samples.drawing import draw_nuclei

SIZE = PixelSize(0.5, 0.25, 2.0)
PROVENANCE = {"model": "general", "diameter": np.float32(22.5), "file": Path("a.tif"), "unit": "µm"}


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out_labels.tif", "out_labels.ome.tif"])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZYX", "QYX"])
def test_labels_come_back_with_axes_and_pixel_size(tmp_path: Path, name: str, axes: str) -> None:
    labels = np.arange(2 * 3 * 7 * 3, dtype=np.int64).reshape(2, 3, 7, 3)[(0,) * (4 - len(axes))]
    write_labels(tmp_path / name, labels, axes=axes, pixel_size=SIZE, provenance=PROVENANCE)
    back = read_image(tmp_path / name)
    assert back.axes == axes
    assert back.array.dtype == np.int32
    assert np.array_equal(back.array, labels)
    assert (back.pixel_size.y, back.pixel_size.x, back.pixel_size.z) == pytest.approx((0.5, 0.25, 2.0))


def test_pixel_size_stays_unknown_where_it_was(tmp_path: Path) -> None:
    for name in ("a.tif", "a.ome.tif"):
        write_labels(tmp_path / name, np.eye(5, dtype=int), axes="YX", pixel_size=PixelSize(), provenance={})
        assert read_image(tmp_path / name).pixel_size == PixelSize()


def test_provenance_is_in_the_file_and_other_programs_find_the_pixel_size(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.tif", np.eye(9, dtype=bool), axes="YX", pixel_size=SIZE, provenance=PROVENANCE)
    with TiffFile(tmp_path / "a.tif") as tif:
        assert json.loads(tif.pages.first.description)["provenance"] == {
            "model": "general",
            "diameter": 22.5,
            "file": "a.tif",
            "unit": "µm",
        }
        assert tif.pages.first.compression.name == "ADOBE_DEFLATE"
        assert tif.pages.first.get_resolution("micrometer") == pytest.approx((4, 2))
    write_labels(tmp_path / "a.ome.tif", np.eye(9, dtype=bool), axes="YX", pixel_size=SIZE, provenance=PROVENANCE)
    with TiffFile(tmp_path / "a.ome.tif") as tif:
        assert "general" in str(tif.ome_metadata)


def test_ids_beyond_int32_are_kept_and_impossible_ones_refused(tmp_path: Path) -> None:
    def written(labels: object) -> np.ndarray:
        write_labels(tmp_path / "a.tif", labels, axes="YX", pixel_size=PixelSize(), provenance={})
        return np.asarray(read_image(tmp_path / "a.tif").array)

    assert written(np.array([[0, 2**32 - 1]], np.uint64)).dtype == np.uint32
    assert written(np.array([[0, 70_000]], ">i4")).tolist() == [[0, 70_000]]
    assert written(np.array([[0, 2**40]])).tolist() == [[0, 2**40]]
    assert written(np.array([[-1, 7]])).tolist() == [[0, 7]]  # what some programs store for background
    for impossible in (np.array([[2**63]], np.uint64), np.array([[-2]]), np.array([[0.5]])):
        with pytest.raises(OutputFileError, match="Relabel"):
            written(impossible)
    with pytest.raises(OutputFileError, match="from 0 to 4294967295"):
        write_labels(tmp_path / "a.ome.tif", np.array([[0, 2**40]]), axes="YX")


@pytest.mark.parametrize(("shape", "axes"), [((5, 5), "ZYX"), ((0, 5), "YX")])
def test_labels_that_do_not_fit_their_axes_are_refused(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    with pytest.raises(ImageShapeError, match="axes"):
        write_labels(tmp_path / "a.tif", np.zeros(shape, int), axes=axes, pixel_size=SIZE, provenance={})
    assert not list(tmp_path.iterdir())


# --- whole or not at all --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Cancelled, KeyboardInterrupt, ValueError])
def test_whatever_ends_the_writing_leaves_the_old_file_alone(tmp_path: Path, reason: type[BaseException]) -> None:
    path = tmp_path / "result.csv"
    path.write_text("old")

    def interrupted() -> None:
        with atomic(path) as partial:
            partial.write_text("half")
            raise reason

    with pytest.raises(reason):
        interrupted()
    assert [file.name for file in tmp_path.iterdir()] == ["result.csv"]
    assert path.read_text() == "old"


def test_missing_folders_are_made_and_the_file_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.tif"
    with atomic(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
        assert partial.parent == path.parent
        with pytest.raises(ImageFileError, match="No image"):
            image_paths([tmp_path])
    assert path.read_text() == "whole"


def test_very_long_names_are_possible(tmp_path: Path) -> None:
    path = tmp_path / ("µ" * 100 + ".json")
    write_json(path, {})
    assert path.exists()


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "not permitted"), (errno.EIO, r"Check the folder")],
)
def test_refusals_of_the_system_are_explained(tmp_path: Path, number: int, says: str) -> None:
    with pytest.raises(OutputFileError, match=says), atomic(tmp_path / "a.tif"):
        raise OSError(number, "refused")


def test_a_file_in_the_place_of_the_folder_and_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputFileError, match="was not written"):
        write_json(tmp_path / "taken" / "a.json", {})
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputFileError, match=r"a\.json was not written"):
        write_json(tmp_path / "a.json", {})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "taken"]


# --- tables, JSON, overlays -----------------------------------------------------------------------------------------


def test_tables_come_back_without_an_index(tmp_path: Path) -> None:
    table = pd.DataFrame({"label": [1, 2], "area_um2": [0.5, np.nan], "file": ["ä, b.tif", "c"]})
    write_table(tmp_path / "t.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table, check_dtype=False)


def test_json_holds_numpy_values_and_paths(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"n": np.int64(3), "ap": np.array([0.5, 1]), "path": Path("x"), "text": "µ"})
    written = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(written) == {"n": 3, "ap": [0.5, 1.0], "path": "x", "text": "µ"}
    assert "µ" in written


def test_overlay_outlines_every_nucleus_and_leaves_the_rest_grey(tmp_path: Path) -> None:
    clean, labels = draw_nuclei((80, 90), 16, 8, np.random.default_rng(0))
    write_overlay(tmp_path / "o.png", 1000 * clean, labels)
    overlay = iio.imread(tmp_path / "o.png").astype(int)
    assert overlay.shape == (80, 90, 3)
    coloured = np.ptp(overlay, axis=-1) > 0
    assert set(np.unique(labels[coloured])) == set(range(1, labels.max() + 1))
    assert not coloured[labels == 0].any()
    assert coloured.sum() < 0.6 * (labels > 0).sum()
    assert overlay[~coloured].max() == 255


@pytest.mark.parametrize("value", [np.nan, np.inf, 7.0])
def test_overlays_of_constant_and_broken_images_are_drawn(tmp_path: Path, value: float) -> None:
    write_overlay(tmp_path / "o.png", np.full((20, 20), value), np.zeros((20, 20), np.int32))
    assert iio.imread(tmp_path / "o.png").shape == (20, 20, 3)


def test_colours_are_shown_as_they_are(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 20, 4), np.uint8)
    write_overlay(tmp_path / "o.png", picture, np.zeros((20, 20), np.int32))
    assert np.array_equal(iio.imread(tmp_path / "o.png"), picture[..., :3])


def test_large_overlays_are_thinned_and_others_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "LARGEST_OVERLAY", 1000)
    write_overlay(tmp_path / "o.png", np.zeros((200, 100)), np.zeros((200, 100), np.int32))
    assert iio.imread(tmp_path / "o.png").shape == (40, 20, 3)
    with pytest.raises(ImageShapeError, match="does not match labels"):
        write_overlay(tmp_path / "o.png", np.zeros((20, 10)), np.zeros((10, 20), np.int32))
