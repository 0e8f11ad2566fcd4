from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path

import pytest

from napari_unet_nuclei.core.errors import ImageFileError
from napari_unet_nuclei.core.image.io.pairs import image_files, is_beside_image, label_files


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(files: dict[str, Path], folder: Path) -> dict[str, str]:
    return {name: path.relative_to(folder).as_posix() for name, path in files.items()}


def test_files_are_known_by_their_names_without_endings(tmp_path):
    touch(tmp_path, "a.png", "b.ome.tif", "deep/c.d.tif", "notes.txt")
    assert names(image_files(tmp_path), tmp_path) == {"a": "a.png", "b": "b.ome.tif", "deep/c.d": "deep/c.d.tif"}


def test_letters_composed_or_not_make_the_same_name(tmp_path):
    composed, apart = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    touch(tmp_path, f"in/{composed}.png", f"labels/{apart}_labels.tif")
    assert set(image_files(tmp_path / "in")) == set(label_files(tmp_path / "labels")) == {composed}


def test_labels_are_known_by_the_name_of_their_image(tmp_path):
    touch(tmp_path, "a_labels.tif", "b_labels.ome.tif", "c.png")
    assert set(label_files(tmp_path)) == {"a", "b", "c"}


def test_images_and_labels_may_lie_side_by_side(tmp_path):
    touch(tmp_path, "a.png", "a_labels.tif", "a_overlay.png")
    assert names(image_files(tmp_path), tmp_path) == {"a": "a.png"}
    assert names(label_files(tmp_path), tmp_path) == {"a": "a_labels.tif"}


@pytest.mark.parametrize("listed", [image_files, label_files])
def test_files_that_differ_only_in_their_ending_are_named(tmp_path, listed):
    touch(tmp_path, "a.png", "a.tif")
    with pytest.raises(ImageFileError, match=r"a\.png and .*a\.tif"):
        listed(tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ImageFileError, match=tmp_path.name):
        image_files(tmp_path)


@pytest.mark.parametrize(
    "mask",
    [
        "a_labels.tif",
        "a_cp_masks.png",
        "a_cp_masks.tif",
        "a_masks.tif",
        "a_mask.png",
        "a_seg.tif",
        "a-labels.tif",
        "a_label.tif",
        "a.roi.zip",
        "a_rois.zip",
        "a.roi",
        "a.geojson",
        "a_nuclei.geojson",
        "a.tif.geojson",
        "a.ome.tif.geojson",
        "a_seg.npy",
    ],
)
def test_masks_of_other_programs_belong_to_the_image_beside_them(mask, tmp_path):
    touch(tmp_path, "a.tif", "b.tif", mask)
    if mask.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / mask, "w") as archive:
            archive.writestr("1.roi", b"")
    assert is_beside_image(Path(mask))
    assert names(image_files(tmp_path), tmp_path) == {"a": "a.tif", "b": "b.tif"}
    assert names(label_files(tmp_path), tmp_path) == {"a": mask, "b": "b.tif"}


@pytest.mark.parametrize(
    "name", ["mask.tif", "nuclei.tif", "a_nuclei.tif", "masked.tif", "a_segmented cells.png", "_seg.tif"]
)
def test_images_are_not_taken_for_masks(name):
    assert not is_beside_image(Path(name))


def test_label_images_come_before_outlines_and_outlines_of_imagej_before_geojson(tmp_path):
    touch(tmp_path, "a.tif", "a_nuclei.geojson", "a_rois.zip", "a_labels.tif")
    zipfile.ZipFile(tmp_path / "a_rois.zip", "w").close()
    assert names(label_files(tmp_path), tmp_path) == {"a": "a_labels.tif"}
    (tmp_path / "a_labels.tif").unlink()
    assert names(label_files(tmp_path), tmp_path) == {"a": "a_rois.zip"}
    (tmp_path / "a_rois.zip").unlink()
    assert names(label_files(tmp_path), tmp_path) == {"a": "a_nuclei.geojson"}


def test_other_json_and_other_archives_are_no_labels(tmp_path):
    touch(tmp_path, "a.tif", "metadata.json")
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        archive.writestr("a.txt", b"x")
    assert set(label_files(tmp_path)) == {"a"}


def test_two_masks_of_one_image_are_named(tmp_path):
    touch(tmp_path, "a.tif", "a_masks.tif", "a_cp_masks.png")
    with pytest.raises(ImageFileError, match=r"a_cp_masks\.png and .*a_masks\.tif both belong to 'a'"):
        label_files(tmp_path)


def test_pictures_that_programs_draw_are_neither(tmp_path):
    touch(tmp_path, "a.tif", "a_cp_output.png", "a_outlines.png", "a_flows.tif", "a_overlay.png")
    assert names(image_files(tmp_path), tmp_path) == names(label_files(tmp_path), tmp_path) == {"a": "a.tif"}


def test_images_in_a_folder_of_their_own_may_be_called_like_masks(tmp_path):
    touch(tmp_path, "a_mask.tif", "b_mask.tif")
    assert set(image_files(tmp_path)) == {"a_mask", "b_mask"}


def test_composed_and_decomposed_letters_are_the_same_name(tmp_path):
    touch(tmp_path / "images", unicodedata.normalize("NFD", "Zürich.tif"))
    touch(tmp_path / "labels", unicodedata.normalize("NFC", "Zürich_masks.tif"))
    assert set(image_files(tmp_path / "images")) == set(label_files(tmp_path / "labels")) == {"Zürich"}
